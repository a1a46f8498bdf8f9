//! `hookwright conformance`, as users run it on their own vectors.

use std::path::Path;

use crate::command_line::{run, stdout};

/// A scheme of a user's own.
const ACME: &str = r#"{"name": "acme", "content": "acme:{body}", "key": "utf8", "algorithm": "hmac-sha256",
    "signature": {"headers": ["Acme-Signature"], "encoding": "hex"}}"#;

/// HMAC-SHA-256 over `acme:Hello` with the key `key`, from openssl.
const ACME_SIGNATURE: &str = "25846f3cd144f542f5ce2ba41ab1414ce399e5b03e74d3f33b67e14cacbdc748";

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn vectors(scheme: &str, header: &str, signature: &str, expect: &str) -> String {
    format!(
        r#"{{"vectors": [{{"id": "hello", "scheme": "{scheme}", "headers": [["{header}", "{signature}"]],
            "body": "Hello", "secrets": ["key"], "now": 0, {expect}}}]}}"#
    )
}

/// What the repository promises about every platform would be true of the tests alone.
#[test]
fn the_binary_agrees_with_the_shared_vectors() {
    let shared = ["requests.json", "more_requests.json"]
        .map(|name| format!("{}/vectors/{name}", env!("CARGO_MANIFEST_DIR")));
    let output = run(&["conformance", &shared[0], &shared[1]]);
    assert!(output.status.success(), "{}", stdout(&output));
    assert!(
        stdout(&output).ends_with(" vectors, all as expected\n"),
        "{}",
        stdout(&output)
    );
}

/// A user could not tell whether a scheme of their own agrees with the platform.
#[test]
fn a_mismatch_is_a_line_and_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "hookwright/schemes/acme.json", ACME);
    let profiles = folder.path().join("hookwright").display().to_string();
    let good = write(
        folder.path(),
        "good.json",
        &vectors("acme", "acme-signature", ACME_SIGNATURE, r#""expect": "ok""#),
    );
    let output = run(&["conformance", "--profiles", &profiles, &good]);
    assert_eq!(stdout(&output), "1 vectors, all as expected\n");
    assert_eq!(output.status.code(), Some(0));

    let bad = write(
        folder.path(),
        "bad.json",
        &vectors(
            "acme",
            "acme-signature",
            ACME_SIGNATURE,
            r#""expect": "error", "error": "missing_header""#,
        ),
    );
    let output = run(&["conformance", "--profiles", &profiles, &good, &bad]);
    assert_eq!(
        stdout(&output),
        "hello: got ok, expected missing_header\n2 vectors, 1 not as expected\n"
    );
    assert_eq!(output.status.code(), Some(1));

    let other = write(
        folder.path(),
        "other.json",
        &vectors("github", "X-Hub-Signature-256", "sha256=00", r#""expect": "ok""#),
    );
    let output = run(&["conformance", &other]);
    assert_eq!(
        stdout(&output),
        "hello: got malformed_signature, expected ok\n1 vectors, 1 not as expected\n"
    );
}

/// A script would take a file that was never replayed for one that passed.
#[test]
fn what_cannot_be_replayed_is_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |args: &[&str], message: &str| {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(stderr.contains(message), "{stderr}");
        stdout(&output)
    };
    let unknown = write(
        folder.path(),
        "unknown.json",
        &vectors("githb", "acme-signature", ACME_SIGNATURE, r#""expect": "ok""#),
    );
    let report = refused(&["conformance", &unknown], "did you mean `github`?");
    assert_eq!(
        report,
        "hello: got no scheme named githb, expected ok\n1 vectors, 1 not as expected\n"
    );
    refused(&["conformance", "/no/such/file"], "/no/such/file: ");
    let misspelt = write(folder.path(), "misspelt.json", "{\"vectors\": [\n{\"nome\": 1}]}");
    refused(&["conformance", &misspelt], "line 2");
    let empty = write(folder.path(), "empty.json", "{\"vectors\": []}");
    refused(&["conformance", &empty], "no vectors");
    refused(
        &["conformance", "--profiles", "/no/such/folder", &unknown],
        "/no/such/folder",
    );
    refused(&["conformance"], "FILE");
}
