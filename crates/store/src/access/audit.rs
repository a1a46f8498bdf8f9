//! The audit log: who changed what.

use std::sync::Arc;

use serde_json::Value;

use crate::{AuditId, KeyId, TenantId, Timestamp, WebhookSettings};

/// Who changes something, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The key that was used.
    pub key: Option<KeyId>,
    /// Its name, or who else it is.
    pub name: Arc<str>,
    /// The address that the request came from.
    pub peer: Option<String>,
    /// The method that was called, or what is done without one.
    pub action: &'static str,
}

impl Actor {
    /// The service itself, which does something that nobody asked for just now.
    pub fn service(action: &'static str) -> Self {
        Self::named("service", action)
    }

    /// Somebody without a key.
    pub fn named(name: &str, action: &'static str) -> Self {
        Self {
            key: None,
            name: name.into(),
            peer: None,
            action,
        }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its id.
    pub id: AuditId,
    /// In whose log it is.
    pub tenant: TenantId,
    /// The key that was used.
    pub key: Option<KeyId>,
    /// The key's name at that time, or who else it was.
    pub actor: String,
    /// The address that the request came from.
    pub peer: Option<String>,
    /// The method, or what the service did on its own.
    pub action: String,
    /// The id of the webhook or key, or the tenant's name.
    pub resource: String,
    /// Names of what was changed. Never values.
    pub fields: Vec<String>,
}

impl AuditEntry {
    pub(crate) fn new(id: AuditId, actor: &Actor, tenant: TenantId, resource: String) -> Self {
        Self {
            id,
            tenant,
            key: actor.key,
            actor: actor.name.as_ref().to_owned(),
            peer: actor.peer.clone(),
            action: actor.action.to_owned(),
            resource,
            fields: Vec::new(),
        }
    }

    pub(crate) fn with_fields(mut self, fields: Vec<String>) -> Self {
        self.fields = fields;
        self
    }

    /// When it happened.
    pub fn happened_at(&self) -> Timestamp {
        self.id.created_at()
    }
}

/// Names of the settings that differ.
pub(crate) fn changed_fields(before: &WebhookSettings, after: &WebhookSettings) -> Vec<String> {
    // Settings are stored like this all the time; the document of what cannot be written is empty.
    let document = |settings| match serde_json::to_value(settings) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (before, after) = (document(before), document(after));
    let mut names: Vec<String> = before.keys().chain(after.keys()).cloned().collect();
    names.sort();
    names.dedup();
    names.retain(|name| before.get(name) != after.get(name));
    names
}
