//! What no guide shows: mistakes, webhooks of other profiles, and platforms of one's own.

use std::sync::Arc;

use hookwright_core::Registry;
use hookwright_server::Server;
use serde_json::{Value, json};

use super::{
    commands::{Answered, Place},
    guide::Command,
};
use crate::harness::{Client, Database, config, register, start, start_with, webhook};

/// A client without a guide.
struct Words {
    server: Server,
    client: Client,
    place: Place,
}

impl Words {
    fn new((server, client): (Server, Client)) -> Self {
        let place = Place::new(format!("http://{}", server.local_addr()), None);
        Self {
            server,
            client,
            place,
        }
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answered {
        let command = Command::Http {
            method: method.to_owned(),
            path: path.to_owned(),
            body: body.map(|body| body.to_string()),
        };
        self.place.run(&command).await
    }
}

fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// A customer would be told about fields that the platform's guide does not have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_said_in_the_platforms_words() {
    let database = Database::sqlite();
    let words = Words::new(start(&database).await);
    let body = json!({ "url": "https://example.com/hook", "event": ["vault.created"] });
    let refused = words.call("POST", "/webhooks", Some(body)).await;
    assert_eq!(
        (refused.status, &refused.body["reason"]),
        (400, &json!("UNKNOWN_FIELD"))
    );
    assert_eq!(
        refused.body["fields"],
        json!([{ "field": "event", "description": "there is no such field; did you mean events?" }])
    );

    let body =
        json!({ "url": "nowhere", "events": ["vault.*", "no type"], "timeout": 1000, "retryDelay": 1e9 });
    let refused = words.call("POST", "/webhooks", Some(body)).await;
    assert_eq!(refused.status, 400);
    let fields = refused.body["fields"].as_array().unwrap();
    let fields: Vec<&str> = fields
        .iter()
        .map(|field| field["field"].as_str().unwrap())
        .collect();
    for field in ["url", "timeout", "retryDelay"] {
        assert!(fields.contains(&field), "{field} in {:#}", refused.body);
    }
    assert!(
        fields.iter().any(|field| field.starts_with("events")),
        "{fields:?}"
    );
    assert!(
        !refused.body.to_string().contains("webhook."),
        "{:#}",
        refused.body
    );

    for (path, reason) in [
        ("/v1/webhooks?profile=filedger", "UNKNOWN_PROFILE"),
        ("/webhooks/x", "INVALID_ID"),
    ] {
        let refused = words.call("GET", path, None).await;
        assert_eq!(
            (refused.status, &refused.body["reason"]),
            (400, &json!(reason)),
            "{path}"
        );
    }
    assert_eq!(words.call("GET", "/webhooksters", None).await.status, 404);
    let listed = words.call("GET", "/v1/webhooks", None).await;
    let webhooks = listed.body["webhooks"].as_array();
    assert!(webhooks.is_none_or(Vec::is_empty), "nothing was registered");
    words.server.stop().await.unwrap();
    database.remove().await;
}

/// Somebody who manages the webhooks of several platforms would have to know which is which.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_of_another_profile_is_shown_and_changed_in_the_words_asked_for() {
    let database = Database::sqlite();
    let mut words = Words::new(start(&database).await);
    let webhook = webhook("https://example.com/hook".to_owned(), "standard-webhooks", &[]);
    let (id, _) = register(&mut words.client, webhook).await;
    let filedgr = words.call("GET", &format!("/webhooks/{id}"), None).await.body;
    assert_eq!(
        (&filedgr["webhookId"], &filedgr["events"]),
        (&json!(id), &json!(["*"]))
    );
    let generic = words
        .call("GET", &format!("/v1/webhooks/{id}?profile=generic"), None)
        .await
        .body;
    assert_eq!(names(&generic), ["active", "created_at", "events", "id", "url"]);
    let native = words.call("GET", &format!("/v1/webhooks/{id}"), None).await.body;
    assert_eq!(
        (&native["profile"], &native["state"]),
        (&json!("standard-webhooks"), &json!("WEBHOOK_STATE_ACTIVE"))
    );

    let paused = words.call("POST", &format!("/webhooks/{id}/pause"), None).await;
    assert_eq!((paused.status, &paused.body["active"]), (200, &json!(false)));
    // What was shown can be sent back.
    let mut changed = filedgr.clone();
    changed["events"] = json!(["vault.created"]);
    let put = words.call("PUT", &format!("/webhooks/{id}"), Some(changed)).await;
    assert_eq!(
        (put.status, &put.body["active"]),
        (200, &json!(true)),
        "{:#}",
        put.body
    );
    assert_eq!(put.body["events"], json!(["vault.created"]));
    assert_eq!(put.body["createdAt"], filedgr["createdAt"]);
    let nothing = words
        .call("PUT", &format!("/webhooks/{id}"), Some(json!({})))
        .await;
    assert_eq!(
        (nothing.status, &nothing.body["reason"]),
        (400, &json!("EMPTY_UPDATE_MASK"))
    );
    words.server.stop().await.unwrap();
    database.remove().await;
}

const ACME: &str = r#"
name = "acme"
scheme = "x-webhook-signature"
event_id_prefix = "acme"
timeout = "10s"
schedule = { delays = [] }
envelope = [{ name = "type", value = "type" }, { name = "data", value = "data" }]

[api]
base_path = "/acme/hooks"
webhook = [
    { name = "hookId", value = "id" },
    { name = "target", value = "url" },
    { name = "status", value = "state" },
    { name = "key", value = "secret" },
    { name = "created", value = "create_time", as = "unix-milliseconds" },
]
registered = ["hookId", "status"]
webhooks = [{ name = "hooks", value = "items" }, { name = "more", value = "next_page_token", null = true }]
delivery = [{ name = "event", value = "event_id" }]
deliveries = [{ name = "log", value = "items" }]

[api.webhook_states]
active = "on"
paused = "off"
disabled = "broken"
"#;

/// A platform that is not built in could be delivered for, and not be asked in its own words.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_of_ones_own_has_words_too() {
    let database = Database::sqlite();
    let mut registry = Registry::builtin();
    registry.add_profile_toml(ACME).unwrap();
    let mut config = config(database.address());
    config.registry = Arc::new(registry);
    let words = Words::new(start_with(config).await);
    let body = json!({ "target": "https://example.com/hook", "status": "off" });
    let made = words.call("POST", "/acme/hooks", Some(body)).await;
    assert_eq!(made.status, 201);
    assert_eq!(
        names(&made.body),
        ["hookId", "key", "status"],
        "with the secret that was made up"
    );
    assert_eq!(made.body["status"], "off");
    let listed = words.call("GET", "/acme/hooks", None).await.body;
    assert_eq!(listed["more"], Value::Null);
    let hook = &listed["hooks"][0];
    assert_eq!(names(hook), ["created", "hookId", "status", "target"]);
    assert!(hook["created"].as_i64().unwrap() > 1_700_000_000_000, "{hook}");
    let id = hook["hookId"].as_str().unwrap();
    let native = words.call("GET", &format!("/v1/webhooks/{id}"), None).await.body;
    assert_eq!(native["profile"], "acme");
    words.server.stop().await.unwrap();
    database.remove().await;
}
