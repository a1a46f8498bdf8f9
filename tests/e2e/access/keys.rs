//! Who comes in with a key, and who does not.

use std::time::Duration;

use hookwright_proto::v1;
use hookwright_server::{Server, StartError};
use hookwright_store::Clock;
use tonic::Code;

use super::{client, create_key, first_key, key, reason, start, with_keys};
use crate::harness::{Database, connect, on_both_stores, until};

async fn refusal(server: &Server, key: &str) -> (Code, String, String) {
    let mut client = client(server, key).await;
    let refused = client
        .list_webhooks(v1::ListWebhooksRequest::default())
        .await
        .unwrap_err();
    (refused.code(), reason(&refused), refused.message().to_owned())
}

/// Another key of the same form: the `place`th character is another one.
fn changed(key: &str, place: usize) -> String {
    let mut bytes = key.as_bytes().to_vec();
    bytes[place] = if bytes[place] == b'0' { b'1' } else { b'0' };
    String::from_utf8(bytes).unwrap()
}

on_both_stores! {
    /// Strangers could come in, or customers not; or a refusal would help to guess.
    async fn whoever_has_a_good_key_comes_in_and_nobody_else(database: &Database) {
        let refused = Server::start(with_keys(database)).await.unwrap_err();
        assert!(matches!(refused, StartError::NoKey { .. }), "{refused:?}");
        assert!(refused.to_string().contains("hookwright keys create"), "{refused}");

        let (server, good) = start(database).await;
        let mut operator = client(&server, &good).await;
        operator.list_webhooks(v1::ListWebhooksRequest::default()).await.unwrap();

        let missing = connect(&server).await.list_webhooks(v1::ListWebhooksRequest::default()).await.unwrap_err();
        assert_eq!((missing.code(), reason(&missing).as_str()), (Code::Unauthenticated, "KEY_MISSING"));
        let (revoked, revoked_text) = create_key(&mut operator, "revoked", &[v1::Scope::Read], "").await;
        client(&server, &revoked_text).await.list_webhooks(v1::ListWebhooksRequest::default()).await.unwrap();
        let request = v1::RevokeKeyRequest { id: revoked, tenant: String::new() };
        let first = operator.revoke_key(request.clone()).await.unwrap().into_inner();
        assert_eq!(operator.revoke_key(request).await.unwrap().into_inner(), first, "once is enough");

        // Of another id, of another secret, revoked, and nothing of the kind: all the same.
        let invalid = refusal(&server, &revoked_text).await;
        assert_eq!((invalid.0, invalid.1.as_str()), (Code::Unauthenticated, "KEY_INVALID"));
        for wrong in [changed(&good, 20), changed(&good, 81), changed(&good, 29), String::from("x")] {
            assert_eq!(refusal(&server, &wrong).await, invalid);
        }
        server.stop().await.unwrap();
    }

    /// A key would be good for longer than was said, or nobody would know which keys are still used.
    async fn a_key_expires_and_its_last_use_is_known(database: &Database) {
        let good = first_key(database).await;
        let clock = Clock::manual(Clock::system().now());
        let mut config = with_keys(database);
        config.clock = clock.clone();
        let server = Server::start(config).await.unwrap();
        let mut operator = client(&server, &good).await;
        let mut request = key("short", &[v1::Scope::Read], "");
        request.time_to_live = Some(Duration::from_mins(10).into());
        let made = operator.create_key(request).await.unwrap().into_inner();
        let id = made.key.unwrap().id;
        client(&server, &made.text).await.list_webhooks(v1::ListWebhooksRequest::default()).await.unwrap();

        let last_used = async || {
            let mut operator = operator.clone();
            let keys = operator.list_keys(v1::ListKeysRequest::default()).await.unwrap().into_inner().keys;
            assert!(keys.iter().all(|key| key.name != "text"));
            keys.into_iter().find(|key| key.id == id).unwrap().last_used_time
        };
        assert_eq!(last_used().await, None);
        until("the store is told of the use", async || {
            clock.advance(Duration::from_secs(1));
            last_used().await.is_some()
        })
        .await;
        clock.advance(Duration::from_mins(10));
        let refused = refusal(&server, &made.text).await;
        assert_eq!((refused.0, refused.1.as_str()), (Code::Unauthenticated, "KEY_EXPIRED"));
        // To whoever does not have it, it is none.
        assert_eq!(refusal(&server, &changed(&made.text, 81)).await.1, "KEY_INVALID");
        server.stop().await.unwrap();
    }

    /// A thief could go on publishing for as long as a connection lasts.
    async fn a_stream_ends_when_its_key_is_revoked(database: &Database) {
        let (server, good) = start(database).await;
        let mut operator = client(&server, &good).await;
        let (id, text) = create_key(&mut operator, "publisher", &[v1::Scope::Publish], "").await;
        let (events, sent) = tokio::sync::mpsc::channel(4);
        let mut publisher = client(&server, &text).await;
        let event = v1::PublishStreamRequest {
            sequence: 1,
            event: Some(v1::PublishRequest {
                event_type: String::from("a.b"),
                payload: "{}".into(),
                ..v1::PublishRequest::default()
            }),
        };
        events.send(event).await.unwrap();
        let sent = tokio_stream::wrappers::ReceiverStream::new(sent);
        let mut answers = publisher.publish_stream(sent).await.unwrap().into_inner();
        assert!(answers.message().await.unwrap().is_some());
        operator.revoke_key(v1::RevokeKeyRequest { id, tenant: String::new() }).await.unwrap();
        let end = answers.message().await.unwrap_err();
        assert_eq!((end.code(), reason(&end).as_str()), (Code::Unauthenticated, "KEY_INVALID"));
        drop(events);
        server.stop().await.unwrap();
    }
}

/// A key that was made on one node would not be good on another one, or a revoked one would be for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_know_the_same_keys() {
    let database = Database::postgresql().await;
    let (one, good) = start(&database).await;
    let other = Server::start(with_keys(&database)).await.unwrap();
    let mut operator = client(&one, &good).await;
    let (id, text) = create_key(&mut operator, "a", &[v1::Scope::Read], "").await;
    // At once.
    let mut reader = client(&other, &text).await;
    reader
        .list_webhooks(v1::ListWebhooksRequest::default())
        .await
        .unwrap();
    operator
        .revoke_key(v1::RevokeKeyRequest {
            id,
            tenant: String::new(),
        })
        .await
        .unwrap();
    assert_eq!(refusal(&one, &text).await.1, "KEY_INVALID");
    until("the other node knows of the revocation", async || {
        let mut reader = reader.clone();
        reader
            .list_webhooks(v1::ListWebhooksRequest::default())
            .await
            .is_err()
    })
    .await;
    one.stop().await.unwrap();
    other.stop().await.unwrap();
    database.remove().await;
}
