//! For every variant a request that is refused and explained by exactly that, and what must never be said.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;
use crate::header::Encoding;
use crate::signer::{Message, Signer};

const NOW: i64 = 1_705_314_600;
const URL: &str = "https://example.com/hooks/1?x=1";
const SECRET: &str = "a secret of some length";
/// A secret that every scheme takes: text for some, base64 behind a prefix for others.
const STANDARD_SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const BODY: &str = r#"{"b":"é/<","a":[1,{"c":null}]}"#;

/// A request that can be changed before it is explained.
#[derive(Clone)]
struct Sent {
    scheme: String,
    secret: String,
    method: String,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    now: i64,
}

impl Sent {
    /// A valid request.
    fn signed(scheme: &str, secret: &str, body: &str) -> Self {
        let secrets = [Secret::parse(secret).unwrap()];
        let signer = Signer::for_scheme(&Scheme::builtin(scheme).unwrap(), &secrets).unwrap();
        let headers = signer.sign(&Message {
            id: "evt_1",
            event_type: "a.b",
            timestamp: NOW,
            body: body.as_bytes(),
            method: "POST",
            url: URL,
        });
        Self {
            scheme: scheme.to_owned(),
            secret: secret.to_owned(),
            method: "POST".to_owned(),
            url: URL.to_owned(),
            headers: headers
                .into_iter()
                .map(|(name, value)| (name.as_str().to_owned(), value.into_bytes()))
                .collect(),
            body: body.as_bytes().to_vec(),
            now: NOW,
        }
    }

    fn github() -> Self {
        Self::signed("github", SECRET, BODY)
    }

    fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn with_secret(mut self, secret: &str) -> Self {
        self.secret = secret.to_owned();
        self
    }

    fn with_url(mut self, url: &str) -> Self {
        self.url = url.to_owned();
        self
    }

    /// As the receiver of another scheme takes it.
    fn read_as(mut self, scheme: &str) -> Self {
        self.scheme = scheme.to_owned();
        self
    }

    fn with_header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn renamed(mut self, from: &str, to: &str) -> Self {
        for (name, _) in &mut self.headers {
            if name.eq_ignore_ascii_case(from) {
                to.clone_into(name);
            }
        }
        self
    }

    fn header(&self, name: &str) -> String {
        let (_, value) = self
            .headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .unwrap();
        String::from_utf8(value.clone()).unwrap()
    }

    fn explained(&self) -> Explanation {
        let headers: Vec<(&str, &[u8])> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
            .collect();
        let request = Request {
            method: &self.method,
            url: &self.url,
            headers: &headers,
            body: &self.body,
        };
        let scheme = Scheme::builtin(&self.scheme).unwrap();
        explain(&scheme, &[&self.secret], &request, self.now)
    }

    /// Explains, and looks for everything that must not be in an explanation.
    fn codes(&self) -> Vec<String> {
        let explanation = self.explained();
        assert!(!explanation.is_valid(), "{explanation}");
        let shown = format!(
            "{explanation}\n{explanation:?}\n{}",
            serde_json::to_string(&explanation).unwrap()
        );
        let trimmed = self.secret.trim_matches(|c: char| c.is_whitespace() || c == '"');
        assert!(!shown.contains(trimmed), "{shown}");
        for (_, value) in &self.headers {
            let value = String::from_utf8_lossy(value);
            // Anything of the length of a signature, whatever surrounds it.
            for piece in value
                .split([' ', ',', ';', '='])
                .filter(|piece| piece.len() >= 20)
            {
                assert!(!shown.contains(piece), "{shown}");
            }
        }
        assert!(!shown.contains("é/<"), "{shown}");
        explanation.findings.iter().map(Finding::codes).collect()
    }
}

/// The bare MAC in hex that a scheme over the body alone makes.
fn mac(secret: &str, body: &str) -> String {
    Sent::signed("x-webhook-signature", secret, body).header("X-Webhook-Signature")
}

fn bytes(hex: &str) -> Vec<u8> {
    crate::header::decode_hex_secret(hex).unwrap()
}

#[test]
fn a_correct_request_is_valid_and_nothing_is_searched() {
    for name in Scheme::builtin_names() {
        let scheme = Scheme::builtin(name).unwrap();
        let secrets = [Secret::parse(STANDARD_SECRET).unwrap()];
        // A scheme with key pairs takes no shared secret.
        if Signer::for_scheme(&scheme, &secrets).is_err() {
            continue;
        }
        // Linear's timestamp is in the body.
        let body = format!("{{\"webhookTimestamp\":{NOW}000}}");
        let explanation = Sent::signed(name, STANDARD_SECRET, &body).explained();
        assert!(explanation.is_valid(), "{name}: {explanation}");
        assert_eq!(explanation.to_string(), "valid");
        assert_eq!(explanation.findings, []);
    }
}

#[test]
fn bodies_that_something_parsed_and_wrote_again_are_recognised() {
    let compact = r#"{"b":"é/<","a":[1,{"c":null}]}"#;
    let python = r#"{"b": "é/<", "a": [1, {"c": null}]}"#;
    let pretty = "{\n  \"b\": \"é/<\",\n  \"a\": [\n    1,\n    {\n      \"c\": null\n    }\n  ]\n}";
    for (signed, arrived, codes) in [
        (compact, python, "body_reserialized_compact"),
        (compact, pretty, "body_reserialized_compact"),
        (python, compact, "body_reserialized_python"),
        (python, pretty, "body_reserialized_python"),
        (pretty, compact, "body_reserialized_pretty"),
        (pretty, python, "body_reserialized_pretty"),
        (&pretty.replace("  ", "\t"), compact, "body_reserialized_pretty"),
        (&pretty.replace("  ", "    "), python, "body_reserialized_pretty"),
        (
            r#"{"b":"\u00e9/<","a":[1,{"c":null}]}"#,
            compact,
            "body_ascii_escaped",
        ),
        (
            r#"{"b":"é\/<","a":[1,{"c":null}]}"#,
            compact,
            "body_slash_escaped",
        ),
        (
            r#"{"b":"\u00e9\/<","a":[1,{"c":null}]}"#,
            compact,
            "body_ascii_escaped+body_slash_escaped",
        ),
        (
            r#"{"b":"é/\u003c","a":[1,{"c":null}]}"#,
            compact,
            "body_html_escaped",
        ),
        (
            r#"{"b":"\u00E9/\u003C","a":[1,{"c":null}]}"#,
            compact,
            "body_ascii_escaped+body_html_escaped",
        ),
        (
            r#"{"b":"\u00e9\/\u003C","a":[1,{"c":null}]}"#,
            compact,
            "body_ascii_escaped+body_slash_escaped+body_html_escaped",
        ),
        (
            compact,
            r#"{"b":"\u00e9\/<","a":[1,{"c":null}]}"#,
            "body_unescaped",
        ),
        (r#"{"a":[1,{"c":null}],"b":"é/<"}"#, compact, "body_keys_sorted"),
        (
            compact,
            r#"{"b": "\u00e9/<", "a": [1, {"c": null}]}"#,
            "body_reserialized_compact+body_unescaped",
        ),
        (
            r#"{"b": "\u00e9/<", "a": [1, {"c": null}]}"#,
            compact,
            "body_reserialized_python+body_ascii_escaped",
        ),
        (
            "{\"a\":[1,{\"c\":null}],\"b\":\"é/\\u003c\"}\n",
            compact,
            "body_html_escaped+body_keys_sorted+body_trailing_newline_missing",
        ),
    ] {
        let sent = Sent::signed("github", SECRET, signed).with_body(arrived);
        assert_eq!(sent.codes(), [codes], "{signed}");
    }
}

#[test]
fn bodies_that_something_handled_as_text_are_recognised() {
    let lines = "a=é/<\nb=2\n";
    for (signed, arrived, code) in [
        ("{}\n", "{}".as_bytes().to_vec(), "body_trailing_newline_missing"),
        ("x\r\n", b"x".to_vec(), "body_trailing_newline_missing"),
        ("{}", b"{}\n".to_vec(), "body_trailing_newline_added"),
        ("{}", b"{}\r\n".to_vec(), "body_trailing_newline_added"),
        (lines, lines.replace('\n', "\r\n").into_bytes(), "body_crlf_added"),
        (
            &lines.replace('\n', "\r\n"),
            lines.as_bytes().to_vec(),
            "body_crlf_lost",
        ),
        ("\u{feff}{}", b"{}".to_vec(), "body_bom_lost"),
        ("{}", "\u{feff}{}".as_bytes().to_vec(), "body_bom_added"),
        (BODY, serde_json::to_vec(BODY).unwrap(), "body_quoted"),
        (BODY, STANDARD.encode(BODY).into_bytes(), "body_base64"),
        (
            BODY,
            serde_json::to_vec(&serde_json::json!({ "type": "Buffer", "data": BODY.as_bytes() })).unwrap(),
            "body_buffer",
        ),
        (
            BODY,
            BODY.bytes().map(char::from).collect::<String>().into_bytes(),
            "body_latin1",
        ),
    ] {
        let sent = Sent::signed("github", SECRET, signed).with_body(arrived);
        assert_eq!(sent.codes(), [code], "{signed:?}");
    }
}

#[test]
fn secrets_that_were_pasted_or_read_wrongly_are_recognised() {
    let decoded = "01234567890123456789012345678901";
    let base64 = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    // 0xfb and 0xff make characters in which the two alphabets differ.
    let odd = [0xfb_u8, 0xff, 0xfe, 0x31].repeat(4);
    let padded = format!("whsec_{}", STANDARD.encode(&odd));
    let unpadded = format!("whsec_{}", URL_SAFE_NO_PAD.encode(&odd));
    let mut hex = String::new();
    Encoding::Hex.encode(decoded.as_bytes(), &mut hex);
    for (scheme, signed_with, configured, code) in [
        ("github", SECRET, &*format!("{SECRET}\n"), "secret_trimmed"),
        ("github", SECRET, &format!(" \"{SECRET}\""), "secret_trimmed"),
        (
            "github",
            SECRET,
            &format!("\u{feff}{SECRET}\u{200b}"),
            "secret_trimmed",
        ),
        ("github", decoded, base64, "secret_base64_decoded"),
        ("github", decoded, STANDARD_SECRET, "secret_base64_decoded"),
        ("github", decoded, &hex, "secret_hex_decoded"),
        ("github", base64, STANDARD_SECRET, "secret_prefix_removed"),
        ("stripe", STANDARD_SECRET, base64, "secret_prefix_missing"),
        (
            "standard-webhooks",
            STANDARD_SECRET,
            &format!("v1,{STANDARD_SECRET}"),
            "secret_prefix_removed",
        ),
        ("standard-webhooks", &padded, &unpadded, "secret_base64_repaired"),
        (
            "standard-webhooks",
            STANDARD_SECRET,
            &format!("{STANDARD_SECRET}\r\n"),
            "secret_trimmed",
        ),
    ] {
        let sent = Sent::signed(scheme, signed_with, BODY).with_secret(configured);
        assert_eq!(sent.codes(), [code], "{configured:?}");
    }
}

#[test]
fn a_secret_that_the_sender_does_not_decode_is_recognised() {
    // A sender that keys Standard Webhooks with the text of the secret, which the built-in scheme never does.
    let text = |key: &str| {
        let mac = mac(key, &format!("evt_1.{NOW}.{BODY}"));
        Sent::signed("standard-webhooks", STANDARD_SECRET, BODY).with_header(
            "webhook-signature",
            format!("v1,{}", STANDARD.encode(bytes(&mac))),
        )
    };
    assert_eq!(text(STANDARD_SECRET).codes(), ["secret_not_decoded"]);
    let bare = STANDARD_SECRET.strip_prefix("whsec_").unwrap();
    assert_eq!(text(bare).codes(), ["secret_not_decoded+secret_prefix_removed"]);
    let mac = mac("whsec_not base64", &format!("evt_1.{NOW}.{BODY}"));
    let sent = Sent::signed("standard-webhooks", STANDARD_SECRET, BODY)
        .with_secret("whsec_not base64")
        .with_header(
            "webhook-signature",
            format!("v1,{}", STANDARD.encode(bytes(&mac))),
        );
    assert_eq!(sent.explained().failure.unwrap().code, "invalid_secret");
    assert_eq!(sent.codes(), ["secret_not_decoded"]);
}

#[test]
fn signatures_with_key_pairs_are_explained_too_and_the_public_key_never_becomes_a_shared_one() {
    // The first key pair of RFC 8032, section 7.1.
    let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let pair = format!("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60{public}");
    let sent = Sent::signed("discord", &pair, BODY).with_secret(public);
    assert!(sent.explained().is_valid());
    assert_eq!(
        sent.clone().with_body(format!("{BODY}\n")).codes(),
        ["body_trailing_newline_added"]
    );
    assert_eq!(
        sent.clone().with_secret(&format!(" {public}")).codes(),
        ["secret_trimmed"]
    );
    // Everyone knows the public key and can make this signature.
    let forged = sent
        .with_header("X-Signature-Ed25519", mac(public, &format!("{NOW}{BODY}")))
        .with_header("X-Webhook-Signature", mac(public, BODY));
    assert_eq!(forged.codes(), [""; 0]);
}

#[test]
fn a_changed_body_and_a_wrong_secret_are_recognised_together() {
    let sent = Sent::github()
        .with_secret(&format!("{SECRET}\n"))
        .with_body(format!("{BODY}\n"));
    assert_eq!(sent.codes(), ["body_trailing_newline_added+secret_trimmed"]);
}

#[test]
fn signatures_in_another_form_are_recognised() {
    let hex = mac(SECRET, BODY);
    let base64 = STANDARD.encode(bytes(&hex));
    for (scheme, header, value, code) in [
        (
            "github",
            "X-Hub-Signature-256",
            format!("sha256={base64}"),
            "signature_encoding_base64",
        ),
        (
            "github",
            "X-Hub-Signature-256",
            hex.clone(),
            "signature_prefix_missing",
        ),
        (
            "github",
            "X-Hub-Signature-256",
            format!("v1={hex}"),
            "signature_tag",
        ),
        (
            "github",
            "X-Hub-Signature-256",
            format!("sha256:{hex}"),
            "signature_tag",
        ),
        (
            "github",
            "X-Hub-Signature-256",
            format!("\"sha256={hex}\""),
            "signature_whitespace",
        ),
        (
            "github",
            "X-Hub-Signature-256",
            format!(" sha256={hex}"),
            "signature_form",
        ),
        (
            "dropbox",
            "X-Dropbox-Signature",
            format!("sha256={hex}"),
            "signature_prefix_extra",
        ),
        (
            "dropbox",
            "X-Dropbox-Signature",
            base64.clone(),
            "signature_encoding_base64",
        ),
        (
            "dropbox",
            "X-Dropbox-Signature",
            URL_SAFE_NO_PAD.encode(bytes(&hex)),
            "signature_encoding_base64url",
        ),
        (
            "shopify",
            "X-Shopify-Hmac-SHA256",
            hex.to_ascii_uppercase(),
            "signature_encoding_hex",
        ),
        ("shopify", "X-Acme", base64, "header_name"),
    ] {
        let sent = Sent {
            headers: Vec::new(),
            ..Sent::github().read_as(scheme)
        };
        let sent = sent.with_header(header, value.clone());
        assert_eq!(sent.codes(), [code], "{value}");
    }
}

#[test]
fn algorithms_are_told_by_the_length_of_the_signature() {
    let sha1 = Sent::signed("github-sha1", SECRET, BODY).header("X-Hub-Signature");
    let sha1 = sha1.strip_prefix("sha1=").unwrap();
    let sent = Sent::github().with_header("X-Hub-Signature-256", format!("sha256={sha1}"));
    assert_eq!(sent.codes(), ["algorithm_hmac_sha1"]);
    let sha512 = Sent::signed("convoy-simple-sha512-hex", SECRET, BODY).header("X-Convoy-Signature");
    let sent = Sent::signed("dropbox", SECRET, BODY).with_header("X-Dropbox-Signature", sha512);
    assert_eq!(sent.codes(), ["algorithm_hmac_sha512"]);
    let sent = Sent::signed("intercom", SECRET, BODY)
        .with_header("X-Hub-Signature", format!("sha1={}", mac(SECRET, BODY)));
    assert_eq!(sent.codes(), ["algorithm_hmac_sha256"]);
}

#[test]
fn parts_of_the_proof_under_other_names_are_found_and_named() {
    let sent = Sent::github().renamed("X-Hub-Signature-256", "X-Forwarded-Signature");
    assert_eq!(sent.codes(), ["header_name"]);
    assert!(
        sent.explained().findings[0]
            .message
            .contains("`X-Forwarded-Signature`")
    );

    let sent = Sent::signed("slack", SECRET, BODY).renamed("X-Slack-Request-Timestamp", "X-Acme-Timestamp");
    assert_eq!(sent.codes(), ["header_name"]);
    assert!(
        sent.explained().findings[0]
            .message
            .contains("`X-Acme-Timestamp`")
    );

    let sent = Sent::signed("standard-webhooks", STANDARD_SECRET, BODY)
        .renamed("webhook-id", "acme-id")
        .renamed("webhook-timestamp", "acme-timestamp")
        .renamed("webhook-signature", "acme-signature");
    assert_eq!(sent.codes(), ["header_name"]);
}

#[test]
fn another_built_in_scheme_is_named() {
    let sent = Sent::signed("stripe", SECRET, BODY).read_as("paddle");
    assert_eq!(sent.codes(), ["other_scheme"]);
    assert!(sent.explained().findings[0].message.contains("`stripe`"));
}

#[test]
fn content_that_the_scheme_does_not_describe_is_recognised() {
    let form = |content: &str| {
        let hex = mac(SECRET, content);
        Sent::signed("slack", SECRET, BODY).with_header("X-Slack-Signature", format!("v0={hex}"))
    };
    assert_eq!(form(BODY).codes(), ["timestamp_not_signed"]);
    assert_eq!(form(&format!("{NOW}.{BODY}")).codes(), ["content_template"]);
    let sent = Sent::github()
        .with_header("X-Acme-Timestamp", NOW.to_string())
        .with_header(
            "X-Hub-Signature-256",
            format!("sha256={}", mac(SECRET, &format!("{NOW}.{BODY}"))),
        );
    assert_eq!(sent.codes(), ["header_name+content_template"]);
}

#[test]
fn urls_that_a_proxy_changed_are_recognised() {
    for (url, code) in [
        ("http://example.com/hooks/1?x=1", "url_scheme"),
        ("https://example.com:443/hooks/1?x=1", "url_port"),
        ("https://example.com/hooks/1/?x=1", "url_trailing_slash"),
        ("http://example.com:80/hooks/1?x=1", "url_scheme+url_port"),
    ] {
        let sent = Sent::signed("square", SECRET, BODY).with_url(url);
        assert_eq!(sent.codes(), [code], "{url}");
    }
    let bare = Sent::signed("square", SECRET, BODY);
    let value = |content: &str| STANDARD.encode(bytes(&mac(SECRET, content)));
    for (content, code) in [
        (format!("https://example.com/hooks/1{BODY}"), "url_query"),
        (format!("/hooks/1?x=1{BODY}"), "url_path_only"),
    ] {
        let sent = bare
            .clone()
            .with_header("x-square-hmacsha256-signature", value(&content));
        assert_eq!(sent.codes(), [code]);
    }
    let mut sent = Sent::signed("hubspot-v3", SECRET, BODY);
    sent.method = "PUT".to_owned();
    assert_eq!(sent.codes(), ["method"]);
}

#[test]
fn the_clock_and_the_unit_of_the_timestamp_are_told_apart() {
    let at = |now| Sent {
        now,
        ..Sent::signed("slack", SECRET, BODY)
    };
    assert_eq!(at(NOW + 301).codes(), ["clock_stale"]);
    assert!(at(NOW + 301).explained().to_string().contains("301 s old"));
    assert_eq!(at(NOW - 400).codes(), ["clock_early"]);
    let text = (NOW * 1000).to_string();
    let sent = Sent::signed("slack", SECRET, BODY)
        .with_header("X-Slack-Request-Timestamp", text.clone())
        .with_header(
            "X-Slack-Signature",
            format!("v0={}", mac(SECRET, &format!("v0:{text}:{BODY}"))),
        );
    assert_eq!(sent.codes(), ["timestamp_unit"]);
    // An old message with a changed body: both are said.
    let sent = at(NOW + 1000).with_body(format!("{BODY}\n"));
    assert_eq!(sent.codes(), ["body_trailing_newline_added+clock_stale"]);
}

#[test]
fn what_cannot_be_explained_is_described_without_being_shown() {
    let sent = Sent::github()
        .with_body("\u{feff}{\"b\":\"changed\u{fffd}\"}\r\n")
        .with_header("Content-Length", "5")
        .with_header("Content-Encoding", "gzip")
        .with_header("X-\u{1b}[2J", "x");
    assert_eq!(sent.codes(), [""; 0]);
    let explanation = sent.explained();
    assert!(!explanation.is_exhausted);
    let facts = &explanation.facts;
    assert_eq!(facts.body_bytes, sent.body.len());
    assert_eq!(
        facts.notes,
        [
            Note::NotJson,
            Note::Bom,
            Note::Crlf,
            Note::EndsWithNewline,
            Note::ReplacementCharacters,
            Note::ContentEncoding,
        ]
    );
    assert_eq!(
        Sent::github().with_body("").explained().facts.notes,
        [Note::Empty]
    );
    assert_eq!(
        Sent::github().with_body("[0]").explained().facts.notes,
        [Note::Json]
    );
    assert_eq!(facts.other_content_length, Some(5));
    assert_eq!(facts.headers_expected, ["X-Hub-Signature-256"]);
    assert!(facts.headers_seen.contains(&"X-Hub-Signature-256".to_owned()));
    let shown = explanation.to_string();
    assert!(shown.contains("signature_mismatch"), "{shown}");
    assert!(shown.contains("the secret is another one"), "{shown}");
    assert!(!shown.contains('\u{1b}') && !shown.contains("changed"), "{shown}");
}

#[test]
fn a_missing_secret_is_named_and_half_a_key_pair_never_becomes_a_shared_key() {
    let request = Sent::github();
    assert_eq!(
        request.clone().with_secret("").explained().failure.unwrap().code,
        "empty_secret"
    );
    // Someone who knows the public key signed with it.
    let public = "whpk_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let forged = Sent::signed("standard-webhooks", STANDARD_SECRET, BODY).with_secret(public);
    assert_eq!(forged.codes(), [""; 0]);
}

#[test]
fn the_secret_that_would_match_is_named_by_its_position() {
    let sent = Sent::github().with_body(format!("{BODY}\n"));
    let headers: Vec<(&str, &[u8])> = sent
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_slice()))
        .collect();
    let request = Request {
        method: "POST",
        url: URL,
        headers: &headers,
        body: &sent.body,
    };
    let scheme = Scheme::builtin("github").unwrap();
    let explanation = explain(&scheme, &["another secret entirely", SECRET], &request, NOW);
    assert_eq!(explanation.findings.len(), 1);
    assert_eq!(explanation.findings[0].secret_index, 1);
}

#[test]
fn a_profile_is_explained_by_the_scheme_that_the_request_is_signed_with() {
    let profile = Profile::builtin("filedgr").unwrap();
    for (scheme, body) in [
        ("filedgr", BODY.to_owned()),
        ("standard-webhooks", BODY.to_owned()),
        ("filedgr", format!("{BODY}\n")),
        ("standard-webhooks", format!("{BODY}\n")),
    ] {
        let sent = Sent::signed(scheme, STANDARD_SECRET, BODY);
        let headers: Vec<(&str, &[u8])> = sent
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
            .collect();
        let request = Request {
            method: "POST",
            url: URL,
            headers: &headers,
            body: body.as_bytes(),
        };
        let explanation = explain_profile(&profile, &[STANDARD_SECRET], &request, NOW);
        if body == BODY {
            assert!(explanation.is_valid());
        } else {
            assert_eq!(
                explanation.findings[0].codes(),
                "body_trailing_newline_added",
                "{scheme}"
            );
        }
        let explanation = explain_profile(&profile, &[STANDARD_SECRET], &request, NOW + 1000);
        if scheme == "standard-webhooks" && body == BODY {
            assert_eq!(explanation.findings[0].codes(), "clock_stale");
        }
    }
}

#[test]
fn work_is_bounded() {
    let mut sent = Sent::github().with_body(vec![b'x'; MAX_BODY_BYTES + 1]);
    let explanation = sent.explained();
    assert!(explanation.is_exhausted);
    assert_eq!((explanation.attempts, explanation.findings.len()), (1, 0));
    assert!(explanation.to_string().contains("larger than"));

    // A large body is still explained when one thing is wrong with it, and given up on otherwise.
    let large = format!("[{}1]", "{\"a\":\"é\"},".repeat(10_000));
    let python = large
        .replace(':', ": ")
        .replace(',', ", ")
        .replace('é', "\\u00e9");
    let changed = Sent::signed("github", SECRET, &large).with_body(python.clone());
    assert_eq!(changed.codes(), ["body_reserialized_compact+body_unescaped"]);
    let explanation = changed.with_secret("another secret").explained();
    assert!(explanation.is_exhausted && explanation.findings.is_empty());
    assert!(explanation.to_string().contains("more to try"));

    // As many signatures, timestamps, ids and secrets as there is room for, and none that matches.
    let noise = "11".repeat(32);
    sent.body = BODY.as_bytes().to_vec();
    sent.headers = (0..200)
        .map(|at| {
            (
                format!("X-{at}-Timestamp-Id"),
                format!("{noise},{noise} {noise}").into_bytes(),
            )
        })
        .collect();
    sent.headers
        .extend((0..20).map(|at| (format!("X-{at}-Timestamp"), b"1705314600".to_vec())));
    let headers: Vec<(&str, &[u8])> = sent
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_slice()))
        .collect();
    let request = Request {
        method: "POST",
        url: URL,
        headers: &headers,
        body: &sent.body,
    };
    let secrets: Vec<String> = (0..40).map(|at| format!("\"secret number {at}\"")).collect();
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    let scheme = Scheme::builtin("standard-webhooks").unwrap();
    let explanation = explain(&scheme, &secrets, &request, NOW);
    assert!(explanation.attempts <= MAX_ATTEMPTS + 1);
    assert_eq!(explanation.facts.headers_seen.len(), MAX_HEADERS_LISTED);
}

#[test]
fn codes_are_stable_and_distinct() {
    // A code that changes breaks whoever looks for it in a log.
    assert_eq!(Variant::BodyCompact.code(), "body_reserialized_compact");
    assert_eq!(Variant::SecretNotDecoded.to_string(), "secret_not_decoded");
    assert_eq!(
        serde_json::to_string(&Variant::HeaderName).unwrap(),
        "\"header_name\""
    );
    let mut codes: Vec<&str> = Variant::ALL.iter().map(|variant| variant.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), Variant::ALL.len());
}

#[test]
fn no_variant_is_without_a_request_that_it_explains() {
    let this_file = include_str!("tests.rs");
    for variant in Variant::ALL {
        assert!(this_file.contains(variant.code()), "{variant}");
        assert!(!variant.advice().is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_makes_an_explanation_panic(
        at in 0..Scheme::builtin_names().len(),
        secret in "[ -~]{0,20}|whsec_[A-Za-z0-9+/=]{0,20}",
        url in ".{0,20}|https?://[a-z:.\\[\\]]{0,8}[/?#]?.{0,5}",
        signature in "([a-z0-9]{0,6}[=, ;:]?){0,4}([0-9a-f]{64}|[A-Za-z0-9+/]{43}=)?",
        name in "[ -~é]{0,12}",
        value in proptest::collection::vec(any::<u8>(), 0..40),
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            "[\\[{]?\"[ -~]{0,9}\"(:1)?[\\]}]?".prop_map(String::into_bytes),
        ],
        now in any::<i64>(),
    ) {
        let scheme = Scheme::builtin(Scheme::builtin_names()[at]).unwrap();
        let mut headers: Vec<(&str, &[u8])> = scheme
            .headers()
            .map(|header| (header.as_str(), signature.as_bytes()))
            .collect();
        headers.push((&name, &value));
        headers.push(("X-Timestamp", b"1705314600"));
        let request = Request { method: "POST", url: &url, headers: &headers, body: &body };
        let explanation = explain(&scheme, &[&secret], &request, now);
        prop_assert!(explanation.attempts <= MAX_ATTEMPTS + 1);
        prop_assert!(!explanation.is_valid());
        prop_assert!(explanation.findings.is_empty());
        let shown = explanation.to_string();
        prop_assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    }
}
