//! Headers, read strictly.
//!
//! A lenient reader accepts several spellings of one thing, and then two different requests verify under one
//! signature, or the signer's library and the receiver's disagree. So everything here has exactly one spelling:
//! one header per name, plain decimal timestamps, canonical base64, complete hex. The single concession is the
//! case of header names and of hex digits, where HTTP and every sender in the field leave the choice open.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

use crate::error::{HeaderNameError, HeaderProblem, VerifyError};
use crate::mac::{MAX_TAG_BYTES, Tag};

/// Longest header value that is looked at, in bytes. Thirty-two base64 SHA-512 signatures with their tags fit.
pub const MAX_HEADER_BYTES: usize = 4096;

/// Most items that one signature header may hold. Senders put one per live secret, so even five are rare.
pub const MAX_SIGNATURE_ITEMS: usize = 32;

/// Longest message id, in bytes.
pub const MAX_ID_BYTES: usize = 256;

/// The name of an HTTP header, in the spelling in which it is sent. Comparison ignores ASCII case.
#[derive(Clone)]
pub struct HeaderName(Arc<str>);

impl HeaderName {
    /// Checks that `text` is a token in the sense of RFC 9110, section 5.6.2, of at most 128 characters.
    pub fn parse(text: &str) -> Result<Self, HeaderNameError> {
        let is_name = (1..=128).contains(&text.len()) && text.bytes().all(is_token_byte);
        if !is_name {
            let text = text.escape_debug().take(40).collect();
            return Err(HeaderNameError { text });
        }
        Ok(Self(Arc::from(text)))
    }

    /// Stands where a scheme should have a name and, because it was checked, always has one.
    pub(crate) fn nameless() -> Self {
        Self(Arc::from(""))
    }

    /// The name as it is sent, such as `X-Filedgr-Signature`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `name` is the same header, whatever its case.
    pub fn matches(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
    }
}

impl PartialEq for HeaderName {
    fn eq(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl Eq for HeaderName {}

impl Hash for HeaderName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.0.bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
    }
}

impl fmt::Debug for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for HeaderName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// The value of the one header that goes by any of `names`, or `None` when it is absent or empty.
///
/// The names are spellings of one thing, best first. All of them are looked at even when the first is present:
/// were the first simply preferred, an attacker could add the one and leave the other for the next reader.
pub(crate) fn find<'a, 'n>(
    headers: &[(&str, &'a [u8])],
    names: &'n [HeaderName],
) -> Result<Option<(&'n HeaderName, &'a [u8])>, VerifyError> {
    let mut found: Option<(&HeaderName, &[u8])> = None;
    for name in names {
        let mut values = headers
            .iter()
            .filter(|(key, _)| name.matches(key))
            .map(|(_, value)| *value);
        let Some(value) = values.next() else { continue };
        if values.next().is_some() {
            return Err(VerifyError::DuplicateHeader { header: name.clone() });
        }
        if value.is_empty() {
            continue;
        }
        if value.len() > MAX_HEADER_BYTES {
            return Err(VerifyError::MalformedHeader {
                header: name.clone(),
                problem: HeaderProblem::TooLong,
            });
        }
        match found {
            Some((first, earlier)) if earlier != value => {
                return Err(VerifyError::ConflictingHeaders {
                    first: first.clone(),
                    second: name.clone(),
                });
            }
            Some(_) => {}
            None => found = Some((name, value)),
        }
    }
    Ok(found)
}

/// Like [`find`], for a header that the scheme cannot do without.
pub(crate) fn require<'a, 'n>(
    headers: &[(&str, &'a [u8])],
    names: &'n [HeaderName],
) -> Result<(&'n HeaderName, &'a [u8]), VerifyError> {
    let found = find(headers, names)?;
    // A scheme without a signature header does not parse, and neither does an empty list of names, so `names[0]`
    // is there to be reported; `first` merely avoids the panic path.
    found.ok_or_else(|| VerifyError::MissingHeader {
        header: names.first().cloned().unwrap_or_else(HeaderName::nameless),
    })
}

/// Reads a timestamp: a decimal number without sign, leading zero or any other freedom, of at most 16 digits.
pub(crate) fn parse_timestamp(value: &[u8]) -> Option<i64> {
    let well_formed = match value {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.len() < 16 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    // Sixteen digits stay below 10^16, far inside i64, so the fold cannot overflow.
    well_formed.then(|| {
        value
            .iter()
            .fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))
    })
}

/// Whether `id` can stand in the signed bytes without being mistaken for something else.
///
/// An id is 1 to 256 characters out of `A-Z a-z 0-9 _ : @ / + = ~ -`. The full stop is missing on purpose: in
/// `{id}.{ts}.{body}` an id with a full stop could swallow the timestamp, and a body that starts with digits
/// could replace it, all under the same signature.
pub fn is_message_id(id: &str) -> bool {
    parse_id(id.as_bytes()).is_some()
}

/// The id as text, when it is one in the sense of [`is_message_id`].
pub(crate) fn parse_id(value: &[u8]) -> Option<&str> {
    // Without an early end the compiler looks at many bytes at once.
    let is_plain = |value: &[u8]| value.iter().fold(true, |plain, byte| plain & is_id_byte(*byte));
    let well_formed = (1..=MAX_ID_BYTES).contains(&value.len()) && is_plain(value);
    well_formed.then(|| str::from_utf8(value).ok()).flatten()
}

/// Whether `byte` may occur in a message id.
pub(crate) const fn is_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'@' | b'/' | b'+' | b'=' | b'~' | b'-')
}

/// How signature bytes are written in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Encoding {
    /// Lower-case hex when written, either case when read.
    Hex,
    /// RFC 4648 section 4, padded, canonical.
    Base64,
}

impl Encoding {
    /// Appends `bytes` to `out`.
    pub(crate) fn encode(self, bytes: &[u8], out: &mut String) {
        match self {
            Self::Hex => {
                for byte in bytes {
                    for nibble in [byte >> 4, byte & 0x0f] {
                        out.push(char::from(HEX_DIGITS[usize::from(nibble)]));
                    }
                }
            }
            Self::Base64 => BASE64.encode_string(bytes, out),
        }
    }

    /// Reads a signature of a permitted length from `text`, or nothing at all: a decoder that stops at the first bad
    /// digit would accept a good signature with rubbish behind it.
    pub(crate) fn decode(self, text: &[u8], lengths: &RangeInclusive<usize>) -> Option<Tag> {
        let tag = match self {
            Self::Hex => decode_hex(text),
            Self::Base64 => decode_base64(text),
        }?;
        lengths.contains(&tag.as_bytes().len()).then_some(tag)
    }

    /// Describes a signature of such a length for an error message.
    pub(crate) fn describe(self, lengths: &RangeInclusive<usize>) -> &'static str {
        match (self, *lengths.end()) {
            (Self::Hex, 20) => "40 hex digits",
            (Self::Hex, 32) => "64 hex digits",
            (Self::Hex, 64) => "128 hex digits",
            (Self::Base64, 20) => "28 base64 characters with padding",
            (Self::Base64, 32) => "44 base64 characters with padding",
            (Self::Base64, 64) => "88 base64 characters with padding",
            (Self::Hex, _) => "hex digits",
            (Self::Base64, _) => "base64 with padding",
        }
    }
}

fn decode_hex(text: &[u8]) -> Option<Tag> {
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() > MAX_TAG_BYTES || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; MAX_TAG_BYTES];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = hex_nibble(*high)? << 4 | hex_nibble(*low)?;
    }
    Some(Tag::new(bytes, pairs.len()))
}

const fn hex_nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn decode_base64(text: &[u8]) -> Option<Tag> {
    // Whole groups of four characters make whole groups of three bytes, and the longest signature fills its own.
    const _: () = assert!(
        MAX_TAG_BYTES.is_multiple_of(3),
        "the decoder wants room for whole groups"
    );
    if text.len() > MAX_TAG_BYTES / 3 * 4 {
        return None;
    }
    let mut bytes = [0; MAX_TAG_BYTES];
    let length = BASE64.decode_slice(text, &mut bytes).ok()?;
    Some(Tag::new(bytes, length))
}

/// Decodes a whole secret from hex; unlike a signature it may have any even length.
pub(crate) fn decode_hex_secret(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    // The capacity is exact, so that no half-built copy of the key is left behind by a reallocation.
    let mut bytes = Vec::with_capacity(pairs.len());
    for [high, low] in pairs {
        bytes.push(hex_nibble(*high)? << 4 | hex_nibble(*low)?);
    }
    Some(bytes)
}

/// Decodes a whole secret from padded, canonical base64.
pub(crate) fn decode_base64_secret(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

/// Encodes a whole secret as base64.
pub(crate) fn encode_base64_secret(bytes: &[u8], out: &mut String) {
    BASE64.encode_string(bytes, out);
}

/// Whether `value` can be sent as a header value: visible ASCII and inner spaces.
pub(crate) fn is_sendable_value(value: &str) -> bool {
    value.len() <= MAX_HEADER_BYTES
        && value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && !value.starts_with(' ')
        && !value.ends_with(' ')
}

const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HeaderName {
        HeaderName::parse(text).unwrap()
    }

    #[test]
    fn a_header_name_cannot_smuggle_a_second_header() {
        for bad in ["", "X Y", "X:", "X\r\nY", "é", &"x".repeat(129)] {
            assert!(HeaderName::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(name("X-Filedgr-Signature"), name("x-filedgr-signature"));
        assert_eq!(name("X-Filedgr-Signature").as_str(), "X-Filedgr-Signature");
    }

    #[test]
    fn two_names_for_one_header_must_agree() {
        let names = [name("x-digivault-signature"), name("x-bitvault-signature")];
        let found = |headers: &[(&str, &[u8])]| {
            find(headers, &names).map(|found| found.map(|(_, value)| value.to_vec()))
        };
        assert_eq!(found(&[]), Ok(None));
        assert_eq!(
            found(&[("X-BitVault-Signature", b"aa")]),
            Ok(Some(b"aa".to_vec()))
        );
        assert_eq!(
            found(&[("X-DigiVault-Signature", b"aa"), ("X-BitVault-Signature", b"aa")]),
            Ok(Some(b"aa".to_vec()))
        );
        assert_eq!(
            found(&[("X-DigiVault-Signature", b"aa"), ("X-BitVault-Signature", b"bb")]),
            Err(VerifyError::ConflictingHeaders {
                first: names[0].clone(),
                second: names[1].clone()
            })
        );
        assert_eq!(
            found(&[("x-bitvault-signature", b"aa"), ("X-BITVAULT-SIGNATURE", b"aa")]),
            Err(VerifyError::DuplicateHeader {
                header: names[1].clone()
            })
        );
    }

    #[test]
    fn a_timestamp_has_one_spelling() {
        for (text, value) in [
            ("0", Some(0)),
            ("1614265330", Some(1_614_265_330)),
            ("9999999999999999", Some(9_999_999_999_999_999)),
        ] {
            assert_eq!(parse_timestamp(text.as_bytes()), value, "{text}");
        }
        for bad in [
            "",
            "00",
            "01",
            "-1",
            "+1",
            " 1",
            "1 ",
            "1.0",
            "1e3",
            "1_0",
            "10000000000000000",
            "١",
        ] {
            assert_eq!(parse_timestamp(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn an_id_cannot_contain_the_separator() {
        assert!(is_message_id("evt_abc-123"));
        for bad in ["", "a.b", "a b", "é", "a\r\n", &"x".repeat(257)] {
            assert!(!is_message_id(bad), "{bad:?}");
        }
    }

    #[test]
    fn decoding_undoes_encoding_and_nothing_else() {
        for (encoding, length) in [Encoding::Hex, Encoding::Base64]
            .into_iter()
            .flat_map(|e| [20, 32, 64, 71].map(|length| (e, length)))
        {
            let lengths = length..=length;
            let bytes: Vec<u8> = (0..=255).take(length).map(|i: u8| i.wrapping_mul(37)).collect();
            let mut text = String::new();
            encoding.encode(&bytes, &mut text);
            assert_eq!(
                encoding.decode(text.as_bytes(), &lengths).unwrap().as_bytes(),
                bytes
            );
            assert!(encoding.decode(&text.as_bytes()[1..], &lengths).is_none());
            assert!(
                encoding
                    .decode(format!("{text}00").as_bytes(), &lengths)
                    .is_none()
            );
            assert!(
                encoding
                    .decode(format!("{text}0000").as_bytes(), &lengths)
                    .is_none()
            );
            assert!(encoding.decode(&[b'0'; 4096], &lengths).is_none());
        }
        // The last character carries bits that belong to no byte; only zero is canonical.
        let decode = |text: &[u8]| Encoding::Base64.decode(text, &(32..=32));
        assert!(decode(b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").is_some());
        assert!(decode(b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=").is_none());
    }
}
