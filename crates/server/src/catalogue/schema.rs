//! JSON Schemas whose work is bounded.
//!
//! - Nothing is fetched: references stay inside of the schema.
//! - References do not go round in circles. With one that does, two alternatives that both lead back double the work with
//!   every level of a payload.
//! - What is left, written out in full, has at most [`PARTS_MAX`] parts, each of which looks at a value at most once.
//! - Patterns run on an engine that is linear in the text, with a small program ([`PATTERN_BYTES_MAX`]); look-around and
//!   back-references, which such an engine does not have, are refused. Linear can still be slow: see [`CHECKS_MAX`].

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};

use super::Refusal;

/// Longest schema, in bytes.
pub(super) const SCHEMA_BYTES_MAX: usize = 64 * 1_024;
/// Deepest nesting of the schema's own text.
const DEPTH_MAX: usize = 64;
/// Subschemas when every reference is replaced by what it refers to.
const PARTS_MAX: usize = 2_000;
/// Memory of one compiled pattern.
const PATTERN_BYTES_MAX: usize = 64 * 1_024;
/// Parts of the schema times values of the payload. 4.6 million of them took 50 ms to 74 ms in two runs of `schema_costs`
/// (debug build, 2 cores that were busy with other work). The length of texts does not count, and it does matter to patterns:
/// there `a[ab]{400}c` took 4 s for a text of 250 kB.
const CHECKS_MAX: usize = 5_000_000;
/// Faults that are told at once.
const FAULTS_MAX: usize = 10;
/// Payloads with more values are told their first fault only: a fault for each of them would cost more than the check.
const VALUES_OF_MANY_FAULTS_MAX: usize = 1_000;
const PROBLEM_BYTES_MAX: usize = 300;

/// Keywords that hold one schema, or (in older drafts) several.
const ONE: [&str; 13] = [
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "extends",
];
/// Keywords that hold a list of schemas.
const LIST: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords that hold schemas by name.
const NAMED: [&str; 4] = [
    "dependencies",
    "dependentSchemas",
    "patternProperties",
    "properties",
];
/// Keywords that change what references mean, or refer to what is only known while checking.
const REFUSED: [&str; 6] = [
    "$anchor",
    "$dynamicAnchor",
    "$dynamicRef",
    "$recursiveAnchor",
    "$recursiveRef",
    "$vocabulary",
];

/// A schema, ready to check payloads.
#[derive(Debug)]
pub(super) struct Schema {
    validator: Validator,
    parts: usize,
}

/// A part of a payload that its schema does not accept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// JSON pointer into the payload; empty for the whole.
    pub(crate) place: String,
    /// JSON pointer into the schema.
    pub(crate) schema_place: String,
    /// What is wrong, without the value itself.
    pub(crate) problem: String,
}

impl Schema {
    /// Reads a schema, or says what is wrong with it and where.
    pub(super) fn compile(text: &str) -> Result<Self, String> {
        if text.len() > SCHEMA_BYTES_MAX {
            return Err(format!(
                "{} bytes; at most {SCHEMA_BYTES_MAX} are accepted",
                text.len()
            ));
        }
        let schema: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        if !schema.is_object() {
            return Err(String::from("a schema is a JSON object"));
        }
        if depth(&schema) > DEPTH_MAX {
            return Err(format!("nested more than {DEPTH_MAX} deep"));
        }
        let parts = Expansion::of(&schema)?;
        let patterns = PatternOptions::regex()
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX * 4);
        let validator = jsonschema::options()
            .offline()
            .with_pattern_options(patterns)
            .build(&schema)
            .map_err(|error| {
                let place = error.instance_path().to_string();
                let problem = shortened(&error);
                if place.is_empty() {
                    problem
                } else {
                    format!("at {place}: {problem}")
                }
            })?;
        Ok(Self { validator, parts })
    }

    pub(super) fn check(&self, payload: &Value) -> Result<(), Refusal> {
        let values = count(payload);
        let checks = self.parts.saturating_mul(values);
        if checks > CHECKS_MAX {
            return Err(Refusal::TooLarge {
                problem: format!(
                    "{values} values times {} parts of the schema are more than the {CHECKS_MAX} checks that are allowed",
                    self.parts
                ),
            });
        }
        if self.validator.is_valid(payload) {
            return Ok(());
        }
        let faults: Vec<Fault> = if values <= VALUES_OF_MANY_FAULTS_MAX {
            self.validator
                .iter_errors(payload)
                .take(FAULTS_MAX)
                .map(fault)
                .collect()
        } else {
            self.validator
                .validate(payload)
                .err()
                .into_iter()
                .map(fault)
                .collect()
        };
        Err(Refusal::Invalid(faults))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "handed over by iterators")]
fn fault(error: ValidationError<'_>) -> Fault {
    Fault {
        place: error.instance_path().to_string(),
        schema_place: error.schema_path().to_string(),
        // Without the value, which may be long and is nobody's business in a log.
        problem: shortened(&error.masked()),
    }
}

/// What a schema comes to when every reference is replaced.
struct Expansion<'a> {
    root: &'a Value,
    /// Of references that are done.
    done: BTreeMap<&'a str, usize>,
    /// References that are being replaced.
    open: BTreeSet<&'a str>,
}

impl<'a> Expansion<'a> {
    fn of(root: &'a Value) -> Result<usize, String> {
        let mut expansion = Self {
            root,
            done: BTreeMap::new(),
            open: BTreeSet::new(),
        };
        let parts = expansion.parts(root, "")?;
        // Definitions that nothing refers to are compiled as well, and must not be worse.
        for keyword in ["$defs", "definitions"] {
            let definitions = root.get(keyword).and_then(Value::as_object);
            for (name, definition) in definitions.into_iter().flatten() {
                expansion.parts(definition, &format!("/{keyword}/{name}"))?;
            }
        }
        Ok(parts)
    }

    fn parts(&mut self, schema: &'a Value, place: &str) -> Result<usize, String> {
        let Some(keywords) = schema.as_object() else {
            return Ok(1);
        };
        let mut parts = 1_usize;
        for (keyword, value) in keywords {
            let here = || format!("{place}/{keyword}");
            let more = match keyword.as_str() {
                "$ref" => self.reference(value, &here())?,
                "$id" | "id" if value.is_string() && !place.is_empty() => {
                    return Err(format!(
                        "at {}: only the schema as a whole can have an id",
                        here()
                    ));
                }
                keyword if REFUSED.contains(&keyword) => {
                    return Err(format!("at {}: {keyword} is not accepted", here()));
                }
                keyword if ONE.contains(&keyword) => match value {
                    Value::Array(schemas) => self.list(schemas, &here())?,
                    schema => self.parts(schema, &here())?,
                },
                keyword if LIST.contains(&keyword) => match value {
                    Value::Array(schemas) => self.list(schemas, &here())?,
                    _ => 0,
                },
                keyword if NAMED.contains(&keyword) => match value {
                    Value::Object(schemas) => self.named(schemas, &here())?,
                    _ => 0,
                },
                _ => 0,
            };
            parts = parts.saturating_add(more);
            if parts > PARTS_MAX {
                return Err(format!(
                    "at {}: with every reference replaced there are more than {PARTS_MAX} parts",
                    here()
                ));
            }
        }
        Ok(parts)
    }

    fn list(&mut self, schemas: &'a [Value], place: &str) -> Result<usize, String> {
        let mut parts = 0_usize;
        for (position, schema) in schemas.iter().enumerate() {
            parts = parts.saturating_add(self.parts(schema, &format!("{place}/{position}"))?);
        }
        Ok(parts)
    }

    fn named(&mut self, schemas: &'a Map<String, Value>, place: &str) -> Result<usize, String> {
        let mut parts = 0_usize;
        for (name, schema) in schemas {
            parts = parts.saturating_add(self.parts(schema, &format!("{place}/{name}"))?);
        }
        Ok(parts)
    }

    fn reference(&mut self, value: &'a Value, place: &str) -> Result<usize, String> {
        let Some(reference) = value.as_str() else {
            return Err(format!("at {place}: a reference is text"));
        };
        if let Some(parts) = self.done.get(reference) {
            return Ok(*parts);
        }
        let pointer = reference
            .strip_prefix('#')
            .filter(|pointer| (pointer.is_empty() || pointer.starts_with('/')) && !pointer.contains('%'));
        let Some(pointer) = pointer else {
            return Err(format!(
                "at {place}: {reference:?} is not a place in this schema, such as #/$defs/user; nothing is fetched"
            ));
        };
        let Some(target) = self.root.pointer(pointer) else {
            return Err(format!("at {place}: there is no {reference:?}"));
        };
        if pointer.is_empty() || !self.open.insert(reference) {
            return Err(format!(
                "at {place}: {reference:?} leads back to itself, which is not accepted"
            ));
        }
        let parts = self.parts(target, pointer)?;
        self.open.remove(reference);
        self.done.insert(reference, parts);
        Ok(parts)
    }
}

fn depth(value: &Value) -> usize {
    let below = match value {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(members) => members.values().map(depth).max(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    };
    1 + below.unwrap_or(0)
}

fn count(value: &Value) -> usize {
    let below: usize = match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    };
    1 + below
}

fn shortened(text: &impl fmt::Display) -> String {
    let mut text = text.to_string();
    if text.len() > PROBLEM_BYTES_MAX {
        text.truncate(text.floor_char_boundary(PROBLEM_BYTES_MAX));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(schema: &Value) -> String {
        match Schema::compile(&schema.to_string()) {
            Ok(schema) => panic!("accepted: {schema:?}"),
            Err(problem) => problem,
        }
    }

    #[test]
    fn faults_name_both_places_and_not_the_value() {
        let schema = json!({
            "type": "object", "required": ["id"],
            "properties": { "id": { "type": "string", "pattern": "^ord_[0-9a-z]+$" }, "lines": { "items": { "$ref": "#/$defs/line" } } },
            "$defs": { "line": { "properties": { "count": { "type": "integer", "minimum": 1 } } } },
        });
        let schema = Schema::compile(&schema.to_string()).unwrap();
        assert!(
            schema
                .check(&json!({ "id": "ord_1", "lines": [{ "count": 1 }] }))
                .is_ok()
        );
        let Err(Refusal::Invalid(faults)) =
            schema.check(&json!({ "id": "secret", "lines": [{}, { "count": 0 }] }))
        else {
            panic!("accepted");
        };
        let places: Vec<_> = faults.iter().map(|fault| fault.place.as_str()).collect();
        assert_eq!(places, ["/id", "/lines/1/count"]);
        assert_eq!(faults[0].schema_place, "/properties/id/pattern");
        assert!(
            faults[1].schema_place.ends_with("/properties/count/minimum"),
            "{faults:?}"
        );
        assert!(
            faults.iter().all(|fault| !fault.problem.contains("secret")),
            "{faults:?}"
        );
    }

    #[test]
    fn what_would_fetch_or_never_end_is_refused() {
        // A schema from a customer could make the service call addresses of its choice, or stop it.
        for (schema, about) in [
            (
                json!({ "$ref": "https://example.com/schema.json" }),
                "nothing is fetched",
            ),
            (
                json!({ "properties": { "a": { "$ref": "other.json#/a" } } }),
                "nothing is fetched",
            ),
            (json!({ "$ref": "file:///etc/passwd" }), "nothing is fetched"),
            (json!({ "$schema": "https://example.com/meta.json" }), ""),
            (json!({ "$ref": "#" }), "leads back"),
            (json!({ "items": { "$ref": "#" } }), "leads back"),
            (
                json!({ "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } } }),
                "leads back",
            ),
            (json!({ "$ref": "#/$defs/nope" }), "there is no"),
            (json!({ "$dynamicRef": "#a" }), "not accepted"),
            (
                json!({ "properties": { "a": { "$id": "https://example.com/a" } } }),
                "can have an id",
            ),
            (json!({ "type": "strin" }), "type"),
            (json!({ "pattern": "(" }), ""),
            (json!({ "pattern": "(?=a)b" }), ""),
            (json!({ "pattern": "(a)\\1" }), ""),
            (json!({ "pattern": "((a{1000}){1000}){1000}" }), ""),
            (json!({ "patternProperties": { "(x{900}){900}": true } }), ""),
            (json!([]), "object"),
            (json!(true), "object"),
        ] {
            let problem = refused(&schema);
            assert!(
                problem.contains(about) && problem.len() < 600,
                "{schema}: {problem}"
            );
        }
        let mut deep = json!({});
        for _ in 0..70 {
            deep = json!({ "not": deep });
        }
        assert!(refused(&deep).contains("deep"));
        let doubling: Map<String, Value> = (0..40)
            .map(|level| {
                let next = json!({ "$ref": format!("#/$defs/l{}", level + 1) });
                (format!("l{level}"), json!({ "anyOf": [next, next] }))
            })
            .chain([(String::from("l40"), json!({ "type": "string" }))])
            .collect();
        assert!(refused(&json!({ "$ref": "#/$defs/l0", "$defs": doubling })).contains("parts"));
        assert!(
            Schema::compile(&" ".repeat(SCHEMA_BYTES_MAX + 1))
                .unwrap_err()
                .contains("bytes")
        );
        assert!(Schema::compile("{").unwrap_err().contains("JSON"));
    }

    #[test]
    fn usual_patterns_are_accepted() {
        for pattern in [
            "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
            "^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}$",
            "^\\w+$",
            "^\\d{4}-\\d{2}-\\d{2}$",
            "^[a-z]{1,64}$",
            "(a+)+$",
        ] {
            Schema::compile(&json!({ "pattern": pattern }).to_string())
                .unwrap_or_else(|problem| panic!("{pattern}: {problem}"));
        }
    }

    #[test]
    fn a_payload_that_costs_too_much_is_refused() {
        let many: Vec<_> = (0..1_000).map(|n| json!({ "minimum": n })).collect();
        let schema = Schema::compile(&json!({ "items": { "allOf": many } }).to_string()).unwrap();
        let refusal = schema.check(&json!(vec![1; 100_000])).unwrap_err();
        assert!(matches!(refusal, Refusal::TooLarge { .. }), "{refusal:?}");
        let Err(Refusal::Invalid(faults)) = schema.check(&json!(vec![1; 2_000])) else {
            panic!("accepted");
        };
        assert_eq!(faults.len(), 1);
    }

    /// `cargo test --release -p hookwright-server schema_costs -- --ignored --nocapture`
    #[test]
    #[ignore = "measures; a loaded machine would make it lie"]
    #[expect(clippy::print_stdout, reason = "a measurement")]
    fn schema_costs() {
        let long = json!("a".repeat(250_000));
        let zeros = json!(vec![0; 125_000]);
        let numbers: Vec<_> = (0..40_000).collect();
        let numbers = json!(numbers);
        // The last alternative is the one that fits, so that all of them are tried on every item.
        let any: Vec<_> = (0..37).rev().map(|n| json!({ "const": n })).collect();
        let options: Vec<_> = (0..11_000).rev().collect();
        let patterns: Vec<_> = (0..600)
            .map(|n| json!({ "pattern": format!("(.*a){{20}}b{n}|a$") }))
            .collect();
        // Neither a table of states nor a literal helps with this text.
        let mut bits = 1_u32;
        let mixed: String = std::iter::repeat_with(|| {
            bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if bits >> 31 == 0 { 'a' } else { 'b' }
        })
        .take(250_000)
        .collect();
        let mixed = json!(mixed);
        for (schema, payload) in [
            (json!({ "pattern": "a[ab]{400}c" }), &mixed),
            (json!({ "pattern": "(a+)+$" }), &long),
            (json!({ "pattern": "^(a|aa|aaa|aaaa){2,60}b" }), &long),
            (json!({ "pattern": "(.*a){20}b" }), &long),
            (json!({ "pattern": "[a-z]*x[a-z]{200}y" }), &long),
            (json!({ "items": { "anyOf": any } }), &zeros),
            (json!({ "items": { "enum": options } }), &zeros),
            (json!({ "allOf": patterns }), &long),
            (json!({ "uniqueItems": true }), &zeros),
            (json!({ "uniqueItems": true }), &numbers),
            (json!({ "items": { "type": "string" } }), &zeros),
        ] {
            let started = std::time::Instant::now();
            let compiled = Schema::compile(&schema.to_string());
            let compiling = started.elapsed();
            let started = std::time::Instant::now();
            let answer = compiled.map(|compiled| compiled.check(payload).is_ok());
            println!(
                "{compiling:>10.1?} {:>10.1?} {answer:?} {:.60}",
                started.elapsed(),
                schema.to_string()
            );
        }
    }
}
