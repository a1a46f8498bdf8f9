//! Figures: added to what other nodes have counted, in one statement for all rows.

use super::{Postgres, sql_limit};
use crate::{
    Counts, Granularity, StoreError, Timestamp,
    stats::{StatRow, StoredCounts, Subject},
};

/// Rows removed per statement.
const REMOVE_BATCH: usize = 10_000;

impl Postgres {
    pub(crate) async fn add_stats(&self, rows: &[StatRow]) -> Result<(), StoreError> {
        let column = |number: fn(&Counts) -> u64| -> Vec<i64> {
            rows.iter()
                .map(|row| i64::try_from(number(&row.counts)).unwrap_or(i64::MAX))
                .collect()
        };
        let tenants: Vec<i64> = rows.iter().map(|row| row.subject.tenant.0).collect();
        let webhooks: Vec<uuid::Uuid> = rows.iter().map(|row| row.subject.stored_webhook()).collect();
        let granularities: Vec<i16> = rows.iter().map(|row| row.granularity.code()).collect();
        let started_at: Vec<_> = rows.iter().map(|row| row.started_at.to_sql()).collect();
        let durations: Vec<String> = rows.iter().map(durations).collect();
        // In the order of the key, which is that of their locks: nodes that write the same rows wait for each other, and not
        // in a circle. Arrays of arrays would have to be of one length, so each comes as a text.
        sqlx::query!(
            "-- store: add_stats
            insert into stat (tenant_id, webhook_id, granularity, started_at, published, attempts, failed_attempts,
                              delivered, dead, durations)
            select tenant_id, webhook_id, granularity, started_at, published, attempts, failed_attempts, delivered, dead,
                   durations::int8[]
            from unnest($1::int8[], $2::uuid[], $3::int2[], $4::timestamptz[], $5::int8[], $6::int8[], $7::int8[],
                        $8::int8[], $9::int8[], $10::text[])
                 r(tenant_id, webhook_id, granularity, started_at, published, attempts, failed_attempts, delivered,
                   dead, durations)
            order by tenant_id, webhook_id, granularity, started_at
            on conflict (tenant_id, webhook_id, granularity, started_at) do update
            set published = stat.published + excluded.published,
                attempts = stat.attempts + excluded.attempts,
                failed_attempts = stat.failed_attempts + excluded.failed_attempts,
                delivered = stat.delivered + excluded.delivered,
                dead = stat.dead + excluded.dead,
                durations = (
                    select coalesce(array_agg(coalesce(d.stored, 0) + coalesce(d.counted, 0) order by d.bucket), '{}')
                    from unnest(stat.durations, excluded.durations) with ordinality d(stored, counted, bucket))",
            &tenants,
            &webhooks,
            &granularities,
            &started_at,
            &column(|counts| counts.published),
            &column(|counts| counts.attempts),
            &column(|counts| counts.failed_attempts),
            &column(|counts| counts.delivered),
            &column(|counts| counts.dead),
            &durations
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub(crate) async fn stats(
        &self,
        subject: Subject,
        granularity: Granularity,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<(Timestamp, Counts)>, StoreError> {
        let rows = sqlx::query!(
            "-- store: stats
            select started_at, published, attempts, failed_attempts, delivered, dead, durations
            from stat
            where tenant_id = $1 and webhook_id = $2 and granularity = $3 and started_at >= $4 and started_at < $5",
            subject.tenant.0,
            subject.stored_webhook(),
            granularity.code(),
            from.to_sql(),
            until.to_sql()
        );
        let rows = rows.fetch_all(&self.pool).await?;
        rows.into_iter()
            .map(|row| {
                let counts = StoredCounts {
                    published: row.published,
                    attempts: row.attempts,
                    failed_attempts: row.failed_attempts,
                    delivered: row.delivered,
                    dead: row.dead,
                    durations: row.durations,
                };
                Ok((Timestamp::from_sql(row.started_at), counts.read()?))
            })
            .collect()
    }

    pub(crate) async fn remove_stats_before(
        &self,
        granularity: Granularity,
        before: Timestamp,
    ) -> Result<(), StoreError> {
        loop {
            let removed = sqlx::query!(
                "-- store: remove_stats_before
                with old as materialized (
                    -- Other nodes remove the same rows. Whoever is later leaves them to who was first.
                    select tenant_id, webhook_id, granularity, started_at
                    from stat
                    where granularity = $1 and started_at < $2
                    order by started_at
                    limit $3
                    for update skip locked
                )
                delete from stat s
                using old o
                where s.tenant_id = o.tenant_id and s.webhook_id = o.webhook_id and s.granularity = o.granularity
                  and s.started_at = o.started_at",
                granularity.code(),
                before.to_sql(),
                sql_limit(REMOVE_BATCH)
            );
            if removed.execute(&self.pool).await?.rows_affected() < REMOVE_BATCH as u64 {
                return Ok(());
            }
        }
    }
}

/// Such as `{0,0,3}`.
fn durations(row: &StatRow) -> String {
    let buckets: Vec<String> = row
        .counts
        .durations
        .buckets()
        .iter()
        .map(u64::to_string)
        .collect();
    format!("{{{}}}", buckets.join(","))
}
