//! The long runs in the document: what they were, and what grew in them.

use std::fmt::Write as _;

use super::table::number;
use crate::{
    recorded::{Recorded, RecordedSoak},
    report::per,
};

/// A paragraph and a table for each soak. `None` without any.
pub(super) fn markdown(results: &[Recorded]) -> Option<String> {
    let mut text = String::new();
    for result in results {
        if let Some(soak) = &result.soak {
            let _ = writeln!(text, "{}", one(result, soak));
        }
    }
    (!text.is_empty()).then_some(text)
}

fn one(result: &Recorded, soak: &RecordedSoak) -> String {
    let RecordedSoak {
        duration_s,
        offered,
        ledger,
        dead_webhooks,
        trends,
    } = soak;
    let lost = match dead_webhooks
        .published
        .saturating_sub(dead_webhooks.waiting + dead_webhooks.given_up)
    {
        0 => String::from("none of these is missing"),
        lost => format!("{} of these are missing", count(lost)),
    };
    let mut text = format!(
        "**{}**, {} minutes at {} events/s: {} deliveries published = {} delivered + {} missing + {} given up, {} duplicates. \
         {} more wait for the webhooks whose receivers are dead; {lost}.\n\n",
        // Version and settings stand at the top.
        result.header.store.split(' ').next().unwrap_or_default(),
        number((duration_s / 60.0).round()),
        number(offered.round()),
        count(ledger.published),
        count(ledger.delivered),
        count(ledger.missing),
        count(ledger.dead),
        count(ledger.duplicates),
        count(dead_webhooks.waiting),
    );
    for reason in result.void() {
        let _ = writeln!(text, "**Failed:** {reason}.\n");
    }
    text.push_str("| median of each second | second fifth | last fifth | limit | flat |\n");
    text.push_str("| --- | ---: | ---: | ---: | --- |\n");
    for trend in trends {
        let flat = if trend.is_flat { "yes" } else { "**no**" };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {flat} |",
            title(&trend.name),
            number(trend.second_fifth),
            number(trend.last_fifth),
            number(trend.limit),
        );
    }
    text
}

fn count(count: u64) -> String {
    number(per(count, 1))
}

/// A column of the series, in words: its unit is the end of its name.
fn title(column: &str) -> String {
    let words = column.replace('_', " ").replace("postgresql", "PostgreSQL");
    for (end, unit) in [(" ms", "ms"), (" mib", "MiB")] {
        if let Some(name) = words.strip_suffix(end) {
            return format!("{name}, {unit}");
        }
    }
    words
}

#[cfg(test)]
mod soaked {
    use super::*;

    fn result(dead_waiting: u64, faults: &[&str]) -> Recorded {
        let json = serde_json::json!({
            "header": {
                "test": "soak", "taken_at": "2026-11-21T20:00:00Z", "commit": "abc1234", "store": "SQLite", "fan_out": 1, "notes": [],
                "machine": {"cpu": "a CPU", "cores": 2, "memory_bytes": 1, "kernel": "6.1", "load_average": 0.0, "exchanges_per_s": 1.0},
            },
            "faults": faults,
            "duration_s": 1800.0, "offered": 7000.4,
            "ledger": {"published": 12_600_000, "delivered": 12_600_000, "missing": 0, "dead": 0, "duplicates": 2},
            "dead_webhooks": {"published": 252_000, "waiting": dead_waiting, "given_up": 0},
            "trends": [
                {"name": "memory_service_mib", "second_fifth": 50.0, "last_fifth": 51.5, "limit": 68.0, "is_flat": true},
                {"name": "publish_p99_ms", "second_fifth": 5.0, "last_fifth": 9.0, "limit": 8.0, "is_flat": false},
            ],
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn ledger_and_trends_are_shown() {
        let text = markdown(&[result(252_000, &[])]).unwrap();
        for expected in [
            "**SQLite**, 30 minutes at 7,000 events/s: 12,600,000 deliveries published = 12,600,000 delivered + 0 missing + 0 given \
             up, 2 duplicates. 252,000 more wait for the webhooks whose receivers are dead; none of these is missing.",
            "| memory service, MiB | 50 | 51.5 | 68 | yes |",
            "| publish p99, ms | 5 | 9 | 8 | **no** |",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        assert!(!text.contains("Failed"));
    }

    #[test]
    fn what_went_wrong_is_said() {
        let text = markdown(&[result(251_990, &["publish p99 grows"])]).unwrap();
        assert!(text.contains("10 of these are missing"), "{text}");
        assert!(text.contains("**Failed:** publish p99 grows."), "{text}");
    }

    #[test]
    fn without_soaks_there_is_nothing() {
        assert_eq!(markdown(&[Recorded::default()]), None);
    }
}
