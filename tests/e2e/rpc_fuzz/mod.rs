//! Requests that no honest client would send: every method, with noise, with broken encodings, and with messages that are
//! right but for what is in them. Whatever comes, the answer says whose fault it is, nothing that was refused leaves a
//! trace, and the next request is served.
//!
//! A few fixed seeds run with the other tests. `docs/fuzzing.md` says how to run many.

mod documents;
mod found;
mod frames;
mod generator;
mod learned;
mod ledger;
mod memory;
mod methods;
mod mutation;
mod panics;
mod raw_client;
mod seeds;
mod session;
mod surroundings;
mod transport;
mod values;
mod verdict;
mod wire;

use std::collections::BTreeMap;

use tokio::runtime::{self, Runtime};

pub(crate) use self::raw_client::AsTheyAre;
use self::seeds::Runs;
use crate::harness::Database;

/// Enough to get every method to answer well and badly.
const SEEDS: u64 = 2;
const CALLS: usize = 600;
const ROUNDS: usize = 40;

/// For one run. Tests run at the same time, and panics are told apart by the thread.
fn runtime(thread_name: &str) -> Runtime {
    panics::watch();
    runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name(thread_name)
        .enable_all()
        .build()
        .unwrap()
}

/// A caller could stop the service, or would be told that the service is at fault when he is.
fn whatever_is_sent_is_answered_well(store: &str, database: impl AsyncFn() -> Database) {
    let runs = Runs::of_environment(SEEDS, CALLS);
    let mut answers: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for seed in runs.seeds {
        let name = format!("rpc-fuzz-{store}-{seed}");
        runtime(&name).block_on(async {
            let database = database().await;
            for (method, told) in session::run(&database, seed, runs.steps, &name).await {
                let all = answers.entry(method).or_default();
                for (answer, count) in told {
                    *all.entry(answer).or_default() += count;
                }
            }
            database.remove().await;
        });
    }
    if !runs.are_usual {
        println!("{store}: {answers:#?}");
        memory::assert_bounded();
        return;
    }
    assert_eq!(
        answers.len(),
        methods::all().len(),
        "a method was not called: {answers:?}"
    );
    // Some need a delivery that is over, say, and in a run that is slow there may be none.
    let never_well: Vec<_> = answers
        .iter()
        .filter(|(_, told)| !told.contains_key("OK"))
        .collect();
    assert!(
        never_well.len() <= answers.len() / 4,
        "only refusals: {never_well:?}"
    );
}

#[test]
fn whatever_is_sent_is_answered_well_on_postgresql() {
    whatever_is_sent_is_answered_well("postgresql", Database::postgresql);
}

#[test]
fn whatever_is_sent_is_answered_well_on_sqlite() {
    whatever_is_sent_is_answered_well("sqlite", async || Database::sqlite());
}

/// Whoever reaches the port could stop the service without so much as a request. No store is involved, so one is enough.
#[test]
fn whatever_arrives_at_the_port_the_service_goes_on() {
    let runs = Runs::of_environment(SEEDS, ROUNDS);
    for seed in runs.seeds {
        let name = format!("rpc-fuzz-port-{seed}");
        runtime(&name).block_on(async {
            let database = Database::sqlite();
            transport::run(&database, seed, ROUNDS, &name).await;
            database.remove().await;
        });
    }
}
