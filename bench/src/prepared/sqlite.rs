//! The rows of a full store in SQLite.

use std::{fs::File, path::Path};

use anyhow::{Context as _, Result};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions,
};

use super::{ACCEPTED_BEFORE_MS, ACCEPTED_WITHIN_MS, Batch};

/// Nobody else may have the file open.
pub(super) async fn fill(file: &Path, batches: &[Batch]) -> Result<()> {
    let mut connection = SqliteConnectOptions::new()
        .filename(file)
        // Nothing is lost that could not be filled in again; the journal alone would be as large as the rows.
        .pragma("journal_mode", "off")
        .pragma("synchronous", "off")
        .pragma("cache_size", "-524288")
        .connect()
        .await?;
    for batch in batches {
        write(&mut connection, batch)
            .await
            .with_context(|| format!("filling in {}", batch.event_type))?;
    }
    sqlx::query("pragma journal_mode = wal")
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    // What the system has not written yet it would write during the load.
    File::open(file)?.sync_all()?;
    Ok(())
}

async fn write(connection: &mut SqliteConnection, batch: &Batch) -> Result<()> {
    let per_event = i64::try_from(batch.webhooks_per_event)?;
    let webhooks: Vec<u8> = batch
        .webhooks
        .iter()
        .flat_map(|webhook| webhook.0.to_be_bytes())
        .collect();
    let mut tx = connection.begin().await?;
    for statement in [
        "drop table if exists temp.prepared",
        "drop table if exists temp.place",
        "create temporary table place (place integer primary key)",
    ] {
        sqlx::query(statement).execute(&mut *tx).await?;
    }
    for place in 0..per_event {
        sqlx::query("insert into place values (?)")
            .bind(place)
            .execute(&mut *tx)
            .await?;
    }
    // UUIDv7: milliseconds, version, random bits around the variant. Bound values are not allowed in `create table as`,
    // and these are numbers.
    let prepared = format!(
        "create temporary table prepared as
        with recursive number (n) as (
            select 0
            union all
            select n + 1 from number where n + 1 < {events}
        ),
        moment as materialized (
            select n, cast(unixepoch('now', 'subsec') * 1000 as integer)
                      - {ACCEPTED_BEFORE_MS} - {ACCEPTED_WITHIN_MS} + n * {ACCEPTED_WITHIN_MS} / {events} as accepted_ms
            from number
        )
        select n,
               n % {groups} as webhooks,
               accepted_ms * 1000 as accepted_at,
               (accepted_ms + {due_after_s} * 1000) * 1000 as due_at,
               unhex(printf('%012x', accepted_ms) || '7' || substr(hex(randomblob(2)), 1, 3)
                     || '8' || substr(hex(randomblob(8)), 1, 15)) as id
        from moment",
        events = batch.events,
        groups = batch.groups(),
        due_after_s = batch.due_after_s,
    );
    sqlx::query(AssertSqlSafe(prepared)).execute(&mut *tx).await?;
    sqlx::query(
        r#"insert into event (lane, hot, tenant_id, owner, id, type, webhook_ids, payload)
        select t.lane, ?1, t.id, (select seq from sqlite_sequence where name = 'node'), p.id, ?2 || '.' || p.webhooks,
               substr(?3, p.webhooks * ?1 * 16 + 1, ?1 * 16),
               cast(substr('{"sequence":' || p.n || ',"data":"'
                           || replace(hex(zeroblob(?4 / 32 + 1)), '00', hex(randomblob(16))), 1, ?4 - 2) || '"}' as blob)
        from prepared p
        join tenant t on t.id = 1
        order by p.id"#,
    )
    .bind(per_event)
    .bind(&batch.event_type)
    .bind(&webhooks)
    .bind(i64::try_from(batch.payload_bytes)?)
    .execute(&mut *tx)
    .await?;
    // 4 is unreachable, 1 is to be repeated.
    for statement in [
        "insert into attempt (lane, number, outcome, verdict, http_status, latency_us, webhook_id, event_id, started_at,
                              next_at, error)
        select t.lane, 1, 4, 1, null, 500, substr(?2, (p.webhooks * ?1 + place.place) * 16 + 1, 16) as webhook_id,
               p.id, p.accepted_at, p.due_at, 'connection refused'
        from prepared p
        join tenant t on t.id = 1
        cross join place
        order by webhook_id, p.id",
        "insert into retry (lane, number, tenant_id, webhook_id, event_id, due_at)
        select t.lane, 2, t.id, substr(?2, (p.webhooks * ?1 + place.place) * 16 + 1, 16) as webhook_id, p.id, p.due_at
        from prepared p
        join tenant t on t.id = 1
        cross join place
        order by webhook_id, p.id",
    ] {
        sqlx::query(statement)
            .bind(per_event)
            .bind(&webhooks)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Retry rows that are not due for hours: nothing but filling makes those.
pub(super) async fn future_retries(file: &Path) -> Result<u64> {
    let mut connection = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .connect()
        .await?;
    let left: i64 = sqlx::query_scalar(
        "select count(*) from retry where due_at > (unixepoch('now') + 20 * 3600) * 1000000",
    )
    .fetch_one(&mut connection)
    .await?;
    connection.close().await?;
    Ok(left.unsigned_abs())
}
