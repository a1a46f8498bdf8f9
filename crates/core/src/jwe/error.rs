//! Every way in which encryption says no.

use thiserror::Error;

use crate::error::ErrorKind;

/// Why a message was not encrypted or decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JweError {
    /// The bytes are not a JWE in compact form, or not a safe one.
    #[error("this is not a compact JWE: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The message is longer than [`MAX_TOKEN_BYTES`](super::MAX_TOKEN_BYTES) once encrypted.
    #[error("the encrypted message has {length} bytes and at most {max} are allowed")]
    TooLong {
        /// Its length, encrypted.
        length: usize,
        /// The longest allowed.
        max: usize,
    },
    /// The message asks for an algorithm or curve that no key given is for.
    #[error(
        "the message is encrypted with an algorithm or for a kind of key that none of the keys has; supported are \
         dir and ECDH-ES+A256KW with A256GCM: check which key the sender encrypts to"
    )]
    UnsupportedAlgorithm,
    /// The message was changed, or was encrypted to another key. One answer for every cause, so that the answers
    /// teach nobody anything about the key.
    #[error("the message cannot be decrypted: it is encrypted to another key, or was changed on the way")]
    DecryptionFailed,
    /// There is nothing to decrypt with.
    #[error("no decryption key was given")]
    NoKey,
    /// More keys than a rotation ever needs; a message may be tried with each.
    #[error("{count} decryption keys were given and at most {max} are allowed; retire old ones")]
    TooManyKeys {
        /// How many were given.
        count: usize,
        /// How many are allowed.
        max: usize,
    },
}

impl JweError {
    /// The kind of this error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Malformed { .. } | Self::TooLong { .. } => ErrorKind::MalformedJwe,
            Self::UnsupportedAlgorithm => ErrorKind::UnsupportedAlgorithm,
            Self::DecryptionFailed => ErrorKind::DecryptionFailed,
            Self::NoKey | Self::TooManyKeys { .. } => ErrorKind::InvalidKey,
        }
    }

    /// The stable code of the kind, such as `decryption_failed`.
    pub const fn code(&self) -> &'static str {
        self.kind().code()
    }
}

/// Why a text is not a key to encrypt or decrypt with. Nothing of the key is part of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JweKeyError {
    /// The text is longer than [`MAX_KEY_BYTES`](super::MAX_KEY_BYTES).
    #[error("the key is {length} bytes long and at most {max} are allowed")]
    TooLong {
        /// Its length.
        length: usize,
        /// The longest allowed.
        max: usize,
    },
    /// The text is neither a JWK nor a shared key.
    #[error(
        "the key is neither a JWK (a JSON object with kty, each member once) nor a shared key (32 bytes as 43 \
         characters of base64url without padding)"
    )]
    Syntax,
    /// Several keys at once.
    #[error("this is a set of keys; give one of them")]
    KeySet,
    /// A kind of key or a curve that is not supported.
    #[error("only EC keys on P-256, OKP keys on X25519 and 256-bit oct keys are supported")]
    Unsupported,
    /// A member is absent or does not have its form.
    #[error("{member}: {reason}")]
    Member {
        /// The member of the JWK.
        member: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The coordinates are no point of the curve, or one that every private key agrees on.
    #[error("the coordinates are no usable point of the curve")]
    Point,
    /// The private key does not belong to the public key beside it.
    #[error("d does not belong to the public key beside it")]
    Mismatch,
    /// A private key where a public one belongs.
    #[error(
        "this is a private key, which stays with the receiver: leave d out, and replace the key if it was sent"
    )]
    Private,
    /// A public key where a private one belongs.
    #[error("this is a public key, which cannot decrypt; the private key has a d")]
    Public,
}

impl JweKeyError {
    /// The kind of this error.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidKey
    }

    /// The stable code of the kind: `invalid_key`.
    pub const fn code(&self) -> &'static str {
        self.kind().code()
    }
}
