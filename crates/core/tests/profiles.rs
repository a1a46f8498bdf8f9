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
    EnvelopeError, ErrorKind, EventFields, HeaderName, Message, Profile, Request, SampleOrigin, Schedule,
    Secret, Signer, Verifier,
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
            extras: &[],
        });
        let rendered = String::from_utf8(rendered).unwrap();
        let mut rendered = squeezed(&rendered);
        if parsed.occurred_at_ms.is_none() {
            // The one document that leaves the time out; we always send it.
            assert_eq!((name.as_str(), origin.as_str()), ("generic", "manual test"));
            let ours = r#""created_at":"1970-01-01T00:00:00Z","#;
            assert!(rendered.contains(ours));
            rendered = rendered.replace(ours, "");
        }
        assert_eq!(rendered, squeezed(text), "{name} {origin}");
    }
}

#[test]
fn reading_gives_what_the_documents_say_field_by_field() {
    let expected = [
        ("evt_abc123", "vault.created", Some(1_705_314_600), "/data"),
        ("evt_def456", "vault.data_updated", Some(1_705_328_520), "/data"),
        (
            "evt_ghi789",
            "vault.permission_changed",
            Some(1_705_337_100),
            "/data",
        ),
        (
            "evt_jkl012",
            "vault.verification_complete",
            Some(1_705_314_900),
            "/data",
        ),
        ("evt_mno345", "stream.data_received", Some(1_705_316_400), "/data"),
        (
            "evt_pqr678",
            "stream.alert_triggered",
            Some(1_705_332_600),
            "/data",
        ),
        ("evt_stu901", "vault.accessed", Some(1_705_310_100), "/data"),
        ("test-event-123", "vault.created", Some(1_705_314_600), "/data"),
        (
            "webhook_1234567890",
            "conversation.message.created",
            Some(1_640_995_200),
            "/data/object",
        ),
        (
            "webhook_test_123",
            "conversation.message.created",
            Some(1_640_995_200),
            "/data/object",
        ),
        (
            "evt_1234567890",
            "workflow.completed",
            Some(1_705_314_600),
            "/data",
        ),
        ("evt_1234567891", "workflow.failed", Some(1_705_314_900), "/data"),
        (
            "test_event_123",
            "workflow.completed",
            Some(1_705_314_600),
            "/data",
        ),
        ("evt_abc123", "user.created", Some(1_768_480_200), "/data"),
        ("evt_test", "user.created", None, "/data"),
    ];
    let documented = documented();
    assert_eq!(documented.len(), expected.len());
    for (document, (id, event_type, seconds, data)) in documented.iter().zip(expected) {
        let profile = Profile::builtin(&document.profile).unwrap();
        let parsed = profile.parse(document.text.as_bytes()).unwrap();
        assert_eq!(parsed.id.as_deref(), Some(id));
        assert_eq!(parsed.event_type.as_deref(), Some(event_type), "{id}");
        assert_eq!(
            parsed.occurred_at_ms,
            seconds.map(|seconds: i64| seconds * 1000),
            "{id}"
        );
        let whole: Value = serde_json::from_str(&document.text).unwrap();
        let read: Value = serde_json::from_str(parsed.data.get()).unwrap();
        assert_eq!(Some(&read), whole.pointer(data), "{id}");
        assert!(parsed.extras.is_empty(), "{id}");
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
        let listed = profile.event_type(&event_type).unwrap();
        assert_eq!(
            listed.sample_origin,
            SampleOrigin::Document,
            "{name} {event_type}"
        );
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
                .filter(|event_type| event_type.sample_origin == SampleOrigin::Document)
                .count()
        })
        .sum();
    assert_eq!(
        samples, listed,
        "a sample is said to be in a document and is in none"
    );
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
fn every_answer_that_http_calls_a_success_is_a_delivery() {
    for name in Profile::builtin_names() {
        let profile = Profile::builtin(name).unwrap();
        assert!(
            [200, 201, 202, 204, 299]
                .into_iter()
                .all(|status| profile.is_success(status)),
            "{name}"
        );
        let failures = [
            0,
            100,
            199,
            300,
            302,
            304,
            400,
            409,
            410,
            429,
            500,
            503,
            599,
            u16::MAX,
        ];
        assert!(
            !failures.into_iter().any(|status| profile.is_success(status)),
            "{name}"
        );
    }
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
        extras: &[],
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

#[test]
fn a_contractai_payload_has_the_parts_of_its_diagram() {
    let profile = Profile::builtin("contractai").unwrap();
    assert_eq!(
        profile.extra_fields().collect::<Vec<_>>(),
        ["metadata", "context"]
    );
    let mut event = EventFields {
        id: "evt_1",
        event_type: "agent.created",
        occurred_at_ms: 1_705_314_600_000,
        data: br#"{"agent":{"id":"agent_123"}}"#,
        extras: &[
            ("context", br#"{"tenant":"t1"}"#),
            ("metadata", br#"{"source":"api"}"#),
        ],
    };
    let bare = concat!(
        r#"{"event":"agent.created","id":"evt_1","timestamp":"2024-01-15T10:30:00Z","#,
        r#""data":{"agent":{"id":"agent_123"}}"#
    );
    let extras = r#","metadata":{"source":"api"},"context":{"tenant":"t1"}"#;
    let body = String::from_utf8(profile.render(&event)).unwrap();
    assert_eq!(body, format!("{bare}{extras}}}"));
    let parsed = profile.parse(body.as_bytes()).unwrap();
    let read: Vec<_> = parsed
        .extras
        .iter()
        .map(|(name, json)| (name.as_str(), json.get()))
        .collect();
    assert_eq!(
        read,
        [
            ("metadata", r#"{"source":"api"}"#),
            ("context", r#"{"tenant":"t1"}"#)
        ]
    );
    event.extras = &[];
    assert_eq!(profile.render(&event), format!("{bare}}}").as_bytes());

    // What the guide's sketch of one event has, and no more.
    let sketch = br#"{"event":"agent.created","data":{},"signature":"..."}"#;
    let parsed = profile.parse(sketch).unwrap();
    assert_eq!(parsed.event_type.as_deref(), Some("agent.created"));
    assert_eq!(
        (parsed.id, parsed.occurred_at_ms, parsed.data.get()),
        (None, None, "{}")
    );
}

#[test]
fn a_signature_inside_the_body_is_never_believed() {
    let profile = Profile::builtin("contractai").unwrap();
    let secrets = [Secret::parse("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=").unwrap()];
    let signer = Signer::for_profile(&profile, &secrets).unwrap();
    let verifier = Verifier::for_profile(&profile, &secrets).unwrap();
    let now = 1_705_314_600;
    let sign = |body: &[u8]| {
        signer.sign(&Message {
            id: "evt_1",
            event_type: "agent.created",
            timestamp: now,
            body,
            method: "POST",
            url: "https://example.com",
        })
    };
    let verify = |headers: &[(HeaderName, String)], body: &str| {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let request = Request {
            method: "POST",
            url: "https://example.com",
            headers: &headers,
            body: body.as_bytes(),
        };
        verifier
            .verify(&request, now)
            .map(drop)
            .map_err(|error| error.kind())
    };
    let inside =
        |signature: &str| format!(r#"{{"event":"agent.created","data":{{}},"signature":"{signature}"}}"#);

    // The most that a body can claim: the right signature of everything else in it.
    let rest = sign(br#"{"event":"agent.created","data":{}}"#);
    let (_, right) = rest
        .iter()
        .find(|(name, _)| name.matches("webhook-signature"))
        .unwrap();
    let claiming = inside(right);
    assert_eq!(verify(&rest, &claiming), Err(ErrorKind::SignatureMismatch));
    assert_eq!(verify(&sign(b"{}"), &claiming), Err(ErrorKind::SignatureMismatch));
    let mut without = sign(claiming.as_bytes());
    without.retain(|(name, _)| !name.matches("webhook-signature"));
    assert_eq!(verify(&without, &claiming), Err(ErrorKind::MissingHeader));

    let nonsense = inside("v1,AAAA");
    assert_eq!(verify(&sign(nonsense.as_bytes()), &nonsense), Ok(()));
    assert!(profile.parse(nonsense.as_bytes()).unwrap().extras.is_empty());
}
