//! Keys as JSON: RFC 7517, the members that matter here.

use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::compact::decode_fixed;
use super::error::JweKeyError;
use super::header::Algorithm;

/// Longest text of a key. A P-256 key pair has 250 bytes; the rest is for members that are not looked at.
pub const MAX_KEY_BYTES: usize = 4 * 1024;

/// Longest id of a key. It travels with every message.
pub const MAX_KEY_ID_BYTES: usize = 256;

/// Length of every coordinate, private and shared key here.
pub(super) const KEY_BYTES: usize = 32;

/// A key as it was given. Members that are not listed are ignored, as RFC 7517 wants it; a listed one that comes
/// twice is refused, because readers would pick different ones.
#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
pub(super) struct Jwk {
    pub(super) kty: Option<String>,
    pub(super) crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<String>,
    k: Option<String>,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    /// Only a set of keys has it.
    #[zeroize(skip)]
    keys: Option<IgnoredAny>,
}

impl Jwk {
    pub(super) fn parse(text: &str) -> Result<Self, JweKeyError> {
        // What the parser says is left out: it may quote the text.
        let jwk: Self = serde_json::from_str(text).map_err(|_| JweKeyError::Syntax)?;
        if jwk.keys.is_some() {
            return Err(JweKeyError::KeySet);
        }
        Ok(jwk)
    }

    pub(super) fn is_private(&self) -> bool {
        self.d.is_some()
    }

    /// Refuses a key that its owner made for something else.
    pub(super) fn check_purpose(&self, algorithm: Algorithm) -> Result<(), JweKeyError> {
        let refused = |member, reason| Err(JweKeyError::Member { member, reason });
        if self.usage.as_deref().is_some_and(|usage| usage != "enc") {
            return refused("use", "the key is not for encryption, which is `enc`");
        }
        let signs = |operation: &String| operation == "sign" || operation == "verify";
        if self.key_ops.iter().flatten().any(signs) {
            return refused(
                "key_ops",
                "the key is for signing; use another one for encryption",
            );
        }
        match (algorithm, self.alg.as_deref()) {
            (_, None)
            | (Algorithm::Direct, Some("dir" | "A256GCM"))
            | (Algorithm::EcdhEsA256Kw, Some("ECDH-ES+A256KW")) => Ok(()),
            (Algorithm::Direct, Some(_)) => refused("alg", "must be dir or A256GCM, or left out"),
            (Algorithm::EcdhEsA256Kw, Some(_)) => refused("alg", "must be ECDH-ES+A256KW, or left out"),
        }
    }

    pub(super) fn key_id(&self) -> Result<Option<String>, JweKeyError> {
        let Some(key_id) = self.kid.as_deref() else {
            return Ok(None);
        };
        if key_id.is_empty() || key_id.len() > MAX_KEY_ID_BYTES || key_id.chars().any(char::is_control) {
            return Err(JweKeyError::Member {
                member: "kid",
                reason: "must have 1 to 256 bytes and no control characters",
            });
        }
        Ok(Some(key_id.to_owned()))
    }

    pub(super) fn x(&self) -> Result<Zeroizing<[u8; KEY_BYTES]>, JweKeyError> {
        bytes("x", self.x.as_deref())
    }

    pub(super) fn y(&self) -> Result<Zeroizing<[u8; KEY_BYTES]>, JweKeyError> {
        bytes("y", self.y.as_deref())
    }

    pub(super) fn d(&self) -> Result<Zeroizing<[u8; KEY_BYTES]>, JweKeyError> {
        bytes("d", self.d.as_deref())
    }

    pub(super) fn k(&self) -> Result<Zeroizing<[u8; KEY_BYTES]>, JweKeyError> {
        bytes("k", self.k.as_deref())
    }
}

fn bytes(member: &'static str, text: Option<&str>) -> Result<Zeroizing<[u8; KEY_BYTES]>, JweKeyError> {
    let text = text.ok_or(JweKeyError::Member {
        member,
        reason: "is missing",
    })?;
    decode_fixed(text.as_bytes()).ok_or(JweKeyError::Member {
        member,
        reason: "must be 32 bytes, as 43 characters of base64url without padding",
    })
}
