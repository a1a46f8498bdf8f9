//! Encrypted payloads against messages of other implementations, and against everything that must be refused.

#![cfg(feature = "jwe")]
#![expect(
    clippy::unwrap_used,
    reason = "the lint spares test functions and not their helpers"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hookwright_core::jwe::{self, DecryptionKey, EncryptionKey, JweError, JweKeyError};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Vectors {
    keys: BTreeMap<String, Value>,
    messages: Vec<Message>,
    key_texts: Vec<KeyText>,
}

#[derive(Deserialize)]
struct Message {
    id: String,
    keys: Vec<String>,
    token: String,
    plaintext_base64url: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct KeyText {
    id: String,
    role: String,
    text: String,
    algorithm: Option<String>,
    error: Option<String>,
}

fn vectors() -> Vectors {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/jwe.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn private_key(name: &str) -> DecryptionKey {
    DecryptionKey::parse(&vectors().keys[name].to_string()).unwrap()
}

/// Every run makes the same messages.
fn rng() -> StdRng {
    StdRng::seed_from_u64(1)
}

#[test]
fn messages_of_other_implementations_are_read_and_bad_ones_are_refused() {
    let vectors = vectors();
    let mut read = 0;
    for message in &vectors.messages {
        let text = |name: &String| vectors.keys[name].to_string();
        let keys: Vec<_> = message
            .keys
            .iter()
            .map(|name| DecryptionKey::parse(&text(name)).unwrap())
            .collect();
        let result = jwe::decrypt(&keys, message.token.as_bytes());
        match (&message.plaintext_base64url, &message.error) {
            (Some(plaintext), None) => {
                assert_eq!(result, Ok(BASE64URL.decode(plaintext).unwrap()), "{}", message.id);
                read += 1;
            }
            (None, Some(code)) => {
                assert_eq!(result.map_err(|e| e.code()), Err(code.as_str()), "{}", message.id);
            }
            _ => panic!("{}: either a plaintext or an error", message.id),
        }
    }
    assert!(
        read >= 15 && vectors.messages.len() >= read + 45,
        "{read} of {}",
        vectors.messages.len()
    );
}

#[test]
fn keys_are_read_as_receivers_hand_them_out_and_bad_ones_are_refused() {
    for key in vectors().key_texts {
        let result = match key.role.as_str() {
            "encrypt" => EncryptionKey::parse(&key.text),
            _ => DecryptionKey::parse(&key.text).map(|key| key.encryption_key()),
        };
        let algorithm = result.map(|key| key.algorithm()).map_err(|error| error.code());
        assert_eq!(algorithm.ok(), key.algorithm.as_deref(), "{}", key.id);
        assert_eq!(algorithm.err(), key.error.as_deref(), "{}", key.id);
    }
}

#[test]
fn what_is_encrypted_to_a_key_is_read_with_it_and_with_no_other() {
    let mut rng = rng();
    for name in ["p256", "x25519", "shared"] {
        let key = private_key(name);
        let public = key.encryption_key();
        for length in [0, 1, 15, 16, 17, 1024, 300_000] {
            let plaintext = vec![b'x'; length];
            let token = public.encrypt(&plaintext, &mut rng).unwrap();
            assert!(jwe::is_compact(token.as_bytes()));
            let keys = [private_key("p256-old"), private_key("shared-other"), key.clone()];
            assert_eq!(
                jwe::decrypt(&keys, token.as_bytes()),
                Ok(plaintext),
                "{name} {length}"
            );
            let refusal = jwe::decrypt(&keys[..2], token.as_bytes()).unwrap_err();
            assert!(
                matches!(
                    refusal,
                    JweError::DecryptionFailed | JweError::UnsupportedAlgorithm
                ),
                "{name}: {refusal}"
            );
        }
    }
}

#[test]
fn the_header_names_algorithms_key_and_content() {
    let mut rng = rng();
    let header = |name: &str, rng: &mut StdRng| -> Value {
        let token = private_key(name).encryption_key().encrypt(b"{}", rng).unwrap();
        serde_json::from_slice(&BASE64URL.decode(token.split('.').next().unwrap()).unwrap()).unwrap()
    };
    let of_shared = header("shared", &mut rng);
    assert_eq!(
        of_shared,
        serde_json::json!({"alg": "dir", "enc": "A256GCM", "kid": "shared-1", "cty": "json"})
    );
    let of_public = header("p256", &mut rng);
    assert_eq!(of_public["alg"], "ECDH-ES+A256KW");
    assert_eq!(of_public["kid"], "orders-2026");
    assert_eq!(of_public["epk"]["crv"], "P-256");
    assert!(of_public["epk"].get("d").is_none());
    assert_ne!(
        of_public["epk"],
        header("p256", &mut rng)["epk"],
        "every message has its own key pair"
    );
}

#[test]
fn an_id_of_any_characters_reaches_the_header_unharmed() {
    let id = r#"a"b\c{é}"#;
    let key = format!(
        r#"{{"kty":"oct","k":"{}","kid":{}}}"#,
        "A".repeat(43),
        Value::from(id)
    );
    let key = EncryptionKey::parse(&key).unwrap();
    assert_eq!(key.key_id(), Some(id));
    let again = EncryptionKey::parse(&key.expose_jwk()).unwrap();
    assert_eq!(again.key_id(), Some(id));
    let token = again.encrypt(b"{}", &mut rng()).unwrap();
    let keys = [DecryptionKey::parse(&key.expose_jwk()).unwrap()];
    assert_eq!(jwe::decrypt(&keys, token.as_bytes()), Ok(b"{}".to_vec()));
}

#[test]
fn a_key_is_written_in_one_spelling_and_without_what_is_private() {
    for name in ["p256", "x25519"] {
        let private = vectors().keys[name].clone();
        let public = private_key(name).encryption_key();
        let written: Value = serde_json::from_str(&public.expose_jwk()).unwrap();
        assert!(written.get("d").is_none());
        for member in ["kty", "crv", "x", "y", "kid"] {
            assert_eq!(written.get(member), private.get(member), "{name} {member}");
        }
        assert_eq!(
            EncryptionKey::parse(&public.expose_jwk()).unwrap().expose_jwk(),
            public.expose_jwk()
        );
    }
}

#[test]
fn no_key_reaches_a_log() {
    for (name, secret) in [("p256", "d"), ("x25519", "d"), ("shared", "k")] {
        let jwk = vectors().keys[name].clone();
        let key = private_key(name);
        let shown = format!("{key:?} {:?}", key.encryption_key());
        assert!(!shown.contains(jwk[secret].as_str().unwrap()), "{shown}");
        assert!(shown.contains(jwk["kid"].as_str().unwrap()), "{shown}");
    }
    let refusal = DecryptionKey::parse(r#"{"kty":"oct","k":"correct horse","k":"battery"}"#).unwrap_err();
    assert_eq!(refusal, JweKeyError::Syntax);
    assert!(!refusal.to_string().contains("horse"));
}

#[test]
fn a_message_too_long_is_refused_on_both_sides() {
    let key = private_key("shared");
    let plaintext = vec![0; jwe::MAX_TOKEN_BYTES / 4 * 3];
    let refusal = key.encryption_key().encrypt(&plaintext, &mut rng());
    assert!(matches!(refusal, Err(JweError::TooLong { .. })));
    let token = vec![b'A'; jwe::MAX_TOKEN_BYTES + 1];
    assert!(matches!(
        jwe::decrypt(&[key], &token),
        Err(JweError::TooLong { .. })
    ));
}

proptest! {
    #[test]
    fn no_bytes_make_decryption_panic(token in proptest::collection::vec(any::<u8>(), 0..400)) {
        let keys = ["p256", "x25519", "shared"].map(private_key);
        prop_assert!(jwe::decrypt(&keys, &token).is_err());
        let _ = jwe::is_compact(&token);
    }

    #[test]
    fn no_header_makes_decryption_panic(header in "(\\{\"alg\":\"(dir|ECDH-ES\\+A256KW)\",\"enc\":\"A256GCM\",)?.{0,80}\\}?") {
        let keys = ["p256", "x25519", "shared"].map(private_key);
        for wrapped in ["", &"A".repeat(54)] {
            let header = BASE64URL.encode(&header);
            let token = format!("{header}.{wrapped}.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA");
            prop_assert!(jwe::decrypt(&keys, token.as_bytes()).is_err());
        }
    }

    #[test]
    fn no_text_makes_a_key_panic(text in "\\{?(\"(kty|crv|x|y|d|k)\":\"[A-Za-z0-9_-]{0,44}\",?){0,5}\\}?") {
        let _ = EncryptionKey::parse(&text);
        let _ = DecryptionKey::parse(&text);
    }

    #[test]
    fn a_message_with_any_byte_changed_is_refused(at in 0_usize..400, to in any::<u8>(), which in 0_usize..3) {
        let key = private_key(["p256", "x25519", "shared"][which]);
        let mut token = key.encryption_key().encrypt(br#"{"a":1}"#, &mut rng()).unwrap().into_bytes();
        let at = at % token.len();
        prop_assume!(token[at] != to);
        token[at] = to;
        prop_assert!(jwe::decrypt(&[key], &token).is_err());
    }
}
