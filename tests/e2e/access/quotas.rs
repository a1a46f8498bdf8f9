//! How much a tenant may have.

use hookwright_proto::v1::{self, publish_stream_response::Result as Answered};
use hookwright_server::Server;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{KeyedClient, client, create_key, create_tenant, reason, start, with_keys};
use crate::harness::{Database, on_both_stores};

fn event() -> v1::PublishRequest {
    v1::PublishRequest {
        event_type: String::from("a.b"),
        payload: "{}".into(),
        ..v1::PublishRequest::default()
    }
}

fn webhook(number: u32) -> v1::RegisterRequest {
    v1::RegisterRequest {
        webhook: Some(v1::Webhook {
            url: format!("http://127.0.0.1:9/{number}"),
            ..v1::Webhook::default()
        }),
        ..v1::RegisterRequest::default()
    }
}

fn assert_exhausted(refused: &Status, wanted: &str) {
    assert_eq!(
        (refused.code(), reason(refused).as_str()),
        (Code::ResourceExhausted, wanted)
    );
    let details = refused.get_error_details();
    let delay = details.retry_info().and_then(|info| info.retry_delay).unwrap();
    assert!(!delay.is_zero());
}

async fn tenant(server: &Server, first: &str, quotas: v1::Quotas) -> (KeyedClient, String) {
    let mut operator = client(server, first).await;
    create_tenant(&mut operator, "shop", quotas).await;
    let (_, text) = create_key(&mut operator, "shop", &[v1::Scope::Admin], "shop").await;
    (client(server, &text).await, text)
}

on_both_stores! {
    /// One tenant could fill the service, or a limit would be one webhook off.
    async fn a_tenant_has_no_more_webhooks_than_it_may(database: &Database) {
        let (server, first) = start(database).await;
        let quotas = v1::Quotas { webhooks: Some(2), ..v1::Quotas::default() };
        let (shop, _) = tenant(&server, &first, quotas).await;
        let register = async |number| shop.clone().register(webhook(number)).await;
        let (one, two, three, four) = tokio::join!(register(1), register(2), register(3), register(4));
        let made = [one, two, three, four];
        assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 2);
        for refused in made.iter().filter_map(|made| made.as_ref().err()) {
            assert_exhausted(refused, "WEBHOOK_QUOTA_EXCEEDED");
        }
        // Of other tenants nobody has said anything.
        let mut operator = client(&server, &first).await;
        for number in 0..3 {
            operator.register(webhook(number)).await.unwrap();
        }
        let update = v1::UpdateTenantRequest {
            tenant: Some(v1::Tenant {
                name: String::from("shop"),
                quotas: Some(v1::Quotas { webhooks: Some(3), ..v1::Quotas::default() }),
                create_time: None,
            }),
            update_mask: Some(pbjson_types::FieldMask { paths: vec![String::from("quotas.webhooks")] }),
        };
        operator.update_tenant(update).await.unwrap();
        register(5).await.unwrap();
        server.stop().await.unwrap();
    }

    /// One tenant could take all of the service's time, or fill its disk.
    async fn a_tenant_publishes_no_more_than_it_may(database: &Database) {
        let (server, first) = start(database).await;
        let quotas = v1::Quotas {
            publish_per_second: Some(1),
            payload_bytes: Some(10),
            events: None,
            webhooks: None,
        };
        let (mut shop, _) = tenant(&server, &first, quotas).await;
        // However long each takes, a hundred do not fit into a rate of one a second.
        let mut refused = None;
        for _ in 0..100 {
            refused = shop.publish(event()).await.err();
            if refused.is_some() {
                break;
            }
        }
        assert_exhausted(&refused.expect("all came through"), "PUBLISH_RATE_EXCEEDED");
        // On a stream they wait, and all are stored.
        let events = (0..3).map(|sequence| v1::PublishStreamRequest { sequence, event: Some(event()) });
        let sent = tokio_stream::iter(events.collect::<Vec<_>>());
        let mut answers = shop.publish_stream(sent).await.unwrap().into_inner();
        let mut stored = 0;
        while let Some(answer) = answers.message().await.unwrap() {
            assert!(matches!(answer.result, Some(Answered::Published(_))), "{answer:?}");
            stored += 1;
        }
        assert_eq!(stored, 3);
        let large = v1::PublishRequest { payload: r#"{"a": "b"}  "#.into(), ..event() };
        let sent = tokio_stream::once(v1::PublishStreamRequest { sequence: 1, event: Some(large) });
        let answer = shop.publish_stream(sent).await.unwrap().into_inner().message().await.unwrap().unwrap();
        let Some(Answered::Error(error)) = answer.result else { panic!("{answer:?}") };
        assert_eq!(error.reason, "PAYLOAD_TOO_LARGE");
        server.stop().await.unwrap();
    }

    /// One tenant could fill the disk, at the latest after a restart.
    async fn a_tenant_has_no_more_events_than_it_may(database: &Database) {
        let (server, first) = start(database).await;
        let quotas = v1::Quotas { events: Some(3), ..v1::Quotas::default() };
        let (mut shop, text) = tenant(&server, &first, quotas).await;
        for _ in 0..3 {
            shop.publish(event()).await.unwrap();
        }
        assert_exhausted(&shop.publish(event()).await.unwrap_err(), "EVENT_QUOTA_EXCEEDED");
        server.stop().await.unwrap();
        let server = Server::start(with_keys(database)).await.unwrap();
        let mut shop = client(&server, &text).await;
        assert_exhausted(&shop.publish(event()).await.unwrap_err(), "EVENT_QUOTA_EXCEEDED");
        server.stop().await.unwrap();
    }
}
