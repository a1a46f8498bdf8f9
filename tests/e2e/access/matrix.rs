//! Every method, asked by one tenant for what is another one's: as if it did not exist.

use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use hookwright_proto::v1;
use hookwright_server::Server;
use prost_reflect::MethodDescriptor;
use serde_json::{Value, json};
use tonic::{Code, Status, transport::Channel};

use super::{call, channel, client, create_key, create_tenant, start};
use crate::harness::{Database, Receiver, on_both_stores};

/// What a tenant has.
pub(super) struct Belongings {
    tenant: &'static str,
    pub(super) key: String,
    pub(super) webhook: String,
    event: String,
    delivery: String,
    replay: String,
    key_id: String,
    event_type: String,
    page_token: String,
}

impl Belongings {
    /// Ids of the right form that nobody has.
    pub(super) fn of_nobody() -> Self {
        let id = |prefix: &str| format!("{prefix}_01h455vb4pex5vsknk084sn02q");
        Self {
            tenant: "nobody",
            key: String::new(),
            webhook: id("whk"),
            event: id("evt"),
            delivery: format!("{}01h455vb4pex5vsknk084sn02q", id("dlv")),
            replay: id("rpl"),
            key_id: id("key"),
            event_type: String::from("nobody.wants"),
            page_token: String::new(),
        }
    }

    pub(super) fn all(&self) -> [&str; 7] {
        [
            &self.webhook,
            &self.event,
            &self.delivery,
            &self.replay,
            &self.key_id,
            &self.event_type,
            self.tenant,
        ]
    }
}

/// What is asked for with things of somebody else.
pub(super) fn requests(method: &str, of: &Belongings) -> Vec<Value> {
    let event = json!({ "eventType": "a.b", "payload": "e30=" });
    match method {
        "Register" => vec![json!({ "webhook": { "url": "http://127.0.0.1:9/own" } })],
        "GetWebhook" | "DeleteWebhook" | "PauseWebhook" | "ResumeWebhook" | "RotateSecret" | "SendTest" => {
            vec![json!({ "id": of.webhook })]
        }
        "UpdateWebhook" => {
            vec![json!({ "webhook": { "id": of.webhook, "name": "taken over" }, "updateMask": "name" })]
        }
        "ListWebhooks" => vec![json!({}), json!({ "pageToken": of.page_token })],
        "Publish" => {
            let key = format!("{}-1", of.tenant);
            vec![json!({ "eventType": "a.b", "payload": "e30=", "idempotencyKey": key })]
        }
        "PublishStream" => vec![json!({ "sequence": 1, "event": event })],
        "DryRunPublish" => vec![event],
        "ListEventTypes" | "ListReplays" | "ListTenants" => vec![json!({})],
        "ImportEventTypes" => vec![catalogue("own.type")],
        "DeleteEventType" => vec![json!({ "name": of.event_type })],
        "ListDeliveries" => vec![
            json!({}),
            json!({ "eventId": of.event }),
            json!({ "webhookId": of.webhook }),
            json!({ "state": "DELIVERY_STATE_DELIVERED" }),
        ],
        "GetStats" | "WatchDeliveries" => vec![json!({}), json!({ "webhookId": of.webhook })],
        "GetDelivery" | "CancelDelivery" | "ReplayDelivery" => vec![json!({ "id": of.delivery })],
        "CreateReplay" => vec![
            json!({ "filter": { "webhookId": of.webhook, "states": ["DELIVERY_STATE_DELIVERED"] }, "dryRun": true }),
            json!({ "filter": { "states": ["DELIVERY_STATE_DELIVERED"] }, "dryRun": true }),
            json!({ "resumeFrom": of.replay }),
        ],
        "GetReplay" | "CancelReplay" => vec![json!({ "id": of.replay })],
        "Verify" => vec![json!({ "webhookId": of.webhook, "body": "e30=" })],
        "CreateKey" => vec![json!({ "key": { "name": "x", "scopes": ["SCOPE_READ"], "tenant": of.tenant } })],
        "ListKeys" => vec![json!({}), json!({ "tenant": of.tenant })],
        "RevokeKey" => vec![
            json!({ "id": of.key_id }),
            json!({ "id": of.key_id, "tenant": of.tenant }),
        ],
        "ListAuditEntries" => vec![
            json!({}),
            json!({ "resource": of.webhook }),
            json!({ "resource": of.tenant }),
            json!({ "tenant": of.tenant }),
        ],
        "CreateTenant" | "UpdateTenant" => vec![json!({ "tenant": { "name": of.tenant } })],
        "DeleteTenant" => vec![json!({ "name": of.tenant })],
        method => panic!("say what {method} is asked for with things of another tenant"),
    }
}

/// A request to import one event type.
fn catalogue(name: &str) -> Value {
    json!({ "document": BASE64.encode(json!([{ "name": name }]).to_string()) })
}

/// Code, reason and message, or the answer, with the ids that were asked for left out.
fn told(answer: &Result<Value, Status>, of: &Belongings) -> (Option<Code>, String) {
    let (code, mut text) = match answer {
        Ok(answer) => (None, answer.to_string()),
        Err(status) => (
            Some(status.code()),
            format!("{} {}", super::reason(status), status.message()),
        ),
    };
    for own in of.all() {
        text = text.replace(own, "…");
    }
    (code, text)
}

/// A tenant with one of everything.
pub(super) async fn settle(
    server: &Server,
    operator: &str,
    tenant: &'static str,
    receiver: &Receiver,
) -> Belongings {
    let channel = channel(server).await;
    let mut operator = client(server, operator).await;
    create_tenant(&mut operator, tenant, v1::Quotas::default()).await;
    let (key_id, key) = create_key(&mut operator, tenant, &[v1::Scope::Admin], tenant).await;
    let methods = call::methods();
    let method = |name: &str| methods.iter().find(|method| method.name() == name).unwrap();
    let ask =
        async |name: &str, request: Value| call::call(&channel, method(name), &key, request).await.unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut webhook = Value::Null;
    for _ in 0..2 {
        webhook = ask("Register", json!({ "webhook": { "url": receiver.url() } })).await;
    }
    let event_type = format!("{tenant}.happened");
    ask("ImportEventTypes", catalogue(&event_type)).await;
    let used = format!("{tenant}-1");
    let event = json!({ "eventType": "a.b", "payload": "e30=", "idempotencyKey": used });
    let event = text(&ask("Publish", event).await["eventId"]);
    let replay = json!({ "filter": { "states": ["DELIVERY_STATE_DEAD"] } });
    let replay = text(&ask("CreateReplay", replay).await["replay"]["id"]);
    let deliveries = ask("ListDeliveries", json!({ "eventId": event })).await;
    let page = ask("ListWebhooks", json!({ "pageSize": 1 })).await;
    Belongings {
        tenant,
        key,
        webhook: text(&webhook["webhook"]["id"]),
        delivery: text(&deliveries["deliveries"][0]["id"]),
        event,
        replay,
        key_id,
        event_type,
        page_token: text(&page["nextPageToken"]),
    }
}

/// Everything that its owner can see and that does not change by itself.
async fn everything(channel: &Channel, methods: &[MethodDescriptor], of: &Belongings) -> Vec<Value> {
    let mut seen = Vec::new();
    for (name, request) in [
        ("ListWebhooks", json!({})),
        ("ListEventTypes", json!({})),
        ("ListReplays", json!({})),
        ("ListAuditEntries", json!({})),
        ("ListDeliveries", json!({})),
    ] {
        let method = methods.iter().find(|method| method.name() == name).unwrap();
        seen.push(call::call(channel, method, &of.key, request).await.unwrap());
    }
    seen
}

on_both_stores! {
    /// A customer could see, change or even only notice what another customer has.
    async fn what_belongs_to_another_tenant_does_not_exist(database: &Database) {
        let (server, first) = start(database).await;
        let receiver = Receiver::start().await;
        let alpha = settle(&server, &first, "alpha", &receiver).await;
        let beta = settle(&server, &first, "beta", &receiver).await;
        let nobody = Belongings::of_nobody();
        let channel = channel(&server).await;
        let methods = call::methods();
        // And its replay is over, so that nothing of it changes any more by itself.
        crate::harness::until("everything has arrived", async || {
            let seen = everything(&channel, &methods, &alpha).await;
            let is_all = |list: &Value, state: &str| {
                let mut items = list.as_array().unwrap().iter();
                items.all(|item| item["state"] == state)
            };
            seen[4]["deliveries"].as_array().is_some_and(|deliveries| deliveries.len() == 2)
                && is_all(&seen[4]["deliveries"], "DELIVERY_STATE_DELIVERED")
                && is_all(&seen[2]["replays"], "REPLAY_STATE_DONE")
        })
        .await;
        let before = everything(&channel, &methods, &alpha).await;

        let mut refused = BTreeSet::new();
        for method in &methods {
            let name = method.name();
            let made_new = matches!(name, "Register" | "Publish" | "PublishStream" | "RotateSecret");
            for (theirs, nobodys) in requests(name, &alpha).into_iter().zip(requests(name, &nobody)) {
                let of_another = call::call(&channel, method, &beta.key, theirs.clone()).await;
                let of_nobody = call::call(&channel, method, &beta.key, nobodys).await;
                let (of_another_told, of_nobody_told) = (told(&of_another, &alpha), told(&of_nobody, &nobody));
                assert_eq!(of_another_told.0, of_nobody_told.0, "{name} {theirs}: {of_another:?} {of_nobody:?}");
                if !made_new && of_another.is_err() {
                    assert_eq!(of_another_told, of_nobody_told, "{name} {theirs}");
                }
                match of_another {
                    Ok(answer) => {
                        let answer = answer.to_string();
                        for own in alpha.all() {
                            assert!(!answer.contains(own), "{name} {theirs} tells of {own}: {answer}");
                        }
                        assert!(!answer.contains("\"duplicate\":true"), "{name} {theirs}: {answer}");
                    }
                    Err(status) => {
                        refused.insert(name.to_owned());
                        let wanted = if name.contains("Tenant") { Code::PermissionDenied } else { Code::NotFound };
                        assert_eq!(status.code(), wanted, "{name} {theirs}: {status:?}");
                    }
                }
            }
        }
        for name in ["GetWebhook", "GetDelivery", "GetStats", "GetReplay", "RevokeKey", "Verify", "DeleteEventType"] {
            assert!(refused.contains(name), "{name} was not refused at all");
        }
        assert_eq!(everything(&channel, &methods, &alpha).await, before, "something of it has changed");
        server.stop().await.unwrap();
    }
}
