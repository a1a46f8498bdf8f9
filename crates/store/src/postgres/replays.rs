//! Deliveries that are scheduled anew or cancelled, and the jobs that do it to many.

use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{Postgres, journal::journal, ordering::Freed, read_number, sql_limit};
use crate::{
    Change, CountedFrom, DeliveryId, EventId, FailPoint, Incarnation, NewReplay, Replay, ReplayFilter,
    ReplayId, ReplayState, ReplayStep, StoreError, TenantId, Timestamp, Verdict, WebhookId, journal::Ended,
    replay::Batch,
};

/// A row of `replay` as its columns have it.
struct ReplayRow {
    tenant_id: i64,
    id: Uuid,
    filter: Json<serde_json::Value>,
    rate: i32,
    deliveries_max: Option<i64>,
    state: i16,
    matched: i64,
    scheduled: i64,
    cursor_event: Option<Uuid>,
    cursor_webhook: Option<Uuid>,
    resumed_from: Option<Uuid>,
    error: Option<String>,
    created_at: sqlx::types::time::OffsetDateTime,
    updated_at: sqlx::types::time::OffsetDateTime,
}

impl ReplayRow {
    fn read(self) -> Result<Replay, StoreError> {
        let id = ReplayId(self.id);
        Ok(Replay {
            id,
            tenant: TenantId(self.tenant_id),
            filter: ReplayFilter::from_json(&id, &self.filter.0.to_string())?,
            rate: self.rate.unsigned_abs(),
            deliveries_max: self.deliveries_max.map(i64::unsigned_abs),
            state: ReplayState::from_code(&id, self.state)?,
            matched: self.matched.unsigned_abs(),
            scheduled: self.scheduled.unsigned_abs(),
            cursor: cursor(self.cursor_event, self.cursor_webhook),
            resumed_from: self.resumed_from.map(ReplayId),
            error: self.error,
            created_at: Timestamp::from_sql(self.created_at),
            updated_at: Timestamp::from_sql(self.updated_at),
        })
    }
}

fn cursor(event: Option<Uuid>, webhook: Option<Uuid>) -> Option<DeliveryId> {
    Some(DeliveryId {
        event: EventId(event?),
        webhook: WebhookId(webhook?),
    })
}

impl Postgres {
    pub(crate) async fn schedule_replay(
        &self,
        tenant: TenantId,
        id: DeliveryId,
        replay: ReplayId,
        filter: &ReplayFilter,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut connection = self.pool.acquire().await?;
        Ok(schedule(&mut connection, tenant, &[id], replay, filter, now).await? == 1)
    }

    pub(crate) async fn cancel_delivery(
        &self,
        tenant: TenantId,
        id: DeliveryId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // The row of an attempt that is never made: whoever is making it meanwhile finds the key taken, and schedules
        // nothing after it.
        let mut tx = self.pool.begin().await?;
        let removed = sqlx::query!(
            r#"-- store: cancel_delivery
            with removed as (
                delete from retry
                where lane = $1 and tenant_id = $2 and webhook_id = $3 and event_id = $4
                returning lane, number, webhook_id, event_id, order_key
            ),
            logged as (
                insert into attempt (lane, number, outcome, verdict, latency_us, webhook_id, event_id, started_at)
                select lane, number, 0, 3, 0, webhook_id, event_id, $5
                from removed
                on conflict do nothing
                returning event_id
            )
            select order_key, number, exists (select from logged) as "is_logged!",
                   (select type from event e where e.lane = $1 and e.tenant_id = $2 and e.id = $4) as event_type
            from removed"#,
            tenant.lane().0,
            tenant.0,
            id.webhook.0,
            id.event.0,
            now.to_sql()
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(removed) = removed else { return Ok(false) };
        if let Some(key) = removed.order_key {
            // Whoever waited for it is next.
            let freed = Freed {
                lanes: vec![tenant.lane().0],
                webhooks: vec![id.webhook.0],
                keys: vec![key],
            };
            freed.promote(&mut tx, now).await?;
        }
        if removed.is_logged {
            let cancelled = Change::ended(Ended {
                tenant,
                delivery: id,
                event_type: removed.event_type.unwrap_or_default(),
                number: read_number(removed.number),
                verdict: Verdict::Cancelled,
                at: now,
                reason: None,
            });
            journal(&mut tx, [cancelled], now).await?;
        }
        tx.commit().await?;
        Ok(removed.is_logged)
    }

    /// Deliveries that ended badly, after `after` and of events before `before`, oldest event first.
    pub(crate) async fn ended_after(
        &self,
        tenant: TenantId,
        webhook: Option<WebhookId>,
        after: DeliveryId,
        before: EventId,
        limit: usize,
    ) -> Result<Vec<DeliveryId>, StoreError> {
        if let Some(webhook) = webhook {
            let events = sqlx::query_scalar!(
                "-- store: ended_after, one webhook
                select distinct event_id
                from attempt
                where lane = $1 and webhook_id = $2 and event_id > $3 and event_id < $4 and verdict > 1
                order by event_id
                limit $5",
                tenant.lane().0,
                webhook.0,
                events_after(webhook, after),
                before.0,
                sql_limit(limit)
            )
            .fetch_all(&self.pool)
            .await?;
            return Ok(of_webhook(events, webhook));
        }
        let rows = sqlx::query!(
            "-- store: ended_after
            select distinct event_id, webhook_id
            from attempt
            where lane = $1 and (event_id, webhook_id) > ($2, $3) and event_id < $4 and verdict > 1
            order by event_id, webhook_id
            limit $5",
            tenant.lane().0,
            after.event.0,
            after.webhook.0,
            before.0,
            sql_limit(limit)
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| delivery(row.event_id, row.webhook_id))
            .collect())
    }

    /// Deliveries that ended badly, before `before`, newest event first.
    pub(crate) async fn ended_before(
        &self,
        tenant: TenantId,
        webhook: Option<WebhookId>,
        before: DeliveryId,
        limit: usize,
    ) -> Result<Vec<DeliveryId>, StoreError> {
        if let Some(webhook) = webhook {
            let events = sqlx::query_scalar!(
                "-- store: ended_before, one webhook
                select distinct event_id
                from attempt
                where lane = $1 and webhook_id = $2 and event_id < $3 and verdict > 1
                order by event_id desc
                limit $4",
                tenant.lane().0,
                webhook.0,
                before.event.0,
                sql_limit(limit)
            )
            .fetch_all(&self.pool)
            .await?;
            return Ok(of_webhook(events, webhook));
        }
        let rows = sqlx::query!(
            "-- store: ended_before
            select distinct event_id, webhook_id
            from attempt
            where lane = $1 and (event_id, webhook_id) < ($2, $3) and verdict > 1
            order by event_id desc, webhook_id desc
            limit $4",
            tenant.lane().0,
            before.event.0,
            before.webhook.0,
            sql_limit(limit)
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| delivery(row.event_id, row.webhook_id))
            .collect())
    }

    /// Deliveries that were attempted or not, after `after` and of events before `before`, oldest event first.
    pub(crate) async fn deliveries_after(
        &self,
        tenant: TenantId,
        webhook: Option<WebhookId>,
        after: DeliveryId,
        before: EventId,
        limit: usize,
    ) -> Result<Vec<DeliveryId>, StoreError> {
        if let Some(webhook) = webhook {
            let events = sqlx::query_scalar!(
                "-- store: deliveries_after, one webhook
                select distinct event_id
                from attempt
                where lane = $1 and webhook_id = $2 and event_id > $3 and event_id < $4
                order by event_id
                limit $5",
                tenant.lane().0,
                webhook.0,
                events_after(webhook, after),
                before.0,
                sql_limit(limit)
            )
            .fetch_all(&self.pool)
            .await?;
            return Ok(of_webhook(events, webhook));
        }
        let rows = sqlx::query!(
            r#"-- store: deliveries_after
            select e.id, w.webhook_id as "webhook_id!"
            from event e
            cross join lateral unnest(e.webhook_ids) w(webhook_id)
            where e.lane = $1 and e.tenant_id = $2 and e.id >= $3 and e.id < $5
              and (e.id, w.webhook_id) > ($3, $4)
            order by e.id, w.webhook_id
            limit $6"#,
            tenant.lane().0,
            tenant.0,
            after.event.0,
            after.webhook.0,
            before.0,
            sql_limit(limit)
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| delivery(row.id, row.webhook_id))
            .collect())
    }

    /// Those that could be scheduled now.
    pub(crate) async fn replayable(
        &self,
        tenant: TenantId,
        ids: &[DeliveryId],
        filter: &ReplayFilter,
    ) -> Result<Vec<DeliveryId>, StoreError> {
        let (events, webhooks) = columns(ids);
        let (exact, prefixes) = filter.types().unwrap_or_default();
        let rows = sqlx::query!(
            r#"-- store: replayable
            select k.event_id as "event_id!", k.webhook_id as "webhook_id!"
            from unnest($3::uuid[], $4::uuid[]) with ordinality k(event_id, webhook_id, position)
            join event e on e.lane = $1 and e.tenant_id = $2 and e.id = k.event_id
            join webhook w on w.tenant_id = $2 and w.id = k.webhook_id
            cross join lateral (
                select a.verdict
                from attempt a
                where a.lane = $1 and a.webhook_id = k.webhook_id and a.event_id = k.event_id
                order by a.number desc
                limit 1
            ) last
            where last.verdict = any($5)
              and ($6 or e.type = any($7::text[])
                   or exists (select from unnest($8::text[]) p(prefix) where starts_with(e.type, p.prefix)))
              and not exists (
                  select from retry r
                  where r.lane = $1 and r.webhook_id = k.webhook_id and r.event_id = k.event_id)
            order by k.position"#,
            tenant.lane().0,
            tenant.0,
            &events,
            &webhooks,
            &filter.verdicts(),
            filter.types().is_none(),
            &exact as _,
            &prefixes as _
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| delivery(row.event_id, row.webhook_id))
            .collect())
    }

    pub(crate) async fn insert_replay(
        &self,
        tenant: TenantId,
        id: ReplayId,
        new: &NewReplay,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (resumed_from, cursor) = new.resumed_from.unzip();
        let cursor = cursor.flatten();
        let filter: serde_json::Value = serde_json::from_str(&new.filter.to_json()?).unwrap_or_default();
        sqlx::query!(
            "-- store: insert_replay
            insert into replay (tenant_id, id, filter, rate, deliveries_max, state, matched, cursor_event,
                                cursor_webhook, resumed_from, created_at, updated_at)
            values ($1, $2, $3, $4, $5, 0, $6, $7, $8, $9, $10, $10)",
            tenant.0,
            id.0,
            Json(filter) as _,
            i32::try_from(new.rate).unwrap_or(i32::MAX),
            new.deliveries_max.map(sql_count),
            sql_count(new.matched),
            cursor.map(|cursor| cursor.event.0),
            cursor.map(|cursor| cursor.webhook.0),
            resumed_from.map(|id| id.0),
            now.to_sql()
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub(crate) async fn replay(&self, tenant: TenantId, id: ReplayId) -> Result<Option<Replay>, StoreError> {
        let row = sqlx::query_as!(
            ReplayRow,
            r#"select tenant_id, id, filter as "filter: Json<serde_json::Value>", rate, deliveries_max, state, matched,
                      scheduled, cursor_event, cursor_webhook, resumed_from, error, created_at, updated_at
            from replay
            where tenant_id = $1 and id = $2"#,
            tenant.0,
            id.0
        );
        row.fetch_optional(&self.pool)
            .await?
            .map(ReplayRow::read)
            .transpose()
    }

    pub(crate) async fn replays_before(
        &self,
        tenant: TenantId,
        before: ReplayId,
        limit: usize,
    ) -> Result<Vec<Replay>, StoreError> {
        let rows = sqlx::query_as!(
            ReplayRow,
            r#"select tenant_id, id, filter as "filter: Json<serde_json::Value>", rate, deliveries_max, state, matched,
                      scheduled, cursor_event, cursor_webhook, resumed_from, error, created_at, updated_at
            from replay
            where tenant_id = $1 and id < $2
            order by id desc
            limit $3"#,
            tenant.0,
            before.0,
            sql_limit(limit)
        );
        let rows = rows.fetch_all(&self.pool).await?;
        rows.into_iter().map(ReplayRow::read).collect()
    }

    /// Takes running jobs that no living node works on, and tells all that this one has.
    pub(crate) async fn claim_replays(
        &self,
        node: Incarnation,
        now: Timestamp,
    ) -> Result<Vec<Replay>, StoreError> {
        sqlx::query!(
            "-- store: claim_replays
            update replay
            set owner = $1
            where (tenant_id, id) in (
                select r.tenant_id, r.id
                from replay r
                where r.state = 0 and r.owner is distinct from $1
                  and not exists (select from node n where n.incarnation = r.owner and n.lease_until > $2)
                order by r.id
                for update skip locked
            )",
            node.0,
            now.to_sql()
        )
        .execute(&self.pool)
        .await?;
        let rows = sqlx::query_as!(
            ReplayRow,
            r#"select tenant_id, id, filter as "filter: Json<serde_json::Value>", rate, deliveries_max, state, matched,
                      scheduled, cursor_event, cursor_webhook, resumed_from, error, created_at, updated_at
            from replay
            where state = 0 and owner = $1
            order by id"#,
            node.0
        );
        let rows = rows.fetch_all(&self.pool).await?;
        rows.into_iter().map(ReplayRow::read).collect()
    }

    pub(crate) async fn replay_batch(&self, batch: &Batch<'_>) -> Result<(ReplayStep, u64), StoreError> {
        let replay = batch.replay;
        let mut tx = self.pool.begin().await?;
        // The fence: still running, still this node's, and nobody has moved on since the candidates were read.
        let held = sqlx::query_scalar!(
            "-- store: replay_batch
            select id
            from replay
            where tenant_id = $1 and id = $2 and state = 0 and owner = $3
              and cursor_event is not distinct from $4 and cursor_webhook is not distinct from $5
            for update",
            replay.tenant.0,
            replay.id.0,
            batch.owner.0,
            replay.cursor.map(|cursor| cursor.event.0),
            replay.cursor.map(|cursor| cursor.webhook.0)
        )
        .fetch_optional(&mut *tx)
        .await?;
        if held.is_none() {
            return Ok((ReplayStep::Lost, 0));
        }
        let scheduled = schedule(
            &mut tx,
            replay.tenant,
            batch.deliveries,
            replay.id,
            &replay.filter,
            batch.now,
        )
        .await?;
        FailPoint::ReplayScheduled.pass();
        let total = replay.scheduled + scheduled;
        let done = batch.last || replay.deliveries_max.is_some_and(|max| total >= max);
        let state = if done {
            ReplayState::Done
        } else {
            ReplayState::Running
        };
        let cursor = batch.cursor;
        sqlx::query!(
            "update replay
            set scheduled = $3, cursor_event = $4, cursor_webhook = $5, state = $6, updated_at = $7
            where tenant_id = $1 and id = $2",
            replay.tenant.0,
            replay.id.0,
            sql_count(total),
            cursor.map(|cursor| cursor.event.0),
            cursor.map(|cursor| cursor.webhook.0),
            state.code(),
            batch.now.to_sql()
        )
        .execute(&mut *tx)
        .await?;
        FailPoint::ReplayMoved.pass();
        tx.commit().await?;
        let step = if done {
            ReplayStep::Done
        } else {
            ReplayStep::Scheduled(scheduled)
        };
        Ok((step, scheduled))
    }

    pub(crate) async fn end_replay(
        &self,
        tenant: TenantId,
        id: ReplayId,
        state: ReplayState,
        error: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // Waits for a batch that is under way; the next one finds that the job runs no more.
        sqlx::query!(
            "update replay set state = $3, error = $4, updated_at = $5 where tenant_id = $1 and id = $2 and state = 0",
            tenant.0,
            id.0,
            state.code(),
            error,
            now.to_sql()
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

/// Gives a retry row to each of the deliveries that is over in one of the wanted states. One statement, so that nothing
/// changes between looking and writing. Returns how many got one.
async fn schedule(
    connection: &mut PgConnection,
    tenant: TenantId,
    ids: &[DeliveryId],
    replay: ReplayId,
    filter: &ReplayFilter,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let (events, webhooks) = columns(ids);
    let (exact, prefixes) = filter.types().unwrap_or_default();
    let scheduled = sqlx::query!(
        "-- store: schedule_replay
        with scheduled as (
            insert into retry (lane, number, tenant_id, webhook_id, event_id, due_at, replayed_after, replayed_at)
            select $1, last.number + 1, $2, k.webhook_id, k.event_id, $10, last.number, $10
            from unnest($3::uuid[], $4::uuid[]) k(event_id, webhook_id)
            join event e on e.lane = $1 and e.tenant_id = $2 and e.id = k.event_id
            join webhook w on w.tenant_id = $2 and w.id = k.webhook_id
            cross join lateral (
                select a.number, a.verdict
                from attempt a
                where a.lane = $1 and a.webhook_id = k.webhook_id and a.event_id = k.event_id
                order by a.number desc
                limit 1
            ) last
            where last.verdict = any($5) and last.number < 32767
              and ($6 or e.type = any($7::text[])
                   or exists (select from unnest($8::text[]) p(prefix) where starts_with(e.type, p.prefix)))
            -- As everybody who writes here does, so that nobody waits in a circle.
            order by k.webhook_id, k.event_id
            on conflict do nothing
            returning lane, webhook_id, event_id, replayed_after
        )
        insert into replayed (lane, webhook_id, event_id, after, replay_id)
        select lane, webhook_id, event_id, replayed_after, $9
        from scheduled",
        tenant.lane().0,
        tenant.0,
        &events,
        &webhooks,
        &filter.verdicts(),
        filter.types().is_none(),
        &exact as _,
        &prefixes as _,
        replay.0,
        now.to_sql()
    )
    .execute(connection)
    .await?;
    Ok(scheduled.rows_affected())
}

/// What a replayed retry row says about how its attempts are counted.
pub(super) fn counted_from(after: i16, at: Option<sqlx::types::time::OffsetDateTime>) -> Option<CountedFrom> {
    Some(CountedFrom {
        after: after.unsigned_abs(),
        at: Timestamp::from_sql(at?),
    })
}

fn columns(ids: &[DeliveryId]) -> (Vec<Uuid>, Vec<Uuid>) {
    ids.iter().map(|id| (id.event.0, id.webhook.0)).unzip()
}

fn delivery(event: Uuid, webhook: Uuid) -> DeliveryId {
    DeliveryId {
        event: EventId(event),
        webhook: WebhookId(webhook),
    }
}

fn of_webhook(events: Vec<Uuid>, webhook: WebhookId) -> Vec<DeliveryId> {
    events
        .into_iter()
        .map(|event| delivery(event, webhook.0))
        .collect()
}

/// The events of a webhook after a place in the walk: its own event is still to come if the place is before the webhook.
fn events_after(webhook: WebhookId, after: DeliveryId) -> Uuid {
    if after.webhook < webhook {
        Uuid::from_u128(after.event.0.as_u128().saturating_sub(1))
    } else {
        after.event.0
    }
}

fn sql_count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
