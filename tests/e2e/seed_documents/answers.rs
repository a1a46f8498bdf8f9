//! Answers compared with what a guide prints.

use serde_json::Value;

use super::{
    commands::{Answered, Place},
    guide::Answer,
};

/// Fields whose value is another one every time: their type and, if it is a time, its form are compared.
const VARYING: &[&str] = &[
    "webhookId",
    "createdAt",
    "eventId",
    "responseTime",
    "timestamp",
    "lastError",
    "id",
    "event_id",
    "created_at",
    "delivered_at",
    "response_time",
    "error",
];

/// Panics with every difference between the answer and the guide's.
pub(super) fn compare(answered: &Answered, printed: &Answer, place: &Place) {
    let expected: Value = serde_json::from_str(&place.here(&printed.body.to_string())).unwrap();
    let mut differences = Vec::new();
    if answered.status != printed.status {
        differences.push(format!(
            "status {} instead of {}",
            answered.status, printed.status
        ));
    }
    find_differences("", &expected, &answered.body, &mut differences);
    assert!(differences.is_empty(), "{differences:#?}\n{:#}", answered.body);
}

fn find_differences(place: &str, expected: &Value, found: &Value, differences: &mut Vec<String>) {
    let name = place.rsplit('.').next().unwrap_or_default();
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            for (name, value) in expected {
                match found.get(name) {
                    Some(found) => find_differences(&format!("{place}.{name}"), value, found, differences),
                    None => differences.push(format!("{place}.{name} is missing")),
                }
            }
            let more = found.keys().filter(|name| !expected.contains_key(*name));
            differences.extend(more.map(|name| format!("{place}.{name} is not in the guide")));
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
                find_differences(&format!("{place}[{index}]"), expected, found, differences);
            }
        }
        (expected, found) if VARYING.contains(&name) => {
            if form(expected) != form(found) {
                differences.push(format!(
                    "{place} is {found}, which is not of the form of {expected}"
                ));
            }
        }
        (expected, found) => {
            if expected != found {
                differences.push(format!("{place} is {found} instead of {expected}"));
            }
        }
    }
}

/// The type of a value, and of a time its form.
fn form(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() => "whole number",
        Value::Number(_) => "number",
        Value::String(text) if is_time(text) => "time",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// Whether a text is like `2024-01-15T10:30:00Z`.
fn is_time(text: &str) -> bool {
    let form: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    form == "0000-00-00T00:00:00Z"
}

/// A comparison that overlooks something would make every test below worthless.
#[test]
fn a_difference_is_found() {
    let expected = serde_json::json!({
        "webhookId": "a", "createdAt": "2024-01-15T10:30:00Z", "logs": [{ "attempts": 1, "status": "success" }]
    });
    let differences = |from: &str, to: &str| {
        let found = expected.to_string();
        assert!(found.contains(from), "{from}");
        let mut differences = Vec::new();
        let found = serde_json::from_str(&found.replace(from, to)).unwrap();
        find_differences("", &expected, &found, &mut differences);
        differences
    };
    assert_eq!(differences("\"a\"", "\"b\""), Vec::<String>::new());
    assert_eq!(differences("15T10", "16T11"), Vec::<String>::new());
    for (from, to, told) in [
        ("\"a\"", "5", ".webhookId is 5, which is not of the form of \"a\""),
        ("\"webhookId\"", "\"webhook_id\"", ".webhookId is missing"),
        (
            "00Z",
            "00.5Z",
            ".createdAt is \"2024-01-15T10:30:00.5Z\", which is not of the form of \"2024-01-15T10:30:00Z\"",
        ),
        (
            "\"attempts\":1",
            "\"attempts\":\"1\"",
            ".logs[0].attempts is \"1\" instead of 1",
        ),
        (
            "success",
            "delivered",
            ".logs[0].status is \"delivered\" instead of \"success\"",
        ),
        (
            "\"attempts\":1",
            "\"attempts\":1,\"more\":1",
            ".logs[0].more is not in the guide",
        ),
        (
            "}]",
            "},{}]",
            ".logs is [{\"attempts\":1,\"status\":\"success\"},{}] instead of [{\"attempts\":1,\"status\":\"success\"}]",
        ),
    ] {
        assert_eq!(differences(from, to).first().map(String::as_str), Some(told));
    }
}
