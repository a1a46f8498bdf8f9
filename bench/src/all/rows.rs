//! The rows of the table: which figure of which test, and what it should be.

use super::tests::STORES;
use crate::{percentiles::median, recorded::Recorded};

/// What a row shows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) what: String,
    pub(super) unit: &'static str,
    pub(super) test: String,
    figure: &'static str,
    /// The figure is divided by the same one of this test.
    relative_to: Option<String>,
    pub(super) target: Target,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// Shown, not judged.
    None,
}

/// What several rounds gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) rounds: usize,
}

/// What is known about a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Standing {
    NotMeasured,
    /// Every round is void; why.
    Void(String),
    Measured(Measured),
}

impl Target {
    /// `None` when nothing was asked for.
    pub(super) fn is_met(self, value: f64) -> Option<bool> {
        match self {
            Self::AtLeast(least) => Some(value >= least),
            Self::AtMost(most) => Some(value <= most),
            Self::None => None,
        }
    }
}

impl Row {
    fn new(
        what: impl Into<String>,
        unit: &'static str,
        (test, figure): (impl Into<String>, &'static str),
        target: Target,
    ) -> Self {
        Self {
            what: what.into(),
            unit,
            test: test.into(),
            figure,
            relative_to: None,
            target,
        }
    }

    /// Median and spread over the rounds that count.
    pub(super) fn standing(&self, results: &[Recorded]) -> Standing {
        let rounds = || results.iter().filter(|result| result.name == self.test);
        let value = |result: &Recorded| {
            let value = result.figure(self.figure)?;
            match &self.relative_to {
                None => Some(value),
                Some(base) => Some(value / self.base(results, base)?),
            }
        };
        let values: Vec<f64> = rounds()
            .filter(|result| result.void().is_empty())
            .filter_map(value)
            .collect();
        match median(&values) {
            Some(median) => Standing::Measured(Measured {
                median,
                min: values.iter().copied().fold(f64::INFINITY, f64::min),
                max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                rounds: values.len(),
            }),
            None => match rounds().find_map(|result| result.void().into_iter().next()) {
                Some(reason) => Standing::Void(reason),
                None => Standing::NotMeasured,
            },
        }
    }

    /// The median of the other test: its single rounds were not run beside ours.
    fn base(&self, results: &[Recorded], base: &str) -> Option<f64> {
        let rounds = results
            .iter()
            .filter(|result| result.name == base && result.void().is_empty());
        let values: Vec<f64> = rounds.filter_map(|result| result.figure(self.figure)).collect();
        median(&values).filter(|median| *median > 0.0)
    }
}

/// All rows, by section.
pub(super) fn sections() -> Vec<(&'static str, Vec<Row>)> {
    let mut throughput = Vec::new();
    for (what, load, [postgres, sqlite]) in [
        ("over a stream", "saturation", [15_000.0, 20_000.0]),
        ("a call for each event", "calls", [15_000.0, 20_000.0]),
        ("fan-out 10", "fan-out-10", [40_000.0, 40_000.0]),
    ] {
        for ((store, name), least) in STORES.into_iter().zip(STORE_NAMES).zip([postgres, sqlite]) {
            throughput.push(Row::new(
                format!("deliveries/s, {what}, {name}"),
                "/s",
                (format!("{load}-{store}"), "delivered"),
                Target::AtLeast(least),
            ));
        }
    }
    vec![
        ("Throughput, as fast as it goes", throughput),
        ("Latency, open loop", latency()),
        ("Cost of a delivery, as fast as it goes over a stream", cost()),
        ("Resident memory of the service", memory()),
        ("With a full store, against an empty one", full_store()),
        ("Several nodes on one PostgreSQL", nodes()),
    ]
}

/// Percentiles by name, and the most that each may be at 800/s and at 5,000/s.
const LATENCIES: [(&str, [f64; 2]); 4] = [
    ("publish p50", [1.2, 2.0]),
    ("publish p99", [4.0, 8.0]),
    ("end to end p50", [1.5, 3.0]),
    ("end to end p99", [5.0, 10.0]),
];
const RATES: [&str; 2] = ["800", "5000"];
const STORE_NAMES: [&str; 2] = ["PostgreSQL", "SQLite"];

fn latency() -> Vec<Row> {
    let mut rows = Vec::new();
    for (store, name) in STORES.into_iter().zip(STORE_NAMES) {
        for (position, rate) in RATES.into_iter().enumerate() {
            for (figure, most) in LATENCIES {
                rows.push(Row::new(
                    format!("{figure} at {rate}/s, {name}"),
                    " ms",
                    (format!("rate-{rate}-{store}"), figure),
                    Target::AtMost(most[position]),
                ));
            }
        }
    }
    rows
}

fn cost() -> Vec<Row> {
    let mut rows = Vec::new();
    for (store, name) in STORES.into_iter().zip(STORE_NAMES) {
        let mut row = |what: &str, unit, figure, target| {
            rows.push(Row::new(
                format!("{what}, {name}"),
                unit,
                (format!("saturation-{store}"), figure),
                target,
            ));
        };
        row(
            "CPU, service and store together",
            " µs",
            "CPU service and store",
            Target::AtMost(70.0),
        );
        row("CPU, service", " µs", "CPU service", Target::None);
        if store == "postgres" {
            row("CPU, database server", " µs", "CPU PostgreSQL", Target::None);
        }
        row(
            "CPU, interrupts (networking)",
            " µs",
            "CPU interrupts",
            Target::None,
        );
        row("CPU, receiver", " µs", "CPU receiver", Target::None);
        row("CPU, publisher", " µs", "CPU publisher", Target::None);
        if store == "postgres" {
            row("SQL statements", "", "SQL statements", Target::AtMost(0.5));
            row("write-ahead log", " bytes", "write-ahead log", Target::None);
        }
        row("stored", " bytes", "stored", Target::None);
    }
    rows
}

fn memory() -> Vec<Row> {
    let mut rows = Vec::new();
    for (store, name) in STORES.into_iter().zip(STORE_NAMES) {
        for (what, figure, target) in [
            ("idle", "memory idle", Target::AtMost(30.0)),
            (
                "idle, without pages of its program's file",
                "memory idle, own",
                Target::None,
            ),
            (
                "at saturation, the most",
                "memory at saturation, peak",
                Target::AtMost(200.0),
            ),
            (
                "with 1,000,000 due on a dead webhook",
                "memory idle with due",
                Target::AtMost(250.0),
            ),
            (
                "with 1,000,000 due, at saturation, the most",
                "memory at saturation, peak with due",
                Target::AtMost(250.0),
            ),
        ] {
            rows.push(Row::new(
                format!("{what}, {name}"),
                " MiB",
                (format!("memory-{store}"), figure),
                target,
            ));
        }
    }
    rows
}

/// Everything that `run` measures, divided by the same with an empty store.
fn full_store() -> Vec<Row> {
    let mut rows = Vec::new();
    for (store, name) in STORES.into_iter().zip(STORE_NAMES) {
        let mut row = |what: String, load: &str, figure, target| {
            let base = format!("{load}-{store}");
            rows.push(Row {
                relative_to: Some(base.clone()),
                ..Row::new(
                    format!("{what}, {name}"),
                    " of empty",
                    (format!("{base}-full"), figure),
                    target,
                )
            });
        };
        let no_slower = Target::AtLeast(0.8);
        let no_more = Target::AtMost(1.2);
        row(
            "deliveries/s, over a stream".into(),
            "saturation",
            "delivered",
            no_slower,
        );
        row(
            "deliveries/s, fan-out 10".into(),
            "fan-out-10",
            "delivered",
            no_slower,
        );
        row(
            "CPU, service and store".into(),
            "saturation",
            "CPU service and store",
            no_more,
        );
        if store == "postgres" {
            row("SQL statements".into(), "saturation", "SQL statements", no_more);
        }
        for rate in RATES {
            for (figure, _) in LATENCIES {
                row(
                    format!("{figure} at {rate}/s"),
                    &format!("rate-{rate}"),
                    figure,
                    no_more,
                );
            }
        }
    }
    rows
}

fn nodes() -> Vec<Row> {
    let row = |what, unit, figure, target| Row::new(what, unit, ("nodes", figure), target);
    let least = Target::AtLeast(0.8);
    let most = Target::AtMost(1.2);
    vec![
        row("one node, deliveries/s", "/s", "1 nodes: delivered", Target::None),
        row(
            "two, of what one delivers",
            "",
            "2 nodes: of what one delivers",
            Target::AtLeast(1.0),
        ),
        row("two, least share", " of equal", "2 nodes: least share", least),
        row("two, largest share", " of equal", "2 nodes: largest share", most),
        row(
            "four, of what one delivers",
            "",
            "4 nodes: of what one delivers",
            Target::AtLeast(1.0),
        ),
        row("four, least share", " of equal", "4 nodes: least share", least),
        row("four, largest share", " of equal", "4 nodes: largest share", most),
        Row::new(
            "four, least share of retries, one tenant",
            " of equal",
            ("nodes-retries", "4 nodes: least share of retries"),
            Target::None,
        ),
        Row::new(
            "four, largest share of retries, one tenant",
            " of equal",
            ("nodes-retries", "4 nodes: largest share of retries"),
            Target::None,
        ),
        Row::new(
            "`kill -9` of a node until its last delivery arrived elsewhere (lease 5 s)",
            " s",
            ("takeover", "from the kill to the last of them"),
            Target::AtMost(6.0),
        ),
    ]
}

#[cfg(test)]
mod of_results {
    use super::*;
    use crate::all::tests::{Sizes, tests};

    fn result(name: &str, round: u32, delivered: f64, fault: Option<&str>) -> Recorded {
        let faults: Vec<&str> = fault.into_iter().collect();
        let json = serde_json::json!({
            "header": {
                "test": "run", "taken_at": "", "commit": "", "store": "SQLite", "fan_out": 1, "notes": [],
                "machine": {"cpu": "", "cores": 2, "memory_bytes": 1, "kernel": "", "load_average": 0.0},
            },
            "figures": [{"name": "delivered", "value": delivered}],
            "faults": faults,
        });
        let mut recorded: Recorded = serde_json::from_value(json).unwrap();
        recorded.name = name.into();
        recorded.round = round;
        recorded
    }

    fn row(relative_to: Option<&str>) -> Row {
        Row {
            relative_to: relative_to.map(String::from),
            ..Row::new("deliveries/s", "/s", ("full", "delivered"), Target::AtLeast(0.8))
        }
    }

    #[test]
    fn void_rounds_do_not_count() {
        let results = [
            result("full", 1, 100.0, None),
            result("full", 2, 1.0, Some("late")),
            result("full", 3, 120.0, None),
            result("other", 1, 7.0, None),
        ];
        let expected = Measured {
            median: 110.0,
            min: 100.0,
            max: 120.0,
            rounds: 2,
        };
        assert_eq!(row(None).standing(&results), Standing::Measured(expected));
        assert_eq!(row(None).standing(&results[1..2]), Standing::Void("late".into()));
        assert_eq!(row(None).standing(&results[3..]), Standing::NotMeasured);
    }

    #[test]
    fn relative_rows_are_divided_by_the_median_of_the_other_test() {
        let results = [
            result("full", 1, 90.0, None),
            result("empty", 1, 50.0, None),
            result("empty", 2, 100.0, None),
            result("empty", 3, 400.0, None),
        ];
        let Standing::Measured(measured) = row(Some("empty")).standing(&results) else {
            panic!("both were measured")
        };
        assert!((measured.median - 0.9).abs() < 1e-9);
        assert_eq!(row(Some("unknown")).standing(&results), Standing::NotMeasured);
    }

    #[test]
    fn targets_are_met_or_not() {
        assert_eq!(Target::AtLeast(2.0).is_met(2.0), Some(true));
        assert_eq!(Target::AtLeast(2.0).is_met(1.9), Some(false));
        assert_eq!(Target::AtMost(2.0).is_met(2.1), Some(false));
        assert_eq!(Target::None.is_met(2.1), None);
    }

    #[test]
    fn every_row_is_of_a_test_that_is_run() {
        let names: Vec<String> = tests(&Sizes::FULL).into_iter().map(|test| test.name).collect();
        for (_, rows) in sections() {
            for row in rows {
                assert!(names.contains(&row.test), "{}", row.test);
                assert!(
                    row.relative_to.is_none_or(|base| names.contains(&base)),
                    "{}",
                    row.what
                );
            }
        }
    }
}
