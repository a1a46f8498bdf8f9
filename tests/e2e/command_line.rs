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

pub(crate) fn run(args: &[&str]) -> Output {
    Command::new(binary())
        .args(args)
        .env_remove("HOOKWRIGHT_SERVER")
        .env_remove("HOOKWRIGHT_SECRET")
        .env_remove("HOOKWRIGHT_PROFILES")
        .output()
        .unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
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

/// A receiver of a platform without a profile could not find out what is wrong with a request.
#[test]
fn a_bare_scheme_is_verified_with_url_and_method() {
    // HubSpot signs method, URL, body and time.
    let vectors =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/requests.json")).unwrap();
    let vectors: serde_json::Value = serde_json::from_str(&vectors).unwrap();
    let vector = |id: &str| {
        let mut vectors = vectors["vectors"].as_array().unwrap().iter();
        vectors.find(|vector| vector["id"] == id).unwrap().clone()
    };
    let verify = |vector: &serde_json::Value, more: &[&str]| {
        let headers: Vec<String> = vector["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.as_str().unwrap()))
            .collect();
        let mut args = vec!["verify", "--scheme", vector["scheme"].as_str().unwrap()];
        args.extend(["--secret", vector["secrets"][0].as_str().unwrap()]);
        args.extend(["--body", vector["body"].as_str().unwrap()]);
        args.extend(headers.iter().flat_map(|header| ["-H", header.as_str()]));
        args.extend(more);
        run(&args)
    };
    let post = vector("hubspot-v3-ok");
    let url = post["url"].as_str().unwrap();
    let valid = verify(&post, &["--url", url, "--any-age"]);
    assert_eq!(stdout(&valid).trim(), "valid signed by hubspot-v3");
    assert!(valid.status.success());
    let wrong_method = verify(&post, &["--url", url, "--method", "GET", "--any-age"]);
    assert_eq!(wrong_method.status.code(), Some(1));
    assert!(stdout(&wrong_method).contains("signature_mismatch"));
    let old = verify(&post, &["--url", url]);
    assert!(stdout(&old).contains("timestamp_too_old"));
    let no_url = verify(&post, &[]);
    assert_eq!(no_url.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&no_url.stderr).contains("--url"));

    let misspelt = run(&["verify", "--scheme", "strpe", "--secret", "x", "--body", ""]);
    assert_eq!(misspelt.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&misspelt.stderr).contains("did you mean `stripe`?"));
    let both = run(&[
        "verify",
        "--scheme",
        "stripe",
        "--profile",
        "filedgr",
        "--secret",
        "x",
        "--body",
        "",
    ]);
    assert_eq!(both.status.code(), Some(2));
}

/// A developer whose framework parses bodies would look for the mistake in the secret.
#[test]
fn a_failed_signature_is_explained_without_giving_anything_away() {
    let secret = "It's a Secret to Everybody";
    // GitHub's documented example; the secret and the body are theirs.
    let header =
        "X-Hub-Signature-256: sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let verify = |secret: &str, body: &str, more: &[&str]| {
        let mut args = vec!["verify", "--explain", "--scheme", "github", "-H", header];
        args.extend(["--secret", secret, "--body", body]);
        args.extend(more);
        run(&args)
    };
    let valid = verify(secret, "Hello, World!", &[]);
    assert_eq!(stdout(&valid).trim(), "valid signed by github");
    let pasted = verify(&format!("{secret}\n"), "Hello, World!", &[]);
    assert_eq!(
        pasted.status.code(),
        Some(1),
        "a bad secret is explained and no wrong usage"
    );
    assert!(stdout(&pasted).contains("secret_trimmed"), "{}", stdout(&pasted));
    let trimmed = verify(secret, "Hello, World!\n", &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&stdout(&trimmed)).unwrap();
    assert_eq!(json["failure"]["code"], "signature_mismatch");
    assert_eq!(json["findings"][0]["causes"][0], "body_trailing_newline_added");
    for output in [&pasted, &trimmed] {
        assert!(!stdout(output).contains(secret));
        assert!(!stdout(output).contains("757107ea"));
    }
    let nothing = verify("another secret altogether", "Hello, World!", &[]);
    assert!(
        stdout(&nothing).contains("nothing matched"),
        "{}",
        stdout(&nothing)
    );
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

/// What a command that succeeds prints, as JSON.
async fn json(server: &str, args: &[&str]) -> serde_json::Value {
    let args: Vec<String> = args
        .iter()
        .chain(&["--json", "--server", server])
        .map(ToString::to_string)
        .collect();
    let output =
        tokio::task::spawn_blocking(move || run(&args.iter().map(String::as_str).collect::<Vec<_>>()))
            .await
            .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_str(&stdout(&output)).unwrap()
}

/// The first session of a developer: register, publish, look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn register_publish_and_deliveries_work_together() {
    let database = Database::sqlite();
    let (server, client) = start(&database).await;
    drop(client);
    let mut receiver = Receiver::start().await;
    let (address, url) = (format!("http://{}", server.local_addr()), receiver.url());
    let registered = json(
        &address,
        &["register", &url, "--profile", "filedgr", "--events", "vault.*"],
    )
    .await;
    assert_eq!(
        registered["webhook"]["eventTypes"],
        serde_json::json!(["vault.*"])
    );
    let published = json(&address, &["publish", "vault.created", r#"{"vaultId":"v1"}"#]).await;
    assert_eq!(published["deliveryCount"], 1);
    assert_eq!(receiver.next().await.json()["data"]["vaultId"], "v1");
    let event = published["eventId"].as_str().unwrap();
    let listed = json(&address, &["deliveries", "--event", event]).await;
    let id = listed["deliveries"][0]["id"].as_str().unwrap();
    let shown = json(&address, &["deliveries", id]).await;
    assert_eq!(shown["delivery"]["webhookId"], registered["webhook"]["id"]);
    server.stop().await.unwrap();
    database.remove().await;
}

/// Whoever is on call could not see what a webhook is set to, or change it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_without_an_option_are_given_shown_and_changed_as_json() {
    let database = Database::sqlite();
    let (server, client) = start(&database).await;
    drop(client);
    let address = format!("http://{}", server.local_addr());
    let settings =
        r#"{"rateLimit": {"perSecond": 10}, "maxInFlight": 3, "eventTypes": ["a.*"], "name": "from JSON"}"#;
    let url = "https://example.com/hooks";
    let register = [
        "register",
        url,
        "--settings",
        settings,
        "--events",
        "b.*",
        "--name",
        "from an option",
    ];
    let registered = json(&address, &register).await;
    let id = registered["webhook"]["id"].as_str().unwrap();

    let shown = json(&address, &["webhooks", id]).await;
    assert_eq!(
        shown["rateLimit"],
        serde_json::json!({"perSecond": 10.0, "burst": 10})
    );
    assert_eq!(shown["eventTypes"], serde_json::json!(["a.*", "b.*"]));
    assert_eq!(
        (&shown["name"], &shown["maxInFlight"]),
        (&"from an option".into(), &3.into())
    );

    let change = r#"{"url": "https://example.com/new", "rate_limit": null, "maxInFlight": 5}"#;
    json(&address, &["update", id, change]).await;
    let listed = json(&address, &["webhooks"]).await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["url"], "https://example.com/new");
    assert_eq!(
        (listed[0].get("rateLimit"), &listed[0]["maxInFlight"]),
        (None, &5.into())
    );
    assert_eq!(listed[0]["name"], "from an option", "what is not named stays");

    let args = [
        "update",
        id,
        r#"{"urll": "https://example.com/"}"#,
        "--server",
        &address,
    ]
    .map(str::to_owned);
    let refused = tokio::task::spawn_blocking(move || run(&args.each_ref().map(String::as_str)))
        .await
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("urll"));
    server.stop().await.unwrap();
    database.remove().await;
}
