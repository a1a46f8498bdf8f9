//! The message authentication codes against the test vectors of RFC 2202, RFC 4231 and Wycheproof.
//!
//! If one of these fails, no signature is worth anything. The codes are not public, so they are reached the way
//! that users reach them: through a scheme that signs the bare body.

#![expect(
    clippy::unwrap_used,
    reason = "the lint spares test functions and not their helpers"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hookwright_core::{Message, Scheme, Secret, Signer};
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
    /// Absent in the lists that hold valid tags only.
    #[serde(default)]
    valid: Option<bool>,
}

#[test]
fn the_codes_are_those_of_the_standards() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/primitives.json");
    let primitives: Vec<Primitive> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut ran: BTreeMap<String, u32> = BTreeMap::new();
    for primitive in primitives {
        let algorithm = primitive.algorithm.to_lowercase();
        let (Some(key), Some(message), Some(tag)) = (primitive.key_hex, primitive.msg_hex, primitive.tag_hex)
        else {
            continue;
        };
        // An empty key is refused before it can be used.
        if key.is_empty() || !algorithm.starts_with("hmac-") {
            continue;
        }
        let description = format!(
            "name = 'bare'\ncontent = '{{body}}'\nkey = 'base64'\nalgorithm = '{algorithm}'\n\
             signature = {{ headers = ['Tag'], encoding = 'hex' }}"
        );
        let secret = Secret::parse(&BASE64.encode(bytes(&key))).unwrap();
        let signer = Signer::for_scheme(&Scheme::from_toml(&description).unwrap(), &[secret]).unwrap();
        let body = bytes(&message);
        let headers = signer.sign(&Message {
            id: "",
            event_type: "",
            timestamp: 0,
            body: &body,
            method: "",
            url: "",
        });
        // Some vectors cut the tag short; the prefix must still agree.
        let is_same = headers[0].1.starts_with(&tag);
        assert_eq!(is_same, primitive.valid.unwrap_or(true), "{}", primitive.id);
        *ran.entry(algorithm).or_default() += 1;
    }
    println!("{ran:?}");
    // HMAC-SHA-512 is held to the request vectors of Convoy.
    assert!(ran["hmac-sha1"] >= 6 && ran["hmac-sha256"] >= 70, "{ran:?}");
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}
