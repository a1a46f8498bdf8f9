//! A developer tries a webhook and sees at once what came of it.

use std::time::Duration;

use hookwright_proto::v1;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::harness::{Answer, Client, Database, Receiver, on_both_stores, register, start, webhook};

async fn send(client: &mut Client, request: v1::SendTestRequest) -> v1::SendTestResponse {
    client.send_test(request).await.unwrap().into_inner()
}

on_both_stores! {
    /// A test would reach others too, or not the webhook that is tested because of what it subscribed to.
    async fn a_test_goes_to_its_webhook_alone_and_shows_status_and_error_at_once(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        let mut other = Receiver::start().await;
        register(&mut client, webhook(other.url(), "generic", &[])).await;
        let picky = v1::Webhook {
            event_types: vec![String::from("file.uploaded")],
            ..webhook(receiver.url(), "generic", &[])
        };
        let (id, _) = register(&mut client, picky).await;

        let wait = Some(Duration::from_secs(30).into());
        let sent = send(&mut client, v1::SendTestRequest { id: id.clone(), wait, ..Default::default() }).await;
        let (delivery, attempt) = (sent.delivery.unwrap(), sent.attempt.unwrap());
        assert_eq!(attempt.http_status, 200);
        assert_eq!(delivery.state(), v1::DeliveryState::Delivered);
        assert_eq!(delivery.event_type, "file.uploaded", "a type that it asked for");
        assert!(delivery.test);
        let body = receiver.next().await.json().to_string();
        assert!(body.contains("report.pdf"), "the profile's sample: {body}");

        receiver.will_answer([Answer::Status(418)]);
        let request = v1::SendTestRequest {
            id: id.clone(),
            event_type: String::from("my.own"),
            payload: "{\"mine\":1}".into(),
            wait,
        };
        let sent = send(&mut client, request).await;
        assert_eq!(sent.attempt.unwrap().http_status, 418);
        assert_eq!(sent.delivery.unwrap().event_type, "my.own");
        assert!(receiver.next().await.json().to_string().contains("mine"));

        // In the log like any other, marked.
        let list = v1::ListDeliveriesRequest { webhook_id: id, ..Default::default() };
        let listed = client.list_deliveries(list).await.unwrap().into_inner().deliveries;
        assert_eq!(listed.len(), 2);
        assert!(listed.iter().all(|delivery| delivery.test));
        assert!(other.rest().is_empty());
        server.stop().await.unwrap();
    }

    /// A test of a webhook that nothing is delivered to would look like a broken receiver.
    async fn a_test_of_a_disabled_webhook_is_refused_with_its_reason(database: &Database) {
        let (server, mut client) = start(database).await;
        let disabled = v1::Webhook {
            state: v1::WebhookState::Disabled.into(),
            ..webhook(String::from("http://127.0.0.1:9/"), "generic", &[])
        };
        let (id, _) = register(&mut client, disabled).await;
        for (request, code, reason) in [
            (v1::SendTestRequest { id: id.clone(), ..Default::default() }, Code::FailedPrecondition, "WEBHOOK_NOT_ACTIVE"),
            (
                v1::SendTestRequest { id: id.clone(), payload: "{".into(), ..Default::default() },
                Code::InvalidArgument,
                "INVALID_PAYLOAD",
            ),
            (
                v1::SendTestRequest { id: String::from("whk_01h455vb4pex5vsknk084sn02q"), ..Default::default() },
                Code::NotFound,
                "WEBHOOK_NOT_FOUND",
            ),
        ] {
            let refused = client.send_test(request).await.unwrap_err();
            assert_eq!(refused.code(), code);
            assert_eq!(refused.get_error_details().error_info().unwrap().reason, reason);
        }
        let list = v1::ListDeliveriesRequest::default();
        assert!(client.list_deliveries(list).await.unwrap().into_inner().deliveries.is_empty());
        server.stop().await.unwrap();
    }
}
