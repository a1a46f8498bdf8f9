//! The algorithms that a signature can be made with.

use std::ops::RangeInclusive;

use serde::Deserialize;

use crate::mac::MAX_TAG_BYTES;

/// A signature algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-1, RFC 2104. Still sound as a MAC, and only for platforms that offer nothing newer.
    #[serde(rename = "hmac-sha1")]
    HmacSha1,
    /// HMAC with SHA-256, RFC 2104.
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
    /// HMAC with SHA-512, RFC 2104.
    #[serde(rename = "hmac-sha512")]
    HmacSha512,
    /// Ed25519, RFC 8032.
    #[serde(rename = "ed25519")]
    Ed25519,
    /// ECDSA on P-256 with SHA-256, the signature in DER.
    #[serde(rename = "ecdsa-p256-sha256-der")]
    EcdsaP256Sha256Der,
}

impl Algorithm {
    /// The name in scheme descriptions.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HmacSha1 => "hmac-sha1",
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha512 => "hmac-sha512",
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256Sha256Der => "ecdsa-p256-sha256-der",
        }
    }

    /// Whether sender and receiver hold the two halves of a key pair instead of one shared secret.
    pub const fn uses_key_pair(self) -> bool {
        matches!(self, Self::Ed25519 | Self::EcdsaP256Sha256Der)
    }

    /// Whether this build has the algorithm.
    pub(crate) const fn is_built(self) -> bool {
        !matches!(self, Self::EcdsaP256Sha256Der) || cfg!(feature = "ecdsa")
    }

    /// How many bytes a signature may have. DER writes numbers without leading zeros, so its length varies: from two
    /// numbers of one byte to two of 33, each with two bytes in front, and two around all of it.
    pub(crate) const fn signature_lengths(self) -> RangeInclusive<usize> {
        match self {
            Self::HmacSha1 => 20..=20,
            Self::HmacSha256 => 32..=32,
            Self::HmacSha512 | Self::Ed25519 => 64..=64,
            Self::EcdsaP256Sha256Der => 8..=MAX_TAG_BYTES,
        }
    }
}
