//! `Verify`: an answer for every request, and never an error for a bad signature.

use hookwright_proto::v1::{self, verify_request::Key};

use crate::harness::{
    Client, Database, Receiver, Request, on_both_stores, publish, register, start, webhook,
};

async fn verify(client: &mut Client, id: &str, request: &Request) -> v1::VerifyResponse {
    let received = v1::VerifyRequest {
        key: Some(Key::WebhookId(id.to_owned())),
        body: request.body.clone(),
        headers: request.wire_headers(),
        tolerance: None,
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
}
