//! The embedded engine: one file, one process, one writer.
//!
//! Rules are those of the PostgreSQL engine; what a single process makes trivial (fences, lanes) is left out. Statements
//! write many rows each, because SQLite spends its time per statement, and the conformance suite checks them.

mod alerts;
mod audit;
mod event_types;
mod failing;
mod finish;
mod holds;
mod journal;
mod keys;
mod nodes;
mod ordering;
mod publish;
mod reads;
mod registrations;
mod replays;
mod retention;
mod retries;
mod sealing;
mod secrets;
mod stats;
mod tenants;
mod webhooks;

use std::{
    fs::{File, TryLockError},
    path::Path,
    time::{Duration, Instant},
};

use sqlx::{
    ConnectOptions, Connection as _, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

use crate::{
    EventId, StoreAddress, StoreError, TenantId, Timestamp, WebhookId, clock::wall_clock, sealing::Sealer,
};

const READERS: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a process that is ending may keep its lock, and one that it has forked and that has not become another program yet.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// The largest number of rows in one INSERT; smaller batches use the next power of two, so that the number of different
/// statements, which are prepared once each, stays small.
const ROWS_MAX: usize = 64;

#[derive(Debug)]
pub(crate) struct Sqlite {
    writer: Mutex<SqliteConnection>,
    /// What a writer is opened with.
    writer_options: Box<SqliteConnectOptions>,
    readers: SqlitePool,
    sealer: Sealer,
    /// Held as long as the process lives; the system gives it back however the process ends.
    _lock: File,
}

impl Sqlite {
    pub(crate) async fn open(path: &Path, sealer: Sealer) -> Result<Self, StoreError> {
        Self::open_with(path, sealer, SqliteSynchronous::Full).await
    }

    /// Survives the end of the process and not that of the machine.
    #[cfg(feature = "simulation")]
    pub(crate) async fn open_unsynced(path: &Path, sealer: Sealer) -> Result<Self, StoreError> {
        Self::open_with(path, sealer, SqliteSynchronous::Off).await
    }

    async fn open_with(
        path: &Path,
        sealer: Sealer,
        synchronous: SqliteSynchronous,
    ) -> Result<Self, StoreError> {
        let lock = lock(path).await?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .statement_cache_capacity(256)
            .pragma("cache_size", "-65536")
            // What was a secret in the clear does not stay in free pages.
            .pragma("secure_delete", "fast")
            .disable_statement_logging();
        let mut writer = options.connect().await?;
        sqlx::migrate!("migrations/sqlite").run(&mut writer).await?;
        sqlx::query("insert into tenant (id, lane, name) values (?, ?, 'default') on conflict do nothing")
            .bind(TenantId::DEFAULT.0)
            .bind(TenantId::DEFAULT.lane().0)
            .execute(&mut writer)
            .await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .test_before_acquire(false)
            .connect_with(options.clone().read_only(true).create_if_missing(false))
            .await?;
        Ok(Self {
            writer: Mutex::new(writer),
            writer_options: Box::new(options.create_if_missing(false)),
            readers,
            sealer,
            _lock: lock,
        })
    }

    /// The writer, with no transaction open.
    async fn writer(&self) -> Result<MutexGuard<'_, SqliteConnection>, StoreError> {
        let mut writer = self.writer.lock().await;
        if writer.is_in_transaction() {
            // The end of one that was abandoned may still wait its turn.
            writer.ping().await?;
        }
        if writer.is_in_transaction() {
            // SQLite has ended a transaction on its own, as it does when the disk is full, and the driver believes that it
            // goes on. It would make the next one a part of that: what is "committed" then is not, and nobody knows.
            tracing::warn!(
                "a failed transaction left the embedded store's connection unusable; opening another one"
            );
            *writer = self.writer_options.connect().await?;
        }
        Ok(writer)
    }

    #[expect(clippy::unused_async, reason = "the other engine has to ask its server")]
    pub(crate) async fn now(&self) -> Result<Timestamp, StoreError> {
        Ok(wall_clock())
    }
}

/// One process at a time: a second one would deliver everything again.
async fn lock(path: &Path) -> Result<File, StoreError> {
    let refused = |problem: String| StoreError::Address {
        url: StoreAddress::Sqlite(path.to_owned()).to_string(),
        problem,
    };
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file =
        File::create(&name).map_err(|error| refused(format!("cannot create its lock file: {error}")))?;
    let give_up = Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < give_up => {
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(refused(String::from(
                    "another hookwright process uses it; stop that one, choose another file, or use PostgreSQL to run several",
                )));
            }
            Err(TryLockError::Error(error)) => return Err(refused(format!("cannot lock it: {error}"))),
        }
    }
}

/// Splits rows into batches of one statement each.
fn batches<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    rows.chunks(ROWS_MAX)
}

/// What an INSERT takes its rows from: values for the next power of two of them. Those that are left over are bound to
/// NULLs ([`fill`]) and left out; the first column of every table is never NULL.
fn values(rows: usize, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(", "));
    let rows = vec![row; rows.next_power_of_two()].join(", ");
    format!("select * from (values {rows}) where column1 is not null")
}

/// Binds what [`values`] has left after the rows that there are.
fn fill(mut query: Insert<'_>, rows: usize, columns: usize) -> Insert<'_> {
    for _ in 0..(rows.next_power_of_two() - rows) * columns {
        query = query.bind(None::<i64>);
    }
    query
}

type Insert<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

/// The ids one after the other, as the log stores them.
fn pack(ids: &[WebhookId]) -> Vec<u8> {
    ids.iter().flat_map(|id| *id.0.as_bytes()).collect()
}

fn unpack(bytes: &[u8]) -> Vec<WebhookId> {
    bytes
        .chunks_exact(16)
        .filter_map(|id| Uuid::from_slice(id).ok())
        .map(WebhookId)
        .collect()
}

fn blob(id: Uuid) -> Vec<u8> {
    id.as_bytes().to_vec()
}

fn read_uuid(table: &'static str, bytes: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(|error| StoreError::Inconsistent {
        table,
        row: format!("{bytes:02x?}"),
        problem: error.to_string(),
    })
}

fn read_event_id(bytes: &[u8]) -> Result<EventId, StoreError> {
    read_uuid("event", bytes).map(EventId)
}

/// A row count or limit as SQLite takes it.
fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A stored number that our own statements keep within 16 bits.
fn small(number: i64) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::{EventId, Sealer, Sqlite, Timestamp, Uuid, lock};
    use crate::Incarnation;

    /// A service that is started again while its last process ends would refuse to start.
    #[tokio::test]
    async fn a_process_that_is_ending_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hookwright.db");
        let first = lock(&path).await.unwrap();
        let ends = async move { drop(first) };
        let (second, ()) = tokio::join!(lock(&path), ends);
        second.unwrap();
    }

    /// What is committed after a failure would be in a transaction that never ends, and gone with the process.
    #[tokio::test]
    async fn what_is_committed_after_the_disk_was_full_is_committed() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Sqlite::open(&folder.path().join("hookwright.db"), Sealer::new(None))
            .await
            .unwrap();
        let (now, low_water) = (engine.now().await.unwrap(), EventId(Uuid::nil()));
        // No smaller than it is, so there is no room for another page.
        sqlx::query("pragma max_page_count = 1")
            .execute(&mut *engine.writer.lock().await)
            .await
            .unwrap();
        let long = "x".repeat(100_000);
        engine.enlist(&long, now, low_water).await.unwrap_err();
        // A transaction that is given up in the ordinary way.
        let nobody = engine.recover(Incarnation(-1), now).await.unwrap();
        assert_eq!(nobody, None);

        let node = engine.enlist("node", now, low_water).await.unwrap();
        let seen = engine.expired_nodes(Timestamp::IN_LINE).await.unwrap();
        assert_eq!(seen, [node], "the readers see what is committed");
    }
}
