//! Which routes there are.

use prost_reflect::DescriptorPool;
use serde_json::Value;

use super::client::{register, send};
use crate::harness::{Database, start};

/// An RPC without a route would be missing over HTTP, and nobody would notice.
#[test]
fn every_unary_rpc_has_a_route() {
    let document = hookwright_server::openapi().unwrap().to_string();
    let pool = DescriptorPool::decode(hookwright_proto::FILE_DESCRIPTOR_SET).unwrap();
    let services = pool
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>());
    let unary: Vec<_> = services
        .filter(|rpc| !rpc.is_client_streaming() && !rpc.is_server_streaming())
        .collect();
    assert!(unary.len() > 20);
    for rpc in unary {
        let named = format!("The RPC `{}`.", rpc.name());
        assert!(
            document.contains(&named),
            "{} has no google.api.http",
            rpc.full_name()
        );
    }
}

/// A route of the document that does not answer would be a promise that is not kept.
#[tokio::test]
async fn every_route_of_the_document_answers() {
    let database = Database::sqlite();
    let (server, _) = start(&database).await;
    let address = server.local_addr();
    let webhook = register(address, "http://127.0.0.1:9/hooks").await;
    let document = send(address, "GET", "/openapi.json", "").await.done();
    let mut examples = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let path = path
                .replace("{id}", &webhook)
                .replace("{webhookId}", &webhook)
                .replace("{name}", "none")
                .replace("{tenant.name}", "none")
                .replace("{tenantName}", "none");
            let example = &operation["requestBody"]["content"]["application/json"]["example"];
            let body = if example.is_null() {
                String::new()
            } else {
                example.to_string()
            };
            examples += usize::from(!example.is_null());
            if method == "delete" && path.ends_with(&webhook) {
                // Others need it.
                continue;
            }
            let answer = send(address, &method.to_uppercase(), &path, &body).await;
            let told = answer.status.as_u16();
            // It is routed, and its example is understood; some ask for what is not there, or not in the right state.
            let reason = if answer.status.is_success() {
                String::new()
            } else {
                answer.reason(told)
            };
            let is_expected = matches!(
                reason.as_str(),
                "" | "INVALID_ID"
                    | "EVENT_TYPE_NOT_FOUND"
                    | "MISSING_FIELD"
                    | "BLOCKED_ADDRESS"
                    | "INVALID_EVENT_TYPE"
                    | "TENANT_NOT_FOUND"
            );
            assert!(is_expected, "{method} {path}: {told} {reason} {:?}", answer.body);
        }
    }
    assert!(examples >= 9, "{examples}");
    let deleted = send(address, "DELETE", &format!("/v1/webhooks/{webhook}"), "").await;
    assert_eq!(deleted.status, 204);
    server.stop().await.unwrap();
    database.remove().await;
}

/// Who follows `Location` would find nothing.
#[tokio::test]
async fn what_was_made_is_where_the_answer_says() {
    let database = Database::sqlite();
    let (server, _) = start(&database).await;
    let address = server.local_addr();
    let body =
        r#"{"webhook": {"url": "http://127.0.0.1:9/", "profile": "generic"}, "secret": "0123456789abcdef"}"#;
    let made = send(address, "POST", "/v1/webhooks", body).await;
    assert_eq!(made.status, 201);
    let read = send(address, "GET", made.header("location"), "").await.done();
    assert_eq!(read["id"], made.json()["webhook"]["id"]);
    assert_eq!(read["webhook"], Value::Null, "the webhook itself is answered");
    let made = send(address, "POST", "/v1/replays", "{}").await;
    assert_eq!(made.status, 201);
    let read = send(address, "GET", made.header("location"), "").await.done();
    assert_eq!(read["id"], made.json()["replay"]["id"]);
    // A dry run makes nothing that could be read.
    let counted = send(address, "POST", "/v1/replays", r#"{"dryRun": true}"#).await;
    assert_eq!(counted.status, 200);
    assert!(!counted.headers.contains_key("location"));
    assert_eq!(counted.done()["matchedCount"], "0");
    server.stop().await.unwrap();
    database.remove().await;
}
