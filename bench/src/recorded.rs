//! Results that an earlier command has written, read back: what tables and charts are made of.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::{
    machine::Machine,
    series::{Mark, Series},
    soak::Trend,
};

/// One JSON file; only what all commands' documents share, and what is drawn.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Recorded {
    /// The file's name without its endings: `run-postgresql-800` of `run-postgresql-800.2.json`.
    #[serde(skip)]
    pub(crate) name: String,
    /// Which repetition, from 1.
    #[serde(skip)]
    pub(crate) round: u32,
    pub(crate) header: RecordedHeader,
    pub(crate) rate: Option<f64>,
    #[serde(default)]
    prepared: RecordedPrepared,
    #[serde(default)]
    runs: Vec<RecordedRun>,
    #[serde(default)]
    figures: Vec<RecordedFigure>,
    #[serde(default)]
    faults: Vec<String>,
    #[serde(default)]
    pub(crate) series: Series,
    #[serde(default)]
    pub(crate) marks: Vec<Mark>,
    #[serde(flatten)]
    pub(crate) soak: Option<RecordedSoak>,
}

/// What only a soak has.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RecordedSoak {
    pub(crate) duration_s: f64,
    /// Events per second.
    pub(crate) offered: f64,
    pub(crate) ledger: RecordedLedger,
    pub(crate) dead_webhooks: RecordedDeadLedger,
    pub(crate) trends: Vec<Trend>,
}

/// Deliveries.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct RecordedLedger {
    pub(crate) published: u64,
    pub(crate) delivered: u64,
    pub(crate) missing: u64,
    pub(crate) dead: u64,
    pub(crate) duplicates: u64,
}

/// Deliveries that nobody takes.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct RecordedDeadLedger {
    pub(crate) published: u64,
    pub(crate) waiting: u64,
    pub(crate) given_up: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct RecordedHeader {
    pub(crate) test: String,
    pub(crate) taken_at: String,
    pub(crate) commit: String,
    pub(crate) machine: Machine,
    pub(crate) store: String,
    pub(crate) fan_out: u16,
    pub(crate) notes: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct RecordedPrepared {
    future_retries: u64,
    due_on_dead_webhook: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct RecordedRun {
    figures: Vec<RecordedFigure>,
    void: Vec<String>,
    notes: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct RecordedFigure {
    name: String,
    value: f64,
}

impl Recorded {
    /// Every result in a folder, in order of name and round.
    pub(crate) fn read_all(folder: &Path) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                all.push(Self::read(&path)?);
            }
        }
        all.sort_by(|a, b| (&a.name, a.round).cmp(&(&b.name, b.round)));
        Ok(all)
    }

    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let mut recorded: Self =
            serde_json::from_str(&text).with_context(|| format!("{} is no result", path.display()))?;
        let stem = path
            .file_stem()
            .map(|stem| stem.to_string_lossy())
            .unwrap_or_default();
        (recorded.name, recorded.round) = name_and_round(&stem);
        // A long series lies beside its document.
        let csv = path.with_extension("csv");
        if csv.exists() {
            let text = fs::read_to_string(&csv).with_context(|| format!("reading {}", csv.display()))?;
            recorded.series =
                Series::from_csv(&text).with_context(|| format!("{} is no series", csv.display()))?;
        }
        Ok(recorded)
    }

    /// `None` when the test has no such figure.
    pub(crate) fn figure(&self, name: &str) -> Option<f64> {
        let runs = self.runs.iter().flat_map(|run| &run.figures);
        let found = self.figures.iter().chain(runs).find(|figure| figure.name == name);
        found.map(|figure| figure.value)
    }

    /// Why its figures do not count, if so.
    pub(crate) fn void(&self) -> Vec<String> {
        let runs = self.runs.iter().flat_map(|run| &run.void);
        self.faults.iter().chain(runs).cloned().collect()
    }

    /// What to keep in mind with its figures.
    pub(crate) fn notes(&self) -> Vec<String> {
        let runs = self.runs.iter().flat_map(|run| &run.notes);
        self.header.notes.iter().chain(runs).cloned().collect()
    }

    /// Whether the store was empty before.
    pub(crate) fn is_fresh(&self) -> bool {
        self.prepared.future_retries + self.prepared.due_on_dead_webhook == 0
    }
}

/// `crash.2` is the second round of `crash`; without a number it is the first.
fn name_and_round(stem: &str) -> (String, u32) {
    let numbered = stem
        .rsplit_once('.')
        .and_then(|(name, round)| Some((name.to_owned(), round.parse().ok()?)));
    numbered.unwrap_or_else(|| (stem.to_owned(), 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn files_are_named_after_test_and_round() {
        assert_eq!(
            name_and_round("run-postgresql-800.2"),
            ("run-postgresql-800".into(), 2)
        );
        assert_eq!(name_and_round("soak"), ("soak".into(), 1));
        assert_eq!(name_and_round("result.json"), ("result.json".into(), 1));
    }

    #[test]
    fn figures_of_runs_and_of_whole_tests_are_found() {
        let scratch = Scratch::create(&std::env::temp_dir()).unwrap();
        let header = r#"{"test": "run", "taken_at": "", "commit": "abc", "store": "SQLite", "fan_out": 1, "notes": ["tmpfs"],
            "machine": {"cpu": "", "cores": 2, "memory_bytes": 1, "kernel": "", "load_average": 0.5}, "other": 1}"#;
        let run = format!(
            r#"{{"header": {header}, "rate": 800.0, "prepared": {{"future_retries": 5, "due_on_dead_webhook": 0}},
                "runs": [{{"figures": [{{"name": "delivered", "unit": "", "value": 7.5}}], "void": ["late"], "notes": ["busy"]}}]}}"#
        );
        let crash = format!(
            r#"{{"header": {header}, "figures": [{{"name": "restart p50", "unit": "ms", "value": 3.0}}], "faults": [],
                "series": {{"t_s": [0.0], "columns": {{"delivered_per_s": [1.0]}}}}, "marks": [{{"t_s": 0.5, "what": "kill"}}]}}"#
        );
        fs::write(scratch.file("run.2.json"), run).unwrap();
        fs::write(scratch.file("crash.1.json"), crash).unwrap();
        fs::write(scratch.file("run.2.csv"), "t_s,a\n1,2\n").unwrap();
        let all = Recorded::read_all(scratch.path()).unwrap();
        let [crash, run] = all.as_slice() else {
            panic!("{all:?}")
        };
        assert_eq!((run.name.as_str(), run.round, run.rate), ("run", 2, Some(800.0)));
        assert_eq!(run.figure("delivered"), Some(7.5));
        assert_eq!(run.figure("published"), None);
        assert_eq!(
            (run.void(), run.notes()),
            (vec!["late".into()], vec!["tmpfs".into(), "busy".into()])
        );
        assert_eq!(run.series.points("a"), [(1.0, 2.0)]);
        assert!(!run.is_fresh());
        assert_eq!(crash.figure("restart p50"), Some(3.0));
        assert_eq!(crash.marks.len(), 1);
        assert!(crash.is_fresh() && crash.void().is_empty());
    }
}
