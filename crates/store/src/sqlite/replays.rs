//! Deliveries that are scheduled anew or cancelled, and the jobs that do it to many.

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection, sqlite::SqliteRow};

use super::{
    Sqlite, batches, blob, fill,
    journal::{event_type, journal},
    ordering::promote,
    read_event_id, read_uuid, small, sql_limit, unpack, values,
};
use crate::{
    Change, DeliveryId, EventId, FailPoint, Incarnation, NewReplay, Replay, ReplayFilter, ReplayId,
    ReplayState, ReplayStep, StoreError, TenantId, Timestamp, Verdict, WebhookId, journal::Ended,
    replay::Batch,
};

const COLUMNS: &str = "tenant_id, id, filter, rate, deliveries_max, state, matched, scheduled, cursor_event,
    cursor_webhook, resumed_from, error, created_at, updated_at";

impl Sqlite {
    pub(crate) async fn schedule_replay(
        &self,
        tenant: TenantId,
        id: DeliveryId,
        replay: ReplayId,
        filter: &ReplayFilter,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        let scheduled = schedule(&mut tx, tenant, &[id], replay, filter, now).await?;
        tx.commit().await?;
        Ok(scheduled == 1)
    }

    pub(crate) async fn cancel_delivery(
        &self,
        tenant: TenantId,
        id: DeliveryId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        // The row of an attempt that is never made: whoever is making it meanwhile finds the key taken, and schedules
        // nothing after it.
        let cancelled: Option<i64> = sqlx::query_scalar(
            "insert into attempt (lane, number, outcome, verdict, latency_us, webhook_id, event_id, started_at)
            select lane, number, 0, 3, 0, webhook_id, event_id, ?
            from retry
            where lane = ? and tenant_id = ? and webhook_id = ? and event_id = ?
            on conflict do nothing
            returning number",
        )
        .bind(now.unix_micros())
        .bind(tenant.lane().0)
        .bind(tenant.0)
        .bind(blob(id.webhook.0))
        .bind(blob(id.event.0))
        .fetch_optional(&mut *tx)
        .await?;
        let order_key: Option<Option<Vec<u8>>> = sqlx::query_scalar(
            "delete from retry where lane = ? and tenant_id = ? and webhook_id = ? and event_id = ? returning order_key",
        )
        .bind(tenant.lane().0)
        .bind(tenant.0)
        .bind(blob(id.webhook.0))
        .bind(blob(id.event.0))
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(Some(key)) = order_key {
            // Whoever waited for it is next.
            promote(&mut tx, tenant.lane(), id.webhook, key, now).await?;
        }
        if let Some(number) = cancelled {
            let cancelled = Change::ended(Ended {
                tenant,
                delivery: id,
                event_type: event_type(&mut tx, tenant, id.event).await?,
                number: small(number),
                verdict: Verdict::Cancelled,
                at: now,
                reason: None,
            });
            journal(&mut tx, [cancelled], now).await?;
        }
        tx.commit().await?;
        Ok(cancelled.is_some())
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
        let rows: Vec<(Vec<u8>, Vec<u8>)> = if let Some(webhook) = webhook {
            // Left alone it takes the primary key, and so reads everything that was delivered.
            sqlx::query_as(
                "select distinct event_id, webhook_id
                from attempt indexed by attempt_ended_of_webhook
                where lane = ?1 and webhook_id = ?2 and event_id >= ?3 and (event_id > ?3 or ?2 > ?4)
                  and event_id < ?5 and verdict > 1
                order by event_id
                limit ?6",
            )
            .bind(tenant.lane().0)
            .bind(blob(webhook.0))
        } else {
            sqlx::query_as(
                "select distinct event_id, webhook_id
                from attempt
                where lane = ?1 and ?2 is null and (event_id, webhook_id) > (?3, ?4) and event_id < ?5 and verdict > 1
                order by event_id, webhook_id
                limit ?6",
            )
            .bind(tenant.lane().0)
            .bind(None::<Vec<u8>>)
        }
        .bind(blob(after.event.0))
        .bind(blob(after.webhook.0))
        .bind(blob(before.0))
        .bind(sql_limit(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(read_delivery).collect()
    }

    /// Deliveries that ended badly, before `before`, newest event first.
    pub(crate) async fn ended_before(
        &self,
        tenant: TenantId,
        webhook: Option<WebhookId>,
        before: DeliveryId,
        limit: usize,
    ) -> Result<Vec<DeliveryId>, StoreError> {
        let rows: Vec<(Vec<u8>, Vec<u8>)> = if let Some(webhook) = webhook {
            // Left alone it takes the primary key, and so reads everything that was delivered.
            sqlx::query_as(
                "select distinct event_id, webhook_id
                from attempt indexed by attempt_ended_of_webhook
                where lane = ? and webhook_id = ? and event_id < ? and verdict > 1
                order by event_id desc
                limit ?",
            )
            .bind(tenant.lane().0)
            .bind(blob(webhook.0))
            .bind(blob(before.event.0))
        } else {
            sqlx::query_as(
                "select distinct event_id, webhook_id
                from attempt
                where lane = ? and (event_id, webhook_id) < (?, ?) and verdict > 1
                order by event_id desc, webhook_id desc
                limit ?",
            )
            .bind(tenant.lane().0)
            .bind(blob(before.event.0))
            .bind(blob(before.webhook.0))
        }
        .bind(sql_limit(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(read_delivery).collect()
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
            let rows: Vec<(Vec<u8>, Vec<u8>)> = sqlx::query_as(
                "select distinct event_id, webhook_id
                from attempt
                where lane = ?1 and webhook_id = ?2 and event_id >= ?3 and (event_id > ?3 or ?2 > ?4)
                  and event_id < ?5
                order by event_id
                limit ?6",
            )
            .bind(tenant.lane().0)
            .bind(blob(webhook.0))
            .bind(blob(after.event.0))
            .bind(blob(after.webhook.0))
            .bind(blob(before.0))
            .bind(sql_limit(limit))
            .fetch_all(&self.readers)
            .await?;
            return rows.iter().map(read_delivery).collect();
        }
        // One event more than wanted deliveries: nothing may be left of the first one.
        let rows: Vec<(Vec<u8>, Vec<u8>)> = sqlx::query_as(
            "select id, webhook_ids
            from event
            where lane = ? and tenant_id = ? and id >= ? and id < ? and length(webhook_ids) > 0
            order by id
            limit ?",
        )
        .bind(tenant.lane().0)
        .bind(tenant.0)
        .bind(blob(after.event.0))
        .bind(blob(before.0))
        .bind(sql_limit(limit + 1))
        .fetch_all(&self.readers)
        .await?;
        let mut ids = Vec::with_capacity(limit);
        for (event, webhooks) in &rows {
            let event = read_event_id(event)?;
            let mut webhooks = unpack(webhooks);
            webhooks.sort_unstable();
            let deliveries = webhooks.into_iter().map(|webhook| DeliveryId { event, webhook });
            ids.extend(deliveries.filter(|id| *id > after));
            if ids.len() >= limit {
                break;
            }
        }
        ids.truncate(limit);
        Ok(ids)
    }

    /// Those that could be scheduled now.
    pub(crate) async fn replayable(
        &self,
        tenant: TenantId,
        ids: &[DeliveryId],
        filter: &ReplayFilter,
    ) -> Result<Vec<DeliveryId>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        let mut found = Vec::new();
        for id in ids {
            if last_number(&mut connection, tenant, *id, filter).await?.is_some() {
                found.push(*id);
            }
        }
        Ok(found)
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
        let mut writer = self.writer().await?;
        sqlx::query(
            "insert into replay (tenant_id, id, filter, rate, deliveries_max, state, matched, cursor_event,
                                 cursor_webhook, resumed_from, created_at, updated_at)
            values (?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?)",
        )
        .bind(tenant.0)
        .bind(blob(id.0))
        .bind(new.filter.to_json()?)
        .bind(i64::from(new.rate))
        .bind(new.deliveries_max.map(sql_count))
        .bind(sql_count(new.matched))
        .bind(cursor.map(|cursor| blob(cursor.event.0)))
        .bind(cursor.map(|cursor| blob(cursor.webhook.0)))
        .bind(resumed_from.map(|id| blob(id.0)))
        .bind(now.unix_micros())
        .bind(now.unix_micros())
        .execute(&mut *writer)
        .await?;
        Ok(())
    }

    pub(crate) async fn replay(&self, tenant: TenantId, id: ReplayId) -> Result<Option<Replay>, StoreError> {
        let statement = format!("select {COLUMNS} from replay where tenant_id = ? and id = ?");
        let row = sqlx::query(AssertSqlSafe(statement))
            .bind(tenant.0)
            .bind(blob(id.0))
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(read_replay).transpose()
    }

    pub(crate) async fn replays_before(
        &self,
        tenant: TenantId,
        before: ReplayId,
        limit: usize,
    ) -> Result<Vec<Replay>, StoreError> {
        let statement =
            format!("select {COLUMNS} from replay where tenant_id = ? and id < ? order by id desc limit ?");
        let rows = sqlx::query(AssertSqlSafe(statement))
            .bind(tenant.0)
            .bind(blob(before.0))
            .bind(sql_limit(limit))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(read_replay).collect()
    }

    /// There is one node, so all running jobs are this one's.
    pub(crate) async fn claim_replays(
        &self,
        node: Incarnation,
        _now: Timestamp,
    ) -> Result<Vec<Replay>, StoreError> {
        let statement = format!("select {COLUMNS}, owner from replay where state = 0 order by id");
        let rows = sqlx::query(AssertSqlSafe(statement))
            .fetch_all(&self.readers)
            .await?;
        let owned = |row: &SqliteRow| sqlx::Row::get::<Option<i64>, _>(row, "owner") == Some(node.0);
        if !rows.iter().all(owned) {
            let mut writer = self.writer().await?;
            sqlx::query("update replay set owner = ? where state = 0")
                .bind(node.0)
                .execute(&mut *writer)
                .await?;
        }
        rows.iter().map(read_replay).collect()
    }

    pub(crate) async fn replay_batch(&self, batch: &Batch<'_>) -> Result<(ReplayStep, u64), StoreError> {
        let replay = batch.replay;
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        // The fence: still running, still this node's, and nobody has moved on since the candidates were read.
        let held: bool = sqlx::query_scalar(
            "select exists (
                select 1 from replay
                where tenant_id = ? and id = ? and state = 0 and owner = ? and cursor_event is ? and cursor_webhook is ?)",
        )
        .bind(replay.tenant.0)
        .bind(blob(replay.id.0))
        .bind(batch.owner.0)
        .bind(replay.cursor.map(|cursor| blob(cursor.event.0)))
        .bind(replay.cursor.map(|cursor| blob(cursor.webhook.0)))
        .fetch_one(&mut *tx)
        .await?;
        if !held {
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
        sqlx::query(
            "update replay
            set scheduled = ?, cursor_event = ?, cursor_webhook = ?, state = ?, updated_at = ?
            where tenant_id = ? and id = ?",
        )
        .bind(sql_count(total))
        .bind(cursor.map(|cursor| blob(cursor.event.0)))
        .bind(cursor.map(|cursor| blob(cursor.webhook.0)))
        .bind(state.code())
        .bind(batch.now.unix_micros())
        .bind(replay.tenant.0)
        .bind(blob(replay.id.0))
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
        let mut writer = self.writer().await?;
        sqlx::query(
            "update replay set state = ?, error = ?, updated_at = ? where tenant_id = ? and id = ? and state = 0",
        )
        .bind(state.code())
        .bind(error)
        .bind(now.unix_micros())
        .bind(tenant.0)
        .bind(blob(id.0))
        .execute(&mut *writer)
        .await?;
        Ok(())
    }
}

/// The number of a delivery's last attempt, if it is over in one of the wanted states and can be scheduled anew.
async fn last_number(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    id: DeliveryId,
    filter: &ReplayFilter,
) -> Result<Option<i64>, StoreError> {
    let last: Option<(i64, i16, String)> = sqlx::query_as(
        "select a.number, a.verdict, e.type
        from attempt a
        join event e on e.lane = ?1 and e.tenant_id = ?2 and e.id = ?3
        where a.lane = ?1 and a.webhook_id = ?4 and a.event_id = ?3
          and exists (select 1 from webhook where tenant_id = ?2 and id = ?4)
          and not exists (select 1 from retry where lane = ?1 and webhook_id = ?4 and event_id = ?3)
        order by a.number desc
        limit 1",
    )
    .bind(tenant.lane().0)
    .bind(tenant.0)
    .bind(blob(id.event.0))
    .bind(blob(id.webhook.0))
    .fetch_optional(connection)
    .await?;
    Ok(last
        .filter(|(_, verdict, event_type)| filter.verdicts().contains(verdict) && matches(filter, event_type))
        .map(|(number, ..)| number))
}

fn matches(filter: &ReplayFilter, event_type: &str) -> bool {
    filter.types().is_none_or(|(exact, prefixes)| {
        exact.contains(&event_type) || prefixes.iter().any(|prefix| event_type.starts_with(prefix))
    })
}

/// Gives a retry row to each of the deliveries that is over in one of the wanted states. Returns how many got one.
async fn schedule(
    tx: &mut SqliteConnection,
    tenant: TenantId,
    ids: &[DeliveryId],
    replay: ReplayId,
    filter: &ReplayFilter,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let mut rows = Vec::with_capacity(ids.len());
    for id in ids {
        if let Some(number) = last_number(tx, tenant, *id, filter).await? {
            rows.push((*id, number));
        }
    }
    for batch in batches(&rows) {
        let statement = format!(
            "insert into retry (lane, number, tenant_id, webhook_id, event_id, due_at, replayed_after, replayed_at)
            {}",
            values(batch.len(), 8)
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for (id, number) in batch {
            query = query
                .bind(tenant.lane().0)
                .bind(number + 1)
                .bind(tenant.0)
                .bind(blob(id.webhook.0))
                .bind(blob(id.event.0))
                .bind(now.unix_micros())
                .bind(number)
                .bind(now.unix_micros());
        }
        fill(query, batch.len(), 8).execute(&mut *tx).await?;
        let statement = format!(
            "insert into replayed (lane, webhook_id, event_id, after, replay_id) {}",
            values(batch.len(), 5)
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for (id, number) in batch {
            query = query
                .bind(tenant.lane().0)
                .bind(blob(id.webhook.0))
                .bind(blob(id.event.0))
                .bind(number)
                .bind(blob(replay.0));
        }
        fill(query, batch.len(), 5).execute(&mut *tx).await?;
    }
    Ok(rows.len() as u64)
}

fn read_delivery((event, webhook): &(Vec<u8>, Vec<u8>)) -> Result<DeliveryId, StoreError> {
    Ok(DeliveryId {
        event: read_event_id(event)?,
        webhook: WebhookId(read_uuid("attempt", webhook)?),
    })
}

fn read_replay(row: &SqliteRow) -> Result<Replay, StoreError> {
    use sqlx::Row as _;
    let uuid = |name: &str| {
        let bytes: Option<Vec<u8>> = row.try_get(name)?;
        bytes.map(|bytes| read_uuid("replay", &bytes)).transpose()
    };
    let count = |name: &str| row.try_get::<i64, _>(name).map(i64::unsigned_abs);
    let id = ReplayId(uuid("id")?.unwrap_or_default());
    let cursor = uuid("cursor_event")?.zip(uuid("cursor_webhook")?);
    Ok(Replay {
        id,
        tenant: TenantId(row.try_get("tenant_id")?),
        filter: ReplayFilter::from_json(&id, row.try_get("filter")?)?,
        rate: u32::try_from(row.try_get::<i64, _>("rate")?).unwrap_or(u32::MAX),
        deliveries_max: row
            .try_get::<Option<i64>, _>("deliveries_max")?
            .map(i64::unsigned_abs),
        state: ReplayState::from_code(&id, row.try_get("state")?)?,
        matched: count("matched")?,
        scheduled: count("scheduled")?,
        cursor: cursor.map(|(event, webhook)| DeliveryId {
            event: EventId(event),
            webhook: WebhookId(webhook),
        }),
        resumed_from: uuid("resumed_from")?.map(ReplayId),
        error: row.try_get("error")?,
        created_at: Timestamp::from_unix_micros(row.try_get("created_at")?),
        updated_at: Timestamp::from_unix_micros(row.try_get("updated_at")?),
    })
}

fn sql_count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
