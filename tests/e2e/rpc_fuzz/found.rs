//! What chance has found, each by itself.

use bytes::Bytes;
use hookwright_proto::v1;
use tonic::{Code, transport::Channel};
use tonic_types::StatusExt as _;

use super::raw_client::RawClient;
use crate::{
    adversarial::raw_server::{only_attempt, raw_server},
    errors::assert_refused,
    harness::{Database, PATIENCE, on_both_stores, register, start, webhook},
};

on_both_stores! {
    /// Any caller could raise the alarm of whoever watches for `INTERNAL`.
    async fn bytes_that_are_no_message_are_the_callers_mistake(database: &Database) {
        let (server, _) = start(database).await;
        let channel = Channel::from_shared(format!("http://{}", server.local_addr())).unwrap().connect().await.unwrap();
        let path = "/hookwright.v1.WebhookService/GetWebhook".parse().unwrap();
        // A text that is not UTF-8.
        let refused = RawClient::new(channel).call(&path, Bytes::from_static(b"\x0a\x01\xff"), false).await;
        assert_refused(refused, Code::InvalidArgument, "MALFORMED_MESSAGE", "");
        server.stop().await.unwrap();
    }

    /// A refusal that quotes a long request would end the connection, and calls of others on it.
    async fn a_long_mistake_gets_an_answer_that_a_client_can_read(database: &Database) {
        let (server, mut client) = start(database).await;
        let (id, _) = register(&mut client, webhook("http://127.0.0.1:9/".to_owned(), "generic", &[])).await;
        let request = v1::UpdateWebhookRequest {
            webhook: Some(v1::Webhook { id, ..v1::Webhook::default() }),
            update_mask: Some(pbjson_types::FieldMask { paths: vec!["\u{20ac}".repeat(1_000); 500] }),
        };
        let status = client.update_webhook(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert_eq!(status.get_error_details().error_info().unwrap().reason, "INVALID_UPDATE_MASK");
        assert!(status.message().ends_with('…'));
        server.stop().await.unwrap();
    }

    /// 101 would be taken for an answer, although it says that none will come.
    async fn a_receiver_that_switches_protocols_has_not_answered(database: &Database) {
        let switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n";
        let attempt = only_attempt(database, raw_server(switch, None), PATIENCE).await;
        assert_eq!(attempt.outcome(), v1::Outcome::Unreachable);
        assert!(attempt.error.contains("101"), "{}", attempt.error);
    }

    /// A page token is the caller's to write. One with a NUL looked as if the store were down.
    async fn a_page_token_that_no_store_can_look_up_is_refused(database: &Database) {
        let (server, mut client) = start(database).await;
        let document = br#"[{"name": "a.b"}, {"name": "c.d"}]"#;
        let source = v1::import_event_types_request::Source::Document(Bytes::from_static(document));
        let import = v1::ImportEventTypesRequest { source: Some(source), ..v1::ImportEventTypesRequest::default() };
        client.import_event_types(import).await.unwrap();
        let list = |page_token: String| v1::ListEventTypesRequest { page_size: 1, page_token };
        let token = client.list_event_types(list(String::new())).await.unwrap().into_inner().next_page_token;
        let changed = token.replacen("a.", "a\0.", 1);
        assert_ne!(changed, token);
        let refused = client.list_event_types(list(changed)).await;
        assert_refused(refused, Code::InvalidArgument, "INVALID_PAGE_TOKEN", "page_token");
        server.stop().await.unwrap();
    }
}
