//! Deliveries that only their receiver can read.

use std::{process::Command, time::Duration};

use hookwright_core::{
    Profile, Request as SignedRequest, Secret, Verifier,
    jwe::{self, DecryptionKey},
};
use hookwright_proto::v1::{self, encryption::Key, verify_request};
use hookwright_store::Clock;
use serde_json::Value;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    command_line::binary,
    harness::{
        Answer, Client, Database, Receiver, Request, delivery_when, get_webhook, on_both_stores, publish,
        register, start, webhook,
    },
};

const PAYLOAD: &str = r#"{ "vaultId": "v1",  "name": "金庫" }"#;

/// A private JWK out of the vectors that every language replays.
fn jwk(name: &str) -> Value {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/jwe.json")).unwrap();
    vectors["keys"][name].clone()
}

fn decryption_key(name: &str) -> DecryptionKey {
    DecryptionKey::parse(&jwk(name).to_string()).unwrap()
}

fn encryption(key: Key) -> v1::Encryption {
    v1::Encryption {
        key: Some(key),
        ..v1::Encryption::default()
    }
}

/// What the owner of the key hands out.
fn to(name: &str) -> v1::Encryption {
    let key = decryption_key(name).encryption_key();
    let jwk = key.expose_jwk().as_str().to_owned();
    encryption(if key.is_shared() {
        Key::SharedKey(jwk)
    } else {
        Key::PublicKey(jwk)
    })
}

/// As a receiver does it: verify the raw bytes, then decrypt.
fn open(request: &Request, profile: &Profile, secret: &str, keys: &[DecryptionKey]) -> Vec<u8> {
    assert_eq!(request.header("content-type"), "application/jose");
    let headers: Vec<(&str, &[u8])> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let signed = SignedRequest {
        method: "POST",
        url: "",
        headers: &headers,
        body: &request.body,
    };
    let verifier = Verifier::for_profile(profile, &[Secret::parse(secret).unwrap()]).unwrap();
    verifier
        .verify(&signed, Clock::system().now().unix_seconds())
        .unwrap();
    let envelope = jwe::decrypt(keys, &request.body).unwrap();
    profile
        .parse_request(&SignedRequest {
            body: &envelope,
            ..signed
        })
        .unwrap();
    envelope
}

async fn set_encryption(
    client: &mut Client,
    id: &str,
    encryption: v1::Encryption,
) -> Result<v1::Webhook, tonic::Status> {
    let request = v1::UpdateWebhookRequest {
        webhook: Some(v1::Webhook {
            id: id.to_owned(),
            encryption: Some(encryption),
            ..v1::Webhook::default()
        }),
        update_mask: Some(pbjson_types::FieldMask {
            paths: vec!["encryption".to_owned()],
        }),
    };
    let updated = client.update_webhook(request).await?;
    Ok(updated.into_inner().webhook.unwrap())
}

async fn verify(client: &mut Client, id: &str, request: &Request) -> v1::VerifyResponse {
    let received = v1::VerifyRequest {
        key: Some(verify_request::Key::WebhookId(id.to_owned())),
        body: request.body.clone(),
        headers: request.wire_headers(),
        ..v1::VerifyRequest::default()
    };
    client.verify(received).await.unwrap().into_inner()
}

on_both_stores! {
    /// A body that was to be read by its receiver alone would be readable by a proxy, or by nobody.
    async fn a_receiver_with_the_private_key_reads_exactly_the_envelope(database: &Database) {
        let (server, mut client) = start(database).await;
        let (mut plain, mut sealed) = (Receiver::start().await, Receiver::start().await);
        let profile = Profile::builtin("filedgr").unwrap();
        register(&mut client, webhook(plain.url(), "filedgr", &[])).await;
        for name in ["p256", "x25519"] {
            let wanted = v1::Webhook { encryption: Some(to(name)), ..webhook(sealed.url(), "filedgr", &[]) };
            let (id, secret) = register(&mut client, wanted.clone()).await;
            let event = publish(&mut client, "vault.created", PAYLOAD).await;

            let expected = plain.next().await.body;
            let request = sealed.next().await;
            assert_eq!(open(&request, &profile, &secret, &[decryption_key(name)]), expected);
            assert!(request.body.is_ascii() && !request.body.windows(7).any(|part| part == b"vaultId"));

            let shown = get_webhook(&mut client, &id).await.encryption.unwrap();
            assert_eq!(shown.key, wanted.encryption.unwrap().key, "a public key is shown");
            assert_eq!((shown.algorithm.as_str(), shown.key_id.as_str()), ("ECDH-ES+A256KW", jwk(name)["kid"].as_str().unwrap()));

            // The service vouches for the signature, and cannot read the rest.
            let answer = verify(&mut client, &id, &request).await;
            assert!(answer.valid, "{}", answer.message);
            assert_eq!((answer.event_id.as_str(), answer.event_type.as_str()), (event.as_str(), ""));
            client.delete_webhook(v1::DeleteWebhookRequest { id, ..v1::DeleteWebhookRequest::default() }).await.unwrap();
        }
        server.stop().await.unwrap();
    }

    /// A key that both sides have would not work, or would be shown to whoever may list webhooks.
    async fn a_shared_key_encrypts_and_is_never_shown(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        let profile = Profile::builtin("contractai").unwrap();
        let wanted = v1::Webhook { encryption: Some(to("shared")), ..webhook(receiver.url(), "contractai", &[]) };
        let (id, secret) = register(&mut client, wanted).await;
        let event = publish(&mut client, "contract.created", PAYLOAD).await;
        let request = receiver.next().await;
        let envelope = open(&request, &profile, &secret, &[decryption_key("shared")]);
        assert!(String::from_utf8(envelope).unwrap().contains(PAYLOAD));

        let answer = verify(&mut client, &id, &request).await;
        assert!(answer.valid, "{}", answer.message);
        assert_eq!((answer.event_id, answer.event_type.as_str()), (event, "contract.created"));

        let key = jwk("shared")["k"].as_str().unwrap().to_owned();
        let listed = client.list_webhooks(v1::ListWebhooksRequest::default()).await.unwrap().into_inner();
        assert!(!format!("{listed:?}").contains(&key));
        let shown = get_webhook(&mut client, &id).await.encryption.unwrap();
        assert_eq!((shown.key.clone(), shown.algorithm.as_str(), shown.key_id.as_str()), (None, "dir", "shared-1"));

        // What was read and is sent back must not switch encryption off.
        let refused = set_encryption(&mut client, &id, shown).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        publish(&mut client, "contract.signed", "{}").await;
        open(&receiver.next().await, &profile, &secret, &[decryption_key("shared")]);

        // After a rotation the service says why it cannot read an old body.
        set_encryption(&mut client, &id, to("shared-other")).await.unwrap();
        let answer = verify(&mut client, &id, &request).await;
        assert_eq!((answer.valid, answer.reason.as_str()), (false, "decryption_failed"));
        server.stop().await.unwrap();
    }

    /// A mistake would be found at the first delivery, or a private key would stay where it does not belong.
    async fn a_key_that_cannot_be_used_is_refused_with_its_reason(database: &Database) {
        let (server, mut client) = start(database).await;
        let shared = jwk("shared").to_string();
        let public = decryption_key("p256").encryption_key().expose_jwk().as_str().to_owned();
        for (key, field, hint) in [
            (Key::PublicKey(jwk("p256").to_string()), "public_key", "private key"),
            (Key::PublicKey(shared.clone()), "public_key", "shared_key"),
            (Key::SharedKey(public.clone()), "shared_key", "public_key"),
            (Key::PublicKey(String::new()), "public_key", "neither a JWK"),
            (Key::PublicKey(public.replace("P-256", "P-384")), "public_key", "P-256"),
            (Key::PublicKey(public.replace("\"y\":\"", "\"y\":\"AAAA")), "public_key", "y: must be 32 bytes"),
            (Key::SharedKey("correct horse battery staple".to_owned()), "shared_key", "43 characters"),
        ] {
            let webhook = v1::Webhook { encryption: Some(encryption(key)), ..webhook("https://example.com/".to_owned(), "generic", &[]) };
            let request = v1::RegisterRequest { webhook: Some(webhook), ..v1::RegisterRequest::default() };
            let status = client.register(request).await.unwrap_err();
            let details = status.get_error_details();
            assert_eq!(details.error_info().unwrap().reason, "INVALID_ENCRYPTION_KEY");
            let violation = &details.bad_request().unwrap().field_violations[0];
            assert_eq!(violation.field, format!("webhook.encryption.{field}"));
            assert!(violation.description.contains(hint), "{}", violation.description);
            assert!(!format!("{status:?}").contains(jwk("p256")["d"].as_str().unwrap()));
            assert!(!format!("{status:?}").contains(jwk("shared")["k"].as_str().unwrap()));
        }
        server.stop().await.unwrap();
    }

    /// A receiver could not replace a key without losing deliveries, or not go back to plain text.
    async fn a_key_is_replaced_and_removed_by_an_update(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        let profile = Profile::builtin("generic").unwrap();
        let wanted = v1::Webhook { encryption: Some(to("p256-old")), ..webhook(receiver.url(), "generic", &[]) };
        let (id, secret) = register(&mut client, wanted).await;
        publish(&mut client, "user.created", "{}").await;
        let before = receiver.next().await;

        let updated = set_encryption(&mut client, &id, to("p256")).await.unwrap();
        assert_eq!(updated.encryption.unwrap().key_id, "orders-2026");
        publish(&mut client, "user.created", "{}").await;
        let after = receiver.next().await;
        let both = [decryption_key("p256"), decryption_key("p256-old")];
        for request in [&before, &after] {
            open(request, &profile, &secret, &both);
        }
        assert!(jwe::decrypt(&both[1..], &after.body).is_err(), "the old key reads nothing new");

        let updated = set_encryption(&mut client, &id, v1::Encryption::default()).await.unwrap();
        assert_eq!(updated.encryption, None);
        publish(&mut client, "user.created", "{}").await;
        let plain = receiver.next().await;
        assert_eq!(plain.header("content-type"), "application/json");
        assert_eq!(plain.json()["type"], "user.created");
        assert!(verify(&mut client, &id, &after).await.valid, "what was sent before stays authentic");
        server.stop().await.unwrap();
    }

    /// A retry would carry a signature over another body, or a body that was used before.
    async fn every_attempt_encrypts_anew_and_verifies(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        receiver.will_answer([Answer::Status(503)]);
        let profile = Profile::builtin("aetherflow").unwrap();
        let waits = [Duration::from_millis(10)];
        let wanted = v1::Webhook { encryption: Some(to("p256")), ..webhook(receiver.url(), "aetherflow", &waits) };
        let (_, secret) = register(&mut client, wanted).await;
        let event = publish(&mut client, "stream.data", PAYLOAD).await;
        let (first, second) = (receiver.next().await, receiver.next().await);
        let keys = [decryption_key("p256")];
        assert_eq!(open(&first, &profile, &secret, &keys), open(&second, &profile, &secret, &keys));
        assert_ne!(first.body, second.body);
        delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
        server.stop().await.unwrap();
    }

    /// A platform could not be told to encrypt from the command line, or a private key would be sent by accident.
    async fn register_encrypts_to_the_key_in_a_file(database: &Database) {
        let (server, mut client) = start(database).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.jwk");
        let address = format!("http://{}", server.local_addr());
        let args = ["register", "https://example.com/hooks", "--json", "--server", &address, "--encrypt-to"];
        let run = || {
            let mut command = Command::new(binary());
            command.args(args).arg(&file).env_remove("HOOKWRIGHT_SECRET").output().unwrap()
        };
        let key = decryption_key("p256").encryption_key();
        std::fs::write(&file, format!("{}\n", key.expose_jwk().as_str())).unwrap();
        let output = run();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let id = answer["webhook"]["id"].as_str().unwrap();
        assert_eq!(get_webhook(&mut client, id).await.encryption.unwrap().key_id, "orders-2026");

        std::fs::write(&file, jwk("p256").to_string()).unwrap();
        let output = run();
        assert_eq!(output.status.code(), Some(2));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("private key") && !error.contains(jwk("p256")["d"].as_str().unwrap()), "{error}");
        server.stop().await.unwrap();
    }
}
