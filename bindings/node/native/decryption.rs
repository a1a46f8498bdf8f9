//! Decrypting what a webhook carries, after its signature was checked.

use hookwright_core::jwe::{self, DecryptionKey, JweKeyError};
use napi::bindgen_prelude::{Either, Uint8Array};
use napi_derive::napi;

use crate::Misconfigured;

/// A receiver's private keys.
#[napi]
pub struct Decryption {
    keys: Vec<DecryptionKey>,
}

/// Reads private keys: JWKs, or shared keys in base64url.
#[napi]
pub fn bind_keys(texts: Vec<String>) -> Result<Decryption, Misconfigured> {
    let keys = texts.iter().map(|text| DecryptionKey::parse(text));
    let keys = keys.collect::<Result<Vec<_>, JweKeyError>>();
    match keys {
        Ok(keys) if keys.len() <= jwe::MAX_KEYS => Ok(Decryption { keys }),
        Ok(keys) => Err(napi::Error::new(
            "invalid_key",
            format!(
                "{} decryption keys were given and at most {} are allowed",
                keys.len(),
                jwe::MAX_KEYS
            ),
        )),
        Err(error) => Err(napi::Error::new("invalid_key", error.to_string())),
    }
}

#[napi]
impl Decryption {
    /// The content of an encrypted body, nothing for a body that is not encrypted, or text when it is refused.
    #[napi]
    pub fn decrypt(&self, body: &[u8]) -> Option<Either<Uint8Array, String>> {
        if !jwe::is_compact(body) {
            return None;
        }
        Some(match jwe::decrypt(&self.keys, body) {
            Ok(content) => Either::A(content.into()),
            Err(error) => Either::B(format!("{}\n\n{error}", error.code())),
        })
    }
}
