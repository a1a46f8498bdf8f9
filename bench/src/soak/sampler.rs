//! What memory and store look like, second by second.

use std::path::Path;

use anyhow::Result;
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions,
};

use crate::{
    bed::Bed,
    clock::Moment,
    key::EventKey,
    postgres::Database,
    report::{megabytes, per},
    series::Series,
    store::Store,
    timeline::Timeline,
    usage,
};

/// One look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    at: Moment,
    service: u64,
    postgres: Option<u64>,
    store: u64,
    tables: Tables,
}

/// What a store says about its tables.
#[derive(Clone, Copy, Debug, Default)]
struct Tables {
    retry_rows: u64,
    /// With its indexes. PostgreSQL only.
    retry_bytes: Option<u64>,
    /// Rows (PostgreSQL) or pages (SQLite) that hold nothing any more, of all tables.
    dead: u64,
}

/// A connection to the store beside the service's own.
#[derive(Debug)]
pub(crate) enum Watcher {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Watcher {
    pub(crate) async fn connect(store: &Store) -> Result<Self> {
        Ok(match store {
            Store::Postgres(database) => Self::Postgres(PgConnection::connect(database.url()).await?),
            Store::Sqlite(folder) => Self::Sqlite(read_only(&Store::sqlite_file(folder)).await?),
        })
    }

    pub(crate) async fn look(&mut self, bed: &Bed, service: u32) -> Result<Look> {
        let tables = self.tables().await?;
        Ok(Look {
            at: Moment::now(),
            service: usage::memory(service)?,
            postgres: bed.store.postgres().map(Database::memory).transpose()?.flatten(),
            store: bed.store.size().await?,
            tables,
        })
    }

    async fn tables(&mut self) -> Result<Tables> {
        Ok(match self {
            Self::Postgres(connection) => {
                // The server's own counts, which are up to a second old: counting rows each second would be load.
                let (rows, bytes, dead): (i64, i64, i64) = sqlx::query_as(
                    "select coalesce(sum(n_live_tup) filter (where relname = 'retry'), 0)::int8,
                            pg_total_relation_size('retry'),
                            coalesce(sum(n_dead_tup), 0)::int8
                     from pg_stat_user_tables",
                )
                .fetch_one(connection)
                .await?;
                Tables {
                    retry_rows: rows.unsigned_abs(),
                    retry_bytes: Some(bytes.unsigned_abs()),
                    dead: dead.unsigned_abs(),
                }
            }
            Self::Sqlite(connection) => {
                let (rows, dead): (i64, i64) = sqlx::query_as(
                    "select (select count(*) from retry), (select freelist_count from pragma_freelist_count)",
                )
                .fetch_one(connection)
                .await?;
                Tables {
                    retry_rows: rows.unsigned_abs(),
                    retry_bytes: None,
                    dead: dead.unsigned_abs(),
                }
            }
        })
    }

    /// How many deliveries of these webhooks wait in the store, and how many were given up.
    pub(crate) async fn waiting_and_dead(&mut self, webhooks: &[EventKey]) -> Result<(u64, u64)> {
        let mut waiting = 0;
        let mut dead = 0;
        for webhook in webhooks {
            let (rows, given_up): (i64, i64) = match self {
                Self::Postgres(connection) => {
                    sqlx::query_as(
                        "select (select count(*) from retry where webhook_id = $1),
                                (select count(*) from attempt where webhook_id = $1 and verdict = 2)",
                    )
                    .bind(sqlx::types::Uuid::from_u128(webhook.0))
                    .fetch_one(connection)
                    .await?
                }
                Self::Sqlite(connection) => {
                    sqlx::query_as(
                        "select (select count(*) from retry where webhook_id = ?1),
                                (select count(*) from attempt where webhook_id = ?1 and verdict = 2)",
                    )
                    .bind(webhook.0.to_be_bytes().to_vec())
                    .fetch_one(connection)
                    .await?
                }
            };
            waiting += rows.unsigned_abs();
            dead += given_up.unsigned_abs();
        }
        Ok((waiting, dead))
    }
}

async fn read_only(file: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(file).read_only(true);
    Ok(options.connect().await?)
}

/// Adds what was seen to a series whose slices are whole seconds; a second that nobody looked at stays empty.
pub(crate) fn add_looks(series: &mut Series, timeline: &Timeline, looks: &[Look]) {
    let mut seconds = vec![None; series.t_s.len()];
    for look in looks.iter().filter(|look| look.at >= timeline.start) {
        let second = usize::try_from(look.at.since(timeline.start).as_secs()).unwrap_or(usize::MAX);
        if let Some(slot) = seconds.get_mut(second) {
            *slot = Some(*look);
        }
    }
    let mut add = |name: &str, of: &dyn Fn(&Look) -> Option<f64>| {
        series.add(name, seconds.iter().map(|look| of(look.as_ref()?)));
    };
    add("memory_service_mib", &|look| Some(megabytes(look.service)));
    add("memory_postgresql_mib", &|look| look.postgres.map(megabytes));
    add("store_mib", &|look| Some(megabytes(look.store)));
    add("retry_rows", &|look| Some(per(look.tables.retry_rows, 1)));
    add("retry_table_bytes_per_row", &|look| {
        let rows = look.tables.retry_rows.max(ROWS_MIN);
        look.tables.retry_bytes.map(|bytes| per(bytes, rows))
    });
    add("dead_rows_or_pages", &|look| Some(per(look.tables.dead, 1)));
}

/// A table with fewer rows is small whatever its pages hold: only above is it worth to ask for bloat.
const ROWS_MIN: u64 = 10_000;
