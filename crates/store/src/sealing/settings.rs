//! Secrets inside of a webhook's settings: a sealed one is an object, where the plain one is a text.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{OpenError, Owner, Sealer, key_id};
use crate::{StoreError, WebhookSettings};

/// Settings that are secrets: a text, or all texts below. A new kind of credential is one more line here.
const SECRET_SETTINGS: &[&str] = &["headers", "encryption", "connection", "registration"];
/// The only member of the object that stands for a sealed text. No header has such a name.
const SEALED: &str = "(sealed)";

impl Sealer {
    /// Settings as they are stored.
    pub(crate) fn write_settings(
        &self,
        owner: Owner,
        settings: &WebhookSettings,
    ) -> Result<Value, StoreError> {
        let mut document =
            serde_json::to_value(settings).map_err(|error| inconsistent(owner, &error.to_string()))?;
        for name in SECRET_SETTINGS {
            if let Some(value) = document.get_mut(name) {
                self.seal_below(owner, name, value)?;
            }
        }
        Ok(document)
    }

    /// Settings as they were stored, sealed or not.
    pub(crate) fn read_settings(
        &self,
        owner: Owner,
        mut document: Value,
    ) -> Result<WebhookSettings, StoreError> {
        for name in SECRET_SETTINGS {
            if let Some(value) = document.get_mut(name) {
                self.open_below(owner, name, value)
                    .map_err(|error| inconsistent(owner, &error.to_string()))?;
            }
        }
        // The error says where it is wrong and not what stands there, which may be a secret.
        serde_json::from_value(document).map_err(|error| {
            let problem = format!("its settings: {:?} error", error.classify());
            inconsistent(owner, &problem)
        })
    }

    /// Whether all that is secret in stored settings is sealed with the newest key.
    pub(crate) fn is_current_document(&self, document: &Value) -> bool {
        SECRET_SETTINGS
            .iter()
            .filter_map(|name| document.get(name))
            .all(|value| self.is_current_below(value))
    }

    fn seal_below(&self, owner: Owner, path: &str, value: &mut Value) -> Result<(), StoreError> {
        match value {
            Value::String(plain) => {
                if let Some(sealed) = self.seal(owner, path, plain.as_bytes())? {
                    *value = json!({ SEALED: sealed });
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    self.seal_below(owner, &format!("{path}.{name}"), member)?;
                }
            }
            Value::Array(elements) => {
                for (position, element) in elements.iter_mut().enumerate() {
                    self.seal_below(owner, &format!("{path}.{position}"), element)?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        Ok(())
    }

    fn open_below(&self, owner: Owner, path: &str, value: &mut Value) -> Result<(), OpenError> {
        if let Some(sealed) = sealed_text(value) {
            let plain = self.open(owner, path, sealed)?;
            let text = std::str::from_utf8(&plain).map_err(|_| OpenError::Broken)?;
            *value = Value::String(text.to_owned());
            return Ok(());
        }
        match value {
            Value::Object(members) => members
                .iter_mut()
                .try_for_each(|(name, member)| self.open_below(owner, &format!("{path}.{name}"), member)),
            Value::Array(elements) => elements
                .iter_mut()
                .enumerate()
                .try_for_each(|(position, element)| {
                    self.open_below(owner, &format!("{path}.{position}"), element)
                }),
            _ => Ok(()),
        }
    }

    fn is_current_below(&self, value: &Value) -> bool {
        if let Some(sealed) = sealed_text(value) {
            return self.is_current(sealed);
        }
        match value {
            Value::String(_) => self.keys.is_none(),
            Value::Object(members) => members.values().all(|member| self.is_current_below(member)),
            Value::Array(elements) => elements.iter().all(|element| self.is_current_below(element)),
            Value::Null | Value::Bool(_) | Value::Number(_) => true,
        }
    }
}

/// Adds the ids of the keys that stored settings are sealed with.
pub(crate) fn collect_key_ids(document: &Value, ids: &mut BTreeSet<String>) {
    if let Some(id) = sealed_text(document).and_then(key_id) {
        ids.insert(id.to_owned());
    }
    match document {
        Value::Object(members) => members.values().for_each(|member| collect_key_ids(member, ids)),
        Value::Array(elements) => elements.iter().for_each(|element| collect_key_ids(element, ids)),
        _ => {}
    }
}

fn sealed_text(value: &Value) -> Option<&str> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    let text = members.get(SEALED)?.as_str()?;
    text.starts_with(super::PREFIX).then_some(text)
}

fn inconsistent(owner: Owner, problem: &str) -> StoreError {
    StoreError::Inconsistent {
        table: "webhook",
        row: owner.webhook.to_string(),
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use uuid::Uuid;

    use super::*;
    use crate::{CustomHeaders, TenantId, WebhookId, sealing::EncryptionKeys};

    #[test]
    fn header_values_are_sealed_and_nothing_else_changes() {
        let owner = Owner {
            tenant: TenantId(1),
            webhook: WebhookId(Uuid::from_u128(5)),
        };
        let headers = [("authorization", "Bearer token-1"), ("sealed", "x")];
        let settings = WebhookSettings {
            headers: CustomHeaders(BTreeMap::from(
                headers.map(|(name, value)| (name.to_owned(), value.to_owned())),
            )),
            ..WebhookSettings::new("generic", "https://receiver.example/")
        };
        let text = EncryptionKeys::generate("k1").unwrap();
        let sealer = Sealer::new(Some(EncryptionKeys::parse(&text).unwrap()));
        let document = sealer.write_settings(owner, &settings).unwrap();
        assert!(!document.to_string().contains("token-1"));
        assert_eq!(document["url"], "https://receiver.example/");
        assert!(sealer.is_current_document(&document));
        assert_eq!(sealer.read_settings(owner, document.clone()).unwrap(), settings);

        let plain = Sealer::default().write_settings(owner, &settings).unwrap();
        assert!(!sealer.is_current_document(&plain));
        assert_eq!(sealer.read_settings(owner, plain).unwrap(), settings);
        // A value that was moved to another header does not open.
        let mut moved = document;
        let value = moved["headers"]["authorization"].clone();
        moved["headers"]["sealed"] = value;
        assert!(sealer.read_settings(owner, moved).is_err());
    }
}
