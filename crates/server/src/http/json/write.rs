//! Messages as JSON.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hookwright_proto::v1::JsonForm;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _, SerializeOptions,
};
use serde_json::value::RawValue;

use super::{form::Forms, members::Members, read::field_named};

/// A message as JSON text. Fields that can be missing are written when they are set, all others always: who reads an
/// answer need not know what is the default.
pub(in crate::http) fn write(message: &DynamicMessage, forms: &Forms) -> Result<String, serde_json::Error> {
    let mut json = Vec::with_capacity(256);
    let mut serializer = serde_json::Serializer::new(&mut json);
    message.serialize_with_options(
        &mut serializer,
        &SerializeOptions::new().skip_default_fields(false),
    )?;
    let json = String::from_utf8(json).map_err(serde::ser::Error::custom)?;
    let descriptor = message.descriptor();
    if forms.matters(&descriptor) {
        reform(&descriptor, &json, forms)
    } else {
        Ok(json)
    }
}

/// Puts what has a form of its own in its place.
fn reform(descriptor: &MessageDescriptor, json: &str, forms: &Forms) -> Result<String, serde_json::Error> {
    let Members(members) = serde_json::from_str(json)?;
    let mut written = String::with_capacity(json.len());
    for (name, value) in members {
        let field = field_named(descriptor, &name);
        let value = match &field {
            Some(field) => reform_field(field, value.get(), forms)?,
            None => Some(value.get().to_owned()),
        };
        let Some(value) = value else { continue };
        written.push(if written.is_empty() { '{' } else { ',' });
        written.push_str(&serde_json::to_string(&name)?);
        written.push(':');
        written.push_str(&value);
    }
    if written.is_empty() {
        written.push('{');
    }
    written.push('}');
    Ok(written)
}

fn reform_field(
    field: &FieldDescriptor,
    json: &str,
    forms: &Forms,
) -> Result<Option<String>, serde_json::Error> {
    match (forms.of(field), field.kind()) {
        (JsonForm::Document, kind) => document(&kind, json),
        (JsonForm::Text, _) => text(json).map(Some),
        (JsonForm::Unspecified, Kind::Message(inner)) if forms.matters(&inner) => {
            if !field.is_list() {
                return reform(&inner, json, forms).map(Some);
            }
            let elements: Vec<&RawValue> = serde_json::from_str(json)?;
            let written: Result<Vec<_>, _> = elements
                .iter()
                .map(|element| reform(&inner, element.get(), forms))
                .collect();
            Ok(Some(format!("[{}]", written?.join(","))))
        }
        (JsonForm::Unspecified, _) => Ok(Some(json.to_owned())),
    }
}

/// The document itself; nothing when there is none.
fn document(kind: &Kind, json: &str) -> Result<Option<String>, serde_json::Error> {
    let text: String = serde_json::from_str(json)?;
    let text = match kind {
        Kind::String => text,
        _ => String::from_utf8(bytes(&text)?).map_err(serde::de::Error::custom)?,
    };
    if text.is_empty() {
        return Ok(None);
    }
    // What was not checked when it was stored must not break the answer around it.
    serde_json::from_str::<&RawValue>(&text)?;
    Ok(Some(text))
}

fn text(json: &str) -> Result<String, serde_json::Error> {
    let encoded: String = serde_json::from_str(json)?;
    match String::from_utf8(bytes(&encoded)?) {
        Ok(text) => serde_json::to_string(&text),
        Err(_) => Ok(format!(r#"{{"base64":"{encoded}"}}"#)),
    }
}

fn bytes(encoded: &str) -> Result<Vec<u8>, serde_json::Error> {
    BASE64_STANDARD.decode(encoded).map_err(serde::de::Error::custom)
}
