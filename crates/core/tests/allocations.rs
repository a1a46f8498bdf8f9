//! Verifying takes no memory from the heap.
//!
//! If one of these fails, a stranger who sends large or many headers makes a receiver allocate, or every request
//! pays for an allocation that it does not need.

#![expect(
    clippy::unwrap_used,
    reason = "the lint spares test functions and not their helpers"
)]

mod fixtures;

use std::sync::Arc;

use allocation_counter::{AllocationInfo, measure};
use hookwright_core::{
    Algorithm, HeaderName, MAX_HEADER_BYTES, MAX_SIGNATURE_ITEMS, Message, Profile, Request, Scheme, Secret,
    Signer, Tolerance, Verifier,
};

const NOW: i64 = 1_705_314_600;
const URL: &str = "https://example.com/hooks?x=1";
const BODY: &[u8] = b"a=1&b=%20&c=+&b=2&a=1";

/// A scheme, a verifier and a request that it accepts.
struct Situation {
    scheme: Arc<Scheme>,
    verifier: Verifier,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    now: i64,
}

impl Situation {
    fn of(name: &str) -> Self {
        let scheme = Scheme::builtin(name).unwrap();
        let pairs = fixtures::pairs(&scheme);
        let signer = Signer::for_scheme(&scheme, std::slice::from_ref(&pairs[1].signing)).unwrap();
        let body = fixtures::body(&fixtures::description(name), NOW, BODY);
        let secrets: Vec<Secret> = pairs.iter().take(2).map(|pair| pair.verifying.clone()).collect();
        Self {
            verifier: Verifier::for_scheme(&scheme, &secrets).unwrap(),
            headers: signed(&signer, &body),
            body,
            now: NOW,
            scheme,
        }
    }

    /// The verdict, and what it took from the heap, its result included.
    fn measured(&self) -> (&'static str, AllocationInfo) {
        let headers: Vec<(&str, &[u8])> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
            .collect();
        let request = Request {
            method: "POST",
            url: URL,
            headers: &headers,
            body: &self.body,
        };
        let mut code = "";
        let taken = measure(|| {
            code = match self.verifier.verify(&request, self.now) {
                Ok(_) => "ok",
                Err(error) => error.code(),
            };
        });
        (code, taken)
    }

    /// Changes the value of the headers that the scheme reads under one of its names of this position.
    fn with_value(mut self, at: usize, value: &[u8]) -> Self {
        self.headers[at].1 = value.to_vec();
        self
    }

    /// The position of the signature header among those that were signed: it is written last.
    fn signature(&self) -> usize {
        self.headers.len() - 1
    }
}

fn signed(signer: &Signer, body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let headers: Vec<(HeaderName, String)> = signer.sign(&Message {
        id: "evt_1",
        event_type: "a.b",
        timestamp: NOW,
        body,
        method: "POST",
        url: URL,
    });
    headers
        .into_iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.into_bytes()))
        .collect()
}

/// Whether the scheme signs the fields of a form, which have to be sorted somewhere.
fn signs_form(name: &str) -> bool {
    fixtures::description(name).contains("{form}")
}

/// Whether the scheme signs with key pairs, whose algorithms read the message twice and so need it in one piece.
fn uses_key_pairs(name: &str) -> bool {
    let scheme = Scheme::builtin(name).unwrap();
    let first = scheme.algorithms().next();
    matches!(first, Some(Algorithm::Ed25519 | Algorithm::EcdsaP256Sha256Der))
}

/// Whether the scheme has the time in the body, which has to be read for it.
fn reads_body(name: &str) -> bool {
    fixtures::description(name).contains("body_field")
}

/// The schemes that need no memory for any request: all but a few.
fn frugal() -> impl Iterator<Item = &'static str> {
    Scheme::builtin_names()
        .iter()
        .copied()
        .filter(|name| !signs_form(name) && !uses_key_pairs(name) && !reads_body(name))
}

#[test]
fn the_instrument_counts() {
    let taken = measure(|| drop(std::hint::black_box(vec![1_u8; 100])));
    assert_eq!((taken.count_total, taken.bytes_total), (1, 100));
}

#[test]
fn accepting_a_request_takes_nothing_from_the_heap() {
    for name in frugal() {
        let (code, taken) = Situation::of(name).measured();
        assert_eq!((code, taken.count_total), ("ok", 0), "{name}: {taken:?}");
    }
}

#[test]
fn accepting_a_request_of_a_profile_takes_nothing_from_the_heap() {
    for name in Profile::builtin_names() {
        let profile = Profile::builtin(name).unwrap();
        let pair = &fixtures::pairs(&profile.scheme)[0];
        let signer = Signer::for_profile(&profile, std::slice::from_ref(&pair.signing)).unwrap();
        let situation = Situation {
            scheme: profile.scheme.clone(),
            verifier: Verifier::for_profile(&profile, std::slice::from_ref(&pair.verifying)).unwrap(),
            headers: signed(&signer, BODY),
            body: BODY.to_vec(),
            now: NOW,
        };
        let (code, taken) = situation.measured();
        assert_eq!((code, taken.count_total), ("ok", 0), "{name}: {taken:?}");
    }
}

#[test]
fn refusing_a_request_takes_nothing_from_the_heap() {
    let mut codes = std::collections::BTreeSet::new();
    for name in frugal() {
        for (what, situation) in refusals(name) {
            let (code, taken) = situation.measured();
            assert_ne!(code, "ok", "{name}: {what}");
            assert_eq!(taken.count_total, 0, "{name}: {what}: {code}: {taken:?}");
            codes.insert(code);
        }
    }
    assert!(frugal().count() > 25);
    // Every way in which `verify` can say no has been measured.
    let all = [
        "duplicate_header",
        "invalid_id",
        "invalid_timestamp",
        "malformed_header",
        "malformed_signature",
        "missing_header",
        "no_supported_signature",
        "signature_mismatch",
        "timestamp_too_new",
        "timestamp_too_old",
    ];
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), all);
}

/// Requests that the scheme refuses, each for another reason.
fn refusals(name: &str) -> Vec<(String, Situation)> {
    let good = || Situation::of(name);
    let mut refusals = Vec::new();
    for at in 0..good().headers.len() {
        let mut missing = good();
        missing.headers.remove(at);
        refusals.push((format!("header {at} missing"), missing));
        let mut twice = good();
        twice.headers.push(twice.headers[at].clone());
        refusals.push((format!("header {at} twice"), twice));
        for value in [
            b"\xff\xfe".to_vec(),
            b"+1".to_vec(),
            b"a.b".to_vec(),
            vec![b'1'; MAX_HEADER_BYTES],
            vec![b'1'; MAX_HEADER_BYTES + 1],
            vec![b'1'; 1_000_000],
        ] {
            let what = format!("header {at} of {} bytes", value.len());
            refusals.push((what, good().with_value(at, &value)));
        }
    }
    let signature = good().signature();
    let line = good().headers[signature].1.clone();
    let separators = b",; ";
    for separator in separators {
        for items in [2, MAX_SIGNATURE_ITEMS + 1, MAX_HEADER_BYTES / 2] {
            let value = [b'x', *separator].repeat(items);
            refusals.push((format!("{items} items"), good().with_value(signature, &value)));
        }
    }
    // The tag of another version, where there is one, and a signature that is cut.
    let relabelled = String::from_utf8(line.clone()).unwrap();
    let relabelled = ["v1", "v0", "h1", "sha256", "sha1"]
        .iter()
        .fold(relabelled, |line, tag| {
            ["=", ","].iter().fold(line, |line, separator| {
                line.replace(&format!("{tag}{separator}"), &format!("v9{separator}"))
            })
        });
    if relabelled.as_bytes() != line {
        refusals.push((
            "another tag".into(),
            good().with_value(signature, relabelled.as_bytes()),
        ));
    }
    refusals.push((
        "cut".into(),
        good().with_value(signature, &line[..line.len() - 1]),
    ));
    let mut forged = good();
    forged.body.push(b'x');
    refusals.push(("another body".into(), forged));
    if good().scheme.has_timestamp() {
        for now in [i64::MIN, NOW - 1000, NOW + 1000, i64::MAX] {
            let mut situation = good();
            situation.verifier = situation.verifier.with_tolerance(Tolerance::Seconds(300));
            situation.now = now;
            refusals.push((format!("at {now}"), situation));
        }
    }
    refusals
}

#[test]
fn what_a_stranger_puts_into_headers_never_costs_memory() {
    for name in Scheme::builtin_names() {
        // What a request of this body takes in any case: nothing, or the sorted fields of a form.
        let (_, least) = Situation::of(name).measured();
        for (what, situation) in floods(name) {
            let (_, taken) = situation.measured();
            assert!(
                taken.count_total <= least.count_total && taken.bytes_total <= least.bytes_total,
                "{name}: {what}: {taken:?}, and {least:?} without"
            );
        }
    }
}

/// Requests with more header than any honest sender makes.
fn floods(name: &str) -> Vec<(String, Situation)> {
    let mut floods = Vec::new();
    let good = || Situation::of(name);
    let mut many = good();
    many.headers
        .extend((0..20_000).map(|n| (format!("x-noise-{n}"), vec![0xff; 10])));
    floods.push(("many headers".into(), many));
    let mut large = good();
    large.headers.push(("x-noise".into(), vec![b'v'; 10_000_000]));
    floods.push(("a large header".into(), large));
    let mut long = good();
    long.headers.push(("x".repeat(1_000_000), vec![b'v'; 10]));
    floods.push(("a long name".into(), long));
    for at in 0..good().headers.len() {
        let mut twice = good();
        let again = twice.headers[at].clone();
        twice.headers.extend(std::iter::repeat_n(again, 5000));
        floods.push((format!("header {at} five thousand times"), twice));
        for unit in [
            b"v1=00,".as_slice(),
            b"v1,AA== ",
            b"t=1,",
            b"\xff",
            b"1",
            b" ",
            b",",
            b"=",
        ] {
            for length in [100, MAX_HEADER_BYTES, 1_000_000] {
                let value = unit.repeat(length / unit.len());
                let what = format!(
                    "header {at} is {length} bytes of {:?}",
                    String::from_utf8_lossy(unit)
                );
                floods.push((what, good().with_value(at, &value)));
            }
        }
    }
    floods
}

#[test]
fn a_form_costs_memory_in_proportion_to_the_body_alone() {
    for name in Scheme::builtin_names().iter().filter(|name| signs_form(name)) {
        let mut situation = Situation::of(name);
        let pairs = "&=".repeat(50_000);
        for body in [vec![b'&'; 100_000], vec![b'a'; 100_000], pairs.into_bytes()] {
            situation.body = body;
            let (_, taken) = situation.measured();
            // Adapters bound bodies, and a field of one byte becomes two slices of a few words each.
            assert!(taken.bytes_max < 200 * 100_000, "{name}: {taken:?}");
            assert_eq!(taken.bytes_current, 0, "{name}: {taken:?}");
        }
    }
}

#[test]
fn a_key_pair_costs_one_copy_of_the_message() {
    for name in Scheme::builtin_names().iter().filter(|name| uses_key_pairs(name)) {
        for length in [0, 1000, 1_000_000] {
            let scheme = Scheme::builtin(name).unwrap();
            let pairs = fixtures::pairs(&scheme);
            let signer = Signer::for_scheme(&scheme, std::slice::from_ref(&pairs[1].signing)).unwrap();
            let secrets: Vec<Secret> = pairs.iter().map(|pair| pair.verifying.clone()).collect();
            let body = vec![b'x'; length];
            let situation = Situation {
                verifier: Verifier::for_scheme(&scheme, &secrets).unwrap(),
                headers: signed(&signer, &body),
                body,
                now: NOW,
                scheme,
            };
            let (code, taken) = situation.measured();
            assert_eq!(code, "ok", "{name}");
            // However many keys there are, they read the same copy.
            let is_one_copy = taken.bytes_total < 2 * u64::try_from(length).unwrap() + 1024;
            assert!(
                is_one_copy && taken.count_total <= 3,
                "{name}, {length} bytes: {taken:?}"
            );
            assert_eq!(taken.bytes_current, 0, "{name}: {taken:?}");
        }
    }
}
