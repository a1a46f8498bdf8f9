//! What the API shows: events, deliveries and attempts.

use std::time::Duration;

use bytes::Bytes;

use super::{Sqlite, blob, read_event_id, read_uuid, small, sql_limit, unpack};
use crate::{
    Attempt, DeliveryId, Event, EventId, Outcome, ReplayId, StoreError, TenantId, Timestamp, WebhookId,
    attempt::{Verdict, stored_outcome},
    delivery::{Facts, LastFact},
};

/// type, hot, `webhook_ids`, owner alive, number, verdict, outcome, `http_status`, error, `started_at`, `latency_us`,
/// `due_at`, the number that is due, test, attempts, `replay_id`
type FactsRow = (
    String,
    i64,
    Vec<u8>,
    bool,
    Option<i64>,
    Option<i16>,
    Option<i16>,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    bool,
    i64,
    Option<Vec<u8>>,
);

/// number, outcome, `http_status`, `started_at`, `latency_us`, error, response, `next_at`, `replay_id`
type AttemptRow = (
    i64,
    i16,
    Option<i64>,
    i64,
    i64,
    Option<String>,
    Option<Vec<u8>>,
    Option<i64>,
    Option<Vec<u8>>,
);

impl Sqlite {
    pub(crate) async fn event(&self, tenant: TenantId, id: EventId) -> Result<Option<Event>, StoreError> {
        let row: Option<(String, Vec<u8>)> =
            sqlx::query_as("select type, payload from event where lane = ? and tenant_id = ? and id = ?")
                .bind(tenant.lane().0)
                .bind(tenant.0)
                .bind(blob(id.0))
                .fetch_optional(&self.readers)
                .await?;
        Ok(row.map(|(event_type, payload)| Event {
            id,
            tenant,
            event_type,
            payload: Bytes::from(payload),
        }))
    }

    pub(crate) async fn facts(&self, tenant: TenantId, ids: &[DeliveryId]) -> Result<Vec<Facts>, StoreError> {
        let mut facts = Vec::with_capacity(ids.len());
        for id in ids {
            facts.extend(self.facts_of(tenant, *id).await?);
        }
        Ok(facts)
    }

    async fn facts_of(&self, tenant: TenantId, id: DeliveryId) -> Result<Option<Facts>, StoreError> {
        let row: Option<FactsRow> = sqlx::query_as(
            "select e.type, e.hot, e.webhook_ids,
                    exists (select 1 from node n where n.incarnation = e.owner),
                    a.number, a.verdict, a.outcome, a.http_status,
                    a.error, a.started_at, a.latency_us, r.due_at, r.number, e.test,
                    (select count(*) from attempt
                     where lane = ?1 and webhook_id = ?4 and event_id = ?3 and outcome <> 0),
                    (select replay_id from replayed
                     where lane = ?1 and webhook_id = ?4 and event_id = ?3 order by after desc limit 1)
            from event e
            left join attempt a on a.lane = ?1 and a.webhook_id = ?4 and a.event_id = ?3
                and a.number = (select max(number) from attempt where lane = ?1 and webhook_id = ?4 and event_id = ?3)
            left join retry r on r.lane = ?1 and r.webhook_id = ?4 and r.event_id = ?3
            where e.lane = ?1 and e.tenant_id = ?2 and e.id = ?3",
        )
        .bind(tenant.lane().0)
        .bind(tenant.0)
        .bind(blob(id.event.0))
        .bind(blob(id.webhook.0))
        .fetch_optional(&self.readers)
        .await?;
        let Some((
            event_type,
            hot,
            webhooks,
            owner_alive,
            number,
            verdict,
            outcome,
            status,
            error,
            started_at,
            latency_us,
            due_at,
            due_number,
            is_test,
            attempt_count,
            replay,
        )) = row
        else {
            return Ok(None);
        };
        let Some(position) = unpack(&webhooks)
            .iter()
            .position(|webhook| *webhook == id.webhook)
        else {
            return Ok(None);
        };
        let last = match (number, verdict, outcome, started_at, latency_us) {
            (Some(number), Some(verdict), Some(outcome), Some(started_at), Some(latency_us)) => {
                let latency = Duration::from_micros(latency_us.unsigned_abs());
                Some(LastFact {
                    number: small(number),
                    verdict: Verdict::from_code(verdict)?,
                    outcome: stored_outcome(outcome)?,
                    http_status: status.map(small),
                    ended_at: Timestamp::from_unix_micros(started_at).plus(latency),
                    latency,
                    error,
                })
            }
            _ => None,
        };
        Ok(Some(Facts {
            id,
            event_type,
            with_owner: owner_alive && sql_limit(position) < hot,
            last,
            attempt_count: small(attempt_count),
            due_at: due_at.map(Timestamp::from_unix_micros),
            due_number: due_number.map(small),
            replay: read_replay_id(replay)?,
            is_test,
        }))
    }

    pub(crate) async fn attempts(
        &self,
        tenant: TenantId,
        id: DeliveryId,
    ) -> Result<Vec<Attempt>, StoreError> {
        let rows: Vec<AttemptRow> = sqlx::query_as(
            "select number, outcome, http_status, started_at, latency_us, error, response, next_at,
                    (select p.replay_id from replayed p
                     where p.lane = a.lane and p.webhook_id = a.webhook_id and p.event_id = a.event_id
                       and p.after < a.number
                     order by p.after desc limit 1)
            from attempt a
            where lane = ? and webhook_id = ? and event_id = ? and outcome <> 0
            order by number",
        )
        .bind(tenant.lane().0)
        .bind(blob(id.webhook.0))
        .bind(blob(id.event.0))
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter()
            .map(
                |(number, outcome, http_status, started_at, latency_us, error, response, next_at, replay)| {
                    Ok(Attempt {
                        number: small(number),
                        outcome: Outcome::from_code(outcome)?,
                        http_status: http_status.map(small),
                        started_at: Timestamp::from_unix_micros(started_at),
                        latency: Duration::from_micros(latency_us.unsigned_abs()),
                        error,
                        response: response.map(Bytes::from),
                        next_at: next_at.map(Timestamp::from_unix_micros),
                        replay: read_replay_id(replay)?,
                    })
                },
            )
            .collect()
    }

    pub(crate) async fn events_of_webhook(
        &self,
        tenant: TenantId,
        webhook: WebhookId,
        before: EventId,
        limit: usize,
    ) -> Result<Vec<EventId>, StoreError> {
        // Attempted, waiting, or so new that only the event row stands for it: the last are above the low-water mark.
        let rows: Vec<Vec<u8>> = sqlx::query_scalar(
            "select event_id from (
                select * from (select distinct event_id from attempt
                               where lane = ?1 and webhook_id = ?3 and event_id < ?4
                               order by event_id desc limit ?5)
                union
                select * from (select event_id from retry
                               where lane = ?1 and webhook_id = ?3 and event_id < ?4
                               order by event_id desc limit ?5)
                union
                select * from (select id from event
                               where lane = ?1 and tenant_id = ?2 and id < ?4
                                 and id >= (select min(low_water) from node)
                                 and instr(webhook_ids, ?3) > 0
                               order by id desc limit ?5)
            )
            order by event_id desc
            limit ?5",
        )
        .bind(tenant.lane().0)
        .bind(tenant.0)
        .bind(blob(webhook.0))
        .bind(blob(before.0))
        .bind(sql_limit(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|id| read_event_id(id)).collect()
    }

    pub(crate) async fn destinations_of_event(
        &self,
        tenant: TenantId,
        event: EventId,
    ) -> Result<Vec<WebhookId>, StoreError> {
        let packed: Option<Vec<u8>> =
            sqlx::query_scalar("select webhook_ids from event where lane = ? and tenant_id = ? and id = ?")
                .bind(tenant.lane().0)
                .bind(tenant.0)
                .bind(blob(event.0))
                .fetch_optional(&self.readers)
                .await?;
        Ok(unpack(&packed.unwrap_or_default()))
    }

    pub(crate) async fn destinations_up_to(
        &self,
        tenant: TenantId,
        from: EventId,
        limit: usize,
    ) -> Result<Vec<(EventId, Vec<WebhookId>)>, StoreError> {
        let rows: Vec<(Vec<u8>, Vec<u8>)> = sqlx::query_as(
            "select id, webhook_ids
            from event
            where lane = ? and tenant_id = ? and id <= ? and length(webhook_ids) > 0
            order by id desc
            limit ?",
        )
        .bind(tenant.lane().0)
        .bind(tenant.0)
        .bind(blob(from.0))
        .bind(sql_limit(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter()
            .map(|(id, webhooks)| Ok((read_event_id(&id)?, unpack(&webhooks))))
            .collect()
    }
}

fn read_replay_id(bytes: Option<Vec<u8>>) -> Result<Option<ReplayId>, StoreError> {
    bytes
        .map(|bytes| read_uuid("replayed", &bytes).map(ReplayId))
        .transpose()
}
