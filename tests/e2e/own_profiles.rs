//! Platforms that are not built in: a folder of descriptions, from registering to verifying.

use std::{path::Path, sync::Arc, time::Duration};

use hookwright_core::Registry;
use hookwright_proto::v1::{self, verify_request::Key};
use hookwright_store::{Clock, Timestamp};

use crate::{
    command_line::{run, stdout},
    harness::{
        Answer, Database, Receiver, config, deliveries_when, delivery_when, on_both_stores, publish,
        register, start_with, webhook,
    },
    nodes::Process,
};

const SCHEME: &str = r#"
    name = "acme-v2"
    title = "Acme"
    content = "{ts}.{body}"
    key = "utf8"
    [signature]
    headers = ["Acme-Signature"]
    encoding = "hex"
    item_separator = ","
    tag_separator = "="
    timestamp_tag = "t"
    tags = [{ tag = "v2", algorithm = "hmac-sha512" }]
    [timestamp]
    tolerance_seconds = 300
"#;

const PROFILE: &str = r#"{
    "name": "acme",
    "scheme": "acme-v2",
    "event_id_prefix": "acme",
    "timeout": "10s",
    "schedule": {"delays": ["30s"]},
    "envelope": [
        {"name": "kind", "value": "type"},
        {"name": "uid", "value": "id"},
        {"name": "payload", "value": "data"}
    ],
    "headers": {"Acme-Kind": "{type}"}
}"#;

fn describe(folder: &Path) -> String {
    for (name, text) in [("schemes/acme.toml", SCHEME), ("profiles/acme.json", PROFILE)] {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder.display().to_string()
}

on_both_stores! {
    /// A platform that nobody built in would need a release before it can be delivered to.
    async fn a_platform_of_ones_own_is_registered_delivered_to_and_verified(database: &Database) {
        let folder = tempfile::tempdir().unwrap();
        let profiles = describe(folder.path());
        let process = Process::start_with(database, &["--profiles", &profiles]).await;
        let mut client = process.client().await;
        let mut receiver = Receiver::start().await;
        let (id, secret) = register(&mut client, webhook(receiver.url(), "acme", &[])).await;
        let event = publish(&mut client, "user.created", r#"{"n":1}"#).await;
        let request = receiver.next().await;
        assert!(request.header("acme-signature").starts_with("t="));
        assert_eq!(request.header("acme-kind"), "user.created");
        let (body, uid) = (request.json(), event.replace("evt_", "acme_"));
        assert_eq!(body, serde_json::json!({"kind": "user.created", "uid": uid, "payload": {"n": 1}}));
        delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;

        let secrets = vec![secret.clone()];
        for (key, event_type) in [
            (Key::WebhookId(id.clone()), "user.created"),
            (Key::ProfileKey(v1::ProfileKey { profile: "acme".to_owned(), secrets: secrets.clone() }), "user.created"),
            (Key::SchemeKey(v1::SchemeKey { scheme: "acme-v2".to_owned(), secrets }), ""),
        ] {
            let received = v1::VerifyRequest {
                key: Some(key),
                body: request.body.clone(),
                headers: request.wire_headers(),
                ..v1::VerifyRequest::default()
            };
            let answer = client.verify(received).await.unwrap().into_inner();
            assert!(answer.valid, "{}", answer.message);
            assert_eq!((answer.scheme.as_str(), answer.event_type.as_str()), ("acme-v2", event_type));
        }

        // The receiver's developer has the same folder, and no service.
        let signature = format!("Acme-Signature: {}", request.header("acme-signature"));
        let body = String::from_utf8(request.body.to_vec()).unwrap();
        let verified = tokio::task::spawn_blocking(move || {
            run(&[
                "verify", "--profiles", &profiles, "--profile", "acme", "--secret", &secret, "-H", &signature,
                "--body", &body,
            ])
        });
        let verified = verified.await.unwrap();
        assert!(stdout(&verified).starts_with(&format!("valid user.created {uid}")), "{}", stdout(&verified));
        drop(client);
        process.kill().await;
    }

    /// One profile that is gone would stop the service, or be delivered to in another dialect.
    async fn without_its_description_a_webhook_is_left_alone_and_the_others_go_on(database: &Database) {
        let folder = tempfile::tempdir().unwrap();
        let process = Process::start_with(database, &["--profiles", &describe(folder.path())]).await;
        let mut client = process.client().await;
        let (mut acme, mut generic) = (Receiver::start().await, Receiver::start().await);
        let (id, _) = register(&mut client, webhook(acme.url(), "acme", &[])).await;
        register(&mut client, webhook(generic.url(), "generic", &[])).await;
        drop(client);
        process.kill().await;

        let process = Process::start_with(database, &[]).await;
        let mut client = process.client().await;
        let event = publish(&mut client, "user.created", "{}").await;
        generic.next().await;
        delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
        assert!(acme.rest().is_empty());
        let read = client.get_webhook(v1::GetWebhookRequest { id }).await.unwrap().into_inner();
        assert_eq!(read.webhook.unwrap().profile, "acme");
        drop(client);
        process.kill().await;

        // With the description back it is delivered to again.
        let process = Process::start_with(database, &["--profiles", &describe(folder.path())]).await;
        let mut client = process.client().await;
        publish(&mut client, "user.created", "{}").await;
        acme.next().await;
        drop(client);
        process.kill().await;
    }

    /// An acknowledged event would be lost to a restart without the folder.
    async fn retries_wait_for_the_description_to_come_back(database: &Database) {
        let clock = Clock::manual(Timestamp::from_unix_micros(1_800_000_000_000_000));
        let start = async |registry: Registry| {
            let mut config = config(database.address());
            config.clock = clock.clone();
            config.registry = Arc::new(registry);
            start_with(config).await
        };
        let mut known = Registry::builtin();
        known.add_scheme_toml(SCHEME).unwrap();
        known.add_profile_json(PROFILE).unwrap();

        let (server, mut client) = start(known.clone()).await;
        let mut receiver = Receiver::start().await;
        receiver.will_answer([Answer::Status(503)]);
        register(&mut client, webhook(receiver.url(), "acme", &[Duration::from_secs(30)])).await;
        let event = publish(&mut client, "user.created", "{}").await;
        receiver.next().await;
        let waiting = delivery_when(&mut client, &event, v1::DeliveryState::Scheduled).await;
        let due = waiting.delivery.unwrap().next_attempt_time.unwrap();
        drop(client);
        server.stop().await.unwrap();

        let (server, mut client) = start(Registry::builtin()).await;
        clock.advance(Duration::from_secs(31));
        let put_off = deliveries_when(&mut client, &event, |delivery| {
            assert_eq!(delivery.state(), v1::DeliveryState::Scheduled);
            delivery.next_attempt_time.as_ref().is_some_and(|time| time.seconds > due.seconds)
        });
        assert_eq!(put_off.await[0].attempt_count, 1);
        drop(client);
        server.stop().await.unwrap();

        let (server, mut client) = start(known).await;
        clock.advance(Duration::from_mins(5));
        receiver.next().await;
        let delivered = delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
        assert_eq!(delivered.attempts.len(), 2);
        server.stop().await.unwrap();
    }
}

/// A service would start without the platforms that it was told to know.
#[test]
fn a_folder_with_a_mistake_stops_the_start_and_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let profiles = describe(folder.path());
    let path = folder.path().join("schemes/acme.toml");
    std::fs::write(&path, SCHEME.replace("encoding", "encodding")).unwrap();
    let output = run(&[
        "serve",
        "--profiles",
        &profiles,
        "--listen",
        "127.0.0.1:0",
        "--data",
        "/no/such/folder/db",
    ]);
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("schemes/acme.toml") && stderr.contains("encodding") && stderr.contains("line 8"),
        "{stderr}"
    );
}
