//! The hot path: events in, results in. One transaction and a few multi-row statements for each batch.

use std::collections::{HashMap, HashSet};

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use super::{Sqlite, batches, blob, pack, placeholders, read_event_id, sql_limit};
use crate::{
    End, EventId, Finish, Incarnation, Next, Origin, StoreError, TenantId, Timestamp, WebhookId,
    attempt::Verdict,
    node::{EventRow, Stored},
};

impl Sqlite {
    pub(crate) async fn publish(
        &self,
        node: Incarnation,
        rows: &[EventRow],
    ) -> Result<Vec<Stored>, StoreError> {
        let mut writer = self.writer.lock().await;
        let mut tx = writer.begin().await?;
        let enlisted: Option<i64> = sqlx::query_scalar("select incarnation from node where incarnation = ?")
            .bind(node.0)
            .fetch_optional(&mut *tx)
            .await?;
        if enlisted.is_none() {
            return Err(StoreError::Fenced);
        }
        let versions = versions_of(&mut tx, rows).await?;
        let mut stored = Vec::with_capacity(rows.len());
        for row in rows {
            let current = versions.get(&row.event.tenant) == Some(&row.tenant_version);
            stored.push(if current {
                claim_key(&mut tx, row).await?
            } else {
                Stored::Stale
            });
        }
        let accepted: Vec<&EventRow> = rows
            .iter()
            .zip(&stored)
            .filter(|(_, stored)| **stored == Stored::Yes)
            .map(|(row, _)| row)
            .collect();
        insert_events(&mut tx, node, &accepted).await?;
        let spilled: Vec<RetryRow> = accepted
            .iter()
            .flat_map(|row| {
                row.webhooks[row.hot..]
                    .iter()
                    .map(|webhook| RetryRow::first(row, *webhook))
            })
            .collect();
        upsert_retries(&mut tx, &spilled).await?;
        tx.commit().await?;
        Ok(stored)
    }

    pub(crate) async fn stored_events(&self, ids: &[EventId]) -> Result<HashSet<EventId>, StoreError> {
        let mut stored = HashSet::new();
        for id in ids {
            let found: Option<i64> = sqlx::query_scalar("select 1 from event where id = ?")
                .bind(blob(id.0))
                .fetch_optional(&self.readers)
                .await?;
            if found.is_some() {
                stored.insert(*id);
            }
        }
        Ok(stored)
    }

    #[expect(clippy::unused_async, reason = "the other engine has something to do")]
    pub(crate) async fn heal(
        &self,
        _holder: Incarnation,
        _tenant: TenantId,
        _event: EventId,
        _now: Timestamp,
    ) -> Result<(), StoreError> {
        // No connection can break between a commit and the news of it.
        Ok(())
    }

    pub(crate) async fn finish(&self, rows: &[&Finish]) -> Result<(), StoreError> {
        let mut writer = self.writer.lock().await;
        let mut tx = writer.begin().await?;
        let mut results = Results::default();
        for finish in rows {
            let settled = finish.end.writes_retry() && is_settled(&mut tx, finish).await?;
            results.push(finish, settled);
        }
        append_attempts(&mut tx, &results.attempts).await?;
        upsert_retries(&mut tx, &results.scheduled).await?;
        for (finish, number) in results.removed {
            sqlx::query(
                "delete from retry where lane = ? and webhook_id = ? and event_id = ? and number <= ?",
            )
            .bind(finish.tenant.lane().0)
            .bind(blob(finish.delivery.webhook.0))
            .bind(blob(finish.delivery.event.0))
            .bind(i64::from(number))
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

async fn versions_of(
    tx: &mut SqliteConnection,
    rows: &[EventRow],
) -> Result<HashMap<TenantId, i64>, StoreError> {
    let mut versions = HashMap::new();
    for row in rows {
        let tenant = row.event.tenant;
        if let std::collections::hash_map::Entry::Vacant(entry) = versions.entry(tenant) {
            let version = sqlx::query_scalar("select version from tenant where id = ?").bind(tenant.0);
            if let Some(version) = version.fetch_optional(&mut *tx).await? {
                entry.insert(version);
            }
        }
    }
    Ok(versions)
}

async fn claim_key(tx: &mut SqliteConnection, row: &EventRow) -> Result<Stored, StoreError> {
    let Some(key) = &row.key else {
        return Ok(Stored::Yes);
    };
    let claimed = sqlx::query(
        "insert into idempotency_key (tenant_id, key, event_id, fingerprint, created_at) values (?, ?, ?, ?, ?)
        on conflict do nothing",
    )
    .bind(row.event.tenant.0)
    .bind(&key.key)
    .bind(blob(row.event.id.0))
    .bind(key.fingerprint.as_slice())
    .bind(row.event.id.created_at().unix_micros())
    .execute(&mut *tx)
    .await?;
    if claimed.rows_affected() == 1 {
        return Ok(Stored::Yes);
    }
    let (event, fingerprint): (Vec<u8>, Vec<u8>) =
        sqlx::query_as("select event_id, fingerprint from idempotency_key where tenant_id = ? and key = ?")
            .bind(row.event.tenant.0)
            .bind(&key.key)
            .fetch_one(&mut *tx)
            .await?;
    let count: Option<i64> = sqlx::query_scalar(
        "select length(webhook_ids) / 16 from event where lane = ? and tenant_id = ? and id = ?",
    )
    .bind(row.lane.0)
    .bind(row.event.tenant.0)
    .bind(&event)
    .fetch_optional(&mut *tx)
    .await?;
    Ok(Stored::KeyTaken {
        event: read_event_id(&event)?,
        same: fingerprint == key.fingerprint,
        // Within one batch the first event with the key is not inserted yet; its webhooks are the same as this one's.
        delivery_count: count.map_or(row.webhooks.len(), |count| usize::try_from(count).unwrap_or(0)),
    })
}

async fn insert_events(
    tx: &mut SqliteConnection,
    node: Incarnation,
    rows: &[&EventRow],
) -> Result<(), StoreError> {
    for batch in batches(rows) {
        let statement = format!(
            "insert into event (lane, hot, tenant_id, owner, id, type, webhook_ids, payload) values {}",
            placeholders(batch.len(), 8)
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for row in batch {
            query = query
                .bind(row.lane.0)
                .bind(sql_limit(row.hot))
                .bind(row.event.tenant.0)
                .bind(node.0)
                .bind(blob(row.event.id.0))
                .bind(&row.event.event_type)
                .bind(pack(&row.webhooks))
                .bind(row.event.payload.as_ref());
        }
        query.execute(&mut *tx).await?;
    }
    Ok(())
}

/// A retry row to write.
pub(super) struct RetryRow {
    pub(super) tenant: TenantId,
    pub(super) webhook: WebhookId,
    pub(super) event: EventId,
    pub(super) number: u16,
    pub(super) due_at: Timestamp,
}

impl RetryRow {
    fn first(row: &EventRow, webhook: WebhookId) -> Self {
        let event = row.event.id;
        Self {
            tenant: row.event.tenant,
            webhook,
            event,
            number: 1,
            due_at: event.created_at(),
        }
    }

    fn of(finish: &Finish, number: u16, due_at: Timestamp) -> Self {
        let (webhook, event) = (finish.delivery.webhook, finish.delivery.event);
        Self {
            tenant: finish.tenant,
            webhook,
            event,
            number,
            due_at,
        }
    }
}

pub(super) async fn upsert_retries(tx: &mut SqliteConnection, rows: &[RetryRow]) -> Result<(), StoreError> {
    for batch in batches(rows) {
        let statement = format!(
            "insert into retry (lane, number, tenant_id, webhook_id, event_id, due_at) values {}
            on conflict (lane, webhook_id, event_id) do update
            set number = excluded.number, due_at = excluded.due_at
            where retry.number <= excluded.number",
            placeholders(batch.len(), 6)
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for row in batch {
            query = query
                .bind(row.tenant.lane().0)
                .bind(i64::from(row.number))
                .bind(row.tenant.0)
                .bind(blob(row.webhook.0))
                .bind(blob(row.event.0))
                .bind(row.due_at.unix_micros());
        }
        query.execute(&mut *tx).await?;
    }
    Ok(())
}

/// Whether this attempt, or a later one, is in the log already.
async fn is_settled(tx: &mut SqliteConnection, finish: &Finish) -> Result<bool, StoreError> {
    let settled = sqlx::query_scalar(
        "select exists (select 1 from attempt where lane = ? and webhook_id = ? and event_id = ? and number >= ?)",
    )
    .bind(finish.tenant.lane().0)
    .bind(blob(finish.delivery.webhook.0))
    .bind(blob(finish.delivery.event.0))
    .bind(i64::from(finish.number));
    Ok(settled.fetch_one(tx).await?)
}

/// What a batch of results writes.
#[derive(Default)]
struct Results<'a> {
    attempts: Vec<(&'a Finish, Verdict)>,
    scheduled: Vec<RetryRow>,
    removed: Vec<(&'a Finish, u16)>,
}

impl<'a> Results<'a> {
    /// `settled`: another owner was faster, so this one schedules nothing.
    fn push(&mut self, finish: &'a Finish, settled: bool) {
        match &finish.end {
            _ if settled => self.remove(finish),
            End::Attempted(attempt) => {
                self.attempts.push((finish, attempt.next.verdict()));
                if let Next::Retry(due_at) = attempt.next {
                    self.scheduled
                        .push(RetryRow::of(finish, finish.number.saturating_add(1), due_at));
                } else {
                    self.remove(finish);
                }
            }
            End::Cancelled => {
                self.attempts.push((finish, Verdict::Cancelled));
                self.remove(finish);
            }
            End::Released(due_at) | End::Parked(due_at) => {
                self.scheduled.push(RetryRow::of(finish, finish.number, *due_at));
            }
        }
    }

    fn remove(&mut self, finish: &'a Finish) {
        if finish.origin == Origin::Retry {
            self.removed.push((finish, finish.number));
        }
    }
}

async fn append_attempts(tx: &mut SqliteConnection, rows: &[(&Finish, Verdict)]) -> Result<(), StoreError> {
    for batch in batches(rows) {
        let statement = format!(
            "insert into attempt (lane, number, outcome, verdict, http_status, latency_us, webhook_id, event_id,
                                  started_at, next_at, error, response)
            values {}
            on conflict do nothing",
            placeholders(batch.len(), 12)
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for (finish, verdict) in batch {
            let attempt = match &finish.end {
                End::Attempted(attempt) => Some(attempt),
                End::Cancelled | End::Released(_) | End::Parked(_) => None,
            };
            let next_at = attempt.and_then(|attempt| match attempt.next {
                Next::Retry(due_at) => Some(due_at.unix_micros()),
                Next::Delivered | Next::Dead | Next::Cancelled => None,
            });
            query = query
                .bind(finish.tenant.lane().0)
                .bind(i64::from(finish.number))
                .bind(attempt.map_or(0, |attempt| attempt.outcome.code()))
                .bind(verdict.code())
                .bind(attempt.and_then(|attempt| attempt.http_status).map(i64::from))
                .bind(attempt.map_or(0, |attempt| {
                    i32::try_from(attempt.latency.as_micros()).unwrap_or(i32::MAX)
                }))
                .bind(blob(finish.delivery.webhook.0))
                .bind(blob(finish.delivery.event.0))
                .bind(
                    attempt
                        .map_or(finish.delivery.event.created_at(), |attempt| attempt.started_at)
                        .unix_micros(),
                )
                .bind(next_at)
                .bind(attempt.and_then(|attempt| attempt.error.as_deref()))
                .bind(attempt.and_then(|attempt| attempt.response.as_deref()));
        }
        query.execute(&mut *tx).await?;
    }
    Ok(())
}
