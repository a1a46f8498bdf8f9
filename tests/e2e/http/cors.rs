//! Pages of other sites, as their browsers send what they ask for.

use std::net::SocketAddr;

use hookwright_server::{CorsOrigin, Server, StartError};
use serde_json::json;

use super::client::{Answer, send_with};
use crate::{
    access::{first_key, with_keys},
    harness::{Database, config},
};

const DASHBOARD: &str = "https://dashboard.example";
const STRANGER: &str = "https://stranger.example";

/// What a browser asks before it lets a page send JSON with a key.
async fn preflight(address: SocketAddr, origin: &str, path: &str, method: &str) -> Answer {
    let headers = [
        ("origin", origin),
        ("sec-fetch-site", "cross-site"),
        ("access-control-request-method", method),
        (
            "access-control-request-headers",
            "authorization,content-type,idempotency-key",
        ),
    ];
    send_with(address, "OPTIONS", path, &headers, "").await
}

/// A request of a page, with this key.
async fn ask(address: SocketAddr, origin: &str, key: &str, method: &str, path: &str, json: &str) -> Answer {
    let key = format!("Bearer {key}");
    let headers = [
        ("origin", origin),
        ("sec-fetch-site", "cross-site"),
        ("authorization", key.as_str()),
    ];
    send_with(address, method, path, &headers, json).await
}

fn allowed(answer: &Answer) -> Option<&str> {
    let origin = answer.headers.get("access-control-allow-origin")?;
    Some(origin.to_str().unwrap())
}

/// A dashboard could not be built; or the page that the operator looks at next could do what the dashboard can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_a_named_origin_can_call_and_others_cannot() {
    let database = Database::sqlite();
    let key = first_key(&database).await;
    let mut config = with_keys(&database);
    config.cors_origins = vec![
        DASHBOARD.parse().unwrap(),
        "http://localhost:3000".parse().unwrap(),
    ];
    let server = Server::start(config).await.unwrap();
    let address = server.local_addr();

    // Browsers send no key with this one.
    for (path, method) in [
        ("/v1/webhooks", "POST"),
        ("/v1/webhooks/whk_1", "PATCH"),
        ("/hookwright.v1.WebhookService/Register", "POST"),
    ] {
        let told = preflight(address, DASHBOARD, path, method).await;
        assert_eq!(
            (told.status.as_u16(), allowed(&told)),
            (200, Some(DASHBOARD)),
            "{path}"
        );
        assert!(told.header("access-control-allow-methods").contains(method));
        assert!(
            told.header("access-control-allow-headers")
                .contains("authorization")
        );
        assert!(
            told.header("vary").contains("origin"),
            "caches would mix sites up"
        );
        assert_eq!(
            allowed(&preflight(address, STRANGER, path, method).await),
            None,
            "{path}"
        );
    }

    let body = json!({ "webhook": { "url": "https://example.com/hooks", "profile": "generic" } }).to_string();
    let made = ask(address, DASHBOARD, &key, "POST", "/v1/webhooks", &body).await;
    assert_eq!((made.status.as_u16(), allowed(&made)), (201, Some(DASHBOARD)));
    let exposed = made.header("access-control-expose-headers").to_owned();
    for name in [
        "grpc-status",
        "grpc-message",
        "grpc-status-details-bin",
        "etag",
        "location",
        "retry-after",
    ] {
        assert!(exposed.contains(name), "{name} is not in {exposed}");
    }
    // A page has to be able to read why it was refused.
    let refused = ask(address, DASHBOARD, "", "GET", "/v1/webhooks", "").await;
    assert_eq!(
        (refused.reason(401).as_str(), allowed(&refused)),
        ("KEY_MISSING", Some(DASHBOARD))
    );
    let other = ask(address, "http://localhost:3000", &key, "GET", "/v1/webhooks", "").await;
    assert_eq!(
        (other.status.as_u16(), allowed(&other)),
        (200, Some("http://localhost:3000"))
    );

    let stranger = ask(address, STRANGER, &key, "POST", "/v1/webhooks", &body).await;
    assert_eq!(
        (stranger.reason(403).as_str(), allowed(&stranger)),
        ("CROSS_SITE_REQUEST", None)
    );
    let listed = ask(address, STRANGER, &key, "GET", "/v1/webhooks", "").await;
    assert_eq!(allowed(&listed), None);
    assert_eq!(listed.done()["webhooks"].as_array().map(Vec::len), Some(1));

    // What no page asks is answered as without all this.
    let methods = send_with(address, "OPTIONS", "/v1/events", &[], "").await;
    assert_eq!(
        (methods.status.as_u16(), methods.header("allow")),
        (204, "POST, OPTIONS")
    );
    server.stop().await.unwrap();
    database.remove().await;
}

/// The dashboard's gRPC-Web client would get answers that its browser does not show it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_page_can_call_rpcs() {
    let database = Database::sqlite();
    let key = first_key(&database).await;
    let mut config = with_keys(&database);
    config.cors_origins = vec![DASHBOARD.parse().unwrap()];
    let server = Server::start(config).await.unwrap();
    let key = format!("Bearer {key}");
    let headers = [
        ("origin", DASHBOARD),
        ("authorization", key.as_str()),
        ("content-type", "application/grpc-web-text"),
        ("accept", "application/grpc-web-text"),
    ];
    // An empty GetWebhookRequest.
    let path = "/hookwright.v1.WebhookService/GetWebhook";
    let answer = send_with(server.local_addr(), "POST", path, &headers, "AAAAAAA=").await;
    assert_eq!(
        (answer.header("grpc-status"), allowed(&answer)),
        ("3", Some(DASHBOARD))
    );
    assert!(
        answer
            .header("access-control-expose-headers")
            .contains("grpc-status")
    );
    server.stop().await.unwrap();
    database.remove().await;
}

/// With one character in its settings, a service on the operator's machine would be open to every page on the web.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_may_call_only_where_keys_are_asked_for() {
    let database = Database::sqlite();
    let mut open = config(database.address());
    open.cors_origins = vec![CorsOrigin::Any];
    let refused = Server::start(open).await.unwrap_err();
    assert!(matches!(refused, StartError::OpenToAllSites), "{refused}");

    let key = first_key(&database).await;
    let mut config = with_keys(&database);
    config.cors_origins = vec![CorsOrigin::Any];
    let server = Server::start(config).await.unwrap();
    let told = preflight(server.local_addr(), STRANGER, "/v1/webhooks", "POST").await;
    assert_eq!(allowed(&told), Some("*"));
    // Nothing that the browser knows about its user goes with it.
    assert!(!told.headers.contains_key("access-control-allow-credentials"));
    let body = json!({ "webhook": { "url": "https://example.com/hooks", "profile": "generic" } }).to_string();
    let made = ask(server.local_addr(), STRANGER, &key, "POST", "/v1/webhooks", &body).await;
    assert_eq!((made.status.as_u16(), allowed(&made)), (201, Some("*")));
    server.stop().await.unwrap();
    database.remove().await;
}
