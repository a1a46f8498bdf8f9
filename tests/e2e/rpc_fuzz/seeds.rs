//! Which runs there are. Without instructions always the same few, so that a test that passes goes on passing.

use std::{env, fmt::Debug, ops::Range, str::FromStr};

use rand::{SeedableRng as _, rngs::StdRng};

/// One run after another, each from a seed of its own.
pub(super) struct Runs {
    pub(super) seeds: Range<u64>,
    /// Steps of one run.
    pub(super) steps: usize,
    /// Whether nobody has asked for others.
    pub(super) are_usual: bool,
}

impl Runs {
    /// `HOOKWRIGHT_FUZZ_SEEDS` says how many seeds, `HOOKWRIGHT_FUZZ_SEED` which is the first (and then, by itself, the only
    /// one), and `HOOKWRIGHT_FUZZ_STEPS` how many steps are made from each.
    pub(super) fn of_environment(seeds: u64, steps: usize) -> Self {
        let (first, count) = (variable(FIRST), variable(COUNT));
        let wanted: Option<usize> = variable(STEPS);
        let are_usual = first.is_none() && count.is_none() && wanted.is_none();
        let count = count.unwrap_or(if first.is_some() { 1 } else { seeds });
        let first: u64 = first.unwrap_or(0);
        Self {
            seeds: first..first.saturating_add(count),
            steps: wanted.unwrap_or(steps),
            are_usual,
        }
    }
}

/// What repeats one run.
pub(super) fn hint(seed: u64) -> String {
    format!(
        "repeat it with {FIRST}={seed} scripts/with-postgres cargo test -p hookwright-tests --all-features --test e2e rpc_fuzz"
    )
}

pub(super) fn random(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

fn variable<T: FromStr<Err: Debug>>(name: &str) -> Option<T> {
    env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|error| panic!("{name}: {error:?}")))
}

const FIRST: &str = "HOOKWRIGHT_FUZZ_SEED";
const COUNT: &str = "HOOKWRIGHT_FUZZ_SEEDS";
const STEPS: &str = "HOOKWRIGHT_FUZZ_STEPS";
