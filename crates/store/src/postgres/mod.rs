//! The PostgreSQL engine. Statements are checked against the schema when this crate is compiled.

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
mod partitions;
mod publish;
mod reads;
mod registrations;
mod replays;
mod retries;
mod sealing;
mod secrets;
mod stats;
mod tenants;
mod webhooks;

use std::{str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{Lane, StoreAddress, StoreError, TenantId, Timestamp, WebhookId, sealing::Sealer};

/// Configuration, reads, polls and heartbeats.
const CONNECTIONS_MAX: u32 = 12;
/// Longer than any statement of ours takes; an overloaded database answers with an error instead of a queue.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Held by whoever changes webhooks, so that versions become visible in the order of their numbers.
const CONFIG_LOCK: i64 = 0x686f_6f6b_0001;
/// Held by whoever makes or drops partitions.
const PARTITION_LOCK: i64 = 0x686f_6f6b_0002;

/// Of the connection that events are written on. The server would plan each batch anew, because it believes in what it knows
/// about the arrays, and that takes longer than to store a few events. The plan that it keeps is for batches of any size, so it
/// joins them by hashing.
const EVENTS_OPTIONS: [(&str, &str); 3] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_nestloop", "off"),
];
/// Of the connection that results are written on. Its statements find rows by their keys, a batch at a time. A plan that was
/// made while the retry table was empty would read all of it instead, for as long as nobody has analyzed it.
const RESULTS_OPTIONS: [(&str, &str); 4] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
];

#[derive(Debug)]
pub(crate) struct Postgres {
    pool: PgPool,
    events: PgPool,
    /// Its commits wait for the disk like all others. A database that crashes without them would bring back a past in which
    /// failures have no retry rows, while this node has gone on and never looks at their events again.
    results: PgPool,
    sealer: Sealer,
}

impl Postgres {
    pub(crate) async fn open(url: &str, sealer: Sealer) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|error| StoreError::Address {
                url: StoreAddress::Postgres(url.to_owned()).to_string(),
                problem: error.to_string(),
            })?
            .application_name("hookwright")
            .disable_statement_logging()
            .options([
                // A node that stands still in the middle of a transaction holds rows that others wait for.
                ("idle_in_transaction_session_timeout", "5s"),
                ("lock_timeout", "10s"),
                // Our statements take less time than compiling them does.
                ("jit", "off"),
            ]);
        let pool = pool(CONNECTIONS_MAX).connect_with(options.clone()).await?;
        let events = pool_of_one()
            .connect_with(options.clone().options(EVENTS_OPTIONS))
            .await?;
        let results = pool_of_one()
            .connect_with(options.options(RESULTS_OPTIONS))
            .await?;
        sqlx::migrate!("migrations/postgres").run(&pool).await?;
        sqlx::query!(
            "insert into tenant (id, lane, name) values ($1, $2, 'default') on conflict do nothing",
            TenantId::DEFAULT.0,
            TenantId::DEFAULT.lane().0
        )
        .execute(&pool)
        .await?;
        Ok(Self {
            pool,
            events,
            results,
            sealer,
        })
    }

    pub(crate) async fn now(&self) -> Result<Timestamp, StoreError> {
        let now = sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#)
            .fetch_one(&self.pool)
            .await?;
        Ok(Timestamp::from_sql(now))
    }
}

fn pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A broken connection shows itself in the statement; asking first would double every round trip.
        .test_before_acquire(false)
}

fn pool_of_one() -> PgPoolOptions {
    pool(1)
}

/// A row count or limit as PostgreSQL takes it.
fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A stored number of an attempt, which our own statements keep above zero.
fn read_number(number: i16) -> u16 {
    u16::try_from(number).unwrap_or_default()
}

fn lane_numbers(lanes: &[Lane]) -> Vec<i16> {
    lanes.iter().map(|lane| lane.0).collect()
}

fn webhook_ids(ids: Vec<uuid::Uuid>) -> Vec<WebhookId> {
    ids.into_iter().map(WebhookId).collect()
}
