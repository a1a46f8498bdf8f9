//! The content: AES-256-GCM, under a key that may travel wrapped (AES key wrap, RFC 3394).

use aes_gcm::{AeadInOut as _, Aes256Gcm, KeyInit as _};
use aes_kw::KwAes256;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::compact::{IV_BYTES, Message, TAG_BYTES, WRAPPED_KEY_BYTES};
use super::error::JweError;
use super::jwk::KEY_BYTES;

/// The key of one message, or of all messages when it is shared.
pub(super) struct ContentKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    /// Whether it is what the sender used, as far as unwrapping tells.
    is_genuine: bool,
}

/// A message without its framing.
pub(super) struct Sealed {
    pub(super) iv: [u8; IV_BYTES],
    pub(super) ciphertext: Vec<u8>,
    pub(super) tag: [u8; TAG_BYTES],
}

impl ContentKey {
    pub(super) fn shared(key: &[u8; KEY_BYTES]) -> Self {
        Self {
            bytes: Zeroizing::new(*key),
            is_genuine: true,
        }
    }

    pub(super) fn random<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        rng.fill_bytes(bytes.as_mut_slice());
        Self {
            bytes,
            is_genuine: true,
        }
    }

    /// When unwrapping fails the answer is a key that opens nothing, so that a wrong wrapping and a wrong tag take
    /// the same way to the same refusal.
    pub(super) fn unwrap(wrapped: &[u8; WRAPPED_KEY_BYTES], with: &[u8; KEY_BYTES]) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        let is_genuine = KwAes256::new(with.into())
            .unwrap_key(wrapped, bytes.as_mut_slice())
            .is_ok();
        Self { bytes, is_genuine }
    }

    /// The key for the way, encrypted with one that both sides have.
    pub(super) fn wrap(&self, with: &[u8; KEY_BYTES]) -> [u8; WRAPPED_KEY_BYTES] {
        let key: &aes_kw::cipher::Array<u8, aes_kw::cipher::typenum::U32> = (&*self.bytes).into();
        KwAes256::new(with.into()).wrap_fixed_key(key).into()
    }

    /// Encrypts under a fresh random initialization vector.
    pub(super) fn seal<R: CryptoRng + ?Sized>(
        &self,
        plaintext: &[u8],
        header: &[u8],
        rng: &mut R,
    ) -> Result<Sealed, JweError> {
        let mut iv = [0; IV_BYTES];
        rng.fill_bytes(&mut iv);
        let mut ciphertext = plaintext.to_vec();
        let tag = Aes256Gcm::new((&*self.bytes).into())
            .encrypt_inout_detached((&iv).into(), header, ciphertext.as_mut_slice().into())
            .map_err(|_| JweError::TooLong {
                length: plaintext.len(),
                max: super::MAX_TOKEN_BYTES,
            })?;
        Ok(Sealed {
            iv,
            ciphertext,
            tag: tag.into(),
        })
    }

    /// `None` when the message was changed or is for another key.
    pub(super) fn open(&self, message: &Message<'_>) -> Result<Option<Vec<u8>>, JweError> {
        let mut text = message.ciphertext()?;
        let opened = Aes256Gcm::new((&*self.bytes).into()).decrypt_inout_detached(
            (&message.iv).into(),
            message.header,
            text.as_mut_slice().into(),
            (&message.tag).into(),
        );
        Ok((opened.is_ok() && self.is_genuine).then_some(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwe::compact::{Compact, encode};
    use crate::jwe::header::Algorithm;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
    }

    #[test]
    fn a_key_is_wrapped_as_in_rfc_3394() {
        // Section 4.6: 256 bits of key data with a 256-bit key.
        let with = bytes("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
        let key = ContentKey::shared(&bytes(
            "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
        ));
        let wrapped = key.wrap(&with);
        assert_eq!(
            wrapped,
            bytes("28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21")
        );
        let unwrapped = ContentKey::unwrap(&wrapped, &with);
        assert!(unwrapped.is_genuine);
        assert_eq!(unwrapped.bytes, key.bytes);
        assert!(!ContentKey::unwrap(&wrapped, &[0; KEY_BYTES]).is_genuine);
    }

    /// An unwrapping that failed leaves a key of zeros, which anybody can encrypt with.
    #[test]
    fn a_key_that_was_not_unwrapped_opens_nothing() {
        let mut zeros = ContentKey::shared(&[0; KEY_BYTES]);
        let message = format!("e30..{}", sealed_with_zeros());
        let parts = Compact::parse(message.as_bytes()).unwrap();
        let message = parts.message(Algorithm::Direct).unwrap();
        assert_eq!(zeros.open(&message), Ok(Some(Vec::new())));
        zeros.is_genuine = false;
        assert_eq!(zeros.open(&message), Ok(None));
    }

    fn sealed_with_zeros() -> String {
        let tag = Aes256Gcm::new(&[0; KEY_BYTES].into())
            .encrypt_inout_detached(&[0; IV_BYTES].into(), b"e30", (&mut [][..]).into())
            .unwrap();
        let mut text = "A".repeat(16);
        text.push_str("..");
        encode(tag, &mut text);
        text
    }

    #[test]
    fn messages_are_encrypted_as_in_the_gcm_specification() {
        // McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 14 and 16, which NIST's validation
        // of AES-256-GCM with 96-bit vectors has as well.
        fn check<const N: usize>(
            key: &str,
            iv: &str,
            plaintext: [u8; N],
            aad: &[u8],
            ciphertext: &str,
            tag: &str,
        ) {
            let mut text = plaintext;
            let made = Aes256Gcm::new(&bytes::<32>(key).into())
                .encrypt_inout_detached(&bytes::<12>(iv).into(), aad, text.as_mut_slice().into())
                .unwrap();
            assert_eq!(text, bytes(ciphertext));
            assert_eq!(<[u8; 16]>::from(made), bytes(tag));
        }
        check(
            "0000000000000000000000000000000000000000000000000000000000000000",
            "000000000000000000000000",
            [0; 16],
            &[],
            "cea7403d4d606b6e074ec5d3baf39d18",
            "d0d1c8a799996bf0265b98b5d48ab919",
        );
        check(
            "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
            "cafebabefacedbaddecaf888",
            bytes::<60>(
                "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
            ),
            &bytes::<20>("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
            "76fc6ece0f4e1768cddf8853bb2d551b",
        );
    }
}
