//! `plot`: charts of results, as small SVG files.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;

use self::chart::{Axis, Chart, Line};
use crate::{percentiles::median, recorded::Recorded, series::Series};

mod chart;
mod thin;

#[derive(Clone, Debug, Args)]
pub(crate) struct PlotArgs {
    /// The folder with the results: the JSON and CSV files that `--json` of the other commands has written
    #[arg(long, value_name = "DIR", default_value = "bench/results")]
    pub(crate) results: PathBuf,
    /// The folder that the charts go to
    #[arg(long, value_name = "DIR", default_value = "docs/images")]
    pub(crate) images: PathBuf,
}

pub(crate) fn run(args: &PlotArgs) -> Result<()> {
    fs::create_dir_all(&args.images).with_context(|| format!("creating {}", args.images.display()))?;
    for (name, chart) in charts(&Recorded::read_all(&args.results)?) {
        if let Some(svg) = chart.svg()? {
            let file = args.images.join(format!("{name}.svg"));
            fs::write(&file, svg).with_context(|| format!("writing {}", file.display()))?;
            println!("drawn       {}", file.display());
        }
    }
    Ok(())
}

/// Each with the name of its file.
fn charts(results: &[Recorded]) -> Vec<(String, Chart)> {
    let mut charts = Vec::new();
    // One round is enough to show how something goes; the table has the spread of all.
    for result in results.iter().filter(|result| result.round == 1) {
        let drawn = match result.header.test.as_str() {
            "soak" => soak(result),
            "crash" | "takeover" => timeline(result),
            "memory" => vec![memory(result)],
            _ => Vec::new(),
        };
        let named = drawn
            .into_iter()
            .map(|(suffix, chart)| (format!("{}{suffix}", result.name), chart));
        charts.extend(named);
    }
    charts.extend(latency_by_rate(results));
    charts
}

type Named = (&'static str, Chart);

fn soak(result: &Recorded) -> Vec<Named> {
    let series = &result.series;
    let store = engine(&result.header.store);
    let lines = |columns: &[(&str, &str)]| lines(series, columns);
    vec![
        (
            "-throughput",
            Chart {
                title: format!("Soak on {store}: throughput"),
                x: TIME,
                y: linear("per second"),
                lines: lines(&[
                    ("published_per_s", "events published"),
                    ("delivered_per_s", "deliveries"),
                    ("refused_per_s", "refused by receivers"),
                ]),
                ..Chart::default()
            },
        ),
        (
            "-latency",
            Chart {
                title: format!("Soak on {store}: latency, of good webhooks"),
                x: TIME,
                y: logarithmic("milliseconds"),
                lines: lines(&[
                    ("publish_p50_ms", "publish p50"),
                    ("publish_p99_ms", "publish p99"),
                    ("end_to_end_p50_ms", "end to end p50"),
                    ("end_to_end_p99_ms", "end to end p99"),
                ]),
                ..Chart::default()
            },
        ),
        (
            "-memory",
            Chart {
                title: format!("Soak on {store}: resident memory"),
                x: TIME,
                y: linear("MiB"),
                lines: lines(&[
                    ("memory_service_mib", "service"),
                    ("memory_postgresql_mib", "PostgreSQL"),
                ]),
                ..Chart::default()
            },
        ),
        (
            "-store",
            Chart {
                title: format!("Soak on {store}: what waits, and what is dead"),
                x: TIME,
                y: linear("rows"),
                lines: lines(&[
                    ("retry_rows", "rows of retries"),
                    ("dead_rows_or_pages", "dead rows, or free pages"),
                ]),
                ..Chart::default()
            },
        ),
    ]
}

/// Throughput around the moments at which a service was killed.
fn timeline(result: &Recorded) -> Vec<Named> {
    let store = engine(&result.header.store);
    let title = match result.header.test.as_str() {
        "crash" => format!("Deliveries on {store} while the service is killed and started again"),
        _ => String::from("Deliveries of two services, one of which is killed"),
    };
    let columns = [
        ("published_per_s", "events published"),
        ("delivered_per_s", "deliveries"),
    ];
    let chart = Chart {
        title,
        x: TIME,
        y: linear("per second"),
        lines: lines(&result.series, &columns),
        marks: result.marks.clone(),
    };
    vec![("-timeline", chart)]
}

fn memory(result: &Recorded) -> Named {
    let chart = Chart {
        title: format!(
            "Resident memory of the service on {}",
            engine(&result.header.store)
        ),
        x: TIME,
        y: linear("MiB"),
        lines: lines(&result.series, &[("memory_service_mib", "service")]),
        marks: result.marks.clone(),
    };
    ("-timeline", chart)
}

/// Medians of all rounds at each offered rate; for each store a chart.
fn latency_by_rate(results: &[Recorded]) -> Vec<(String, Chart)> {
    let mut stores: BTreeMap<&str, BTreeMap<u64, Vec<&Recorded>>> = BTreeMap::new();
    let counted = |result: &&Recorded| {
        result.header.test == "run"
            && result.header.fan_out == 1
            && result.is_fresh()
            && result.void().is_empty()
    };
    for result in results.iter().filter(counted) {
        let Some(rate) = result.rate else { continue };
        let rates = stores.entry(engine(&result.header.store)).or_default();
        // Rates are whole numbers here; bits of positive numbers are ordered as they are.
        rates.entry(rate.to_bits()).or_default().push(result);
    }
    let chart = |(store, rates): (&str, BTreeMap<u64, Vec<&Recorded>>)| {
        let line = |figure: &str| Line {
            name: figure.into(),
            points: rates
                .iter()
                .filter_map(|(&rate, results)| {
                    let values: Vec<f64> = results
                        .iter()
                        .filter_map(|result| result.figure(figure))
                        .collect();
                    Some((f64::from_bits(rate), median(&values)?))
                })
                .collect(),
        };
        let figures = ["publish p50", "publish p99", "end to end p50", "end to end p99"];
        let chart = Chart {
            title: format!("Latency by offered rate, {store}"),
            x: logarithmic("events per second"),
            y: logarithmic("milliseconds"),
            lines: figures.into_iter().map(line).collect(),
            ..Chart::default()
        };
        (format!("latency-by-rate-{}", store.to_lowercase()), chart)
    };
    // One point is no line.
    let several = stores.into_iter().filter(|(_, rates)| rates.len() > 1);
    several.map(chart).collect()
}

/// Columns and what they are called; those without values are left out.
fn lines(series: &Series, columns: &[(&str, &str)]) -> Vec<Line> {
    columns
        .iter()
        .map(|&(column, name)| Line {
            name: name.into(),
            points: series.points(column),
        })
        .filter(|line| !line.points.is_empty())
        .collect()
}

/// `PostgreSQL` of `PostgreSQL 15.1, fsync on, …`.
fn engine(store: &str) -> &str {
    store.split([' ', ',']).next().unwrap_or(store)
}

const TIME: Axis = linear("time, s");

const fn linear(label: &'static str) -> Axis {
    Axis { label, is_log: false }
}

const fn logarithmic(label: &'static str) -> Axis {
    Axis { label, is_log: true }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedHeader;

    fn result(test: &str, name: &str, round: u32) -> Recorded {
        let mut series = Series::new(vec![0.0, 1.0]);
        series.add("delivered_per_s", [Some(1.0), Some(2.0)]);
        let mut recorded = Recorded::default();
        recorded.name = name.into();
        recorded.round = round;
        recorded.header = RecordedHeader {
            test: test.into(),
            store: "PostgreSQL 15.1, fsync on".into(),
            fan_out: 1,
            ..RecordedHeader::default()
        };
        recorded.series = series;
        recorded
    }

    #[test]
    fn the_first_round_of_a_timeline_is_drawn() {
        let results = [
            result("crash", "crash-sqlite", 1),
            result("crash", "crash-sqlite", 2),
        ];
        let charts = charts(&results);
        let names: Vec<&str> = charts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["crash-sqlite-timeline"]);
        let lines: Vec<&str> = charts[0].1.lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(lines, ["deliveries"], "nothing was published in this series");
    }

    #[test]
    fn one_rate_is_no_curve() {
        let at = |rate: f64| {
            let mut recorded = result("run", "run", 1);
            recorded.rate = Some(rate);
            recorded
        };
        assert_eq!(charts(&[at(800.0), at(800.0)]).len(), 0);
        let charts = charts(&[at(800.0), at(5_000.0)]);
        assert_eq!(charts[0].0, "latency-by-rate-postgresql");
    }
}
