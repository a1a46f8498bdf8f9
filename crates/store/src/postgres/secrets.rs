//! Rotation of secrets.

use hookwright_core::Secret;

use super::{Postgres, audit::record, registrations::note_rotation};
use crate::{
    AuditEntry, Rotated, SECRETS_MAX, StoreError, TenantId, Timestamp, Webhook, WebhookId, sealing::Owner,
};

impl Postgres {
    pub(crate) async fn rotate_secret(
        &self,
        tenant: TenantId,
        id: WebhookId,
        secret: &Secret,
        old_expire_at: Timestamp,
        now: Timestamp,
        entry: &AuditEntry,
    ) -> Result<Rotated, StoreError> {
        // Rotations of a webhook wait for each other here.
        let mut tx = self.begin_config_change().await?;
        let webhook = sqlx::query!(
            r#"-- store: rotate_secret, every version has a moment of its own
            update webhook
            set updated_at = greatest($3, updated_at + interval '1 microsecond')
            where tenant_id = $1 and id = $2
            returning settings, created_at, updated_at"#,
            tenant.0,
            id.0,
            now.to_sql()
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(webhook) = webhook else {
            return Ok(Rotated::NotFound);
        };
        let owner = Owner { tenant, webhook: id };
        sqlx::query!(
            "-- store: rotate_secret, what is left of earlier rotations
            delete from webhook_secret
            where tenant_id = $1 and webhook_id = $2 and expires_at <= $3",
            tenant.0,
            id.0,
            now.to_sql()
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "-- store: rotate_secret, an overlap never grows
            update webhook_secret
            set expires_at = least(expires_at, $3), position = - position - 1
            where tenant_id = $1 and webhook_id = $2",
            tenant.0,
            id.0,
            old_expire_at.to_sql()
        )
        .execute(&mut *tx)
        .await?;
        // The key is checked row by row, so positions move on by way of numbers that are not in use.
        sqlx::query!(
            "update webhook_secret set position = - position where tenant_id = $1 and webhook_id = $2",
            tenant.0,
            id.0
        )
        .execute(&mut *tx)
        .await?;
        let old = sqlx::query!(
            r#"select count(*) as "live!", min(expires_at) as first_expiry
            from webhook_secret
            where tenant_id = $1 and webhook_id = $2 and expires_at > $3"#,
            tenant.0,
            id.0,
            now.to_sql()
        )
        .fetch_one(&mut *tx)
        .await?;
        let old_live = usize::try_from(old.live).unwrap_or(usize::MAX);
        if old_live >= SECRETS_MAX {
            // Dropped, and so rolled back.
            return Ok(Rotated::TooMany {
                until: old.first_expiry.map_or(old_expire_at, Timestamp::from_sql),
            });
        }
        sqlx::query!(
            "insert into webhook_secret (tenant_id, webhook_id, position, value) values ($1, $2, 0, $3)",
            tenant.0,
            id.0,
            self.sealer.write_secret(owner, secret)?
        )
        .execute(&mut *tx)
        .await?;
        note_rotation(&mut tx, tenant, id).await?;
        record(&mut tx, entry).await?;
        super::webhooks::commit_config_change(tx, tenant).await?;
        Ok(Rotated::Done {
            webhook: Box::new(Webhook {
                tenant,
                id,
                settings: self.sealer.read_settings(owner, webhook.settings)?,
                created_at: Timestamp::from_sql(webhook.created_at),
                updated_at: Timestamp::from_sql(webhook.updated_at),
            }),
            old_expire_at,
            live: old_live + 1,
        })
    }
}
