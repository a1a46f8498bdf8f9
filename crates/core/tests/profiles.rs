//! The built-in profiles against the platforms' own documents.
//!
//! If one of these fails, a receiver written from a platform's documentation does not understand our deliveries, or
//! gets them at other times than it was promised.

#![expect(
    clippy::unwrap_used,
    reason = "the lint spares test functions and not their helpers"
)]

use std::path::PathBuf;
use std::time::Duration;

use hookwright_core::{
    EnvelopeError, ErrorKind, EventFields, Message, Profile, Request, Schedule, Secret, Signer, Verifier,
};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Envelopes {
    envelopes: Vec<Documented>,
}

/// An example envelope, copied from a platform's document.
#[derive(Deserialize)]
struct Documented {
    profile: String,
    origin: String,
    text: String,
}

fn documented() -> Vec<Documented> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/envelopes.json");
    let envelopes: Envelopes = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    envelopes.envelopes
}

/// JSON without the white space between its tokens; numbers, escapes and the order of keys stay.
fn squeezed(json: &str) -> String {
    let mut squeezed = String::new();
    let (mut in_string, mut escaped) = (false, false);
    for character in json.chars() {
        if in_string || !character.is_whitespace() {
            squeezed.push(character);
        }
        (in_string, escaped) = match character {
            '"' if !escaped => (!in_string, false),
            '\\' if in_string && !escaped => (true, true),
            _ => (in_string, false),
        };
    }
    squeezed
}

#[test]
fn rendering_gives_the_documents_own_bytes() {
    let envelopes = documented();
    assert_eq!(envelopes.len(), 15);
    for Documented {
        profile: name,
        origin,
        text,
    } in &envelopes
    {
        let profile = Profile::builtin(name).unwrap();
        let parsed = profile
            .parse(text.as_bytes())
            .unwrap_or_else(|error| panic!("{name} {origin}: {error}"));
        let rendered = profile.render(&EventFields {
            id: parsed.id.as_deref().unwrap(),
            event_type: parsed.event_type.as_deref().unwrap(),
            occurred_at_ms: parsed.occurred_at_ms.unwrap_or(0),
            data: parsed.data.get().as_bytes(),
        });
        let rendered = String::from_utf8(rendered).unwrap();
        if parsed.occurred_at_ms.is_none() {
            // The one document that leaves the time out; we always send it.
            assert_eq!((name.as_str(), origin.as_str()), ("generic", "manual test"));
            let mut rendered: Value = serde_json::from_str(&rendered).unwrap();
            rendered.as_object_mut().unwrap().remove("created_at").unwrap();
            assert_eq!(rendered, serde_json::from_str::<Value>(text).unwrap());
        } else {
            assert_eq!(squeezed(&rendered), squeezed(text), "{name} {origin}");
        }
    }
}

#[test]
fn every_documented_example_is_in_the_catalogue() {
    let mut samples = 0;
    for Documented {
        profile: name, text, ..
    } in documented()
        .into_iter()
        .filter(|documented| documented.origin == "document")
    {
        let profile = Profile::builtin(&name).unwrap();
        let parsed = profile.parse(text.as_bytes()).unwrap();
        let event_type = parsed.event_type.unwrap();
        let listed = profile
            .event_types()
            .iter()
            .find(|listed| listed.name == event_type)
            .unwrap();
        let sample = listed
            .sample
            .as_deref()
            .unwrap_or_else(|| panic!("{name} {event_type} has no sample"));
        assert_eq!(
            squeezed(sample),
            squeezed(parsed.data.get()),
            "{name} {event_type}"
        );
        samples += 1;
    }
    let listed: usize = Profile::builtin_names()
        .iter()
        .map(|name| Profile::builtin(name).unwrap())
        .map(|profile| {
            profile
                .event_types()
                .iter()
                .filter(|event_type| event_type.sample.is_some())
                .count()
        })
        .sum();
    assert_eq!(samples, listed, "a sample in a profile is not in any document");
}

#[test]
fn the_catalogues_have_every_event_type() {
    let count = |name| Profile::builtin(name).unwrap().event_types().len();
    let counts = [
        "filedgr",
        "digivault",
        "aetherflow",
        "contractai",
        "generic",
        "standard-webhooks",
    ]
    .map(count);
    assert_eq!(counts, [7, 16, 12, 27, 9, 0]);
    let generic = Profile::builtin("generic").unwrap();
    let last = generic.event_types().last().unwrap();
    assert_eq!(
        (last.name.as_str(), last.description.as_str()),
        ("payment.failed", "Payment failed")
    );
}

#[test]
fn retries_come_when_the_documents_say() {
    let minutes = |count: u64| count * 60;
    let hours = |count: u64| count * 3600;
    for (name, timeout, seconds) in [
        ("filedgr", 30, vec![2, 4, 8, 16]),
        (
            "digivault",
            30,
            vec![minutes(1), minutes(5), minutes(15), hours(1), hours(6)],
        ),
        ("aetherflow", 10, vec![30, minutes(5), minutes(30)]),
        ("generic", 30, vec![30, minutes(5), minutes(30), hours(2)]),
        (
            "standard-webhooks",
            15,
            vec![
                5,
                minutes(5),
                minutes(30),
                hours(2),
                hours(5),
                hours(10),
                hours(14),
                hours(20),
                hours(24),
            ],
        ),
        // With the highest draw, so without what jitter takes away.
        ("contractai", 10, vec![5, 20, 80, 320]),
    ] {
        let profile = Profile::builtin(name).unwrap();
        let delays: Vec<_> = (1..=20)
            .map_while(|attempt| profile.schedule.delay_after(attempt, 1.0))
            .collect();
        assert_eq!(
            delays,
            seconds.into_iter().map(Duration::from_secs).collect::<Vec<_>>(),
            "{name}"
        );
        assert_eq!(
            profile.schedule.max_attempts() as usize,
            delays.len() + 1,
            "{name}"
        );
        assert_eq!(profile.timeout, Duration::from_secs(timeout), "{name}");
        let stored = serde_json::to_string(&profile.schedule).unwrap();
        assert_eq!(
            serde_json::from_str::<Schedule>(&stored).unwrap(),
            profile.schedule
        );
    }
    let contractai = &Profile::builtin("contractai").unwrap().schedule;
    assert_eq!(contractai.delay_after(2, 0.0), Some(Duration::from_secs(10)));
}

#[test]
fn ids_carry_the_platforms_prefix() {
    for name in Profile::builtin_names() {
        let expected = if *name == "digivault" { "webhook" } else { "evt" };
        assert_eq!(Profile::builtin(name).unwrap().event_id_prefix, expected);
    }
}

#[test]
fn a_filedgr_delivery_cannot_be_relabelled() {
    let profile = Profile::builtin("filedgr").unwrap();
    let secrets = [Secret::parse("your-webhook-secret-key").unwrap()];
    let event = EventFields {
        id: "evt_abc123",
        event_type: "vault.created",
        occurred_at_ms: 1_705_314_600_000,
        data: b"{}",
    };
    let body = profile.render(&event);
    let mut headers = profile.extra_headers(&event);
    assert_eq!(
        headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect::<Vec<_>>(),
        [
            ("X-Filedgr-Event-ID", "evt_abc123"),
            ("X-Filedgr-Event-Type", "vault.created")
        ]
    );
    headers.extend(Signer::for_profile(&profile, &secrets).unwrap().sign(&Message {
        id: event.id,
        event_type: event.event_type,
        timestamp: 1_705_314_600,
        body: &body,
        method: "POST",
        url: "https://example.com",
    }));
    let verifier = Verifier::for_profile(&profile, &secrets).unwrap();
    let receive = |headers: &[(&str, &[u8])]| {
        let request = Request {
            method: "POST",
            url: "https://example.com",
            headers,
            body: &body,
        };
        verifier.verify(&request, 1_705_314_600).unwrap();
        profile
            .parse_request(&request)
            .map(|envelope| (envelope.id, envelope.event_type))
    };
    let sent: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let expected = (Some("evt_abc123".to_owned()), Some("vault.created".to_owned()));
    assert_eq!(receive(&sent), Ok(expected.clone()));

    // Header names arrive in lower case through many frameworks, and a proxy may drop what it does not know.
    let kept: Vec<_> = sent
        .iter()
        .filter(|(name, _)| !name.starts_with("X-Filedgr-Event"))
        .copied()
        .collect();
    assert_eq!(receive(&kept), Ok(expected));
    for (name, value) in [
        ("x-filedgr-event-type", "vault.accessed"),
        ("x-filedgr-event-id", "evt_other"),
    ] {
        let mut relabelled = kept.clone();
        relabelled.push((name, value.as_bytes()));
        let error = receive(&relabelled).unwrap_err();
        assert!(matches!(&error, EnvelopeError::HeaderMismatch { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::HeaderMismatch);
    }
    let mut doubled = sent.clone();
    doubled.push(("x-filedgr-event-type", b"vault.created"));
    assert!(matches!(
        receive(&doubled),
        Err(EnvelopeError::DuplicateHeader { .. })
    ));
}
