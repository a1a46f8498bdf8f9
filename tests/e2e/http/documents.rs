//! JSON inside JSON: payloads, schemas and bodies are written in their place, and not a byte of them is changed.

use serde_json::Value;

use super::client::{register, send, send_with};
use crate::harness::{Database, Receiver, on_both_stores, start};

/// Numbers that a parser would round or respell, an order that a map would lose, and spaces.
const PAYLOAD: &str = r#"{"z": 1.00,  "a":[1e5, 12345678901234567890.5],"text":"\u00e4/ä" }"#;

on_both_stores! {
    /// Receivers check signatures over bytes, and amounts are strings of digits: a payload that was parsed on its way is
    /// another one.
    async fn a_payload_arrives_byte_for_byte(database: &Database) {
        let (server, _) = start(database).await;
        let address = server.local_addr();
        let mut receiver = Receiver::start().await;
        register(address, &receiver.url()).await;
        let body = format!("{{\"eventType\": \"user.created\",\n \"payload\":\t{PAYLOAD}\n}}");
        let headers = [("idempotency-key", "once")];
        let first = send_with(address, "POST", "/v1/events", &headers, &body).await;
        assert_eq!(first.status, 202);
        let event = first.json()["eventId"].clone();
        let again = send_with(address, "POST", "/v1/events", &headers, &body).await.done();
        assert_eq!((&again["eventId"], &again["duplicate"]), (&event, &Value::Bool(true)));

        let received = receiver.next().await;
        let sent = String::from_utf8(received.body.to_vec()).unwrap();
        assert!(sent.contains(PAYLOAD), "{sent}");

        let path = format!("/v1/deliveries?eventId={}", event.as_str().unwrap());
        let deliveries = send(address, "GET", &path, "").await.done();
        let delivery = deliveries["deliveries"][0]["id"].as_str().unwrap().to_owned();
        let shown = send(address, "GET", &format!("/v1/deliveries/{delivery}"), "").await;
        let shown = String::from_utf8(shown.body.to_vec()).unwrap();
        assert!(shown.contains(&format!("\"payload\":{PAYLOAD}")), "{shown}");
        server.stop().await.unwrap();
    }

    /// Schemas and samples would be strings of escaped quotes.
    async fn a_catalogue_is_written_and_read_as_json(database: &Database) {
        let (server, _) = start(database).await;
        let address = server.local_addr();
        let body = r#"{"document": [{"name": "user.created", "schema": {"type": "object"}, "sample": {"id": 1.0}}]}"#;
        let imported = send(address, "POST", "/v1/event-types", body).await.done();
        assert_eq!(imported["createdCount"], 1);
        let listed = send(address, "GET", "/v1/event-types", "").await.done();
        assert_eq!(listed["eventTypes"][0]["schema"], serde_json::json!({ "type": "object" }));
        let deleted = send(address, "DELETE", "/v1/event-types/user.created", "").await;
        assert_eq!((deleted.status.as_u16(), deleted.body.len()), (204, 0));
        server.stop().await.unwrap();
    }

    /// Who has a body in a terminal would have to encode it before asking whether it is signed.
    async fn a_request_is_verified_as_it_was_received(database: &Database) {
        let (server, _) = start(database).await;
        let address = server.local_addr();
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let verify = async |body: Value| {
            let request = serde_json::json!({
                "schemeKey": { "scheme": "github", "secrets": ["It's a Secret to Everybody"] },
                "headers": [{ "name": "X-Hub-Signature-256", "value": signature }],
                "body": body,
            });
            send(address, "POST", "/v1/verify", &request.to_string()).await
        };
        assert_eq!(verify("Hello, World!".into()).await.done()["valid"], true);
        let encoded = serde_json::json!({ "base64": "SGVsbG8sIFdvcmxkIQ==" });
        assert_eq!(verify(encoded).await.done()["valid"], true);
        let other = verify("Hello, world!".into()).await.done();
        assert_eq!((&other["valid"], &other["reason"]), (&Value::Bool(false), &"signature_mismatch".into()));
        assert_eq!(verify(serde_json::json!({ "base64": "!" })).await.reason(400), "INVALID_FIELD");
        server.stop().await.unwrap();
    }
}
