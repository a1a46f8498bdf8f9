//! Texts with a grammar of their own: payloads, filters, schemas, catalogues. Some are right, some nearly so.

use rand::{RngExt as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Map, Value, json};

use super::values::event_type;

/// Nesting of what is put together here.
const DEPTH_MAX: u32 = 6;

pub(super) fn payload(random: &mut StdRng) -> String {
    match random.random_range(0..12) {
        0 => "[".repeat(random.random_range(1..300)) + &"]".repeat(random.random_range(1..300)),
        1 => format!("{{\"a\":{}}}", "9".repeat(random.random_range(1..400))),
        2 => String::from(r#"{"a":1,"a":2,"":{"":null},"\u0000":"\ud800","id":1e400}"#),
        3 => format!("\"{}\"", "x".repeat(random.random_range(1..300_000))),
        4 => serde_json::to_string(&vec![
            json!({"id": "a", "status": "paid"});
            random.random_range(1..500)
        ])
        .unwrap(),
        5 => String::from(
            *["", "null", "{", "nan", "\u{feff}{}", "{}{}", "\0", "[1,]"]
                .choose(random)
                .unwrap(),
        ),
        _ => json(random, 0).to_string(),
    }
}

fn json(random: &mut StdRng, depth: u32) -> Value {
    match random.random_range(0..if depth < DEPTH_MAX { 9 } else { 6 }) {
        0 => Value::Null,
        1 => json!(random.random::<bool>()),
        2 => json!(random.random_range(-5_i64..5)),
        3 => json!(*[i64::MAX, i64::MIN, 0].choose(random).unwrap()),
        4 => json!(random.random::<f64>()),
        5 => json!(
            *[
                "paid",
                "",
                "a\u{0}b",
                "\u{1f600}",
                "ord_1",
                "2024-01-15T10:30:00Z"
            ]
            .choose(random)
            .unwrap()
        ),
        6 => (0..random.random_range(0..4))
            .map(|_| json(random, depth + 1))
            .collect(),
        _ => {
            let members =
                (0..random.random_range(0..5)).map(|_| (name(random).to_owned(), json(random, depth + 1)));
            Value::Object(members.collect())
        }
    }
}

/// Of members of payloads, in filters and in schemas alike, so that they meet.
fn name(random: &mut StdRng) -> &'static str {
    [
        "id",
        "status",
        "amount",
        "items",
        "",
        "a/b~c",
        "vaultId",
        "\u{0}",
        "__proto__",
    ]
    .choose(random)
    .unwrap()
}

/// An expression in CEL, or nearly one.
pub(super) fn filter(random: &mut StdRng) -> String {
    match random.random_range(0..8) {
        0 => String::from("type == \"vault.created\" && data.amount > 0"),
        1 => String::from(
            *[
                "true",
                "1",
                "event",
                "data.items.map(x, x)",
                "data.status.matches('(a+)+$')",
                "data.items.exists(a, data.items.exists(b, a == b))",
                "size(data) / 0 == 1",
                "9223372036854775807 + data.amount > 0",
                "-9223372036854775808 / -1 == data.amount",
                "data.amount % 0 == 1",
                "\"\\u0000\" in data",
                "has(data.a.b.c.d)",
                "timestamp('x') > timestamp('y')",
                "data.status * 3 == 'aaa'",
                "b'\\xff' == b'\\xff'",
                "data[\"\"] == null",
                "true ? false : 1",
                "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
                "((((((((((((((((((((((((((((((((((((((((1))))",
                "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!true",
                "a.b.c\u{0}",
                "\u{202e}eurt",
            ]
            .choose(random)
            .unwrap(),
        ),
        2 => "true && ".repeat(random.random_range(1..400)) + "true",
        3 => "-".repeat(random.random_range(1..900)) + "1",
        _ => expression(random, 0),
    }
}

fn expression(random: &mut StdRng, depth: u32) -> String {
    if depth >= DEPTH_MAX || random.random_range(0..4) == 0 {
        return String::from(
            *[
                "type",
                "time",
                "data.status",
                "data.amount",
                "data.items",
                "data.items[0].id",
                "data",
                "item",
                "'paid'",
                "1",
                "1.5",
                "0u",
                "null",
                "[1, 2]",
                "{'a': 1}",
                "9223372036854775807",
            ]
            .choose(random)
            .unwrap(),
        );
    }
    let mut part = || expression(random, depth + 1);
    let (left, right) = (part(), part());
    let operator = *["==", "!=", "<", ">=", "in", "&&", "||", "+", "-", "*", "/", "%"]
        .choose(random)
        .unwrap();
    match random.random_range(0..8) {
        0 => format!("!({left})"),
        1 => format!("has({left})"),
        2 => format!("size({left}) > {right}"),
        3 => format!("({left}).exists(item, {right})"),
        4 => format!("({left}).startsWith({right})"),
        5 => format!("({left}) ? ({right}) : false"),
        _ => format!("({left}) {operator} ({right})"),
    }
}

/// What `ImportEventTypes` takes as a document.
pub(super) fn catalogue(random: &mut StdRng) -> String {
    match random.random_range(0..8) {
        0 => payload(random),
        1 => {
            let many: Vec<_> = (0..random.random_range(900..1_200))
                .map(|n| json!({ "name": format!("many.n{n}") }))
                .collect();
            json!(many).to_string()
        }
        2 | 3 => open_api(random).to_string(),
        _ => (0..random.random_range(1..4))
            .map(|_| listed(random))
            .collect::<Value>()
            .to_string(),
    }
}

fn listed(random: &mut StdRng) -> Value {
    let mut entry = Map::new();
    entry.insert("name".to_owned(), json!(event_type(random)));
    if random.random() {
        entry.insert("schema".to_owned(), schema(random, 0));
    }
    if random.random_range(0..4) == 0 {
        entry.insert("sample".to_owned(), json(random, 0));
    }
    if random.random_range(0..4) == 0 {
        entry.insert(
            name(random).to_owned(),
            json!("x".repeat(random.random_range(0..3_000))),
        );
        entry.insert(
            "description".to_owned(),
            json!("d\u{0}".repeat(random.random_range(0..2))),
        );
    }
    entry.into()
}

fn open_api(random: &mut StdRng) -> Value {
    let version = *["3.1.0", "3.2.0", "3.0.0", "", "3.1."].choose(random).unwrap();
    let body = json!({ "content": { "application/json": { "schema": schema(random, 0), "example": json(random, 0) } } });
    let hook = json!({ "post": { "summary": "s", "requestBody": body } });
    let reference = *[
        "#/components/a",
        "#/webhooks/a",
        "#",
        "https://example.com/x",
        "#/%00",
        "#/components/loop",
    ]
    .choose(random)
    .unwrap();
    json!({
        "openapi": version,
        "webhooks": { event_type(random): hook, event_type(random): { "$ref": reference } },
        "components": {
            "a": hook,
            "loop": { "$ref": "#/components/loop" },
            "schemas": { "a": schema(random, 0), "b": { "$ref": "#/components/schemas/a" } },
        },
    })
}

/// A JSON Schema, or nearly one.
fn schema(random: &mut StdRng, depth: u32) -> Value {
    if depth >= DEPTH_MAX {
        return json!({});
    }
    let mut next = || schema(random, depth + 1);
    let (first, second) = (next(), next());
    let pattern = *[
        "^ord_",
        "(a+)+$",
        "(",
        "(?=a)",
        "a{1000}{1000}",
        "[",
        "\\p{Greek}",
        "^(a|aa|aaa){2,60}b",
        "",
    ]
    .choose(random)
    .unwrap();
    let reference = *[
        "#/$defs/a",
        "#",
        "#/$defs/nope",
        "file:///etc/passwd",
        "#/%24defs",
        "#/$defs/b",
    ]
    .choose(random)
    .unwrap();
    match random.random_range(0..14) {
        0 => json!({ "type": *["object", "string", "strin", "array", "null"].choose(random).unwrap() }),
        1 => json!({ "pattern": pattern }),
        2 => json!({ "patternProperties": { pattern: first } }),
        3 => json!({ "$ref": reference, "$defs": { "a": first, "b": { "$ref": "#/$defs/a" } } }),
        4 => json!({ "allOf": [first, second], "$id": "https://example.com/a" }),
        5 => json!({ "anyOf": [first, second], "not": json(random, depth) }),
        6 => json!({ "items": first, "minItems": -1, "uniqueItems": true }),
        7 => json!({ "properties": { name(random): first, "status": second }, "required": [name(random)] }),
        8 => json!({ "multipleOf": *[0.0, 1e-300, 1e300, 0.1].choose(random).unwrap() }),
        9 => json!({ "minLength": u64::MAX, "maximum": 1e308, "enum": [] }),
        10 => {
            json!({ "$schema": *["https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-04/schema#", "https://example.com/x"].choose(random).unwrap() })
        }
        11 => {
            json!({ "format": *["date-time", "regex", "uri", "x"].choose(random).unwrap(), "contentSchema": first })
        }
        12 => {
            json!({ "dependentSchemas": { "a": first }, "unevaluatedProperties": second, "if": json(random, depth) })
        }
        _ => json(random, depth),
    }
}
