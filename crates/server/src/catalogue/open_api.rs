//! The `webhooks` of an OpenAPI 3.1 document.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{
    EVENT_TYPES_MAX,
    import::{Candidate, Refused},
    schema::SCHEMA_BYTES_MAX,
};

/// References that are followed one after the other.
const REFERENCES_MAX: usize = 16;
/// In the order in which they are looked for; webhooks are nearly always POST.
const METHODS: [&str; 5] = ["post", "put", "patch", "delete", "get"];

/// The webhooks as event types, with `pointer` into each of their schemas.
pub(super) fn candidates(document: &Value, pointer: &str) -> Result<Vec<Candidate>, Refused> {
    let refused = |problem: &str| Err(Refused::new("document", problem));
    match document.get("openapi").and_then(Value::as_str) {
        Some(version) if version.starts_with("3.1.") || version.starts_with("3.2.") => {}
        Some(_) => return refused("only OpenAPI 3.1 and 3.2 have webhooks; convert it first"),
        None => {
            return refused(
                "an object without `openapi`; send a list of event types, or an OpenAPI document",
            );
        }
    }
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return Err(Refused::new(
            "schema_pointer",
            "a JSON pointer such as /properties/data",
        ));
    }
    let Some(webhooks) = document.get("webhooks").and_then(Value::as_object) else {
        return refused("it has no webhooks");
    };
    if webhooks.len() > EVENT_TYPES_MAX {
        return refused(&format!(
            "{} webhooks; at most {EVENT_TYPES_MAX} are accepted",
            webhooks.len()
        ));
    }
    webhooks
        .iter()
        .map(|(name, item)| candidate(document, pointer, name, item))
        .collect()
}

fn candidate(document: &Value, pointer: &str, name: &str, item: &Value) -> Result<Candidate, Refused> {
    let field = format!("document.webhooks[{name:?}]");
    let item = follow(document, item, &field)?;
    let operation = METHODS.iter().find_map(|method| item.get(method));
    let text = |holder: Option<&Value>, key: &str| {
        holder
            .and_then(|holder| holder.get(key))
            .and_then(Value::as_str)
            .map(ToOwned::to_owned)
    };
    let description = text(operation, "summary")
        .or_else(|| text(operation, "description"))
        .or_else(|| text(Some(item), "summary"))
        .unwrap_or_default();
    let mut candidate = Candidate {
        name: name.to_owned(),
        description,
        schema: None,
        sample: None,
        field,
    };
    let Some(body) = operation.and_then(|operation| operation.get("requestBody")) else {
        return Ok(candidate);
    };
    let body = follow(document, body, &candidate.field)?;
    let content = body.get("content").and_then(Value::as_object);
    let media = content.and_then(|content| {
        content.get("application/json").or_else(|| {
            let mut others = content.iter();
            others
                .find(|(kind, _)| kind.ends_with("json"))
                .map(|(_, media)| media)
        })
    });
    let Some(media) = media else {
        return Ok(candidate);
    };
    if let Some(schema) = media.get("schema") {
        let schema = descend(document, schema, pointer, &candidate.field)?;
        let schema = alone(document, schema, &candidate.field)?.to_string();
        // Told here and not later: a thousand of them would fill the memory first.
        if schema.len() > SCHEMA_BYTES_MAX {
            let problem = format!(
                "{} bytes with what it refers to; at most {SCHEMA_BYTES_MAX} are accepted",
                schema.len()
            );
            return Err(Refused::new(format!("{}.schema", candidate.field), problem));
        }
        candidate.schema = Some(schema);
    }
    candidate.sample = example(document, media)
        .and_then(|example| example.pointer(&of_instance(pointer)?))
        .map(Value::to_string);
    Ok(candidate)
}

fn example<'a>(document: &'a Value, media: &'a Value) -> Option<&'a Value> {
    media.get("example").or_else(|| {
        let example = media.get("examples")?.as_object()?.values().next()?;
        follow(document, example, "").ok()?.get("value")
    })
}

/// The place in a payload that a place in its schema describes, when it goes through properties only.
fn of_instance(pointer: &str) -> Option<String> {
    let tokens: Vec<&str> = pointer.split('/').skip(1).collect();
    let mut place = String::new();
    for pair in tokens.chunks(2) {
        match pair {
            ["properties", name] => {
                place.push('/');
                place.push_str(name);
            }
            _ => return None,
        }
    }
    Some(place)
}

/// What a value refers to, when it refers to something in the document.
fn follow<'a>(document: &'a Value, value: &'a Value, field: &str) -> Result<&'a Value, Refused> {
    let mut value = value;
    for _ in 0..REFERENCES_MAX {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
            return Ok(value);
        };
        value = target(document, reference, field)?;
    }
    Err(Refused::new(
        field,
        format!("more than {REFERENCES_MAX} references one after the other"),
    ))
}

fn target<'a>(document: &'a Value, reference: &str, field: &str) -> Result<&'a Value, Refused> {
    reference
        .strip_prefix('#')
        .and_then(|pointer| document.pointer(pointer))
        .ok_or_else(|| {
            let problem = format!("{reference:?} is not in this document; nothing is fetched");
            Refused::new(field, problem)
        })
}

/// The schema below `pointer`, through references.
fn descend<'a>(
    document: &'a Value,
    schema: &'a Value,
    pointer: &str,
    field: &str,
) -> Result<&'a Value, Refused> {
    let mut schema = schema;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        schema = follow(document, schema, field)?
            .get(&token)
            .ok_or_else(|| Refused::new(field, format!("its schema has no {pointer}")))?;
    }
    Ok(schema)
}

/// The schema with everything that it refers to, at the places that its references name.
fn alone(document: &Value, schema: &Value, field: &str) -> Result<Value, Refused> {
    let mut root = match schema {
        Value::Object(keywords) => keywords.clone(),
        Value::Bool(true) => Map::new(),
        _ => return Err(Refused::new(field, "its schema is not an object")),
    };
    let mut done = HashSet::new();
    let mut open = Vec::new();
    references(schema, &mut open);
    while let Some(reference) = open.pop() {
        if done.contains(&reference) {
            continue;
        }
        let found = target(document, &reference, field)?;
        references(found, &mut open);
        place(&mut root, &reference[1..], found);
        done.insert(reference);
    }
    Ok(Value::Object(root))
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                found.push(reference.to_owned());
            }
            members.values().for_each(|member| references(member, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Puts a value where a JSON pointer says, unless something is there.
fn place(root: &mut Map<String, Value>, pointer: &str, value: &Value) {
    let tokens: Vec<String> = pointer
        .split('/')
        .skip(1)
        .map(|token| token.replace("~1", "/").replace("~0", "~"))
        .collect();
    let Some((last, above)) = tokens.split_last() else {
        return;
    };
    let mut holder = root;
    for token in above {
        let next = holder.entry(token).or_insert_with(|| Value::Object(Map::new()));
        match next.as_object_mut() {
            Some(next) => holder = next,
            // Inside of something that came whole.
            None => return,
        }
    }
    holder.entry(last).or_insert_with(|| value.clone());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalogue::schema::Schema;

    fn document() -> Value {
        json!({
            "openapi": "3.1.0",
            "webhooks": {
                "order.created": { "post": {
                    "summary": "An order came in",
                    "requestBody": { "content": { "application/json": {
                        "schema": { "$ref": "#/components/schemas/Envelope" },
                        "example": { "data": { "id": "o_1", "lines": [{ "count": 1 }] } },
                    } } },
                } },
                "ping": { "$ref": "#/components/pathItems/Ping" },
            },
            "components": {
                "pathItems": { "Ping": { "post": { "description": "Are you there?" } } },
                "schemas": {
                    "Envelope": { "type": "object", "properties": { "data": { "$ref": "#/components/schemas/Order" } } },
                    "Order": { "type": "object", "required": ["id"], "properties": {
                        "id": { "type": "string" }, "lines": { "items": { "$ref": "#/components/schemas/Line" } } } },
                    "Line": { "type": "object", "properties": { "count": { "type": "integer" } } },
                    "Unused": { "type": "string" },
                },
            },
        })
    }

    #[test]
    fn webhooks_become_event_types_whose_schemas_stand_alone() {
        let read = candidates(&document(), "/properties/data").unwrap();
        assert_eq!(
            (read[0].name.as_str(), read[0].description.as_str()),
            ("order.created", "An order came in")
        );
        assert_eq!(
            (read[1].name.as_str(), read[1].description.as_str()),
            ("ping", "Are you there?")
        );
        let text = read[0].schema.as_deref().unwrap();
        assert!(!text.contains("Unused") && !text.contains("Envelope"), "{text}");
        let schema = Schema::compile(text).unwrap();
        assert!(
            schema
                .check(&json!({ "id": "o", "lines": [{ "count": 1 }] }))
                .is_ok()
        );
        assert!(
            schema
                .check(&json!({ "id": "o", "lines": [{ "count": "1" }] }))
                .is_err()
        );
        assert!(schema.check(&json!({})).is_err());
        assert_eq!(
            read[0].sample.as_deref(),
            Some(r#"{"id":"o_1","lines":[{"count":1}]}"#)
        );
        assert_eq!((read[1].schema.as_ref(), read[1].sample.as_ref()), (None, None));

        let whole = candidates(&document(), "").unwrap();
        let schema = Schema::compile(whole[0].schema.as_deref().unwrap()).unwrap();
        assert!(schema.check(&json!({ "data": {} })).is_err());
        assert!(whole[0].sample.as_deref().unwrap().starts_with("{\"data\""));
    }

    #[test]
    fn mistakes_are_told() {
        let refused = |change: &dyn Fn(&mut Value), pointer: &str| {
            let mut document = document();
            change(&mut document);
            candidates(&document, pointer).err().expect("refused").problem
        };
        assert!(refused(&|d| d["openapi"] = json!("3.0.3"), "").contains("3.1"));
        assert!(refused(&|d| d["webhooks"] = json!(null), "").contains("no webhooks"));
        assert!(refused(&|_| (), "/properties/nope").contains("has no /properties/nope"));
        assert!(refused(&|_| (), "data").contains("JSON pointer"));
        let outside =
            |d: &mut Value| d["components"]["schemas"]["Line"] = json!({ "$ref": "https://example.com/x" });
        assert!(refused(&outside, "").contains("nothing is fetched"));
        let circle = |d: &mut Value| d["webhooks"]["ping"] = json!({ "$ref": "#/webhooks/ping" });
        assert!(refused(&circle, "").contains("references"));
    }
}
