//! The tables of docs/signing.md against the data that they describe.
//!
//! If one of these fails, a scheme or a profile has changed and its row has not. The message holds the table as it
//! should be: paste it between the markers.

#![expect(
    clippy::unwrap_used,
    reason = "the lint spares test functions and not their helpers"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use hookwright_core::{Profile, Schedule, Scheme};
use toml::{Table, Value};

#[test]
fn the_table_of_schemes_is_current() {
    let mut table = String::from(
        "| scheme | signature header | signed bytes | algorithm and encoding | key | window | several |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for name in Scheme::builtin_names() {
        let description = description(&format!("schemes/{name}.toml"));
        let signature = description["signature"].as_table().unwrap();
        let headers: Vec<_> = signature["headers"]
            .as_array()
            .unwrap()
            .iter()
            .map(code)
            .collect();
        writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} | {} |",
            linked(name, &description),
            headers.join(" or "),
            code(&description["content"]),
            algorithms(&description, signature),
            text(&description["key"]),
            window(&description),
            if signature.contains_key("item_separator") {
                "yes"
            } else {
                "no"
            },
        )
        .unwrap();
    }
    assert_section("schemes", &table);
}

#[test]
fn the_table_of_profiles_is_current() {
    let mut table = String::from(
        "| profile | scheme | further headers | id | timeout | attempts | event types |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for name in Profile::builtin_names() {
        let profile = Profile::builtin(name).unwrap();
        let description = description(&format!("profiles/{name}.toml"));
        let headers = description.get("headers").and_then(Value::as_table).cloned();
        let headers: Vec<_> = headers
            .iter()
            .flat_map(Table::keys)
            .map(|name| format!("`{name}`"))
            .collect();
        let types = match profile.event_types().len() {
            0 => "any".to_owned(),
            number => number.to_string(),
        };
        writeln!(
            table,
            "| {name} | {} | {} | `{}_…` | {} | {} | {types} |",
            profile.scheme.name(),
            if headers.is_empty() {
                "none".to_owned()
            } else {
                headers.join(", ")
            },
            profile.event_id_prefix,
            text(&description["timeout"]),
            attempts(&profile.schedule, &description),
        )
        .unwrap();
    }
    assert_section("profiles", &table);
}

/// The name, linked to the platform's documentation where that is public.
fn linked(name: &str, description: &Table) -> String {
    match description.get("reference") {
        Some(reference) => format!("[{name}]({})", text(reference)),
        None => name.to_owned(),
    }
}

fn algorithms(description: &Table, signature: &Table) -> String {
    let encoding = text(&signature["encoding"]);
    let Some(tags) = signature.get("tags") else {
        return format!("{}, {encoding}", text(&description["algorithm"]));
    };
    let tags = tags.as_array().unwrap().iter().map(|tag| {
        let (tag, algorithm) = (text(&tag["tag"]), text(&tag["algorithm"]));
        format!("`{tag}` {algorithm}")
    });
    format!("{}, {encoding}", tags.collect::<Vec<_>>().join(", "))
}

fn window(description: &Table) -> String {
    let Some(timestamp) = description.get("timestamp").and_then(Value::as_table) else {
        return "no time".to_owned();
    };
    let place = timestamp
        .get("body_field")
        .map_or_else(String::new, |field| format!(", {} of the body", code(field)));
    match timestamp.get("tolerance_seconds") {
        Some(seconds) => format!("{seconds} s{place}"),
        None => format!("the receiver's{place}"),
    }
}

fn attempts(schedule: &Schedule, description: &Table) -> String {
    let attempts = schedule.max_attempts();
    match schedule {
        Schedule::List(_) => {
            let delays = description["schedule"]["delays"].as_array().unwrap();
            let delays: Vec<_> = delays.iter().map(text).collect();
            format!("{attempts}, after {}", delays.join(", "))
        }
        Schedule::Exponential { .. } => {
            let exponential = description["schedule"].as_table().unwrap();
            let part = |key| text(&exponential[key]);
            format!(
                "{attempts}, {} times {} up to {}",
                part("base"),
                exponential["factor"],
                part("max_delay")
            )
        }
    }
}

fn code(value: &Value) -> String {
    format!("`{}`", text(value))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn description(path: &str) -> Table {
    read(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path))
        .parse()
        .unwrap()
}

fn assert_section(name: &str, expected: &str) {
    let document = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/signing.md"));
    let after = document
        .split_once(&format!("<!-- {name}: kept current"))
        .unwrap()
        .1;
    let (_, after) = after.split_once("-->\n").unwrap();
    let (section, _) = after.split_once(&format!("<!-- end of {name} -->")).unwrap();
    assert!(
        section == expected,
        "docs/signing.md is behind the data. Between its markers for {name} should be:\n\n{expected}"
    );
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
