//! The five parts of a compact JWE, in base64url.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use zeroize::Zeroizing;

use super::error::JweError;
use super::header::Algorithm;

/// Longest message in compact form: room for the largest payload that the service can be told to accept. Decoding takes
/// memory in proportion.
pub const MAX_TOKEN_BYTES: usize = 32 * 1024 * 1024;

/// Longest header, in base64url. Ours have 300 characters; long ids and party names fit as well.
const MAX_HEADER_BYTES: usize = 4 * 1024;

pub(super) const IV_BYTES: usize = 12;
pub(super) const TAG_BYTES: usize = 16;
pub(super) const WRAPPED_KEY_BYTES: usize = 40;
/// The longest of what has a fixed length here, which is [`WRAPPED_KEY_BYTES`], and up to two bytes that the
/// decoder wants beyond it.
const FIXED_ROOM: usize = WRAPPED_KEY_BYTES + 2;

/// The five parts, not looked into.
pub(super) struct Compact<'a> {
    /// As text, which is what the tag covers.
    pub(super) header: &'a [u8],
    encrypted_key: &'a [u8],
    iv: &'a [u8],
    ciphertext: &'a [u8],
    tag: &'a [u8],
}

/// A message whose parts have the form that its algorithm asks for. Nothing of it is believed yet.
pub(super) struct Message<'a> {
    pub(super) header: &'a [u8],
    /// Of an agreement.
    pub(super) wrapped_key: Option<[u8; WRAPPED_KEY_BYTES]>,
    pub(super) iv: [u8; IV_BYTES],
    ciphertext: &'a [u8],
    pub(super) tag: [u8; TAG_BYTES],
}

impl<'a> Compact<'a> {
    pub(super) fn parse(token: &'a [u8]) -> Result<Self, JweError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(JweError::TooLong {
                length: token.len(),
                max: MAX_TOKEN_BYTES,
            });
        }
        let mut parts = token.split(|byte| *byte == b'.');
        let mut part = || parts.next();
        let (Some(header), Some(encrypted_key), Some(iv), Some(ciphertext), Some(tag), None) =
            (part(), part(), part(), part(), part(), part())
        else {
            return Err(malformed("it must have five parts with a dot between each two"));
        };
        if header.len() > MAX_HEADER_BYTES {
            return Err(malformed("the header is longer than 4096 characters"));
        }
        Ok(Self {
            header,
            encrypted_key,
            iv,
            ciphertext,
            tag,
        })
    }

    /// Holds the parts against what the algorithm puts there, before any key is touched.
    pub(super) fn message(self, algorithm: Algorithm) -> Result<Message<'a>, JweError> {
        let wrapped_key = match algorithm {
            Algorithm::Direct if self.encrypted_key.is_empty() => None,
            Algorithm::Direct => return Err(malformed("with dir there is no encrypted key")),
            Algorithm::EcdhEsA256Kw => {
                let wrapped = decode_fixed(self.encrypted_key);
                Some(*wrapped.ok_or(malformed("the encrypted key is not 40 bytes in base64url"))?)
            }
        };
        let iv = decode_fixed(self.iv);
        let tag = decode_fixed(self.tag);
        Ok(Message {
            header: self.header,
            wrapped_key,
            iv: *iv.ok_or(malformed(
                "the initialization vector is not 12 bytes in base64url",
            ))?,
            ciphertext: self.ciphertext,
            tag: *tag.ok_or(malformed("the tag is not 16 bytes in base64url"))?,
        })
    }
}

impl Message<'_> {
    pub(super) fn ciphertext(&self) -> Result<Vec<u8>, JweError> {
        decode(self.ciphertext).ok_or(malformed("the ciphertext is not base64url"))
    }
}

/// Whether a body has the form of a compact JWE: five parts of base64url. No JSON text has.
pub fn is_compact(body: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let mut parts = body.split(|byte| *byte == b'.');
    let five = parts
        .by_ref()
        .take(5)
        .filter(|part| part.iter().all(is_digit))
        .count()
        == 5;
    five && parts.next().is_none()
}

/// Length of a compact message with these lengths of its parts, the header in base64url and the others in bytes.
pub(super) fn token_length(header: usize, encrypted_key: usize, ciphertext: usize) -> usize {
    let encoded = |bytes: usize| bytes.div_ceil(3).saturating_mul(4);
    [
        header,
        encoded(encrypted_key),
        encoded(IV_BYTES),
        encoded(ciphertext),
        encoded(TAG_BYTES),
        4,
    ]
    .into_iter()
    .fold(0, usize::saturating_add)
}

pub(super) fn encode(bytes: impl AsRef<[u8]>, out: &mut String) {
    BASE64URL.encode_string(bytes, out);
}

/// Decodes base64url without padding. There is one spelling for each sequence of bytes.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    BASE64URL.decode(text).ok()
}

/// Decodes exactly `N` bytes; these may be a key, so that no copy is left behind.
pub(super) fn decode_fixed<const N: usize>(text: &[u8]) -> Option<Zeroizing<[u8; N]>> {
    const { assert!(N <= WRAPPED_KEY_BYTES, "nothing longer has a fixed length") };
    // No padding: every three bytes are four characters, and one or two left over are two or three.
    if text.len() != (N * 4).div_ceil(3) {
        return None;
    }
    let mut room = Zeroizing::new([0; FIXED_ROOM]);
    let length = BASE64URL.decode_slice(text, room.as_mut_slice()).ok()?;
    let mut bytes = Zeroizing::new([0; N]);
    bytes.copy_from_slice(&room[..N]);
    (length == N).then_some(bytes)
}

pub(super) const fn malformed(reason: &'static str) -> JweError {
    JweError::Malformed { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_has_one_spelling() {
        assert_eq!(decode(b"AAE"), Some(vec![0, 1]));
        for bad in ["AAE=", "AAF", "A", "AA E", "AAE\n", "AA+/", "AA."] {
            assert_eq!(decode(bad.as_bytes()), None, "{bad:?}");
        }
        assert!(decode_fixed::<2>(b"AAE").is_some());
        assert!(decode_fixed::<2>(b"AAF").is_none());
        assert!(decode_fixed::<3>(b"AAE").is_none());
        assert!(decode_fixed::<1>(b"AAE").is_none());
        assert!(decode_fixed::<40>(&[b'A'; 54]).is_some());
    }

    #[test]
    fn a_json_text_is_never_taken_for_a_jwe() {
        assert!(is_compact(b"e30..AAAA.AAAA.AAAA"));
        for body in [
            "",
            "{}",
            "1.5",
            "\"a.b.c.d.e\"",
            "a.b.c.d",
            "a.b.c.d.e.f",
            " a.b.c.d.e",
            "null",
        ] {
            assert!(!is_compact(body.as_bytes()), "{body:?}");
        }
    }
}
