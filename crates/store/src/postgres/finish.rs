//! Results in: attempts appended, retry rows written and removed, in one statement and one commit for each batch.

use sqlx::{PgConnection, types::time::OffsetDateTime};
use uuid::Uuid;

use super::{Postgres, ordering::Freed};
use crate::{
    Change, End, FailPoint, Finish, Lane, Next, Origin, StoreError, Timestamp, WebhookId, attempt::Verdict,
    journal::pack,
};

impl Postgres {
    pub(crate) async fn finish(
        &self,
        rows: &[&Finish],
        now: Timestamp,
        in_order: bool,
    ) -> Result<Vec<(Lane, WebhookId)>, StoreError> {
        let columns = FinishColumns::of(rows, now);
        if columns.retries.lanes.is_empty() && columns.dead.lanes.is_empty() {
            FailPoint::FinishStoring
                .during(self.append_attempts(columns, now))
                .await?;
            return Ok(Vec::new());
        }
        if in_order {
            // Together or not at all: a head that is gone without a next one would hold its queue.
            let mut tx = self.results.begin().await?;
            let freed = append_attempts_and_reschedule(&mut tx, columns, now).await?;
            FailPoint::FinishRescheduled.pass();
            let next_in_line = freed.promote(&mut tx, now).await?;
            if !next_in_line.is_empty() {
                FailPoint::FinishPromoted.pass();
            }
            tx.commit().await?;
            return Ok(next_in_line);
        }
        let mut connection = self.results.acquire().await?;
        let freed = FailPoint::FinishStoring
            .during(append_attempts_and_reschedule(&mut connection, columns, now))
            .await?;
        FailPoint::FinishRescheduled.pass();
        freed.promote(&mut connection, now).await
    }

    /// The statement of nearly every batch: first attempts that succeeded.
    async fn append_attempts(&self, columns: FinishColumns<'_>, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query!(
            "-- store: finish
            with appended as (
                insert into attempt (lane, number, outcome, verdict, http_status, latency_us, webhook_id, event_id,
                                     started_at, next_at, error, response)
                select * from unnest($1::int2[], $2::int2[], $3::int2[], $4::int2[], $5::int2[], $6::int4[], $7::uuid[],
                                     $8::uuid[], $9::timestamptz[], $10::timestamptz[], $11::text[], $12::bytea[])
                on conflict do nothing
                returning lane, webhook_id, event_id
            )
            insert into journal (made_at, changes, skipped)
            select $13, $14, case when (select count(*) from appended) < cardinality($8)
                then (select array_agg(k.number::int4)
                      from unnest($1, $7, $8) with ordinality k(lane, webhook_id, event_id, number)
                      where (k.lane, k.webhook_id, k.event_id) not in (select lane, webhook_id, event_id from appended))
                end",
            &columns.lanes,
            &columns.numbers,
            &columns.outcomes,
            &columns.verdicts,
            &columns.http_statuses as _,
            &columns.latencies,
            &columns.webhooks,
            &columns.events,
            &columns.started_at,
            &columns.next_at as _,
            &columns.errors as _,
            &columns.responses as _,
            now.to_sql(),
            columns.changes
        )
        .execute(&self.results)
        .await?;
        Ok(())
    }
}

/// Returns the queues whose head it has removed.
#[expect(clippy::too_many_lines, reason = "one statement")]
async fn append_attempts_and_reschedule(
    connection: &mut PgConnection,
    columns: FinishColumns<'_>,
    now: Timestamp,
) -> Result<Freed, StoreError> {
    let rows = sqlx::query!(
            r#"-- store: finish with retries
            with locked as materialized (
                -- Every row that is there is locked before anything is written, in one order everywhere: two nodes that
                -- report the same deliveries would otherwise wait for each other.
                select r.event_id
                from unnest($13::int2[], $15::uuid[], $16::uuid[]) k(lane, webhook_id, event_id)
                join retry r on r.lane = k.lane and r.webhook_id = k.webhook_id and r.event_id = k.event_id
                order by r.lane, r.webhook_id, r.event_id
                for update of r
            ),
            appended as (
                insert into attempt (lane, number, outcome, verdict, http_status, latency_us, webhook_id, event_id,
                                     started_at, next_at, error, response)
                select *
                from unnest($1::int2[], $2::int2[], $3::int2[], $4::int2[], $5::int2[], $6::int4[], $7::uuid[],
                            $8::uuid[], $9::timestamptz[], $10::timestamptz[], $11::text[], $12::bytea[])
                where (select count(*) from locked) >= 0 -- evaluated once, before the first row
                on conflict do nothing
                returning lane, webhook_id, event_id
            ),
            journaled as (
                insert into journal (made_at, changes, skipped)
                select $27, $28, case when (select count(*) from appended) < cardinality($8)
                    then (select array_agg(k.number::int4)
                          from unnest($1, $7, $8) with ordinality k(lane, webhook_id, event_id, number)
                          where (k.lane, k.webhook_id, k.event_id)
                                not in (select lane, webhook_id, event_id from appended))
                    end
                where cardinality($8) > 0
            ),
            scheduled as materialized (
                -- A slower owner must not bring back what another one has settled meanwhile.
                select r.*
                from unnest($13::int2[], $14::int8[], $15::uuid[], $16::uuid[], $17::int2[], $18::int2[],
                            $19::timestamptz[]) r(lane, tenant_id, webhook_id, event_id, held, number, due_at)
                where r.due_at is not null
                  and case when r.number > r.held
                      then (r.lane, r.webhook_id, r.event_id) in (select lane, webhook_id, event_id from appended)
                      else (select 1 from attempt a
                            where a.lane = r.lane and a.webhook_id = r.webhook_id and a.event_id = r.event_id
                              and a.number >= r.held limit 1) is null
                      end
            ),
            written as (
                insert into retry (lane, number, tenant_id, webhook_id, event_id, due_at)
                select lane, number, tenant_id, webhook_id, event_id, due_at
                from scheduled
                on conflict (lane, webhook_id, event_id) do update
                set number = excluded.number, due_at = excluded.due_at
                where retry.number <= excluded.number
            ),
            noted as (
                insert into notice (lane, tenant_id, webhook_id, kind, event_id, number, happened_at)
                select d.lane, d.tenant_id, d.webhook_id, 0, d.event_id, d.number, d.happened_at
                from unnest($21::int2[], $22::int8[], $23::uuid[], $24::uuid[], $25::int2[], $26::timestamptz[])
                         d(lane, tenant_id, webhook_id, event_id, number, happened_at)
                -- What was in the log already was told about by whoever wrote it.
                where (d.lane, d.webhook_id, d.event_id) in (select lane, webhook_id, event_id from appended)
            ),
            removed as (
            delete from retry r
            using unnest($13::int2[], $15::uuid[], $16::uuid[], $17::int2[], $20::bool[])
                      d(lane, webhook_id, event_id, held, had_row)
            where d.had_row
              and r.lane = d.lane and r.webhook_id = d.webhook_id and r.event_id = d.event_id and r.number <= d.held
              and (r.lane, r.webhook_id, r.event_id) not in (select lane, webhook_id, event_id from scheduled)
            returning r.lane, r.webhook_id, r.order_key
            )
            select distinct lane, webhook_id, order_key as "order_key!" from removed where order_key is not null"#,
            &columns.lanes,
            &columns.numbers,
            &columns.outcomes,
            &columns.verdicts,
            &columns.http_statuses as _,
            &columns.latencies,
            &columns.webhooks,
            &columns.events,
            &columns.started_at,
            &columns.next_at as _,
            &columns.errors as _,
            &columns.responses as _,
            &columns.retries.lanes,
            &columns.retries.tenants,
            &columns.retries.webhooks,
            &columns.retries.events,
            &columns.retries.held,
            &columns.retries.numbers,
            &columns.retries.due_at as _,
            &columns.retries.had_row,
            &columns.dead.lanes,
            &columns.dead.tenants,
            &columns.dead.webhooks,
            &columns.dead.events,
            &columns.dead.numbers,
            &columns.dead.happened_at,
            now.to_sql(),
            columns.changes
        )
        .fetch_all(connection)
        .await?;
    let mut freed = Freed::default();
    for row in rows {
        freed.lanes.push(row.lane);
        freed.webhooks.push(row.webhook_id);
        freed.keys.push(row.order_key);
    }
    Ok(freed)
}

/// A batch of results, a column each: attempts to append, and what becomes of retry rows.
#[derive(Default)]
struct FinishColumns<'a> {
    lanes: Vec<i16>,
    numbers: Vec<i16>,
    outcomes: Vec<i16>,
    verdicts: Vec<i16>,
    http_statuses: Vec<Option<i16>>,
    latencies: Vec<i32>,
    webhooks: Vec<Uuid>,
    events: Vec<Uuid>,
    started_at: Vec<OffsetDateTime>,
    next_at: Vec<Option<OffsetDateTime>>,
    errors: Vec<Option<&'a str>>,
    responses: Vec<Option<&'a [u8]>>,

    /// What is to be told about the attempts, packed.
    changes: Vec<u8>,

    retries: RetryColumns,
    dead: DeadColumns,
}

/// Retry rows that are written, or gone because their delivery is over.
#[derive(Default)]
struct RetryColumns {
    lanes: Vec<i16>,
    tenants: Vec<i64>,
    webhooks: Vec<Uuid>,
    events: Vec<Uuid>,
    /// The attempt that this node made or was to make.
    held: Vec<i16>,
    /// The attempt that is due now: the next one if an attempt was made.
    numbers: Vec<i16>,
    /// None when none is.
    due_at: Vec<Option<OffsetDateTime>>,
    /// Whether the delivery came from a retry row.
    had_row: Vec<bool>,
}

/// Deliveries that are given up, which somebody is to be told.
#[derive(Default)]
struct DeadColumns {
    lanes: Vec<i16>,
    tenants: Vec<i64>,
    webhooks: Vec<Uuid>,
    events: Vec<Uuid>,
    /// The last attempt.
    numbers: Vec<i16>,
    happened_at: Vec<OffsetDateTime>,
}

impl<'a> FinishColumns<'a> {
    fn of(rows: &[&'a Finish], now: Timestamp) -> Self {
        let mut columns = Self {
            changes: pack(rows.iter().filter_map(|finish| Change::of(finish, now))),
            ..Self::default()
        };
        for finish in rows {
            columns.push(finish);
        }
        columns
    }

    fn push(&mut self, finish: &'a Finish) {
        match &finish.end {
            End::Attempted(attempt) => {
                self.append(finish, attempt.next.verdict());
                self.outcomes.push(attempt.outcome.code());
                self.http_statuses
                    .push(attempt.http_status.and_then(|status| i16::try_from(status).ok()));
                self.latencies
                    .push(i32::try_from(attempt.latency.as_micros()).unwrap_or(i32::MAX));
                self.started_at.push(attempt.started_at.to_sql());
                self.errors.push(attempt.error.as_deref());
                self.responses.push(attempt.response.as_deref());
                if let Next::Retry(due_at) = attempt.next {
                    self.next_at.push(Some(due_at.to_sql()));
                    self.schedule(finish, finish.number.saturating_add(1), due_at);
                } else {
                    self.next_at.push(None);
                    self.remove(finish);
                    if attempt.next == Next::Dead {
                        self.dead.push(finish, attempt.ended_at());
                    }
                }
            }
            End::Cancelled => self.append_without_attempt(finish, Verdict::Cancelled, None),
            End::GivenUp(reason) => self.append_without_attempt(finish, Verdict::Dead, Some(reason)),
            End::Released(due_at) | End::Parked(due_at) => self.schedule(finish, finish.number, *due_at),
        }
    }

    fn append_without_attempt(&mut self, finish: &'a Finish, verdict: Verdict, reason: Option<&'a str>) {
        self.append(finish, verdict);
        self.outcomes.push(0);
        self.http_statuses.push(None);
        self.latencies.push(0);
        self.started_at.push(finish.delivery.event.created_at().to_sql());
        self.errors.push(reason);
        self.responses.push(None);
        self.next_at.push(None);
        self.remove(finish);
    }

    fn append(&mut self, finish: &Finish, verdict: Verdict) {
        self.lanes.push(finish.tenant.lane().0);
        self.numbers.push(sql_number(finish.number));
        self.verdicts.push(verdict.code());
        self.webhooks.push(finish.delivery.webhook.0);
        self.events.push(finish.delivery.event.0);
    }

    fn schedule(&mut self, finish: &Finish, number: u16, due_at: Timestamp) {
        self.retries.push(finish, number, Some(due_at));
    }

    fn remove(&mut self, finish: &Finish) {
        if finish.origin == Origin::Retry {
            self.retries.push(finish, finish.number, None);
        }
    }
}

impl RetryColumns {
    fn push(&mut self, finish: &Finish, number: u16, due_at: Option<Timestamp>) {
        self.lanes.push(finish.tenant.lane().0);
        self.tenants.push(finish.tenant.0);
        self.webhooks.push(finish.delivery.webhook.0);
        self.events.push(finish.delivery.event.0);
        self.held.push(sql_number(finish.number));
        self.numbers.push(sql_number(number));
        self.due_at.push(due_at.map(Timestamp::to_sql));
        self.had_row.push(finish.origin == Origin::Retry);
    }
}

impl DeadColumns {
    fn push(&mut self, finish: &Finish, happened_at: Timestamp) {
        self.lanes.push(finish.tenant.lane().0);
        self.tenants.push(finish.tenant.0);
        self.webhooks.push(finish.delivery.webhook.0);
        self.events.push(finish.delivery.event.0);
        self.numbers.push(sql_number(finish.number));
        self.happened_at.push(happened_at.to_sql());
    }
}

/// Schedules are capped far below this range.
fn sql_number(number: u16) -> i16 {
    i16::try_from(number).unwrap_or(i16::MAX)
}
