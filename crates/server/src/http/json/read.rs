//! JSON as messages, with everything that is wrong and where it is.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hookwright_proto::v1::JsonForm;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use serde_json::value::RawValue;

use super::{form::Forms, members::Members};
use crate::http::fault::{Fault, nearest};

/// Reads messages of a request. What cannot be read is left out, and noted.
#[derive(Debug)]
pub(in crate::http) struct Reader<'a> {
    pub(in crate::http) forms: &'a Forms,
    pub(in crate::http) faults: Vec<Fault>,
}

impl Reader<'_> {
    /// A message from a JSON object that stands at `place`.
    pub(in crate::http) fn message(
        &mut self,
        descriptor: &MessageDescriptor,
        json: &str,
        place: &str,
    ) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        self.members(&mut message, json, place);
        message
    }

    /// Adds the members of a JSON object to a message.
    pub(in crate::http) fn members(&mut self, message: &mut DynamicMessage, json: &str, place: &str) {
        let descriptor = prost_reflect::ReflectMessage::descriptor(message);
        let members = match serde_json::from_str(json) {
            Ok(Members(members)) => members,
            Err(error) => return self.note(place, "MALFORMED_JSON", plain(&error)),
        };
        let mut seen = Vec::new();
        for (name, value) in members {
            let Some(field) = field_named(&descriptor, &name) else {
                self.note_unknown(&descriptor, place, &name);
                continue;
            };
            if seen.contains(&field.number()) {
                let description = format!(
                    "it is there twice; {} and {} are one field",
                    field.json_name(),
                    field.name()
                );
                self.note(&below(place, &field), "DUPLICATE_FIELD", description);
                continue;
            }
            seen.push(field.number());
            self.field(message, &field, value.get(), place);
        }
    }

    /// Sets one field of a message that stands at `place`.
    pub(in crate::http) fn field(
        &mut self,
        message: &mut DynamicMessage,
        field: &FieldDescriptor,
        json: &str,
        place: &str,
    ) {
        let form = self.forms.of(field);
        // A document may be `null`. Any other field is then as if it were not there.
        if json == "null" && form != JsonForm::Document {
            return;
        }
        let place = below(place, field);
        if let Some(other) = rival(message, field) {
            let description = format!("{} is there too, and only one of them can be", other.json_name());
            return self.note(&place, "CONFLICTING_FIELDS", description);
        }
        let value = match (form, field.kind()) {
            (JsonForm::Document, kind) => Some(document(&kind, json)),
            (JsonForm::Text, _) => self.checked(&place, text(json)),
            (JsonForm::Unspecified, Kind::Message(inner)) if is_ours(&inner) && !field.is_map() => {
                self.messages(field, &inner, json, &place)
            }
            (JsonForm::Unspecified, _) => self.checked(
                &place,
                check_spelling(field, json).and_then(|()| leaf(field, json)),
            ),
        };
        if let Some(value) = value {
            message.set_field(field, value);
        }
    }

    fn messages(
        &mut self,
        field: &FieldDescriptor,
        inner: &MessageDescriptor,
        json: &str,
        place: &str,
    ) -> Option<Value> {
        if !field.is_list() {
            return Some(Value::Message(self.message(inner, json, place)));
        }
        let elements: Vec<&RawValue> =
            self.checked(place, serde_json::from_str(json).map_err(|error| plain(&error)))?;
        let read = elements.iter().enumerate().map(|(index, element)| {
            Value::Message(self.message(inner, element.get(), &format!("{place}[{index}]")))
        });
        Some(Value::List(read.collect()))
    }

    pub(in crate::http) fn note(&mut self, place: &str, reason: &'static str, description: String) {
        self.faults.push(Fault {
            field: place.to_owned(),
            reason,
            description,
        });
    }

    fn note_unknown(&mut self, descriptor: &MessageDescriptor, place: &str, name: &str) {
        let names: Vec<String> = descriptor
            .fields()
            .map(|field| field.json_name().to_owned())
            .collect();
        let description = match nearest(name, &names) {
            Some(near) => format!("there is no such field; did you mean {near}?"),
            None => format!("there is no such field; there are {}", names.join(", ")),
        };
        let separator = if place.is_empty() { "" } else { "." };
        self.note(&format!("{place}{separator}{name}"), "UNKNOWN_FIELD", description);
    }

    fn checked<T>(&mut self, place: &str, value: Result<T, String>) -> Option<T> {
        value
            .map_err(|description| self.note(place, "INVALID_FIELD", description))
            .ok()
    }
}

/// Both spellings are accepted, as proto3 JSON wants.
pub(in crate::http) fn field_named(descriptor: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    descriptor
        .get_field_by_json_name(name)
        .or_else(|| descriptor.get_field_by_name(name))
}

/// The names of an object's members; none when it is no object.
pub(in crate::http) fn names(json: &str) -> Vec<String> {
    let Members(members) = serde_json::from_str(json).unwrap_or(Members(Vec::new()));
    members.into_iter().map(|(name, _)| name).collect()
}

/// Where a field of a message is that stands at `place`, as gRPC names it: `webhook.url`.
pub(in crate::http) fn below(place: &str, field: &FieldDescriptor) -> String {
    if place.is_empty() {
        field.name().to_owned()
    } else {
        format!("{place}.{}", field.name())
    }
}

/// Another field that is set and excludes this one.
fn rival(message: &DynamicMessage, field: &FieldDescriptor) -> Option<FieldDescriptor> {
    let oneof = field.containing_oneof()?;
    oneof
        .fields()
        .find(|other| other.number() != field.number() && message.has_field(other))
}

/// Whether a message is read field by field. Google's have forms of their own, such as `"1.5s"`.
fn is_ours(message: &MessageDescriptor) -> bool {
    message.package_name() != "google.protobuf"
}

fn document(kind: &Kind, json: &str) -> Value {
    match kind {
        Kind::String => Value::String(json.to_owned()),
        _ => Value::Bytes(json.as_bytes().to_vec().into()),
    }
}

fn text(json: &str) -> Result<Value, String> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Text {
        Plain(String),
        Encoded(Encoded),
    }
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Encoded {
        base64: String,
    }

    let bytes = match serde_json::from_str(json) {
        Ok(Text::Plain(text)) => text.into_bytes(),
        Ok(Text::Encoded(encoded)) => BASE64_STANDARD
            .decode(encoded.base64)
            .map_err(|error| format!("not base64: {error}"))?,
        Err(_) => {
            return Err(String::from(
                r#"a string is expected, or {"base64": "…"} for what is not UTF-8"#,
            ));
        }
    };
    Ok(Value::Bytes(bytes.into()))
}

/// proto3 JSON has two spellings for numbers and for the values of enums. One each is enough, and says what is meant: `"1"`
/// is text, and nobody knows the numbers of enums.
fn check_spelling(field: &FieldDescriptor, json: &str) -> Result<(), String> {
    if field.is_map() {
        return Ok(());
    }
    let values: Vec<&RawValue> = if field.is_list() {
        serde_json::from_str(json).map_err(|error| plain(&error))?
    } else {
        Vec::new()
    };
    let texts = values.iter().map(|value| value.get());
    let is_text = |text: &str| text.starts_with('"');
    for text in texts.chain((!field.is_list()).then_some(json)) {
        match field.kind() {
            Kind::Enum(_) if !is_text(text) => return Err(String::from("a name is expected, as a string")),
            Kind::Int32 | Kind::Uint32 | Kind::Sint32 | Kind::Float | Kind::Double if is_text(text) => {
                return Err(String::from("a number is expected"));
            }
            // A number that is too large would be taken for the largest one.
            Kind::Uint64 | Kind::Fixed64 if !is_text(text) && text.parse::<u64>().is_err() => {
                return Err(format!("a whole number from 0 to {} is expected", u64::MAX));
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 if !is_text(text) && text.parse::<i64>().is_err() => {
                return Err(format!(
                    "a whole number from {} to {} is expected",
                    i64::MIN,
                    i64::MAX
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What proto3 JSON says about one field.
fn leaf(field: &FieldDescriptor, json: &str) -> Result<Value, String> {
    let alone = format!(r#"{{"{}":{json}}}"#, field.json_name());
    let mut deserializer = serde_json::Deserializer::from_str(&alone);
    let message = DynamicMessage::deserialize(field.parent_message().clone(), &mut deserializer)
        .map_err(|error| plain(&error))?;
    Ok(message.get_field(field).into_owned())
}

/// Without the line and column, which are not those of what was sent.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) if !error.is_syntax() => text[..end].to_owned(),
        _ => text,
    }
}
