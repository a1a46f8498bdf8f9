//! Idempotency keys of registrations.

use sqlx::SqliteTransaction;

use super::{Sqlite, blob, read_uuid, webhooks::WebhookRow};
use crate::{StoreError, TenantId, Webhook, WebhookId, registration::Registered, sealing::Owner};

/// `webhook_id`, then settings, `created_at` and `updated_at` of the webhook, and its secret
type Row = (Vec<u8>, Option<String>, Option<i64>, Option<i64>, Option<Vec<u8>>);

impl Sqlite {
    pub(crate) async fn registered(
        &self,
        tenant: TenantId,
        key: &str,
    ) -> Result<Option<Registered>, StoreError> {
        // One statement, so that a secret which is rotated meanwhile is not told.
        let row: Option<Row> = sqlx::query_as(
            "select k.webhook_id, w.settings, w.created_at, w.updated_at, s.value
            from registration_key k
            left join webhook w on w.tenant_id = k.tenant_id and w.id = k.webhook_id
            left join webhook_secret s
                on s.tenant_id = w.tenant_id and s.webhook_id = w.id and s.position = 0 and not k.is_rotated
            where k.tenant_id = ? and k.key = ?",
        )
        .bind(tenant.0)
        .bind(key)
        .fetch_optional(&self.readers)
        .await?;
        let Some((id, settings, created_at, updated_at, secret)) = row else {
            return Ok(None);
        };
        let webhook = match (settings, created_at, updated_at) {
            (Some(settings), Some(created_at), Some(updated_at)) => {
                let row: WebhookRow = (id.clone(), settings, created_at, updated_at);
                Some(self.read_webhook(tenant, row)?)
            }
            _ => None,
        };
        let id = WebhookId(read_uuid("registration_key", &id)?);
        let owner = Owner { tenant, webhook: id };
        let secrets = secret.into_iter().collect();
        Ok(Some(Registered {
            id,
            webhook,
            secret: self.sealer.read_secrets(owner, secrets)?.pop(),
        }))
    }
}

/// False when another webhook has the key.
pub(super) async fn claim_key(
    tx: &mut SqliteTransaction<'_>,
    webhook: &Webhook,
    key: &str,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query(
        "insert into registration_key (tenant_id, key, webhook_id, created_at) values (?, ?, ?, ?)
        on conflict do nothing",
    )
    .bind(webhook.tenant.0)
    .bind(key)
    .bind(blob(webhook.id.0))
    .bind(webhook.created_at.unix_micros())
    .execute(&mut **tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// From now on, who repeats the registration is not told the secret.
pub(super) async fn note_rotation(
    tx: &mut SqliteTransaction<'_>,
    tenant: TenantId,
    webhook: WebhookId,
) -> Result<(), StoreError> {
    sqlx::query("update registration_key set is_rotated = 1 where tenant_id = ? and webhook_id = ?")
        .bind(tenant.0)
        .bind(blob(webhook.0))
        .execute(&mut **tx)
        .await?;
    Ok(())
}
