//! The rows of a full store in PostgreSQL.

use anyhow::{Context as _, Result};
use sqlx::{Connection as _, PgConnection, types::Uuid};

use super::{ACCEPTED_BEFORE_MS, ACCEPTED_WITHIN_MS, Batch};
use crate::postgres::Database;

pub(super) async fn fill(database: &Database, batches: &[Batch]) -> Result<()> {
    let mut connection = PgConnection::connect(database.url()).await?;
    for setting in ["set synchronous_commit = off", "set work_mem = '256MB'"] {
        sqlx::query(setting).execute(&mut connection).await?;
    }
    for batch in batches {
        write(&mut connection, batch)
            .await
            .with_context(|| format!("filling in {}", batch.event_type))?;
    }
    // As a server that has had these rows for a while: known to the planner, and nothing of them left to be written.
    for table in [
        "vacuum (analyze) event",
        "vacuum (analyze) attempt",
        "vacuum (analyze) retry",
        "checkpoint",
    ] {
        sqlx::query(table).execute(&mut connection).await?;
    }
    connection.close().await?;
    Ok(())
}

async fn write(connection: &mut PgConnection, batch: &Batch) -> Result<()> {
    let webhooks: Vec<Uuid> = batch
        .webhooks
        .iter()
        .map(|webhook| Uuid::from_u128(webhook.0))
        .collect();
    sqlx::query("drop table if exists prepared")
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "create temporary table prepared as
        select n,
               n % $2 as webhooks,
               moment.accepted_at,
               moment.accepted_at + make_interval(secs => $3) as due_at,
               -- UUIDv7: milliseconds, version, random bits around the variant
               (lpad(to_hex((extract(epoch from moment.accepted_at) * 1000)::int8), 12, '0') || '7' || substr(hash, 1, 3)
                || '8' || substr(hash, 4, 15))::uuid as id
        from generate_series(0, $1 - 1) n,
             lateral (select date_trunc('milliseconds', now())
                             - make_interval(secs => ($4 + $5 - n * $5 / $1) / 1000.0) as accepted_at) moment,
             lateral (select md5(n::text || random()::text) as hash) random",
    )
    .bind(batch.events.cast_signed())
    .bind(i64::try_from(batch.groups())?)
    .bind(seconds(batch.due_after_s))
    .bind(ACCEPTED_BEFORE_MS)
    .bind(ACCEPTED_WITHIN_MS)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        r#"insert into event (lane, hot, tenant_id, owner, id, type, webhook_ids, payload)
        select t.lane, $3, t.id, (select last_value from node_incarnation), p.id, $1 || '.' || p.webhooks,
               ($2::uuid[])[p.webhooks * $3 + 1 : (p.webhooks + 1) * $3],
               convert_to(left('{"sequence":' || p.n || ',"data":"' || repeat(md5(p.n::text), $4 / 32 + 1), $4 - 2) || '"}',
                          'UTF8')
        from prepared p
        join tenant t on t.id = 1
        order by p.id"#,
    )
    .bind(&batch.event_type)
    .bind(&webhooks)
    .bind(i32::try_from(batch.webhooks_per_event)?)
    .bind(i32::try_from(batch.payload_bytes)?)
    .execute(&mut *connection)
    .await?;
    // 4 is unreachable, 1 is to be repeated.
    sqlx::query(
        "insert into attempt (lane, number, outcome, verdict, http_status, latency_us, webhook_id, event_id, started_at,
                              next_at, error)
        select t.lane, 1, 4, 1, null, 500, w.webhook_id, p.id, p.accepted_at, p.due_at, 'connection refused'
        from prepared p
        join tenant t on t.id = 1
        cross join lateral unnest(($1::uuid[])[p.webhooks * $2 + 1 : (p.webhooks + 1) * $2]) w(webhook_id)
        order by w.webhook_id, p.id",
    )
    .bind(&webhooks)
    .bind(i32::try_from(batch.webhooks_per_event)?)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "insert into retry (lane, number, tenant_id, webhook_id, event_id, due_at)
        select t.lane, 2, t.id, w.webhook_id, p.id, p.due_at
        from prepared p
        join tenant t on t.id = 1
        cross join lateral unnest(($1::uuid[])[p.webhooks * $2 + 1 : (p.webhooks + 1) * $2]) w(webhook_id)
        order by w.webhook_id, p.id",
    )
    .bind(&webhooks)
    .bind(i32::try_from(batch.webhooks_per_event)?)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// Retry rows that are not due for hours: nothing but filling makes those.
pub(super) async fn future_retries(database: &Database) -> Result<u64> {
    let mut connection = PgConnection::connect(database.url()).await?;
    let left: i64 =
        sqlx::query_scalar("select count(*) from retry where due_at > now() + interval '20 hours'")
            .fetch_one(&mut connection)
            .await?;
    connection.close().await?;
    Ok(left.unsigned_abs())
}

#[expect(clippy::cast_precision_loss, reason = "at most a day")]
fn seconds(whole: i64) -> f64 {
    whole as f64
}
