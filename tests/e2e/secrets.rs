//! Secrets at rest, and in what is printed: the real binary, its log at its most talkative, its store as it is.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Stdio,
    time::Duration,
};

use hookwright_proto::v1;
use hookwright_store::StoreAddress;
use sqlx::{Connection as _, PgConnection};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::{
    command_line::binary,
    harness::{
        Answer, Client, Database, PATIENCE, Receiver, delivery_when, on_both_stores, publish, webhook,
    },
};

const SIGNING_SECRET: &str = "whsec_c2VjcmV0LW9mLWEtdGVzdC10aGF0LWdyZXBzLWl0";
const SIGNING_SECRET_BODY: &str = "secret-of-a-test-that-greps-it";
const HEADER_TOKEN: &str = "token-4b1f0c9d2e";
const BEARER_TOKEN: &str = "bearer-9e77ad03c1";
const SHARED_KEY: &str = "c2hhcmVkLWtleS1vZi1hLXRlc3QtdGhhdC1ncmVwcyE";
const REFUSED_SECRET: &str = " padded-and-refused-7c2a";
const VERIFY_SECRET: &str = "verify-with-this-one-5d8e";

/// A key of its own for each byte.
fn key(id: &str, byte: u8) -> (String, String) {
    // 32 equal bytes in base64, which needs no library here.
    let encoded = match byte {
        1 => "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
        _ => "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=",
    };
    (format!("{id}:{encoded}"), encoded.to_owned())
}

struct Service {
    child: Child,
    url: String,
}

impl Service {
    async fn start(database: &Database, keys: &str, log: &Path) -> Self {
        let mut child = command(keys)
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--allow-http",
                "--allow-private-targets",
            ])
            .args(["--store", &database.url()])
            .env("RUST_LOG", "trace")
            .stdout(Stdio::piped())
            .stderr(File::create(log).unwrap())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line())
            .await
            .unwrap()
            .unwrap();
        let line = line.unwrap_or_else(|| panic!("{}", fs::read_to_string(log).unwrap()));
        Self {
            child,
            url: line.strip_prefix("listening on ").unwrap().to_owned(),
        }
    }

    async fn client(&self) -> Client {
        Client::connect(self.url.clone()).await.unwrap()
    }

    async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

fn command(keys: &str) -> Command {
    let mut command = Command::new(binary());
    command.kill_on_drop(true).env_remove("HOOKWRIGHT_PROFILES");
    if keys.is_empty() {
        command.env_remove("HOOKWRIGHT_ENCRYPTION_KEYS");
    } else {
        command.env("HOOKWRIGHT_ENCRYPTION_KEYS", keys);
    }
    command
}

/// Standard output and standard error of a command, and whether it succeeded.
async fn run(keys: &str, arguments: &[&str]) -> (String, bool) {
    let output = command(keys).args(arguments).output().await.unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (String::from_utf8(printed).unwrap(), output.status.success())
}

/// Everything that the store has of webhooks.
async fn dump(database: &Database) -> String {
    match database.address() {
        StoreAddress::Sqlite(path) => ["", "-wal"]
            .iter()
            .filter_map(|suffix| fs::read(format!("{}{suffix}", path.display())).ok())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .collect(),
        StoreAddress::Postgres(url) => {
            let mut connection = PgConnection::connect(url).await.unwrap();
            let rows: Vec<String> = sqlx::query_scalar(
                "select w::text from webhook w union all
                 select encode(value, 'escape') from webhook_secret union all
                 select a::text from attempt a",
            )
            .fetch_all(&mut connection)
            .await
            .unwrap();
            rows.join("\n")
        }
    }
}

fn assert_absent(what: &str, text: &str, secrets: &[&str]) {
    for secret in secrets {
        if let Some(at) = text.find(secret) {
            let from = text[..at].rfind('\n').map_or(0, |line| line + 1);
            let to = text[at..].find('\n').map_or(text.len(), |end| at + end);
            panic!("{what} contains {secret}: {}", &text[from..to]);
        }
    }
}

async fn register(client: &mut Client, url: String) -> Result<String, tonic::Status> {
    let request = v1::RegisterRequest {
        webhook: Some(v1::Webhook {
            headers: [("x-api-token".to_owned(), HEADER_TOKEN.to_owned())].into(),
            authentication: Some(v1::Authentication {
                method: Some(v1::authentication::Method::Bearer(v1::BearerAuthentication {
                    token: BEARER_TOKEN.to_owned(),
                })),
            }),
            encryption: Some(v1::Encryption {
                key: Some(v1::encryption::Key::SharedKey(SHARED_KEY.to_owned())),
                ..v1::Encryption::default()
            }),
            ..webhook(url, "standard-webhooks", &[Duration::ZERO; 3])
        }),
        secret: SIGNING_SECRET.to_owned(),
        ..v1::RegisterRequest::default()
    };
    Ok(client.register(request).await?.into_inner().webhook.unwrap().id)
}

on_both_stores! {
    /// Whoever reads a log, an error or a copy of the database could sign in the platform's name.
    async fn nothing_secret_is_printed_or_stored(database: &Database) {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let (keys, key_text) = key("test-1", 1);
        let service = Service::start(database, &keys, &log).await;
        let mut client = service.client().await;
        let mut receiver = Receiver::start().await;
        receiver.will_answer([Answer::Status(500)]);
        let id = register(&mut client, receiver.url()).await.unwrap();
        let mut errors = Vec::new();
        // Refused requests repeat no secret either.
        let refused = v1::RegisterRequest {
            webhook: Some(v1::Webhook {
                headers: [("x-key".to_owned(), format!("{HEADER_TOKEN}\n"))].into(),
                ..webhook(receiver.url(), "generic", &[])
            }),
            secret: REFUSED_SECRET.to_owned(),
            ..v1::RegisterRequest::default()
        };
        errors.push(format!("{:?}", client.register(refused).await.unwrap_err()));
        let event = publish(&mut client, "user.created", "{}").await;
        for _ in 0..2 {
            let request = receiver.next().await;
            assert_eq!(request.header("x-api-token"), HEADER_TOKEN);
            assert_eq!(request.header("authorization"), format!("Bearer {BEARER_TOKEN}"));
        }
        delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
        let verify = v1::VerifyRequest {
            key: Some(v1::verify_request::Key::ProfileKey(v1::ProfileKey {
                profile: "generic".to_owned(),
                secrets: vec![VERIFY_SECRET.to_owned()],
            })),
            ..v1::VerifyRequest::default()
        };
        errors.push(format!("{:?}", client.verify(verify).await));
        let (listed, ok) = run("", &["deliveries", "--server", &service.url]).await;
        assert!(ok, "{listed}");
        service.kill().await;

        let secrets = [
            SIGNING_SECRET,
            SIGNING_SECRET_BODY,
            HEADER_TOKEN,
            BEARER_TOKEN,
            SHARED_KEY,
            REFUSED_SECRET.trim(),
            VERIFY_SECRET,
            key_text.trim_end_matches('='),
        ];
        assert_absent("an error", &errors.join("\n"), &secrets);
        assert_absent("the command line", &listed, &secrets);
        let stored = dump(database).await;
        assert_absent("the store", &stored, &secrets);
        assert!(stored.contains("sealed:1:test-1:"), "{stored}");
        let log = fs::read_to_string(&log).unwrap();
        assert!(log.contains("attempt"), "the log is at its most talkative");
        assert_absent("the log", &log, &secrets);
        assert!(id.starts_with("whk_"));
    }

    /// A key that has leaked could not be replaced, or secrets of before there was a key would stay readable.
    async fn keys_are_rotated_and_old_values_stay_readable(database: &Database) {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let (old, _) = key("old", 1);
        let (new, _) = key("new", 2);
        let both = format!("{new},{old}");
        let mut receiver = Receiver::start().await;

        let service = Service::start(database, &old, &log).await;
        let mut client = service.client().await;
        register(&mut client, receiver.url()).await.unwrap();
        service.kill().await;

        // Without the key it does not start, and says which one is missing.
        let store = database.url();
        let (said, ok) = run(&new, &["rotate-encryption-key", "--store", &store]).await;
        assert!(!ok && said.contains("\"old\""), "{said}");

        let (said, ok) = run(&both, &["rotate-encryption-key", "--store", &store]).await;
        assert!(ok && said.contains("sealed with key new"), "{said}");
        assert!(said.contains("1 sealed anew") && said.contains("old"), "{said}");
        let (said, ok) = run(&both, &["rotate-encryption-key", "--store", &store]).await;
        assert!(ok && said.contains("0 sealed anew"), "done already: {said}");
        let stored = dump(database).await;
        assert!(stored.contains("sealed:1:new:") && !stored.contains("sealed:1:old:"));

        // The old key is not needed any more, and what is sent is what it was.
        let service = Service::start(database, &new, &log).await;
        let mut client = service.client().await;
        publish(&mut client, "user.created", "{}").await;
        let request = receiver.next().await;
        assert_eq!(request.header("authorization"), format!("Bearer {BEARER_TOKEN}"));
        let verify = v1::VerifyRequest {
            key: Some(v1::verify_request::Key::ProfileKey(v1::ProfileKey {
                profile: "standard-webhooks".to_owned(),
                secrets: vec![SIGNING_SECRET.to_owned()],
            })),
            body: request.body.clone(),
            headers: request.wire_headers(),
            ..v1::VerifyRequest::default()
        };
        let verified = client.verify(verify).await.unwrap().into_inner();
        // With a profile the body is read too, and only the receiver can read this one; the signature is good.
        assert_ne!(verified.reason, "signature_mismatch");
        service.kill().await;
    }
}

/// Secrets that were stored before there was a key would be lost with it, or stay in the clear for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_the_clear_is_read_and_sealed_by_a_rotation() {
    let database = Database::postgresql().await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let service = Service::start(&database, "", &log).await;
    let mut receiver = Receiver::start().await;
    let mut client = service.client().await;
    register(&mut client, receiver.url()).await.unwrap();
    assert!(
        fs::read_to_string(&log)
            .unwrap()
            .contains("secrets are stored in the clear"),
        "it says so loudly"
    );
    let (keys, _) = key("first", 1);
    // While the node runs.
    let (said, ok) = run(&keys, &["rotate-encryption-key", "--store", &database.url()]).await;
    assert!(ok && said.contains("1 sealed anew"), "{said}");
    assert_absent(
        "the store",
        &dump(&database).await,
        &[SIGNING_SECRET, HEADER_TOKEN, BEARER_TOKEN, SHARED_KEY],
    );
    publish(&mut client, "user.created", "{}").await;
    assert_eq!(
        receiver.next().await.header("authorization"),
        format!("Bearer {BEARER_TOKEN}")
    );
    service.kill().await;
    database.remove().await;
}

/// A key that everybody on the machine can read, or that is none, would pass for protection.
#[tokio::test]
async fn bad_keys_are_refused_without_being_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("store.db");
    let data = data.to_str().unwrap();
    let (generated, ok) = run("", &["generate-encryption-key", "--id", "k1"]).await;
    assert!(ok && generated.starts_with("k1:"));
    let file = folder.path().join("keys");
    fs::write(&file, &generated).unwrap();
    let mode = |mode: u32| {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    };
    let rotate = [
        "rotate-encryption-key",
        "--data",
        data,
        "--encryption-key-file",
        file.to_str().unwrap(),
    ];
    mode(0o644);
    let (said, ok) = run("", &rotate).await;
    assert!(!ok && said.contains("644"), "{said}");
    mode(0o600);
    let (said, ok) = run("", &rotate).await;
    assert!(ok && said.contains("k1"), "{said}");
    let (said, ok) = run(generated.trim(), &rotate).await;
    assert!(!ok && said.contains("which one counts"), "{said}");
    for bad in ["hunter2", "k1:hunter2", "a b:hunter2"] {
        let (said, ok) = run(bad, &["rotate-encryption-key", "--data", data]).await;
        assert!(
            !ok && said.contains("encryption key 1") && !said.contains("hunter2"),
            "{said}"
        );
    }

    // The embedded store makes a file of its own, which only its owner can read.
    let other = folder.path().join("other.db");
    let (said, ok) = run("", &["rotate-encryption-key", "--data", other.to_str().unwrap()]).await;
    assert!(ok, "{said}");
    let made = fs::metadata(folder.path().join("other.db.key")).unwrap();
    assert_eq!(made.permissions().mode() & 0o777, 0o600);
}
