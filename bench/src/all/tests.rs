//! What is run, and with which arguments.

/// One command line of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Test {
    /// Of its files, and in the table.
    pub(super) name: String,
    /// From the subcommand on.
    pub(super) arguments: String,
    /// How often; at most as often as is asked for.
    pub(super) rounds_max: u32,
}

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Of `run` and `nodes`.
    window: &'static str,
    warmup: &'static str,
    future_retries: u64,
    due: u64,
    rest: &'static str,
    takeover_events: u32,
    crash_events: u32,
    kills: u32,
    /// How long, and how many events per second.
    soak: &'static str,
    /// Events per second of the two open loops that have targets.
    rates: [u32; 2],
    /// Further ones, for the curve.
    curve: &'static [u32],
}

impl Sizes {
    /// Those that figures are published of.
    pub(super) const FULL: Self = Self {
        window: "20s",
        warmup: "5s",
        future_retries: 5_000_000,
        due: 1_000_000,
        rest: "15s",
        takeover_events: 5_000,
        crash_events: 20_000,
        kills: 20,
        soak: "--duration 30m --rate 7000",
        rates: [800, 5_000],
        curve: &[200, 2_000, 3_500, 7_500, 10_000, 15_000],
    };
    /// Those that show that everything works.
    pub(super) const QUICK: Self = Self {
        window: "3s",
        warmup: "1s",
        future_retries: 20_000,
        due: 5_000,
        rest: "2s",
        takeover_events: 500,
        crash_events: 1_000,
        kills: 2,
        soak: "--duration 25s",
        rates: [800, 5_000],
        curve: &[200],
    };
}

/// The stores as they are named on the command line and in names of tests.
pub(super) const STORES: [&str; 2] = ["postgres", "sqlite"];

/// Short ones first: what is broken shows early.
pub(super) fn tests(sizes: &Sizes) -> Vec<Test> {
    let mut tests = Vec::new();
    let mut add = |name: String, arguments: String, rounds_max: u32| {
        tests.push(Test {
            name,
            arguments,
            rounds_max,
        });
    };
    for store in STORES {
        for (suffix, prepared) in [("", String::new()), ("-full", sizes.prepared())] {
            for (load, arguments) in sizes.loads() {
                add(
                    format!("{load}-{store}{suffix}"),
                    format!("run --store {store} {arguments} {}{prepared}", sizes.windows()),
                    u32::MAX,
                );
            }
        }
        add(
            format!("calls-{store}"),
            format!("run --store {store} --concurrency 128 {}", sizes.windows()),
            u32::MAX,
        );
        for rate in sizes.curve {
            add(
                format!("rate-{rate}-{store}"),
                format!("run --store {store} --rate {rate} {}", sizes.windows()),
                1,
            );
        }
        let Sizes {
            rest, window, due, ..
        } = sizes;
        add(
            format!("memory-{store}"),
            format!("memory --store {store} --rest {rest} --duration {window} --due {due}"),
            u32::MAX,
        );
        let Sizes {
            kills, crash_events, ..
        } = sizes;
        add(
            format!("crash-{store}"),
            format!(
                "crash --store {store} --kills {kills} --events {crash_events} --receiver-latency 20ms --seed 1"
            ),
            1,
        );
    }
    add(
        "nodes".into(),
        format!("nodes --stream {}", sizes.windows()),
        u32::MAX,
    );
    add(
        "nodes-retries".into(),
        format!(
            "nodes {} --receiver-fail-share 0.05 --retry-delays 500ms,500ms,500ms,500ms,500ms,500ms",
            sizes.windows()
        ),
        1,
    );
    let events = sizes.takeover_events;
    add(
        "takeover".into(),
        format!("takeover --events {events} --receiver-latency 200ms --limit 6s"),
        u32::MAX,
    );
    for store in STORES {
        add(
            format!("soak-{store}"),
            format!("soak --store {store} {}", sizes.soak),
            1,
        );
    }
    // A test that runs once must not come between the rounds of the others, least of all one of half an hour.
    tests.sort_by_key(|test| test.rounds_max == 1);
    tests
}

impl Sizes {
    fn windows(&self) -> String {
        format!("--duration {} --warmup {}", self.window, self.warmup)
    }

    fn prepared(&self) -> String {
        format!(
            " --future-retries {} --due-on-dead-webhook {}",
            self.future_retries, self.due
        )
    }

    /// Names of loads, and what they are.
    fn loads(&self) -> [(String, String); 4] {
        let [low, high] = self.rates;
        [
            ("saturation".into(), "--concurrency 128 --stream".into()),
            ("fan-out-10".into(), "--concurrency 64 --fan-out 10".into()),
            (format!("rate-{low}"), format!("--rate {low}")),
            (format!("rate-{high}"), format!("--rate {high}")),
        ]
    }
}

#[cfg(test)]
mod command_lines {
    use clap::Parser as _;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn every_test_is_a_command_that_exists() {
        for sizes in [Sizes::FULL, Sizes::QUICK] {
            for test in tests(&sizes) {
                let line = format!("hookwright-bench {}", test.arguments);
                let parsed = Cli::try_parse_from(line.split(' '));
                assert!(parsed.is_ok(), "{}: {line}: {}", test.name, parsed.unwrap_err());
            }
        }
    }

    #[test]
    fn names_are_unique_and_those_with_one_round_come_last() {
        let tests = tests(&Sizes::FULL);
        let mut names: Vec<&str> = tests.iter().map(|test| test.name.as_str()).collect();
        assert!(tests.is_sorted_by_key(|test| test.rounds_max == 1));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), tests.len());
    }
}
