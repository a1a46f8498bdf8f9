//! Encrypted payloads: JWE in compact form ([RFC 7516](https://www.rfc-editor.org/rfc/rfc7516)).
//!
//! A signature lets nobody change a webhook; it does not stop a proxy, a queue or a log from reading it. A receiver
//! that wants more hands out a key, and the body that is signed and sent is then a JWE:
//!
//! ```text
//!   BASE64URL({"alg":"ECDH-ES+A256KW","enc":"A256GCM","kid":"2026","cty":"json","epk":{…}})
//!   . BASE64URL(wrapped content key)     empty when the key is shared
//!   . BASE64URL(12 random bytes)
//!   . BASE64URL(ciphertext)
//!   . BASE64URL(tag over the header's text and the ciphertext)
//! ```
//!
//! ```text
//!   key that the receiver hands out      alg               who can read
//!   ───────────────────────────────────────────────────────────────────────────────────
//!   EC P-256 or X25519 public JWK        ECDH-ES+A256KW    the owner of the private key
//!   256-bit shared key                   dir               everyone who has the key
//! ```
//!
//! What is signed is the encrypted body: receivers verify first and decrypt after, so that nothing which a stranger
//! made reaches a private key.
//!
//! ```
//! use hookwright_core::jwe::{DecryptionKey, EncryptionKey, decrypt};
//! # struct Counter(u64);
//! # impl rand_core::TryRng for Counter {
//! #     type Error = core::convert::Infallible;
//! #     fn try_next_u32(&mut self) -> Result<u32, Self::Error> { self.try_next_u64().map(|n| n as u32) }
//! #     fn try_next_u64(&mut self) -> Result<u64, Self::Error> { self.0 += 1; Ok(self.0) }
//! #     fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> { bytes.fill(7); Ok(()) }
//! # }
//! # impl rand_core::TryCryptoRng for Counter {}
//! # let mut rng = Counter(0);
//!
//! // The receiver keeps the one and hands out the other.
//! let private = r#"{"kty":"EC","crv":"P-256","x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
//!     "y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck","d":"VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw"}"#;
//! let public = r#"{"kty":"EC","crv":"P-256","x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
//!     "y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck"}"#;
//!
//! // `rng` is a cryptographically secure generator, such as `rand::rng()`.
//! let body = EncryptionKey::parse(public)?.encrypt(br#"{"type":"vault.created"}"#, &mut rng)?;
//! let keys = [DecryptionKey::parse(private)?];
//! assert_eq!(decrypt(&keys, body.as_bytes())?, br#"{"type":"vault.created"}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The key decides the algorithms, never the message. Compression, critical extensions and every other algorithm
//! are refused, and what is refused after a key was used is refused with one answer.

mod agreement;
mod cipher;
mod compact;
mod error;
mod header;
mod jwk;
mod key;

pub use self::{
    compact::{MAX_TOKEN_BYTES, is_compact},
    error::{JweError, JweKeyError},
    jwk::{MAX_KEY_BYTES, MAX_KEY_ID_BYTES},
    key::{DecryptionKey, EncryptionKey},
};

use self::{compact::Compact, header::ProtectedHeader};

/// Most keys that one message is tried with. A rotation needs two.
pub const MAX_KEYS: usize = 16;

/// The content type of a request whose body is a compact JWE.
pub const CONTENT_TYPE: &str = "application/jose";

/// Decrypts a compact JWE with whichever of the keys it was made for.
///
/// Verify the signature over `token` first. Of several keys the one with the message's `kid` is tried first; a
/// `kid` is a hint of the sender and rules no key out.
pub fn decrypt(keys: &[DecryptionKey], token: &[u8]) -> Result<Vec<u8>, JweError> {
    if keys.is_empty() {
        return Err(JweError::NoKey);
    }
    if keys.len() > MAX_KEYS {
        return Err(JweError::TooManyKeys {
            count: keys.len(),
            max: MAX_KEYS,
        });
    }
    let parts = Compact::parse(token)?;
    let header = ProtectedHeader::parse(parts.header)?;
    let message = parts.message(header.algorithm)?;

    let fitting = || keys.iter().filter(|key| key.fits(&header));
    if fitting().next().is_none() {
        return Err(JweError::UnsupportedAlgorithm);
    }
    let is_named = |key: &&DecryptionKey| header.key_id.is_some() && key.key_id() == header.key_id.as_deref();
    let named_first = fitting()
        .filter(is_named)
        .chain(fitting().filter(|key| !is_named(key)));
    for key in named_first {
        let content_key = key.content_key(&header, &message)?;
        if let Some(plaintext) = content_key.open(&message)? {
            return Ok(plaintext);
        }
    }
    Err(JweError::DecryptionFailed)
}
