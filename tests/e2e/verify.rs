//! `Verify`: an answer for every request, and never an error for a bad signature.

use std::time::Duration;

use hookwright_core::{Message, Scheme, Secret, Signer};
use hookwright_proto::v1::{self, verify_request::Key};
use hookwright_store::{Clock, Timestamp};

use crate::harness::{
    Client, Database, Receiver, Request, on_both_stores, publish, register, start, start_with_clock, webhook,
};

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
const OLD_SECRET: &str = "whsec_FxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA";
const URL: &str = "https://example.com/hooks?tenant=1";
/// When the requests below are signed.
const SIGNED_AT: i64 = 1_800_000_000;

/// A request of a platform that signs by this scheme, with the older of two secrets.
fn signed(scheme: &str, method: &str) -> v1::VerifyRequest {
    let body = br#"{"id":"evt_body"}"#;
    let message = Message {
        id: "msg_1",
        event_type: "",
        timestamp: SIGNED_AT,
        body,
        method,
        url: URL,
    };
    let secret = Secret::parse(OLD_SECRET).unwrap();
    let signer = Signer::for_scheme(&Scheme::builtin(scheme).unwrap(), &[secret]).unwrap();
    let headers = signer.sign(&message).into_iter().map(|(name, value)| v1::Header {
        name: name.to_string(),
        value: value.into(),
    });
    v1::VerifyRequest {
        key: Some(Key::SchemeKey(v1::SchemeKey {
            scheme: scheme.to_owned(),
            secrets: vec![SECRET.to_owned(), OLD_SECRET.to_owned()],
        })),
        body: body.as_slice().into(),
        headers: headers.collect(),
        ..v1::VerifyRequest::default()
    }
}

/// A server whose clock stands at the moment of signing.
async fn start_when_signed(database: &Database) -> (hookwright_server::Server, Client, Clock) {
    let clock = Clock::manual(Timestamp::from_unix_micros(SIGNED_AT * 1_000_000));
    let (server, client) = start_with_clock(database, &clock).await;
    (server, client, clock)
}

async fn verify(client: &mut Client, id: &str, request: &Request) -> v1::VerifyResponse {
    let received = v1::VerifyRequest {
        key: Some(Key::WebhookId(id.to_owned())),
        body: request.body.clone(),
        headers: request.wire_headers(),
        ..v1::VerifyRequest::default()
    };
    client.verify(received).await.unwrap().into_inner()
}

on_both_stores! {
    /// A receiver that asks the service would accept forgeries, or not learn what is wrong.
    async fn each_way_of_tampering_is_refused_with_its_reason(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        let (id, _) = register(&mut client, webhook(receiver.url(), "filedgr", &[])).await;
        publish(&mut client, "vault.created", r#"{"vaultId":"v1"}"#).await;
        let good = receiver.next().await;
        assert!(verify(&mut client, &id, &good).await.valid);

        let reason = |response: v1::VerifyResponse| {
            assert!(!response.valid && !response.message.is_empty() && response.event_id.is_empty());
            response.reason
        };
        let mut flipped = good.clone();
        let mut body = flipped.body.to_vec();
        body[10] ^= 1;
        flipped.body = body.into();
        assert_eq!(reason(verify(&mut client, &id, &flipped).await), "signature_mismatch");

        let mut unsigned = good.clone();
        unsigned.headers.remove("x-filedgr-signature");
        unsigned.headers.remove("webhook-signature");
        assert_eq!(reason(verify(&mut client, &id, &unsigned).await), "missing_header");

        let mut twice = good.clone();
        let signature = twice.headers["x-filedgr-signature"].clone();
        twice.headers.append("x-filedgr-signature", signature);
        assert_eq!(reason(verify(&mut client, &id, &twice).await), "duplicate_header");

        let mut relabelled = good.clone();
        relabelled.headers.insert("x-filedgr-event-type", "vault.accessed".parse().unwrap());
        assert_eq!(reason(verify(&mut client, &id, &relabelled).await), "header_mismatch");

        let mut odd = good.clone();
        odd.headers.insert("x-filedgr-signature", http::HeaderValue::from_bytes(b"\xe9\xff").unwrap());
        assert!(!verify(&mut client, &id, &odd).await.valid);
        server.stop().await.unwrap();
    }

    /// A receiver of a platform without a profile could not ask the service.
    async fn a_bare_scheme_vouches_for_what_it_signs(database: &Database) {
        let (server, mut client, _clock) = start_when_signed(database).await;
        for (scheme, event_id) in [("standard-webhooks", "msg_1"), ("stripe", ""), ("github", "")] {
            let answer = client.verify(signed(scheme, "POST")).await.unwrap().into_inner();
            assert!(answer.valid, "{scheme}: {}", answer.message);
            assert_eq!((answer.scheme.as_str(), answer.event_id.as_str()), (scheme, event_id));
            assert_eq!(answer.event_type, "", "no body is read");
            assert_eq!(answer.secret_index, 1);
            let timestamp = answer.timestamp.map(|timestamp| timestamp.seconds);
            assert_eq!(timestamp, (scheme != "github").then_some(SIGNED_AT));
        }
        let mut changed = signed("stripe", "POST");
        changed.body = "{}".into();
        let answer = client.verify(changed).await.unwrap().into_inner();
        assert_eq!((answer.valid, answer.reason.as_str(), answer.scheme.as_str()), (false, "signature_mismatch", ""));
        server.stop().await.unwrap();
    }

    /// "As old as you like" and "not a second old" would be the same thing.
    async fn no_tolerance_zero_tolerance_and_any_age_differ(database: &Database) {
        let (server, mut client, clock) = start_when_signed(database).await;
        let zero = v1::VerifyRequest { tolerance: Some(Duration::ZERO.into()), ..signed("stripe", "POST") };
        let hour = v1::VerifyRequest { tolerance: Some(Duration::from_hours(1).into()), ..signed("stripe", "POST") };
        let any = v1::VerifyRequest { any_age: true, ..signed("stripe", "POST") };
        for (advance, wanted) in [
            (0, [true, true, true, true]),
            // The tolerance of Stripe itself is 300 s.
            (1, [true, false, true, true]),
            (300, [false, false, true, true]),
            (7_200, [false, false, false, true]),
        ] {
            clock.advance(Duration::from_secs(advance));
            for (request, valid) in [&signed("stripe", "POST"), &zero, &hour, &any].into_iter().zip(wanted) {
                let answer = client.verify(request.clone()).await.unwrap().into_inner();
                assert_eq!(answer.valid, valid, "{advance} {request:?}: {}", answer.message);
                assert_eq!(answer.reason, if valid { "" } else { "timestamp_too_old" });
            }
        }
        server.stop().await.unwrap();
    }

    /// Webhooks of platforms such as Square could not be verified, or only without a part of what is signed.
    async fn url_and_method_are_checked_where_they_are_signed(database: &Database) {
        let (server, mut client, _clock) = start_when_signed(database).await;
        let mut reason = async |scheme: &str, method: &str, url: &str| {
            let request = v1::VerifyRequest {
                method: method.to_owned(),
                url: url.to_owned(),
                ..signed(scheme, "PUT")
            };
            client.verify(request).await.unwrap().into_inner().reason
        };
        assert_eq!(reason("hubspot-v3", "PUT", URL).await, "");
        assert_eq!(reason("hubspot-v3", "", URL).await, "signature_mismatch", "POST is the default");
        assert_eq!(reason("hubspot-v3", "PUT", "https://example.com/hooks").await, "signature_mismatch");
        assert_eq!(reason("square", "", URL).await, "", "Square does not sign the method");
        assert_eq!(reason("square", "", "https://example.org/hooks").await, "signature_mismatch");
        assert_eq!(reason("stripe", "", "").await, "", "Stripe signs neither");
        server.stop().await.unwrap();
    }

    /// Nobody could tell a message that cannot be replayed from one that can.
    async fn the_scheme_that_vouches_is_named(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        let (id, _) = register(&mut client, webhook(receiver.url(), "filedgr", &[])).await;
        publish(&mut client, "vault.created", "{}").await;
        let mut request = receiver.next().await;
        assert_eq!(verify(&mut client, &id, &request).await.scheme, "standard-webhooks");
        request.headers.remove("webhook-signature");
        assert_eq!(verify(&mut client, &id, &request).await.scheme, "filedgr");
        server.stop().await.unwrap();
    }
}
