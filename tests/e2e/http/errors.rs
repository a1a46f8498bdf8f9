//! Every refusal is a problem with a reason, and nothing was done.

use std::{net::SocketAddr, num::NonZeroU32, sync::Arc};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
};

use super::client::{Answer, register, send, send_with};
use crate::harness::{self, Database, Receiver, config, start, start_with};

async fn with_server<F: Future<Output = ()>>(test: impl FnOnce(SocketAddr) -> F) {
    let database = Database::sqlite();
    let (server, _) = start(&database).await;
    test(server.local_addr()).await;
    // What was refused has left nothing behind.
    let listed = send(server.local_addr(), "GET", "/v1/webhooks", "").await.done();
    assert_eq!(listed["webhooks"], Value::Array(Vec::new()));
    server.stop().await.unwrap();
    database.remove().await;
}

fn fields(answer: &Answer) -> Vec<String> {
    let problem = answer.json();
    let fields = problem["fields"].as_array().unwrap();
    fields
        .iter()
        .map(|field| field["field"].as_str().unwrap().to_owned())
        .collect()
}

/// Who mistypes a field would register a webhook without it.
#[tokio::test]
async fn what_is_wrong_with_a_body_is_told_with_its_place() {
    with_server(async |address| {
        let cases = [
            (r#"{"webhook": {"urll": "x"}}"#, "UNKNOWN_FIELD", "webhook.urll"),
            (r#"{"webhook": {"url": 1}}"#, "INVALID_FIELD", "webhook.url"),
            (
                r#"{"webhook": {"maxInFlight": "1"}}"#,
                "INVALID_FIELD",
                "webhook.max_in_flight",
            ),
            (r#"{"webhook": {"state": 1}}"#, "INVALID_FIELD", "webhook.state"),
            (
                r#"{"webhook": {"ordering": "SOME"}}"#,
                "INVALID_FIELD",
                "webhook.ordering",
            ),
            (
                r#"{"webhook": {"eventTypes": [], "event_types": []}}"#,
                "DUPLICATE_FIELD",
                "webhook.event_types",
            ),
            (
                r#"{"webhook": {"authentication": {"basic": {}, "bearer": {}}}}"#,
                "CONFLICTING_FIELDS",
                "webhook.authentication.bearer",
            ),
            // The service itself says this one.
            (
                r#"{"webhook": {"url": "not a url"}}"#,
                "INVALID_URL",
                "webhook.url",
            ),
        ];
        for (body, reason, field) in cases {
            let answer = send(address, "POST", "/v1/webhooks", body).await;
            assert_eq!(answer.reason(400), reason, "{body}");
            assert_eq!(fields(&answer), [field], "{body}");
        }
        for body in ["{", "[]", "1", "{\"webhook\": }", "{} {}"] {
            let answer = send(address, "POST", "/v1/webhooks", body).await;
            assert_eq!(answer.reason(400), "MALFORMED_JSON", "{body}");
        }
        // All at once, so that nobody corrects them one by one.
        let answer = send(
            address,
            "POST",
            "/v1/webhooks",
            r#"{"webhook": {"urll": 1, "name": 2}, "x": 3}"#,
        )
        .await;
        assert_eq!(fields(&answer), ["webhook.urll", "webhook.name", "x"]);
    })
    .await;
}

/// A client that is wrong about path, method or types would not learn what is right.
#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_in_the_words_of_http() {
    with_server(async |address| {
        let answer = send(address, "GET", "/v1/webhook", "").await;
        assert_eq!(answer.reason(404), "ROUTE_NOT_FOUND");
        assert!(
            answer.json()["routes"]
                .as_array()
                .unwrap()
                .contains(&"/v1/webhooks".into())
        );
        let answer = send(address, "PUT", "/v1/webhooks", "").await;
        assert_eq!(answer.reason(405), "METHOD_NOT_ALLOWED");
        assert_eq!(answer.header("allow"), "POST, GET, HEAD, OPTIONS");
        let answer = send(address, "OPTIONS", "/v1/events", "").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("allow")),
            (204, "POST, OPTIONS")
        );
        let head = send(address, "HEAD", "/v1/webhooks", "").await;
        assert_eq!(
            (head.status.as_u16(), head.header("content-type")),
            (200, "application/json")
        );

        let typed = [("content-type", "text/plain")];
        let answer = send_with(address, "POST", "/v1/webhooks", &typed, "{}").await;
        assert_eq!(answer.reason(415), "UNSUPPORTED_MEDIA_TYPE");
        for accept in ["text/html", "application/json;q=0"] {
            let answer = send_with(address, "GET", "/v1/webhooks", &[("accept", accept)], "").await;
            assert_eq!(answer.reason(406), "NOT_ACCEPTABLE");
        }
        let answer = send_with(
            address,
            "GET",
            "/v1/webhooks",
            &[("accept", "text/html, */*;q=0.1")],
            "",
        )
        .await;
        assert_eq!(answer.status, 200);
        assert!(refused_by_its_length(address).await.starts_with("HTTP/1.1 413 "));

        for (query, reason) in [
            ("pageSiz=1", "UNKNOWN_FIELD"),
            ("pageSize=many", "INVALID_FIELD"),
            ("pageSize=1&pageSize=2", "DUPLICATE_FIELD"),
            ("pageSize=-1", "INVALID_PAGE_SIZE"),
            ("pageToken=x", "INVALID_PAGE_TOKEN"),
        ] {
            let answer = send(address, "GET", &format!("/v1/webhooks?{query}"), "").await;
            assert_eq!(answer.reason(400), reason, "{query}");
        }
        let answer = send(address, "GET", "/v1/webhooks?page_size=1", "").await;
        assert_eq!(answer.status, 200, "both spellings");
        let answer = send_with(address, "GET", "/v1/webhooks", &[("request-timeout", "soon")], "").await;
        assert_eq!(answer.reason(400), "INVALID_TIMEOUT");
    })
    .await;
}

/// A request that says it is too large is answered before it is sent.
async fn refused_by_its_length(address: SocketAddr) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = "POST /v1/webhooks HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                content-length: 5000000\r\nconnection: close\r\n\r\n";
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("BODY_TOO_LARGE"), "{answer}");
    answer
}

/// Any page in the operator's browser could register webhooks with a service on the same machine.
#[tokio::test]
async fn pages_of_other_sites_change_nothing() {
    with_server(async |address| {
        let headers = [("sec-fetch-site", "cross-site")];
        let body = r#"{"webhook": {"url": "https://example.com/", "profile": "generic"}}"#;
        let answer = send_with(address, "POST", "/v1/webhooks", &headers, body).await;
        assert_eq!(answer.reason(403), "CROSS_SITE_REQUEST");
        let answer = send_with(address, "GET", "/v1/webhooks", &headers, "").await;
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    })
    .await;
}

/// A client that has to wait would come back at once, and again.
#[tokio::test]
async fn who_has_to_wait_is_told_for_how_long() {
    let database = Database::sqlite();
    let mut config = config(database.address());
    config.verify_per_second_max = NonZeroU32::new(1);
    let (server, _) = start_with(config).await;
    let body = r#"{"schemeKey": {"scheme": "github", "secrets": ["0123456789abcdef"]}, "body": ""}"#;
    // The budget of a second, and then none: a machine that is slow enough to earn another one in between asks again.
    let refused = loop {
        let answer = send(server.local_addr(), "POST", "/v1/verify", body).await;
        if !answer.status.is_success() {
            break answer;
        }
    };
    assert_eq!(refused.reason(429), "VERIFY_RATE_EXCEEDED");
    assert_eq!(refused.header("retry-after"), "1");
    server.stop().await.unwrap();
    database.remove().await;
}

/// A client that waits no longer would be kept waiting.
#[tokio::test]
async fn nobody_waits_longer_than_it_says() {
    let database = Database::sqlite();
    let (server, _) = start(&database).await;
    let address = server.local_addr();
    let receiver = Receiver::start().await;
    let release = Arc::new(Notify::new());
    receiver.will_answer([harness::Answer::Held(Arc::clone(&release))]);
    let id = register(address, &receiver.url()).await;
    let path = format!("/v1/webhooks/{id}/test");
    let headers = [("request-timeout", "0.05")];
    let answer = send_with(address, "POST", &path, &headers, r#"{"wait": "60s"}"#).await;
    assert_eq!(answer.reason(504), "DEADLINE_EXCEEDED");
    release.notify_one();
    server.stop().await.unwrap();
    database.remove().await;
}
