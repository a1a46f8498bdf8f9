//! The command line, as people and scripts use it.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use crate::harness::{Database, Receiver, start};

/// The real binary: built by cargo before the tests of the workspace run.
pub(crate) fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("HOOKWRIGHT_BINARY") {
        return path.into();
    }
    // target/debug/deps/e2e-… -> target/debug/hookwright
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("hookwright");
    assert!(
        path.exists(),
        "{} is missing; run `cargo build -p hookwright` first",
        path.display()
    );
    path
}

fn run(args: &[&str]) -> Output {
    Command::new(binary())
        .args(args)
        .env_remove("HOOKWRIGHT_SERVER")
        .env_remove("HOOKWRIGHT_SECRET")
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The first thing that anybody tries would not work.
#[test]
fn the_demo_delivers_to_five_platforms_and_exits_0() {
    let output = run(&["demo"]);
    let text = stdout(&output);
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        text.contains("All 12 deliveries to 5 platforms arrived and verified"),
        "{text}"
    );
    assert!(text.contains("503, 200"), "the retry is shown: {text}");
    assert!(!text.contains('\u{1b}'), "no colours where there is no terminal");
}

/// A receiver's developer could not produce a request to test with, or not find out what is wrong with one.
#[test]
fn what_sign_prints_verify_accepts_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let secret = "a secret for this test only";
    for profile in ["filedgr", "digivault", "aetherflow", "generic"] {
        let args = [
            "sign",
            "--profile",
            profile,
            "--secret",
            secret,
            "--event-type",
            "a.b",
            "--json",
        ];
        let output = run(&args);
        assert!(output.status.success());
        let signed: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        let body = folder.path().join("body");
        std::fs::write(&body, signed["body"].as_str().unwrap()).unwrap();
        let body = format!("@{}", body.display());
        let headers: Vec<String> = signed["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.as_str().unwrap()))
            .collect();
        let verify = |secret: &str| {
            let mut args = vec![
                "verify",
                "--profile",
                profile,
                "--secret",
                secret,
                "--body",
                &body,
            ];
            args.extend(headers.iter().flat_map(|header| ["-H", header.as_str()]));
            run(&args)
        };
        let valid = verify(secret);
        assert!(valid.status.success(), "{}", stdout(&valid));
        assert!(stdout(&valid).starts_with("valid a.b "));
        let invalid = verify("another secret altogether");
        assert_eq!(invalid.status.code(), Some(1));
        assert!(stdout(&invalid).contains("signature_mismatch"));
    }
}

/// Scripts could not tell a mistake from a failure from a server that is down.
#[test]
fn exit_codes_tell_what_went_wrong() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let unreachable = run(&["publish", "a.b", "--server", &server]);
    assert_eq!(unreachable.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&unreachable.stderr).contains("no server answers at"));
    assert_eq!(run(&["publish"]).status.code(), Some(2));
    assert_eq!(
        run(&["sign", "--profile", "nope", "--secret", "x"]).status.code(),
        Some(2)
    );
    assert_eq!(run(&["serve", "--store", "mysql://x/y"]).status.code(), Some(2));
    assert_eq!(run(&["--version"]).status.code(), Some(0));
}

/// The first session of a developer: register, publish, look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn register_publish_and_deliveries_work_together() {
    let database = Database::sqlite();
    let (server, client) = start(&database).await;
    drop(client);
    let mut receiver = Receiver::start().await;
    let (address, url) = (format!("http://{}", server.local_addr()), receiver.url());
    let json = |args: Vec<String>| async move {
        let output =
            tokio::task::spawn_blocking(move || run(&args.iter().map(String::as_str).collect::<Vec<_>>()))
                .await
                .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_str::<serde_json::Value>(&stdout(&output)).unwrap()
    };
    let with_server = |args: &[&str]| {
        args.iter()
            .chain(&["--json", "--server", &address])
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let registered = json(with_server(&[
        "register",
        &url,
        "--profile",
        "filedgr",
        "--events",
        "vault.*",
    ]))
    .await;
    assert_eq!(
        registered["webhook"]["eventTypes"],
        serde_json::json!(["vault.*"])
    );
    let published = json(with_server(&["publish", "vault.created", r#"{"vaultId":"v1"}"#])).await;
    assert_eq!(published["deliveryCount"], 1);
    assert_eq!(receiver.next().await.json()["data"]["vaultId"], "v1");
    let event = published["eventId"].as_str().unwrap();
    let listed = json(with_server(&["deliveries", "--event", event])).await;
    let id = listed["deliveries"][0]["id"].as_str().unwrap();
    let shown = json(with_server(&["deliveries", id])).await;
    assert_eq!(shown["delivery"]["webhookId"], registered["webhook"]["id"]);
    server.stop().await.unwrap();
    database.remove().await;
}
