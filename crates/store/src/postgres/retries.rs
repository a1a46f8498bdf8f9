//! Retry rows: what is due, webhook by webhook.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::{Postgres, lane_numbers, replays::counted_from, sql_limit};
use crate::{Due, Event, EventId, Lane, StoreError, TenantId, Timestamp, Upcoming, Want, WebhookId};

impl Postgres {
    pub(crate) async fn upcoming(&self, lanes: &[Lane]) -> Result<Vec<(Upcoming, bool)>, StoreError> {
        // A skip scan: one index seek per webhook that has rows, however many it has. Ordering all due rows by time
        // instead would show nothing but a dead webhook's backlog.
        let rows = sqlx::query!(
            r#"-- store: upcoming
            with recursive earliest as (
                (select lane, webhook_id, due_at
                 from retry
                 where due_at < '9999-01-01 00:00:00+00'
                 order by lane, webhook_id, due_at
                 limit 1)
                union all
                select next.lane, next.webhook_id, next.due_at
                from earliest
                cross join lateral (
                    select r.lane, r.webhook_id, r.due_at
                    from retry r
                    where (r.lane, r.webhook_id) > (earliest.lane, earliest.webhook_id)
                      and r.due_at < '9999-01-01 00:00:00+00'
                    order by r.lane, r.webhook_id, r.due_at
                    limit 1
                ) next
            ),
            -- The same over those with ordered rows, which are few: a seek for each webhook would cost half as much again.
            ordered as (
                (select lane, webhook_id
                 from retry
                 where order_key is not null
                 order by lane, webhook_id
                 limit 1)
                union all
                select next.lane, next.webhook_id
                from ordered
                cross join lateral (
                    select r.lane, r.webhook_id
                    from retry r
                    where (r.lane, r.webhook_id) > (ordered.lane, ordered.webhook_id) and r.order_key is not null
                    order by r.lane, r.webhook_id
                    limit 1
                ) next
            )
            select lane as "lane!", webhook_id as "webhook_id!", due_at as "due_at!",
                   (lane, webhook_id) in (select lane, webhook_id from ordered) as "is_ordered!"
            from earliest
            where lane = any($1)"#,
            &lane_numbers(lanes)
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let upcoming = Upcoming {
                    lane: Lane(row.lane),
                    webhook: WebhookId(row.webhook_id),
                    due_at: Timestamp::from_sql(row.due_at),
                };
                (upcoming, row.is_ordered)
            })
            .collect())
    }

    pub(crate) async fn due(&self, wants: &[Want], now: Timestamp) -> Result<Vec<Due>, StoreError> {
        let lanes: Vec<i16> = wants.iter().map(|want| want.lane.0).collect();
        let webhooks: Vec<Uuid> = wants.iter().map(|want| want.webhook.0).collect();
        let limits: Vec<i64> = wants.iter().map(|want| sql_limit(want.limit)).collect();
        // Rows that wait for others are left to `due_in_order`, even if this node has not heard of them yet. Every
        // statement that looks for due rows says that those in line are not meant: they are not in retry_due.
        // No lock and no write: only the owner of a lane reads its rows, and remembers what it took. The inner order is that
        // of the index and no finer: to sort, every due row of the webhook would be read for a few.
        let rows = sqlx::query!(
            "-- store: claim
            select r.webhook_id, r.number, r.due_at, r.replayed_after, r.replayed_at, e.tenant_id, e.id, e.type, e.payload
            from unnest($1::int2[], $2::uuid[], $3::int8[]) w(lane, webhook_id, rows)
            cross join lateral (
                select *
                from retry r
                where r.lane = w.lane and r.webhook_id = w.webhook_id and r.due_at <= $4
                  and r.due_at < '9999-01-01 00:00:00+00' and r.order_key is null
                order by r.due_at
                limit w.rows
            ) r
            join event e on e.lane = r.lane and e.tenant_id = r.tenant_id and e.id = r.event_id
            order by r.due_at, r.event_id -- whichever way they were joined",
            &lanes,
            &webhooks,
            &limits,
            now.to_sql()
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Due {
                event: Arc::new(Event {
                    id: EventId(row.id),
                    tenant: TenantId(row.tenant_id),
                    event_type: row.r#type,
                    payload: Bytes::from(row.payload),
                }),
                webhook: WebhookId(row.webhook_id),
                number: row.number.unsigned_abs(),
                due_at: Timestamp::from_sql(row.due_at),
                replay: counted_from(row.replayed_after, row.replayed_at),
            })
            .collect())
    }
}
