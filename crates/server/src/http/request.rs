//! A request as the message of its RPC: path, query, body and headers together.

use http::{HeaderMap, HeaderName};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use url::form_urlencoded;

use super::{
    fault::{Fault, nearest},
    json::{Forms, Reader, field_named},
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
        BodyOf::Field(field) => reader.field(&mut message, field, body, ""),
    }
    for (fields, value) in route.parameters.iter().zip(sent.path) {
        set_from_path(&mut reader, &mut message, fields, value);
    }
    read_query(&mut reader, &mut message, route, sent.query);
    read_idempotency_key(&mut reader, &mut message, route, sent.headers);
    if reader.faults.is_empty() {
        Ok(message)
    } else {
        Err(reader.faults)
    }
}

/// The path says what is meant; a body that says something else is a mistake of its writer.
fn set_from_path(
    reader: &mut Reader<'_>,
    message: &mut DynamicMessage,
    fields: &[FieldDescriptor],
    value: &str,
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
    let current = place.get_field(last);
    if place.has_field(last) && current.as_str() != Some(value) {
        let names: Vec<&str> = fields.iter().map(FieldDescriptor::name).collect();
        let description = format!("the body has another value than the path, which is {value:?}");
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

/// A value of the query as JSON. proto3 JSON takes numbers in strings, too; only booleans stand for themselves.
fn parameter(field: &FieldDescriptor, value: &str) -> String {
    match (field.kind(), value) {
        (Kind::Bool, "true" | "false") => value.to_owned(),
        _ => serde_json::Value::from(value).to_string(),
    }
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
    let current = message.get_field(&field);
    if message.has_field(&field) && current.as_str() != Some(key) {
        let description = String::from("the body has another one than the Idempotency-Key header");
        return reader.note(field.name(), "CONFLICTING_FIELDS", description);
    }
    message.set_field(&field, Value::String(key.to_owned()));
}

/// draft-ietf-httpapi-idempotency-key-header
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
