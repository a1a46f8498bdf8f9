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

use self::{
    census::Census,
    history::History,
    scenario::{Scenario, Size},
};

/// Lines of the trace that a failure shows.
const TAIL: usize = 60;

impl Size {
    /// How many seeds a test run takes.
    const fn seeds(self) -> u64 {
        match self {
            Self::Small => 2_000,
            Self::Large => 100,
        }
    }

    /// The test that lives worlds of this size.
    const fn test(self) -> &'static str {
        match self {
            Self::Small => "small_worlds",
            Self::Large => "large_worlds",
        }
    }
}

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

fn live(scenario: &Scenario) -> History {
    let folder = tempfile::tempdir().unwrap();
    world::live(scenario.clone(), folder.path())
}

/// What a seed came across, or what is wrong with it, for people.
fn look_at(seed: u64, size: Size) -> Result<Census, String> {
    let command = format!(
        "HOOKWRIGHT_SIMULATION_SEED={seed} HOOKWRIGHT_SIMULATION_SEEDS=1 cargo test -p hookwright-server \
         --all-features {} -- --nocapture",
        size.test()
    );
    let scenario = Scenario::of(seed, size);
    let lived = catch_unwind(AssertUnwindSafe(|| live(&scenario)));
    let Ok(history) = lived else {
        return Err(format!("seed {seed} broke down; repeat it with\n  {command}"));
    };
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

/// Keeps this thread, and those that it starts, on one of the CPUs that it may use. A world hands each statement to the
/// thread of its database and waits; waking that one on another CPU takes longer than the statement.
fn stay_on(cpu: usize) {
    #[cfg(target_os = "linux")]
    {
        use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

        let Ok(allowed) = sched_getaffinity(None) else {
            return;
        };
        let chosen = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).nth(cpu);
        if let Some(chosen) = chosen {
            let mut only = CpuSet::new();
            only.set(chosen);
            // Where it is not allowed, the worlds take longer.
            let _ = sched_setaffinity(None, &only);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = cpu;
}

fn look_at_worlds(size: Size) {
    let first = setting("HOOKWRIGHT_SIMULATION_SEED").unwrap_or(0);
    let count = setting("HOOKWRIGHT_SIMULATION_SEEDS").unwrap_or(size.seeds());
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let worlds: Vec<Result<Census, String>> = std::thread::scope(|scope| {
        let worker = |cpu| {
            stay_on(cpu);
            let seeds = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
            let seeds = seeds.take_while(|seed| *seed - first < count);
            seeds.map(|seed| look_at(seed, size)).collect::<Vec<_>>()
        };
        let workers: Vec<_> = (0..threads).map(|cpu| scope.spawn(move || worker(cpu))).collect();
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
    if count >= size.seeds() {
        // A promise that nothing puts to the test any more is not kept but forgotten.
        assert_eq!(census.missing(), [""; 0]);
    }
}

/// If this fails, deliveries are lost, early, out of order or made too often when something goes wrong at a bad moment.
#[test]
fn small_worlds_keep_every_promise() {
    look_at_worlds(Size::Small);
}

/// If this fails, the same is true where much happens at once and goes on for long.
#[test]
fn large_worlds_keep_every_promise() {
    look_at_worlds(Size::Large);
}

/// If this fails, a seed that has failed may not fail again, and what it found cannot be looked into.
#[test]
fn the_same_seed_lives_the_same_history() {
    let large = (0..6).map(|seed| (seed, Size::Large));
    let small = (0..20).map(|seed| (seed, Size::Small));
    for (seed, size) in large.chain(small) {
        let scenario = Scenario::of(seed, size);
        let (once, again) = (live(&scenario), live(&scenario));
        let difference = once
            .trace
            .iter()
            .zip(&again.trace)
            .find(|(one, other)| one != other);
        assert_eq!(difference, None, "seed {seed}, {size:?}");
        assert_eq!(hash_of(&once), hash_of(&again), "seed {seed}, {size:?}");
    }
}

fn hash_of(history: &History) -> u64 {
    let mut hash = DefaultHasher::new();
    (&history.trace, format!("{:?}", history.deliveries)).hash(&mut hash);
    hash.finish()
}
