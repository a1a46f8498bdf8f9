//! The routes as an OpenAPI 3.1 document, made from the descriptors: comments of the proto files are its words.

mod comments;
mod examples;
mod operation;
mod schema;

use std::collections::HashMap;

use prost_reflect::DescriptorPool;
use serde_json::{Map, Value, json};

use self::schema::Schemas;
use super::{behavior::Behaviors, json::Forms, routes::Routes};

/// The document.
pub(super) fn document(
    pool: &DescriptorPool,
    routes: &Routes,
    forms: &Forms,
    behaviors: &Behaviors,
) -> Value {
    let mut schemas = Schemas {
        forms,
        behaviors,
        found: std::collections::BTreeMap::new(),
    };
    let mut ordinals: HashMap<&str, usize> = HashMap::new();
    let mut paths: Map<String, Value> = Map::new();
    for route in routes.all() {
        let ordinal = ordinals.entry(route.rpc.full_name()).or_default();
        let operation = operation::operation(route, *ordinal, &mut schemas);
        *ordinal += 1;
        let path = paths.entry(operation::path(route)).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation;
    }
    schemas.found.insert(String::from("Problem"), problem());
    let description: Vec<String> = pool
        .services()
        .map(|service| comments::before(&service.parent_file(), service.path()))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "hookwright",
            "version": env!("CARGO_PKG_VERSION"),
            "description": description.join("\n\n"),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "bearerAuth": [] }, {}],
        "paths": paths,
        "components": {
            "schemas": schemas.found,
            "responses": {
                "Problem": {
                    "description": "It was not done. `reason` says why, and is stable.",
                    "content": { "application/problem+json": { "schema": schema::reference("Problem") } },
                },
            },
            "securitySchemes": {
                "bearerAuth": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, where the operator wants one.",
                },
            },
        },
    })
}

/// RFC 9457, with what gRPC says in `ErrorInfo` and `BadRequest`.
fn problem() -> Value {
    json!({
        "type": "object",
        "description": "Why a request was not carried out (RFC 9457). A refused request has changed nothing.",
        "properties": {
            "type": { "type": "string", "format": "uri", "description": "Where the reason is explained." },
            "title": { "type": "string", "description": "The reason as a sentence." },
            "status": { "type": "integer", "description": "The status of the response." },
            "detail": { "type": "string", "description": "What happened, for people." },
            "reason": {
                "type": "string",
                "description": "Stable, and the same as in gRPC: switch on it.",
                "examples": ["WEBHOOK_NOT_FOUND"],
            },
            "fields": {
                "type": "array",
                "description": "The fields at fault, named as in the proto files.",
                "items": {
                    "type": "object",
                    "properties": { "field": { "type": "string" }, "description": { "type": "string" } },
                    "required": ["field", "description"],
                    "additionalProperties": false,
                },
            },
            "metadata": {
                "type": "object",
                "description": "What belongs to the reason, such as the `id` that was not found.",
                "additionalProperties": { "type": "string" },
            },
            "routes": {
                "type": "array",
                "description": "Paths that were perhaps meant.",
                "items": { "type": "string" },
            },
        },
        "required": ["type", "title", "status", "detail", "reason"],
        "additionalProperties": false,
    })
}
