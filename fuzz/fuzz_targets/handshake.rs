//! What strangers ask of an endpoint before it trusts them: nothing panics, and whatever is answered is plain text or
//! JSON, with header values that HTTP can carry. An input is a [`Situation`]; the first secret is the verify token too.

#![no_main]

use hookwright_core::handshake::{Handshake, MAX_VALUE_BYTES, Outcome, Reply, Settings};
use hookwright_core::{Scheme, Secret, Verifier};
use hookwright_fuzz::Situation;
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|input: &[u8]| -> Corpus {
    match examine(input) {
        Some(()) => Corpus::Keep,
        None => Corpus::Reject,
    }
});

/// `None` when there is no verifier for the first two lines.
fn examine(input: &[u8]) -> Option<()> {
    let situation = Situation::read(input)?;
    let scheme = Scheme::builtin(situation.scheme)?;
    let secrets: Result<Vec<_>, _> = situation.secrets.iter().map(|text| Secret::parse(text)).collect();
    let secrets = secrets.ok()?;
    let verifier = Verifier::for_scheme(&scheme, &secrets).ok()?;
    let settings = Settings {
        secrets: &secrets,
        verify_token: situation.secrets.first().copied(),
        allowed_origins: &["*"],
    };
    let request = situation.request();
    for name in Handshake::builtin_names() {
        let handshake = Handshake::builtin(name)?;
        match handshake.answer(&request, &settings, &verifier, situation.now) {
            Ok(Outcome::Answer(reply)) => check(&reply, 200..300),
            Ok(Outcome::Refused(reply, refusal)) => {
                assert!(!refusal.code().is_empty());
                check(&reply, 400..600);
            }
            Ok(Outcome::NotAHandshake) | Err(_) => {}
            Ok(Outcome::NeedsVerification) => panic!("answer() verifies by itself"),
        }
    }
    Some(())
}

fn check(reply: &Reply, statuses: std::ops::Range<u16>) {
    assert!(statuses.contains(&reply.status));
    assert!(reply.body.len() <= 4 * MAX_VALUE_BYTES);
    let mut content_type = "";
    for (name, value) in &reply.headers {
        assert!(
            value.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
            "{name}: {value:?}"
        );
        if name.matches("content-type") {
            content_type = value;
        }
    }
    let body = str::from_utf8(&reply.body).expect("replies are text");
    let is_json = content_type.starts_with("application/json");
    assert!(
        body.is_empty() || is_json || content_type.starts_with("text/plain"),
        "{content_type}"
    );
    assert!(!body.contains(['<', '>']), "markup in a reply");
}
