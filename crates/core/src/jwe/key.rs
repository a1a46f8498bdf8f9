//! Keys to encrypt to and to decrypt with.

use std::fmt;

use rand_core::CryptoRng;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::agreement::{PrivateScalar, PublicPoint};
use super::cipher::ContentKey;
use super::compact::{MAX_TOKEN_BYTES, Message, decode_fixed, encode, malformed, token_length};
use super::error::{JweError, JweKeyError};
use super::header::{Algorithm, ProtectedHeader, start};
use super::jwk::{Jwk, KEY_BYTES, MAX_KEY_BYTES};

/// The key that a receiver hands out: a public key, or a key that both sides share.
///
/// `Debug` tells algorithm and id, and nothing of the key. A shared key is compared in constant time and wiped on
/// drop.
#[derive(Clone)]
pub struct EncryptionKey {
    to: Recipient,
    id: Option<String>,
    /// What all its messages have in front.
    header_start: String,
}

#[derive(Clone)]
enum Recipient {
    Public(PublicPoint),
    Shared(Zeroizing<[u8; KEY_BYTES]>),
}

impl EncryptionKey {
    /// Takes a key as receivers hand it out: a JWK (EC on P-256, OKP on X25519, or 256-bit oct), or 43 characters of
    /// base64url for a shared key. Private keys are refused: they are not ours to have.
    pub fn parse(text: &str) -> Result<Self, JweKeyError> {
        let (to, id) = match Given::parse(text)? {
            Given::Shared(key, id) => (Recipient::Shared(key), id),
            Given::Jwk(jwk) if jwk.is_private() => return Err(JweKeyError::Private),
            Given::Jwk(jwk) => {
                let point = PublicPoint::of(&jwk)?;
                jwk.check_purpose(Algorithm::EcdhEsA256Kw)?;
                (Recipient::Public(point), jwk.key_id()?)
            }
        };
        Ok(Self::new(to, id))
    }

    fn new(to: Recipient, id: Option<String>) -> Self {
        let header_start = start(to.algorithm(), id.as_deref());
        Self { to, id, header_start }
    }

    /// The JWE algorithm: `dir` or `ECDH-ES+A256KW`.
    pub fn algorithm(&self) -> &'static str {
        self.to.algorithm().name()
    }

    /// The `kid` of the JWK, which every message names.
    pub fn key_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether the key is a secret of both sides, and not a public key.
    pub fn is_shared(&self) -> bool {
        matches!(self.to, Recipient::Shared(_))
    }

    /// The key as a JWK in one spelling: what [`EncryptionKey::parse`] did not look at is gone.
    ///
    /// That of a shared key is a secret. Name the reason wherever this is called for one.
    pub fn expose_jwk(&self) -> Zeroizing<String> {
        // Enough for every key without an id, so that no copy is left behind.
        let mut jwk = Zeroizing::new(String::with_capacity(192));
        jwk.push('{');
        match &self.to {
            Recipient::Public(point) => point.write_members(&mut jwk),
            Recipient::Shared(key) => {
                jwk.push_str(r#""kty":"oct","k":""#);
                encode(key.as_slice(), &mut jwk);
                jwk.push('"');
            }
        }
        if let Some(id) = &self.id {
            jwk.push_str(r#","kid":"#);
            jwk.push_str(&serde_json::Value::from(id.as_str()).to_string());
        }
        jwk.push('}');
        jwk
    }

    /// Encrypts to the owner of the key; the result is ASCII. Every call makes another message, even of the same
    /// plaintext.
    ///
    /// With a shared key the random initialization vectors are safe for 2^32 messages; replace the key before.
    pub fn encrypt<R: CryptoRng + ?Sized>(&self, plaintext: &[u8], rng: &mut R) -> Result<String, JweError> {
        let mut header = self.header_start.clone();
        let (content_key, wrapped) = match &self.to {
            Recipient::Shared(key) => (ContentKey::shared(key), None),
            Recipient::Public(point) => {
                let (ephemeral, secret) = point.agree(rng);
                header.push_str(r#","epk":{"#);
                ephemeral.write_members(&mut header);
                header.push('}');
                let content_key = ContentKey::random(rng);
                let wrapped = content_key.wrap(&secret.wrapping_key(&[], &[]));
                (content_key, Some(wrapped))
            }
        };
        header.push('}');

        let wrapped = wrapped.as_ref().map(<[u8; _]>::as_slice).unwrap_or_default();
        let length = token_length(header.len().div_ceil(3) * 4, wrapped.len(), plaintext.len());
        if length > MAX_TOKEN_BYTES {
            return Err(JweError::TooLong {
                length,
                max: MAX_TOKEN_BYTES,
            });
        }
        let mut token = String::with_capacity(length);
        encode(&header, &mut token);
        let sealed = content_key.seal(plaintext, token.as_bytes(), rng)?;
        for part in [wrapped, &sealed.iv, &sealed.ciphertext, &sealed.tag] {
            token.push('.');
            encode(part, &mut token);
        }
        Ok(token)
    }
}

impl Recipient {
    const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Public(_) => Algorithm::EcdhEsA256Kw,
            Self::Shared(_) => Algorithm::Direct,
        }
    }
}

impl PartialEq for Recipient {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Public(ours), Self::Public(theirs)) => ours == theirs,
            (Self::Shared(ours), Self::Shared(theirs)) => ours.ct_eq(&**theirs).into(),
            _ => false,
        }
    }
}

impl PartialEq for EncryptionKey {
    fn eq(&self, other: &Self) -> bool {
        self.to == other.to && self.id == other.id
    }
}

impl Eq for EncryptionKey {}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptionKey")
            .field("algorithm", &self.algorithm())
            .field("key_id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The key that a receiver keeps: a private key, or a key that both sides share.
///
/// `Debug` tells algorithm and id, and nothing of the key, which is wiped on drop.
#[derive(Clone)]
pub struct DecryptionKey {
    of: Owner,
    id: Option<String>,
}

#[derive(Clone)]
enum Owner {
    Private(PrivateScalar),
    Shared(Zeroizing<[u8; KEY_BYTES]>),
}

impl DecryptionKey {
    /// Takes a private JWK (EC on P-256, OKP on X25519), or a shared key in either form that
    /// [`EncryptionKey::parse`] takes.
    pub fn parse(text: &str) -> Result<Self, JweKeyError> {
        let (of, id) = match Given::parse(text)? {
            Given::Shared(key, id) => (Owner::Shared(key), id),
            Given::Jwk(jwk) => {
                if !jwk.is_private() {
                    PublicPoint::of(&jwk)?;
                    return Err(JweKeyError::Public);
                }
                let scalar = PrivateScalar::of(&jwk)?;
                jwk.check_purpose(Algorithm::EcdhEsA256Kw)?;
                (Owner::Private(scalar), jwk.key_id()?)
            }
        };
        Ok(Self { of, id })
    }

    /// The key to hand out.
    pub fn encryption_key(&self) -> EncryptionKey {
        let to = match &self.of {
            Owner::Private(scalar) => Recipient::Public(scalar.public()),
            Owner::Shared(key) => Recipient::Shared(key.clone()),
        };
        EncryptionKey::new(to, self.id.clone())
    }

    /// The `kid` of the JWK.
    pub fn key_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether messages with this header can be for this key. The key says which algorithm it is for; a message that
    /// claims another one never meets it.
    pub(super) fn fits(&self, header: &ProtectedHeader) -> bool {
        match (&self.of, header.algorithm, &header.ephemeral) {
            (Owner::Shared(_), Algorithm::Direct, None) => true,
            (Owner::Private(scalar), Algorithm::EcdhEsA256Kw, Some(point)) => {
                scalar.is_on_the_curve_of(point)
            }
            _ => false,
        }
    }

    pub(super) fn content_key(
        &self,
        header: &ProtectedHeader,
        message: &Message<'_>,
    ) -> Result<ContentKey, JweError> {
        match (&self.of, &header.ephemeral, &message.wrapped_key) {
            (Owner::Shared(key), None, None) => Ok(ContentKey::shared(key)),
            (Owner::Private(scalar), Some(point), Some(wrapped)) => {
                let secret = scalar
                    .agree(point)
                    .ok_or(malformed("epk is no usable point of its curve"))?;
                let wrapping_key = secret.wrapping_key(&header.party_u, &header.party_v);
                Ok(ContentKey::unwrap(wrapped, &wrapping_key))
            }
            _ => Err(JweError::UnsupportedAlgorithm),
        }
    }
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithm = match self.of {
            Owner::Private(_) => Algorithm::EcdhEsA256Kw,
            Owner::Shared(_) => Algorithm::Direct,
        };
        f.debug_struct("DecryptionKey")
            .field("algorithm", &algorithm.name())
            .field("key_id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The text of a key, read.
enum Given {
    Shared(Zeroizing<[u8; KEY_BYTES]>, Option<String>),
    /// Of a curve.
    Jwk(Jwk),
}

impl Given {
    fn parse(text: &str) -> Result<Self, JweKeyError> {
        if text.len() > MAX_KEY_BYTES {
            return Err(JweKeyError::TooLong {
                length: text.len(),
                max: MAX_KEY_BYTES,
            });
        }
        // A key comes out of a file, and files end with a line break. A JWK and base64url mean the same without it.
        let text = text.trim_ascii();
        if !text.starts_with('{') {
            return decode_fixed(text.as_bytes())
                .map(|key| Self::Shared(key, None))
                .ok_or(JweKeyError::Syntax);
        }
        let jwk = Jwk::parse(text)?;
        match jwk.kty.as_deref() {
            Some("oct") => {
                let key = jwk.k()?;
                jwk.check_purpose(Algorithm::Direct)?;
                Ok(Self::Shared(key, jwk.key_id()?))
            }
            Some(_) => Ok(Self::Jwk(jwk)),
            None => Err(JweKeyError::Syntax),
        }
    }
}
