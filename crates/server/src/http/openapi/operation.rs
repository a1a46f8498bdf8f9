//! One route as an operation of the document.

use http::{Method, StatusCode};
use prost_reflect::{FieldDescriptor, Kind};
use serde_json::{Map, Value, json};

use super::{comments, examples, schema::Schemas};
use crate::http::{
    request::query_fields,
    routes::{BodyOf, Route},
};

/// The path as the document has it: its parameters are named as JSON names them.
pub(super) fn path(route: &Route) -> String {
    let mut names = route.parameters.iter().map(|fields| name(fields));
    let segments: Vec<String> = route
        .template
        .split('/')
        .map(|segment| {
            if segment.starts_with('{') {
                format!("{{{}}}", names.next().unwrap_or_default())
            } else {
                segment.to_owned()
            }
        })
        .collect();
    segments.join("/")
}

/// `ordinal` counts the routes of an RPC, from 0.
pub(super) fn operation(route: &Route, ordinal: usize, schemas: &mut Schemas<'_>) -> Value {
    let description = comments::before(&route.rpc.parent_file(), route.rpc.path());
    let mut id = route.rpc.name().to_owned();
    if let Some(first) = id.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    if ordinal > 0 {
        id.push_str(&(ordinal + 1).to_string());
    }
    let tag = route.template.split('/').nth(2).unwrap_or_default();
    let mut operation = json!({
        "operationId": id,
        "tags": [tag],
        "summary": comments::summary(&description),
        "description": format!("{description}\n\nThe RPC `{}`.", route.rpc.name()),
        "parameters": parameters(route, schemas),
        "responses": responses(route, schemas),
    });
    if let Some(body) = body(route, schemas) {
        operation["requestBody"] = body;
    }
    operation
}

fn name(fields: &[FieldDescriptor]) -> &str {
    fields.last().map(FieldDescriptor::json_name).unwrap_or_default()
}

fn parameters(route: &Route, schemas: &mut Schemas<'_>) -> Vec<Value> {
    let mut parameters: Vec<Value> = Vec::new();
    for fields in &route.parameters {
        parameters.push(json!({
            "name": name(fields),
            "in": "path",
            "required": true,
            "schema": { "type": "string", "minLength": 1 },
        }));
    }
    for field in query_fields(route, &route.rpc.input()) {
        let mut schema = schemas.field(&field);
        let description = schema
            .as_object_mut()
            .and_then(|schema| schema.remove("description"));
        let mut parameter = json!({ "name": field.json_name(), "in": "query", "schema": schema });
        if let Some(description) = description {
            parameter["description"] = description;
        }
        parameters.push(parameter);
    }
    let headers = [
        (
            "Idempotency-Key",
            route.semantics.idempotency_key.is_some(),
            "Repeated with the same key, the request is answered as the first time, and nothing is done twice.",
        ),
        (
            "If-Match",
            !route.if_match.is_empty(),
            "The ETag that was answered: only this version is changed. Otherwise the answer is 412.",
        ),
        (
            "If-None-Match",
            route.method == Method::GET && has_etag(route),
            "The ETag that was answered: if there is no newer version, the answer is 304 without a body.",
        ),
    ];
    for (name, _, description) in headers.into_iter().filter(|(_, is_taken, _)| *is_taken) {
        parameters.push(json!({
            "name": name,
            "in": "header",
            "description": description,
            "schema": { "type": "string" },
        }));
    }
    parameters
}

fn body(route: &Route, schemas: &mut Schemas<'_>) -> Option<Value> {
    let request = route.rpc.input();
    let in_path: Vec<FieldDescriptor> = route
        .parameters
        .iter()
        .filter_map(|fields| fields.first().cloned())
        .collect();
    let (schema, is_required) = match &route.body {
        BodyOf::Nothing => return None,
        // No body is an empty object; what is missing in it is told by its fields.
        BodyOf::Request => (schemas.message(&request, &in_path), false),
        BodyOf::Field(field) => match field.kind() {
            Kind::Message(message) => (schemas.message(&message, &[]), true),
            _ => (schemas.field(field), true),
        },
    };
    let mut content = json!({ "schema": schema });
    let example =
        examples::request(route.rpc.name()).and_then(|text| serde_json::from_str::<Value>(text).ok());
    if let Some(example) = example {
        content["example"] = example;
    }
    Some(json!({ "required": is_required, "content": { "application/json": content } }))
}

fn responses(route: &Route, schemas: &mut Schemas<'_>) -> Value {
    let mut success = json!({ "description": success_text(route) });
    let mut headers = Map::new();
    if route.semantics.success != StatusCode::NO_CONTENT {
        let answer = match route.answer.as_ref().map(|field| (field, field.kind())) {
            Some((_, Kind::Message(message))) => schemas.message(&message, &[]),
            Some((field, _)) => schemas.field(field),
            None => schemas.message(&route.rpc.output(), &[]),
        };
        success["content"] = json!({ "application/json": { "schema": answer } });
    }
    if route.semantics.location.is_some() {
        let description = "Where what was made can be read.";
        headers.insert(
            String::from("Location"),
            json!({ "description": description, "schema": { "type": "string" } }),
        );
    }
    if has_etag(route) {
        let description = "The version, for If-Match and If-None-Match.";
        headers.insert(
            String::from("ETag"),
            json!({ "description": description, "schema": { "type": "string" } }),
        );
    }
    if !headers.is_empty() {
        success["headers"] = headers.into();
    }
    let mut responses = Map::new();
    if route.rpc.input().get_field_by_name("dry_run").is_some() {
        let mut nothing_made = success.clone();
        nothing_made["description"] = "Nothing was made: it was a dry run.".into();
        nothing_made
            .as_object_mut()
            .and_then(|answer| answer.remove("headers"));
        responses.insert(StatusCode::OK.as_str().to_owned(), nothing_made);
    }
    responses.insert(route.semantics.success.as_str().to_owned(), success);
    if route.method == Method::GET && has_etag(route) {
        responses.insert(
            String::from("304"),
            json!({ "description": "There is no newer version." }),
        );
    }
    let problem = json!({ "$ref": "#/components/responses/Problem" });
    responses.insert(String::from("400"), problem.clone());
    if !route.parameters.is_empty() {
        responses.insert(String::from("404"), problem.clone());
    }
    if !route.if_match.is_empty() {
        responses.insert(String::from("412"), problem.clone());
    }
    responses.insert(String::from("default"), problem);
    responses.into()
}

fn success_text(route: &Route) -> &'static str {
    match route.semantics.success {
        StatusCode::CREATED => "It was made.",
        StatusCode::ACCEPTED => "It is stored, and on its way.",
        StatusCode::NO_CONTENT => "It was done.",
        _ => "The answer.",
    }
}

fn has_etag(route: &Route) -> bool {
    route
        .answer
        .as_ref()
        .and_then(|field| field.kind().as_message().cloned())
        .is_some_and(|message| message.get_field_by_name("etag").is_some())
}
