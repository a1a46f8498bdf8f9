//! Secrets at rest: which keys they are sealed with, and sealing them anew.

use serde_json::Value;

use super::{Postgres, sql_limit};
use crate::{StoreError, TenantId, WebhookId, sealing::Owner};

impl Postgres {
    pub(crate) async fn encryption_keys_in_use(&self) -> Result<Vec<String>, StoreError> {
        let ids = sqlx::query_scalar!(
            r#"-- store: encryption_keys_in_use
            select split_part(encode(value, 'escape'), ':', 3) as "id!"
            from webhook_secret
            where substr(value, 1, 10) = convert_to(' sealed:1:', 'UTF8')
            union
            select found.part[1]
            from webhook, regexp_matches(settings::text, '"\(sealed\)": "sealed:1:([A-Za-z0-9_-]+):', 'g') found(part)
            order by 1"#
        );
        Ok(ids.fetch_all(&self.pool).await?)
    }

    pub(crate) async fn webhooks_after(
        &self,
        after: Option<(TenantId, WebhookId)>,
        limit: usize,
    ) -> Result<Vec<(TenantId, WebhookId)>, StoreError> {
        let (tenant, webhook) = after.map_or((i64::MIN, uuid::Uuid::nil()), |(tenant, webhook)| {
            (tenant.0, webhook.0)
        });
        let rows = sqlx::query!(
            "select tenant_id, id from webhook where (tenant_id, id) > ($1, $2) order by tenant_id, id limit $3",
            tenant,
            webhook,
            sql_limit(limit)
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| (TenantId(row.tenant_id), WebhookId(row.id)))
            .collect())
    }

    pub(crate) async fn reseal(&self, tenant: TenantId, webhook: WebhookId) -> Result<bool, StoreError> {
        let owner = Owner { tenant, webhook };
        let mut tx = self.pool.begin().await?;
        // Locked, so that a change of the webhook and this do not undo each other.
        let document: Option<Value> = sqlx::query_scalar!(
            "select settings from webhook where tenant_id = $1 and id = $2 for update",
            tenant.0,
            webhook.0
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(document) = document else {
            return Ok(false);
        };
        let secrets = sqlx::query!(
            "select position, value from webhook_secret where tenant_id = $1 and webhook_id = $2 for update",
            tenant.0,
            webhook.0
        )
        .fetch_all(&mut *tx)
        .await?;
        let mut changed = false;
        if !self.sealer.is_current_document(&document) {
            changed = true;
            let settings = self.sealer.read_settings(owner, document)?;
            sqlx::query!(
                "update webhook set settings = $3 where tenant_id = $1 and id = $2",
                tenant.0,
                webhook.0,
                self.sealer.write_settings(owner, &settings)?
            )
            .execute(&mut *tx)
            .await?;
        }
        for row in secrets {
            if self.sealer.is_current_secret(&row.value) {
                continue;
            }
            changed = true;
            for secret in self.sealer.read_secrets(owner, vec![row.value])? {
                sqlx::query!(
                    "update webhook_secret set value = $4 where tenant_id = $1 and webhook_id = $2 and position = $3",
                    tenant.0,
                    webhook.0,
                    row.position,
                    self.sealer.write_secret(owner, &secret)?
                )
                .execute(&mut *tx)
                .await?;
            }
        }
        tx.commit().await?;
        Ok(changed)
    }

    #[expect(clippy::unused_async, reason = "the other engine has something to do")]
    pub(crate) async fn wipe_free_space(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
