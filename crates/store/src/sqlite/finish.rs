//! Results in: attempts appended, retry rows written and removed, in one transaction for each batch.

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use super::{
    Sqlite,
    alerts::note_dead,
    batches, blob, fill,
    journal::journal,
    ordering::promote,
    retries::{RetryRow, upsert_retries},
    values,
};
use crate::{
    Change, End, FailPoint, Finish, Lane, Next, Origin, StoreError, Timestamp, WebhookId, attempt::Verdict,
};

impl Sqlite {
    pub(crate) async fn finish(
        &self,
        rows: &[&Finish],
        now: Timestamp,
        _in_order: bool,
    ) -> Result<Vec<(Lane, WebhookId)>, StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        let mut results = Results::default();
        for finish in rows {
            if let End::Attempted(attempt) = &finish.end
                && attempt.next == Next::Dead
            {
                note_dead(&mut tx, finish, attempt.ended_at()).await?;
            }
            let settled = finish.end.writes_retry() && is_settled(&mut tx, finish).await?;
            results.push(finish, settled);
        }
        let appended = append_attempts(&mut tx, &results.attempts).await?;
        if !appended.is_empty() {
            let changes = appended.iter().filter_map(|finish| Change::of(finish, now));
            journal(&mut tx, changes, now).await?;
        }
        upsert_retries(&mut tx, &results.scheduled).await?;
        if !results.scheduled.is_empty() {
            FailPoint::FinishRescheduled.pass();
        }
        let mut next_in_line = Vec::new();
        for (finish, number) in results.removed {
            let order_key: Option<Option<Vec<u8>>> = sqlx::query_scalar(
                "delete from retry where lane = ? and webhook_id = ? and event_id = ? and number <= ?
                returning order_key",
            )
            .bind(finish.tenant.lane().0)
            .bind(blob(finish.delivery.webhook.0))
            .bind(blob(finish.delivery.event.0))
            .bind(i64::from(number))
            .fetch_optional(&mut *tx)
            .await?;
            if let Some(Some(key)) = order_key {
                let (lane, webhook) = (finish.tenant.lane(), finish.delivery.webhook);
                promote(&mut tx, lane, webhook, key, now).await?;
                next_in_line.push((lane, webhook));
            }
        }
        if !next_in_line.is_empty() {
            FailPoint::FinishPromoted.pass();
        }
        FailPoint::FinishStoring.pass();
        tx.commit().await?;
        Ok(next_in_line)
    }
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
            End::GivenUp(_) => {
                self.attempts.push((finish, Verdict::Dead));
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

/// Returns those that were not in the log yet.
async fn append_attempts<'a>(
    tx: &mut SqliteConnection,
    rows: &[(&'a Finish, Verdict)],
) -> Result<Vec<&'a Finish>, StoreError> {
    let mut appended = Vec::with_capacity(rows.len());
    for batch in batches(rows) {
        let mut step = tx.begin().await?;
        if append(&mut step, batch).await? == batch.len() {
            step.commit().await?;
            appended.extend(batch.iter().map(|(finish, _)| *finish));
            continue;
        }
        // Some are there already. Which ones shows when each is a statement of its own.
        step.rollback().await?;
        for row in batch {
            if append(tx, std::slice::from_ref(row)).await? == 1 {
                appended.push(row.0);
            }
        }
    }
    Ok(appended)
}

/// Returns how many were not in the log yet.
async fn append(tx: &mut SqliteConnection, batch: &[(&Finish, Verdict)]) -> Result<usize, StoreError> {
    let statement = format!(
        "insert into attempt (lane, number, outcome, verdict, http_status, latency_us, webhook_id, event_id,
                                  started_at, next_at, error, response)
            {}
            on conflict do nothing",
        values(batch.len(), 12)
    );
    let mut query = sqlx::query(AssertSqlSafe(statement));
    for (finish, verdict) in batch {
        let attempt = match &finish.end {
            End::Attempted(attempt) => Some(attempt),
            End::Cancelled | End::GivenUp(_) | End::Released(_) | End::Parked(_) => None,
        };
        let error = match &finish.end {
            End::Attempted(attempt) => attempt.error.as_deref(),
            End::GivenUp(reason) => Some(reason.as_str()),
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
            .bind(error)
            .bind(attempt.and_then(|attempt| attempt.response.as_deref()));
    }
    let appended = fill(query, batch.len(), 12).execute(tx).await?.rows_affected();
    Ok(usize::try_from(appended).unwrap_or(usize::MAX))
}
