//! A database of its own for each test, and what the server says about it.

use std::{env, fs, path::PathBuf, process};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool, Row as _, postgres::PgPoolOptions};
use url::Url;

use crate::{clock::Moment, usage};

/// A new, empty database, and a connection to another one to watch it from: so our own statements do not count.
#[derive(Debug)]
pub(crate) struct Database {
    name: String,
    url: Url,
    admin: PgPool,
    /// The server's data folder; unknown when the server was not started by `scripts/with-postgres`.
    folder: Option<PathBuf>,
    statements_counted: bool,
}

/// Files of the write-ahead log that a server has ready after [`fill_log`], a few less.
const LOG_FILES: i64 = 48;

/// One normalised statement, as `pg_stat_statements` counted it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Statement {
    pub(crate) calls: i64,
    pub(crate) total_ms: f64,
    pub(crate) rows: i64,
    pub(crate) text: String,
}

impl Database {
    pub(crate) async fn create() -> Result<Self> {
        let server = server()?;
        let mut url = Url::parse(&server).context("HOOKWRIGHT_TEST_POSTGRES is not a URL")?;
        let admin = PgPoolOptions::new()
            .max_connections(2)
            .connect(&server)
            .await
            .context("connecting to PostgreSQL")?;
        fill_log(&admin).await?;
        let name = new_name();
        sqlx::query(AssertSqlSafe(format!("create database {name}")))
            .execute(&admin)
            .await?;
        url.set_path(&name);
        let statements_counted = sqlx::query("create extension if not exists pg_stat_statements")
            .execute(&admin)
            .await
            .is_ok()
            && sqlx::query("select count(*) from pg_stat_statements")
                .execute(&admin)
                .await
                .is_ok();
        Ok(Self {
            name,
            url,
            admin,
            folder: env::var_os("HOOKWRIGHT_TEST_POSTGRES_DATA").map(PathBuf::from),
            statements_counted,
        })
    }

    pub(crate) fn url(&self) -> &str {
        self.url.as_str()
    }

    pub(crate) fn folder(&self) -> Option<&PathBuf> {
        self.folder.as_ref()
    }

    /// Version and what decides whether a commit is durable.
    pub(crate) async fn description(&self) -> Result<String> {
        let mut values = Vec::new();
        for show in ["show server_version", "show fsync", "show synchronous_commit"] {
            let value: String = sqlx::query_scalar(show).fetch_one(&self.admin).await?;
            values.push(value);
        }
        let [version, fsync, commit] = values.as_slice() else {
            bail!("three settings were asked for");
        };
        Ok(format!(
            "PostgreSQL {version}, fsync {fsync}, synchronous_commit {commit}"
        ))
    }

    /// Starts counting statements.
    pub(crate) async fn reset_statements(&self) -> Result<()> {
        if self.statements_counted {
            sqlx::query("select pg_stat_statements_reset(0, oid, 0) from pg_database where datname = $1")
                .bind(&self.name)
                .execute(&self.admin)
                .await?;
        }
        Ok(())
    }

    /// What was executed since the count started, the most expensive first. `None` when the server does not count.
    pub(crate) async fn statements(&self) -> Result<Option<Vec<Statement>>> {
        if !self.statements_counted {
            return Ok(None);
        }
        let rows = sqlx::query(
            "select s.query, s.calls, s.total_exec_time, s.rows
             from pg_stat_statements s join pg_database d on d.oid = s.dbid
             where d.datname = $1 and s.toplevel
             order by s.total_exec_time desc",
        )
        .bind(&self.name)
        .fetch_all(&self.admin)
        .await?;
        let statement = |row: &sqlx::postgres::PgRow| -> Result<Statement> {
            Ok(Statement {
                text: row.try_get(0)?,
                calls: row.try_get(1)?,
                total_ms: row.try_get(2)?,
                rows: row.try_get(3)?,
            })
        };
        rows.iter().map(statement).collect::<Result<_>>().map(Some)
    }

    /// How many lanes of retries each node owns, the node that started first first.
    pub(crate) async fn lanes_of_nodes(&self) -> Result<Vec<u64>> {
        let mut connection = PgConnection::connect(self.url()).await?;
        let lanes: Vec<i64> = sqlx::query_scalar(
            "select count(l.lane)
             from node n left join lane l on l.owner = n.incarnation
             group by n.incarnation
             order by n.incarnation",
        )
        .fetch_all(&mut connection)
        .await?;
        connection.close().await?;
        Ok(lanes.into_iter().map(i64::unsigned_abs).collect())
    }

    /// Bytes of write-ahead log since the server was initialised.
    pub(crate) async fn log_position(&self) -> Result<u64> {
        let position: i64 = sqlx::query_scalar("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")
            .fetch_one(&self.admin)
            .await?;
        Ok(position.unsigned_abs())
    }

    pub(crate) async fn size(&self) -> Result<u64> {
        let size: i64 = sqlx::query_scalar("select pg_database_size($1::text::name)")
            .bind(&self.name)
            .fetch_one(&self.admin)
            .await?;
        Ok(size.unsigned_abs())
    }

    /// CPU time of the whole server in microseconds, ended backends included. `None` when its processes are unknown.
    pub(crate) fn cpu_micros(&self) -> Result<Option<u64>> {
        self.postmaster()?.map(usage::family_cpu_micros).transpose()
    }

    pub(crate) fn memory(&self) -> Result<Option<u64>> {
        self.postmaster()?.map(usage::family_memory).transpose()
    }

    fn postmaster(&self) -> Result<Option<u32>> {
        let Some(folder) = &self.folder else {
            return Ok(None);
        };
        let file = fs::read_to_string(folder.join("postmaster.pid")).context("reading postmaster.pid")?;
        let pid = file.lines().next().and_then(|line| line.trim().parse().ok());
        Ok(Some(
            pid.context("postmaster.pid does not start with a process id")?,
        ))
    }

    /// Makes a copy of this database, to which nobody may be connected, and returns its name.
    pub(crate) async fn keep(&self) -> Result<String> {
        let kept = new_name();
        copy(&self.admin, &self.name, &kept).await?;
        Ok(kept)
    }

    /// Becomes a copy of the database that is kept under this name.
    pub(crate) async fn replace_by(&self, kept: &str) -> Result<()> {
        self.drop().await?;
        copy(&self.admin, kept, &self.name).await
    }

    pub(crate) async fn drop(&self) -> Result<()> {
        remove(&mut *self.admin.acquire().await?, &self.name).await
    }

    /// Drops a database that is kept.
    pub(crate) async fn remove(kept: &str) -> Result<()> {
        let mut connection = PgConnection::connect(&server()?).await?;
        remove(&mut connection, kept).await?;
        connection.close().await?;
        Ok(())
    }
}

fn server() -> Result<String> {
    env::var("HOOKWRIGHT_TEST_POSTGRES").context(
        "HOOKWRIGHT_TEST_POSTGRES is not set: use `scripts/with-postgres --durable hookwright-bench …`",
    )
}

/// Of our own letters and digits: it may stand in a statement as it is.
fn new_name() -> String {
    format!("hookwright_bench_{}_{}", process::id(), Moment::now().nanos())
}

/// Copies the files of a database, which writes none of them to the log. Before version 15 there is no other strategy,
/// nor a word for this one.
async fn copy(admin: &PgPool, from: &str, to: &str) -> Result<()> {
    let has_strategies: bool =
        sqlx::query_scalar("select current_setting('server_version_num')::int >= 150000")
            .fetch_one(admin)
            .await?;
    let strategy = if has_strategies { "strategy file_copy" } else { "" };
    sqlx::query(AssertSqlSafe(format!(
        "create database {to} template {from} {strategy}"
    )))
    .execute(admin)
    .await
    .with_context(|| format!("copying the database {from}"))?;
    Ok(())
}

async fn remove(connection: &mut PgConnection, name: &str) -> Result<()> {
    sqlx::query(AssertSqlSafe(format!(
        "drop database if exists {name} with (force)"
    )))
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes 1 GiB of log to a server that has just been made. Such a one has to create each file of its log and fill it with
/// zeros, and whoever commits waits for that, 60 ms here; one that has run for a while uses its old files again.
async fn fill_log(admin: &PgPool) -> Result<()> {
    let files: i64 = sqlx::query_scalar("select count(*) from pg_ls_waldir()")
        .fetch_one(admin)
        .await
        .context("listing the files of the server's log, which takes a superuser or pg_monitor")?;
    if files < LOG_FILES {
        sqlx::query(
            "select count(pg_logical_emit_message(false, 'hookwright-bench', repeat('x', 1048576)))
             from generate_series(1, 1024)",
        )
        .execute(admin)
        .await?;
        sqlx::query("checkpoint")
            .execute(admin)
            .await
            .context("a checkpoint, which takes a superuser")?;
    }
    Ok(())
}
