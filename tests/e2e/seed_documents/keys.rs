//! A key that is made for a platform speaks that platform's words, with nothing in the request that asks for them.

use hookwright_proto::v1;
use hookwright_server::Server;
use serde_json::{Value, json};

use crate::{
    access::{client, first_key, with_keys},
    harness::{Database, on_both_stores},
    http::client::{Answer, send_with},
};

const URL: &str = "https://example.com/filedgr";

/// A key to register and read with, for customers of this platform.
async fn key_for(server: &Server, operator: &str, profile: &str) -> String {
    let request = v1::CreateKeyRequest {
        key: Some(v1::Key {
            name: format!("of {profile}"),
            scopes: vec![v1::Scope::Admin.into()],
            profile: profile.to_owned(),
            ..v1::Key::default()
        }),
        time_to_live: None,
    };
    let made = client(server, operator).await.create_key(request).await.unwrap();
    made.into_inner().text
}

async fn ask(server: &Server, key: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
    let key = format!("Bearer {key}");
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    send_with(
        server.local_addr(),
        method,
        path,
        &[("authorization", &key)],
        &body,
    )
    .await
}

fn members(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

on_both_stores! {
    /// A customer of Filedgr would be answered in words that Filedgr's guide does not have.
    async fn the_profile_of_a_key_picks_the_words(database: &Database) {
        let operator = first_key(database).await;
        let server = Server::start(with_keys(database)).await.unwrap();
        let filedgr = key_for(&server, &operator, "filedgr").await;
        let plain = key_for(&server, &operator, "").await;

        // On both paths, and the webhook is one of Filedgr's.
        for path in ["/v1/webhooks", "/webhooks"] {
            let body = json!({ "url": URL, "events": ["vault.created"] });
            let made = ask(&server, &filedgr, "POST", path, Some(body)).await;
            assert_eq!(made.status, 201, "{path} {:?}", made.body);
            assert!(made.json()["webhookId"].is_string(), "{path} {:?}", made.body);
            let id = made.json()["webhookId"].as_str().unwrap().to_owned();
            let native = ask(&server, &plain, "GET", &format!("/v1/webhooks/{id}"), None).await.done();
            assert_eq!((&native["profile"], &native["url"]), (&json!("filedgr"), &json!(URL)));

            let listed = ask(&server, &filedgr, "GET", path, None).await.done();
            let shown = listed["webhooks"].as_array().unwrap().iter().find(|shown| shown["webhookId"] == id.as_str());
            assert!(shown.is_some(), "{path} {listed}");
            assert!(!members(shown.unwrap()).contains(&"eventTypes"), "{listed}");
        }
        // A mistake is told in these words, too.
        let refused = ask(&server, &filedgr, "POST", "/webhooks", Some(json!({ "events": ["vault.created"] }))).await;
        refused.reason(400);
        assert_eq!(refused.json()["fields"][0]["field"], "url");

        // Another key of the same tenant has the words of the service.
        let native = ask(&server, &plain, "GET", "/v1/webhooks", None).await.done();
        assert_eq!(native["webhooks"].as_array().map(Vec::len), Some(2));
        assert!(native["webhooks"][0]["eventTypes"].is_array(), "{native}");
        // And one that is no good learns nothing from the words that it is refused in.
        assert_eq!(ask(&server, "hwk_x", "GET", "/webhooks", None).await.reason(401), "KEY_INVALID");
        server.stop().await.unwrap();
    }

    /// The first request with a new key would be answered in other words than the second, if it comes to another node.
    async fn a_key_from_another_node_has_its_words_at_once(database: &Database) {
        let operator = first_key(database).await;
        let first = Server::start(with_keys(database)).await.unwrap();
        let second = match database.address() {
            hookwright_store::StoreAddress::Postgres(_) => Some(Server::start(with_keys(database)).await.unwrap()),
            hookwright_store::StoreAddress::Sqlite(_) => None,
        };
        let filedgr = key_for(&first, &operator, "filedgr").await;
        let body = json!({ "url": URL, "events": ["vault.created"] });
        let made = ask(second.as_ref().unwrap_or(&first), &filedgr, "POST", "/v1/webhooks", Some(body)).await;
        assert!(made.done()["webhookId"].is_string(), "{:?}", made.body);
        for server in [Some(first), second].into_iter().flatten() {
            server.stop().await.unwrap();
        }
    }
}
