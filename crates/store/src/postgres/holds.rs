//! What is held for stopped webhooks.

use std::collections::HashMap;

use sqlx::types::Json;
use uuid::Uuid;

use super::{Postgres, journal::journal, read_number, sql_limit};
use crate::{
    Change, DeliveryId, EventId, Stop, StoreError, TenantId, Timestamp, Webhook, WebhookId, attempt::Verdict,
    journal::Ended, sealing::Owner,
};

impl Postgres {
    pub(crate) async fn stops(
        &self,
        tenant: TenantId,
        ids: &[WebhookId],
    ) -> Result<HashMap<WebhookId, Stop>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows = sqlx::query!(
            r#"-- store: stops
            select id, settings->'stop' as "stop!: Json<Stop>"
            from webhook
            where tenant_id = $1 and id = any($2) and settings->'stop' is not null"#,
            tenant.0,
            &ids
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| (WebhookId(row.id), row.stop.0))
            .collect())
    }

    pub(crate) async fn stopped_webhooks(&self) -> Result<Vec<Webhook>, StoreError> {
        let rows = sqlx::query!(
            "-- store: stopped_webhooks
            select tenant_id, id, settings, created_at, updated_at
            from webhook
            where settings->'stop' is not null"
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let (tenant, id) = (TenantId(row.tenant_id), WebhookId(row.id));
                Ok(Webhook {
                    tenant,
                    id,
                    settings: self
                        .sealer
                        .read_settings(Owner { tenant, webhook: id }, row.settings)?,
                    created_at: Timestamp::from_sql(row.created_at),
                    updated_at: Timestamp::from_sql(row.updated_at),
                })
            })
            .collect()
    }

    pub(crate) async fn count_waiting(
        &self,
        tenant: TenantId,
        webhook: WebhookId,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let count = sqlx::query_scalar!(
            r#"-- store: count_waiting
            select count(*) as "count!"
            from (select from retry where lane = $1 and webhook_id = $2 limit $3) counted"#,
            tenant.lane().0,
            webhook.0,
            sql_limit(limit)
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    pub(crate) async fn nth_newest_waiting(
        &self,
        tenant: TenantId,
        webhook: WebhookId,
        newer: usize,
    ) -> Result<Option<EventId>, StoreError> {
        let event = sqlx::query_scalar!(
            "-- store: nth_newest_waiting
            select event_id
            from retry
            where lane = $1 and webhook_id = $2
            order by event_id desc
            offset $3
            limit 1",
            tenant.lane().0,
            webhook.0,
            sql_limit(newer)
        );
        Ok(event.fetch_optional(&self.pool).await?.map(EventId))
    }

    pub(crate) async fn give_up_held(
        &self,
        tenant: TenantId,
        webhook: WebhookId,
        up_to: EventId,
        limit: usize,
        reason: &str,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        // The webhook's row is locked, so that it is not resumed meanwhile: from then on its deliveries are attempted.
        // A row that a result is just being written for is left alone.
        let mut tx = self.pool.begin().await?;
        let given_up = sqlx::query!(
            r#"-- store: give_up_held
            with stopped as materialized (
                select id from webhook
                where tenant_id = $1 and id = $2 and settings->'stop' is not null
                for share
            ),
            expired as materialized (
                select r.lane, r.webhook_id, r.event_id, r.number
                from retry r
                where r.lane = $3 and r.webhook_id = (select id from stopped) and r.event_id <= $4
                order by r.event_id
                limit $5
                for update skip locked
            ),
            logged as (
                insert into attempt (lane, number, outcome, verdict, latency_us, webhook_id, event_id, started_at, error)
                select lane, number, 0, $6, 0, webhook_id, event_id, $7, $8
                from expired
                on conflict do nothing
                returning event_id
            )
            delete from retry r
            using expired e
            where r.lane = e.lane and r.webhook_id = e.webhook_id and r.event_id = e.event_id
            returning r.event_id, r.number, exists (select from logged l where l.event_id = r.event_id) as "is_logged!",
                      (select type from event v where v.lane = $3 and v.tenant_id = $1 and v.id = r.event_id)
                          as event_type"#,
            tenant.0,
            webhook.0,
            tenant.lane().0,
            up_to.0,
            sql_limit(limit),
            Verdict::Dead.code(),
            now.to_sql(),
            reason
        )
        .fetch_all(&mut *tx)
        .await?;
        let count = given_up.len();
        let ended = given_up.into_iter().filter(|row| row.is_logged).map(|row| {
            Change::ended(Ended {
                tenant,
                delivery: DeliveryId {
                    event: EventId(row.event_id),
                    webhook,
                },
                event_type: row.event_type.unwrap_or_default(),
                number: read_number(row.number),
                verdict: Verdict::Dead,
                at: now,
                reason: Some(reason),
            })
        });
        if count > 0 {
            journal(&mut tx, ended, now).await?;
        }
        tx.commit().await?;
        Ok(count)
    }
}
