//! Message authentication codes: the only file that knows the hash crates.
//!
//! A secret is expanded into a keyed state once, when a signer or verifier is made. Each message then starts from
//! a copy of that state, which saves two hash blocks per message and keeps the key out of the per-message path.

use hmac::{Hmac, KeyInit, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use subtle::{Choice, ConstantTimeEq as _};

use crate::error::SecretError;
use crate::scheme::{Algorithm, Scheme};
use crate::secret::{KeyRole, Secret};

/// Length of the longest tag, that of HMAC-SHA-512.
pub(crate) const MAX_TAG_BYTES: usize = 64;

/// Most secrets that one signer or verifier holds. A rotation needs two; more cost a pass over every body each.
pub const MAX_SECRETS: usize = 16;

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
    fn keyed(algorithm: Algorithm, key: &[u8]) -> Option<Self> {
        // HMAC takes keys of every length (RFC 2104, section 3), so `new_from_slice` never fails; `ok()` keeps
        // that promise out of the panic path.
        match algorithm {
            Algorithm::HmacSha1 => Hmac::new_from_slice(key).map(Self::HmacSha1).ok(),
            Algorithm::HmacSha256 => Hmac::new_from_slice(key).map(Self::HmacSha256).ok(),
            Algorithm::HmacSha512 => Hmac::new_from_slice(key).map(Self::HmacSha512).ok(),
            Algorithm::Ed25519 | Algorithm::EcdsaP256Sha256Der => None,
        }
    }

    /// Feeds the next bytes of the message.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::HmacSha1(mac) => mac.update(bytes),
            Self::HmacSha256(mac) => mac.update(bytes),
            Self::HmacSha512(mac) => mac.update(bytes),
        }
    }

    /// The tag of everything fed so far.
    pub(crate) fn finish(self) -> Tag {
        match self {
            Self::HmacSha1(mac) => Tag::copy_of(&mac.finalize().into_bytes()),
            Self::HmacSha256(mac) => Tag::copy_of(&mac.finalize().into_bytes()),
            Self::HmacSha512(mac) => Tag::copy_of(&mac.finalize().into_bytes()),
        }
    }
}

/// The bytes of a signature, on the stack.
#[derive(Clone, Copy)]
pub(crate) struct Tag {
    bytes: [u8; MAX_TAG_BYTES],
    length: usize,
}

impl Tag {
    /// The first `length` bytes of `bytes`.
    pub(crate) fn new(bytes: [u8; MAX_TAG_BYTES], length: usize) -> Self {
        Self {
            bytes,
            length: length.min(MAX_TAG_BYTES),
        }
    }

    fn copy_of(source: &[u8]) -> Self {
        let mut bytes = [0; MAX_TAG_BYTES];
        let length = source.len().min(MAX_TAG_BYTES);
        bytes[..length].copy_from_slice(&source[..length]);
        Self { bytes, length }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Compares without revealing in time where the first difference is. Lengths are public.
    pub(crate) fn matches(&self, other: &Self) -> Choice {
        self.as_bytes().ct_eq(other.as_bytes())
    }
}

/// The SHA-256 digest of `bytes`, for schemes that sign a digest instead of the body.
pub(crate) fn sha256(bytes: &[u8]) -> Tag {
    Tag::copy_of(&Sha256::digest(bytes))
}

/// One secret keyed for one algorithm.
#[derive(Clone)]
pub(crate) struct Key {
    /// Position of the secret in the list that the caller gave.
    pub(crate) secret_index: usize,
    pub(crate) algorithm: Algorithm,
    pub(crate) mac: Mac,
}

/// Keys every secret for every algorithm of the scheme that takes shared secrets, newest secret first.
pub(crate) fn key_ring(
    scheme: &Scheme,
    secrets: &[Secret],
    role: KeyRole,
) -> Result<Box<[Key]>, SecretError> {
    if secrets.is_empty() {
        return Err(SecretError::None);
    }
    if secrets.len() > MAX_SECRETS {
        return Err(SecretError::TooMany {
            count: secrets.len(),
            max: MAX_SECRETS,
        });
    }
    let mut keys = Vec::new();
    for (secret_index, secret) in secrets.iter().enumerate() {
        let bytes = secret.key_bytes(scheme.key, role)?;
        for algorithm in scheme.signature.algorithms() {
            // The tag and the kind of key have to agree: a signature that claims an algorithm for which there is
            // no key of the right kind is later ignored, never tried with a key of another kind.
            let known = keys
                .iter()
                .any(|key: &Key| key.secret_index == secret_index && key.algorithm == algorithm);
            if let Some(mac) = Mac::keyed(algorithm, &bytes).filter(|_| !known) {
                keys.push(Key {
                    secret_index,
                    algorithm,
                    mac,
                });
            }
        }
    }
    if keys.is_empty() {
        let algorithm = scheme
            .signature
            .algorithms()
            .next()
            .map_or("unknown", Algorithm::name);
        return Err(SecretError::UnsupportedAlgorithm { algorithm });
    }
    Ok(keys.into())
}
