//! Descriptions of schemes that users write: each is refused, or describes a scheme that verifies what it signs.

#![no_main]

use hookwright_core::Scheme;
use hookwright_fuzz::{keyed_for_scheme, round_trip};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(scheme) = Scheme::from_toml(text) else {
        return;
    };
    assert!(scheme.headers().next().is_some());
    if let Some((signer, verifier)) = keyed_for_scheme(&scheme) {
        assert_eq!(round_trip(&signer, &verifier), Ok(()));
    }
});
