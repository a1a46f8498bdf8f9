//! What holds for every scheme, every profile and every description, whatever strangers and users write.
//!
//! If one of these fails, some request, secret or description that nobody thought of makes a receiver crash, accept
//! what it should not, or refuse what we sign ourselves. The schemes and profiles are taken from the lists of what is
//! built in, so that a new one is covered by itself.

#![expect(
    clippy::unwrap_used,
    reason = "the lint spares test functions and not their helpers"
)]

mod fixtures;

use std::path::Path;
use std::sync::Arc;

use hookwright_core::{
    ErrorKind, EventFields, HeaderName, MAX_SECRETS, Message, Profile, Request, Scheme, Secret, Signer,
    Tolerance, Verifier,
};
use proptest::prelude::*;
use proptest::sample::Index;

const URL: &str = "https://example.com/hooks?x=1";
const NOW: i64 = 1_705_314_600;

type Headers = Vec<(String, Vec<u8>)>;

fn schemes() -> impl Iterator<Item = Arc<Scheme>> {
    Scheme::builtin_names()
        .iter()
        .map(|name| Scheme::builtin(name).unwrap())
}

fn profiles() -> impl Iterator<Item = Arc<Profile>> {
    Profile::builtin_names()
        .iter()
        .map(|name| Profile::builtin(name).unwrap())
}

fn message<'a>(id: &'a str, timestamp: i64, body: &'a [u8]) -> Message<'a> {
    Message {
        id,
        event_type: "user.created",
        timestamp,
        body,
        method: "POST",
        url: URL,
    }
}

fn owned(headers: Vec<(HeaderName, String)>) -> Headers {
    headers
        .into_iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.into_bytes()))
        .collect()
}

/// The secret that matched and the signed id and time, or the kind of the refusal.
fn verdict(
    verifier: &Verifier,
    headers: &Headers,
    body: &[u8],
    now: i64,
) -> Result<(usize, Option<String>, Option<i64>), ErrorKind> {
    let headers: Vec<(&str, &[u8])> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_slice()))
        .collect();
    let request = Request {
        method: "POST",
        url: URL,
        headers: &headers,
        body,
    };
    let verdict = verifier.verify(&request, now);
    verdict
        .map(|verified| {
            (
                verified.secret_index,
                verified.id.map(str::to_owned),
                verified.timestamp,
            )
        })
        .map_err(|error| {
            assert!(!error.to_string().is_empty());
            error.kind()
        })
}

fn any_id() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_:@/+=~-]{1,256}"
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        proptest::collection::vec(any::<u8>(), 1..400),
        ".{0,200}".prop_map(String::into_bytes),
        "([a-c%+]{0,3}=[a-c%+&]{0,3}&?){0,20}".prop_map(String::into_bytes),
    ]
}

/// Sixteen digits of milliseconds are the most that fit, and so many seconds are thousands of years.
fn any_timestamp() -> impl Strategy<Value = i64> {
    prop_oneof![
        0..10_000_000_000_i64,
        0..10_000_000_000_000_i64,
        Just(0),
        Just(9_999_999_999_999)
    ]
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn every_scheme_verifies_what_it_signs(
        id in any_id(),
        timestamp in any_timestamp(),
        body in any_body(),
        live in proptest::collection::vec(any::<Index>(), 1..4),
        held in proptest::collection::vec(any::<Index>(), 0..4),
    ) {
        for scheme in schemes() {
            let name = scheme.name();
            let pairs = fixtures::pairs(&scheme);
            let signing: Vec<_> = live.iter().map(|at| at.get(&pairs).signing.clone()).collect();
            let body = fixtures::body(&fixtures::description(name), timestamp, &body);
            let signer = Signer::for_scheme(&scheme, &signing).unwrap();
            let headers = owned(signer.sign(&message(&id, timestamp, &body)));
            // The receiver holds the newest secret of the sender and perhaps others, in any order.
            let newest = live[0].get(&pairs);
            for position in 0..=held.len() {
                let mut held: Vec<_> = held.iter().map(|at| at.get(&pairs).verifying.clone()).collect();
                held.insert(position, newest.verifying.clone());
                let verifier = Verifier::for_scheme(&scheme, &held).unwrap();
                let verified = verdict(&verifier, &headers, &body, timestamp);
                prop_assert!(verified.is_ok(), "{name}: {verified:?}");
                let (secret_index, signed_id, signed_at) = verified.unwrap();
                prop_assert_eq!(signed_id, scheme.has_id().then(|| id.clone()), "{}", name);
                prop_assert_eq!(signed_at, scheme.has_timestamp().then_some(timestamp), "{}", name);
                let alone = Verifier::for_scheme(&scheme, &held[secret_index..=secret_index]).unwrap();
                prop_assert!(verdict(&alone, &headers, &body, timestamp).is_ok(), "{name}");
            }
        }
    }

    #[test]
    fn no_single_bit_can_be_changed(
        id in any_id(),
        timestamp in any_timestamp(),
        body in proptest::collection::vec(any::<u8>(), 0..200),
        bit in any::<Index>(),
    ) {
        for scheme in schemes() {
            let name = scheme.name();
            let pair = &fixtures::pairs(&scheme)[0];
            let signer = Signer::for_scheme(&scheme, std::slice::from_ref(&pair.signing)).unwrap();
            let verifier = Verifier::for_scheme(&scheme, std::slice::from_ref(&pair.verifying)).unwrap();
            let verifier = verifier.with_tolerance(Tolerance::Off);
            let headers = owned(signer.sign(&message(&id, timestamp, &body)));
            prop_assert!(verdict(&verifier, &headers, &body, timestamp).is_ok(), "{name}");
            let text = fixtures::description(name);
            if !body.is_empty() && !text.contains("{form}") {
                let (changed, _) = flipped(&body, bit);
                prop_assert_eq!(
                    verdict(&verifier, &headers, &changed, timestamp),
                    Err(ErrorKind::SignatureMismatch),
                    "{}", name
                );
            }
            for at in 0..headers.len() {
                let mut headers = headers.clone();
                let (changed, position) = flipped(&headers[at].1, bit);
                // Hex may be written in either case: the same signature in another spelling, and the only one.
                let is_signature = at == headers.len() - 1
                    && text.contains("encoding = \"hex\"")
                    && !headers[at].1[position..].contains(&b'=');
                let is_same = is_signature && changed.eq_ignore_ascii_case(&headers[at].1);
                headers[at].1 = changed;
                prop_assert_eq!(
                    verdict(&verifier, &headers, &body, timestamp).is_ok(),
                    is_same,
                    "{}: {}", name, String::from_utf8_lossy(&headers[at].1)
                );
            }
        }
    }

    #[test]
    fn every_profile_verifies_and_reads_what_it_sends(
        id in any_id(),
        event_type in "[a-z]{1,10}(\\.[a-z_]{1,10}){0,3}|.{1,30}",
        timestamp in 0..4_000_000_000_i64,
        // JSON of some depth; null would do as well as anything else.
        data in "(\\[|\\{\"a\":){0,3}",
    ) {
        let close: String = data.chars().rev().filter_map(|c| match c { '[' => Some(']'), '{' => Some('}'), _ => None }).collect();
        let data = format!("{data}\"\u{e9}\\u00e9\"{close}");
        for profile in profiles() {
            let name = &profile.name;
            let pair = &fixtures::pairs(&profile.scheme)[0];
            let event = EventFields {
                id: &id,
                event_type: &event_type,
                occurred_at_ms: timestamp * 1000,
                data: data.as_bytes(),
                extras: &[],
            };
            let body = profile.render(&event);
            let signer = Signer::for_profile(&profile, std::slice::from_ref(&pair.signing)).unwrap();
            let verifier = Verifier::for_profile(&profile, std::slice::from_ref(&pair.verifying)).unwrap();
            let mut headers = owned(signer.sign(&message(&id, timestamp, &body)));
            headers.extend(owned(profile.extra_headers(&event)));
            let verified = verdict(&verifier, &headers, &body, timestamp);
            prop_assert!(verified.is_ok(), "{name}: {verified:?}");
            let borrowed: Vec<(&str, &[u8])> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
            let request = Request { method: "POST", url: URL, headers: &borrowed, body: &body };
            let parsed = profile.parse_request(&request);
            prop_assert!(parsed.is_ok(), "{name}: {parsed:?}");
            let parsed = parsed.unwrap();
            prop_assert_eq!(parsed.event_type.as_deref(), Some(event_type.as_str()), "{}", name);
            prop_assert_eq!(parsed.data.get(), &data, "{}", name);
        }
    }
}

/// `bytes` with one bit changed, and the position of the byte.
fn flipped(bytes: &[u8], bit: Index) -> (Vec<u8>, usize) {
    let bit = bit.index(bytes.len() * 8);
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    (bytes, bit / 8)
}

/// A small change to a list of headers.
#[derive(Debug, Clone)]
enum Edit {
    Remove(Index),
    Repeat(Index, Index),
    Swap(Index, Index),
    Replace(Index, Vec<u8>),
    Splice(Index, Index, Vec<u8>),
    Cut(Index, Index),
    Add(String, Vec<u8>),
}

fn any_edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        any::<Index>().prop_map(Edit::Remove),
        any::<(Index, Index)>().prop_map(|(from, to)| Edit::Repeat(from, to)),
        any::<(Index, Index)>().prop_map(|(one, other)| Edit::Swap(one, other)),
        (any::<Index>(), any_value()).prop_map(|(at, value)| Edit::Replace(at, value)),
        (any::<Index>(), any::<Index>(), any_value())
            .prop_map(|(at, position, value)| Edit::Splice(at, position, value)),
        any::<(Index, Index)>().prop_map(|(at, length)| Edit::Cut(at, length)),
        (".{0,20}", any_value()).prop_map(|(name, value)| Edit::Add(name, value)),
    ]
}

/// Bytes, some of which look like what belongs into a header.
fn any_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..80),
        "(v1|v1a|v0|t|ts|h1|sha256|sha1)?[=,; ]{0,2}[0-9a-fA-F+/=]{0,90}".prop_map(String::into_bytes),
        "[ ,;=]{1,60}".prop_map(String::into_bytes),
        any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        any::<u64>().prop_map(|number| number.to_string().into_bytes()),
        (0..9000_usize).prop_map(|length| vec![b'1'; length]),
    ]
}

impl Edit {
    fn apply(&self, headers: &mut Headers) {
        if let Self::Add(name, value) = self {
            headers.push((name.clone(), value.clone()));
            return;
        }
        let length = headers.len();
        if length == 0 {
            return;
        }
        match self {
            Self::Remove(at) => drop(headers.remove(at.index(length))),
            Self::Repeat(from, to) => {
                let header = from.get(headers).clone();
                headers.insert(to.index(length + 1), header);
            }
            Self::Swap(one, other) => {
                let (one, other) = (one.index(length), other.index(length));
                let value = headers[one].1.clone();
                headers[one].1 = std::mem::replace(&mut headers[other].1, value);
            }
            Self::Replace(at, value) => headers[at.index(length)].1.clone_from(value),
            Self::Splice(at, position, value) => {
                let target = &mut headers[at.index(length)].1;
                let position = position.index(target.len() + 1);
                target.splice(position..position, value.iter().copied());
            }
            Self::Cut(at, keep) => {
                let target = &mut headers[at.index(length)].1;
                target.truncate(keep.index(target.len() + 1));
            }
            Self::Add(..) => {}
        }
    }
}

proptest! {
    #![proptest_config(config(64))]

    /// Requests that were good a few changes ago get past the first checks, which rubbish does not.
    #[test]
    fn no_headers_panic_and_none_vouch_for_another_body(
        edits in proptest::collection::vec(any_edit(), 0..6),
        now in prop_oneof![Just(NOW), any::<i64>(), Just(i64::MIN), Just(i64::MAX)],
        tolerance in prop_oneof![
            Just(Tolerance::SchemeDefault),
            Just(Tolerance::Off),
            any::<u32>().prop_map(Tolerance::Seconds),
        ],
        body in any_body(),
    ) {
        for scheme in schemes() {
            let pairs = fixtures::pairs(&scheme);
            let signer = Signer::for_scheme(&scheme, std::slice::from_ref(&pairs[0].signing)).unwrap();
            let verifying: Vec<_> = pairs.iter().map(|pair| pair.verifying.clone()).collect();
            let verifier = Verifier::for_scheme(&scheme, &verifying).unwrap().with_tolerance(tolerance);
            let mut headers = owned(signer.sign(&message("evt_1", NOW, b"{}")));
            for edit in &edits {
                edit.apply(&mut headers);
            }
            let first = verdict(&verifier, &headers, b"{}", now);
            let other = verdict(&verifier, &headers, &body, now);
            if body != b"{}" && !fixtures::description(scheme.name()).contains("{form}") {
                prop_assert!(other.is_err(), "{}: {:?}", scheme.name(), other);
            }
            // The same request gets the same verdict, and order between names means nothing.
            headers.sort_by_key(|(name, _)| name.to_ascii_lowercase());
            prop_assert_eq!(verdict(&verifier, &headers, b"{}", now), first, "{}", scheme.name());
        }
    }

    #[test]
    fn no_secret_panics_and_what_one_side_accepts_the_other_understands(
        text in prop_oneof![
            ".{0,60}",
            "(whsec_|whsk_|whpk_)?[A-Za-z0-9+/]{0,88}={0,2}",
            "[0-9a-fA-F]{0,130}",
            "[A-Za-z0-9+/]{1000,1100}",
        ],
    ) {
        let Ok(secret) = Secret::parse(&text) else { return Ok(()) };
        prop_assert_eq!(format!("{secret:?}"), "[REDACTED]");
        let secrets = [secret];
        for scheme in schemes() {
            let signer = Signer::for_scheme(&scheme, &secrets);
            let verifier = Verifier::for_scheme(&scheme, &secrets);
            // Whoever can sign can verify; a public key verifies only.
            prop_assert!(signer.is_err() || verifier.is_ok(), "{}", scheme.name());
            if let (Ok(signer), Ok(verifier)) = (signer, verifier) {
                let verifier = verifier.with_tolerance(Tolerance::Off);
                let headers = owned(signer.sign(&message("evt_1", NOW, b"{}")));
                prop_assert!(verdict(&verifier, &headers, b"{}", NOW).is_ok(), "{}", scheme.name());
            }
        }
        for profile in profiles() {
            let signer = Signer::for_profile(&profile, &secrets);
            let verifier = Verifier::for_profile(&profile, &secrets);
            if let (Ok(signer), Ok(verifier)) = (signer, verifier) {
                let verifier = verifier.with_tolerance(Tolerance::Off);
                let headers = owned(signer.sign(&message("evt_1", NOW, b"{}")));
                prop_assert!(verdict(&verifier, &headers, b"{}", NOW).is_ok(), "{}", profile.name);
            }
        }
    }
}

#[test]
fn headers_of_megabytes_and_by_the_thousand_are_refused_or_ignored() {
    for scheme in schemes() {
        let pair = &fixtures::pairs(&scheme)[0];
        let signer = Signer::for_scheme(&scheme, std::slice::from_ref(&pair.signing)).unwrap();
        let verifier = Verifier::for_scheme(&scheme, std::slice::from_ref(&pair.verifying)).unwrap();
        let verifier = verifier.with_tolerance(Tolerance::Off);
        let good = owned(signer.sign(&message("evt_1", NOW, b"{}")));
        for at in 0..good.len() {
            let mut headers = good.clone();
            headers[at].1.resize(10_000_000, b'1');
            assert_eq!(
                verdict(&verifier, &headers, b"{}", NOW),
                Err(ErrorKind::MalformedHeader),
                "{}",
                scheme.name()
            );
        }
        let mut headers = good.clone();
        headers.extend((0..5000).map(|n| (format!("{}{n}", good[0].0), vec![0xff; 100])));
        headers.push(("n".repeat(10_000_000), vec![0; 1]));
        headers.push((String::new(), Vec::new()));
        assert!(
            verdict(&verifier, &headers, b"{}", NOW).is_ok(),
            "{}",
            scheme.name()
        );
    }
}

#[test]
fn no_clock_and_no_timestamp_overflows() {
    let stamps = [
        i64::MAX.to_string(),
        i64::MIN.to_string(),
        u64::MAX.to_string(),
        i128::MAX.to_string(),
        "9".repeat(15),
        "9".repeat(16),
        "9".repeat(17),
        "9".repeat(4000),
        "0".repeat(16),
        "0".to_owned(),
    ];
    // A time in the body is no header, and has no digits to count.
    let in_header = |scheme: &Arc<Scheme>| {
        scheme.has_timestamp() && !fixtures::description(scheme.name()).contains("body_field")
    };
    for scheme in schemes().filter(in_header) {
        let pair = &fixtures::pairs(&scheme)[0];
        let signer = Signer::for_scheme(&scheme, std::slice::from_ref(&pair.signing)).unwrap();
        let verifier = Verifier::for_scheme(&scheme, std::slice::from_ref(&pair.verifying)).unwrap();
        let clocks = [i64::MIN, i64::MIN + 1, -1, 0, 1, NOW, i64::MAX - 1, i64::MAX];
        for timestamp in clocks {
            // What has no spelling as a timestamp may be signed, and is then refused.
            let headers = owned(signer.sign(&message("evt_1", timestamp, b"{}")));
            for now in clocks {
                for tolerance in [
                    Tolerance::SchemeDefault,
                    Tolerance::Seconds(u32::MAX),
                    Tolerance::Off,
                ] {
                    let verifier = verifier.clone().with_tolerance(tolerance);
                    let verdict = verdict(&verifier, &headers, b"{}", now);
                    if !(0..10_000_000_000_000).contains(&timestamp) {
                        assert_eq!(verdict, Err(ErrorKind::InvalidTimestamp), "{}", scheme.name());
                    }
                    if timestamp == NOW && now == NOW {
                        assert!(verdict.is_ok(), "{}", scheme.name());
                    }
                }
            }
        }
        let good = owned(signer.sign(&message("evt_1", NOW, b"{}")));
        for stamp in &stamps {
            for at in 0..good.len() {
                let mut headers = good.clone();
                let text = String::from_utf8(headers[at].1.clone()).unwrap();
                for written in [NOW.to_string() + "000", NOW.to_string()] {
                    if text.contains(&written) {
                        headers[at].1 = text.replacen(&written, stamp, 1).into_bytes();
                        break;
                    }
                }
                if headers != good {
                    assert!(
                        verdict(&verifier, &headers, b"{}", NOW).is_err(),
                        "{}: {stamp}",
                        scheme.name()
                    );
                }
            }
        }
    }
}

/// Whether a description is accepted; one that is must verify its own messages.
fn is_accepted(text: &str) -> Result<bool, TestCaseError> {
    let Ok(scheme) = Scheme::from_toml(text) else {
        return Ok(false);
    };
    let body = fixtures::body(text, NOW, b"{}");
    let mut forged = body.clone();
    forged.push(b'x');
    for (pair, live) in fixtures::pairs(&scheme)
        .iter()
        .flat_map(|pair| [(pair, 1), (pair, MAX_SECRETS)])
    {
        // However long a rotation goes on, the signatures fit into the header.
        let signer = Signer::for_scheme(&scheme, &vec![pair.signing.clone(); live]).unwrap();
        let verifier = Verifier::for_scheme(&scheme, std::slice::from_ref(&pair.verifying)).unwrap();
        let headers = owned(signer.sign(&message("evt_1", NOW, &body)));
        let verified = verdict(&verifier, &headers, &body, NOW);
        prop_assert!(
            verified.is_ok(),
            "{verified:?} for what {live} secrets signed: {:?}, by\n{text}",
            headers
                .iter()
                .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)))
                .collect::<Vec<_>>()
        );
        let forged = verdict(&verifier, &headers, &forged, NOW);
        prop_assert_eq!(forged, Err(ErrorKind::SignatureMismatch), "{}", text);
        for (name, value) in &headers {
            prop_assert!(HeaderName::parse(name).is_ok());
            let is_sendable = value.iter().all(|byte| (b' '..=b'~').contains(byte));
            prop_assert!(
                is_sendable,
                "HTTP cannot carry {name}: {}, of\n{text}",
                String::from_utf8_lossy(value)
            );
        }
    }
    Ok(true)
}

/// Where the time of a generated scheme stands.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Time {
    Nowhere,
    Header,
    Line,
    Body,
}

/// A description that hangs together as a whole, with parts that range from plausible to hostile.
fn any_description() -> impl Strategy<Value = String> {
    (any_content(), any_signature(), proptest::option::of(any::<u32>())).prop_map(
        |((time, content, adjacent_variables, id), (signature, algorithm, key), tolerance_seconds)| {
            let (mut signature, mut tags) = (signature, serde_json::json!(null));
            std::mem::swap(&mut tags, &mut signature["tags"]);
            let is_tagged = algorithm.is_none();
            if is_tagged {
                signature["tags"] = tags;
            }
            if time != Time::Line || !is_tagged {
                signature["timestamp_tag"].take();
            }
            let timestamp = match time {
                Time::Nowhere => None,
                Time::Header => Some(serde_json::json!({ "headers": ["X-Time", "X-Other-Time"] })),
                Time::Line => Some(serde_json::json!({ "unit": "milliseconds" })),
                Time::Body => Some(serde_json::json!({ "body_field": "sent at \"é\"" })),
            };
            let timestamp = timestamp.map(|mut timestamp| {
                timestamp["tolerance_seconds"] = serde_json::json!(tolerance_seconds);
                timestamp
            });
            let mut description = serde_json::json!({
                "name": "acme",
                "content": content,
                "adjacent_variables": adjacent_variables,
                "key": key,
                "algorithm": algorithm,
                "signature": signature,
                "timestamp": timestamp,
                "id": id.map(|name| serde_json::json!({ "headers": [name] })),
            });
            without_nulls(&mut description);
            toml::to_string(&description).unwrap()
        },
    )
}

/// A content template with everything in it that the rest of the description asks for.
fn any_content() -> impl Strategy<Value = (Time, String, bool, Option<String>)> {
    let literal = prop_oneof![
        4 => Just(".".to_owned()),
        1 => Just(String::new()),
        1 => "[-.:;,|/ 0a\u{e9}]{0,3}",
        1 => Just("{{}}".to_owned()),
    ];
    let time = proptest::sample::select(vec![Time::Nowhere, Time::Header, Time::Line, Time::Body]);
    let id = proptest::option::of(prop_oneof![3 => Just("X-Id".to_owned()), 1 => "X-(Id|Time|Signature)"]);
    let extras = proptest::sample::subsequence(vec!["{url}", "{method}"], 0..=2);
    (
        time,
        id,
        extras,
        any::<bool>(),
        any::<u64>(),
        proptest::collection::vec(literal, 7),
    )
        .prop_map(|(time, id, extras, adjacent_variables, order, literals)| {
            let mut variables = extras;
            variables.push("{body}");
            variables.extend(id.is_some().then_some("{id}"));
            variables.extend(matches!(time, Time::Header | Time::Line).then_some("{ts}"));
            let turn = usize::try_from(order % 7).unwrap() % variables.len();
            variables.rotate_left(turn);
            if order % 2 == 0 {
                variables.reverse();
            }
            let mut content = literals[0].clone();
            for (variable, literal) in variables.iter().zip(&literals[1..]) {
                content.push_str(variable);
                content.push_str(literal);
            }
            (time, content, adjacent_variables, id)
        })
}

/// A `[signature]` section with tags, the algorithm if it is to have none, and a key format.
fn any_signature() -> impl Strategy<Value = (serde_json::Value, Option<&'static str>, &'static str)> {
    let separator = || {
        prop_oneof![
            4 => proptest::sample::select(vec![",", ";", "=", " ", ":"]).prop_map(str::to_owned),
            1 => "[!-/:-@]",
        ]
    };
    let item_separator = (separator(), proptest::sample::select(vec![0, 1, 300]))
        .prop_map(|(text, spaces)| text + &" ".repeat(spaces));
    let tag = || {
        prop_oneof![
            4 => "[a-z][0-9a-z]{1,3}",
            1 => "[ -~]{1,4}",
            1 => ".{1,3}",
            1 => Just("a".repeat(5000)),
        ]
    };
    let algorithm = || proptest::sample::select(vec!["hmac-sha256", "hmac-sha1", "hmac-sha512", "ed25519"]);
    let tags = proptest::collection::vec((tag(), algorithm()), 1..3);
    let headers = prop_oneof![
        3 => Just(vec!["X-Signature".to_owned()]),
        1 => proptest::collection::vec("[Xx]-([Ss]ignature|Time|Other)", 1..4),
    ];
    let key = proptest::sample::select(vec!["utf8", "base64", "hex", "standard-webhooks"]);
    (
        (headers, any::<bool>(), proptest::option::of(item_separator)),
        (separator(), tags, tag()),
        proptest::option::of(algorithm()),
        key,
    )
        .prop_map(
            |((headers, is_hex, item_separator), (tag_separator, tags, timestamp_tag), algorithm, key)| {
                let tags: Vec<_> = tags
                    .iter()
                    .map(|(tag, algorithm)| serde_json::json!({ "tag": tag, "algorithm": algorithm }))
                    .collect();
                let signature = serde_json::json!({
                    "headers": headers,
                    "encoding": if is_hex { "hex" } else { "base64" },
                    "item_separator": item_separator,
                    "tag_separator": algorithm.is_none().then_some(tag_separator),
                    "timestamp_tag": timestamp_tag,
                    "tags": tags,
                });
                (signature, algorithm, key)
            },
        )
}

/// TOML has no null; what is null is left out.
fn without_nulls(value: &mut serde_json::Value) {
    if let Some(object) = value.as_object_mut() {
        object.retain(|_, value| !value.is_null());
        object.values_mut().for_each(without_nulls);
    }
}

/// A built-in description with a few lines or tokens changed.
fn edited(text: &str, edits: &[(Index, u8, String)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (at, kind, token) in edits {
        if lines.is_empty() {
            break;
        }
        let at = at.index(lines.len());
        match kind % 5 {
            0 => drop(lines.remove(at)),
            1 => {
                let line = lines[at].clone();
                lines.push(line);
            }
            2 => lines[at].push_str(token),
            3 => {
                let quoted = lines[at].split('"').nth(1).unwrap_or_default().to_owned();
                if !quoted.is_empty() {
                    lines[at] = lines[at].replacen(&quoted, &token.replace(['"', '\\'], ""), 1);
                }
            }
            _ => lines.swap(at, 0),
        }
    }
    lines.join("\n")
}

fn any_edits() -> impl Strategy<Value = Vec<(Index, u8, String)>> {
    let token = prop_oneof![
        "[ -~]{0,12}",
        ".{0,6}",
        Just("standard-webhooks".to_owned()),
        Just("{id}".to_owned()),
        Just("99999999999999999999d".to_owned()),
        Just("18446744073709551615s".to_owned()),
        Just("0s".to_owned()),
    ];
    proptest::collection::vec((any::<Index>(), any::<u8>(), token), 1..5)
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn every_description_that_is_accepted_verifies_its_own_messages(text in any_description()) {
        is_accepted(&text)?;
    }

    #[test]
    fn no_edit_of_a_built_in_scheme_panics(
        name in proptest::sample::select(Scheme::builtin_names()),
        edits in any_edits(),
    ) {
        is_accepted(&edited(&fixtures::description(name), &edits))?;
    }
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn no_edit_of_a_built_in_profile_panics(
        name in proptest::sample::select(Profile::builtin_names()),
        edits in any_edits(),
    ) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("profiles/{name}.toml"));
        let text = std::fs::read_to_string(path).unwrap();
        // The catalogue is most of the text and says the same thing many times.
        let head = text.split("[[event]]").next().unwrap();
        let text = edited(head, &edits);
        let Ok(profile) = Profile::from_toml(&text) else { return Ok(()) };
        let event = EventFields { id: "evt_1", event_type: "user.created", occurred_at_ms: NOW * 1000, data: b"[1.0]", extras: &[] };
        let body = profile.render(&event);
        let headers = owned(profile.extra_headers(&event));
        let borrowed: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let request = Request { method: "POST", url: URL, headers: &borrowed, body: &body };
        let parsed = profile.parse_request(&request);
        prop_assert!(parsed.is_ok(), "{parsed:?} of\n{text}");
        let parsed = parsed.unwrap();
        prop_assert_eq!(parsed.data.get(), "[1.0]");
    }
}
