//! Events reach their webhooks, in each platform's dialect.

use hookwright_core::Profile;
use hookwright_proto::v1;

use crate::harness::{
    Database, Receiver, deliveries_when, delivery_when, on_both_stores, publish, register, start, webhook,
};

on_both_stores! {
    /// A platform's receivers would not understand or not trust what arrives.
    async fn every_event_type_of_every_platform_arrives_in_its_envelope_and_verifies(database: &Database) {
        let (server, mut client) = start(database).await;
        for name in Profile::builtin_names() {
            let profile = Profile::builtin(name).unwrap();
            let mut receiver = Receiver::start().await;
            let (id, secret) = register(&mut client, webhook(receiver.url(), name, &[])).await;
            let types = profile.event_types().iter().map(|event_type| event_type.name.as_str());
            for event_type in types.chain(["made.up"]) {
                let event = publish(&mut client, event_type, r#"{"spacing" :  1.0, "né": "\u00e9"}"#).await;
                let request = receiver.next().await;
                assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hooks"));
                assert_eq!(request.header("content-type"), "application/json");
                let text = std::str::from_utf8(&request.body).unwrap();
                assert!(text.contains(r#"{"spacing" :  1.0, "né": "\u00e9"}"#), "the payload is sent byte for byte: {text}");
                let digits = event.strip_prefix("evt_").unwrap();
                assert!(request.header("webhook-id").ends_with(digits));

                let keys = [
                    v1::verify_request::Key::WebhookId(id.clone()),
                    v1::verify_request::Key::ProfileKey(v1::ProfileKey {
                        profile: (*name).to_owned(),
                        secrets: vec![secret.clone()],
                    }),
                ];
                for key in keys {
                    let received = v1::VerifyRequest {
                        key: Some(key),
                        body: request.body.clone(),
                        headers: request.wire_headers(),
                        ..v1::VerifyRequest::default()
                    };
                    let verdict = client.verify(received).await.unwrap().into_inner();
                    assert!(verdict.valid, "{name} {event_type}: {}", verdict.message);
                    assert_eq!(verdict.event_type, event_type);
                    assert!(verdict.event_id.ends_with(digits));
                }
                delivery_when_delivered_to(&mut client, &event, &id).await;
            }
            client.delete_webhook(v1::DeleteWebhookRequest { id, ..v1::DeleteWebhookRequest::default() }).await.unwrap();
        }
        server.stop().await.unwrap();
    }

    /// An event would miss webhooks that asked for it, or reach some that did not.
    async fn an_event_goes_to_the_webhooks_that_asked_for_its_type(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        let mut ids = Vec::new();
        for types in [vec!["vault.created"], vec!["vault.*"], vec!["*"], vec![], vec!["stream.*"]] {
            let event_types = types.into_iter().map(str::to_owned).collect();
            let webhook = v1::Webhook { event_types, ..webhook(receiver.url(), "generic", &[]) };
            ids.push(register(&mut client, webhook).await.0);
        }
        let event = publish(&mut client, "vault.created", "{}").await;
        let found = deliveries_when(&mut client, &event, |delivery| delivery.state() == v1::DeliveryState::Delivered).await;
        let reached: Vec<&String> = found.iter().map(|delivery| &delivery.webhook_id).collect();
        assert_eq!(reached, ids[..4].iter().collect::<Vec<_>>());
        for _ in 0..4 {
            receiver.next().await;
        }
        assert!(receiver.rest().is_empty());
        server.stop().await.unwrap();
    }

    /// A caller that repeats a publish after a lost answer would have its event delivered twice.
    async fn a_repeated_publish_with_the_same_key_delivers_once(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        register(&mut client, webhook(receiver.url(), "generic", &[])).await;
        let request = v1::PublishRequest {
            event_type: "user.created".to_owned(),
            payload: "{}".into(),
            idempotency_key: "signup-17".to_owned(),
            ..v1::PublishRequest::default()
        };
        let first = client.publish(request.clone()).await.unwrap().into_inner();
        let second = client.publish(request).await.unwrap().into_inner();
        assert_eq!((first.duplicate, second.duplicate), (false, true));
        assert_eq!((&second.event_id, second.delivery_count), (&first.event_id, 1));
        delivery_when(&mut client, &first.event_id, v1::DeliveryState::Delivered).await;
        receiver.next().await;
        assert!(receiver.rest().is_empty());
        server.stop().await.unwrap();
    }

    /// Receivers that authenticate by header would refuse every delivery; the log would hide what happened.
    async fn custom_headers_are_sent_and_the_log_has_every_detail(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        let headers = [("Authorization".to_owned(), "Bearer token-1".to_owned())].into();
        let webhook = v1::Webhook { headers, ..webhook(receiver.url(), "filedgr", &[]) };
        register(&mut client, webhook).await;
        let event = publish(&mut client, "vault.created", r#"{"vaultId":"v1"}"#).await;
        let request = receiver.next().await;
        assert_eq!(request.header("authorization"), "Bearer token-1");
        assert_eq!(request.header("x-filedgr-event-type"), "vault.created");
        assert_eq!(request.header("x-filedgr-event-id"), request.json()["eventId"]);
        assert!(request.header("user-agent").starts_with("hookwright/"));
        assert!(request.headers.get("accept-encoding").is_none(), "a compressed answer could be a bomb");

        let found = delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
        let delivery = found.delivery.unwrap();
        assert_eq!(delivery.attempt_count, 1);
        assert_eq!((delivery.last_outcome(), delivery.last_http_status), (v1::Outcome::Accepted, 200));
        assert_eq!(found.event.unwrap().payload.as_ref(), br#"{"vaultId":"v1"}"#);
        assert_eq!(found.attempts.len(), 1);
        assert_eq!(found.attempts[0].number, 1);
        server.stop().await.unwrap();
    }
}

async fn delivery_when_delivered_to(client: &mut crate::harness::Client, event: &str, webhook: &str) {
    let found = delivery_when(client, event, v1::DeliveryState::Delivered).await;
    assert_eq!(found.delivery.unwrap().webhook_id, webhook);
}
