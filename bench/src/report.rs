//! How results are shown: a table for people, JSON for programs.

use std::{fmt, fs, path::Path};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::{
    args::CommonArgs,
    machine::{self, Machine},
    percentiles::{Percentiles, median},
    store::Store,
};

/// Where, when and with what the figures were taken.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Header {
    pub(crate) test: &'static str,
    pub(crate) taken_at: String,
    pub(crate) commit: String,
    pub(crate) machine: Machine,
    pub(crate) store: String,
    pub(crate) load: String,
    pub(crate) profile: String,
    pub(crate) fan_out: u16,
    pub(crate) payload_bytes: usize,
    pub(crate) connections: u16,
    pub(crate) receiver_latency_ms: f64,
    pub(crate) receiver_fail_share: f64,
    pub(crate) receiver_fail_first: bool,
    /// What the figures cannot be used for.
    pub(crate) notes: Vec<String>,
}

impl Header {
    pub(crate) async fn new(
        test: &'static str,
        load: String,
        common: &CommonArgs,
        store: &Store,
    ) -> Result<Self> {
        let mut notes: Vec<String> = store.not_durable().into_iter().collect();
        if cfg!(debug_assertions) {
            notes.push("the benchmark itself is a debug build".into());
        }
        Ok(Self {
            test,
            taken_at: machine::today(),
            commit: machine::commit(),
            machine: Machine::this()?,
            store: store.description().await?,
            load,
            profile: common.profile.clone(),
            fan_out: common.fan_out,
            payload_bytes: common.publishing.payload_bytes,
            connections: common.publishing.connections,
            receiver_latency_ms: common.behaviour.latency.as_secs_f64() * 1e3,
            receiver_fail_share: common.behaviour.fail_share,
            receiver_fail_first: common.behaviour.fail_first,
            notes,
        })
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine {
            cpu,
            cores,
            memory_bytes,
            kernel,
            load_average,
            exchanges_per_s,
        } = &self.machine;
        let gibibytes = megabytes(*memory_bytes) / 1024.0;
        writeln!(f, "hookwright-bench {}, {}", self.test, self.taken_at)?;
        writeln!(
            f,
            "machine     {cpu}, {cores} cores, {gibibytes:.1} GiB, Linux {kernel}, load average {load_average} before"
        )?;
        writeln!(
            f,
            "            two of its threads exchange {exchanges_per_s:.0} requests/s over loopback, and do nothing else"
        )?;
        writeln!(f, "commit      {}", self.commit)?;
        writeln!(f, "store       {}", self.store)?;
        writeln!(
            f,
            "load        {}, over {} connections",
            self.load, self.connections
        )?;
        writeln!(
            f,
            "events      {} bytes, each to {} webhook(s) of profile {}",
            self.payload_bytes, self.fan_out, self.profile
        )?;
        write!(f, "receiver    answers after {} ms", self.receiver_latency_ms)?;
        if self.receiver_fail_share > 0.0 {
            write!(f, ", refuses {} %", self.receiver_fail_share * 100.0)?;
        }
        if self.receiver_fail_first {
            write!(f, ", refuses the first request of each delivery")?;
        }
        writeln!(f)?;
        for note in &self.notes {
            writeln!(f, "note        {note}")?;
        }
        Ok(())
    }
}

/// One measured number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) value: f64,
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self {
            name: name.into(),
            unit,
            value,
        }
    }

    /// The percentiles of a latency.
    pub(crate) fn latency(name: &str, latency: &Percentiles) -> [Self; 4] {
        let figure = |percentile, value| Self::new(format!("{name} {percentile}"), "ms", value);
        [
            figure("p50", latency.p50_ms),
            figure("p90", latency.p90_ms),
            figure("p99", latency.p99_ms),
            figure("max", latency.max_ms),
        ]
    }
}

/// The same figure of several runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// Figures that some runs do not have are summarised over those that do.
pub(crate) fn summarise(runs: &[&[Figure]]) -> Vec<Spread> {
    let mut spreads: Vec<Spread> = Vec::new();
    for figure in runs.iter().copied().flatten() {
        if spreads.iter().any(|spread| spread.name == figure.name) {
            continue;
        }
        let values: Vec<f64> = runs
            .iter()
            .copied()
            .flatten()
            .filter(|other| other.name == figure.name)
            .map(|other| other.value)
            .collect();
        spreads.push(Spread {
            name: figure.name.clone(),
            unit: figure.unit,
            median: median(&values).unwrap_or_default(),
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        });
    }
    spreads
}

/// The spreads as lines; minimum and maximum only when there was more than one run.
pub(crate) fn table(spreads: &[Spread], runs: usize) -> String {
    use fmt::Write as _;

    let mut table = String::new();
    // Writing to a string cannot fail.
    if runs > 1 {
        let _ = writeln!(table, "{:<32} {:>12} {:>12} {:>12}", "", "median", "min", "max");
    }
    for Spread {
        name,
        unit,
        median,
        min,
        max,
    } in spreads
    {
        let _ = write!(table, "{name:<32} {:>12}", number(*median));
        if runs > 1 {
            let _ = write!(table, " {:>12} {:>12}", number(*min), number(*max));
        }
        let _ = writeln!(table, "{}{unit}", if unit.is_empty() { "" } else { " " });
    }
    table
}

/// Whole numbers as they are, others with about three significant digits and never less than their whole part.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        _ if value.fract() == 0.0 => 0,
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

#[expect(clippy::cast_precision_loss, reason = "sizes here are far below 2^53")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// `part / whole`; zero when there is no whole.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
pub(crate) fn per(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

pub(crate) fn write_json(path: Option<&Path>, document: &impl Serialize) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let mut text = serde_json::to_string_pretty(document)?;
    text.push('\n');
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_summarised_by_name() {
        let run = |values: &[(&str, f64)]| -> Vec<Figure> {
            values
                .iter()
                .map(|&(name, value)| Figure::new(name, "ms", value))
                .collect()
        };
        let runs = [
            run(&[("a", 3.0), ("b", 1.0)]),
            run(&[("a", 1.0)]),
            run(&[("a", 2.0)]),
        ];
        let spreads = summarise(&runs.each_ref().map(Vec::as_slice));
        let shown: Vec<_> = spreads
            .iter()
            .map(|s| (s.name.as_str(), s.median, s.min, s.max))
            .collect();
        assert_eq!(shown, [("a", 2.0, 1.0, 3.0), ("b", 1.0, 1.0, 1.0)]);
    }

    #[test]
    fn tables_show_spread_only_of_several_runs() {
        let spreads = summarise(&[&[Figure::new("publish p50", "ms", 1.234)]]);
        assert_eq!(
            table(&spreads, 1),
            format!("{:<32} {:>12} ms\n", "publish p50", "1.23")
        );
        assert!(table(&spreads, 2).starts_with(&" ".repeat(32)));
    }

    #[test]
    fn ratios_of_nothing_are_zero() {
        assert_eq!(per(1, 0).to_bits(), 0.0_f64.to_bits());
        assert_eq!(per(1, 4).to_bits(), 0.25_f64.to_bits());
    }
}
