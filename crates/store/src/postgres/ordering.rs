//! Rows that wait for each other: heads of queues are claimed, the others wait in line.

use std::sync::Arc;

use bytes::Bytes;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Postgres, lane_numbers, replays::counted_from, sql_limit};
use crate::{
    Due, Event, EventId, FailPoint, Lane, StoreError, TenantId, Timestamp, Want, WebhookId,
    ordering::IN_LINE_MAX,
};

/// Queues whose head is gone, a column each.
#[derive(Default)]
pub(super) struct Freed {
    pub(super) lanes: Vec<i16>,
    pub(super) webhooks: Vec<Uuid>,
    pub(super) keys: Vec<Vec<u8>>,
}

impl Postgres {
    pub(crate) async fn due_in_order(
        &self,
        wants: &[Want],
        now: Timestamp,
    ) -> Result<(Vec<Due>, bool), StoreError> {
        let lanes: Vec<i16> = wants.iter().map(|want| want.lane.0).collect();
        let webhooks: Vec<Uuid> = wants.iter().map(|want| want.webhook.0).collect();
        let limits: Vec<i64> = wants.iter().map(|want| sql_limit(want.limit)).collect();
        // A head that is being finished right now is waited for, and sends nobody in line once it is gone: whoever
        // finishes it has looked for the next one only after the lock.
        let sent = sqlx::query!(
            "-- store: send in line
            with behind as materialized (
                select r.lane, r.webhook_id, r.event_id, head.event_id as head_id
                from unnest($1::int2[], $2::uuid[]) w(lane, webhook_id)
                cross join lateral (
                    select *
                    from retry r
                    where r.lane = w.lane and r.webhook_id = w.webhook_id and r.due_at <= $3
                      and r.due_at < '9999-01-01 00:00:00+00' and r.order_key is not null
                    order by r.due_at
                    limit $5
                ) r
                cross join lateral (
                    select h.event_id
                    from retry h
                    where h.lane = r.lane and h.webhook_id = r.webhook_id and h.order_key = r.order_key
                    order by h.event_id
                    limit 1
                ) head
                where head.event_id < r.event_id
            ),
            heads as materialized (
                select h.lane, h.webhook_id, h.event_id
                from (select distinct lane, webhook_id, head_id from behind) b
                join retry h on h.lane = b.lane and h.webhook_id = b.webhook_id and h.event_id = b.head_id
                order by h.lane, h.webhook_id, h.event_id
                for key share of h
            ),
            moved as materialized (
                select b.lane, b.webhook_id, b.event_id
                from behind b
                join heads h on h.lane = b.lane and h.webhook_id = b.webhook_id and h.event_id = b.head_id
            )
            update retry r
            set due_at = $4
            from moved b
            where r.lane = b.lane and r.webhook_id = b.webhook_id and r.event_id = b.event_id and r.due_at <= $3",
            &lanes,
            &webhooks,
            now.to_sql(),
            Timestamp::IN_LINE.to_sql(),
            sql_limit(IN_LINE_MAX)
        )
        .execute(&self.pool)
        .await?;
        if sent.rows_affected() > 0 {
            FailPoint::ClaimSentInLine.pass();
        }
        let rows = sqlx::query!(
            "-- store: claim in order
            select r.webhook_id, r.number, r.due_at, r.replayed_after, r.replayed_at, e.tenant_id, e.id, e.type, e.payload
            from unnest($1::int2[], $2::uuid[], $3::int8[]) w(lane, webhook_id, rows)
            cross join lateral (
                select *
                from retry r
                where r.lane = w.lane and r.webhook_id = w.webhook_id and r.due_at <= $4
                  and r.due_at < '9999-01-01 00:00:00+00'
                  and (r.order_key is null
                       or r.event_id = (select h.event_id
                                        from retry h
                                        where h.lane = r.lane and h.webhook_id = r.webhook_id
                                          and h.order_key = r.order_key
                                        order by h.event_id
                                        limit 1))
                order by r.due_at
                limit w.rows
            ) r
            join event e on e.lane = r.lane and e.tenant_id = r.tenant_id and e.id = r.event_id",
            &lanes,
            &webhooks,
            &limits,
            now.to_sql()
        )
        .fetch_all(&self.pool)
        .await?;
        let due = rows
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
            .collect();
        Ok((due, sent.rows_affected() > 0))
    }

    pub(crate) async fn unstick(&self, lanes: &[Lane], now: Timestamp) -> Result<u64, StoreError> {
        let moved = sqlx::query!(
            "-- store: unstick
            with recursive queue as (
                (select lane, webhook_id, order_key
                 from retry
                 where order_key is not null
                 order by lane, webhook_id, order_key
                 limit 1)
                union all
                select next.lane, next.webhook_id, next.order_key
                from queue
                cross join lateral (
                    select r.lane, r.webhook_id, r.order_key
                    from retry r
                    where r.order_key is not null
                      and (r.lane, r.webhook_id, r.order_key) > (queue.lane, queue.webhook_id, queue.order_key)
                    order by r.lane, r.webhook_id, r.order_key
                    limit 1
                ) next
            ),
            head as materialized (
                select q.lane, q.webhook_id, h.event_id
                from queue q
                cross join lateral (
                    select h.event_id, h.due_at
                    from retry h
                    where h.lane = q.lane and h.webhook_id = q.webhook_id and h.order_key = q.order_key
                    order by h.event_id
                    limit 1
                ) h
                where q.lane = any($1) and h.due_at = $3
            )
            update retry r
            set due_at = $2
            from head h
            where r.lane = h.lane and r.webhook_id = h.webhook_id and r.event_id = h.event_id and r.due_at = $3",
            &lane_numbers(lanes),
            now.to_sql(),
            Timestamp::IN_LINE.to_sql()
        )
        .execute(&self.pool)
        .await?;
        Ok(moved.rows_affected())
    }

    pub(crate) async fn set_free(
        &self,
        tenant: TenantId,
        webhook: WebhookId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "-- store: set free
            with locked as materialized (
                -- In the order in which results lock them.
                select r.lane, r.webhook_id, r.event_id
                from retry r
                where r.lane = $1 and r.webhook_id = $2 and r.order_key is not null
                order by r.lane, r.webhook_id, r.event_id
                for update
            )
            update retry r
            set order_key = null, due_at = case when r.due_at = $4 then $3 else r.due_at end
            from locked l
            where r.lane = l.lane and r.webhook_id = l.webhook_id and r.event_id = l.event_id",
            tenant.lane().0,
            webhook.0,
            now.to_sql(),
            Timestamp::IN_LINE.to_sql()
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

impl Freed {
    /// Makes the next of each queue due. A statement of its own after the one that removed the heads: it sees whoever was
    /// sent in line while that one waited for its locks.
    pub(super) async fn promote(
        self,
        connection: &mut PgConnection,
        now: Timestamp,
    ) -> Result<Vec<(Lane, WebhookId)>, StoreError> {
        if self.lanes.is_empty() {
            return Ok(Vec::new());
        }
        sqlx::query!(
            "-- store: promote
            with head as materialized (
                -- Found first, each with one seek: in one join, all that wait in line were compared with every head.
                select f.lane, f.webhook_id, h.event_id
                from unnest($1::int2[], $2::uuid[], $3::bytea[]) f(lane, webhook_id, order_key)
                cross join lateral (
                    select h.event_id, h.due_at
                    from retry h
                    where h.lane = f.lane and h.webhook_id = f.webhook_id and h.order_key = f.order_key
                    order by h.event_id
                    limit 1
                ) h
                where h.due_at = $5
            )
            update retry r
            set due_at = $4
            from head h
            where r.lane = h.lane and r.webhook_id = h.webhook_id and r.event_id = h.event_id and r.due_at = $5",
            &self.lanes,
            &self.webhooks,
            &self.keys,
            now.to_sql(),
            Timestamp::IN_LINE.to_sql()
        )
        .execute(connection)
        .await?;
        let webhooks = self.lanes.into_iter().zip(self.webhooks);
        Ok(webhooks
            .map(|(lane, webhook)| (Lane(lane), WebhookId(webhook)))
            .collect())
    }
}
