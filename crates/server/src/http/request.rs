//! A request as the message of its RPC: path, query, body and headers together.

use http::{HeaderMap, HeaderName, Method};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use url::form_urlencoded;

use super::{
    conditions::{self, Wanted},
    fault::{Fault, nearest},
    json::{Forms, Reader, field_named, names},
    routes::{BodyOf, Route},
};

/// What a client sent, taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent<'a> {
    /// The values in the path, in the order of the route's parameters.
    pub(super) path: &'a [String],
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    /// JSON; empty when there was no body.
    pub(super) body: &'a str,
}

/// The message, or everything that is wrong with the request.
pub(super) fn message(route: &Route, sent: Sent<'_>, forms: &Forms) -> Result<DynamicMessage, Vec<Fault>> {
    let mut reader = Reader {
        forms,
        faults: Vec::new(),
    };
    let mut message = DynamicMessage::new(route.rpc.input());
    let body = if sent.body.is_empty() { "{}" } else { sent.body };
    match &route.body {
        BodyOf::Nothing => {}
        BodyOf::Request => reader.members(&mut message, body, ""),
        BodyOf::Field(field) if matches!(sent.body.trim(), "" | "null") => reader.faults.push(Fault::new(
            field.name(),
            "MISSING_FIELD",
            "it is what the body says, and there is none",
        )),
        BodyOf::Field(field) => reader.field(&mut message, field, body, ""),
    }
    for (fields, value) in route.parameters.iter().zip(sent.path) {
        set(&mut reader, &mut message, fields, value, "the path");
    }
    read_query(&mut reader, &mut message, route, sent.query);
    read_idempotency_key(&mut reader, &mut message, route, sent.headers);
    read_if_match(&mut reader, &mut message, route, sent.headers);
    complete_mask(&mut reader, &mut message, route, body);
    if reader.faults.is_empty() {
        Ok(message)
    } else {
        Err(reader.faults)
    }
}

/// Sets a field to what path or headers say. A body that says something else is a mistake of its writer.
fn set(
    reader: &mut Reader<'_>,
    message: &mut DynamicMessage,
    fields: &[FieldDescriptor],
    value: &str,
    source: &str,
) {
    let Some((last, way)) = fields.split_last() else {
        return;
    };
    let mut place = message;
    for field in way {
        let Value::Message(inner) = place.get_field_mut(field) else {
            return;
        };
        place = inner;
    }
    if place.has_field(last) && place.get_field(last).as_str() != Some(value) {
        let names: Vec<&str> = fields.iter().map(FieldDescriptor::name).collect();
        let description = format!("the body has another value than {source}, which is {value:?}");
        return reader.note(&names.join("."), "CONFLICTING_FIELDS", description);
    }
    place.set_field(last, Value::String(value.to_owned()));
}

fn read_query(reader: &mut Reader<'_>, message: &mut DynamicMessage, route: &Route, query: &str) {
    let request = route.rpc.input();
    let known = query_fields(route, &request);
    let mut given: Vec<(FieldDescriptor, Vec<String>)> = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let field = field_named(&request, &name).filter(|field| known.contains(field));
        let Some(field) = field else {
            note_unknown(reader, &name, &known);
            continue;
        };
        match given.iter_mut().find(|(other, _)| *other == field) {
            Some((_, values)) => values.push(value.into_owned()),
            None => given.push((field, vec![value.into_owned()])),
        }
    }
    for (field, values) in given {
        match (field.is_list(), values.as_slice()) {
            (true, values) => {
                let values: Vec<String> = values.iter().map(|value| parameter(&field, value)).collect();
                reader.field(message, &field, &format!("[{}]", values.join(",")), "");
            }
            (false, [value]) => reader.field(message, &field, &parameter(&field, value), ""),
            (false, _) => reader.note(
                field.name(),
                "DUPLICATE_FIELD",
                String::from("it is in the query more than once"),
            ),
        }
    }
}

/// The fields that a query may have: all that are neither in the path nor in the body.
pub(super) fn query_fields(route: &Route, request: &MessageDescriptor) -> Vec<FieldDescriptor> {
    let in_path = |field: &FieldDescriptor| {
        route
            .parameters
            .iter()
            .any(|fields| fields.first() == Some(field))
    };
    match &route.body {
        BodyOf::Request => Vec::new(),
        BodyOf::Nothing => request.fields().filter(|field| !in_path(field)).collect(),
        BodyOf::Field(body) => request
            .fields()
            .filter(|field| field != body && !in_path(field))
            .collect(),
    }
}

fn note_unknown(reader: &mut Reader<'_>, name: &str, known: &[FieldDescriptor]) {
    let names: Vec<String> = known.iter().map(|field| field.json_name().to_owned()).collect();
    let description = match nearest(name, &names) {
        Some(near) => format!("there is no such parameter; did you mean {near}?"),
        None if names.is_empty() => String::from("nothing is taken from the query here"),
        None => format!("there is no such parameter; there are {}", names.join(", ")),
    };
    reader.note(name, "UNKNOWN_FIELD", description);
}

/// A value of the query as JSON.
fn parameter(field: &FieldDescriptor, value: &str) -> String {
    let is_bare = match field.kind() {
        Kind::Bool => matches!(value, "true" | "false"),
        Kind::String | Kind::Bytes | Kind::Enum(_) | Kind::Message(_) => false,
        _ => value.parse::<serde_json::Number>().is_ok(),
    };
    match field.kind() {
        _ if is_bare => value.to_owned(),
        Kind::Message(message) if message.full_name() == "google.protobuf.FieldMask" => {
            serde_json::Value::from(camel_case(value)).to_string()
        }
        _ => serde_json::Value::from(value).to_string(),
    }
}

/// A mask names fields as JSON does, but both spellings are accepted.
fn camel_case(mask: &str) -> String {
    let mut camel = String::with_capacity(mask.len());
    let mut is_new_word = false;
    for character in mask.chars() {
        if character == '_' {
            is_new_word = true;
        } else if is_new_word {
            camel.push(character.to_ascii_uppercase());
            is_new_word = false;
        } else {
            camel.push(character);
        }
    }
    camel
}

fn read_idempotency_key(
    reader: &mut Reader<'_>,
    message: &mut DynamicMessage,
    route: &Route,
    headers: &HeaderMap,
) {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return;
    };
    let field = route.semantics.idempotency_key;
    let Some(field) = field.and_then(|name| route.rpc.input().get_field_by_name(name)) else {
        return;
    };
    let Ok(key) = value.to_str() else {
        let description = String::from("the header is not visible ASCII");
        return reader.note(field.name(), "INVALID_IDEMPOTENCY_KEY", description);
    };
    set(reader, message, &[field], key, "the Idempotency-Key header");
}

fn read_if_match(reader: &mut Reader<'_>, message: &mut DynamicMessage, route: &Route, headers: &HeaderMap) {
    if route.if_match.is_empty() {
        return;
    }
    match conditions::if_match(headers) {
        Wanted::Anything => {}
        Wanted::Version(etag) => set(reader, message, &route.if_match, &etag, "the If-Match header"),
        Wanted::Unclear => reader.note(
            "If-Match",
            "INVALID_FIELD",
            String::from("one etag is expected, as it was answered, or *"),
        ),
    }
}

/// Says which fields of the body count, where that is not said: with `PUT` all that can be set, and with `PATCH` those that
/// are there, even as `null`.
fn complete_mask(reader: &mut Reader<'_>, message: &mut DynamicMessage, route: &Route, body: &str) {
    let request = route.rpc.input();
    let mask = route
        .semantics
        .mask
        .and_then(|name| request.get_field_by_name(name));
    let Some((mask, Kind::Message(kind))) = mask.map(|mask| (mask.clone(), mask.kind())) else {
        return;
    };
    let is_given = message.has_field(&mask);
    let paths: Vec<Value> = match (&route.method, is_given) {
        (&Method::PUT, true) => {
            let description = String::from("PUT replaces every field; send PATCH to change some");
            return reader.note(mask.name(), "CONFLICTING_FIELDS", description);
        }
        (_, true) => return,
        (&Method::PUT, false) => route.settable.iter().map(path).collect(),
        (_, false) => {
            let there = names(body);
            let is_there = |field: &&FieldDescriptor| {
                there
                    .iter()
                    .any(|name| name == field.name() || name == field.json_name())
            };
            route.settable.iter().filter(is_there).map(path).collect()
        }
    };
    let mut value = DynamicMessage::new(kind);
    value.set_field_by_name("paths", Value::List(paths));
    message.set_field(&mask, Value::Message(value));
}

fn path(field: &FieldDescriptor) -> Value {
    Value::String(field.name().to_owned())
}

/// draft-ietf-httpapi-idempotency-key-header
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
