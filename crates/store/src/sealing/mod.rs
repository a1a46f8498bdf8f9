//! Secrets at rest: sealed under AES-256-GCM, so that a copy of the database alone gives nothing away.
//!
//! ```text
//!   sealed:1:<key id>:<base64 of nonce (12 bytes), ciphertext, tag (16 bytes)>
//! ```
//!
//! The associated data names format, tenant, webhook and field: what is copied to another row or field does not open.
//! Nonces are random. That is sound for some 2^32 values under one key, far more than there are webhooks; and each
//! rotation starts anew.
//!
//! What is stored in the clear, because it was stored before there was a key, is still read. Nothing is sealed without a
//! key.

mod keys;
#[cfg(test)]
mod properties;
mod rotation;
mod settings;

use std::fmt;

use aes_gcm::{AeadInOut as _, Aes256Gcm, KeyInit as _};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hookwright_core::Secret;
use zeroize::Zeroizing;

pub(crate) use self::settings::collect_key_ids;
pub use self::{
    keys::{EncryptionKeys, KeyError},
    rotation::Resealed,
};
use crate::{StoreError, TenantId, WebhookId};

const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// What every sealed value begins with.
const PREFIX: &str = "sealed:1:";
/// Stands before a sealed signing secret. No secret begins with white space, so none can be taken for a sealed one.
const MARK: &str = " ";
/// The name of signing secrets in the associated data. Without a position: that changes when a newer one is added.
const SECRET_FIELD: &str = "secret";

/// Seals what is written and opens what is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sealer {
    keys: Option<EncryptionKeys>,
}

/// Whose value it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) tenant: TenantId,
    pub(crate) webhook: WebhookId,
}

/// Why a sealed value cannot be read.
#[derive(Debug)]
enum OpenError {
    UnknownKey(String),
    /// Of another version, changed, or moved here from elsewhere.
    Broken,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey(id) => write!(f, "it is sealed with encryption key {id:?}, which is not given"),
            Self::Broken => f.write_str("a sealed value was changed or belongs to another row"),
        }
    }
}

impl Sealer {
    pub(crate) fn new(keys: Option<EncryptionKeys>) -> Self {
        Self { keys }
    }

    /// A signing secret as it is stored.
    pub(crate) fn write_secret(&self, owner: Owner, secret: &Secret) -> Result<Vec<u8>, StoreError> {
        let plain = secret.expose().as_bytes();
        Ok(match self.seal(owner, SECRET_FIELD, plain)? {
            Some(sealed) => format!("{MARK}{sealed}").into_bytes(),
            None => plain.to_vec(),
        })
    }

    /// Signing secrets as they were stored, newest first.
    pub(crate) fn read_secrets(&self, owner: Owner, values: Vec<Vec<u8>>) -> Result<Vec<Secret>, StoreError> {
        let inconsistent = |problem: String| StoreError::Inconsistent {
            table: "webhook_secret",
            row: owner.webhook.to_string(),
            problem,
        };
        values
            .into_iter()
            .map(|value| {
                let plain = self
                    .open_secret(owner, value)
                    .map_err(|error| inconsistent(error.to_string()))?;
                let text =
                    std::str::from_utf8(&plain).map_err(|_| inconsistent(String::from("not UTF-8")))?;
                Secret::parse(text).map_err(|error| inconsistent(error.to_string()))
            })
            .collect()
    }

    fn open_secret(&self, owner: Owner, value: Vec<u8>) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let sealed = std::str::from_utf8(&value)
            .ok()
            .and_then(|text| text.strip_prefix(MARK));
        match sealed {
            Some(sealed) => self.open(owner, SECRET_FIELD, sealed),
            None => Ok(Zeroizing::new(value)),
        }
    }

    /// Whether this stored signing secret is sealed with the newest key, or there is no key to seal it with.
    pub(crate) fn is_current_secret(&self, value: &[u8]) -> bool {
        let text = std::str::from_utf8(value).unwrap_or_default();
        self.is_current(text.strip_prefix(MARK).unwrap_or_default())
    }

    fn is_current(&self, sealed: &str) -> bool {
        match &self.keys {
            Some(keys) => key_id(sealed) == Some(keys.newest().id()),
            None => true,
        }
    }

    /// Refuses to start when there is a key that is needed and not given.
    pub(crate) fn check(&self, ids_in_use: &[String]) -> Result<(), StoreError> {
        let known = |id: &String| self.keys.as_ref().is_some_and(|keys| keys.find(id).is_some());
        match ids_in_use.iter().find(|id| !known(id)) {
            Some(id) => Err(StoreError::UnknownEncryptionKey { id: id.clone() }),
            None => Ok(()),
        }
    }

    /// `None` without a key.
    fn seal(&self, owner: Owner, field: &str, plain: &[u8]) -> Result<Option<String>, StoreError> {
        let Some(keys) = &self.keys else {
            return Ok(None);
        };
        let key = keys.newest();
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let mut text = Zeroizing::new(plain.to_vec());
        let tag = Aes256Gcm::new(key.bytes().into())
            .encrypt_inout_detached(
                (&nonce).into(),
                &associated(owner, field),
                text.as_mut_slice().into(),
            )
            // Only for more than 64 GiB.
            .map_err(|_| StoreError::Inconsistent {
                table: "webhook",
                row: owner.webhook.to_string(),
                problem: String::from("a value is too long to be sealed"),
            })?;
        let tag: [u8; TAG_BYTES] = tag.into();
        let bytes = [nonce.as_slice(), &text, &tag].concat();
        Ok(Some(format!("{PREFIX}{}:{}", key.id(), BASE64.encode(bytes))))
    }

    fn open(&self, owner: Owner, field: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let id = key_id(sealed).ok_or(OpenError::Broken)?;
        let key = self
            .keys
            .as_ref()
            .and_then(|keys| keys.find(id))
            .ok_or_else(|| OpenError::UnknownKey(id.to_owned()))?;
        let (_, encoded) = sealed.rsplit_once(':').ok_or(OpenError::Broken)?;
        let bytes = BASE64.decode(encoded).map_err(|_| OpenError::Broken)?;
        let (nonce, rest) = bytes
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(OpenError::Broken)?;
        let (text, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(OpenError::Broken)?;
        let mut text = Zeroizing::new(text.to_vec());
        Aes256Gcm::new(key.bytes().into())
            .decrypt_inout_detached(
                nonce.into(),
                &associated(owner, field),
                text.as_mut_slice().into(),
                tag.into(),
            )
            .map_err(|_| OpenError::Broken)?;
        Ok(text)
    }
}

/// The id of the key that a value is sealed with; `None` when it is not sealed, or in a later format.
pub(crate) fn key_id(sealed: &str) -> Option<&str> {
    sealed.trim_start().strip_prefix(PREFIX)?.split(':').next()
}

fn associated(owner: Owner, field: &str) -> Vec<u8> {
    let mut data = PREFIX.as_bytes().to_vec();
    data.extend(owner.tenant.0.to_be_bytes());
    data.extend(owner.webhook.0.as_bytes());
    // The last and only part of no fixed length.
    data.extend(field.as_bytes());
    data
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const OWNER: Owner = Owner {
        tenant: TenantId(7),
        webhook: WebhookId(Uuid::from_u128(9)),
    };

    fn keys(text: &str) -> Sealer {
        Sealer::new(Some(EncryptionKeys::parse(text).unwrap()))
    }

    fn key(id: &str, byte: u8) -> String {
        format!("{id}:{}", BASE64.encode([byte; 32]))
    }

    fn secret() -> Secret {
        Secret::parse("a secret of some length").unwrap()
    }

    #[test]
    fn a_secret_is_sealed_and_opens_in_its_own_row_only() {
        let sealer = keys(&key("k1", 1));
        let value = sealer.write_secret(OWNER, &secret()).unwrap();
        assert!(value.starts_with(b" sealed:1:k1:"));
        assert!(!String::from_utf8_lossy(&value).contains("a secret"));
        let opened = sealer.read_secrets(OWNER, vec![value.clone()]).unwrap();
        assert_eq!(opened[0].expose(), secret().expose());
        assert_ne!(
            value,
            sealer.write_secret(OWNER, &secret()).unwrap(),
            "a new nonce"
        );

        for other in [
            Owner {
                tenant: TenantId(8),
                ..OWNER
            },
            Owner {
                webhook: WebhookId(Uuid::from_u128(10)),
                ..OWNER
            },
        ] {
            assert!(sealer.read_secrets(other, vec![value.clone()]).is_err());
        }
        let mut changed = value.clone();
        let last = changed.len() - 5;
        changed[last] ^= 1;
        assert!(sealer.read_secrets(OWNER, vec![changed]).is_err());
        let text = String::from_utf8(value).unwrap();
        assert!(matches!(
            sealer.open(OWNER, "headers.x-api-key", text.trim_start()),
            Err(OpenError::Broken)
        ));
    }

    #[test]
    fn older_keys_open_and_the_newest_one_seals() {
        let old = keys(&key("old", 1));
        let value = old.write_secret(OWNER, &secret()).unwrap();
        let both = keys(&format!("{},{}", key("new", 2), key("old", 1)));
        assert_eq!(both.read_secrets(OWNER, vec![value.clone()]).unwrap().len(), 1);
        assert!(!both.is_current_secret(&value));
        let resealed = both.write_secret(OWNER, &secret()).unwrap();
        assert!(both.is_current_secret(&resealed));
        let error = keys(&key("new", 2)).read_secrets(OWNER, vec![value]).unwrap_err();
        assert!(error.to_string().contains("\"old\""), "{error}");
        assert!(matches!(
            keys(&key("new", 2)).check(&[String::from("old")]),
            Err(StoreError::UnknownEncryptionKey { id }) if id == "old"
        ));
    }

    #[test]
    fn without_a_key_values_stay_as_they_are_and_with_one_they_are_still_read() {
        let plain = Sealer::default().write_secret(OWNER, &secret()).unwrap();
        assert_eq!(plain, b"a secret of some length");
        let sealer = keys(&key("k1", 1));
        assert!(!sealer.is_current_secret(&plain));
        assert_eq!(
            sealer.read_secrets(OWNER, vec![plain]).unwrap()[0].expose(),
            secret().expose()
        );
    }
}
