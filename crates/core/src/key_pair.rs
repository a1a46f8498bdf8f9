//! Signatures with key pairs: the only file that knows the elliptic curves.
//!
//! A receiver holds the public half and can verify; only the sender holds the private half and can sign. Both halves
//! arrive as bytes that [`crate::secret`] has taken out of a secret's text:
//!
//! | algorithm | public half | private half |
//! | --- | --- | --- |
//! | Ed25519 (RFC 8032) | 32 bytes | 64 bytes: seed, then public half, as Standard Webhooks has them in `whsk_` |
//! | ECDSA on P-256 with SHA-256 | DER `SubjectPublicKeyInfo` (RFC 5280) | DER `PrivateKeyInfo` (RFC 5958) |

use ed25519_dalek::Signer as _;
#[cfg(feature = "ecdsa")]
use p256::{
    ecdsa::{DerSignature, signature::Verifier as _},
    pkcs8::{DecodePrivateKey as _, DecodePublicKey as _},
};

use crate::mac::Tag;
use crate::scheme::Algorithm;

/// The public half of a key pair, and the private one where there is one.
#[derive(Clone)]
pub(crate) enum KeyPair {
    Ed25519 {
        public: ed25519_dalek::VerifyingKey,
        private: Option<Box<ed25519_dalek::SigningKey>>,
    },
    #[cfg(feature = "ecdsa")]
    EcdsaP256 {
        public: p256::ecdsa::VerifyingKey,
        private: Option<p256::ecdsa::SigningKey>,
    },
}

/// Both halves of the key pair that grows from this seed: the seed, then the public half.
pub(crate) fn ed25519_from_seed(seed: &[u8; 32]) -> [u8; ed25519_dalek::KEYPAIR_LENGTH] {
    ed25519_dalek::SigningKey::from_bytes(seed).to_keypair_bytes()
}

impl KeyPair {
    /// Reads either half; a private half brings its public one along. `None` for bytes that are neither, and for
    /// algorithms that this build leaves out.
    pub(crate) fn parse(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::Ed25519 => Self::parse_ed25519(bytes),
            #[cfg(feature = "ecdsa")]
            Algorithm::EcdsaP256Sha256Der => Self::parse_p256(bytes),
            _ => None,
        }
    }

    fn parse_ed25519(bytes: &[u8]) -> Option<Self> {
        let (public, private) = match bytes.len() {
            ed25519_dalek::KEYPAIR_LENGTH => {
                // Checks that the two halves belong together: signing with halves that do not gives the seed away.
                let private = ed25519_dalek::SigningKey::from_keypair_bytes(bytes.try_into().ok()?).ok()?;
                (private.verifying_key(), Some(Box::new(private)))
            }
            _ => {
                let public = ed25519_dalek::VerifyingKey::from_bytes(bytes.try_into().ok()?).ok()?;
                (public, None)
            }
        };
        // Under a key of small order one signature is valid for many messages.
        (!public.is_weak()).then_some(Self::Ed25519 { public, private })
    }

    #[cfg(feature = "ecdsa")]
    fn parse_p256(bytes: &[u8]) -> Option<Self> {
        if let Ok(public) = p256::ecdsa::VerifyingKey::from_public_key_der(bytes) {
            return Some(Self::EcdsaP256 {
                public,
                private: None,
            });
        }
        let private = p256::ecdsa::SigningKey::from_pkcs8_der(bytes).ok()?;
        Some(Self::EcdsaP256 {
            public: *private.verifying_key(),
            private: Some(private),
        })
    }

    /// Whether the private half is there.
    pub(crate) fn can_sign(&self) -> bool {
        match self {
            Self::Ed25519 { private, .. } => private.is_some(),
            #[cfg(feature = "ecdsa")]
            Self::EcdsaP256 { private, .. } => private.is_some(),
        }
    }

    /// The signature of `message`, or `None` without a private half. The same message has the same signature: the
    /// numbers that must never repeat are derived from key and message (RFC 8032, RFC 6979).
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Tag> {
        match self {
            Self::Ed25519 { private, .. } => {
                let private = private.as_ref()?;
                Some(Tag::copy_of(&private.sign(message).to_bytes()))
            }
            #[cfg(feature = "ecdsa")]
            Self::EcdsaP256 { private, .. } => {
                let signature: DerSignature = private.as_ref()?.try_sign(message).ok()?;
                Some(Tag::copy_of(signature.as_bytes()))
            }
        }
    }

    /// Whether `signature` is one of `message`. Nothing here is secret, so time does not matter.
    pub(crate) fn verifies(&self, message: &[u8], signature: &Tag) -> bool {
        match self {
            // "Strict" refuses the points of small order that RFC 8032 leaves to the implementation.
            Self::Ed25519 { public, .. } => ed25519_dalek::Signature::from_slice(signature.as_bytes())
                .is_ok_and(|signature| public.verify_strict(message, &signature).is_ok()),
            #[cfg(feature = "ecdsa")]
            Self::EcdsaP256 { public, .. } => DerSignature::from_bytes(signature.as_bytes())
                .is_ok_and(|signature| public.verify(message, &signature).is_ok()),
        }
    }
}
