//! Receivers in the languages of the platforms' documents.
//!
//! If one of these fails, a receiver that was written from a platform's document refuses our deliveries, or accepts
//! changed ones. The programs in `seed_snippets` are ours: they do what the documents' samples mean to do, a check of
//! the raw body, without the slips of those samples.

#![expect(
    clippy::unwrap_used,
    reason = "the lint spares test functions and not their helpers"
)]

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hookwright_core::{EventFields, Message, Profile, Scheme, Secret, Signer};
use serde::Serialize;
use serde_json::Value;

const SECRET: &str = "whsec_abc123-your-webhook-secret-key";

/// `DigiVault`'s samples in Node and PHP read the signature under this name. A profile of the user's own that names
/// it first sends it.
const BITVAULT: &str = r#"
    name = "bitvault"
    content = "{body}"
    key = "utf8"
    algorithm = "hmac-sha256"
    [signature]
    headers = ["X-BitVault-Signature", "X-DigiVault-Signature"]
    encoding = "hex"
"#;

/// A request as a receiver gets it, with what it knows.
#[derive(Clone, Serialize)]
struct Received {
    header: &'static str,
    headers: BTreeMap<String, String>,
    secret: &'static str,
    #[serde(serialize_with = "as_base64")]
    body: Vec<u8>,
}

fn as_base64<S: serde::Serializer>(body: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(body))
}

#[test]
fn receivers_in_node_accept_what_we_sign_and_nothing_else() {
    let cases = cases(&[
        ("filedgr", "x-filedgr-signature"),
        ("digivault", "x-bitvault-signature"),
        ("digivault", "x-digivault-signature"),
        ("aetherflow", "x-aetherflow-signature"),
        ("generic", "x-webhook-signature"),
    ]);
    let ran = check(Command::new("node").arg(program("verify.mjs")), &cases);
    assert!(ran, "install Node 20 or newer, as CONTRIBUTING.md asks");
}

#[test]
fn receivers_in_python_accept_what_we_sign_and_nothing_else() {
    let cases = cases(&[
        ("digivault", "x-digivault-signature"),
        ("aetherflow", "x-aetherflow-signature"),
        ("generic", "x-webhook-signature"),
    ]);
    let ran = check(Command::new("python3").arg(program("verify.py")), &cases);
    assert!(ran, "install Python 3.10 or newer, as CONTRIBUTING.md asks");
}

#[test]
fn receivers_in_php_accept_what_we_sign_and_nothing_else() {
    let cases = cases(&[("digivault", "x-bitvault-signature")]);
    if !check(Command::new("php").arg(program("verify.php")), &cases) {
        println!("skipped: php is not installed");
    }
}

#[test]
fn receivers_in_go_accept_what_we_sign_and_nothing_else() {
    let cases = cases(&[("aetherflow", "x-aetherflow-signature")]);
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-build");
    let mut go = Command::new("go");
    // With the tool chain that is there, whatever its version, and without the network.
    go.env("GOCACHE", cache)
        .env("GOTOOLCHAIN", "local")
        .env("GOPROXY", "off");
    if !check(go.arg("run").arg(program("verify.go")), &cases) {
        println!("skipped: go is not installed");
    }
}

/// Requests of each platform, signed by us, with the verdict that a receiver must come to.
fn cases(receivers: &[(&str, &'static str)]) -> Vec<(&'static str, Received)> {
    let mut cases = Vec::new();
    for (platform, header) in receivers {
        for body in bodies(platform) {
            let signed = Received {
                header,
                headers: sign(platform, header, &body),
                secret: SECRET,
                body,
            };
            let mut tampered = signed.clone();
            *tampered.body.last_mut().unwrap() ^= 1;
            let mut longer = signed.clone();
            longer.body.push(b'\n');
            let mut unsigned = signed.clone();
            unsigned.headers.remove(*header).unwrap();
            let mut stranger = signed.clone();
            stranger.secret = "another secret";
            cases.push(("accepted", signed));
            cases.extend([tampered, longer, unsigned, stranger].map(|received| ("refused", received)));
        }
    }
    cases
}

/// The examples of the platform's document, what we make of them, and what would not survive being parsed and
/// written again.
fn bodies(platform: &str) -> Vec<Vec<u8>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/envelopes.json");
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let documented = vectors["envelopes"].as_array().unwrap().iter();
    let mut bodies: Vec<Vec<u8>> = documented
        .filter(|documented| documented["profile"] == platform)
        .map(|documented| documented["text"].as_str().unwrap().into())
        .collect();
    assert!(!bodies.is_empty(), "{platform}");
    let rendered = Profile::builtin(platform).unwrap().render(&EventFields {
        id: "evt_1",
        event_type: "a.b",
        occurred_at_ms: 1_705_314_600_000,
        data: r#"{ "9": 1.0, "1": "\u00e9é", "big": 12345678901234567890, "9": null }"#.as_bytes(),
        extras: &[],
    });
    bodies.extend([rendered, b"\xff\x00 not even text".to_vec()]);
    bodies
}

/// The headers that a receiver gets, by name in lower case.
fn sign(platform: &str, header: &str, body: &[u8]) -> BTreeMap<String, String> {
    let profile = Profile::builtin(platform).unwrap();
    let secrets = [Secret::parse(SECRET).unwrap()];
    let signer = if header == "x-bitvault-signature" {
        Signer::for_scheme(&Scheme::from_toml(BITVAULT).unwrap(), &secrets)
    } else {
        Signer::for_profile(&profile, &secrets)
    };
    let signed = signer.unwrap().sign(&Message {
        id: "evt_1",
        event_type: "a.b",
        timestamp: 1_705_314_600,
        body,
        method: "POST",
        url: "https://example.com/hooks",
    });
    signed
        .into_iter()
        .map(|(name, value)| (name.as_str().to_ascii_lowercase(), value))
        .collect()
}

/// Runs a program on the cases and compares its verdicts; `false` when there is no such program.
fn check(command: &mut Command, cases: &[(&str, Received)]) -> bool {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = match child {
        Err(error) if error.kind() == ErrorKind::NotFound => return false,
        child => child.unwrap(),
    };
    let received: Vec<_> = cases.iter().map(|(_, received)| received).collect();
    let input = serde_json::to_vec(&received).unwrap();
    // The programs read to the end before they write, so neither side waits for the other. Dropping the pipe ends it.
    child.stdin.take().unwrap().write_all(&input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    let verdicts = String::from_utf8(output.stdout).unwrap();
    let verdicts: Vec<_> = verdicts.lines().collect();
    assert_eq!(verdicts.len(), cases.len());
    for (verdict, (expected, received)) in verdicts.iter().zip(cases) {
        let body = String::from_utf8_lossy(&received.body);
        assert_eq!(
            verdict, expected,
            "{} with {:?}: {body}",
            received.header, received.headers
        );
    }
    true
}

/// Where a program is.
fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/seed_snippets")
        .join(name)
}
