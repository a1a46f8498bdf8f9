//! Texts that users paste as secrets: each is refused with an error that does not quote it, or keys every scheme that
//! accepts it so that signing and verifying agree.

#![no_main]

use hookwright_core::{Profile, Scheme, Secret, Signer, Verifier};
use hookwright_fuzz::round_trip;
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|text: &str| -> Corpus {
    let Ok(secret) = Secret::parse(text) else {
        return Corpus::Keep;
    };
    assert_eq!(secret.expose(), text);
    assert_eq!(format!("{secret:?}"), "[REDACTED]");
    let _ = secret.is_short();
    let secrets = [secret];
    let schemes = Scheme::builtin_names()
        .iter()
        .filter_map(|name| Scheme::builtin(name));
    for scheme in schemes {
        let pair = (
            Signer::for_scheme(&scheme, &secrets),
            Verifier::for_scheme(&scheme, &secrets),
        );
        agree(scheme.name(), text, pair);
    }
    for profile in Profile::builtin_names()
        .iter()
        .filter_map(|name| Profile::builtin(name))
    {
        let pair = (
            Signer::for_profile(&profile, &secrets),
            Verifier::for_profile(&profile, &secrets),
        );
        agree(&profile.name, text, pair);
    }
    Corpus::Keep
});

fn agree<E: std::fmt::Display>(name: &str, text: &str, pair: (Result<Signer, E>, Result<Verifier, E>)) {
    match pair {
        (Ok(signer), Ok(verifier)) => assert_eq!(round_trip(&signer, &verifier), Ok(()), "{name}"),
        // A public key verifies and does not sign.
        (Err(error), _) | (_, Err(error)) => {
            let quoted = text.len() > 12 && error.to_string().contains(text);
            assert!(!quoted, "{name}: the error quotes the secret");
        }
    }
}
