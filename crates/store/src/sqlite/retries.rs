//! Retry rows: what is due, webhook by webhook.

use std::sync::Arc;

use bytes::Bytes;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::{Sqlite, batches, blob, fill, read_event_id, read_uuid, small, sql_limit, values};
use crate::{
    CountedFrom, Due, Event, EventId, Finish, Lane, StoreError, TenantId, Timestamp, Upcoming, Want,
    WebhookId, node::EventRow,
};

/// number, `due_at`, `replayed_after`, `replayed_at`, `tenant_id`, id, type, payload
pub(super) type DueRow = (i64, i64, i64, Option<i64>, i64, Vec<u8>, String, Vec<u8>);

impl Sqlite {
    pub(crate) async fn upcoming(&self, lanes: &[Lane]) -> Result<Vec<(Upcoming, bool)>, StoreError> {
        // A few index seeks per webhook that has rows, however many it has. Not with (lane, webhook_id) > (…): for a row value
        // SQLite seeks to what is *not less*, and so reads every row of the webhook that it has just found.
        let rows: Vec<(i16, Vec<u8>, i64, bool)> = sqlx::query_as(
            "with recursive earliest (lane, webhook_id) as (
                select * from (select lane, webhook_id from retry order by lane, webhook_id limit 1)
                union all
                select iif(exists (select 1 from retry r
                                   where r.lane = earliest.lane and r.webhook_id > earliest.webhook_id),
                           earliest.lane,
                           (select r.lane from retry r where r.lane > earliest.lane order by r.lane limit 1)),
                       coalesce((select r.webhook_id from retry r
                                 where r.lane = earliest.lane and r.webhook_id > earliest.webhook_id
                                 order by r.webhook_id limit 1),
                                (select r.webhook_id from retry r
                                 where r.lane > earliest.lane
                                 order by r.lane, r.webhook_id limit 1))
                from earliest
                where earliest.lane is not null
            )
            select lane, webhook_id,
                   (select min(due_at) from retry r where r.lane = earliest.lane and r.webhook_id = earliest.webhook_id),
                   exists (select 1 from retry o
                           where o.lane = earliest.lane and o.webhook_id = earliest.webhook_id
                             and o.order_key is not null)
            from earliest
            where lane is not null",
        )
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter()
            .filter(|(lane, ..)| lanes.contains(&Lane(*lane)))
            .map(|(lane, webhook, due_at, is_ordered)| {
                let upcoming = Upcoming {
                    lane: Lane(lane),
                    webhook: WebhookId(read_uuid("retry", &webhook)?),
                    due_at: Timestamp::from_unix_micros(due_at),
                };
                Ok((upcoming, is_ordered))
            })
            .collect()
    }

    pub(crate) async fn due(&self, wants: &[Want], now: Timestamp) -> Result<Vec<Due>, StoreError> {
        let mut due = Vec::new();
        for want in wants {
            let rows: Vec<DueRow> = sqlx::query_as(
                "select r.number, r.due_at, r.replayed_after, r.replayed_at, e.tenant_id, e.id, e.type, e.payload
                from retry r
                join event e on e.lane = r.lane and e.tenant_id = r.tenant_id and e.id = r.event_id
                where r.lane = ? and r.webhook_id = ? and r.due_at <= ? and r.order_key is null
                order by r.due_at, r.event_id
                limit ?",
            )
            .bind(want.lane.0)
            .bind(blob(want.webhook.0))
            .bind(now.unix_micros())
            .bind(sql_limit(want.limit))
            .fetch_all(&self.readers)
            .await?;
            for row in rows {
                due.push(read_due(want.webhook, row)?);
            }
        }
        Ok(due)
    }
}

pub(super) fn read_due(
    webhook: WebhookId,
    (number, due_at, after, replayed_at, tenant, id, event_type, payload): DueRow,
) -> Result<Due, StoreError> {
    let event = Event {
        id: read_event_id(&id)?,
        tenant: TenantId(tenant),
        event_type,
        payload: Bytes::from(payload),
    };
    Ok(Due {
        event: Arc::new(event),
        webhook,
        number: small(number),
        due_at: Timestamp::from_unix_micros(due_at),
        replay: replayed_at.map(|at| CountedFrom {
            after: small(after),
            at: Timestamp::from_unix_micros(at),
        }),
    })
}

/// A retry row to write.
pub(super) struct RetryRow {
    pub(super) tenant: TenantId,
    pub(super) webhook: WebhookId,
    pub(super) event: EventId,
    pub(super) number: u16,
    pub(super) due_at: Timestamp,
    /// Kept when the row is there already.
    pub(super) order_key: Option<Vec<u8>>,
}

impl RetryRow {
    pub(super) fn first(row: &EventRow, webhook: WebhookId, queue: Option<&str>) -> Self {
        let event = row.event.id;
        Self {
            tenant: row.event.tenant,
            webhook,
            event,
            number: 1,
            due_at: event.created_at(),
            order_key: queue.map(|key| key.as_bytes().to_vec()),
        }
    }

    pub(super) fn of(finish: &Finish, number: u16, due_at: Timestamp) -> Self {
        let (webhook, event) = (finish.delivery.webhook, finish.delivery.event);
        Self {
            tenant: finish.tenant,
            webhook,
            event,
            number,
            due_at,
            order_key: None,
        }
    }
}

pub(super) async fn upsert_retries(tx: &mut SqliteConnection, rows: &[RetryRow]) -> Result<(), StoreError> {
    for batch in batches(rows) {
        let statement = format!(
            "insert into retry (lane, number, tenant_id, webhook_id, event_id, due_at, order_key) {}
            on conflict (lane, webhook_id, event_id) do update
            set number = excluded.number, due_at = excluded.due_at
            where retry.number <= excluded.number",
            values(batch.len(), 7)
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for row in batch {
            query = query
                .bind(row.tenant.lane().0)
                .bind(i64::from(row.number))
                .bind(row.tenant.0)
                .bind(blob(row.webhook.0))
                .bind(blob(row.event.0))
                .bind(row.due_at.unix_micros())
                .bind(row.order_key.as_deref());
        }
        fill(query, batch.len(), 7).execute(&mut *tx).await?;
    }
    Ok(())
}
