//! Catalogues: the event types that a platform documents, each with an example of its data and a schema for it.
//!
//! A profile writes down what several schemas share once, as a definition, and its schemas refer to that. What a
//! catalogue hands out stands alone: each schema comes with the definitions that it needs, so that any validator of
//! JSON Schema can take it as it is. Nothing here validates data; the crate carries schemas and does not run them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::ProfileError;

/// The dialect of schemas that do not name one.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// How a schema refers to a definition.
const REFERENCE: &str = "#/$defs/";

/// An event type that a platform documents. Others can be published too; the catalogue is for people who choose.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventType {
    /// The name, such as `vault.created`.
    pub name: String,
    /// What it means, in the platform's words where it has some.
    pub description: String,
    /// An example of an event's data, as JSON text.
    pub sample: Option<String>,
    /// Where the sample comes from.
    pub sample_origin: SampleOrigin,
    /// What an event's data looks like: a JSON Schema that stands alone, as JSON text.
    pub schema: Option<String>,
}

/// Where the sample of an event type comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SampleOrigin {
    /// The platform's documentation shows it.
    Document,
    /// Whoever wrote the profile made it up, in the style of the platform.
    #[default]
    Ours,
}

/// Definitions by name.
pub(super) type Definitions = BTreeMap<String, JsonText>;

/// An event type as it is written down.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    sample: Option<JsonText>,
    #[serde(default)]
    sample_origin: SampleOrigin,
    #[serde(default)]
    schema: Option<JsonText>,
}

/// JSON: the text of it in a string, or the table that it describes. Only a text keeps the order of its keys.
#[derive(Debug, Deserialize)]
#[serde(from = "Value")]
pub(super) struct JsonText(String);

impl From<Value> for JsonText {
    fn from(value: Value) -> Self {
        match value {
            Value::String(text) => Self(text.trim().to_owned()),
            value => Self(value.to_string()),
        }
    }
}

/// Checks a catalogue and completes its schemas with the definitions that they refer to.
pub(super) fn build(entries: Vec<Entry>, definitions: &Definitions) -> Result<Vec<EventType>, ProfileError> {
    let definitions = Schemas::parse(definitions)?;
    let mut names = BTreeSet::new();
    entries
        .into_iter()
        .map(|entry| {
            let event_type = entry.complete(&definitions)?;
            if !names.insert(event_type.name.clone()) {
                return Err(ProfileError::EventType {
                    name: event_type.name,
                    reason: "it is listed twice",
                });
            }
            Ok(event_type)
        })
        .collect()
}

impl Entry {
    fn complete(self, definitions: &Schemas<'_>) -> Result<EventType, ProfileError> {
        let refused = |reason| ProfileError::EventType {
            name: self.name.clone(),
            reason,
        };
        if self.name.is_empty() || !self.name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refused("a name is visible ASCII characters without spaces"));
        }
        let is_json = |sample: &JsonText| serde_json::from_str::<&RawValue>(&sample.0).is_ok();
        if !self.sample.as_ref().is_none_or(is_json) {
            return Err(refused("its sample is not JSON"));
        }
        let schema = match &self.schema {
            Some(text) => {
                let schema =
                    Schema::parse(&text.0).ok_or_else(|| refused("its schema is not a JSON object"))?;
                Some(definitions.complete(&schema, &self.name)?)
            }
            None => None,
        };
        Ok(EventType {
            name: self.name,
            description: self.description,
            sample: self.sample.map(|sample| sample.0),
            sample_origin: self.sample_origin,
            schema,
        })
    }
}

/// The definitions of a profile by name.
struct Schemas<'a>(BTreeMap<&'a str, Schema<'a>>);

impl<'a> Schemas<'a> {
    fn parse(definitions: &'a Definitions) -> Result<Self, ProfileError> {
        let mut schemas = BTreeMap::new();
        for (name, text) in definitions {
            let refused = |reason| ProfileError::Definition {
                name: name.clone(),
                reason,
            };
            // Any other character could be written in two ways in a reference.
            if name.is_empty()
                || !name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            {
                return Err(refused("a name is letters, digits and underscores"));
            }
            let schema = Schema::parse(&text.0).ok_or_else(|| refused("it is not a JSON object"))?;
            schemas.insert(name.as_str(), schema);
        }
        Ok(Self(schemas))
    }

    /// The text of `schema`, with a dialect and with all the definitions that it refers to. What its author wrote
    /// stays as it is, byte for byte.
    fn complete(&self, schema: &Schema<'_>, event_type: &str) -> Result<String, ProfileError> {
        let mut members = Vec::new();
        if !schema.names_dialect {
            members.push(format!(r#""$schema": "{DIALECT}""#));
        }
        if !schema.members().is_empty() {
            members.push(schema.members().to_owned());
        }
        // A schema with definitions of its own means those.
        if !schema.has_definitions && !schema.references.is_empty() {
            let needed = self.reachable_from(schema, event_type)?;
            let needed: Vec<_> = needed
                .iter()
                .map(|(name, text)| format!(r#""{name}": {text}"#))
                .collect();
            members.push(format!("\"$defs\": {{\n{}\n  }}", needed.join(",\n")));
        }
        Ok(format!("{{\n  {}\n}}", members.join(",\n  ")))
    }

    /// The definitions that `schema` refers to, and those that these refer to, with their texts.
    fn reachable_from<'s>(
        &'s self,
        schema: &'s Schema<'_>,
        event_type: &str,
    ) -> Result<BTreeMap<&'s str, &'s str>, ProfileError> {
        let mut reached = BTreeMap::new();
        let mut open: Vec<&str> = schema.references.iter().map(String::as_str).collect();
        while let Some(name) = open.pop() {
            let Some(definition) = self.0.get(name) else {
                return Err(ProfileError::UnknownDefinition {
                    event_type: event_type.to_owned(),
                    definition: name.to_owned(),
                });
            };
            if reached.insert(name, definition.text).is_none() {
                open.extend(definition.references.iter().map(String::as_str));
            }
        }
        Ok(reached)
    }
}

/// A JSON object that is a schema, and what must be known of it to complete it.
struct Schema<'a> {
    text: &'a str,
    names_dialect: bool,
    has_definitions: bool,
    /// The names of the definitions that it refers to.
    references: BTreeSet<String>,
}

impl<'a> Schema<'a> {
    /// `None` when the text is not a JSON object.
    fn parse(text: &'a str) -> Option<Self> {
        let schema: Value = serde_json::from_str(text).ok()?;
        let members = schema.as_object()?;
        let mut references = BTreeSet::new();
        collect_references(&schema, &mut references);
        Some(Self {
            text,
            names_dialect: members.contains_key("$schema"),
            has_definitions: members.contains_key("$defs"),
            references,
        })
    }

    /// The members as they are written, without the braces around them.
    fn members(&self) -> &'a str {
        let inner = self
            .text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'));
        inner.unwrap_or_default().trim()
    }
}

/// Nesting is as deep as the JSON parser allows, which is not deep.
fn collect_references(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(target) if key == "$ref" => {
                        let path = target.strip_prefix(REFERENCE);
                        references.extend(path.and_then(|path| path.split('/').next()).map(str::to_owned));
                    }
                    value => collect_references(value, references),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, references)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue(toml: &str) -> Result<Vec<EventType>, ProfileError> {
        #[derive(Deserialize)]
        struct Parts {
            #[serde(default)]
            definitions: Definitions,
            event: Vec<Entry>,
        }
        let parts: Parts = toml::from_str(toml).unwrap();
        build(parts.event, &parts.definitions)
    }

    fn schema(toml: &str) -> Value {
        let event_types = catalogue(toml).unwrap();
        serde_json::from_str(event_types[0].schema.as_deref().unwrap()).unwrap()
    }

    #[test]
    fn a_schema_comes_with_what_it_refers_to_and_no_more() {
        let schema = schema(
            r##"
            [definitions]
            group = '{ "properties": { "owner": { "$ref": "#/$defs/user/properties/id" } } }'
            user = '{ "properties": { "id": { "type": "string" }, "friend": { "$ref": "#/$defs/user" } } }'
            other = '{}'
            [[event]]
            name = "a"
            schema = '{ "anyOf": [{ "$ref": "#/$defs/group" }, { "$ref": "https://example.com/schema" }] }'
            "##,
        );
        assert_eq!(schema["$schema"], DIALECT);
        assert_eq!(schema["anyOf"][0]["$ref"], "#/$defs/group");
        let definitions: Vec<_> = schema["$defs"].as_object().unwrap().keys().collect();
        assert_eq!(definitions, ["group", "user"]);
    }

    #[test]
    fn a_schema_that_stands_alone_is_left_alone() {
        let schema = schema(
            r##"
            [definitions]
            user = '{ "type": "object" }'
            [[event]]
            name = "a"
            schema = '{ "$schema": "urn:own", "$ref": "#/$defs/user", "$defs": { "user": { "type": "string" } } }'
            "##,
        );
        assert_eq!(schema["$schema"], "urn:own");
        assert_eq!(schema["$defs"]["user"]["type"], "string");
    }

    #[test]
    fn a_schema_can_be_a_table_and_can_be_empty() {
        let event_types = catalogue(
            r#"
            [[event]]
            name = "a"
            sample = { id = 1 }
            [event.schema]
            required = ["id"]
            [[event]]
            name = "b"
            sample = "null"
            sample_origin = "document"
            schema = " {} "
            "#,
        )
        .unwrap();
        assert_eq!(event_types[0].sample.as_deref(), Some(r#"{"id":1}"#));
        assert_eq!(event_types[0].sample_origin, SampleOrigin::Ours);
        let schema: Value = serde_json::from_str(event_types[0].schema.as_deref().unwrap()).unwrap();
        assert_eq!(schema["required"][0], "id");
        assert_eq!(event_types[1].sample.as_deref(), Some("null"));
        assert_eq!(event_types[1].sample_origin, SampleOrigin::Document);
        let schema: Value = serde_json::from_str(event_types[1].schema.as_deref().unwrap()).unwrap();
        assert_eq!(schema.as_object().unwrap().len(), 1);
    }

    #[test]
    fn a_profile_in_json_holds_its_json_as_it_is() {
        let entry = r#"{ "name": "a", "sample": [1.5, "x"], "schema": { "items": { "$ref": "https://example.com" } } }"#;
        let entry: Entry = serde_json::from_str(entry).unwrap();
        let built = build(vec![entry], &Definitions::new()).unwrap();
        assert_eq!(built[0].sample.as_deref(), Some(r#"[1.5,"x"]"#));
        let schema: Value = serde_json::from_str(built[0].schema.as_deref().unwrap()).unwrap();
        assert_eq!(schema["items"]["$ref"], "https://example.com");
    }

    #[test]
    fn mistakes_are_named() {
        let reason = |toml: &str| match catalogue(&format!("[[event]]\n{toml}")).unwrap_err() {
            ProfileError::EventType { reason, .. } => reason,
            error => panic!("{error}"),
        };
        assert_eq!(
            reason("name = 'a b'"),
            "a name is visible ASCII characters without spaces"
        );
        assert_eq!(reason("name = 'a'\n[[event]]\nname = 'a'"), "it is listed twice");
        assert_eq!(reason("name = 'a'\nsample = '{'"), "its sample is not JSON");
        assert_eq!(
            reason("name = 'a'\nschema = 'true'"),
            "its schema is not a JSON object"
        );
        assert_eq!(
            reason("name = 'a'\nschema = '{'"),
            "its schema is not a JSON object"
        );

        let toml = r##"
            definitions = { user = '{ "$ref": "#/$defs/usr" }' }
            [[event]]
            name = "user.created"
            schema = '{ "$ref": "#/$defs/user" }'
        "##;
        assert_eq!(
            catalogue(toml).unwrap_err(),
            ProfileError::UnknownDefinition {
                event_type: "user.created".into(),
                definition: "usr".into()
            }
        );
        for (name, text) in [("a/b", "{}"), ("a", "[]")] {
            let toml = format!("definitions = {{ '{name}' = '{text}' }}\n[[event]]\nname = 'a'");
            let error = catalogue(&toml).unwrap_err();
            assert!(
                matches!(&error, ProfileError::Definition { name: named, .. } if named == name),
                "{error}"
            );
        }
    }
}
