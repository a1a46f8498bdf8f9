//! Encrypted bodies and keys of strangers: each is refused with an error, and never opens to something else.
//!
//! ```text
//! {"kty":"oct","k":"…"}      a key, as JWK or base64url
//! eyJhbGciOiJkaXIi…          a token
//! ```

#![no_main]

use hookwright_core::jwe::{DecryptionKey, EncryptionKey, decrypt, is_compact};
use hookwright_fuzz::split_line;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let (key, token) = split_line(input);
    let Ok(text) = str::from_utf8(key) else { return };
    if let Ok(key) = EncryptionKey::parse(text) {
        assert!(!format!("{key:?}").contains(text), "a key is quoted");
    }
    let Ok(key) = DecryptionKey::parse(text) else {
        return;
    };
    let public = key.encryption_key();
    assert!(EncryptionKey::parse(&public.expose_jwk()).is_ok_and(|again| again == public));
    if decrypt(&[key], token).is_ok() {
        assert!(is_compact(token));
    }
});
