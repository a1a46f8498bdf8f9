//! Deterministic simulation: the real engine and the real store in a world that a seed makes up.
//!
//! ```text
//!   seed ──► scenario ──► world: clients, receivers, faults ──► history ──► oracle: promises kept?
//!                           │        ▲
//!                           ▼        │ requests, operations of the store
//!                         process: directory, engine, store on a file, paused time
//! ```
//!
//! A process lives on a runtime of its own, whose time moves only when everybody waits. A crash drops it; the next one
//! starts on the same file. `docs/simulation.md` says how to repeat a seed.

mod census;
mod history;
mod oracle;
mod oracle_tests;
mod process;
mod receiver;
mod regressions;
mod scenario;
mod world;

use std::{
    env,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
};

use self::{census::Census, history::History, scenario::Scenario};

/// How many seeds a test run takes.
const SEEDS: u64 = 100;
/// Lines of the trace that a failure shows.
const TAIL: usize = 60;

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

fn live(seed: u64) -> History {
    let folder = tempfile::tempdir().unwrap();
    world::live(Scenario::of(seed), folder.path())
}

/// What a seed came across, or what is wrong with it, for people.
fn look_at(seed: u64) -> Result<Census, String> {
    let command = format!(
        "HOOKWRIGHT_SIMULATION_SEED={seed} HOOKWRIGHT_SIMULATION_SEEDS=1 cargo test -p hookwright-server \
         --all-features simulated_worlds -- --nocapture"
    );
    let lived = catch_unwind(AssertUnwindSafe(|| live(seed)));
    let Ok(history) = lived else {
        return Err(format!("seed {seed} broke down; repeat it with\n  {command}"));
    };
    let scenario = Scenario::of(seed);
    let violations = oracle::judge(&scenario, &history);
    if violations.is_empty() {
        return Ok(Census::of(&scenario, &history));
    }
    let broken: Vec<String> = violations
        .iter()
        .map(|violation| format!("  {:?}: {}", violation.rule, violation.what))
        .collect();
    Err(format!(
        "seed {seed} breaks promises:\n{}\nits last moments:\n{}\nrepeat it with\n  {command}",
        broken.join("\n"),
        history.tail(
            setting("HOOKWRIGHT_SIMULATION_TAIL")
                .map_or(TAIL, |lines| { usize::try_from(lines).unwrap_or(TAIL) })
        )
    ))
}

/// If this fails, deliveries are lost, early, out of order or made too often when something goes wrong at a bad moment.
#[test]
fn simulated_worlds_keep_every_promise() {
    let first = setting("HOOKWRIGHT_SIMULATION_SEED").unwrap_or(0);
    let count = setting("HOOKWRIGHT_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let worlds: Vec<Result<Census, String>> = std::thread::scope(|scope| {
        let worker = || {
            let seeds = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
            let seeds = seeds.take_while(|seed| *seed - first < count);
            seeds.map(look_at).collect::<Vec<_>>()
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    });
    let (mut census, mut problems) = (Census::default(), Vec::new());
    for world in worlds {
        match world {
            Ok(found) => census.add(found),
            Err(problem) => problems.push(problem),
        }
    }
    assert!(
        problems.is_empty(),
        "{} of {count} seeds\n{}",
        problems.len(),
        problems.join("\n\n")
    );
    println!("{count} worlds from seed {first} on:\n{census}");
    if count >= 100 {
        // A promise that nothing puts to the test any more is not kept but forgotten.
        assert_eq!(census.missing(), [""; 0]);
    }
}

/// If this fails, a seed that has failed may not fail again, and what it found cannot be looked into.
#[test]
fn the_same_seed_lives_the_same_history() {
    for seed in 0..6 {
        let (once, again) = (live(seed), live(seed));
        let difference = once
            .trace
            .iter()
            .zip(&again.trace)
            .find(|(one, other)| one != other);
        assert_eq!(difference, None, "seed {seed}");
        assert_eq!(hash_of(&once), hash_of(&again), "seed {seed}");
    }
}

fn hash_of(history: &History) -> u64 {
    let mut hash = DefaultHasher::new();
    (&history.trace, format!("{:?}", history.deliveries)).hash(&mut hash);
    hash.finish()
}
