//! Idempotency keys of registrations.

use sqlx::PgTransaction;

use super::Postgres;
use crate::{StoreError, TenantId, Timestamp, Webhook, WebhookId, registration::Registered, sealing::Owner};

impl Postgres {
    pub(crate) async fn registered(
        &self,
        tenant: TenantId,
        key: &str,
    ) -> Result<Option<Registered>, StoreError> {
        // One statement, so that a secret which is rotated meanwhile is not told.
        let row = sqlx::query!(
            r#"-- store: registered
            select k.webhook_id,
                   w.settings as "settings?",
                   w.created_at as "created_at?",
                   w.updated_at as "updated_at?",
                   s.value as "secret?"
            from registration_key k
            left join webhook w on w.tenant_id = k.tenant_id and w.id = k.webhook_id
            left join webhook_secret s
                on s.tenant_id = w.tenant_id and s.webhook_id = w.id and s.position = 0 and not k.is_rotated
            where k.tenant_id = $1 and k.key = $2"#,
            tenant.0,
            key
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let id = WebhookId(row.webhook_id);
        let owner = Owner { tenant, webhook: id };
        let webhook = match (row.settings, row.created_at, row.updated_at) {
            (Some(settings), Some(created_at), Some(updated_at)) => Some(Webhook {
                tenant,
                id,
                settings: self.sealer.read_settings(owner, settings)?,
                created_at: Timestamp::from_sql(created_at),
                updated_at: Timestamp::from_sql(updated_at),
            }),
            _ => None,
        };
        let secrets = row.secret.into_iter().collect();
        Ok(Some(Registered {
            id,
            webhook,
            secret: self.sealer.read_secrets(owner, secrets)?.pop(),
        }))
    }
}

/// False when another webhook has the key.
pub(super) async fn claim_key(
    tx: &mut PgTransaction<'static>,
    webhook: &Webhook,
    key: &str,
) -> Result<bool, StoreError> {
    let inserted = sqlx::query!(
        "insert into registration_key (tenant_id, key, webhook_id, created_at) values ($1, $2, $3, $4)
        on conflict do nothing",
        webhook.tenant.0,
        key,
        webhook.id.0,
        webhook.created_at.to_sql()
    );
    Ok(inserted.execute(&mut **tx).await?.rows_affected() == 1)
}

/// From now on, who repeats the registration is not told the secret.
pub(super) async fn note_rotation(
    tx: &mut PgTransaction<'static>,
    tenant: TenantId,
    webhook: WebhookId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update registration_key set is_rotated = true where tenant_id = $1 and webhook_id = $2",
        tenant.0,
        webhook.0
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
