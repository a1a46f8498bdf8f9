//! Message authentication codes: the only file that knows the hash crates. `key_pair` is its counterpart.
//!
//! A secret is expanded into a keyed state once, when a signer or verifier is made. Each message then starts from
//! a copy of that state, which saves two hash blocks per message and keeps the key out of the per-message path.

use hmac::{Hmac, KeyInit as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use subtle::{Choice, ConstantTimeEq as _};

use crate::content::{Content, Parts, Sink};
use crate::scheme::Algorithm;

/// Length of the longest signature: ECDSA on P-256 in DER, two numbers of up to 33 bytes and what frames them. The
/// longest of the others is 64 bytes, HMAC-SHA-512 and Ed25519.
pub(crate) const MAX_TAG_BYTES: usize = 72;

/// A message authentication code that has its key and waits for the message. All states are inline, so that a
/// copy per message is a copy on the stack.
#[derive(Clone)]
pub(crate) enum Mac {
    HmacSha1(Hmac<Sha1>),
    HmacSha256(Hmac<Sha256>),
    HmacSha512(Hmac<Sha512>),
}

impl Mac {
    /// Keys the algorithm, or answers `None` when it is not a message authentication code.
    pub(crate) fn keyed(algorithm: Algorithm, key: &[u8]) -> Option<Self> {
        // HMAC takes keys of every length (RFC 2104, section 3), so `new_from_slice` never fails; `ok()` keeps
        // that promise out of the panic path.
        match algorithm {
            Algorithm::HmacSha1 => Hmac::new_from_slice(key).map(Self::HmacSha1).ok(),
            Algorithm::HmacSha256 => Hmac::new_from_slice(key).map(Self::HmacSha256).ok(),
            Algorithm::HmacSha512 => Hmac::new_from_slice(key).map(Self::HmacSha512).ok(),
            Algorithm::Ed25519 | Algorithm::EcdsaP256Sha256Der => None,
        }
    }

    /// The tag of a message.
    pub(crate) fn tag(&self, content: &Content, parts: &Parts<'_>) -> Tag {
        match self {
            Self::HmacSha1(keyed) => tag(keyed.clone(), content, parts),
            Self::HmacSha256(keyed) => tag(keyed.clone(), content, parts),
            Self::HmacSha512(keyed) => tag(keyed.clone(), content, parts),
        }
    }
}

fn tag<M: hmac::Mac>(keyed: M, content: &Content, parts: &Parts<'_>) -> Tag {
    let mut fed = Fed(keyed);
    content.feed(parts, &mut fed);
    Tag::copy_of(&fed.0.finalize().into_bytes())
}

/// A code that takes the message.
struct Fed<M>(M);

impl<M: hmac::Mac> Sink for Fed<M> {
    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

/// The bytes of a signature, on the stack.
#[derive(Clone, Copy)]
pub(crate) struct Tag {
    /// Zeros from `length` on.
    bytes: [u8; MAX_TAG_BYTES],
    length: usize,
}

impl Tag {
    /// The first `length` bytes of `bytes`. What a decoder left behind them is wiped, because it would be compared.
    pub(crate) fn new(mut bytes: [u8; MAX_TAG_BYTES], length: usize) -> Self {
        let length = length.min(MAX_TAG_BYTES);
        bytes[length..].fill(0);
        Self { bytes, length }
    }

    /// A copy of `source`, which no signature here exceeds.
    pub(crate) fn copy_of(source: &[u8]) -> Self {
        let mut bytes = [0; MAX_TAG_BYTES];
        let length = source.len().min(MAX_TAG_BYTES);
        bytes[..length].copy_from_slice(&source[..length]);
        Self { bytes, length }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Compares without revealing in time where the first difference is. Lengths are public.
    ///
    /// All of both arrays is compared, the zeros behind short tags too, in words: what differs anywhere is collected
    /// first and looked at once.
    pub(crate) fn matches(&self, other: &Self) -> Choice {
        let differences = self
            .words()
            .zip(other.words())
            .fold(0, |differences, (word, other)| differences | (word ^ other));
        differences.ct_eq(&0) & self.length.ct_eq(&other.length)
    }

    fn words(&self) -> impl Iterator<Item = u64> {
        const { assert!(MAX_TAG_BYTES.is_multiple_of(8), "no byte is left over") };
        let (words, _) = self.bytes.as_chunks();
        words.iter().map(|word| u64::from_ne_bytes(*word))
    }
}

/// The SHA-256 digest of `bytes`, for schemes that sign a digest instead of the body.
pub(crate) fn sha256(bytes: &[u8]) -> Tag {
    Tag::copy_of(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_match_when_every_byte_and_the_length_do() {
        let matches = |a: &Tag, b: &Tag| bool::from(a.matches(b));
        for length in [20, 32, 64, MAX_TAG_BYTES] {
            let bytes: Vec<u8> = (1..=255).take(length).collect();
            let tag = Tag::copy_of(&bytes);
            assert!(matches(&tag, &Tag::copy_of(&bytes)));
            for at in 0..length {
                let mut other = bytes.clone();
                other[at] ^= 0x80;
                assert!(!matches(&tag, &Tag::copy_of(&other)), "{at}");
            }
            assert!(!matches(&tag, &Tag::copy_of(&bytes[1..])));
        }
        // A shorter tag is not a longer one that ends with zeros.
        assert!(!matches(&Tag::copy_of(&[1]), &Tag::copy_of(&[1, 0])));
        // Nor does it matter what stood behind it.
        assert!(matches(&Tag::new([1; MAX_TAG_BYTES], 2), &Tag::copy_of(&[1, 1])));
    }
}
