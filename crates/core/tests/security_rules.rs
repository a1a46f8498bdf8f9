//! The rules that hold for every scheme, each with a test that fails where the rule is not kept.
//!
//! Most libraries in the field break some of these rules, and every broken rule is a forgery, a replay, a crash or a
//! leak waiting for its day. The requests here are signed by hand, with the plain algorithms: a rule that only held
//! because our own signer never breaks it would be no rule.

#![expect(
    clippy::unwrap_used,
    reason = "the lint spares test functions and not their helpers"
)]

mod fixtures;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, STANDARD_NO_PAD, URL_SAFE};
use hmac::{Hmac, KeyInit, Mac as _};
use hookwright_core::{
    MAX_HEADER_BYTES, MAX_ID_BYTES, MAX_SECRETS, MAX_SIGNATURE_ITEMS, Message, Profile, Request, Scheme,
    Secret, SecretError, Signer, Tolerance, Verifier,
};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

const NOW: i64 = 1_705_314_600;
const STAMP: &str = "1705314600";
const BODY: &[u8] = b"{\"type\":\"user.created\"}";
const URL: &str = "https://example.com/hooks";

/// The key inside [`SHARED`].
const KEY: &[u8] = b"01234567890123456789012345678901";
const SHARED: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const OTHER: &str = "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=";

// RFC 8032, section 7.1, test 1.
const PRIVATE: &str =
    "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==";
const PUBLIC: &str = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

type Header<'a> = (&'a str, &'a [u8]);

fn scheme(name: &str) -> Arc<Scheme> {
    Scheme::builtin(name).unwrap()
}

fn secrets(texts: &[&str]) -> Vec<Secret> {
    texts.iter().map(|text| Secret::parse(text).unwrap()).collect()
}

fn verifier(name: &str, texts: &[&str]) -> Verifier {
    Verifier::for_scheme(&scheme(name), &secrets(texts)).unwrap()
}

/// `ok`, or the code of the refusal.
fn verdict(verifier: &Verifier, headers: &[Header<'_>], body: &[u8], now: i64) -> &'static str {
    let request = Request {
        method: "POST",
        url: URL,
        headers,
        body,
    };
    match verifier.verify(&request, now) {
        Ok(_) => "ok",
        Err(error) => error.code(),
    }
}

fn message(body: &[u8]) -> Message<'_> {
    Message {
        id: "msg_1",
        event_type: "user.created",
        timestamp: NOW,
        body,
        method: "POST",
        url: URL,
    }
}

/// A body that the scheme can sign, with the time in it if that is where the scheme has it.
fn body_of(name: &str) -> Vec<u8> {
    fixtures::body(&fixtures::description(name), NOW, BODY)
}

/// What the scheme signs for a body, and a verifier that accepts it.
fn signed(name: &str, body: &[u8]) -> (Verifier, Vec<(String, Vec<u8>)>) {
    let scheme = scheme(name);
    let pair = &fixtures::pairs(&scheme)[0];
    let signer = Signer::for_scheme(&scheme, std::slice::from_ref(&pair.signing)).unwrap();
    let headers = signer.sign(&message(body));
    let headers = headers
        .into_iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.into_bytes()));
    let verifier = Verifier::for_scheme(&scheme, std::slice::from_ref(&pair.verifying)).unwrap();
    (verifier, headers.collect())
}

fn borrowed(headers: &[(String, Vec<u8>)]) -> Vec<Header<'_>> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_slice()))
        .collect()
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
    digits
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// A Standard Webhooks signature without any check of what is signed, as a careless sender makes it.
fn standard_tag(key: &[u8], id: &[u8], stamp: &[u8], body: &[u8]) -> Vec<u8> {
    hmac_sha256(key, &[id, b".", stamp, b".", body].concat())
}

fn standard<'a>(id: &'a [u8], stamp: &'a [u8], signature: &'a str) -> [Header<'a>; 3] {
    [
        ("webhook-id", id),
        ("webhook-timestamp", stamp),
        ("webhook-signature", signature.as_bytes()),
    ]
}

fn v1(tag: &[u8]) -> String {
    format!("v1,{}", BASE64.encode(tag))
}

/// A Stripe header made by hand.
fn stripe(stamp: &str, body: &[u8]) -> String {
    let tag = hmac_sha256(SHARED.as_bytes(), &[stamp.as_bytes(), b".", body].concat());
    format!("t={stamp},v1={}", hex(&tag))
}

// 1. Inputs: the body is bytes, header names have no case, what must be unique is unique.

#[test]
fn rule_1_the_body_is_bytes_and_never_text() {
    for name in Scheme::builtin_names() {
        for body in [
            b"\xff\xfe\x00\xc3".as_slice(),
            b"\xef\xbb\xbf{}",
            b"{}\r\n",
            b" {} ",
            b"",
        ] {
            let (verifier, headers) = signed(name, body);
            // A time that stands in the body would be missed in these.
            let verifier = verifier.with_tolerance(Tolerance::Off);
            assert_eq!(verdict(&verifier, &borrowed(&headers), body, NOW), "ok", "{name}");
            // What a detour through text makes of it is another body.
            let text = String::from_utf8_lossy(body);
            let detour = text.trim_start_matches('\u{feff}').trim();
            if detour.as_bytes() != body {
                assert_eq!(
                    verdict(&verifier, &borrowed(&headers), detour.as_bytes(), NOW),
                    "signature_mismatch",
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn rule_1_header_names_have_no_case() {
    for name in Scheme::builtin_names() {
        let body = body_of(name);
        let (verifier, headers) = signed(name, &body);
        for recase in [str::to_ascii_uppercase, str::to_ascii_lowercase] {
            let headers: Vec<_> = headers
                .iter()
                .map(|(name, value)| (recase(name), value.clone()))
                .collect();
            assert_eq!(
                verdict(&verifier, &borrowed(&headers), &body, NOW),
                "ok",
                "{name}"
            );
        }
    }
}

#[test]
fn rule_1_a_header_that_comes_twice_is_refused_whatever_it_says() {
    for name in Scheme::builtin_names() {
        let (verifier, headers) = signed(name, BODY);
        for (header, value) in &headers {
            for second in [value.as_slice(), b"rubbish", b""] {
                let respelt = header.to_ascii_uppercase();
                let mut after = borrowed(&headers);
                after.push((&respelt, second));
                let mut before = borrowed(&headers);
                before.insert(0, (&respelt, second));
                for headers in [after, before] {
                    assert_eq!(
                        verdict(&verifier, &headers, BODY, NOW),
                        "duplicate_header",
                        "{name}: {header}"
                    );
                }
            }
        }
    }
}

#[test]
fn rule_1_two_names_for_one_header_must_say_the_same() {
    for name in Scheme::builtin_names() {
        let (verifier, headers) = signed(name, BODY);
        let written: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        for alias in scheme(name)
            .headers()
            .filter(|header| !written.iter().any(|w| header.matches(w)))
        {
            for position in [0, headers.len()] {
                let mut more = borrowed(&headers);
                more.insert(position, (alias.as_str(), b"another value"));
                assert_eq!(
                    verdict(&verifier, &more, BODY, NOW),
                    "duplicate_header",
                    "{name}: {alias}"
                );
            }
        }
    }
}

// 2. Bounds before work.

#[test]
fn rule_2_headers_have_a_longest_length() {
    let verifier = verifier("stripe", &[SHARED]);
    let line = stripe(STAMP, BODY);
    for (length, expected) in [
        (MAX_HEADER_BYTES, "ok"),
        (MAX_HEADER_BYTES + 1, "malformed_header"),
        (10_000_000, "malformed_header"),
    ] {
        let padding = "x".repeat(length - line.len() - 1);
        let line = format!("{line},{padding}");
        assert_eq!(line.len(), length);
        let headers = [("Stripe-Signature", line.as_bytes())];
        assert_eq!(verdict(&verifier, &headers, BODY, NOW), expected, "{length}");
    }
    // Not the signature header alone.
    for name in Scheme::builtin_names() {
        let (verifier, headers) = signed(name, BODY);
        let long = vec![b'1'; MAX_HEADER_BYTES + 1];
        for at in 0..headers.len() {
            let mut headers = borrowed(&headers);
            headers[at].1 = &long;
            assert_eq!(
                verdict(&verifier, &headers, BODY, NOW),
                "malformed_header",
                "{name}"
            );
        }
    }
}

#[test]
fn rule_2_a_header_has_a_largest_number_of_signatures() {
    let verifier = verifier("standard-webhooks", &[SHARED]);
    let good = v1(&standard_tag(KEY, b"msg_1", STAMP.as_bytes(), BODY));
    for (items, expected) in [
        (MAX_SIGNATURE_ITEMS, "ok"),
        (MAX_SIGNATURE_ITEMS + 1, "malformed_header"),
        (2000, "malformed_header"),
    ] {
        for filler in ["v1,AA==", "v9,x", "x"] {
            let line = [filler].repeat(items - 1).join(" ") + " " + &good;
            // A line that is too long by itself shows nothing about the number of items in it.
            if line.len() <= MAX_HEADER_BYTES {
                let headers = standard(b"msg_1", STAMP.as_bytes(), &line);
                assert_eq!(
                    verdict(&verifier, &headers, BODY, NOW),
                    expected,
                    "{items} {filler}"
                );
            }
        }
    }
}

// 3. Timestamps have one spelling, and the spelling is what is signed.

/// What lenient parsers read as a number, and as the same number as [`STAMP`] for the most part.
const LENIENT: [&str; 17] = [
    "+1705314600",
    "-1705314600",
    " 1705314600",
    "1705314600 ",
    "\t1705314600",
    "01705314600",
    "1705314600.0",
    "1705314600.9",
    "1_705_314_600",
    "1705314600abc",
    "1.7053146e9",
    "0x65a50428",
    "١٧٠٥٣١٤٦٠٠",
    "1705314600\0",
    "00",
    "12345678901234567",
    "9223372036854775808",
];

#[test]
fn rule_3_another_spelling_of_a_signed_timestamp_is_refused() {
    let verifier = verifier("standard-webhooks", &[SHARED]);
    let signature = v1(&standard_tag(KEY, b"msg_1", STAMP.as_bytes(), BODY));
    let check = |stamp: &str| {
        verdict(
            &verifier,
            &standard(b"msg_1", stamp.as_bytes(), &signature),
            BODY,
            NOW,
        )
    };
    assert_eq!(check(STAMP), "ok");
    for stamp in LENIENT {
        assert_eq!(check(stamp), "invalid_timestamp", "{stamp:?}");
    }
    assert_eq!(check(""), "missing_header");
}

#[test]
fn rule_3_a_lenient_spelling_is_refused_even_when_it_is_what_was_signed() {
    let off = |verifier: Verifier| verifier.with_tolerance(Tolerance::Off);
    let headers_apart = off(verifier("standard-webhooks", &[SHARED]));
    let in_line = off(verifier("stripe", &[SHARED]));
    for stamp in LENIENT {
        let signature = v1(&standard_tag(KEY, b"msg_1", stamp.as_bytes(), BODY));
        let headers = standard(b"msg_1", stamp.as_bytes(), &signature);
        assert_eq!(
            verdict(&headers_apart, &headers, BODY, NOW),
            "invalid_timestamp",
            "{stamp:?}"
        );
        // White space around an item of a list is not part of it.
        if stamp.trim_end() == stamp {
            let line = stripe(stamp, BODY);
            let headers = [("Stripe-Signature", line.as_bytes())];
            assert_eq!(
                verdict(&in_line, &headers, BODY, NOW),
                "invalid_timestamp",
                "{stamp:?}"
            );
        }
    }
    // The bounds of what is one.
    for stamp in ["0", "1", "9999999999999999"] {
        let signature = v1(&standard_tag(KEY, b"msg_1", stamp.as_bytes(), BODY));
        let headers = standard(b"msg_1", stamp.as_bytes(), &signature);
        assert_eq!(verdict(&headers_apart, &headers, BODY, NOW), "ok", "{stamp}");
    }
}

#[test]
fn rule_3_a_timestamp_beside_the_body_cannot_grow_a_sign_or_a_leading_zero() {
    // `{ts}{body}` and `{body}{ts}` leave no separator; digits that are digits are all that holds them apart.
    for name in Scheme::builtin_names() {
        if !scheme(name).has_timestamp() {
            continue;
        }
        let (verifier, headers) = signed(name, BODY);
        let verifier = verifier.with_tolerance(Tolerance::Off);
        for (at, (header, value)) in headers.iter().enumerate() {
            if value.iter().all(u8::is_ascii_digit) {
                for prefix in [b"0".as_slice(), b"+", b"-", b" ", b"."] {
                    let other = [prefix, value].concat();
                    let mut headers = borrowed(&headers);
                    headers[at].1 = &other;
                    assert_eq!(
                        verdict(&verifier, &headers, BODY, NOW),
                        "invalid_timestamp",
                        "{name}: {header}"
                    );
                }
            }
        }
    }
}

// 4. A message id cannot be read as more than an id.

#[test]
fn rule_4_signed_bytes_cannot_be_split_in_another_way() {
    let verifier = verifier("standard-webhooks", &[SHARED]).with_tolerance(Tolerance::Off);
    // The sender signs an innocent message whose body begins with a number and a full stop …
    let (id, stamp, body) = ("msg_1", STAMP, b"1705314999.the rest".as_slice());
    let signature = v1(&standard_tag(KEY, id.as_bytes(), stamp.as_bytes(), body));
    let headers = standard(id.as_bytes(), stamp.as_bytes(), &signature);
    assert_eq!(verdict(&verifier, &headers, body, NOW), "ok");
    // … and an attacker moves the borders: the same bytes, another id, another time, another body.
    let moved = format!("{id}.{stamp}");
    let headers = standard(moved.as_bytes(), b"1705314999", &signature);
    assert_eq!(verdict(&verifier, &headers, b"the rest", NOW), "invalid_id");
}

#[test]
fn rule_4_an_id_consists_of_harmless_characters() {
    for name in ["standard-webhooks", "svix"] {
        let verifier = verifier(name, &[SHARED]);
        let prefix = if name == "svix" { "svix" } else { "webhook" };
        let names = ["id", "timestamp", "signature"].map(|part| format!("{prefix}-{part}"));
        for byte in 0..=u8::MAX {
            let id = [b'a', byte, b'z'];
            let signature = v1(&standard_tag(KEY, &id, STAMP.as_bytes(), BODY));
            let headers: [Header<'_>; 3] = [
                (&names[0], &id),
                (&names[1], STAMP.as_bytes()),
                (&names[2], signature.as_bytes()),
            ];
            let harmless = byte.is_ascii_alphanumeric() || b"_:@/+=~-".contains(&byte);
            let expected = if harmless { "ok" } else { "invalid_id" };
            assert_eq!(
                verdict(&verifier, &headers, BODY, NOW),
                expected,
                "{name}: {byte:#04x}"
            );
        }
    }
}

#[test]
fn rule_4_an_id_has_a_longest_length() {
    let verifier = verifier("standard-webhooks", &[SHARED]);
    for (length, expected) in [
        (0, "missing_header"),
        (1, "ok"),
        (MAX_ID_BYTES, "ok"),
        (MAX_ID_BYTES + 1, "invalid_id"),
    ] {
        let id = vec![b'a'; length];
        let signature = v1(&standard_tag(KEY, &id, STAMP.as_bytes(), BODY));
        let headers = standard(&id, STAMP.as_bytes(), &signature);
        assert_eq!(verdict(&verifier, &headers, BODY, NOW), expected, "{length}");
    }
}

// 5. Signatures are decoded strictly, and one that cannot be decoded is skipped.

#[test]
fn rule_5_base64_has_one_spelling() {
    let verifier = verifier("standard-webhooks", &[SHARED]);
    // A tag whose encoding shows the differences between the alphabets: looked for among many messages.
    let (id, tag) = (0..)
        .map(|n| format!("msg_{n}"))
        .find_map(|id| {
            let tag = standard_tag(KEY, id.as_bytes(), STAMP.as_bytes(), BODY);
            let text = BASE64.encode(&tag);
            (text.contains('+') && text.contains('/')).then_some((id, tag))
        })
        .unwrap();
    let good = BASE64.encode(&tag);
    let check = |text: &str| {
        let line = format!("v1,{text}");
        verdict(
            &verifier,
            &standard(id.as_bytes(), STAMP.as_bytes(), &line),
            BODY,
            NOW,
        )
    };
    assert_eq!(check(&good), "ok");
    // Thirty-two bytes leave two bits of the last letter unused; only zeros there are canonical.
    let mut loose = good.clone().into_bytes();
    loose[42] += 1;
    for text in [
        String::from_utf8(loose).unwrap(),
        STANDARD_NO_PAD.encode(&tag),
        URL_SAFE.encode(&tag),
        format!("{good}="),
        format!("{good}AAAA"),
        format!("{good}!"),
        format!("{good}\u{a0}"),
        good[..40].to_owned(),
        format!("{}=", &good[..43]).replacen('=', "==", 1),
        BASE64.encode(&tag[..8]),
        BASE64.encode([&tag[..], b"\0"].concat()),
        hex(&tag),
        String::new(),
    ] {
        assert_eq!(check(&text), "malformed_signature", "{text:?}");
    }
}

#[test]
fn rule_5_hex_is_complete_and_nothing_follows_it() {
    let verifier = verifier("filedgr", &[SHARED]);
    let good = hex(&hmac_sha256(SHARED.as_bytes(), BODY));
    let check = |text: &str| verdict(&verifier, &[("X-Filedgr-Signature", text.as_bytes())], BODY, NOW);
    assert_eq!(check(&good), "ok");
    assert_eq!(check(&good.to_uppercase()), "ok");
    for text in [
        // Node stops at the first bad digit and compares what it has.
        format!("{good}zzzz"),
        format!("{good}00"),
        format!("{good}0"),
        format!("{good} "),
        format!(" {good}"),
        format!("0x{good}"),
        format!("sha256={good}"),
        good[..63].to_owned(),
        good[..62].to_owned(),
        good[..16].to_owned(),
        format!("{}zz", &good[..62]),
        // As many characters as there are digits, and twice the bytes.
        "é".repeat(64),
        "é".repeat(32),
        BASE64.encode(hmac_sha256(SHARED.as_bytes(), BODY)),
    ] {
        assert_eq!(check(&text), "malformed_signature", "{text:?}");
    }
    assert_eq!(check(""), "missing_header");
}

#[test]
fn rule_5_a_broken_signature_says_nothing_about_its_neighbour() {
    let verifier = verifier("standard-webhooks", &[SHARED]);
    let good = v1(&standard_tag(KEY, b"msg_1", STAMP.as_bytes(), BODY));
    let wrong = v1(&[7; 32]);
    let check = |line: &str| verdict(&verifier, &standard(b"msg_1", STAMP.as_bytes(), line), BODY, NOW);
    for broken in ["v1,AA==", "v1,!", "v1,", "v1", ",", "v1a,AA==", "v2,AAAA"] {
        assert_eq!(check(&format!("{broken} {good}")), "ok", "{broken}");
        assert_eq!(check(&format!("{good} {broken}")), "ok", "{broken}");
        assert_eq!(
            check(&format!("{broken} {wrong}")),
            "signature_mismatch",
            "{broken}"
        );
        assert_eq!(
            check(&format!("{wrong} {broken}")),
            "signature_mismatch",
            "{broken}"
        );
    }
    assert_eq!(check("v1,AA== v1,!"), "malformed_signature");
}

// 6. Every signature is compared with every key, in constant time.

#[test]
fn rule_6_a_match_counts_wherever_it_stands() {
    let texts: Vec<String> = (0..MAX_SECRETS)
        .map(|n| format!("whsec_{}", BASE64.encode([u8::try_from(n).unwrap(); 32])))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let verifier = verifier("standard-webhooks", &texts);
    for key in 0..MAX_SECRETS {
        let tag = standard_tag(
            &[u8::try_from(key).unwrap(); 32],
            b"msg_1",
            STAMP.as_bytes(),
            BODY,
        );
        for position in 0..MAX_SIGNATURE_ITEMS {
            let wrong = v1(&[0xaa; 32]);
            let mut items = vec![wrong.as_str(); MAX_SIGNATURE_ITEMS];
            let good = v1(&tag);
            items[position] = &good;
            let line = items.join(" ");
            let headers = standard(b"msg_1", STAMP.as_bytes(), &line);
            let request = Request {
                method: "POST",
                url: URL,
                headers: &headers,
                body: BODY,
            };
            assert_eq!(
                verifier.verify(&request, NOW).unwrap().secret_index,
                key,
                "item {position}"
            );
        }
    }
}

#[test]
fn rule_6_a_signature_that_differs_in_any_one_bit_is_another() {
    let verifier = verifier("filedgr", &[SHARED]);
    let tag = hmac_sha256(SHARED.as_bytes(), BODY);
    for bit in 0..tag.len() * 8 {
        let mut tag = tag.clone();
        tag[bit / 8] ^= 1 << (bit % 8);
        let text = hex(&tag);
        assert_eq!(
            verdict(&verifier, &[("x-filedgr-signature", text.as_bytes())], BODY, NOW),
            "signature_mismatch",
            "{bit}"
        );
    }
}

/// Time cannot be asserted in a test that runs on busy machines; how the comparison is written can.
#[test]
fn rule_6_tags_are_compared_in_constant_time_only() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let source = |file: &str| {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        text.split("#[cfg(test)]").next().unwrap().to_owned()
    };
    let (mac, verifier) = (source("mac.rs"), source("verifier.rs"));
    assert!(mac.contains(".ct_eq("), "tags are compared with subtle");
    // A type without equality cannot be compared in any other way by accident.
    let at = mac.find("struct Tag").expect("the type of a computed tag");
    let attributes = mac[..at].lines().rev().skip(1);
    let derives: String = attributes
        .take_while(|line| line.starts_with("#[") || line.starts_with("///"))
        .collect();
    assert!(!derives.contains("PartialEq"), "{derives}");
    assert!(!mac.contains("PartialEq for Tag"));
    // Hits are joined, and no hit ends the search.
    let at = verifier.find("fn compare").expect("the comparison");
    let compare = &verifier[at..at + verifier[at..].find("\n    }\n").unwrap()];
    for early_exit in ["return", "break", "?;"] {
        assert!(!compare.contains(early_exit), "{early_exit} in\n{compare}");
    }
}

// 7. The tag and the kind of key must agree.

#[test]
fn rule_7_a_public_key_never_authenticates_by_hmac() {
    let public = BASE64.decode(&PUBLIC[5..]).unwrap();
    // What a verifier that took any secret for a shared one would be keyed with.
    let keys = [PUBLIC.as_bytes(), &PUBLIC.as_bytes()[5..], &public];
    for name in Scheme::builtin_names() {
        let Ok(verifier) = Verifier::for_scheme(&scheme(name), &secrets(&[PUBLIC])) else {
            continue;
        };
        assert!(
            matches!(*name, "standard-webhooks" | "svix"),
            "{name} takes a public key"
        );
        for key in keys {
            let tag = standard_tag(key, b"msg_1", STAMP.as_bytes(), BODY);
            let text = BASE64.encode(&tag);
            let doubled = BASE64.encode([tag.as_slice(), &tag].concat());
            for line in [
                format!("v1,{text}"),
                format!("v1a,{text}"),
                format!("v1a,{doubled}"),
                format!("v1,{text} v1a,{doubled}"),
            ] {
                let prefix = if *name == "svix" { "svix" } else { "webhook" };
                let names = ["id", "timestamp", "signature"].map(|part| format!("{prefix}-{part}"));
                let headers: [Header<'_>; 3] = [
                    (&names[0], b"msg_1"),
                    (&names[1], STAMP.as_bytes()),
                    (&names[2], line.as_bytes()),
                ];
                let code = verdict(&verifier, &headers, BODY, NOW);
                assert!(
                    [
                        "signature_mismatch",
                        "no_supported_signature",
                        "malformed_signature"
                    ]
                    .contains(&code),
                    "{name}: {line}: {code}"
                );
            }
        }
    }
}

#[test]
fn rule_7_a_public_key_verifies_what_its_private_key_signs() {
    for name in ["standard-webhooks", "svix"] {
        let scheme = scheme(name);
        let signer = Signer::for_scheme(&scheme, &secrets(&[PRIVATE])).unwrap();
        let headers = signer.sign(&message(BODY));
        let headers: Vec<Header<'_>> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        assert!(headers[2].1.starts_with(b"v1a,"));
        let public = verifier(name, &[PUBLIC]);
        assert_eq!(verdict(&public, &headers, BODY, NOW), "ok");
        assert_eq!(verdict(&public, &headers, b"{}", NOW), "signature_mismatch");
        // The same signature under the other tag claims an algorithm that it was not made with.
        let relabelled = String::from_utf8(headers[2].1.to_vec())
            .unwrap()
            .replacen("v1a,", "v1,", 1);
        // Nor does company of the right version lend it one.
        let wrong = format!("v1a,{}", BASE64.encode([7; 64]));
        for line in [
            format!("{relabelled} {wrong}"),
            format!("{wrong} {relabelled}"),
            relabelled,
        ] {
            let mut claimed = headers.clone();
            claimed[2].1 = line.as_bytes();
            assert_ne!(verdict(&public, &claimed, BODY, NOW), "ok", "{line}");
        }
        // A shared secret cannot read it, in whatever company.
        assert_eq!(
            verdict(&verifier(name, &[SHARED]), &headers, BODY, NOW),
            "no_supported_signature"
        );
        let both = verifier(name, &[SHARED, PUBLIC]);
        assert_eq!(verdict(&both, &headers, BODY, NOW), "ok");
        let stranger = Signer::for_scheme(&scheme, &secrets(&[OTHER]))
            .unwrap()
            .sign(&message(BODY));
        let stranger: Vec<Header<'_>> = stranger
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        assert_eq!(verdict(&both, &stranger, BODY, NOW), "signature_mismatch");
    }
}

#[test]
fn rule_7_a_tag_does_not_lend_its_algorithm_to_another_key() {
    // An HMAC that is right, under the tag that promises Ed25519.
    let verifier = verifier("standard-webhooks", &[SHARED]);
    let tag = standard_tag(KEY, b"msg_1", STAMP.as_bytes(), BODY);
    for line in [
        format!("v1a,{}", BASE64.encode(&tag)),
        format!("v1a,{}", BASE64.encode([tag.as_slice(), &tag].concat())),
    ] {
        let headers = standard(b"msg_1", STAMP.as_bytes(), &line);
        assert_eq!(verdict(&verifier, &headers, BODY, NOW), "no_supported_signature");
        let wrong = v1(&[7; 32]);
        for escorted in [format!("{line} {wrong}"), format!("{wrong} {line}")] {
            let headers = standard(b"msg_1", STAMP.as_bytes(), &escorted);
            assert_eq!(verdict(&verifier, &headers, BODY, NOW), "signature_mismatch");
        }
    }
}

#[test]
fn rule_7_signatures_of_equal_length_do_not_change_places() {
    // HMAC-SHA-512 and Ed25519 both make 64 bytes; only the tag says which of the two keys a signature is for.
    let scheme = Scheme::from_toml(
        r#"
        name = "acme"
        content = "{body}"
        key = "standard-webhooks"
        [signature]
        headers = ["X-Signature"]
        encoding = "hex"
        item_separator = ","
        tag_separator = "="
        tags = [{ tag = "shared", algorithm = "hmac-sha512" }, { tag = "pair", algorithm = "ed25519" }]
        "#,
    )
    .unwrap();
    let signature = |text: &str| {
        let signer = Signer::for_scheme(&scheme, &secrets(&[text])).unwrap();
        let line = signer.sign(&message(BODY)).remove(0).1;
        line.split_once('=').unwrap().1.to_owned()
    };
    let (shared, pair) = (signature(SHARED), signature(PRIVATE));
    assert_eq!(shared.len(), pair.len());
    for held in [[SHARED, PUBLIC], [PUBLIC, SHARED]] {
        let verifier = Verifier::for_scheme(&scheme, &secrets(&held)).unwrap();
        let check = |line: &str| verdict(&verifier, &[("X-Signature", line.as_bytes())], BODY, NOW);
        let wrong = "0".repeat(128);
        assert_eq!(check(&format!("shared={shared},pair={wrong}")), "ok");
        assert_eq!(check(&format!("shared={wrong},pair={pair}")), "ok");
        for (one, other) in [(&pair, &wrong), (&wrong, &shared), (&pair, &shared)] {
            for line in [
                format!("shared={one},pair={other}"),
                format!("pair={other},shared={one}"),
            ] {
                assert_eq!(check(&line), "signature_mismatch", "{line}");
            }
        }
    }
}

#[test]
fn rule_7_half_a_key_pair_keys_no_scheme_of_shared_secrets() {
    for name in Scheme::builtin_names() {
        if matches!(*name, "standard-webhooks" | "svix") {
            continue;
        }
        for half in [PUBLIC, PRIVATE] {
            let scheme = scheme(name);
            let error = Verifier::for_scheme(&scheme, &secrets(&[half]))
                .map(drop)
                .unwrap_err();
            assert_eq!(error.code(), "invalid_secret", "{name}");
            let error = Signer::for_scheme(&scheme, &secrets(&[half]))
                .map(drop)
                .unwrap_err();
            assert_eq!(error.code(), "invalid_secret", "{name}");
        }
    }
}

#[test]
fn rule_7_a_public_key_does_not_sign() {
    for name in ["standard-webhooks", "svix"] {
        for texts in [&[PUBLIC][..], &[SHARED, PUBLIC]] {
            let error = Signer::for_scheme(&scheme(name), &secrets(texts))
                .map(drop)
                .unwrap_err();
            assert_eq!(error.code(), "invalid_secret", "{name}");
        }
    }
}

// 8. Weaker and unknown versions are ignored even when they would match.

#[test]
fn rule_8_an_unknown_version_proves_nothing() {
    let verifier = verifier("stripe", &[SHARED]);
    let good = stripe(STAMP, BODY);
    let check = |line: &str| verdict(&verifier, &[("Stripe-Signature", line.as_bytes())], BODY, NOW);
    assert_eq!(check(&good), "ok");
    for version in ["v0", "v2", "v1a", "V1", "v11", "sha256", ""] {
        let line = good.replacen("v1=", &format!("{version}="), 1);
        assert_eq!(check(&line), "no_supported_signature", "{version}");
        // Not as a second choice either.
        let line = format!("{line},v1={}", "0".repeat(64));
        assert_eq!(check(&line), "signature_mismatch", "{version}");
    }
}

#[test]
fn rule_8_a_weaker_hash_does_not_stand_in_for_a_stronger() {
    let verifier = verifier("github", &[SHARED]);
    let mut sha1 = Hmac::<Sha1>::new_from_slice(SHARED.as_bytes()).unwrap();
    sha1.update(BODY);
    let sha1 = format!("sha1={}", hex(&sha1.finalize().into_bytes()));
    let mut sha512 = Hmac::<Sha512>::new_from_slice(SHARED.as_bytes()).unwrap();
    sha512.update(BODY);
    let sha512 = format!("sha512={}", hex(&sha512.finalize().into_bytes()));
    let check = |headers: &[Header<'_>]| verdict(&verifier, headers, BODY, NOW);
    for line in [&sha1, &sha512] {
        assert_eq!(
            check(&[("X-Hub-Signature-256", line.as_bytes())]),
            "no_supported_signature"
        );
    }
    // The old header beside the new one counts for nothing, and alone for nothing as well.
    assert_eq!(check(&[("X-Hub-Signature", sha1.as_bytes())]), "missing_header");
    let wrong = format!("sha256={}", "0".repeat(64));
    assert_eq!(
        check(&[
            ("X-Hub-Signature", sha1.as_bytes()),
            ("X-Hub-Signature-256", wrong.as_bytes())
        ]),
        "signature_mismatch"
    );
}

// 9. Freshness is judged last, in both directions, and zero means zero.

#[test]
fn rule_9_only_an_authentic_message_is_called_old_or_new() {
    for name in Scheme::builtin_names() {
        if !scheme(name).has_timestamp() {
            continue;
        }
        let (verifier, headers) = signed(name, &body_of(name));
        let verifier = verifier.with_tolerance(Tolerance::Seconds(300));
        let headers = borrowed(&headers);
        let body = body_of(name);
        for (now, expected) in [
            (NOW, "ok"),
            (NOW + 300, "ok"),
            (NOW - 300, "ok"),
            (NOW + 301, "timestamp_too_old"),
            // Several libraries accept any future.
            (NOW - 301, "timestamp_too_new"),
            (i64::MAX, "timestamp_too_old"),
            (i64::MIN, "timestamp_too_new"),
        ] {
            assert_eq!(
                verdict(&verifier, &headers, &body, now),
                expected,
                "{name} at {now}"
            );
            assert_eq!(
                verdict(&verifier, &headers, b"forged", now),
                "signature_mismatch",
                "{name} at {now}"
            );
        }
        let zero = verifier.clone().with_tolerance(Tolerance::Seconds(0));
        assert_eq!(verdict(&zero, &headers, &body, NOW), "ok", "{name}");
        assert_eq!(
            verdict(&zero, &headers, &body, NOW + 1),
            "timestamp_too_old",
            "{name}"
        );
        assert_eq!(
            verdict(&zero, &headers, &body, NOW - 1),
            "timestamp_too_new",
            "{name}"
        );
        let off = verifier.with_tolerance(Tolerance::Off);
        for now in [i64::MIN, 0, i64::MAX] {
            assert_eq!(verdict(&off, &headers, &body, now), "ok", "{name}");
        }
    }
}

#[test]
fn rule_9_without_a_word_about_tolerance_both_directions_are_closed() {
    for name in [
        "standard-webhooks",
        "svix",
        "stripe",
        "slack",
        "paddle",
        "hubspot-v3",
    ] {
        let (verifier, headers) = signed(name, BODY);
        let headers = borrowed(&headers);
        assert_eq!(
            verdict(&verifier, &headers, BODY, NOW + 3600),
            "timestamp_too_old",
            "{name}"
        );
        assert_eq!(
            verdict(&verifier, &headers, BODY, NOW - 3600),
            "timestamp_too_new",
            "{name}"
        );
    }
}

// 10. Secrets: never empty, never printed, never left behind.

#[test]
fn rule_10_an_empty_key_is_refused_before_the_first_request() {
    assert_eq!(Secret::parse(""), Err(SecretError::Empty));
    for name in Scheme::builtin_names() {
        let scheme = scheme(name);
        for error in [
            Verifier::for_scheme(&scheme, &[]).map(drop).unwrap_err(),
            Signer::for_scheme(&scheme, &[]).map(drop).unwrap_err(),
        ] {
            assert_eq!(error.code(), "empty_secret", "{name}");
        }
    }
    for name in Profile::builtin_names() {
        let profile = Profile::builtin(name).unwrap();
        assert_eq!(
            Verifier::for_profile(&profile, &[]).map(drop).unwrap_err().code(),
            "empty_secret"
        );
    }
    // Text that is not empty, with a key that is: alone, and beside a good one.
    for texts in [&["whsec_"][..], &[SHARED, "whsec_"], &["whsec_", SHARED]] {
        let scheme = scheme("standard-webhooks");
        let error = Verifier::for_scheme(&scheme, &secrets(texts))
            .map(drop)
            .unwrap_err();
        assert_eq!(error.code(), "empty_secret");
        let error = Signer::for_scheme(&scheme, &secrets(texts))
            .map(drop)
            .unwrap_err();
        assert_eq!(error.code(), "empty_secret");
    }
}

#[test]
fn rule_10_short_keys_are_noticed() {
    for (text, is_short) in [
        ("fifteen bytes..", true),
        ("sixteen bytes...", false),
        // 15 and 16 bytes in base64: longer as text than as a key.
        ("whsec_AAAAAAAAAAAAAAAAAAAA", true),
        ("whsec_AAAAAAAAAAAAAAAAAAAAAA==", false),
    ] {
        assert_eq!(Secret::parse(text).unwrap().is_short(), is_short, "{text}");
    }
}

#[test]
fn rule_10_nothing_that_holds_a_secret_prints_it() {
    for name in Scheme::builtin_names() {
        let scheme = scheme(name);
        let pair = &fixtures::pairs(&scheme)[0];
        let signer = Signer::for_scheme(&scheme, std::slice::from_ref(&pair.signing)).unwrap();
        let verifier = Verifier::for_scheme(&scheme, std::slice::from_ref(&pair.verifying)).unwrap();
        let printed = format!(
            "{pair:?} {signer:?} {verifier:?} {signer:#?} {verifier:#?} {:?}",
            Some(&pair.signing)
        );
        assert!(printed.contains("[REDACTED]"));
        for secret in [&pair.signing, &pair.verifying] {
            // Neither the text nor a run of the key's bytes, in any of the usual spellings.
            let text = secret.expose();
            let body = text.split_once('_').map_or(text, |(_, body)| body);
            let decoded = BASE64.decode(body).unwrap_or_default();
            let mut forms = vec![
                body[..8].to_owned(),
                hex(&text.as_bytes()[..8]),
                list(&text.as_bytes()[..4]),
            ];
            if decoded.len() >= 8 {
                forms.extend([hex(&decoded[..8]), list(&decoded[..4])]);
            }
            for form in forms {
                assert!(!printed.contains(&form), "{name}: {form} in {printed}");
            }
        }
    }
}

/// The inside of a printed byte list.
fn list(bytes: &[u8]) -> String {
    let numbers: Vec<_> = bytes.iter().map(u8::to_string).collect();
    numbers.join(", ")
}

#[test]
fn rule_10_an_error_does_not_quote_the_secret() {
    for text in [
        "not base64, but secret!",
        "whsec_secret!secret!",
        "whpk_secretsecret",
        "whsk_secretsecret",
    ] {
        let secret = secrets(&[text]);
        for name in Scheme::builtin_names() {
            let scheme = scheme(name);
            for error in [
                Verifier::for_scheme(&scheme, &secret).map(drop).err(),
                Signer::for_scheme(&scheme, &secret).map(drop).err(),
            ]
            .into_iter()
            .flatten()
            {
                let printed = format!("{error} {error:?}");
                assert!(
                    !printed.contains("secretsecret") && !printed.contains("secret!"),
                    "{name}: {printed}"
                );
            }
        }
    }
}

/// Reads the memory of this process as a debugger would: a secret that is dropped must be gone from it.
#[cfg(target_os = "linux")]
#[test]
fn rule_10_a_dropped_secret_is_wiped_from_memory() {
    use std::os::unix::fs::FileExt as _;

    let memory = std::fs::File::open("/proc/self/mem").unwrap();
    let mut before = [0_u8; 512];
    let mut after = [0_u8; 512];
    let secret = Secret::parse(&"s3cr3t-of-many-bytes".repeat(25)).unwrap();
    let address = u64::try_from(secret.expose().as_ptr().addr()).unwrap();
    let length = secret.expose().len();
    memory.read_exact_at(&mut before[..length], address).unwrap();
    assert_eq!(&before[..length], secret.expose().as_bytes());
    drop(secret);
    memory.read_exact_at(&mut after[..length], address).unwrap();
    let left = before[..length]
        .windows(8)
        .filter(|window| after.windows(8).any(|other| other == *window))
        .count();
    assert_eq!(left, 0, "{}", String::from_utf8_lossy(&after[..length]));
}

// 11. Secrets rotate without an interruption.

#[test]
fn rule_11_a_receiver_accepts_the_current_and_the_previous_secret() {
    for name in Scheme::builtin_names() {
        let scheme = scheme(name);
        let (pairs, body) = (fixtures::pairs(&scheme), body_of(name));
        let [new, old] = [&pairs[0], &pairs[1]];
        let both = [new.verifying.clone(), old.verifying.clone()];
        let verifier = Verifier::for_scheme(&scheme, &both).unwrap();
        for (index, pair) in [new, old].into_iter().enumerate() {
            let signer = Signer::for_scheme(&scheme, std::slice::from_ref(&pair.signing)).unwrap();
            let headers = signer.sign(&message(&body));
            let headers: Vec<Header<'_>> = headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_bytes()))
                .collect();
            let request = Request {
                method: "POST",
                url: URL,
                headers: &headers,
                body: &body,
            };
            assert_eq!(
                verifier.verify(&request, NOW).unwrap().secret_index,
                index,
                "{name}"
            );
        }
    }
}

#[test]
fn rule_11_a_sender_signs_with_every_live_secret_where_the_header_has_room() {
    let mut with_room = Vec::new();
    for name in Scheme::builtin_names() {
        let scheme = scheme(name);
        let (pairs, body) = (fixtures::pairs(&scheme), body_of(name));
        let [new, old] = [&pairs[0], &pairs[1]];
        let live = [new.signing.clone(), old.signing.clone()];
        let headers = Signer::for_scheme(&scheme, &live).unwrap().sign(&message(&body));
        let headers: Vec<Header<'_>> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let accepts = |pair: &fixtures::Pair| {
            let verifier = Verifier::for_scheme(&scheme, std::slice::from_ref(&pair.verifying)).unwrap();
            verdict(&verifier, &headers, &body, NOW) == "ok"
        };
        assert!(accepts(new), "{name}");
        if accepts(old) {
            with_room.push(*name);
        }
    }
    // These platforms document several signatures in one header.
    for name in [
        "standard-webhooks",
        "svix",
        "stripe",
        "paddle",
        "pagerduty",
        "workos",
    ] {
        assert!(with_room.contains(&name), "{name}");
    }
}
