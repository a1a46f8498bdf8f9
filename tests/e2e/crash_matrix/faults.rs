//! What breaks, and how it is seen that it did: every wait is for something that the fault or its end brings about.

use hookwright_store::StoreAddress;
use sqlx::{Connection as _, PgConnection};

use super::{
    bed::Bed,
    full_disk::FullDisk,
    log::Log,
    rounds,
    tally::{Tally, owed},
    within_patience,
};
use crate::{
    adversarial::{
        outage::{BreakableStore, PrivateServer},
        skewed_clock::SkewedClock,
    },
    harness::Database,
    nodes::Process,
};

/// Events that are published in a round, at least.
const EVENTS: usize = 60;
const HOUR: i64 = 60 * 60;

/// Kill -9 at a moment that no step stands for.
pub(super) async fn killed(database: &Database) -> Tally {
    let (bed, mut node) = Bed::set_up(database.address(), &[]).await;
    for round in 0..rounds() {
        bed.publishers.allow(EVENTS);
        bed.receivers.accept(30 + 37 * round % 61).await;
        bed.kill(node).await;
        node = bed.start(&[]).await.expect("it starts");
    }
    bed.close().await
}

/// PostgreSQL is stopped and started again; of the embedded store, another process has the file.
pub(super) async fn store_away(database: &Database) -> Tally {
    let mut store = BreakableStore::like(database).await;
    let (bed, _node) = Bed::set_up(store.address(), &[]).await;
    for round in 0..2 * rounds() {
        bed.publishers.allow(EVENTS);
        bed.receivers.accept(EVENTS).await;
        match &mut store {
            BreakableStore::Postgresql(server) => {
                server.stop(["immediate", "fast"][round % 2]);
            }
            BreakableStore::Sqlite { .. } => store.fail().await,
        }
        bed.publishers.allow(EVENTS);
        bed.publishers.refuse(2).await;
        store.come_back().await;
        bed.publishers.allow(EVENTS);
        bed.publishers.acknowledge(EVENTS / 2).await;
    }
    bed.close().await
}

/// All connections of the service to PostgreSQL are cut, again and again.
pub(super) async fn connections_cut(database: &Database) -> Tally {
    let (bed, _node) = Bed::set_up(database.address(), &[]).await;
    let mut administrator = PgConnection::connect(&database.url()).await.unwrap();
    for _ in 0..10 * rounds() {
        bed.publishers.allow(EVENTS);
        bed.publishers.acknowledge(7).await;
        let cut: Vec<(bool,)> = sqlx::query_as(
            "select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and application_name = 'hookwright'",
        )
        .fetch_all(&mut administrator)
        .await
        .unwrap();
        assert!(!cut.is_empty());
    }
    bed.close().await
}

/// The disk has no room for a while.
pub(super) async fn disk_full(database: &Database) -> Tally {
    let disk = FullDisk::build();
    let environment = disk.environment();
    match database.address() {
        StoreAddress::Postgres(_) => {
            let server = PrivateServer::start_in(&environment);
            let (bed, mut node) = Bed::set_up(server.address(), &[]).await;
            for _ in 0..rounds() {
                fill_for_a_while(&bed, &disk, || server.start_again_if_down()).await;
                node = replace(&bed, node, &[]).await;
            }
            let tally = bed.close().await;
            drop(node);
            tally
        }
        StoreAddress::Sqlite(_) => {
            let (bed, mut node) = Bed::set_up(database.address(), &environment).await;
            for _ in 0..rounds() {
                fill_for_a_while(&bed, &disk, || {}).await;
                node = replace(&bed, node, &environment).await;
            }
            let tally = bed.close().await;
            drop(node);
            tally
        }
    }
}

/// What was acknowledged after all that is in the store, and not only in the node that said so.
async fn replace(bed: &Bed, node: Process, environment: &[(&str, &str)]) -> Process {
    bed.kill(node).await;
    bed.start(environment).await.expect("it starts")
}

async fn fill_for_a_while(bed: &Bed, disk: &FullDisk, afterwards: impl Fn()) {
    bed.publishers.allow(EVENTS);
    bed.receivers.accept(EVENTS).await;
    disk.fill();
    // There may be room left in the files that there are.
    bed.publishers.allow(100 * EVENTS);
    bed.publishers.refuse(5).await;
    disk.free();
    afterwards();
    bed.publishers.allow(EVENTS);
    bed.publishers.acknowledge(EVENTS / 2).await;
}

/// A node stands still until another one has taken over, and then goes on as if nothing had happened.
pub(super) async fn frozen(database: &Database) -> Tally {
    let (bed, survivor) = Bed::set_up(database.address(), &[]).await;
    let victim = Process::start_at(database.address(), &[], &[])
        .await
        .expect("it starts");
    bed.publish_to(&[&victim, &survivor]).await;
    let mut log = Log::open(database.address()).await;
    nodes(&mut log, 2).await;
    for _ in 0..rounds() {
        bed.publishers.allow(EVENTS);
        bed.receivers.accept(EVENTS).await;
        victim.signal("STOP").await;
        bed.receivers.something_is_broken(true);
        nodes(&mut log, 1).await;
        bed.publishers.allow(EVENTS);
        bed.publishers.acknowledge(EVENTS / 4).await;
        victim.signal("CONT").await;
        bed.publishers.allow(EVENTS);
        bed.publishers.acknowledge(EVENTS / 4).await;
        // It has found out, and what it had is delivered by one or the other.
        nodes(&mut log, 2).await;
        bed.receivers.hold(false);
        bed.receivers
            .accept_all(&owed(&bed.publishers.acknowledged()))
            .await;
        bed.receivers.hold(true);
        bed.receivers.something_is_broken(false);
    }
    bed.close().await
}

/// Waits until so many nodes are enlisted.
async fn nodes(log: &mut Log, wanted: usize) {
    let so_many = async {
        while log.nodes().await != wanted {
            tokio::task::yield_now().await;
        }
    };
    within_patience("a node is taken over, or back", so_many).await;
}

/// Nodes whose clocks are an hour off die and are replaced.
pub(super) async fn clock_off(database: &Database) -> Tally {
    let clock = SkewedClock::build();
    let fast = clock.environment(HOUR);
    // The embedded store goes by the machine's clock, which may be wrong but goes forward.
    let slow = match database.address() {
        StoreAddress::Postgres(_) => clock.environment(-HOUR),
        StoreAddress::Sqlite(_) => clock.environment(HOUR),
    };
    let (bed, mut node) = Bed::set_up(database.address(), &[]).await;
    for round in 0..2 * rounds() {
        bed.publishers.allow(EVENTS);
        bed.receivers.accept(EVENTS).await;
        bed.kill(node).await;
        let skewed = if round % 2 == 0 { &fast } else { &slow };
        let skewed: Vec<(&str, &str)> = skewed
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        node = bed.start(&skewed).await.expect("it starts");
    }
    bed.close().await
}

/// The receivers break off what they are doing and are gone for a while.
pub(super) async fn receivers_restart(database: &Database) -> Tally {
    let (bed, _node) = Bed::set_up(database.address(), &[]).await;
    for _ in 0..2 * rounds() {
        bed.publishers.allow(EVENTS);
        bed.receivers.accept(EVENTS).await;
        bed.receivers.go_down().await;
        bed.publishers.allow(EVENTS);
        bed.publishers.acknowledge(EVENTS / 3).await;
        bed.receivers.come_back();
        bed.receivers.accept(EVENTS).await;
    }
    bed.close().await
}
