//! A receiver is asked whether it expects deliveries, before anything is stored.

use bytes::Bytes;
use hookwright_proto::v1;
use http::Method;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::harness::{Answer, Client, Database, Receiver, on_both_stores, start, webhook};

fn shaking(url: String, protocol: v1::HandshakeProtocol) -> v1::Webhook {
    v1::Webhook {
        handshake: Some(v1::Handshake {
            protocol: protocol.into(),
            ..v1::Handshake::default()
        }),
        ..webhook(url, "generic", &[])
    }
}

async fn register(client: &mut Client, webhook: v1::Webhook) -> Result<v1::Webhook, tonic::Status> {
    let request = v1::RegisterRequest {
        webhook: Some(webhook),
        ..v1::RegisterRequest::default()
    };
    let registered = client.register(request).await?.into_inner();
    Ok(registered.webhook.unwrap())
}

async fn count(client: &mut Client) -> usize {
    let list = v1::ListWebhooksRequest::default();
    client
        .list_webhooks(list)
        .await
        .unwrap()
        .into_inner()
        .webhooks
        .len()
}

fn assert_refused(refused: &tonic::Status, shown: &str) {
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let details = refused.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!(info.reason, "HANDSHAKE_FAILED");
    assert!(info.metadata["answered"].contains(shown), "{info:?}");
}

on_both_stores! {
    /// Anybody could have events sent to a URL that is not theirs.
    async fn a_receiver_that_does_not_echo_the_challenge_is_not_registered(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        let webhook = shaking(receiver.url(), v1::HandshakeProtocol::Echo);
        assert_refused(&register(&mut client, webhook.clone()).await.unwrap_err(), "answered 200 OK");
        let first = receiver.next().await;
        receiver.will_answer([Answer::Status(403)]);
        assert_refused(&register(&mut client, webhook.clone()).await.unwrap_err(), "403");
        let second = receiver.next().await;
        assert_ne!(first.json()["challenge"], second.json()["challenge"]);
        assert_eq!(count(&mut client).await, 0, "nothing half registered");

        receiver.will_echo();
        let registered = register(&mut client, webhook).await.unwrap();
        let handshake = registered.handshake.unwrap();
        assert_eq!(handshake.protocol(), v1::HandshakeProtocol::Echo);
        assert!(handshake.complete_time.is_some());
        receiver.next().await;

        // Another URL is asked anew, and another name is not.
        let mut stranger = Receiver::start().await;
        let update = |webhook: v1::Webhook, path: &str| v1::UpdateWebhookRequest {
            webhook: Some(webhook),
            update_mask: Some(pbjson_types::FieldMask { paths: vec![path.to_owned()] }),
        };
        let moved = v1::Webhook { url: stranger.url(), ..registered.clone() };
        assert_refused(&client.update_webhook(update(moved, "url")).await.unwrap_err(), "answered 200 OK");
        stranger.next().await;
        let get = v1::GetWebhookRequest { id: registered.id.clone() };
        assert_eq!(client.get_webhook(get).await.unwrap().into_inner().webhook.unwrap().url, registered.url);
        let renamed = v1::Webhook { name: String::from("new"), ..registered };
        client.update_webhook(update(renamed, "name")).await.unwrap();
        assert!(stranger.rest().is_empty() && receiver.rest().is_empty());
        server.stop().await.unwrap();
    }

    /// Receivers that protect themselves as `CloudEvents` says would never get an event, or more than they allow.
    async fn cloudevents_receivers_are_asked_by_options_and_their_rate_is_shown(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        let webhook = shaking(receiver.url(), v1::HandshakeProtocol::Cloudevents);
        let with = |name: &'static str, value: &str| Answer::With {
            status: 200,
            header: (name, value.to_owned()),
            body: Bytes::new(),
        };
        for answer in [Answer::Status(200), with("WebHook-Allowed-Origin", "somebody.example")] {
            receiver.will_answer([answer]);
            assert_refused(&register(&mut client, webhook.clone()).await.unwrap_err(), "WebHook-Allowed-Origin");
            receiver.next().await;
        }
        receiver.will_answer([Answer::Headers(vec![
            ("WebHook-Allowed-Origin", String::from("hookwright.localhost")),
            ("WebHook-Allowed-Rate", String::from("120")),
        ])]);
        let registered = register(&mut client, webhook.clone()).await.unwrap();
        assert_eq!(registered.handshake.unwrap().allowed_per_minute, 120);
        let request = receiver.next().await;
        assert_eq!(request.method, Method::OPTIONS);
        assert_eq!(request.header("webhook-request-origin"), "hookwright.localhost");
        assert_eq!(request.header("webhook-request-rate"), "6000");
        receiver.will_answer([with("WebHook-Allowed-Origin", "*")]);
        let registered = register(&mut client, webhook).await.unwrap();
        assert_eq!(registered.handshake.unwrap().allowed_per_minute, 0);
        server.stop().await.unwrap();
    }

    /// Functions behind Event Grid's protocol would refuse every event of a sender that they never validated.
    async fn event_grid_receivers_answer_the_validation_code(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        let webhook = shaking(receiver.url(), v1::HandshakeProtocol::EventGrid);
        receiver.will_echo();
        let refused = register(&mut client, webhook.clone()).await.unwrap_err();
        assert_refused(&refused, "answered 200 OK");
        let request = receiver.next().await;
        assert_eq!(request.header("aeg-event-type"), "SubscriptionValidation");
        receiver.will_answer_with(|request| {
            let code = &request.json()[0]["data"]["validationCode"];
            serde_json::json!({ "validationResponse": code }).to_string().into()
        });
        register(&mut client, webhook).await.unwrap();
        server.stop().await.unwrap();
    }
}
