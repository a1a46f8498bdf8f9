//! Schemas, catalogues and payloads by chance: each is refused or usable, and what is told stays short.

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value, json};

use super::{
    Refusal,
    import::Import,
    schema::{SCHEMA_BYTES_MAX, Schema},
};

/// More than a problem and the places in it should come to.
const TOLD_BYTES_MAX: usize = 4 * 1024;

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "", "~/%", "type", "$ref", "$defs", "\0"]).prop_map(str::to_owned)
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 30, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Into::into),
            vec((name(), inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Something like a schema: keywords with what belongs to them, or with anything.
fn schemas() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({})),
        prop::sample::select(vec!["string", "object", "array", "integer", "null", "x"])
            .prop_map(|of| json!({ "type": of })),
        prop::sample::select(vec!["^a", "(a+)+$", "(", "(?=a)", "\\p{Greek}", "a{9999}", "\\1"])
            .prop_map(|of| json!({ "pattern": of })),
        prop::sample::select(vec![
            "#",
            "#/$defs/a",
            "#/$defs/b",
            "#/x",
            "https://example.com/",
            "a"
        ])
        .prop_map(|of| json!({ "$ref": of })),
        (any::<f64>(), any::<i64>()).prop_map(|(of, least)| json!({ "multipleOf": of, "minimum": least })),
        values().prop_map(|of| json!({ "const": of })),
    ];
    let keyword = prop::sample::select(vec![
        "items",
        "contains",
        "not",
        "if",
        "then",
        "additionalProperties",
        "propertyNames",
        "unevaluatedProperties",
        "unevaluatedItems",
        "contentSchema",
    ]);
    let list = prop::sample::select(vec!["allOf", "anyOf", "oneOf", "prefixItems"]);
    let named = prop::sample::select(vec![
        "properties",
        "patternProperties",
        "$defs",
        "dependentSchemas",
    ]);
    leaf.prop_recursive(4, 30, 4, move |inner| {
        prop_oneof![
            (keyword.clone(), inner.clone()).prop_map(|(keyword, of)| json!({ keyword: of })),
            (list.clone(), vec(inner.clone(), 0..4)).prop_map(|(keyword, of)| json!({ keyword: of })),
            (named.clone(), vec((name(), inner.clone()), 0..4)).prop_map(|(keyword, of)| {
                let of: Map<_, _> = of.into_iter().collect();
                json!({ keyword: of })
            }),
            (inner, name(), values()).prop_map(|(mut schema, name, value)| {
                schema[name] = value;
                schema
            }),
        ]
    })
}

fn import(document: &Value, pointer: &str) -> Result<(), TestCaseError> {
    let import = Import::Document {
        document: Bytes::from(document.to_string()),
        pointer: pointer.to_owned(),
    };
    match import.event_types() {
        Ok(event_types) => {
            for event_type in event_types {
                prop_assert!(
                    event_type
                        .schema
                        .is_none_or(|schema| schema.len() <= SCHEMA_BYTES_MAX)
                );
            }
        }
        Err(refused) => {
            prop_assert!(!refused.problem.is_empty());
            prop_assert!(
                refused.field.len() + refused.problem.len() < TOLD_BYTES_MAX,
                "{refused:?}"
            );
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_a_schema_says_payloads_are_judged_by_it_or_it_is_refused(schema in schemas(), payloads in vec(values(), 1..4)) {
        match Schema::compile(&schema.to_string()) {
            Ok(schema) => {
                for payload in payloads {
                    if let Err(Refusal::Invalid(faults)) = schema.check(&payload) {
                        prop_assert!(!faults.is_empty());
                        for fault in faults {
                            prop_assert!(fault.problem.len() < TOLD_BYTES_MAX, "{fault:?}");
                        }
                    }
                }
            }
            Err(problem) => prop_assert!(!problem.is_empty() && problem.len() < TOLD_BYTES_MAX, "{problem}"),
        }
    }

    #[test]
    fn any_list_is_imported_or_refused(entries in vec((".{0,20}", schemas(), values()), 0..4)) {
        let listed: Vec<_> = entries
            .iter()
            .map(|(name, schema, sample)| json!({ "name": name, "schema": schema, "sample": sample }))
            .collect();
        import(&listed.into(), "")?;
    }

    #[test]
    fn any_open_api_document_is_imported_or_refused(
        name in ".{0,20}",
        schema in schemas(),
        parts in values(),
        reference in prop::sample::select(vec!["#/components/a", "#/components/b", "#", "#/webhooks/w", "#/x~2", "x"]),
        pointer in prop::sample::select(vec!["", "/", "/properties/a", "/$ref", "~", "/allOf/0"]),
    ) {
        let body = json!({ "content": { "application/json": { "schema": schema, "examples": parts, "example": parts } } });
        let document = json!({
            "openapi": "3.1.0",
            "webhooks": { name: { "post": { "requestBody": body } }, "w": { "$ref": reference } },
            "components": { "a": { "post": { "requestBody": { "$ref": "#/components/b" } } }, "b": body, "schemas": parts },
        });
        import(&document, pointer)?;
    }

    #[test]
    fn any_bytes_are_imported_or_refused(document in vec(any::<u8>(), 0..60), value in values()) {
        let pointer = String::new();
        let _ = Import::Document { document: document.into(), pointer }.event_types();
        import(&value, "")?;
    }
}
