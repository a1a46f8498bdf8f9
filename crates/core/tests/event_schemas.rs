//! The schemas of the built-in catalogues against their samples.
//!
//! If one of these fails, a receiver that validates what it gets refuses the platform's own events, or a handler
//! meets data that its schema promised it would not.

#![expect(
    clippy::unwrap_used,
    reason = "the lint spares test functions and not their helpers"
)]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use hookwright_core::{Profile, SampleOrigin};
use jsonschema::Validator;
use serde_json::{Value, json};

/// One event type of a built-in profile, ready to be tried.
struct Entry {
    title: String,
    sample: Value,
    schema: Value,
    validator: Validator,
}

fn entries() -> Vec<Entry> {
    let profiles = Profile::builtin_names().iter().map(|name| profile(name));
    profiles
        .flat_map(|profile| {
            let event_types = profile.event_types().iter();
            event_types
                .map(|event_type| {
                    let title = format!("{} {}", profile.name, event_type.name);
                    let json = |text: &Option<String>| {
                        serde_json::from_str(
                            text.as_deref().unwrap_or_else(|| panic!("{title} lacks a part")),
                        )
                        .unwrap()
                    };
                    let schema = json(&event_type.schema);
                    Entry {
                        sample: json(&event_type.sample),
                        validator: validator(&schema).unwrap_or_else(|error| panic!("{title}: {error}")),
                        schema,
                        title,
                    }
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

fn profile(name: &str) -> Arc<Profile> {
    Profile::builtin(name).unwrap()
}

fn validator(schema: &Value) -> Result<Validator, String> {
    jsonschema::draft202012::meta::validate(schema).map_err(|error| error.to_string())?;
    jsonschema::draft202012::new(schema).map_err(|error| error.to_string())
}

/// Where the schemas are open on purpose: what these objects hold is the customer's business.
const OPEN: [&str; 7] = [
    "aetherflow workflow.completed /custom_data/",
    "aetherflow workflow.executed /trigger/",
    "contractai agent.action /action/input/",
    "contractai agent.result /result/output/",
    "contractai search.performed /search/filters/",
    "filedgr stream.data_received /latestData/",
    "filedgr vault.data_updated /metadata/",
];

/// JSON pointers to every member and item inside `value`.
fn pointers(value: &Value) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(at, value)| (at.to_string(), value))
            .collect(),
        _ => Vec::new(),
    };
    children
        .into_iter()
        .flat_map(|(key, value)| {
            let inner = pointers(value)
                .into_iter()
                .map(|pointer| format!("/{key}{pointer}"))
                .collect::<Vec<_>>();
            std::iter::once(format!("/{key}")).chain(inner)
        })
        .collect()
}

/// A value that no schema takes in the place of `value`.
fn other_type(value: &Value) -> Value {
    match value {
        Value::String(_) | Value::Object(_) => json!(7.5),
        _ => json!("text"),
    }
}

#[test]
fn every_event_type_has_a_description_a_sample_and_a_schema_that_accepts_it() {
    let entries = entries();
    assert_eq!(entries.len(), 71);
    for entry in &entries {
        assert_eq!(
            entry.schema["$schema"], "https://json-schema.org/draft/2020-12/schema",
            "{}",
            entry.title
        );
        if let Err(error) = entry.validator.validate(&entry.sample) {
            panic!("{}: {error} at {}", entry.title, error.instance_path());
        }
    }
    for name in Profile::builtin_names() {
        for event_type in profile(name).event_types() {
            assert!(!event_type.description.is_empty(), "{name} {}", event_type.name);
        }
    }
}

#[test]
fn a_member_of_another_type_is_refused() {
    let mut open = BTreeSet::new();
    for Entry {
        title,
        sample,
        validator,
        ..
    } in entries()
    {
        for pointer in pointers(&sample) {
            let mut changed = sample.clone();
            let place = changed.pointer_mut(&pointer).unwrap();
            *place = other_type(place);
            let place = format!("{title} {pointer}");
            match OPEN.iter().find(|prefix| place.starts_with(**prefix)) {
                Some(prefix) => {
                    assert!(validator.is_valid(&changed), "{place} is not open");
                    open.insert(*prefix);
                }
                None => assert!(!validator.is_valid(&changed), "{place} takes anything"),
            }
        }
        for not_an_object in [json!(null), json!([]), json!("text"), json!({})] {
            assert!(
                !validator.is_valid(&not_an_object),
                "{title} takes {not_an_object}"
            );
        }
    }
    assert_eq!(open.len(), OPEN.len(), "an open place is in no sample");
}

#[test]
fn a_member_that_every_event_has_must_be_there() {
    let is_required = |title: &str, pointer: &str| {
        let entries = entries();
        let entry = entries.iter().find(|entry| entry.title == title).unwrap();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let mut changed = entry.sample.clone();
        let parent = changed.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        parent.remove(key).unwrap();
        !entry.validator.is_valid(&changed)
    };
    for (title, pointer) in [
        ("filedgr vault.created", "/createdAt"),
        ("filedgr vault.data_updated", "/fileId"),
        ("filedgr vault.verification_complete", "/blockchainTx"),
        ("digivault conversation.message.created", "/message"),
        ("digivault conversation.message.deleted", "/conversation_id"),
        ("digivault group.member_added", "/member"),
        ("aetherflow workflow.completed", "/workflow/status"),
        ("aetherflow workflow.failed", "/error_details/retry_count"),
        ("contractai agent.result", "/result"),
        ("contractai search.results", "/results/0/document_id"),
        ("generic user.created", "/name"),
        ("generic payment.failed", "/amount"),
    ] {
        assert!(is_required(title, pointer), "{title} does without {pointer}");
    }
    for (title, pointer) in [
        ("filedgr vault.data_updated", "/metadata"),
        ("digivault conversation.message.created", "/contact"),
        ("aetherflow workflow.completed", "/steps"),
        ("generic user.created", "/email"),
    ] {
        assert!(!is_required(title, pointer), "{title} insists on {pointer}");
    }
}

#[test]
fn what_a_document_makes_depend_on_a_value_depends_on_it() {
    let accepts = |profile_name: &str, event_type: &str, data: Value| {
        let profile = profile(profile_name);
        let schema = profile.event_type(event_type).unwrap().schema.as_deref().unwrap();
        validator(&serde_json::from_str(schema).unwrap())
            .unwrap()
            .is_valid(&data)
    };
    let updated = |update_type| json!({ "vaultId": "vault_1", "updateType": update_type });
    assert!(accepts("filedgr", "vault.data_updated", updated("renamed")));
    assert!(!accepts(
        "filedgr",
        "vault.data_updated",
        updated("file_uploaded")
    ));

    let verified = |status| json!({ "vaultId": "vault_1", "fileId": "file_1", "verificationStatus": status });
    assert!(accepts(
        "filedgr",
        "vault.verification_complete",
        verified("failed")
    ));
    assert!(!accepts(
        "filedgr",
        "vault.verification_complete",
        verified("verified")
    ));

    let workflow = |status| json!({ "workflow": { "id": "wf_1", "name": "w", "status": status } });
    assert!(accepts("aetherflow", "workflow.completed", workflow("completed")));
    assert!(!accepts("aetherflow", "workflow.completed", workflow("failed")));

    // Of the two shapes that AetherFlow's guide has for an integration, its payload has the name alone.
    let failed = |integration| {
        let workflow = json!({ "id": "wf_1", "name": "w", "status": "failed" });
        json!({ "workflow": workflow, "error_details": { "integration": integration, "retry_count": 3 } })
    };
    assert!(accepts(
        "aetherflow",
        "workflow.failed",
        failed(json!("salesforce"))
    ));
    assert!(!accepts(
        "aetherflow",
        "workflow.failed",
        failed(json!({ "id": "int_1" }))
    ));
}

#[test]
fn fields_that_platforms_add_later_are_accepted() {
    for mut entry in entries() {
        let members = entry.sample.as_object_mut().unwrap();
        members.insert("added_later".into(), json!([null]));
        assert!(entry.validator.is_valid(&entry.sample), "{}", entry.title);
    }
}

#[test]
fn every_example_of_a_document_passes_the_schema_of_its_event_type() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/envelopes.json");
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let entries = entries();
    for documented in vectors["envelopes"].as_array().unwrap() {
        let name = documented["profile"].as_str().unwrap();
        let body = documented["text"].as_str().unwrap();
        let parsed = profile(name).parse(body.as_bytes()).unwrap();
        let title = format!("{name} {}", parsed.event_type.unwrap());
        let entry = entries.iter().find(|entry| entry.title == title).unwrap();
        let data: Value = serde_json::from_str(parsed.data.get()).unwrap();
        assert!(entry.validator.is_valid(&data), "{title}: {data}");
    }
}

#[test]
fn a_schema_carries_only_the_definitions_that_it_uses() {
    for Entry { title, schema, .. } in entries() {
        let text = schema.to_string();
        let definitions = schema["$defs"].as_object();
        for name in definitions.into_iter().flat_map(serde_json::Map::keys) {
            assert!(
                text.contains(&format!("\"#/$defs/{name}\"")),
                "{title} carries {name}"
            );
        }
    }
}

#[test]
fn samples_say_where_they_come_from() {
    let documented = |name: &str| {
        let profile = profile(name);
        let event_types = profile.event_types().iter();
        event_types
            .filter(|event_type| event_type.sample_origin == SampleOrigin::Document)
            .count()
    };
    let counts = ["filedgr", "digivault", "aetherflow", "contractai", "generic"].map(documented);
    assert_eq!(counts, [7, 1, 2, 0, 1]);
}
