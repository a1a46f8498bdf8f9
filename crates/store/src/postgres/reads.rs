//! What the API shows: events, deliveries and attempts.

use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::{Postgres, sql_limit, webhook_ids};
use crate::{
    Attempt, DeliveryId, Event, EventId, Outcome, ReplayId, StoreError, TenantId, Timestamp, WebhookId,
    attempt::{Verdict, stored_outcome},
    delivery::{Facts, LastFact},
};

impl Postgres {
    pub(crate) async fn event(&self, tenant: TenantId, id: EventId) -> Result<Option<Event>, StoreError> {
        let row = sqlx::query!(
            "select type, payload from event where lane = $1 and tenant_id = $2 and id = $3",
            tenant.lane().0,
            tenant.0,
            id.0
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| Event {
            id,
            tenant,
            event_type: row.r#type,
            payload: Bytes::from(row.payload),
        }))
    }

    pub(crate) async fn facts(&self, tenant: TenantId, ids: &[DeliveryId]) -> Result<Vec<Facts>, StoreError> {
        let events: Vec<Uuid> = ids.iter().map(|id| id.event.0).collect();
        let webhooks: Vec<Uuid> = ids.iter().map(|id| id.webhook.0).collect();
        let rows = sqlx::query!(
            r#"-- store: facts
            select k.event_id as "event_id!",
                   k.webhook_id as "webhook_id!",
                   e.type,
                   array_position(e.webhook_ids, k.webhook_id) <= e.hot
                       and exists (select from node n where n.incarnation = e.owner) as "with_owner!",
                   a.number as "number?",
                   a.verdict as "verdict?",
                   a.outcome as "outcome?",
                   a.http_status as "http_status?",
                   a.started_at + a.latency_us * interval '1 microsecond' as "ended_at?",
                   a.latency_us as "latency_us?",
                   a.error as "error?",
                   r.due_at as "due_at?",
                   r.number as "due_number?",
                   e.test,
                   (select count(*) from attempt c
                    where c.lane = $1 and c.webhook_id = k.webhook_id and c.event_id = k.event_id
                      and c.outcome <> 0) as "attempt_count!",
                   (select p.replay_id from replayed p
                    where p.lane = $1 and p.webhook_id = k.webhook_id and p.event_id = k.event_id
                    order by p.after desc limit 1) as replay_id
            from unnest($3::uuid[], $4::uuid[]) with ordinality k(event_id, webhook_id, position)
            join event e on e.lane = $1 and e.tenant_id = $2 and e.id = k.event_id and k.webhook_id = any(e.webhook_ids)
            left join lateral (
                select *
                from attempt a
                where a.lane = $1 and a.webhook_id = k.webhook_id and a.event_id = k.event_id
                order by a.number desc
                limit 1
            ) a on true
            left join retry r on r.lane = $1 and r.webhook_id = k.webhook_id and r.event_id = k.event_id
            order by k.position"#,
            tenant.lane().0,
            tenant.0,
            &events,
            &webhooks
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let last = match (row.number, row.verdict, row.outcome, row.ended_at, row.latency_us) {
                    (Some(number), Some(verdict), Some(outcome), Some(ended_at), Some(latency)) => {
                        Some(LastFact {
                            number: number.unsigned_abs(),
                            verdict: Verdict::from_code(verdict)?,
                            outcome: stored_outcome(outcome)?,
                            http_status: row.http_status.map(i16::unsigned_abs),
                            ended_at: Timestamp::from_sql(ended_at),
                            latency: Duration::from_micros(latency.unsigned_abs().into()),
                            error: row.error,
                        })
                    }
                    _ => None,
                };
                Ok(Facts {
                    id: DeliveryId {
                        event: EventId(row.event_id),
                        webhook: WebhookId(row.webhook_id),
                    },
                    event_type: row.r#type,
                    with_owner: row.with_owner,
                    last,
                    attempt_count: u16::try_from(row.attempt_count).unwrap_or(u16::MAX),
                    due_at: row.due_at.map(Timestamp::from_sql),
                    due_number: row.due_number.map(i16::unsigned_abs),
                    replay: row.replay_id.map(ReplayId),
                    is_test: row.test,
                })
            })
            .collect()
    }

    pub(crate) async fn attempts(
        &self,
        tenant: TenantId,
        id: DeliveryId,
    ) -> Result<Vec<Attempt>, StoreError> {
        let rows = sqlx::query!(
            "-- store: attempts
            select number, outcome, http_status, started_at, latency_us, error, response, next_at,
                   (select p.replay_id from replayed p
                    where p.lane = a.lane and p.webhook_id = a.webhook_id and p.event_id = a.event_id
                      and p.after < a.number
                    order by p.after desc limit 1) as replay_id
            from attempt a
            where lane = $1 and webhook_id = $2 and event_id = $3 and outcome <> 0
            order by number",
            tenant.lane().0,
            id.webhook.0,
            id.event.0
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Attempt {
                    number: row.number.unsigned_abs(),
                    outcome: Outcome::from_code(row.outcome)?,
                    http_status: row.http_status.map(i16::unsigned_abs),
                    started_at: Timestamp::from_sql(row.started_at),
                    latency: Duration::from_micros(row.latency_us.unsigned_abs().into()),
                    error: row.error,
                    response: row.response.map(Bytes::from),
                    next_at: row.next_at.map(Timestamp::from_sql),
                    replay: row.replay_id.map(ReplayId),
                })
            })
            .collect()
    }

    pub(crate) async fn events_of_webhook(
        &self,
        tenant: TenantId,
        webhook: WebhookId,
        before: EventId,
        limit: usize,
    ) -> Result<Vec<EventId>, StoreError> {
        // Attempted, waiting, or so new that only the event row stands for it: the last are above the low-water marks.
        let events = sqlx::query_scalar!(
            r#"-- store: events_of_webhook
            select event_id as "event_id!"
            from (
                (select distinct event_id from attempt
                 where lane = $1 and webhook_id = $3 and event_id < $4
                 order by event_id desc limit $5)
                union
                (select event_id from retry
                 where lane = $1 and webhook_id = $3 and event_id < $4
                 order by event_id desc limit $5)
                union
                (select id from event
                 where lane = $1 and tenant_id = $2 and id < $4
                   and id >= (select low_water from node order by low_water limit 1)
                   and $3 = any(webhook_ids)
                 order by id desc limit $5)
            ) found
            order by event_id desc
            limit $5"#,
            tenant.lane().0,
            tenant.0,
            webhook.0,
            before.0,
            sql_limit(limit)
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(events.into_iter().map(EventId).collect())
    }

    pub(crate) async fn destinations_of_event(
        &self,
        tenant: TenantId,
        event: EventId,
    ) -> Result<Vec<WebhookId>, StoreError> {
        let ids = sqlx::query_scalar!(
            "select webhook_ids from event where lane = $1 and tenant_id = $2 and id = $3",
            tenant.lane().0,
            tenant.0,
            event.0
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(webhook_ids(ids.unwrap_or_default()))
    }

    pub(crate) async fn destinations_up_to(
        &self,
        tenant: TenantId,
        from: EventId,
        limit: usize,
    ) -> Result<Vec<(EventId, Vec<WebhookId>)>, StoreError> {
        let rows = sqlx::query!(
            "-- store: destinations_up_to
            select id, webhook_ids
            from event
            where lane = $1 and tenant_id = $2 and id <= $3 and webhook_ids <> '{}'
            order by id desc
            limit $4",
            tenant.lane().0,
            tenant.0,
            from.0,
            sql_limit(limit)
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| (EventId(row.id), webhook_ids(row.webhook_ids)))
            .collect())
    }
}
