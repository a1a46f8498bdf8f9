//! Requests that a developer wants explained: nothing panics, the verdict is the verifier's, and what is said contains
//! neither a secret nor a signature. An input is a [`Situation`].

#![no_main]

use hookwright_core::explain::{MAX_ATTEMPTS, explain};
use hookwright_core::{Scheme, Secret, Verifier};
use hookwright_fuzz::Situation;
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|input: &[u8]| -> Corpus {
    match examine(input) {
        Some(()) => Corpus::Keep,
        None => Corpus::Reject,
    }
});

/// `None` for schemes that there are not.
fn examine(input: &[u8]) -> Option<()> {
    let situation = Situation::read(input)?;
    let scheme = Scheme::builtin(situation.scheme)?;
    let request = situation.request();
    let explanation = explain(&scheme, &situation.secrets, &request, situation.now);
    assert!(explanation.attempts <= MAX_ATTEMPTS);

    let secrets: Result<Vec<_>, _> = situation.secrets.iter().map(|text| Secret::parse(text)).collect();
    let verifier = secrets
        .ok()
        .and_then(|secrets| Verifier::for_scheme(&scheme, &secrets).ok());
    let is_valid = verifier.is_some_and(|verifier| verifier.verify(&request, situation.now).is_ok());
    assert_eq!(explanation.is_valid(), is_valid);

    let said = format!("{explanation}");
    // Words of the scheme and names of headers are said to whoever asks, even when they are somebody's secret.
    let unrelated = ["unrelated to whatever the input has"];
    let said_anyway = format!("{}", explain(&scheme, &unrelated, &request, situation.now));
    for secret in situation.secrets.iter().map(|text| text.trim()) {
        // Short ones occur in ordinary words.
        let is_telling = secret.len() >= 16 && !said_anyway.contains(secret);
        assert!(!is_telling || !said.contains(secret), "a secret is quoted");
    }
    Some(())
}
