//! Attributes: what customers of a platform choose events by, and where in the data of an event each of them is.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::error::ProfileError;

/// Most pointers of one attribute.
const POINTERS_MAX: usize = 8;
/// Longest name and longest pointer, in bytes.
const BYTES_MAX: usize = 256;

/// The attributes that a profile knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    by_name: BTreeMap<String, Vec<String>>,
    pointers: bool,
}

impl Attributes {
    /// Checks what a profile says. `pointers`: whether every JSON pointer is an attribute too.
    pub(super) fn new(described: BTreeMap<String, Places>, pointers: bool) -> Result<Self, ProfileError> {
        let mut by_name = BTreeMap::new();
        for (name, Places(places)) in described {
            let refused = |reason| ProfileError::Attribute {
                name: name.clone(),
                reason,
            };
            let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            if !(1..=BYTES_MAX).contains(&name.len()) || !name.bytes().all(is_name_byte) {
                return Err(refused("a name is letters, digits, hyphens and underscores"));
            }
            if !(1..=POINTERS_MAX).contains(&places.len()) {
                return Err(refused("it is in 1 to 8 places"));
            }
            if !places.iter().all(|place| is_pointer(place)) {
                return Err(refused(
                    "a place is a JSON pointer into an event's data, such as /vaultId",
                ));
            }
            by_name.insert(name, places);
        }
        Ok(Self { by_name, pointers })
    }

    /// Where in an event's data the attribute of this name is: JSON pointers, of which the first that finds something
    /// counts. `None` when the profile has no such attribute.
    pub fn places(&self, name: &str) -> Option<Vec<String>> {
        match self.by_name.get(name) {
            Some(places) => Some(places.clone()),
            None => (self.pointers && is_pointer(name)).then(|| vec![name.to_owned()]),
        }
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Whether every JSON pointer, such as `/customer/id`, is an attribute too.
    pub fn allows_pointers(&self) -> bool {
        self.pointers
    }
}

/// One pointer or several.
#[derive(Debug, Deserialize)]
#[serde(from = "Value")]
pub(super) struct Places(Vec<String>);

impl From<Value> for Places {
    fn from(value: Value) -> Self {
        // What is not text is no pointer, and is refused as such.
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        Self(match value {
            Value::Array(values) => values.into_iter().map(text).collect(),
            value => vec![text(value)],
        })
    }
}

/// RFC 6901, without the pointer to the whole document.
fn is_pointer(text: &str) -> bool {
    text.starts_with('/')
        && text.len() <= BYTES_MAX
        && !text.contains(char::is_control)
        && text
            .split('~')
            .skip(1)
            .all(|rest| rest.starts_with('0') || rest.starts_with('1'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(text: &str, pointers: bool) -> Result<Attributes, ProfileError> {
        Attributes::new(toml::from_str(text).unwrap(), pointers)
    }

    #[test]
    fn an_attribute_is_where_the_profile_says() {
        // A filter would look in the wrong place, and a customer would miss events.
        let attributes = described(
            "vaultIds = '/vaultId'\nuserIds = ['/changedBy', '/user/id']",
            false,
        )
        .unwrap();
        assert_eq!(attributes.places("vaultIds"), Some(vec!["/vaultId".to_owned()]));
        assert_eq!(attributes.places("userIds").unwrap().len(), 2);
        assert_eq!(attributes.places("orderIds"), None);
        assert_eq!(attributes.places("/vaultId"), None);
        assert_eq!(attributes.names().collect::<Vec<_>>(), ["userIds", "vaultIds"]);
        let open = described("", true).unwrap();
        assert_eq!(open.places("/a~1b/0"), Some(vec!["/a~1b/0".to_owned()]));
        for name in ["vaultId", "", "/a~2", "/a~", "/a\n"] {
            assert_eq!(open.places(name), None, "{name:?}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for text in [
            "a = 'vaultId'",
            "a = ''",
            "a = []",
            "a = 5",
            "'a b' = '/a'",
            "a = ['/1', '/2', '/3', '/4', '/5', '/6', '/7', '/8', '/9']",
        ] {
            assert!(
                matches!(described(text, false), Err(ProfileError::Attribute { .. })),
                "{text}"
            );
        }
    }
}
