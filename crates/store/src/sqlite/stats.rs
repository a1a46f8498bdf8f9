//! Figures: added to what was counted before.

use sqlx::{AssertSqlSafe, Connection as _};

use super::{Sqlite, batches, blob, fill, values};
use crate::{
    Counts, Granularity, StoreError, Timestamp,
    stats::{StatRow, StoredCounts, Subject},
};

const COLUMNS: usize = 10;
/// Rows removed per statement, between which others write.
const REMOVE_BATCH: u64 = 1_000;

/// `started_at`, published, attempts, failed, delivered, dead, durations
type Row = (i64, i64, i64, i64, i64, i64, String);

impl Sqlite {
    pub(crate) async fn add_stats(&self, rows: &[StatRow]) -> Result<(), StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        for batch in batches(rows) {
            let statement = format!(
                "insert into stat (tenant_id, webhook_id, granularity, started_at, published, attempts, failed_attempts,
                                   delivered, dead, durations)
                {}
                on conflict (tenant_id, webhook_id, granularity, started_at) do update
                set published = stat.published + excluded.published,
                    attempts = stat.attempts + excluded.attempts,
                    failed_attempts = stat.failed_attempts + excluded.failed_attempts,
                    delivered = stat.delivered + excluded.delivered,
                    dead = stat.dead + excluded.dead,
                    durations = (
                        select json_group_array(coalesce(s.value, 0) + coalesce(c.value, 0) order by coalesce(s.key, c.key))
                        from json_each(stat.durations) s
                        full join json_each(excluded.durations) c on c.key = s.key)",
                values(batch.len(), COLUMNS)
            );
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for row in batch {
                let counts = &row.counts;
                query = query
                    .bind(row.subject.tenant.0)
                    .bind(blob(row.subject.stored_webhook()))
                    .bind(row.granularity.code())
                    .bind(row.started_at.unix_micros())
                    .bind(stored(counts.published))
                    .bind(stored(counts.attempts))
                    .bind(stored(counts.failed_attempts))
                    .bind(stored(counts.delivered))
                    .bind(stored(counts.dead))
                    .bind(durations(counts));
            }
            fill(query, batch.len(), COLUMNS).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    pub(crate) async fn stats(
        &self,
        subject: Subject,
        granularity: Granularity,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<(Timestamp, Counts)>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "select started_at, published, attempts, failed_attempts, delivered, dead, durations
            from stat
            where tenant_id = ? and webhook_id = ? and granularity = ? and started_at >= ? and started_at < ?",
        )
        .bind(subject.tenant.0)
        .bind(blob(subject.stored_webhook()))
        .bind(granularity.code())
        .bind(from.unix_micros())
        .bind(until.unix_micros())
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter()
            .map(
                |(started_at, published, attempts, failed_attempts, delivered, dead, durations)| {
                    let counts = StoredCounts {
                        published,
                        attempts,
                        failed_attempts,
                        delivered,
                        dead,
                        durations: read_durations(&durations)?,
                    };
                    Ok((Timestamp::from_unix_micros(started_at), counts.read()?))
                },
            )
            .collect()
    }

    pub(crate) async fn remove_stats_before(
        &self,
        granularity: Granularity,
        before: Timestamp,
    ) -> Result<(), StoreError> {
        loop {
            let mut writer = self.writer().await?;
            let removed = sqlx::query(
                "delete from stat
                where (tenant_id, webhook_id, granularity, started_at) in (
                    select tenant_id, webhook_id, granularity, started_at
                    from stat
                    where granularity = ? and started_at < ?
                    limit ?)",
            )
            .bind(granularity.code())
            .bind(before.unix_micros())
            .bind(REMOVE_BATCH.cast_signed())
            .execute(&mut *writer)
            .await?;
            if removed.rows_affected() < REMOVE_BATCH {
                return Ok(());
            }
        }
    }
}

fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Such as `[0,0,3]`.
fn durations(counts: &Counts) -> String {
    let buckets: Vec<String> = counts.durations.buckets().iter().map(u64::to_string).collect();
    format!("[{}]", buckets.join(","))
}

fn read_durations(text: &str) -> Result<Vec<i64>, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Inconsistent {
        table: "stat",
        row: text.to_owned(),
        problem: error.to_string(),
    })
}
