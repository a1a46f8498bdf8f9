//! API keys: their text, what is stored of it, and what they permit.

use std::{fmt, str::FromStr, sync::Arc};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Scopes;
use crate::{IdError, KeyId, TenantId, Timestamp, id};

/// A key, without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its id.
    pub id: KeyId,
    /// Whose everything is that it gives access to.
    pub tenant: TenantId,
    /// For people.
    pub name: Arc<str>,
    /// What it permits.
    pub scopes: Scopes,
    /// The dialect of whoever uses it.
    pub profile: Option<Arc<str>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is no good any more; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to a minute or so.
    pub last_used_at: Option<Timestamp>,
}

/// What a new key is to be.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// For people.
    pub name: String,
    /// What it permits.
    pub scopes: Scopes,
    /// The dialect of whoever uses it.
    pub profile: Option<String>,
    /// From when on it is no good any more.
    pub expires_at: Option<Timestamp>,
}

/// What came of making a key.
#[derive(Debug)]
pub enum KeyCreation {
    /// It is stored; its text is to be had here and nowhere else.
    Created {
        /// The key.
        key: Box<Key>,
        /// Its text.
        text: KeyText,
    },
    /// The tenant has [`super::KEYS_MAX`] keys that are good.
    TooMany,
    /// The tenant is gone.
    NoTenant,
}

/// The text of a key: `hwk_`, 26 characters that name it, and 52 that are random (256 bits). Wiped when dropped, and
/// cannot be printed by accident.
#[derive(Clone)]
pub struct KeyText {
    id: KeyId,
    text: Zeroizing<String>,
}

impl KeyText {
    /// What every key starts with, before the underscore, so that scanners for leaked secrets can tell it.
    pub const PREFIX: &'static str = "hwk";

    pub(crate) fn generate(id: KeyId) -> Self {
        let secret: Zeroizing<[u128; 2]> = Zeroizing::new(rand::random());
        let parts = [id.0, Uuid::from_u128(secret[0]), Uuid::from_u128(secret[1])];
        Self {
            id,
            text: Zeroizing::new(id::write_id(Self::PREFIX, &parts)),
        }
    }

    /// The key that it claims to be.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What is stored of it.
    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.text.as_bytes()).into())
    }

    /// To be shown once.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl FromStr for KeyText {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let [id, _, _] =
            id::read_id::<3>(Self::PREFIX, text).ok_or_else(|| IdError::new::<3>(Self::PREFIX))?;
        Ok(Self {
            id: KeyId(id),
            text: Zeroizing::new(text.to_owned()),
        })
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyText({:?}, [REDACTED])", self.id)
    }
}

/// SHA-256 of a key's text.
///
/// A password is hashed slowly, because there are not many that people choose. A key has 256 random bits: whoever steals
/// the hashes cannot try them all, and every request pays for one hash.
#[derive(Clone, Copy)]
pub struct KeyHash(pub(crate) [u8; 32]);

impl KeyHash {
    /// Of no key.
    pub const NONE: Self = Self([0; 32]);

    /// One that was not written by us is of no key.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        bytes.try_into().map_or(Self::NONE, Self)
    }

    /// Whether both are of one key. Takes the same time wherever they differ.
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written_and_no_other_text_is() {
        let id: KeyId = "key_01h455vb4pex5vsknk084sn02q".parse().unwrap();
        let text = KeyText::generate(id);
        assert_eq!(text.expose().len(), 4 + 3 * 26);
        let read: KeyText = text.expose().parse().unwrap();
        assert_eq!(read.id(), id);
        assert!(read.hash().is(&text.hash()));
        assert!(!format!("{text:?}").contains(&text.expose()[30..]), "{text:?}");
        for bad in [
            String::new(),
            text.expose().to_uppercase(),
            format!("{} ", text.expose()),
            text.expose().replace("hwk_", "key_"),
            text.expose()[..81].to_owned(),
        ] {
            assert!(bad.parse::<KeyText>().is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_differ_in_what_is_secret() {
        let id: KeyId = "key_01h455vb4pex5vsknk084sn02q".parse().unwrap();
        let (one, other) = (KeyText::generate(id), KeyText::generate(id));
        assert!(!one.hash().is(&other.hash()));
        assert!(!one.hash().is(&KeyHash::NONE));
    }
}
