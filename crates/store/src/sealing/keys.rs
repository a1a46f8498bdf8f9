//! The operator's keys.

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;
const ID_CHARS_MAX: usize = 32;

/// Keys for secrets at rest, newest first. The newest one seals, all of them open.
#[derive(Clone)]
pub struct EncryptionKeys(Arc<[Key]>);

pub(super) struct Key {
    id: String,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
}

/// Why keys cannot be read. Never contains one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is none.
    #[error("there is no encryption key in it; make one with `hookwright generate-encryption-key`")]
    Empty,
    /// Not of the form.
    #[error("encryption key {number} is not of the form ID:BASE64")]
    Form {
        /// Counted from 1.
        number: usize,
    },
    /// A bad id.
    #[error("the id of encryption key {number} must be 1 to {ID_CHARS_MAX} letters, digits, - and _")]
    Id {
        /// Counted from 1.
        number: usize,
    },
    /// A bad key.
    #[error("encryption key {number} must be {KEY_BYTES} random bytes in base64 (44 characters)")]
    Key {
        /// Counted from 1.
        number: usize,
    },
    /// An id for two keys.
    #[error("encryption key {number} has the id of another one")]
    Duplicate {
        /// Counted from 1.
        number: usize,
    },
}

impl EncryptionKeys {
    /// Reads `ID:BASE64`, newest first, separated by commas or white space. Lines that begin with # are left out.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let words = lines
            .flat_map(|line| line.split(|c: char| c == ',' || c.is_whitespace()))
            .filter(|word| !word.is_empty());
        let mut keys: Vec<Key> = Vec::new();
        for (number, word) in (1..).zip(words) {
            let key = parse_key(word, number)?;
            if keys.iter().any(|known| known.id == key.id) {
                return Err(KeyError::Duplicate { number });
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(KeyError::Empty);
        }
        Ok(Self(keys.into()))
    }

    /// A new random key of this id, in the form that [`EncryptionKeys::parse`] reads.
    pub fn generate(id: &str) -> Result<Zeroizing<String>, KeyError> {
        let bytes: Zeroizing<[u8; KEY_BYTES]> = Zeroizing::new(rand::random());
        let text = Zeroizing::new(format!("{id}:{}", BASE64.encode(*bytes)));
        parse_key(&text, 1)?;
        Ok(text)
    }

    /// The id of the key that seals.
    pub fn newest_id(&self) -> &str {
        self.newest().id()
    }

    /// The ids of the keys that only open.
    pub fn older_ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().skip(1).map(Key::id)
    }

    pub(super) fn newest(&self) -> &Key {
        // `parse` refuses to make an empty list.
        &self.0[0]
    }

    pub(super) fn find(&self, id: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id)
    }
}

impl Key {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }
}

impl fmt::Debug for EncryptionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(Key::id)).finish()
    }
}

fn parse_key(word: &str, number: usize) -> Result<Key, KeyError> {
    let (id, encoded) = word.split_once(':').ok_or(KeyError::Form { number })?;
    let is_id_char = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if id.is_empty() || id.len() > ID_CHARS_MAX || !id.chars().all(is_id_char) {
        return Err(KeyError::Id { number });
    }
    let decoded = Zeroizing::new(BASE64.decode(encoded).map_err(|_| KeyError::Key { number })?);
    let bytes: [u8; KEY_BYTES] = decoded
        .as_slice()
        .try_into()
        .map_err(|_| KeyError::Key { number })?;
    Ok(Key {
        id: id.to_owned(),
        bytes: Zeroizing::new(bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_newest_first_and_shown_by_their_ids() {
        let newer = EncryptionKeys::generate("k-2").unwrap();
        let older = EncryptionKeys::generate("k_1").unwrap();
        let text = format!("# newest first\n{}\n{}\n", *newer, *older);
        let keys = EncryptionKeys::parse(&text).unwrap();
        assert_eq!(keys.newest_id(), "k-2");
        assert_eq!(keys.older_ids().collect::<Vec<_>>(), ["k_1"]);
        assert_eq!(format!("{keys:?}"), r#"["k-2", "k_1"]"#);
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_repeated() {
        let good = EncryptionKeys::generate("a").unwrap();
        let twice = format!("{},{}", *good, *good);
        for (text, expected) in [
            ("", KeyError::Empty),
            ("# nothing", KeyError::Empty),
            ("secret", KeyError::Form { number: 1 }),
            ("b d:x", KeyError::Form { number: 1 }),
            ("b.d:AAAA", KeyError::Id { number: 1 }),
            ("a:AAAA", KeyError::Key { number: 1 }),
            ("a:not/base64!", KeyError::Key { number: 1 }),
            (&twice, KeyError::Duplicate { number: 2 }),
        ] {
            assert_eq!(EncryptionKeys::parse(text).unwrap_err(), expected, "{text}");
        }
    }
}
