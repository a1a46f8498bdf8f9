//! Rotation of secrets.

use hookwright_core::Secret;
use sqlx::Connection as _;

use super::{Sqlite, audit::record, blob, registrations::note_rotation, webhooks};
use crate::{AuditEntry, Rotated, SECRETS_MAX, StoreError, TenantId, Timestamp, WebhookId, sealing::Owner};

impl Sqlite {
    pub(crate) async fn rotate_secret(
        &self,
        tenant: TenantId,
        id: WebhookId,
        secret: &Secret,
        old_expire_at: Timestamp,
        now: Timestamp,
        entry: &AuditEntry,
    ) -> Result<Rotated, StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        let row = sqlx::query_as(
            "update webhook set updated_at = max(?, updated_at + 1) where tenant_id = ? and id = ?
            returning id, settings, created_at, updated_at",
        )
        .bind(now.unix_micros())
        .bind(tenant.0)
        .bind(blob(id.0))
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else {
            return Ok(Rotated::NotFound);
        };
        let webhook = self.read_webhook(tenant, row)?;
        let owner = Owner { tenant, webhook: id };
        sqlx::query("delete from webhook_secret where tenant_id = ? and webhook_id = ? and expires_at <= ?")
            .bind(tenant.0)
            .bind(blob(id.0))
            .bind(now.unix_micros())
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "update webhook_secret
            set expires_at = min(ifnull(expires_at, ?1), ?1), position = - position - 1
            where tenant_id = ?2 and webhook_id = ?3",
        )
        .bind(old_expire_at.unix_micros())
        .bind(tenant.0)
        .bind(blob(id.0))
        .execute(&mut *tx)
        .await?;
        // The key is checked row by row, so positions move on by way of numbers that are not in use.
        sqlx::query("update webhook_secret set position = - position where tenant_id = ? and webhook_id = ?")
            .bind(tenant.0)
            .bind(blob(id.0))
            .execute(&mut *tx)
            .await?;
        let (live, first_expiry): (i64, Option<i64>) = sqlx::query_as(
            "select count(*), min(expires_at)
            from webhook_secret
            where tenant_id = ? and webhook_id = ? and expires_at > ?",
        )
        .bind(tenant.0)
        .bind(blob(id.0))
        .bind(now.unix_micros())
        .fetch_one(&mut *tx)
        .await?;
        let old_live = usize::try_from(live).unwrap_or(usize::MAX);
        if old_live >= SECRETS_MAX {
            // Dropped, and so rolled back.
            return Ok(Rotated::TooMany {
                until: first_expiry.map_or(old_expire_at, Timestamp::from_unix_micros),
            });
        }
        sqlx::query(
            "insert into webhook_secret (tenant_id, webhook_id, position, value) values (?, ?, 0, ?)",
        )
        .bind(tenant.0)
        .bind(blob(id.0))
        .bind(self.sealer.write_secret(owner, secret)?)
        .execute(&mut *tx)
        .await?;
        note_rotation(&mut tx, tenant, id).await?;
        record(&mut tx, entry).await?;
        webhooks::commit_config_change(tx, tenant).await?;
        Ok(Rotated::Done {
            webhook: Box::new(webhook),
            old_expire_at,
            live: old_live + 1,
        })
    }
}
