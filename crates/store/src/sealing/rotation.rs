//! Sealing everything anew with the newest key, while nodes run.

use crate::{Store, StoreError, TenantId, WebhookId};

/// One step of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resealed {
    /// Webhooks looked at.
    pub seen: usize,
    /// Those with something that was not sealed with the newest key.
    pub changed: usize,
    /// Where the next step goes on; `None` when this was the last one.
    pub next: Option<(TenantId, WebhookId)>,
}

impl Store {
    /// Seals the secrets of up to `limit` webhooks after `after` with the newest key. Each webhook is a transaction, so it
    /// can be stopped at any moment and begun again: what is done already is only looked at.
    pub async fn reseal(
        &self,
        after: Option<(TenantId, WebhookId)>,
        limit: usize,
    ) -> Result<Resealed, StoreError> {
        let webhooks = self.engine().webhooks_after(after, limit).await?;
        let mut changed = 0;
        for (tenant, webhook) in &webhooks {
            changed += usize::from(self.engine().reseal(*tenant, *webhook).await?);
        }
        Ok(Resealed {
            seen: webhooks.len(),
            changed,
            next: webhooks.last().filter(|_| webhooks.len() == limit).copied(),
        })
    }

    /// The ids of all keys that something in the store is sealed with; sorted.
    pub async fn encryption_keys_in_use(&self) -> Result<Vec<String>, StoreError> {
        self.engine().encryption_keys_in_use().await
    }

    /// Wipes what older forms of the secrets have left in the file of the embedded store. On PostgreSQL that is up to the
    /// server: vacuum, and backups that grow old.
    pub async fn wipe_free_space(&self) -> Result<(), StoreError> {
        self.engine().wipe_free_space().await
    }
}
