//! The protected header: what the sender says about the message.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::agreement::PublicPoint;
use super::compact::{decode, malformed};
use super::error::{JweError, JweKeyError};
use super::jwk::Jwk;

/// Most members of a header. Ours has five.
const MAX_MEMBERS: usize = 32;

const CONTENT_ENCRYPTION: &str = "A256GCM";

/// How the content key comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// The shared key is the content key.
    Direct,
    /// The content key is random, and wrapped with a key that the two sides agree on.
    EcdhEsA256Kw,
}

impl Algorithm {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Direct => "dir",
            Self::EcdhEsA256Kw => "ECDH-ES+A256KW",
        }
    }
}

/// The header of a message that we received.
pub(super) struct ProtectedHeader {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    /// The sender's half of the agreement.
    pub(super) ephemeral: Option<PublicPoint>,
    pub(super) party_u: Vec<u8>,
    pub(super) party_v: Vec<u8>,
}

impl ProtectedHeader {
    pub(super) fn parse(text: &[u8]) -> Result<Self, JweError> {
        let json = decode(text).ok_or(malformed("the header is not base64url"))?;
        let members: Members<'_> = serde_json::from_slice(&json).map_err(|_| {
            malformed("the header is not a JSON object of at most 32 members with each name once")
        })?;
        if members.get("crit").is_some() {
            return Err(malformed("crit: no extension is understood"));
        }
        if members.get("zip").is_some() {
            return Err(malformed(
                "zip: compressed messages are refused, because their length tells what is in them",
            ));
        }
        if members.get("b64").is_some() {
            return Err(malformed("b64: belongs to signatures"));
        }
        let algorithm = match members.text("alg")?.as_deref() {
            Some("dir") => Algorithm::Direct,
            Some("ECDH-ES+A256KW") => Algorithm::EcdhEsA256Kw,
            Some(_) => return Err(JweError::UnsupportedAlgorithm),
            None => return Err(malformed("alg is missing")),
        };
        match members.text("enc")?.as_deref() {
            Some(CONTENT_ENCRYPTION) => {}
            Some(_) => return Err(JweError::UnsupportedAlgorithm),
            None => return Err(malformed("enc is missing")),
        }
        let agreement = algorithm == Algorithm::EcdhEsA256Kw;
        Ok(Self {
            algorithm,
            key_id: members.text("kid")?,
            ephemeral: agreement.then(|| members.ephemeral()).transpose()?,
            party_u: members.party("apu")?,
            party_v: members.party("apv")?,
        })
    }
}

/// The start of a header that we send; an agreement adds `epk`, and everything ends with a brace.
pub(super) fn start(algorithm: Algorithm, key_id: Option<&str>) -> String {
    let mut header = format!(r#"{{"alg":"{}","enc":"{CONTENT_ENCRYPTION}""#, algorithm.name());
    if let Some(key_id) = key_id {
        header.push_str(r#","kid":"#);
        header.push_str(&serde_json::Value::from(key_id).to_string());
    }
    header.push_str(r#","cty":"json""#);
    header
}

/// The members of a header, each name once.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl Members<'_> {
    fn get(&self, name: &str) -> Option<&RawValue> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| *value)
    }

    fn text(&self, name: &'static str) -> Result<Option<String>, JweError> {
        let text = self.get(name).map(|value| serde_json::from_str(value.get()));
        text.transpose()
            .map_err(|_| malformed("a header member that must be text is something else"))
    }

    /// Public information about one of the parties, which is part of the agreed key.
    fn party(&self, name: &'static str) -> Result<Vec<u8>, JweError> {
        let Some(text) = self.text(name)? else {
            return Ok(Vec::new());
        };
        decode(text.as_bytes()).ok_or(malformed("apu and apv must be base64url"))
    }

    fn ephemeral(&self) -> Result<PublicPoint, JweError> {
        let text = self.get("epk").ok_or(malformed("epk is missing"))?.get();
        let jwk = Jwk::parse(text).map_err(|_| malformed("epk is not a public JWK"))?;
        if jwk.is_private() {
            return Err(malformed("epk is a private key"));
        }
        PublicPoint::of(&jwk).map_err(|error| match error {
            JweKeyError::Unsupported => JweError::UnsupportedAlgorithm,
            _ => malformed("epk is no usable point of its curve"),
        })
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EachOnce;

        impl<'de> Visitor<'de> for EachOnce {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(String, &RawValue)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, _>()? {
                    if members.len() == MAX_MEMBERS || members.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom("too many members, or one twice"));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(EachOnce)
    }
}
