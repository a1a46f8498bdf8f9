//! The crash matrix: everything that can break, on both stores, with a ledger.
//!
//! Six publishers, three of them with idempotency keys, publish to receivers that are good, slow, failing, in order, or
//! refuse for good, while a fault is brought about again and again. In the end
//!
//! - every delivery of an acknowledged event has arrived, or is dead and says so;
//! - every delivery has one history: attempt numbers without gaps, one end, nothing after it but replays;
//! - a request came twice only if a fault lies between the two;
//! - an idempotency key stands for one event, order was kept, and what was given up was told, once.
//!
//! `make test` has one round of each fault; `scripts/crash-matrix ROUNDS` has as many as wanted and prints a table.

mod bed;
mod faults;
mod full_disk;
mod log;
mod publishers;
mod receivers;
mod steps;
mod tally;

use std::time::Duration;

use hookwright_store::StoreAddress;

use crate::harness::{Database, on_both_stores};

/// Only a broken test or product waits this long: a minute is what a breaker may make a receiver wait.
const PATIENCE: Duration = Duration::from_secs(90);
/// Stores on which steps are tried at the same time.
const POSTGRESQL_CHAINS: usize = 4;
const SQLITE_CHAINS: usize = 2;

/// How often each fault is brought about.
fn rounds() -> usize {
    std::env::var("HOOKWRIGHT_CRASH_ROUNDS").map_or(1, |rounds| rounds.parse().expect("a number of rounds"))
}

async fn within_patience<T>(what: &str, fact: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, fact)
        .await
        .unwrap_or_else(|_| panic!("never happens: {what}"))
}

/// The part that the ids of an event and of its messages have in common.
fn bare(id: &str) -> String {
    id.rsplit('_').next().unwrap().to_owned()
}

fn store(database: &Database) -> &'static str {
    match database.address() {
        StoreAddress::Postgres(_) => "PostgreSQL",
        StoreAddress::Sqlite(_) => "SQLite",
    }
}

on_both_stores! {
    /// A crash between two steps would lose what was acknowledged, or do it twice.
    async fn killed_at_every_step(database: &Database) {
        let mut databases = Vec::new();
        match database.address() {
            StoreAddress::Postgres(_) => for _ in 0..POSTGRESQL_CHAINS {
                databases.push(Database::postgresql().await);
            },
            StoreAddress::Sqlite(_) => for _ in 0..SQLITE_CHAINS {
                databases.push(Database::sqlite());
            },
        }
        let tally = steps::kill_at_every_step(&databases).await;
        tally.print("killed at every step", store(database), rounds());
        for database in databases {
            database.remove().await;
        }
    }

    /// A crash at any other moment would.
    async fn killed_at_any_moment(database: &Database) {
        faults::killed(database).await.print("killed at any moment", store(database), rounds());
    }

    /// What is accepted while the store goes away and comes back would be lost or stored twice.
    async fn store_stopped_and_started(database: &Database) {
        faults::store_away(database).await.print("store stopped and started", store(database), 2 * rounds());
    }

    /// A disk without room would lose results, or be answered for.
    async fn disk_full_for_a_while(database: &Database) {
        faults::disk_full(database).await.print("disk full for a while", store(database), rounds());
    }

    /// A wrong clock would make retries late by an hour, or end the leases of others.
    async fn clock_an_hour_off(database: &Database) {
        faults::clock_off(database).await.print("clock an hour off, and killed", store(database), 2 * rounds());
    }

    /// A receiver that is deployed would miss what was on its way to it.
    async fn receivers_restarted(database: &Database) {
        faults::receivers_restart(database).await.print("receivers restarted", store(database), 2 * rounds());
    }
}

/// A network that cuts connections would make the service forget what it had stored, or store it twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_cut_again_and_again() {
    let database = Database::postgresql().await;
    let tally = faults::connections_cut(&database).await;
    tally.print("connections cut", store(&database), 10 * rounds());
    database.remove().await;
}

/// A node that was paused would finish what another one has taken over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_paused_past_its_lease() {
    let database = Database::postgresql().await;
    let tally = faults::frozen(&database).await;
    tally.print("node paused past its lease", store(&database), rounds());
    database.remove().await;
}
