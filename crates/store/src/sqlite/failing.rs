//! Since when webhooks have been failing.

use super::{Sqlite, blob, read_uuid};
use crate::{FailingWebhook, StoreError, TenantId, Timestamp, WebhookId};

impl Sqlite {
    pub(crate) async fn note_failing(
        &self,
        tenant: TenantId,
        webhook: WebhookId,
        since: Timestamp,
    ) -> Result<(), StoreError> {
        let mut writer = self.writer().await?;
        sqlx::query(
            "insert into webhook_failing (tenant_id, webhook_id, since)
            select tenant_id, id, ?
            from webhook
            where tenant_id = ? and id = ?
            on conflict (tenant_id, webhook_id) do update
            set since = excluded.since
            where webhook_failing.since > excluded.since",
        )
        .bind(since.unix_micros())
        .bind(tenant.0)
        .bind(blob(webhook.0))
        .execute(&mut *writer)
        .await?;
        Ok(())
    }

    pub(crate) async fn forget_failing(
        &self,
        tenant: TenantId,
        webhook: WebhookId,
    ) -> Result<(), StoreError> {
        let mut writer = self.writer().await?;
        sqlx::query("delete from webhook_failing where tenant_id = ? and webhook_id = ?")
            .bind(tenant.0)
            .bind(blob(webhook.0))
            .execute(&mut *writer)
            .await?;
        Ok(())
    }

    pub(crate) async fn failing(&self) -> Result<Vec<FailingWebhook>, StoreError> {
        let rows: Vec<(i64, Vec<u8>, i64)> =
            sqlx::query_as("select tenant_id, webhook_id, since from webhook_failing")
                .fetch_all(&self.readers)
                .await?;
        rows.into_iter()
            .map(|(tenant, webhook, since)| {
                Ok(FailingWebhook {
                    tenant: TenantId(tenant),
                    webhook: WebhookId(read_uuid("webhook_failing", &webhook)?),
                    since: Timestamp::from_unix_micros(since),
                })
            })
            .collect()
    }
}
