//! What we sign we verify, and nothing else.
//!
//! If one of these fails, a receiver that uses this crate refuses deliveries of a server that uses it, or accepts
//! deliveries that someone changed.

#![expect(
    clippy::unwrap_used,
    reason = "the lint spares test functions and not their helpers"
)]
#![expect(
    clippy::similar_names,
    reason = "signer and signed, verifier and verified are the words"
)]

mod fixtures;

use hookwright_core::{
    ErrorKind, HeaderName, MAX_SIGNATURE_ITEMS, Message, Profile, Request, Scheme, Secret, SignedParts,
    Signer, Tolerance, Verified, Verifier, VerifyError,
};
use proptest::prelude::*;

use crate::fixtures::Pair;

const NOW: i64 = 1_705_314_600;
const URL: &str = "https://example.com/hooks?x=1";
/// Both plain text and the form that Standard Webhooks prescribes.
const NEW: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

fn secrets(texts: &[&str]) -> Vec<Secret> {
    texts.iter().map(|text| Secret::parse(text).unwrap()).collect()
}

fn message(body: &[u8]) -> Message<'_> {
    Message {
        id: "evt_1",
        event_type: "a.b",
        timestamp: NOW,
        body,
        method: "POST",
        url: URL,
    }
}

fn request<'a>(headers: &'a [(&'a str, &'a [u8])], body: &'a [u8]) -> Request<'a> {
    Request {
        method: "POST",
        url: URL,
        headers,
        body,
    }
}

fn borrowed(headers: &[(HeaderName, String)]) -> Vec<(&str, &[u8])> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect()
}

fn kind(verdict: Result<Verified<'_>, VerifyError>) -> ErrorKind {
    verdict.unwrap_err().kind()
}

/// Two secrets of the kind that the scheme takes, the newer first.
fn keys(scheme: &Scheme) -> [Pair; 2] {
    let pairs = fixtures::pairs(scheme);
    [pairs[0].clone(), pairs[1].clone()]
}

fn signer(scheme: &Scheme, keys: &[&Pair]) -> Signer {
    let secrets: Vec<_> = keys.iter().map(|key| key.signing.clone()).collect();
    Signer::for_scheme(scheme, &secrets).unwrap()
}

fn verifier(scheme: &Scheme, keys: &[&Pair]) -> Verifier {
    let secrets: Vec<_> = keys.iter().map(|key| key.verifying.clone()).collect();
    Verifier::for_scheme(scheme, &secrets).unwrap()
}

fn every_scheme() -> impl Iterator<Item = std::sync::Arc<Scheme>> {
    Scheme::builtin_names()
        .iter()
        .map(|name| Scheme::builtin(name).unwrap())
}

#[test]
fn every_scheme_verifies_what_it_signs() {
    for scheme in every_scheme() {
        let [new, old] = keys(&scheme);
        let signer = signer(&scheme, &[&new]);
        // Linear has the time in the body, and most of these bodies have none.
        let verifier = verifier(&scheme, &[&old, &new]).with_tolerance(Tolerance::Off);
        for body in [b"".as_slice(), b"{\"a\":1}", b"a=1&b=%20", b"\xff\x00\xfe"] {
            let signed = signer.sign(&message(body));
            let headers = borrowed(&signed);
            let verified = verifier.verify(&request(&headers, body), NOW + 1);
            let verified = verified.unwrap_or_else(|error| panic!("{}: {error}", scheme.name()));
            assert_eq!(verified.secret_index, 1);
            assert_eq!(&*verified.scheme, scheme.name());
            let timestamp = scheme.has_timestamp() && scheme.name() != "linear";
            assert_eq!(verified.timestamp, timestamp.then_some(NOW));
            assert_eq!(verified.id, scheme.has_id().then_some("evt_1"));
        }
    }
}

#[test]
fn every_scheme_refuses_another_secret_another_body_and_a_missing_header() {
    for scheme in every_scheme() {
        let [new, old] = keys(&scheme);
        let signer = signer(&scheme, &[&new]);
        let stranger = verifier(&scheme, &[&old]);
        let verifier = verifier(&scheme, &[&new]);
        let signed = signer.sign(&message(b"{}"));
        let headers = borrowed(&signed);
        assert_eq!(
            kind(stranger.verify(&request(&headers, b"{}"), NOW)),
            ErrorKind::SignatureMismatch
        );
        assert_eq!(
            kind(verifier.verify(&request(&headers, b"{} "), NOW)),
            ErrorKind::SignatureMismatch
        );
        assert_eq!(
            kind(verifier.verify(&request(&[], b"{}"), NOW)),
            ErrorKind::MissingHeader
        );
        for missing in 0..headers.len() {
            let mut rest = headers.clone();
            rest.remove(missing);
            assert_eq!(
                kind(verifier.verify(&request(&rest, b"{}"), NOW)),
                ErrorKind::MissingHeader
            );
        }
        for doubled in 0..headers.len() {
            let mut more = headers.clone();
            more.push(headers[doubled]);
            assert_eq!(
                kind(verifier.verify(&request(&more, b"{}"), NOW)),
                ErrorKind::DuplicateHeader
            );
        }
    }
}

#[test]
fn old_messages_cannot_be_replayed_and_any_clock_is_survived() {
    for scheme in every_scheme().filter(|scheme| scheme.has_timestamp()) {
        let body = fixtures::body(&fixtures::description(scheme.name()), NOW, b"{}");
        let [new, _] = keys(&scheme);
        let verifier = verifier(&scheme, &[&new]);
        let signed = signer(&scheme, &[&new]).sign(&message(&body));
        let headers = borrowed(&signed);
        let verdict = |tolerance, now| {
            let verifier = verifier.clone().with_tolerance(tolerance);
            verifier
                .verify(&request(&headers, &body), now)
                .map(drop)
                .map_err(|error| error.kind())
        };
        // Discord and SendGrid document no window; the receiver has to name one.
        let default = match scheme.name() {
            "discord" | "sendgrid" => Tolerance::Seconds(300),
            _ => Tolerance::SchemeDefault,
        };
        assert_eq!(verdict(default, NOW), Ok(()));
        assert_eq!(
            verdict(default, NOW + 301),
            Err(ErrorKind::TimestampTooOld),
            "{}",
            scheme.name()
        );
        assert_eq!(
            verdict(default, NOW - 301),
            Err(ErrorKind::TimestampTooNew),
            "{}",
            scheme.name()
        );
        assert_eq!(verdict(default, i64::MAX), Err(ErrorKind::TimestampTooOld));
        assert_eq!(verdict(default, i64::MIN), Err(ErrorKind::TimestampTooNew));
        // Zero means zero, and does not turn the check off.
        assert_eq!(verdict(Tolerance::Seconds(0), NOW), Ok(()));
        assert_eq!(
            verdict(Tolerance::Seconds(0), NOW + 1),
            Err(ErrorKind::TimestampTooOld)
        );
        assert_eq!(verdict(Tolerance::Seconds(10), NOW + 10), Ok(()));
        assert_eq!(verdict(Tolerance::Off, i64::MAX), Ok(()));
    }
}

#[test]
fn a_time_in_the_body_has_to_be_there() {
    let scheme = Scheme::builtin("linear").unwrap();
    let [new, _] = keys(&scheme);
    for (body, kind_at_60) in [
        (r#"{"webhookTimestamp":1705314600000}"#, None),
        (
            r#"{"webhookTimestamp":1705314599999}"#,
            Some(ErrorKind::TimestampTooOld),
        ),
        ("{}", Some(ErrorKind::InvalidTimestamp)),
        ("[]", Some(ErrorKind::InvalidTimestamp)),
        ("not JSON", Some(ErrorKind::InvalidTimestamp)),
        (
            r#"{"webhookTimestamp":"1705314600000"}"#,
            Some(ErrorKind::InvalidTimestamp),
        ),
        (
            r#"{"webhookTimestamp":1705314600000.5}"#,
            Some(ErrorKind::InvalidTimestamp),
        ),
        (r#"{"webhookTimestamp":-1}"#, Some(ErrorKind::InvalidTimestamp)),
        (
            r#"{"webhookTimestamp":1,"webhookTimestamp":1705314600000}"#,
            Some(ErrorKind::InvalidTimestamp),
        ),
    ] {
        let signed = signer(&scheme, &[&new]).sign(&message(body.as_bytes()));
        let headers = borrowed(&signed);
        let verify = |now| {
            let verdict = verifier(&scheme, &[&new]).verify(&request(&headers, body.as_bytes()), now);
            verdict
                .map(|verified| verified.timestamp)
                .map_err(|error| error.kind())
        };
        assert_eq!(verify(NOW + 60), kind_at_60.map_or(Ok(Some(NOW)), Err), "{body}");
        // An unauthentic body is not even looked at.
        let stranger = verifier(&scheme, &[&keys(&scheme)[1]]);
        let verdict = stranger.verify(&request(&headers, body.as_bytes()), NOW);
        assert_eq!(kind(verdict), ErrorKind::SignatureMismatch, "{body}");
    }
}

#[test]
fn twilio_may_sign_the_url_with_or_without_its_port() {
    let scheme = Scheme::builtin("twilio").unwrap();
    let [new, old] = keys(&scheme);
    for (signed_url, seen_url) in [
        ("https://example.com/a?b=1", "https://example.com:443/a?b=1"),
        ("https://example.com:8443/a", "https://example.com:8443/a"),
        ("https://example.com/a", "https://example.com:8443/a"),
        ("http://example.com:80", "http://example.com"),
    ] {
        let signed = signer(&scheme, &[&new]).sign(&Message {
            url: signed_url,
            ..message(b"a=1")
        });
        let headers = borrowed(&signed);
        let verify = |url| {
            let request = Request {
                url,
                ..request(&headers, b"a=1")
            };
            let verifier = verifier(&scheme, &[&old, &new]);
            verifier
                .verify(&request, NOW)
                .map(|verified| verified.secret_index)
        };
        assert_eq!(verify(seen_url), Ok(1), "{signed_url} {seen_url}");
        assert!(verify("https://example.org/a?b=1").is_err());
    }
}

#[test]
fn parts_that_were_looked_up_get_the_verdict_of_the_whole_request() {
    for scheme in every_scheme() {
        let [new, old] = keys(&scheme);
        let verifier = verifier(&scheme, &[&old, &new]).with_tolerance(Tolerance::Off);
        let signed = signer(&scheme, &[&new]).sign(&message(b"{}"));
        let value_of = |at: usize| signed.get(at).map(|(_, value)| value.as_bytes());
        // The order in which they are signed: id, timestamp, signature, where there is one.
        let (id, timestamp) = match (scheme.has_id(), signed.len()) {
            (true, _) => (value_of(0), value_of(1)),
            (false, 2) => (None, value_of(0)),
            (false, _) => (None, None),
        };
        let parts = SignedParts {
            signature: value_of(signed.len() - 1).unwrap(),
            timestamp,
            id,
            method: "POST",
            url: URL,
            body: b"{}",
        };
        let headers = borrowed(&signed);
        let whole = verifier.verify(&request(&headers, b"{}"), NOW);
        assert_eq!(verifier.verify_parts(&parts, NOW), whole, "{}", scheme.name());
        assert!(whole.is_ok(), "{}", scheme.name());
        let long = vec![b'1'; 5000];
        for signature in [b"".as_slice(), &long] {
            let error = verifier
                .verify_parts(&SignedParts { signature, ..parts }, NOW)
                .unwrap_err();
            assert_eq!(
                error.kind() == ErrorKind::MissingHeader,
                signature.is_empty(),
                "{error}"
            );
        }
        let error = verifier.verify_parts(
            &SignedParts {
                id: None,
                timestamp: None,
                ..parts
            },
            NOW,
        );
        assert_eq!(error.is_err(), signed.len() > 1, "{}", scheme.name());
    }
}

#[test]
fn a_rotation_interrupts_nobody() {
    for scheme in every_scheme() {
        let [new, old] = keys(&scheme);
        let body = fixtures::body(&fixtures::description(scheme.name()), NOW, b"{}");
        let signed = signer(&scheme, &[&new, &old]).sign(&message(&body));
        let headers = borrowed(&signed);
        let verify = |keys: &[&Pair]| {
            verifier(&scheme, keys)
                .verify(&request(&headers, &body), NOW)
                .map(|verified| verified.secret_index)
        };
        assert_eq!(verify(&[&new]), Ok(0), "{}", scheme.name());
        // Where both signatures are there, the secret that the receiver lists first is the one reported.
        assert_eq!(verify(&[&new, &old]), Ok(0), "{}", scheme.name());
        assert!(verify(&[&old, &new]).is_ok(), "{}", scheme.name());
        let has_room = matches!(
            scheme.name(),
            "standard-webhooks" | "svix" | "stripe" | "paddle" | "pagerduty" | "workos"
        ) || scheme.name().starts_with("convoy-advanced");
        assert_eq!(verify(&[&old]).is_ok(), has_room, "{}", scheme.name());
    }
}

#[test]
fn a_stranger_cannot_make_us_decode_a_thousand_signatures() {
    let scheme = Scheme::builtin("standard-webhooks").unwrap();
    let signer = Signer::for_scheme(&scheme, &secrets(&[NEW])).unwrap();
    let verifier = Verifier::for_scheme(&scheme, &secrets(&[NEW])).unwrap();
    let signed = signer.sign(&message(b"{}"));
    let verdict = |decoys: usize| {
        let value = "v1,AA== ".repeat(decoys) + &signed[2].1;
        let mut headers = borrowed(&signed);
        headers[2].1 = value.as_bytes();
        verifier
            .verify(&request(&headers, b"{}"), NOW)
            .map(drop)
            .map_err(|error| error.kind())
    };
    assert_eq!(verdict(MAX_SIGNATURE_ITEMS - 1), Ok(()));
    assert_eq!(verdict(MAX_SIGNATURE_ITEMS), Err(ErrorKind::MalformedHeader));
    assert_eq!(verdict(1000), Err(ErrorKind::MalformedHeader));
}

#[test]
fn every_profile_verifies_what_it_signs_and_says_when() {
    for name in Profile::builtin_names() {
        let profile = Profile::builtin(name).unwrap();
        // A caller's own text, as three of the platforms let users choose it, unless the scheme forbids it.
        let text = if profile.scheme.name() == "standard-webhooks" {
            NEW
        } else {
            "your-webhook-secret-key"
        };
        let signer = Signer::for_profile(&profile, &secrets(&[text])).unwrap();
        let verifier = Verifier::for_profile(&profile, &secrets(&[text])).unwrap();
        let signed = signer.sign(&message(b"{}"));
        let headers = borrowed(&signed);
        let verdict = |headers: &[(&str, &[u8])], now| {
            let verdict = verifier.verify(&request(headers, b"{}"), now);
            verdict
                .map(|verified| (verified.scheme.to_string(), verified.timestamp))
                .map_err(|error| error.kind())
        };
        assert_eq!(
            verdict(&headers, NOW),
            Ok(("standard-webhooks".into(), Some(NOW))),
            "{name}"
        );
        assert_eq!(
            verdict(&headers, NOW + 301),
            Err(ErrorKind::TimestampTooOld),
            "{name}"
        );
        assert_eq!(verdict(&[], NOW), Err(ErrorKind::MissingHeader), "{name}");
        if profile.also_sign.is_empty() {
            continue;
        }
        // The platform itself sends only its own header.
        let own: Vec<_> = headers
            .iter()
            .filter(|(name, _)| !name.starts_with("webhook-"))
            .copied()
            .collect();
        assert_eq!(own.len(), 1);
        assert_eq!(
            verdict(&own, NOW + 301),
            Ok((profile.scheme.name().to_owned(), None)),
            "{name}"
        );
        // Neither signature can stand in for the other when both are there.
        for broken in ["webhook-signature", own[0].0] {
            let changed: Vec<_> = headers
                .iter()
                .map(|(name, value)| {
                    if *name == broken {
                        (*name, flipped(value))
                    } else {
                        (*name, value.to_vec())
                    }
                })
                .collect();
            let changed: Vec<_> = changed
                .iter()
                .map(|(name, value)| (*name, value.as_slice()))
                .collect();
            assert_eq!(
                verdict(&changed, NOW),
                Err(ErrorKind::SignatureMismatch),
                "{name}: {broken}"
            );
        }
    }
}

/// Another signature of the same form.
fn flipped(value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    let at = value.len() / 2;
    value[at] = if value[at] == b'0' { b'1' } else { b'0' };
    value
}

#[test]
fn digivault_receivers_may_read_either_header_but_not_two_opinions() {
    let profile = Profile::builtin("digivault").unwrap();
    let keys = secrets(&["digivault-secret"]);
    let signed = Signer::for_scheme(&profile.scheme, &keys)
        .unwrap()
        .sign(&message(b"{}"));
    assert_eq!(signed.len(), 1);
    assert_eq!(signed[0].0.as_str(), "X-DigiVault-Signature");
    let value = signed[0].1.as_bytes();
    let verifier = Verifier::for_profile(&profile, &keys).unwrap();
    let verdict = |headers: &[(&str, &[u8])]| verifier.verify(&request(headers, b"{}"), NOW).map(drop);
    assert_eq!(verdict(&[("x-bitvault-signature", value)]), Ok(()));
    assert_eq!(
        verdict(&[("x-digivault-signature", value), ("x-bitvault-signature", value)]),
        Ok(())
    );
    let other = flipped(value);
    let error = verdict(&[("x-digivault-signature", value), ("x-bitvault-signature", &other)]).unwrap_err();
    assert!(matches!(error, VerifyError::ConflictingHeaders { .. }), "{error}");
    assert_eq!(error.code(), "duplicate_header");
}

#[test]
fn twilio_bodies_that_are_not_forms_are_checked_through_their_digest() {
    let scheme = Scheme::builtin("twilio").unwrap();
    let keys = secrets(&["12345"]);
    // The SHA-256 of `{}`.
    let url =
        "https://example.com/?bodySHA256=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let signed = Signer::for_scheme(&scheme, &keys).unwrap().sign(&Message {
        url,
        ..message(b"{}")
    });
    let headers = borrowed(&signed);
    let verifier = Verifier::for_scheme(&scheme, &keys).unwrap();
    let verdict = |body| {
        verifier
            .verify(
                &Request {
                    url,
                    ..request(&headers, body)
                },
                NOW,
            )
            .map(drop)
    };
    assert_eq!(verdict(b"{}".as_slice()), Ok(()));
    assert_eq!(
        verdict(b"{ }".as_slice()).unwrap_err().kind(),
        ErrorKind::SignatureMismatch
    );
}

fn any_scheme() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(Scheme::builtin_names())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any change of a single bit of the body is noticed.
    #[test]
    fn no_bit_of_the_body_can_be_flipped(
        name in any_scheme().prop_filter("forms ignore order and repetition", |name| *name != "twilio"),
        body in proptest::collection::vec(any::<u8>(), 1..200),
        bit in any::<proptest::sample::Index>(),
    ) {
        let scheme = Scheme::builtin(name).unwrap();
        let [new, _] = keys(&scheme);
        let signed = signer(&scheme, &[&new]).sign(&message(&body));
        let headers = borrowed(&signed);
        let verifier = verifier(&scheme, &[&new]).with_tolerance(Tolerance::Off);
        prop_assert!(verifier.verify(&request(&headers, &body), NOW).is_ok());
        let bit = bit.index(body.len() * 8);
        let mut changed = body.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let error = verifier.verify(&request(&headers, &changed), NOW).map(drop).unwrap_err();
        prop_assert_eq!(error.kind(), ErrorKind::SignatureMismatch);
    }

    /// No headers, body, method, URL or clock make verification panic, and none of them verify.
    #[test]
    fn rubbish_is_refused_without_panic(
        name in any_scheme(),
        values in proptest::collection::vec(hostile_value(), 0..6),
        which in proptest::collection::vec(any::<proptest::sample::Index>(), 6),
        body in proptest::collection::vec(any::<u8>(), 0..100),
        url in ".{0,40}",
        now in any::<i64>(),
    ) {
        let scheme = Scheme::builtin(name).unwrap();
        let names: Vec<_> = scheme.headers().map(HeaderName::as_str).collect();
        let headers: Vec<_> = values
            .iter()
            .zip(&which)
            .map(|(value, which)| (*which.get(&names), value.as_slice()))
            .collect();
        let [new, old] = keys(&scheme);
        let verifier = verifier(&scheme, &[&new, &old]);
        let verdict = verifier.verify(&Request { method: "POST", url: &url, headers: &headers, body: &body }, now);
        prop_assert!(verdict.is_err());
    }

    /// The same for profiles, whose envelopes are parsed from bytes that nobody may have signed.
    #[test]
    fn rubbish_envelopes_are_refused_without_panic(
        name in proptest::sample::select(Profile::builtin_names()),
        body in hostile_value(),
    ) {
        let profile = Profile::builtin(name).unwrap();
        let headers: [(&str, &[u8]); 1] = [("X-Filedgr-Event-Type", &body)];
        prop_assert!(profile.parse_request(&request(&headers, &body)).is_err());
    }

    /// No text makes a description panic.
    #[test]
    fn rubbish_descriptions_are_refused_without_panic(text in ".{0,200}", content in "[{}a-z.]{0,20}") {
        prop_assert!(Scheme::from_toml(&text).is_err());
        prop_assert!(Profile::from_toml(&text).is_err());
        let description = format!(
            "name = 'a'\nkey = 'utf8'\nalgorithm = 'hmac-sha256'\ncontent = '{content}'\n\
             signature = {{ headers = ['A'], encoding = 'hex' }}"
        );
        let _ = Scheme::from_toml(&description);
    }
}

/// Bytes that look a little like what is expected, so that the parsers get past their first check.
fn hostile_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..64),
        "[tvsh0-9]{1,4}[=,][a-zA-Z0-9+/=]{0,90}([,; ][tv0-9]{1,3}[=,][a-zA-Z0-9+/=]{0,90}){0,40}"
            .prop_map(String::into_bytes),
        "-?[0-9]{1,20}".prop_map(String::into_bytes),
        "[0-9a-f]{64}".prop_map(String::into_bytes),
        Just(vec![b'a'; 5000]),
        Just(b"{\"type\":\"a\",\"type\":\"b\"".to_vec()),
    ]
}
