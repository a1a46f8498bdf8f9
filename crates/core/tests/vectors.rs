//! Replays the shared vectors: requests of real platforms, good ones and every kind of bad one.
//!
//! If one of these fails, a receiver refuses a platform's genuine webhook or accepts a forged one. The other
//! language bindings replay the same files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hookwright_core::conformance::{self, Expected, Vectors};
use hookwright_core::{Registry, Scheme};
use serde_json::Value;

#[test]
fn every_request_vector_gets_its_verdict() {
    let mut vectors = Vectors::from_json(&read("requests.json")).unwrap();
    let more = Vectors::from_json(&read("more_requests.json")).unwrap();
    vectors.vectors.extend(more.vectors);
    let mut ran: BTreeMap<&str, u32> = BTreeMap::new();
    let mut failures = Vec::new();
    for outcome in conformance::run(&Registry::builtin(), &vectors) {
        *ran.entry(&outcome.vector.scheme).or_default() += 1;
        if !outcome.is_expected() {
            failures.push(outcome.to_string());
        }
    }
    let total: u32 = ran.values().sum();
    println!("{total} vectors ran in {} schemes: {ran:?}", ran.len());
    assert!(
        failures.is_empty(),
        "{} of {total} vectors failed:\n{}",
        failures.len(),
        failures.join("\n")
    );

    // A scheme without a single vector is a scheme that nobody has compared with its platform.
    for name in Scheme::builtin_names() {
        assert!(ran.contains_key(name), "no vector ran for {name}");
    }
    // Every kind that the vectors know must be a code of ours, or bindings would map it to nothing.
    for kind in vectors.meta["error_kinds"].as_array().unwrap() {
        let kind = kind.as_str().unwrap();
        let has_vector = vectors
            .vectors
            .iter()
            .any(|vector| matches!(&vector.expected, Expected::Refused(reasons) if reasons[0] == kind));
        assert!(has_vector, "no vector for {kind}");
    }
}

/// For vectors that are not part of the repository: a platform's private ones, or those of a proposal.
#[test]
fn the_file_named_by_the_environment_gets_its_verdicts() {
    let Some(path) = std::env::var_os("HOOKWRIGHT_VECTORS") else {
        return;
    };
    let path = PathBuf::from(path);
    assert!(path.is_absolute(), "HOOKWRIGHT_VECTORS must be an absolute path");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let vectors = Vectors::from_json(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let outcomes = conformance::run(&Registry::builtin(), &vectors);
    let failures: Vec<_> = outcomes
        .iter()
        .filter(|outcome| !outcome.is_expected())
        .map(ToString::to_string)
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {} vectors failed:\n{}",
        failures.len(),
        outcomes.len(),
        failures.join("\n")
    );
}

#[test]
fn the_scheme_files_say_what_the_shared_description_says() {
    let shared: BTreeMap<String, Value> = serde_json::from_str(&read("schemes.json")).unwrap();
    let mut compared = 0;
    for (name, shared) in &shared {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("schemes")
            .join(format!("{name}.toml"));
        let ours: Value = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let lower = |value: &Value| -> Vec<String> {
            let names = value.as_array().into_iter().flatten();
            names.map(|name| name.as_str().unwrap().to_lowercase()).collect()
        };
        let signature = &shared["signature"];
        assert_eq!(
            lower(&ours["signature"]["headers"]),
            lower(&signature["headers"]),
            "{name}"
        );
        assert_eq!(ours["signature"]["encoding"], signature["encoding"], "{name}");
        assert_eq!(
            ours["signature"]["item_separator"], signature["item_sep"],
            "{name}"
        );
        assert_eq!(ours["signature"]["tag_separator"], signature["kv_sep"], "{name}");
        assert_eq!(ours["signature"]["timestamp_tag"], signature["ts_key"], "{name}");
        assert_eq!(ours["algorithm"], shared["algorithm"], "{name}");
        assert_eq!(
            lower(&ours["timestamp"]["headers"]),
            lower(&shared["timestamp"]["headers"]),
            "{name}"
        );
        // The shared description has no word for a time in the body; the vectors themselves pin that.
        if ours["timestamp"]["body_field"].is_null() {
            assert_eq!(
                ours["timestamp"]["tolerance_seconds"], shared["timestamp"]["tolerance"],
                "{name}"
            );
            assert_eq!(
                ours["timestamp"]["unit"] == "milliseconds",
                shared["timestamp"]["unit"] == 1000,
                "{name}"
            );
        }
        assert_eq!(
            lower(&ours["id"]["headers"]),
            lower(&shared["id"]["headers"]),
            "{name}"
        );
        let tags = ours["signature"]["tags"].as_array().into_iter().flatten();
        let tags: BTreeMap<_, _> = tags
            .map(|tag| (tag["tag"].as_str().unwrap(), &tag["algorithm"]))
            .collect();
        let keys: BTreeMap<_, _> = signature["keys"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(tag, alg)| (tag.as_str(), alg))
            .collect();
        assert_eq!(tags, keys, "{name}");
        let content: String = shared["content"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| match (part["lit"].as_str(), part["var"].as_str()) {
                (Some(literal), _) => literal.to_owned(),
                (None, variable) => format!("{{{}}}", variable.unwrap()),
            })
            .collect();
        assert_eq!(ours["content"], content, "{name}");
        compared += 1;
    }
    assert_eq!(compared, 31);
}

fn read(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/vectors")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
