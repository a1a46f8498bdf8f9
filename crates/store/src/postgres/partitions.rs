//! The log by days: an event and all its attempts lie in the partition of the event's day and are dropped with it.

use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::{PARTITION_LOCK, Postgres};
use crate::{EventId, StoreError, Timestamp};

const DAY_MICROS: i64 = 86_400_000_000;
/// Days made ahead, so that a day without maintenance does no harm.
const DAYS_AHEAD: i64 = 3;
/// Retry rows closed per statement when their events' time is over.
const EXPIRE_BATCH: i64 = 1_000;
/// Idempotency keys removed per statement.
const KEYS_BATCH: i64 = 10_000;
const PARTITIONED: [&str; 2] = ["event", "attempt"];

/// A day since 1970, the range of one partition of each table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Day(i64);

impl Day {
    fn of(moment: Timestamp) -> Self {
        Self(moment.unix_micros().div_euclid(DAY_MICROS))
    }

    fn start(self) -> Uuid {
        EventId::floor(Timestamp::from_unix_micros(self.0 * DAY_MICROS)).0
    }

    /// Such as `event_p20261121`.
    fn partition(self, table: &str) -> String {
        let date = Timestamp::from_unix_micros(self.0 * DAY_MICROS).to_sql().date();
        format!(
            "{table}_p{:04}{:02}{:02}",
            date.year(),
            u8::from(date.month()),
            date.day()
        )
    }
}

impl Postgres {
    pub(crate) async fn prepare(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query!(
            r#"select pg_advisory_xact_lock($1) as "locked!: ()""#,
            PARTITION_LOCK
        )
        .execute(&mut *tx)
        .await?;
        let today = Day::of(now);
        // Yesterday too: a clock may be a little behind the one that made the partitions.
        for day in (today.0 - 1..=today.0 + DAYS_AHEAD).map(Day) {
            for table in PARTITIONED {
                create(&mut tx, table, day).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    pub(crate) async fn remove_before(
        &self,
        bound: EventId,
        keys_before: Timestamp,
    ) -> Result<u64, StoreError> {
        while self.expire_keys(keys_before).await? == KEYS_BATCH.unsigned_abs() {}
        while self.expire_registration_keys(keys_before).await? == KEYS_BATCH.unsigned_abs() {}
        let first_kept = Day::of(bound.created_at());
        // Whole days only; what waits for a retry beyond the retention is given up with its event.
        while self.expire_retries(first_kept).await? == EXPIRE_BATCH.unsigned_abs() {}
        while self.expire_replayed(first_kept).await? == EXPIRE_BATCH.unsigned_abs() {}
        let mut dropped = 0;
        for table in PARTITIONED {
            for partition in self.partitions_of(table).await? {
                if partition < first_kept.partition(table) {
                    self.drop_partition(&partition).await?;
                    // A day has a partition of each table.
                    dropped += u64::from(table == PARTITIONED[0]);
                }
            }
        }
        Ok(dropped)
    }

    async fn drop_partition(&self, partition: &str) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query!(
            r#"select pg_advisory_xact_lock($1) as "locked!: ()""#,
            PARTITION_LOCK
        )
        .execute(&mut *tx)
        .await?;
        sqlx::raw_sql(AssertSqlSafe(format!("drop table if exists {partition}")))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn expire_keys(&self, before: Timestamp) -> Result<u64, StoreError> {
        let expired = sqlx::query!(
            "delete from idempotency_key
            where (tenant_id, key) in (
                select tenant_id, key from idempotency_key where created_at < $1 order by created_at limit $2)",
            before.to_sql(),
            KEYS_BATCH
        );
        Ok(expired.execute(&self.pool).await?.rows_affected())
    }

    async fn expire_registration_keys(&self, before: Timestamp) -> Result<u64, StoreError> {
        let expired = sqlx::query!(
            "delete from registration_key
            where (tenant_id, key) in (
                select tenant_id, key from registration_key where created_at < $1 order by created_at limit $2)",
            before.to_sql(),
            KEYS_BATCH
        );
        Ok(expired.execute(&self.pool).await?.rows_affected())
    }

    async fn expire_retries(&self, first_kept: Day) -> Result<u64, StoreError> {
        let expired = sqlx::query!(
            "delete from retry
            where (lane, webhook_id, event_id) in (
                select lane, webhook_id, event_id from retry where event_id < $1 limit $2)",
            first_kept.start(),
            EXPIRE_BATCH
        );
        Ok(expired.execute(&self.pool).await?.rows_affected())
    }

    async fn expire_replayed(&self, first_kept: Day) -> Result<u64, StoreError> {
        let expired = sqlx::query!(
            "delete from replayed
            where (lane, webhook_id, event_id, after) in (
                select lane, webhook_id, event_id, after from replayed where event_id < $1 limit $2)",
            first_kept.start(),
            EXPIRE_BATCH
        );
        Ok(expired.execute(&self.pool).await?.rows_affected())
    }

    async fn partitions_of(&self, table: &str) -> Result<Vec<String>, StoreError> {
        let names = sqlx::query_scalar!(
            r#"select c.relname::text as "name!"
            from pg_inherits i
            join pg_class c on c.oid = i.inhrelid
            where i.inhparent = to_regclass($1)
            order by 1"#,
            table
        );
        Ok(names.fetch_all(&self.pool).await?)
    }
}

async fn create(connection: &mut PgConnection, table: &str, day: Day) -> Result<(), StoreError> {
    let partition = day.partition(table);
    let exists = sqlx::query_scalar!(r#"select to_regclass($1) is not null as "exists!""#, partition);
    if exists.fetch_one(&mut *connection).await? {
        return Ok(());
    }
    let (from, to) = (day.start(), Day(day.0 + 1).start());
    // Attaching takes a weaker lock than creating a partition in place: publishing goes on meanwhile. The tuple target
    // keeps payloads of up to 8 KB in the row instead of cutting them into pieces.
    let statement = format!(
        "create table {partition} (like {table} including all) with (toast_tuple_target = 8160);
         alter table {table} attach partition {partition} for values from ('{from}') to ('{to}')"
    );
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(connection)
        .await?;
    Ok(())
}
