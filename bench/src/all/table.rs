//! The part of docs/performance.md that is written by us.

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use anyhow::{Context as _, Result};

use super::{
    rows::{Row, Standing, Target, sections},
    soaks,
    tests::Test,
};
use crate::{recorded::Recorded, report::megabytes};

/// Sections of the table, the commands, the machine, and the charts that exist.
pub(super) fn markdown(tests: &[Test], results: &[Recorded], charts: &[String]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}\n", provenance(results));
    for (title, rows) in sections() {
        let _ = writeln!(text, "### {title}\n");
        let _ = writeln!(text, "| | target | median | least to most | met | test |");
        let _ = writeln!(text, "| --- | ---: | ---: | ---: | --- | --- |");
        for row in rows {
            let _ = writeln!(text, "{}", line(&row, results));
        }
        text.push('\n');
    }
    if let Some(soaks) = soaks::markdown(results) {
        let _ = writeln!(
            text,
            "### Soak: good, slow, failing and dead webhooks for half an hour\n"
        );
        let _ = write!(text, "{soaks}");
    }
    let _ = writeln!(text, "### Commands\n");
    let _ = writeln!(
        text,
        "To repeat a row alone, run the command of its test; `--json FILE` keeps its figures. `make bench` starts PostgreSQL. \
         *Loopback* is how many requests two threads exchanged just before, doing nothing else: how fast the machine was.\n"
    );
    let _ = writeln!(text, "| test | runs that count | loopback | command |");
    let _ = writeln!(text, "| --- | ---: | ---: | --- |");
    for test in tests {
        let rounds: Vec<&Recorded> = results.iter().filter(|result| result.name == test.name).collect();
        let valid = rounds.iter().filter(|result| result.void().is_empty()).count();
        let _ = writeln!(
            text,
            "| {} | {valid} of {} | {} | `make bench BENCH='{}'` |",
            test.name,
            rounds.len(),
            exchanges(&rounds),
            test.arguments
        );
    }
    if !charts.is_empty() {
        let _ = writeln!(text, "\n### Charts");
        for chart in charts {
            let title = chart.trim_end_matches(".svg").replace('-', " ");
            let _ = writeln!(text, "\n![{title}](images/{chart})");
        }
    }
    text
}

/// The least and the most of all rounds.
fn exchanges(rounds: &[&Recorded]) -> String {
    let mut known: Vec<f64> = rounds
        .iter()
        .map(|round| round.header.machine.exchanges_per_s)
        .filter(|exchanges| *exchanges > 0.0)
        .collect();
    known.sort_by(f64::total_cmp);
    match known.as_slice() {
        [] => String::new(),
        [only] => format!("{}/s", number(*only)),
        [least, .., most] => format!("{} to {}/s", number(*least), number(*most)),
    }
}

fn line(row: &Row, results: &[Recorded]) -> String {
    let Row { what, unit, test, .. } = row;
    let target = match row.target {
        Target::AtLeast(least) => format!("≥ {}{unit}", number(least)),
        Target::AtMost(most) => format!("≤ {}{unit}", number(most)),
        Target::None => String::new(),
    };
    match row.standing(results) {
        Standing::NotMeasured => format!("| {what} | {target} | not measured yet | | | {test} |"),
        Standing::Void(reason) => format!("| {what} | {target} | void: {} | | | {test} |", cell(&reason)),
        Standing::Measured(measured) => {
            let met = match row.target.is_met(measured.median) {
                Some(true) => "yes",
                Some(false) => "**no**",
                None => "",
            };
            let spread = if measured.rounds > 1 {
                format!("{} to {}", number(measured.min), number(measured.max))
            } else {
                String::from("one run")
            };
            format!(
                "| {what} | {target} | {}{unit} | {spread} | {met} | {test} |",
                number(measured.median)
            )
        }
    }
}

/// Where, when and with what, as all results say together.
fn provenance(results: &[Recorded]) -> String {
    if results.is_empty() {
        return String::from("Not measured yet.");
    }
    let all = |of: &dyn Fn(&Recorded) -> String| -> String {
        let different: BTreeSet<String> = results.iter().map(of).collect();
        different.into_iter().collect::<Vec<_>>().join("; ")
    };
    let machine = all(&|result| {
        let machine = &result.header.machine;
        format!(
            "{}, {} cores, {:.0} GiB, Linux {}",
            machine.cpu,
            machine.cores,
            megabytes(machine.memory_bytes) / 1024.0,
            machine.kernel
        )
    });
    let commit = all(&|result| result.header.commit.clone());
    let store = all(&|result| result.header.store.clone());
    let days = all(&|result| result.header.taken_at.chars().take(10).collect());
    let mut text = format!(
        "Measured {days} at commit {commit}, everything on one machine: {machine}. Stores: {store}. \
         Medians of the runs that count."
    );
    let notes: BTreeSet<String> = results.iter().flat_map(Recorded::notes).collect();
    let grave: Vec<&String> = notes
        .iter()
        .filter(|note| GRAVE.iter().any(|word| note.contains(word)))
        .collect();
    for note in grave {
        let _ = write!(text, "\n\n**Note:** {note}.");
    }
    text
}

/// Replaces what stands between the two markers.
pub(super) fn splice(document: &str, generated: &str) -> Result<String> {
    let (before, rest) = document
        .split_once(BEGIN)
        .with_context(|| format!("the document has no `{BEGIN}`"))?;
    let (_, after) = rest
        .split_once(END)
        .with_context(|| format!("the document has no `{END}` after `{BEGIN}`"))?;
    Ok(format!(
        "{before}{BEGIN}\n\n{}\n\n{END}{after}",
        generated.trim_end()
    ))
}

/// The names of the charts in a folder.
pub(super) fn charts(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "svg"))
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    names.sort_unstable();
    names
}

/// Text that fits into a cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// Thousands apart, and about three digits.
pub(super) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        _ if value.fract() == 0.0 => 0,
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    let digits = whole.trim_start_matches('-');
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if value < 0.0 { "-" } else { "" };
    format!("{sign}{grouped}{fraction}")
}

const BEGIN: &str = "<!-- begin measured: written by `hookwright-bench all` -->";
const END: &str = "<!-- end measured -->";
/// Words of notes without which the figures would mislead.
const GRAVE: [&str; 2] = ["in memory (tmpfs)", "debug build"];

#[cfg(test)]
mod rendering {
    use super::*;
    use crate::all::tests::{Sizes, tests};

    fn result(name: &str, round: u32, delivered: f64) -> Recorded {
        let json = serde_json::json!({
            "header": {
                "test": "run", "taken_at": "2026-11-21T20:00:00Z", "commit": "abc1234", "store": "SQLite", "fan_out": 1,
                "notes": ["/dev/shm is in memory (tmpfs): writing durably costs nothing there"],
                "machine": {"cpu": "a CPU", "cores": 2, "memory_bytes": 8_589_934_592_u64, "kernel": "6.1", "load_average": 0.0,
                            "exchanges_per_s": 90_000 + round},
            },
            "figures": [{"name": "delivered", "value": delivered}],
        });
        let mut recorded: Recorded = serde_json::from_value(json).unwrap();
        recorded.name = name.into();
        recorded.round = round;
        recorded
    }

    #[test]
    fn without_results_nothing_is_claimed() {
        let text = markdown(&tests(&Sizes::FULL), &[], &[]);
        assert!(text.starts_with("Not measured yet."));
        assert!(text.contains(
            "| deliveries/s, over a stream, PostgreSQL | ≥ 15,000/s | not measured yet | | | saturation-postgres |"
        ));
        assert!(!text.contains("yes") && !text.contains("**no**"));
        assert!(text.contains(
            "| saturation-postgres | 0 of 0 |  | `make bench BENCH='run --store postgres --concurrency 128 --stream"
        ));
    }

    #[test]
    fn median_spread_and_target_are_shown() {
        let results = [14_000.0, 16_000.5, 20_000.0]
            .into_iter()
            .zip(1..)
            .map(|(delivered, round)| result("saturation-postgres", round, delivered))
            .chain([result("saturation-sqlite", 1, 9_999.0)])
            .collect::<Vec<_>>();
        let text = markdown(&tests(&Sizes::FULL), &results, &["soak-latency.svg".into()]);
        for expected in [
            "Measured 2026-11-21 at commit abc1234, everything on one machine: a CPU, 2 cores, 8 GiB, Linux 6.1.",
            "| deliveries/s, over a stream, PostgreSQL | ≥ 15,000/s | 16,000/s | 14,000 to 20,000 | yes | saturation-postgres |",
            "| deliveries/s, over a stream, SQLite | ≥ 20,000/s | 9,999/s | one run | **no** | saturation-sqlite |",
            "**Note:** /dev/shm is in memory",
            "![soak latency](images/soak-latency.svg)",
            "| saturation-postgres | 3 of 3 | 90,001 to 90,003/s | `make",
            "| saturation-sqlite | 1 of 1 | 90,001/s | `make",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
    }

    #[test]
    fn only_what_is_between_the_markers_is_replaced() {
        let document = format!("# Title\n{BEGIN}\nold\n{END}\nafter\n");
        let once = splice(&document, "new\n").unwrap();
        assert_eq!(once, format!("# Title\n{BEGIN}\n\nnew\n\n{END}\nafter\n"));
        assert_eq!(splice(&once, "new").unwrap(), once);
        assert!(splice("no markers", "new").is_err());
        assert!(splice(&format!("{END}{BEGIN}"), "new").is_err());
    }

    #[test]
    fn the_document_has_a_place_for_it() {
        let document = include_str!("../../../docs/performance.md");
        splice(document, "new").unwrap();
    }

    #[test]
    fn numbers_are_short_and_grouped() {
        let shown = [0.0, 0.446, 12.34, 1_234.5, 15_000.0, -1_234_567.0].map(number);
        assert_eq!(shown, ["0", "0.45", "12.3", "1,234", "15,000", "-1,234,567"]);
    }
}
