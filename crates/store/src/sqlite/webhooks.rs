//! Tenants, webhooks and their secrets.

use hookwright_core::Secret;
use serde_json::Value;
use sqlx::{Connection as _, SqliteTransaction};

use super::{
    Sqlite, alerts::note_standing, audit::record, blob, read_uuid, registrations::claim_key, sql_limit,
};
use crate::{
    AuditEntry, Removal, SigningWebhook, StoreError, TenantId, TenantWebhooks, Timestamp, Webhook, WebhookId,
    access::changed_fields,
    alert::{changed_standing, state_of},
    registration::Inserted,
    sealing::Owner,
    webhook::Change,
};

/// id, settings, `created_at`, `updated_at`
pub(super) type WebhookRow = (Vec<u8>, String, i64, i64);

impl Sqlite {
    pub(crate) async fn tenant(&self, name: &str) -> Result<TenantId, StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        let found = sqlx::query_scalar("select id from tenant where name = ?").bind(name);
        let id: TenantId = if let Some(id) = found.fetch_optional(&mut *tx).await? {
            TenantId(id)
        } else {
            let next = sqlx::query_scalar("select max(id) + 1 from tenant")
                .fetch_one(&mut *tx)
                .await?;
            let id = TenantId(next);
            sqlx::query(
                "insert into tenant (id, lane, name, version, access_version)
                values (?, ?, ?, (select max(version) + 1 from tenant), (select max(access_version) + 1 from tenant))",
            )
            .bind(id.0)
            .bind(id.lane().0)
            .bind(name)
            .execute(&mut *tx)
            .await?;
            id
        };
        tx.commit().await?;
        Ok(id)
    }

    pub(crate) async fn tenants_changed_since(
        &self,
        version: i64,
    ) -> Result<Vec<(TenantId, i64)>, StoreError> {
        let rows: Vec<(i64, i64)> = sqlx::query_as("select id, version from tenant where version > ?")
            .bind(version)
            .fetch_all(&self.readers)
            .await?;
        Ok(rows
            .into_iter()
            .map(|(id, version)| (TenantId(id), version))
            .collect())
    }

    pub(crate) async fn tenant_webhooks(
        &self,
        tenant: TenantId,
        since: i64,
        now: Timestamp,
    ) -> Result<TenantWebhooks, StoreError> {
        let mut tx = self.readers.begin().await?;
        let known: Option<(i64, i64)> = sqlx::query_as(
            "select version, (select count(*) from webhook w where w.tenant_id = t.id) from tenant t where id = ?",
        )
        .bind(tenant.0)
        .fetch_optional(&mut *tx)
        .await?;
        let rows: Vec<WebhookRow> = sqlx::query_as(
            "select id, settings, created_at, updated_at
            from webhook
            where tenant_id = ? and version > ?
            order by id",
        )
        .bind(tenant.0)
        .bind(since)
        .fetch_all(&mut *tx)
        .await?;
        let secrets: Vec<(Vec<u8>, Vec<u8>, Option<i64>)> = sqlx::query_as(
            "select s.webhook_id, s.value, s.expires_at
            from webhook w
            join webhook_secret s on s.tenant_id = w.tenant_id and s.webhook_id = w.id
            where w.tenant_id = ? and w.version > ? and (s.expires_at is null or s.expires_at > ?)
            order by s.webhook_id, s.position",
        )
        .bind(tenant.0)
        .bind(since)
        .bind(now.unix_micros())
        .fetch_all(&mut *tx)
        .await?;
        let mut secrets = secrets.into_iter().peekable();
        let webhooks = rows
            .into_iter()
            .map(|row| {
                // Both are in the order of the webhooks.
                let own: Vec<_> =
                    std::iter::from_fn(|| secrets.next_if(|(webhook, ..)| *webhook == row.0)).collect();
                let first_expiry = own.iter().filter_map(|(.., expires_at)| *expires_at).min();
                let values = own.into_iter().map(|(_, value, _)| value).collect();
                let webhook = self.read_webhook(tenant, row)?;
                let owner = Owner {
                    tenant,
                    webhook: webhook.id,
                };
                Ok(SigningWebhook {
                    secrets: self.sealer.read_secrets(owner, values)?,
                    secret_expires_at: first_expiry.map(Timestamp::from_unix_micros),
                    webhook,
                })
            })
            .collect::<Result<_, StoreError>>()?;
        let (version, count) = known.unwrap_or((0, 0));
        Ok(TenantWebhooks {
            version,
            count: usize::try_from(count).unwrap_or(usize::MAX),
            webhooks,
        })
    }

    pub(crate) async fn insert_webhook(
        &self,
        webhook: &Webhook,
        secrets: &[Secret],
        key: Option<&str>,
        max: Option<u32>,
        entry: &AuditEntry,
    ) -> Result<Inserted, StoreError> {
        let owner = Owner {
            tenant: webhook.tenant,
            webhook: webhook.id,
        };
        let settings = self.sealer.write_settings(owner, &webhook.settings)?;
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        // First: a repetition is answered even if there is no room for another webhook.
        if let Some(key) = key
            && !claim_key(&mut tx, webhook, key).await?
        {
            return Ok(Inserted::KeyTaken);
        }
        if let Some(max) = max {
            let count: i64 = sqlx::query_scalar("select count(*) from webhook where tenant_id = ?")
                .bind(webhook.tenant.0)
                .fetch_one(&mut *tx)
                .await?;
            if count >= i64::from(max) {
                return Ok(Inserted::TooMany);
            }
        }
        sqlx::query(
            "insert into webhook (tenant_id, id, settings, created_at, updated_at) values (?, ?, ?, ?, ?)",
        )
        .bind(webhook.tenant.0)
        .bind(blob(webhook.id.0))
        .bind(settings.to_string())
        .bind(webhook.created_at.unix_micros())
        .bind(webhook.updated_at.unix_micros())
        .execute(&mut *tx)
        .await?;
        for (position, secret) in (0_i64..).zip(secrets) {
            sqlx::query(
                "insert into webhook_secret (tenant_id, webhook_id, position, value) values (?, ?, ?, ?)",
            )
            .bind(webhook.tenant.0)
            .bind(blob(webhook.id.0))
            .bind(position)
            .bind(self.sealer.write_secret(owner, secret)?)
            .execute(&mut *tx)
            .await?;
        }
        record(&mut tx, entry).await?;
        commit_config_change(tx, webhook.tenant).await?;
        Ok(Inserted::Done)
    }

    pub(crate) async fn webhook(
        &self,
        tenant: TenantId,
        id: WebhookId,
    ) -> Result<Option<Webhook>, StoreError> {
        let row: Option<WebhookRow> = sqlx::query_as(
            "select id, settings, created_at, updated_at from webhook where tenant_id = ? and id = ?",
        )
        .bind(tenant.0)
        .bind(blob(id.0))
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| self.read_webhook(tenant, row)).transpose()
    }

    pub(crate) async fn webhooks_before(
        &self,
        tenant: TenantId,
        before: WebhookId,
        limit: usize,
    ) -> Result<Vec<Webhook>, StoreError> {
        let rows: Vec<WebhookRow> = sqlx::query_as(
            "select id, settings, created_at, updated_at
            from webhook
            where tenant_id = ? and id < ?
            order by id desc
            limit ?",
        )
        .bind(tenant.0)
        .bind(blob(before.0))
        .bind(sql_limit(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter()
            .map(|row| self.read_webhook(tenant, row))
            .collect()
    }

    pub(crate) async fn change_webhook(
        &self,
        tenant: TenantId,
        id: WebhookId,
        change: Change<'_>,
        now: Timestamp,
        entry: AuditEntry,
    ) -> Result<Option<Webhook>, StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        let Some(mut webhook) = self.webhook_within(&mut tx, tenant, id).await? else {
            return Ok(None);
        };
        let (before, settings_before) = (state_of(&webhook.settings), webhook.settings.clone());
        if !change(&mut webhook.settings, webhook.updated_at) {
            return Ok(Some(webhook));
        }
        webhook.updated_at = webhook.next_update(now);
        let fields = changed_fields(&settings_before, &webhook.settings);
        record(&mut tx, &entry.with_fields(fields)).await?;
        if let Some(standing) = changed_standing(&before, &webhook.settings) {
            note_standing(&mut tx, tenant, id, &standing, now).await?;
        }
        let document = self
            .sealer
            .write_settings(Owner { tenant, webhook: id }, &webhook.settings)?;
        sqlx::query("update webhook set settings = ?, updated_at = ? where tenant_id = ? and id = ?")
            .bind(document.to_string())
            .bind(webhook.updated_at.unix_micros())
            .bind(tenant.0)
            .bind(blob(id.0))
            .execute(&mut *tx)
            .await?;
        commit_config_change(tx, tenant).await?;
        Ok(Some(webhook))
    }

    async fn webhook_within(
        &self,
        tx: &mut SqliteTransaction<'_>,
        tenant: TenantId,
        id: WebhookId,
    ) -> Result<Option<Webhook>, StoreError> {
        let row: Option<WebhookRow> = sqlx::query_as(
            "select id, settings, created_at, updated_at from webhook where tenant_id = ? and id = ?",
        )
        .bind(tenant.0)
        .bind(blob(id.0))
        .fetch_optional(&mut **tx)
        .await?;
        row.map(|row| self.read_webhook(tenant, row)).transpose()
    }

    pub(crate) async fn delete_webhook(
        &self,
        tenant: TenantId,
        id: WebhookId,
        version: Option<Timestamp>,
        entry: &AuditEntry,
    ) -> Result<Removal, StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        if let Some(version) = version {
            let current = self.webhook_within(&mut tx, tenant, id).await?;
            if current.is_some_and(|webhook| webhook.updated_at != version) {
                return Ok(Removal::Changed);
            }
        }
        let deleted = sqlx::query("delete from webhook where tenant_id = ? and id = ?")
            .bind(tenant.0)
            .bind(blob(id.0))
            .execute(&mut *tx)
            .await?;
        if deleted.rows_affected() == 0 {
            return Ok(Removal::NotFound);
        }
        record(&mut tx, entry).await?;
        commit_config_change(tx, tenant).await?;
        Ok(Removal::Removed)
    }
}

pub(super) async fn commit_config_change(
    mut tx: SqliteTransaction<'_>,
    tenant: TenantId,
) -> Result<(), StoreError> {
    sqlx::query("update tenant set version = (select max(version) + 1 from tenant) where id = ?")
        .bind(tenant.0)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Settings as they are stored.
pub(super) fn parse_document(webhook: WebhookId, settings: &str) -> Result<Value, StoreError> {
    serde_json::from_str(settings).map_err(|error| StoreError::Inconsistent {
        table: "webhook",
        row: webhook.to_string(),
        problem: format!("its settings are not JSON: {:?} error", error.classify()),
    })
}

impl Sqlite {
    pub(super) fn read_webhook(
        &self,
        tenant: TenantId,
        (id, settings, created_at, updated_at): WebhookRow,
    ) -> Result<Webhook, StoreError> {
        let id = WebhookId(read_uuid("webhook", &id)?);
        let document = parse_document(id, &settings)?;
        Ok(Webhook {
            tenant,
            id,
            settings: self
                .sealer
                .read_settings(Owner { tenant, webhook: id }, document)?,
            created_at: Timestamp::from_unix_micros(created_at),
            updated_at: Timestamp::from_unix_micros(updated_at),
        })
    }
}
