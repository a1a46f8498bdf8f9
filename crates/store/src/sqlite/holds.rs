//! What is held for stopped webhooks.

use std::collections::HashMap;

use sqlx::Connection as _;

use super::{
    Sqlite, blob,
    journal::{event_type, journal},
    read_event_id, small, sql_limit,
    webhooks::WebhookRow,
};
use crate::{
    Change, DeliveryId, EventId, Stop, StoreError, TenantId, Timestamp, Webhook, WebhookId, attempt::Verdict,
    journal::Ended,
};

impl Sqlite {
    pub(crate) async fn stops(
        &self,
        tenant: TenantId,
        ids: &[WebhookId],
    ) -> Result<HashMap<WebhookId, Stop>, StoreError> {
        let mut stops = HashMap::new();
        for id in ids {
            let stop = self
                .webhook(tenant, *id)
                .await?
                .and_then(|webhook| webhook.settings.stop);
            stops.extend(stop.map(|stop| (*id, stop)));
        }
        Ok(stops)
    }

    pub(crate) async fn stopped_webhooks(&self) -> Result<Vec<Webhook>, StoreError> {
        let rows: Vec<(i64, Vec<u8>, String, i64, i64)> = sqlx::query_as(
            "select tenant_id, id, settings, created_at, updated_at
            from webhook
            where json_extract(settings, '$.stop') is not null",
        )
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter()
            .map(|(tenant, id, settings, created_at, updated_at)| {
                let row: WebhookRow = (id, settings, created_at, updated_at);
                self.read_webhook(TenantId(tenant), row)
            })
            .collect()
    }

    pub(crate) async fn count_waiting(
        &self,
        tenant: TenantId,
        webhook: WebhookId,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "select count(*) from (select 1 from retry where lane = ? and webhook_id = ? limit ?)",
        )
        .bind(tenant.lane().0)
        .bind(blob(webhook.0))
        .bind(sql_limit(limit))
        .fetch_one(&self.readers)
        .await?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    pub(crate) async fn nth_newest_waiting(
        &self,
        tenant: TenantId,
        webhook: WebhookId,
        newer: usize,
    ) -> Result<Option<EventId>, StoreError> {
        let event: Option<Vec<u8>> = sqlx::query_scalar(
            "select event_id from retry where lane = ? and webhook_id = ? order by event_id desc limit 1 offset ?",
        )
        .bind(tenant.lane().0)
        .bind(blob(webhook.0))
        .bind(sql_limit(newer))
        .fetch_optional(&self.readers)
        .await?;
        event.map(|id| read_event_id(&id)).transpose()
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
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        // Read under the writer's lock: nobody resumes the webhook meanwhile.
        let stopped: bool = sqlx::query_scalar(
            "select exists (select 1 from webhook
                            where tenant_id = ? and id = ? and json_extract(settings, '$.stop') is not null)",
        )
        .bind(tenant.0)
        .bind(blob(webhook.0))
        .fetch_one(&mut *tx)
        .await?;
        if !stopped {
            return Ok(0);
        }
        let logged: Vec<(Vec<u8>, i64)> = sqlx::query_as(
            "insert into attempt (lane, number, outcome, verdict, latency_us, webhook_id, event_id, started_at, error)
            select lane, number, 0, ?, 0, webhook_id, event_id, ?, ?
            from retry
            where lane = ? and webhook_id = ? and event_id <= ?
            order by event_id
            limit ?
            on conflict do nothing
            returning event_id, number",
        )
        .bind(Verdict::Dead.code())
        .bind(now.unix_micros())
        .bind(reason)
        .bind(tenant.lane().0)
        .bind(blob(webhook.0))
        .bind(blob(up_to.0))
        .bind(sql_limit(limit))
        .fetch_all(&mut *tx)
        .await?;
        let mut ended = Vec::with_capacity(logged.len());
        for (event, number) in logged {
            let event = read_event_id(&event)?;
            ended.push(Change::ended(Ended {
                tenant,
                delivery: DeliveryId { event, webhook },
                event_type: event_type(&mut tx, tenant, event).await?,
                number: small(number),
                verdict: Verdict::Dead,
                at: now,
                reason: Some(reason),
            }));
        }
        if !ended.is_empty() {
            journal(&mut tx, ended, now).await?;
        }
        let deleted = sqlx::query(
            "delete from retry
            where lane = ?1 and webhook_id = ?2 and event_id in (
                select event_id from retry
                where lane = ?1 and webhook_id = ?2 and event_id <= ?3
                order by event_id
                limit ?4)",
        )
        .bind(tenant.lane().0)
        .bind(blob(webhook.0))
        .bind(blob(up_to.0))
        .bind(sql_limit(limit))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(usize::try_from(deleted.rows_affected()).unwrap_or(0))
    }
}
