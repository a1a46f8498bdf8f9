//! Secrets are rotated: what signs, what is accepted, what is refused.

use std::time::Duration;

use hookwright_proto::v1::{self, verify_request::Key};
use hookwright_store::{Clock, Timestamp};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::harness::{
    Client, Database, PATIENCE, Receiver, Request, on_both_stores, publish, register, start, start_with_clock,
};

async fn rotate(
    client: &mut Client,
    id: &str,
    secret: &str,
    overlap: Option<Duration>,
) -> Result<v1::RotateSecretResponse, tonic::Status> {
    let request = v1::RotateSecretRequest {
        id: id.to_owned(),
        secret: secret.to_owned(),
        overlap: overlap.map(Into::into),
    };
    client
        .rotate_secret(request)
        .await
        .map(tonic::Response::into_inner)
}

async fn vouches(client: &mut Client, webhook: &str, request: &Request) -> bool {
    let verify = v1::VerifyRequest {
        key: Some(Key::WebhookId(webhook.to_owned())),
        body: request.body.clone(),
        headers: request.wire_headers(),
        any_age: true,
        ..v1::VerifyRequest::default()
    };
    client.verify(verify).await.unwrap().into_inner().valid
}

fn reason(status: &tonic::Status) -> String {
    status.get_error_details().error_info().unwrap().reason.clone()
}

on_both_stores! {
    /// Requests that were signed with the old secret would be refused from one moment to the next, or for ever accepted.
    async fn the_old_secret_vouches_until_it_expires_on_the_stores_clock(database: &Database) {
        let clock = Clock::manual(Timestamp::from_unix_micros(1_800_000_000_000_000));
        let (server, mut client) = start_with_clock(database, &clock).await;
        let mut receiver = Receiver::start().await;
        let webhook = v1::Webhook { url: receiver.url(), ..v1::Webhook::default() };
        let (id, _) = register(&mut client, webhook).await;
        publish(&mut client, "a", "{}").await;
        let signed_with_old = receiver.next().await;
        let rotated = rotate(&mut client, &id, "", None).await.unwrap();
        let expiry = rotated.old_secrets_expire_time.unwrap();
        assert_eq!(expiry.seconds - clock.now().unix_seconds(), 86_400, "a day unless said otherwise");
        clock.advance(Duration::from_secs(86_399));
        assert!(vouches(&mut client, &id, &signed_with_old).await);
        clock.advance(Duration::from_secs(1));
        let refused = async { while vouches(&mut client, &id, &signed_with_old).await {} };
        tokio::time::timeout(PATIENCE, refused).await.expect("an expired secret vouches on");
        server.stop().await.unwrap();
    }

    /// A secret that leaked would go on being good for a day.
    async fn without_an_overlap_all_old_secrets_stop_at_once(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        let webhook = v1::Webhook { url: receiver.url(), ..v1::Webhook::default() };
        let (id, _) = register(&mut client, webhook).await;
        rotate(&mut client, &id, "", None).await.unwrap();
        let rotated = rotate(&mut client, &id, "", Some(Duration::ZERO)).await.unwrap();
        assert_eq!(rotated.live_secret_count, 1);
        publish(&mut client, "a", "{}").await;
        assert_eq!(receiver.next().await.header("webhook-signature").split(' ').count(), 1);
        server.stop().await.unwrap();
    }

    /// Signature headers would grow without bounds, or a secret in use would be dropped silently.
    async fn more_live_secrets_than_four_are_refused_and_nothing_changes(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        let webhook = v1::Webhook { url: receiver.url(), ..v1::Webhook::default() };
        let (id, first) = register(&mut client, webhook).await;
        for live in 2..=4 {
            assert_eq!(rotate(&mut client, &id, "", None).await.unwrap().live_secret_count, live);
        }
        let refused = rotate(&mut client, &id, "", None).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "TOO_MANY_SECRETS"));
        publish(&mut client, "a", "{}").await;
        assert_eq!(receiver.next().await.header("webhook-signature").split(' ').count(), 4);
        let refused = rotate(&mut client, &id, &first, Some(Duration::ZERO)).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "INVALID_SECRET"));
        let refused = rotate(&mut client, &id, "", Some(Duration::from_hours(169))).await.unwrap_err();
        assert_eq!(reason(&refused), "INVALID_OVERLAP");
        let missing = "whk_01h455vb4pex5vsknk084sn02q";
        let refused = rotate(&mut client, missing, "", None).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, "WEBHOOK_NOT_FOUND"));
        server.stop().await.unwrap();
    }

    /// A receiver with a public key would be handed a shared secret, or the private half.
    async fn a_key_pair_is_followed_by_a_key_pair_of_which_only_the_public_half_is_shown(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        let pair = hookwright_core::Secret::key_pair_from_random([7; 32]);
        let request = v1::RegisterRequest {
            webhook: Some(v1::Webhook { url: receiver.url(), ..v1::Webhook::default() }),
            secret: pair.expose().to_owned(),
            ..v1::RegisterRequest::default()
        };
        let registered = client.register(request).await.unwrap().into_inner();
        let id = registered.webhook.unwrap().id;
        let rotated = rotate(&mut client, &id, "", None).await.unwrap();
        assert!(rotated.secret.starts_with("whpk_") && rotated.secret != registered.secret);
        publish(&mut client, "a", "{}").await;
        let request = receiver.next().await;
        let signatures: Vec<&str> = request.header("webhook-signature").split(' ').collect();
        assert_eq!(signatures.len(), 2);
        assert!(signatures.iter().all(|signature| signature.starts_with("v1a,")));
        assert!(vouches(&mut client, &id, &request).await);
        server.stop().await.unwrap();
    }
}
