//! The keys of one scheme: every secret, made ready for every algorithm that it can serve.
//!
//! The kind of a key and the algorithm that a signature claims have to agree. A signature that claims an algorithm
//! for which there is no key of the right kind is ignored and never tried with a key of another kind: were a public
//! key used as the key of an HMAC, everyone could sign.

use crate::error::SecretError;
use crate::key_pair::KeyPair;
use crate::mac::Mac;
use crate::scheme::{Algorithm, Scheme};
use crate::secret::{KeyRole, Secret};

/// Most secrets that one signer or verifier holds. A rotation needs two; more cost a pass over every body each.
pub const MAX_SECRETS: usize = 16;

/// One secret, ready for one algorithm.
#[derive(Clone)]
pub(crate) struct Key {
    /// Position of the secret in the list that the caller gave.
    pub(crate) secret_index: usize,
    pub(crate) algorithm: Algorithm,
    pub(crate) kind: KeyKind,
}

/// What a key is to its algorithm.
#[derive(Clone)]
pub(crate) enum KeyKind {
    /// Both sides hold the same.
    Shared(Mac),
    /// The sender holds the private half.
    Pair(KeyPair),
}

/// Keys every secret for every algorithm of the scheme that it fits, newest secret first.
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
    let mut keys: Vec<Key> = Vec::with_capacity(secrets.len());
    for (secret_index, secret) in secrets.iter().enumerate() {
        let before = keys.len();
        for algorithm in scheme.signature.algorithms() {
            let is_known = keys[before..].iter().any(|key| key.algorithm == algorithm);
            if is_known || !secret.is_of_kind_for(algorithm, scheme.key) {
                continue;
            }
            keys.push(Key {
                secret_index,
                algorithm,
                kind: KeyKind::of(secret, algorithm, scheme, role)?,
            });
        }
        if keys.len() == before {
            return Err(wrong_kind(scheme));
        }
    }
    Ok(keys.into())
}

/// No algorithm of the scheme takes a secret of this kind: half a pair where both sides share, or the reverse.
fn wrong_kind(scheme: &Scheme) -> SecretError {
    let mut algorithms = scheme.signature.algorithms();
    match algorithms.find(|algorithm| algorithm.uses_key_pair()) {
        Some(algorithm) => SecretError::NotAKey {
            algorithm: algorithm.name(),
        },
        None => SecretError::KeyPair,
    }
}

impl KeyKind {
    fn of(
        secret: &Secret,
        algorithm: Algorithm,
        scheme: &Scheme,
        role: KeyRole,
    ) -> Result<Self, SecretError> {
        if !algorithm.is_built() {
            return Err(SecretError::UnsupportedAlgorithm {
                algorithm: algorithm.name(),
            });
        }
        if algorithm.uses_key_pair() {
            let bytes = secret.half_of_pair(scheme.key)?;
            return KeyPair::parse(algorithm, &bytes)
                .map(Self::Pair)
                .ok_or(SecretError::NotAKey {
                    algorithm: algorithm.name(),
                });
        }
        let bytes = secret.shared_key(scheme.key, role)?;
        Mac::keyed(algorithm, &bytes)
            .map(Self::Shared)
            .ok_or(SecretError::UnsupportedAlgorithm {
                algorithm: algorithm.name(),
            })
    }

    /// Whether messages can be signed with it.
    pub(crate) fn can_sign(&self) -> bool {
        match self {
            Self::Shared(_) => true,
            Self::Pair(pair) => pair.can_sign(),
        }
    }
}
