//! Registrations that can be repeated: a client whose connection broke asks again, and there is one webhook.

use std::fmt;

use hookwright_core::Secret;

use crate::{Store, StoreError, TenantId, Webhook, WebhookId, WebhookSettings};

/// What makes a registration the same as an earlier one.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistrationKey {
    /// The key that the client has chosen.
    pub key: String,
    /// A digest of the whole request: the same key with another request is a mistake worth telling.
    pub digest: String,
}

impl fmt::Debug for RegistrationKey {
    /// Without the digest, by which credentials in the request could be guessed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RegistrationKey").field(&self.key).finish()
    }
}

/// What came of a registration.
#[derive(Clone, Debug)]
pub enum Registration {
    /// There is a new webhook.
    Registered(Box<Webhook>),
    /// The same request with the same key has registered this one before.
    Repeated {
        /// As it is now.
        webhook: Box<Webhook>,
        /// The secret that it was registered with; `None` when it was rotated since.
        secret: Option<Secret>,
    },
    /// The key was used for another request, which registered this one.
    KeyReused(WebhookId),
    /// The same, and that webhook has been deleted since.
    Deleted(WebhookId),
    /// The tenant has as many webhooks as it may have.
    TooMany,
}

/// What came of storing a new webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    Done,
    TooMany,
    /// Its key belongs to another one.
    KeyTaken,
}

/// What was registered with a key.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) id: WebhookId,
    /// Unless it has been deleted since.
    pub(crate) webhook: Option<Webhook>,
    /// Unless it has been rotated since.
    pub(crate) secret: Option<Secret>,
}

impl Store {
    /// Registers a webhook, unless the tenant has as many as it may have, or this is a repetition. `secrets`: newest first,
    /// at least one.
    pub async fn register_webhook(
        &self,
        tenant: TenantId,
        mut settings: WebhookSettings,
        secrets: &[Secret],
        key: Option<&RegistrationKey>,
        webhooks_max: Option<u32>,
    ) -> Result<Registration, StoreError> {
        settings.registration = key.map(|key| key.digest.clone());
        let webhook = self.new_webhook(tenant, settings);
        let entry = self.entry(tenant, &webhook.id);
        let name = key.map(|key| key.key.as_str());
        let inserted = self
            .engine()
            .insert_webhook(&webhook, secrets, name, webhooks_max, &entry)
            .await?;
        match (inserted, key) {
            (Inserted::Done, _) => Ok(Registration::Registered(Box::new(webhook))),
            (Inserted::TooMany, _) => Ok(Registration::TooMany),
            (Inserted::KeyTaken, Some(key)) => {
                let known = self.registration(tenant, key).await?;
                // Keys are kept for days, and this one was there a moment ago.
                known.ok_or_else(|| key_vanished(webhook.id))
            }
            (Inserted::KeyTaken, None) => Err(key_vanished(webhook.id)),
        }
    }

    /// What this key has registered before; `None` when it is a new one.
    pub async fn registration(
        &self,
        tenant: TenantId,
        key: &RegistrationKey,
    ) -> Result<Option<Registration>, StoreError> {
        let Some(registered) = self.engine().registered(tenant, &key.key).await? else {
            return Ok(None);
        };
        Ok(Some(match registered.webhook {
            None => Registration::Deleted(registered.id),
            Some(webhook) if webhook.settings.registration.as_ref() == Some(&key.digest) => {
                Registration::Repeated {
                    webhook: Box::new(webhook),
                    secret: registered.secret,
                }
            }
            Some(_) => Registration::KeyReused(registered.id),
        }))
    }
}

fn key_vanished(webhook: WebhookId) -> StoreError {
    StoreError::Inconsistent {
        table: "registration_key",
        row: webhook.to_string(),
        problem: String::from("a key that is taken belongs to nothing"),
    }
}
