//! The algorithms against the test vectors of RFC 2202, RFC 4231, RFC 8032 and Wycheproof.
//!
//! If one of these fails, no signature is worth anything. The algorithms are not public, so they are reached the way
//! that users reach them: through a scheme that signs the bare body.

#![expect(
    clippy::unwrap_used,
    reason = "the lint spares test functions and not their helpers"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hookwright_core::{Message, Request, Scheme, Secret, SecretError, Signer, Verifier};
use serde::Deserialize;

#[derive(Deserialize)]
struct Primitive {
    id: String,
    algorithm: String,
    #[serde(default)]
    key_hex: Option<String>,
    #[serde(default)]
    msg_hex: Option<String>,
    #[serde(default)]
    tag_hex: Option<String>,
    #[serde(default)]
    seed_hex: Option<String>,
    #[serde(default)]
    public_hex: Option<String>,
    #[serde(default)]
    sig_hex: Option<String>,
    /// Absent in the lists that hold valid tags only.
    #[serde(default)]
    valid: Option<bool>,
}

#[test]
fn the_codes_are_those_of_the_standards() {
    let mut ran: BTreeMap<String, u32> = BTreeMap::new();
    for primitive in primitives() {
        let algorithm = primitive.algorithm.to_lowercase();
        let (Some(key), Some(message), Some(tag)) = (primitive.key_hex, primitive.msg_hex, primitive.tag_hex)
        else {
            continue;
        };
        // An empty key is refused before it can be used.
        if key.is_empty() || !algorithm.starts_with("hmac-") {
            continue;
        }
        let secret = Secret::parse(&BASE64.encode(bytes(&key))).unwrap();
        let computed = signature_of(&bare_scheme("base64", &algorithm), &secret, &bytes(&message));
        // Some vectors cut the tag short; the prefix must still agree.
        let is_same = computed.starts_with(&tag);
        assert_eq!(is_same, primitive.valid.unwrap_or(true), "{}", primitive.id);
        *ran.entry(algorithm).or_default() += 1;
    }
    println!("{ran:?}");
    // HMAC-SHA-512 is held to the request vectors of Convoy.
    assert!(ran["hmac-sha1"] >= 6 && ran["hmac-sha256"] >= 70, "{ran:?}");
}

#[test]
fn ed25519_is_that_of_the_standards() {
    let scheme = bare_scheme("hex", "ed25519");
    let (mut signed, mut verdicts) = (0, [0, 0]);
    for primitive in primitives() {
        let (Some(public), Some(message), Some(signature)) =
            (primitive.public_hex, primitive.msg_hex, primitive.sig_hex)
        else {
            continue;
        };
        let body = bytes(&message);
        if let Some(seed) = primitive.seed_hex {
            let pair = Secret::parse(&format!("{seed}{public}")).unwrap();
            assert_eq!(signature_of(&scheme, &pair, &body), signature, "{}", primitive.id);
            signed += 1;
        }
        let verifier = Verifier::for_scheme(&scheme, &[Secret::parse(&public).unwrap()]).unwrap();
        let request = Request {
            method: "POST",
            url: "",
            headers: &[("Tag", signature.as_bytes())],
            body: &body,
        };
        let is_valid = verifier.verify(&request, 0).is_ok();
        assert_eq!(is_valid, primitive.valid.unwrap(), "{}", primitive.id);
        verdicts[usize::from(is_valid)] += 1;
    }
    println!(
        "{signed} signed, {} accepted, {} refused",
        verdicts[1], verdicts[0]
    );
    assert!(
        signed >= 3 && verdicts[1] >= 60 && verdicts[0] >= 40,
        "{signed} {verdicts:?}"
    );
}

#[test]
fn keys_that_would_betray_someone_are_refused() {
    let ed25519 = bare_scheme("hex", "ed25519");
    let refused = |text: &str| Verifier::for_scheme(&ed25519, &[Secret::parse(text).unwrap()]).unwrap_err();
    let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    for (what, text) in [
        // Under the neutral element one signature fits nearly every message.
        ("a point of small order", format!("01{}", "0".repeat(62))),
        ("no point of the curve", format!("02{}", "0".repeat(62))),
        (
            "halves that do not belong together",
            format!("{}{public}", "11".repeat(32)),
        ),
        ("too short", "00".repeat(31)),
        ("too long", "00".repeat(65)),
    ] {
        assert!(matches!(refused(&text), SecretError::NotAKey { .. }), "{what}");
    }
    let p256 = bare_scheme("base64", "ecdsa-p256-sha256-der");
    for text in ["AAEC", &BASE64.encode(bytes(public))] {
        let error = Verifier::for_scheme(&p256, &[Secret::parse(text).unwrap()]).unwrap_err();
        assert_eq!(error.code(), "invalid_secret");
    }
}

fn primitives() -> Vec<Primitive> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/primitives.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A scheme that signs the bare body.
fn bare_scheme(key: &str, algorithm: &str) -> Scheme {
    let description = format!(
        "name = 'bare'\ncontent = '{{body}}'\nkey = '{key}'\nalgorithm = '{algorithm}'\n\
         signature = {{ headers = ['Tag'], encoding = 'hex' }}"
    );
    Scheme::from_toml(&description).unwrap()
}

fn signature_of(scheme: &Scheme, secret: &Secret, body: &[u8]) -> String {
    let signer = Signer::for_scheme(scheme, std::slice::from_ref(secret)).unwrap();
    let headers = signer.sign(&Message {
        id: "",
        event_type: "",
        timestamp: 0,
        body,
        method: "",
        url: "",
    });
    headers[0].1.clone()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}
