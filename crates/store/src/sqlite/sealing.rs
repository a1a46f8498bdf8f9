//! Secrets at rest: which keys they are sealed with, and sealing them anew.

use std::collections::BTreeSet;

use serde_json::Value;
use sqlx::Connection as _;

use super::{Sqlite, blob, read_uuid, sql_limit, webhooks::parse_document};
use crate::{
    StoreError, TenantId, WebhookId,
    sealing::{Owner, collect_key_ids, key_id},
};

impl Sqlite {
    pub(crate) async fn encryption_keys_in_use(&self) -> Result<Vec<String>, StoreError> {
        let values: Vec<Vec<u8>> = sqlx::query_scalar("select value from webhook_secret")
            .fetch_all(&self.readers)
            .await?;
        let documents: Vec<String> = sqlx::query_scalar("select settings from webhook")
            .fetch_all(&self.readers)
            .await?;
        let mut ids: BTreeSet<String> = values
            .iter()
            .filter_map(|value| key_id(std::str::from_utf8(value).ok()?).map(str::to_owned))
            .collect();
        for document in &documents {
            let document: Value = serde_json::from_str(document).unwrap_or_default();
            collect_key_ids(&document, &mut ids);
        }
        Ok(ids.into_iter().collect())
    }

    pub(crate) async fn webhooks_after(
        &self,
        after: Option<(TenantId, WebhookId)>,
        limit: usize,
    ) -> Result<Vec<(TenantId, WebhookId)>, StoreError> {
        let (tenant, webhook) = after.map_or((i64::MIN, Vec::new()), |(tenant, webhook)| {
            (tenant.0, blob(webhook.0))
        });
        let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
            "select tenant_id, id from webhook where (tenant_id, id) > (?, ?) order by tenant_id, id limit ?",
        )
        .bind(tenant)
        .bind(webhook)
        .bind(sql_limit(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter()
            .map(|(tenant, id)| Ok((TenantId(tenant), WebhookId(read_uuid("webhook", &id)?))))
            .collect()
    }

    pub(crate) async fn reseal(&self, tenant: TenantId, webhook: WebhookId) -> Result<bool, StoreError> {
        let owner = Owner { tenant, webhook };
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        let document: Option<String> =
            sqlx::query_scalar("select settings from webhook where tenant_id = ? and id = ?")
                .bind(tenant.0)
                .bind(blob(webhook.0))
                .fetch_optional(&mut *tx)
                .await?;
        let Some(document) = document else {
            return Ok(false);
        };
        let document = parse_document(webhook, &document)?;
        let secrets: Vec<(i64, Vec<u8>)> = sqlx::query_as(
            "select position, value from webhook_secret where tenant_id = ? and webhook_id = ?",
        )
        .bind(tenant.0)
        .bind(blob(webhook.0))
        .fetch_all(&mut *tx)
        .await?;
        let mut changed = false;
        if !self.sealer.is_current_document(&document) {
            changed = true;
            let settings = self.sealer.read_settings(owner, document)?;
            sqlx::query("update webhook set settings = ? where tenant_id = ? and id = ?")
                .bind(self.sealer.write_settings(owner, &settings)?.to_string())
                .bind(tenant.0)
                .bind(blob(webhook.0))
                .execute(&mut *tx)
                .await?;
        }
        for (position, value) in secrets {
            if self.sealer.is_current_secret(&value) {
                continue;
            }
            changed = true;
            for secret in self.sealer.read_secrets(owner, vec![value])? {
                sqlx::query(
                    "update webhook_secret set value = ? where tenant_id = ? and webhook_id = ? and position = ?",
                )
                .bind(self.sealer.write_secret(owner, &secret)?)
                .bind(tenant.0)
                .bind(blob(webhook.0))
                .bind(position)
                .execute(&mut *tx)
                .await?;
            }
        }
        tx.commit().await?;
        Ok(changed)
    }

    pub(crate) async fn wipe_free_space(&self) -> Result<(), StoreError> {
        let mut writer = self.writer().await?;
        for statement in ["vacuum", "pragma wal_checkpoint(truncate)"] {
            sqlx::query(statement).execute(&mut *writer).await?;
        }
        Ok(())
    }
}
