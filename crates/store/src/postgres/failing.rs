//! Since when webhooks have been failing.

use super::Postgres;
use crate::{FailingWebhook, StoreError, TenantId, Timestamp, WebhookId};

impl Postgres {
    pub(crate) async fn note_failing(
        &self,
        tenant: TenantId,
        webhook: WebhookId,
        since: Timestamp,
    ) -> Result<(), StoreError> {
        // Locked against being deleted meanwhile, or the foreign key would refuse the row.
        sqlx::query!(
            "-- store: note_failing
            insert into webhook_failing (tenant_id, webhook_id, since)
            select tenant_id, id, $3
            from webhook
            where tenant_id = $1 and id = $2
            for key share
            on conflict (tenant_id, webhook_id) do update
            set since = excluded.since
            where webhook_failing.since > excluded.since",
            tenant.0,
            webhook.0,
            since.to_sql()
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub(crate) async fn forget_failing(
        &self,
        tenant: TenantId,
        webhook: WebhookId,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "delete from webhook_failing where tenant_id = $1 and webhook_id = $2",
            tenant.0,
            webhook.0
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub(crate) async fn failing(&self) -> Result<Vec<FailingWebhook>, StoreError> {
        let rows = sqlx::query!("select tenant_id, webhook_id, since from webhook_failing");
        Ok(rows
            .fetch_all(&self.pool)
            .await?
            .into_iter()
            .map(|row| FailingWebhook {
                tenant: TenantId(row.tenant_id),
                webhook: WebhookId(row.webhook_id),
                since: Timestamp::from_sql(row.since),
            })
            .collect())
    }
}
