//! JSON Schemas of messages: exactly what is accepted and answered.

use std::collections::BTreeMap;

use hookwright_proto::v1::JsonForm;
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::comments;
use crate::http::{behavior::Behaviors, json::Forms};

/// Collects the schemas that a document refers to.
#[derive(Debug)]
pub(super) struct Schemas<'a> {
    pub(super) forms: &'a Forms,
    pub(super) behaviors: &'a Behaviors,
    pub(super) found: BTreeMap<String, Value>,
}

impl Schemas<'_> {
    /// A reference to the schema of a message, without the fields that stand elsewhere in a request.
    pub(super) fn message(&mut self, message: &MessageDescriptor, elsewhere: &[FieldDescriptor]) -> Value {
        let name = message.name().to_owned();
        if !self.found.contains_key(&name) {
            // Before its fields, which may refer to it.
            self.found.insert(name.clone(), Value::Null);
            let schema = self.object(message, elsewhere);
            self.found.insert(name.clone(), schema);
        }
        reference(&name)
    }

    /// The schema of a field's value, with what its comment says.
    pub(super) fn field(&mut self, field: &FieldDescriptor) -> Value {
        let schema = self.value(field);
        let description = comments::before(&field.parent_message().parent_file(), field.path());
        let mut schema = match schema {
            Value::Object(members) if members.contains_key("$ref") => {
                Map::from_iter([(String::from("allOf"), json!([members]))])
            }
            Value::Object(members) => members,
            _ => Map::new(),
        };
        if !description.is_empty() {
            schema.insert(String::from("description"), description.into());
        }
        if self.behaviors.is_output_only(field) {
            schema.insert(String::from("readOnly"), true.into());
        }
        if self.behaviors.is_input_only(field) {
            schema.insert(String::from("writeOnly"), true.into());
        }
        Value::Object(schema)
    }

    fn object(&mut self, message: &MessageDescriptor, elsewhere: &[FieldDescriptor]) -> Value {
        let fields: Vec<FieldDescriptor> = message
            .fields()
            .filter(|field| !elsewhere.contains(field))
            .collect();
        let mut properties = Map::new();
        for field in &fields {
            let mut schema = self.field(field);
            if self.forms.of(field) != JsonForm::Document {
                schema = or_null(schema);
            }
            properties.insert(field.json_name().to_owned(), schema);
        }
        let required: Vec<&str> = fields
            .iter()
            .filter(|field| self.behaviors.is_required(field))
            .map(FieldDescriptor::json_name)
            .collect();
        let mut schema = json!({
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        });
        let description = comments::before(&message.parent_file(), message.path());
        if !description.is_empty() {
            schema["description"] = description.into();
        }
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        let exclusions = exclusions(message);
        if !exclusions.is_empty() {
            schema["allOf"] = exclusions.into();
        }
        schema
    }

    fn value(&mut self, field: &FieldDescriptor) -> Value {
        if let Some(entry) = field.kind().as_message().filter(|_| field.is_map()) {
            let values = self.single(&entry.map_entry_value_field());
            return json!({ "type": "object", "additionalProperties": values });
        }
        let single = self.single(field);
        if field.is_list() {
            json!({ "type": "array", "items": single })
        } else {
            single
        }
    }

    fn single(&mut self, field: &FieldDescriptor) -> Value {
        match self.forms.of(field) {
            // Any JSON.
            JsonForm::Document => return json!({}),
            JsonForm::Text => return self.text(),
            JsonForm::Unspecified => {}
        }
        match field.kind() {
            Kind::Message(message) => match message.full_name() {
                "google.protobuf.Timestamp" => json!({ "type": "string", "format": "date-time" }),
                "google.protobuf.Duration" => json!({
                    "type": "string",
                    "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,9})?s$",
                    "examples": ["30s", "0.5s"],
                }),
                "google.protobuf.FieldMask" => json!({ "type": "string", "examples": ["name,eventTypes"] }),
                _ => self.message(&message, &[]),
            },
            Kind::Enum(descriptor) => self.enumeration(&descriptor),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
            Kind::Float | Kind::Double => json!({ "type": "number" }),
            Kind::Uint32 | Kind::Fixed32 => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                json!({ "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX })
            }
            // JavaScript's numbers are too small for these, so answers have them as text.
            Kind::Uint64 | Kind::Fixed64 => json!({
                "type": ["string", "integer"],
                "pattern": "^[0-9]{1,20}$",
                "minimum": 0,
                "maximum": u64::MAX,
            }),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => json!({
                "type": ["string", "integer"],
                "pattern": "^-?[0-9]{1,18}$",
                "minimum": i64::MIN,
                "maximum": i64::MAX,
            }),
        }
    }

    fn enumeration(&mut self, descriptor: &EnumDescriptor) -> Value {
        let name = descriptor.name().to_owned();
        if !self.found.contains_key(&name) {
            let file = descriptor.parent_file();
            let mut description = vec![comments::before(&file, descriptor.path())];
            for value in descriptor.values() {
                let comment = comments::before(&file, value.path());
                if !comment.is_empty() {
                    description.push(format!("`{}`: {comment}", value.name()));
                }
            }
            let names: Vec<String> = descriptor.values().map(|value| value.name().to_owned()).collect();
            let schema =
                json!({ "type": "string", "enum": names, "description": description.join("\n\n").trim() });
            self.found.insert(name.clone(), schema);
        }
        reference(&name)
    }

    fn text(&mut self) -> Value {
        const NAME: &str = "Text";
        self.found.entry(NAME.to_owned()).or_insert_with(|| {
            json!({
                "description": "Bytes: a string when they are UTF-8, and base64 when they are not.",
                "oneOf": [
                    { "type": "string" },
                    {
                        "type": "object",
                        "properties": { "base64": { "type": "string", "contentEncoding": "base64" } },
                        "required": ["base64"],
                        "additionalProperties": false,
                    },
                ],
            })
        });
        reference(NAME)
    }
}

pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A field that is `null` is as if it were not there.
fn or_null(mut schema: Value) -> Value {
    let Value::Object(members) = &mut schema else {
        return schema;
    };
    match members.get("type").cloned() {
        Some(Value::String(kind)) => {
            members.insert(String::from("type"), json!([kind, "null"]));
        }
        Some(Value::Array(mut kinds)) => {
            kinds.push("null".into());
            members.insert(String::from("type"), kinds.into());
        }
        _ => {
            if let Some(Value::Array(parts)) = members.remove("allOf") {
                let parts = parts.into_iter().chain([json!({ "type": "null" })]);
                members.insert(String::from("anyOf"), parts.collect());
            }
        }
    }
    schema
}

/// Of the fields of a `oneof` only one can be there. `null` is as good as not.
fn exclusions(message: &MessageDescriptor) -> Vec<Value> {
    let mut exclusions = Vec::new();
    for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
        let names: Vec<String> = oneof.fields().map(|field| field.json_name().to_owned()).collect();
        for (index, one) in names.iter().enumerate() {
            for other in &names[index + 1..] {
                let there = json!({ "not": { "type": "null" } });
                exclusions.push(json!({
                    "not": { "required": [one, other], "properties": { one: there, other: there } },
                }));
            }
        }
    }
    exclusions
}
