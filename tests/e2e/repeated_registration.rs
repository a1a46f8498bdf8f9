//! A registration that is repeated because nobody knows whether it was done.

use hookwright_proto::v1;
use hookwright_server::Server;
use serde_json::json;
use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    harness::{Client, Database, Receiver, config, connect, on_both_stores, start, webhook},
    http::client::{send, send_with},
};

const URL: &str = "https://example.com/hooks";

fn keyed(key: &str, url: &str) -> v1::RegisterRequest {
    let headers = ["x-a", "x-b", "x-c", "x-d"].map(|name| (name.to_owned(), "credential".to_owned()));
    v1::RegisterRequest {
        webhook: Some(v1::Webhook {
            headers: headers.into(),
            ..webhook(url.to_owned(), "generic", &[])
        }),
        idempotency_key: key.to_owned(),
        ..v1::RegisterRequest::default()
    }
}

async fn count(client: &mut Client) -> usize {
    let listed = client
        .list_webhooks(v1::ListWebhooksRequest::default())
        .await
        .unwrap();
    listed.into_inner().webhooks.len()
}

fn assert_reason(refused: &Status, code: Code, reason: &str) {
    assert_eq!(refused.code(), code, "{refused}");
    assert_eq!(refused.get_error_details().error_info().unwrap().reason, reason);
}

/// Two nodes where the store allows it.
async fn nodes(database: &Database) -> Vec<Server> {
    let mut nodes = vec![Server::start(config(database.address())).await.unwrap()];
    if matches!(database.address(), hookwright_store::StoreAddress::Postgres(_)) {
        nodes.push(Server::start(config(database.address())).await.unwrap());
    }
    nodes
}

on_both_stores! {
    /// A client whose connection broke would end with two webhooks, and its customer get everything twice; or with one of
    /// which nobody knows the secret.
    async fn it_is_answered_as_the_first_time(database: &Database) {
        let (server, mut client) = start(database).await;
        let first = client.register(keyed("once", URL)).await.unwrap().into_inner();
        assert!(!first.duplicate && !first.secret.is_empty());
        let again = client.register(keyed("once", URL)).await.unwrap().into_inner();
        assert_eq!(again, v1::RegisterResponse { duplicate: true, ..first.clone() });

        let other = client.register(keyed("once", "https://example.com/other")).await.unwrap_err();
        assert_reason(&other, Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED");
        let info = other.get_error_details().error_info().unwrap().clone();
        let id = first.webhook.unwrap().id;
        assert_eq!(info.metadata["webhook_id"], id);
        let unreadable = client.register(keyed("a\0b", URL)).await.unwrap_err();
        assert_reason(&unreadable, Code::InvalidArgument, "INVALID_IDEMPOTENCY_KEY");
        assert_eq!(count(&mut client).await, 1);

        // A key of Publish is another thing.
        let event = v1::PublishRequest {
            event_type: "user.created".to_owned(),
            payload: "{}".into(),
            idempotency_key: "once".to_owned(),
            ..v1::PublishRequest::default()
        };
        assert!(!client.publish(event).await.unwrap().into_inner().duplicate);

        // What was rotated is told to who rotated it only.
        client.rotate_secret(v1::RotateSecretRequest { id: id.clone(), ..Default::default() }).await.unwrap();
        let rotated = client.register(keyed("once", URL)).await.unwrap().into_inner();
        assert_eq!((rotated.duplicate, rotated.secret.as_str()), (true, ""));
        client.delete_webhook(v1::DeleteWebhookRequest { id, ..Default::default() }).await.unwrap();
        let gone = client.register(keyed("once", URL)).await.unwrap_err();
        assert_reason(&gone, Code::NotFound, "WEBHOOK_NOT_FOUND");
        assert_eq!(count(&mut client).await, 0);
        server.stop().await.unwrap();
    }

    /// Clients repeat over a load balancer, and do not always wait for the first answer.
    async fn repetitions_at_once_on_all_nodes_are_one_webhook(database: &Database) {
        let servers = nodes(database).await;
        let mut calls = JoinSet::new();
        for server in servers.iter().cycle().take(8) {
            let mut client = connect(server).await;
            calls.spawn(async move { client.register(keyed("once", URL)).await.unwrap().into_inner() });
        }
        let answers = calls.join_all().await;
        assert_eq!(answers.iter().filter(|answer| !answer.duplicate).count(), 1);
        for answer in &answers {
            assert_eq!((&answer.webhook, &answer.secret), (&answers[0].webhook, &answers[0].secret));
        }
        for server in servers {
            assert_eq!(count(&mut connect(&server).await).await, 1);
            server.stop().await.unwrap();
        }
    }

    /// A receiver would be asked once more whether it expects deliveries, and may say no the second time.
    async fn a_receiver_that_has_agreed_is_not_asked_again(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        let mut request = keyed("once", &receiver.url());
        request.webhook.as_mut().unwrap().handshake = Some(v1::Handshake {
            protocol: v1::HandshakeProtocol::Echo.into(),
            ..v1::Handshake::default()
        });
        receiver.will_echo();
        client.register(request.clone()).await.unwrap();
        assert!(receiver.next().await.json()["challenge"].is_string());
        assert!(client.register(request).await.unwrap().into_inner().duplicate);
        assert!(receiver.rest().is_empty());
        server.stop().await.unwrap();
    }

    /// `curl` users would have no way to repeat.
    async fn over_http_the_key_is_a_header(database: &Database) {
        let (server, _) = start(database).await;
        let address = server.local_addr();
        let body = json!({ "webhook": { "url": URL, "profile": "generic" } }).to_string();
        let headers = [("idempotency-key", "once")];
        let first = send_with(address, "POST", "/v1/webhooks", &headers, &body).await;
        assert_eq!(first.status, 201);
        let again = send_with(address, "POST", "/v1/webhooks", &headers, &body).await;
        assert_eq!(again.status, 201);
        assert_eq!(again.header("location"), first.header("location"));
        let (first, again) = (first.json(), again.json());
        assert_eq!((&again["webhook"], &again["secret"]), (&first["webhook"], &first["secret"]));
        assert_eq!((&first["duplicate"], &again["duplicate"]), (&json!(false), &json!(true)));
        let other = json!({ "webhook": { "url": URL, "profile": "filedgr" } }).to_string();
        let refused = send_with(address, "POST", "/v1/webhooks", &headers, &other).await;
        assert_eq!(refused.reason(409), "IDEMPOTENCY_KEY_REUSED");

        // In the words of a platform too.
        let body = json!({ "url": URL, "events": ["vault.created"] }).to_string();
        let headers = [("idempotency-key", "twice"), ("hookwright-profile", "filedgr")];
        let first = send_with(address, "POST", "/v1/webhooks", &headers, &body).await.done();
        assert_eq!(send_with(address, "POST", "/v1/webhooks", &headers, &body).await.done(), first);
        let listed = send(address, "GET", "/v1/webhooks", "").await.done();
        assert_eq!(listed["webhooks"].as_array().map(Vec::len), Some(2));

        let document = send(address, "GET", "/openapi.json", "").await.done();
        let parameters = document["paths"]["/v1/webhooks"]["post"]["parameters"].as_array().unwrap();
        assert!(parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key"));
        server.stop().await.unwrap();
    }
}
