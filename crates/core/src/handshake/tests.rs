//! Every handshake with the platform's own sample, every near miss, and what strangers try.

use proptest::prelude::*;
use serde_json::Value;

use super::exchange::hmac_sha256_hex;
use super::*;
use crate::header::is_sendable_value;
use crate::scheme::Scheme;
use crate::signer::{Message, Signer};

const NOW: i64 = 1_705_314_600;
const NO_SETTINGS: Settings<'_> = Settings {
    secrets: &[],
    verify_token: None,
    allowed_origins: &[],
};

fn secret(text: &str) -> Secret {
    Secret::parse(text).unwrap()
}

fn builtin(name: &str) -> Arc<Handshake> {
    Handshake::builtin(name).unwrap()
}

fn post<'a>(headers: &'a [(&'a str, &'a [u8])], body: &'a [u8]) -> Request<'a> {
    Request {
        method: "POST",
        url: "https://example.com/hook",
        headers,
        body,
    }
}

fn get(url: &str) -> Request<'_> {
    Request {
        method: "GET",
        url,
        headers: &[],
        body: b"",
    }
}

/// Asks with a valid signature by the scheme of the handshake's name.
fn ask_signed(name: &str, body: &[u8], secrets: &[Secret]) -> Outcome {
    let scheme = Scheme::builtin(name).unwrap();
    let signed = Signer::for_scheme(&scheme, secrets).unwrap().sign(&Message {
        id: "evt_1",
        event_type: "",
        timestamp: NOW,
        body,
        method: "POST",
        url: "https://example.com/hook",
    });
    let headers: Vec<_> = signed
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let verifier = Verifier::for_scheme(&scheme, secrets).unwrap();
    let settings = Settings {
        secrets,
        ..NO_SETTINGS
    };
    builtin(name)
        .answer(&post(&headers, body), &settings, &verifier, NOW)
        .unwrap()
}

fn answered(outcome: Outcome) -> Reply {
    match outcome {
        Outcome::Answer(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn refused(outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Refused(reply, refusal) => {
            assert_eq!(reply.status, refusal.status());
            assert!(reply.body.is_empty());
            assert_safe(&reply);
            refusal
        }
        other => panic!("{other:?}"),
    }
}

fn header<'a>(reply: &'a Reply, wanted: &str) -> Option<&'a str> {
    let mut values = reply.headers.iter().filter(|(name, _)| name.matches(wanted));
    let value = values.next().map(|(_, value)| value.as_str());
    assert!(values.next().is_none(), "{wanted} twice");
    value
}

/// What keeps a browser from running a reply, and a client from reading more headers than were meant.
fn assert_safe(reply: &Reply) {
    let content_type = header(reply, "content-type").unwrap();
    assert!(["text/plain; charset=utf-8", "application/json"].contains(&content_type));
    assert_eq!(header(reply, "x-content-type-options"), Some("nosniff"));
    assert_eq!(header(reply, "cache-control"), Some("no-store"));
    for (name, value) in &reply.headers {
        assert!(is_sendable_value(value), "{name}: {value:?}");
    }
    assert!(
        !reply.body.iter().any(|byte| b"<>&'\r\n\0".contains(byte)),
        "{reply:?}"
    );
}

#[test]
fn zoom_gets_the_token_and_its_mac() {
    // The request is the sample of Zoom's documentation; the MAC was computed with Python's hmac module.
    let body = br#"{"payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"},"event_ts":1654503849680,"event":"endpoint.url_validation"}"#;
    let reply = answered(ask_signed("zoom", body, &[secret("ZOOM-secret-token")]));
    assert_eq!(reply.status, 200);
    assert_eq!(header(&reply, "content-type"), Some("application/json"));
    assert_safe(&reply);
    let json: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "plainToken": "qgg8vlvZRS6UYooatFL8Aw",
            "encryptedToken": "0cecdd9e89cae20a2fc5f82d7ec14f9239a2f082caec014dc1c46187e63f93a2",
        })
    );
}

#[test]
fn zoom_gets_the_mac_by_the_secret_that_it_signed_with() {
    let body = br#"{"payload":{"plainToken":"a"},"event":"endpoint.url_validation"}"#;
    let (new, old) = (secret("the new secret token"), secret("ZOOM-secret-token"));
    let by_old = answered(ask_signed("zoom", body, std::slice::from_ref(&old)));
    // Zoom still signs with the old secret, which is the second of the receiver's.
    let scheme = Scheme::builtin("zoom").unwrap();
    let signed = Signer::for_scheme(&scheme, std::slice::from_ref(&old))
        .unwrap()
        .sign(&Message {
            id: "",
            event_type: "",
            timestamp: NOW,
            body,
            method: "POST",
            url: "",
        });
    let headers: Vec<_> = signed
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let secrets = [new, old];
    let settings = Settings {
        secrets: &secrets,
        ..NO_SETTINGS
    };
    let verifier = Verifier::for_scheme(&scheme, &secrets).unwrap();
    let outcome = builtin("zoom").answer(&post(&headers, body), &settings, &verifier, NOW);
    assert_eq!(answered(outcome.unwrap()).body, by_old.body);
}

#[test]
fn nobody_gets_a_mac_without_having_the_secret() {
    // The token is what a stranger would want signed: a delivery in Zoom's own format.
    let body = br#"{"payload":{"plainToken":"v0:1705314600:{}"},"event":"endpoint.url_validation"}"#;
    let secrets = [secret("ZOOM-secret-token")];
    let settings = Settings {
        secrets: &secrets,
        ..NO_SETTINGS
    };
    let handshake = builtin("zoom");
    assert_eq!(
        handshake.respond(&post(&[], body), &settings, None),
        Outcome::NeedsVerification
    );
    let verifier = Verifier::for_scheme(&Scheme::builtin("zoom").unwrap(), &secrets).unwrap();
    assert!(
        handshake
            .answer(&post(&[], body), &settings, &verifier, NOW)
            .is_err()
    );
    // Even Zoom itself does not get a MAC that is a signature of a delivery.
    assert_eq!(refused(ask_signed("zoom", body, &secrets)), Refusal::InvalidValue);
}

#[test]
fn a_verified_request_without_its_secret_is_our_mistake() {
    let body = br#"{"payload":{"plainToken":"a"},"event":"endpoint.url_validation"}"#;
    let secrets = [secret("ZOOM-secret-token")];
    let scheme = Scheme::builtin("x-webhook-signature").unwrap();
    let signed = Signer::for_scheme(&scheme, &secrets).unwrap().sign(&Message {
        id: "",
        event_type: "",
        timestamp: NOW,
        body,
        method: "POST",
        url: "",
    });
    let headers: Vec<_> = signed
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let request = post(&headers, body);
    let verified = Verifier::for_scheme(&scheme, &secrets)
        .unwrap()
        .verify(&request, NOW)
        .unwrap();
    let outcome = builtin("zoom").respond(&request, &NO_SETTINGS, Some(&verified));
    assert_eq!(refused(outcome), Refusal::NoSecret);
}

#[test]
fn slack_gets_its_challenge_back() {
    // The sample of Slack's documentation.
    let body = br#"{
        "token": "Jhj5dZrVaK7ZwHHjRyZWjbDl",
        "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P",
        "type": "url_verification"
    }"#;
    let reply = answered(ask_signed(
        "slack",
        body,
        &[secret("8f742231b10e8888abcd99yyyzzz85a5")],
    ));
    assert_eq!(reply.status, 200);
    assert_eq!(header(&reply, "content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(
        reply.body,
        b"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"
    );
    assert_safe(&reply);
    assert_eq!(
        builtin("slack").respond(&post(&[], body), &NO_SETTINGS, None),
        Outcome::NeedsVerification
    );
}

#[test]
fn dropbox_gets_its_challenge_back_without_a_signature() {
    let reply = answered(builtin("dropbox").respond(&get("/webhook?challenge=abc123"), &NO_SETTINGS, None));
    assert_eq!((reply.status, &*reply.body), (200, b"abc123".as_slice()));
    assert_safe(&reply);
}

#[test]
fn meta_gets_its_challenge_back_when_it_knows_the_token() {
    let url = "/webhooks?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=meaty%20hamm%C3%A9";
    let ask = |verify_token| {
        let settings = Settings {
            verify_token,
            ..NO_SETTINGS
        };
        builtin("meta").respond(&get(url), &settings, None)
    };
    let reply = answered(ask(Some("meaty hammé")));
    assert_eq!((reply.status, &*reply.body), (200, b"1158201444".as_slice()));
    assert_safe(&reply);
    for wrong in ["meatyhamster", "meaty hamm", "meaty hammé ", "MEATY HAMMÉ"] {
        assert_eq!(refused(ask(Some(wrong))), Refusal::WrongVerifyToken, "{wrong}");
    }
    assert_eq!(refused(ask(None)), Refusal::NoVerifyToken);
    assert_eq!(refused(ask(Some(""))), Refusal::NoVerifyToken);
}

#[test]
fn an_unset_verify_token_does_not_let_an_empty_one_in() {
    let url = "/?hub.mode=subscribe&hub.challenge=1&hub.verify_token=";
    for verify_token in [None, Some("")] {
        let settings = Settings {
            verify_token,
            ..NO_SETTINGS
        };
        assert_eq!(
            refused(builtin("meta").respond(&get(url), &settings, None)),
            Refusal::NoVerifyToken
        );
    }
}

#[test]
fn discord_pings_of_both_kinds_are_answered_and_events_are_not() {
    // The first key pair of RFC 8032, section 7.1.
    let secrets = [secret(
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\
         d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    )];
    let interaction =
        br#"{"application_id":"1","id":"2","token":"t","type":1,"user":{"id":"3"},"version":1}"#;
    let reply = answered(ask_signed("discord", interaction, &secrets));
    assert_eq!((reply.status, &*reply.body), (200, br#"{"type":1}"#.as_slice()));
    assert_safe(&reply);

    let event_ping = br#"{"version":1,"application_id":"1234560123453231555","type":0}"#;
    let reply = answered(ask_signed("discord", event_ping, &secrets));
    assert_eq!((reply.status, &*reply.body), (204, b"".as_slice()));
    assert_eq!(header(&reply, "content-type"), Some("application/json"));

    let event = br#"{"version":1,"application_id":"1","type":1,"event":{"type":"APPLICATION_AUTHORIZED"}}"#;
    let command = br#"{"type":2,"data":{"name":"x"}}"#;
    let text = br#"{"type":"1"}"#;
    for body in [event.as_slice(), command, text] {
        let outcome = builtin("discord").respond(&post(&[], body), &NO_SETTINGS, None);
        assert_eq!(outcome, Outcome::NotAHandshake);
    }
    // Discord sends wrong signatures on purpose, and looks for a 401.
    for body in [interaction.as_slice(), event_ping] {
        let outcome = builtin("discord").respond(&post(&[], body), &NO_SETTINGS, None);
        assert_eq!(outcome, Outcome::NeedsVerification);
    }
}

#[test]
fn cloud_events_senders_on_the_list_may_send() {
    let ask = |headers: &[(&str, &[u8])], allowed_origins: &[&str]| {
        let request = Request {
            method: "OPTIONS",
            url: "/hook",
            headers,
            body: b"",
        };
        let settings = Settings {
            allowed_origins,
            ..NO_SETTINGS
        };
        builtin("cloudevents").respond(&request, &settings, None)
    };
    let full: [(&str, &[u8]); 3] = [
        ("webhook-request-origin", b"eventemitter.example.com"),
        (
            "WebHook-Request-Callback",
            b"https://example.com/confirm?id=12345&key=secret",
        ),
        ("WebHook-Request-Rate", b"120"),
    ];
    for list in [["*"], ["EventEmitter.example.com"]] {
        let reply = answered(ask(&full, &list));
        assert_eq!(reply.status, 200);
        assert_eq!(
            header(&reply, "WebHook-Allowed-Origin"),
            Some("eventemitter.example.com")
        );
        assert_eq!(header(&reply, "WebHook-Allowed-Rate"), Some("120"));
        assert_eq!(header(&reply, "Allow"), Some("POST"));
        assert_safe(&reply);
    }
    let reply = answered(ask(&full[..1], &["*"]));
    assert_eq!(header(&reply, "WebHook-Allowed-Rate"), Some("*"));

    for list in [[].as_slice(), &["example.com"], &[""]] {
        let outcome = ask(&full, list);
        let Outcome::Refused(reply, refusal) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(refusal, Refusal::OriginNotAllowed);
        assert_eq!(header(&reply, "WebHook-Allowed-Origin"), None);
    }
    let two = [full[0], full[0]];
    assert_eq!(refused(ask(&two, &["*"])), Refusal::RepeatedValue);
    for origin in ["*", "a b", "a\r\nSet-Cookie: x", "<script>", "a,b"] {
        let headers = [("WebHook-Request-Origin", origin.as_bytes())];
        assert_eq!(refused(ask(&headers, &["*"])), Refusal::InvalidValue, "{origin}");
    }
    let rate = [full[0], ("WebHook-Request-Rate", b"-1".as_slice())];
    assert_eq!(refused(ask(&rate, &["*"])), Refusal::InvalidValue);
    assert_eq!(ask(&full[1..], &["*"]), Outcome::NotAHandshake);
}

#[test]
fn event_grid_gets_its_code_in_both_of_its_modes() {
    // After the sample of the Event Grid documentation.
    let body = br#"[{
        "id": "2d1781af-3a4c-4d7c-bd0c-e34b19da4e66",
        "topic": "/subscriptions/xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
        "subject": "",
        "data": {
            "validationCode": "512d38b6-c7b8-40c8-89fe-f46f9e9622b6",
            "validationUrl": "https://rp-eastus2.eventgrid.azure.net:553/eventsubscriptions/x/validate?id=1"
        },
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": "2022-10-28T04:23:35.1981776Z",
        "metadataVersion": "1",
        "dataVersion": "1"
    }]"#;
    let headers: [(&str, &[u8]); 1] = [("aeg-event-type", b"SubscriptionValidation")];
    let handshake = builtin("event-grid");
    let reply = answered(handshake.respond(&post(&headers, body), &NO_SETTINGS, None));
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.body,
        br#"{"validationResponse":"512d38b6-c7b8-40c8-89fe-f46f9e9622b6"}"#
    );
    assert_safe(&reply);
    let notification: [(&str, &[u8]); 1] = [("aeg-event-type", b"Notification")];
    assert_eq!(
        handshake.respond(&post(&notification, body), &NO_SETTINGS, None),
        Outcome::NotAHandshake
    );
    assert_eq!(
        handshake.respond(&post(&[], body), &NO_SETTINGS, None),
        Outcome::NotAHandshake
    );

    let headers: [(&str, &[u8]); 1] = [("WebHook-Request-Origin", b"eventgrid.azure.net")];
    let request = Request {
        method: "OPTIONS",
        ..post(&headers, b"")
    };
    let settings = Settings {
        allowed_origins: &["eventgrid.azure.net"],
        ..NO_SETTINGS
    };
    let reply = answered(handshake.respond(&request, &settings, None));
    assert_eq!(
        header(&reply, "WebHook-Allowed-Origin"),
        Some("eventgrid.azure.net")
    );
}

#[test]
fn deliveries_are_never_taken_for_handshakes() {
    let large = format!(
        r#"{{"type":"url_verification","challenge":"a","pad":"{}"}}"#,
        "x".repeat(MAX_BODY_BYTES)
    );
    for (name, body) in [
        (
            "slack",
            br#"{"type":"event_callback","challenge":"a"}"#.as_slice(),
        ),
        ("slack", br#"{"Type":"url_verification","challenge":"a"}"#),
        (
            "slack",
            br#"{"event":{"type":"url_verification"},"challenge":"a"}"#,
        ),
        ("slack", br#"{"type":["url_verification"]}"#),
        ("slack", br#"[{"type":"url_verification"}]"#),
        ("slack", b"type=url_verification&challenge=a"),
        ("slack", br#"{"type":"url_verification","challenge":"a"}}"#),
        ("slack", large.as_bytes()),
        ("slack", b""),
        ("slack", b"\xff\xfe"),
        (
            "zoom",
            br#"{"event":"meeting.started","payload":{"plainToken":"a"}}"#,
        ),
        (
            "zoom",
            br#"{"payload":{"event":"endpoint.url_validation","plainToken":"a"}}"#,
        ),
        ("dropbox", br#"{"challenge":"a"}"#),
        ("meta", br#"{"hub.mode":"subscribe","hub.challenge":"1"}"#),
    ] {
        let outcome = builtin(name).respond(&post(&[], body), &NO_SETTINGS, None);
        assert_eq!(
            outcome,
            Outcome::NotAHandshake,
            "{name} {}",
            String::from_utf8_lossy(body)
        );
    }
    for (name, url) in [
        ("dropbox", "/hook"),
        ("dropbox", "/challenge=a"),
        ("dropbox", "/hook?Challenge=a"),
        ("dropbox", "/hook#?challenge=a"),
        (
            "meta",
            "/hook?hub.mode=unsubscribe&hub.challenge=1&hub.verify_token=t",
        ),
        (
            "meta",
            "/hook?hub.mode=subscribe&hub.mode=subscribe&hub.challenge=1&hub.verify_token=t",
        ),
        ("meta", "/hook?hub.challenge=1&hub.verify_token=t"),
        ("slack", "/hook?challenge=a"),
    ] {
        let outcome = builtin(name).respond(&get(url), &NO_SETTINGS, None);
        assert_eq!(outcome, Outcome::NotAHandshake, "{name} {url}");
    }
    let wrong_method = Request {
        method: "PUT",
        ..get("/hook?challenge=a")
    };
    assert_eq!(
        builtin("dropbox").respond(&wrong_method, &NO_SETTINGS, None),
        Outcome::NotAHandshake
    );
}

#[test]
fn nothing_that_could_be_markup_or_a_second_header_is_echoed() {
    let dropbox = builtin("dropbox");
    let longest = "a".repeat(MAX_VALUE_BYTES);
    assert!(matches!(
        dropbox.respond(&get(&format!("/?challenge={longest}")), &NO_SETTINGS, None),
        Outcome::Answer(_)
    ));
    for hostile in [
        "<script>alert(1)</script>",
        "%3Cscript%3E",
        "%26lt%3B",
        "a%0d%0aSet-Cookie:%20x=1",
        "a%00b",
        "a%22b",
        "a'b",
        "a%20b",
        "a+b",
        "%FF%FE",
        "%E2%80%AE",
        "%2",
        "%",
        &format!("{longest}a"),
    ] {
        let outcome = dropbox.respond(&get(&format!("/?challenge={hostile}")), &NO_SETTINGS, None);
        assert_eq!(refused(outcome), Refusal::InvalidValue, "{hostile}");
    }
    assert_eq!(
        refused(dropbox.respond(&get("/?challenge=a&challenge=b"), &NO_SETTINGS, None)),
        Refusal::RepeatedValue
    );
    assert_eq!(
        refused(dropbox.respond(&get("/?challenge"), &NO_SETTINGS, None)),
        Refusal::MissingValue
    );
    let secrets = [secret("8f742231b10e8888abcd99yyyzzz85a5")];
    for (body, refusal) in [
        (
            br#"{"type":"url_verification","challenge":"<b>"}"#.as_slice(),
            Refusal::InvalidValue,
        ),
        (
            br#"{"type":"url_verification","challenge":"\u0000"}"#,
            Refusal::InvalidValue,
        ),
        (
            br#"{"type":"url_verification","challenge":["a"]}"#,
            Refusal::InvalidValue,
        ),
        (
            br#"{"type":"url_verification","challenge":1}"#,
            Refusal::InvalidValue,
        ),
        (
            br#"{"type":"url_verification","challenge":""}"#,
            Refusal::MissingValue,
        ),
        (br#"{"type":"url_verification"}"#, Refusal::MissingValue),
    ] {
        assert_eq!(refused(ask_signed("slack", body, &secrets)), refusal);
    }
}

#[test]
fn an_adapter_finds_the_handshake_by_its_scheme() {
    for (scheme, handshake) in [
        ("zoom", "zoom"),
        ("slack", "slack"),
        ("dropbox", "dropbox"),
        ("meta", "meta"),
        ("discord", "discord"),
    ] {
        assert_eq!(Handshake::for_scheme(scheme).unwrap().name(), handshake);
    }
    assert!(Handshake::for_scheme("github").is_none());
    assert!(Handshake::builtin("no-such-handshake").is_none());
    assert!(Handshake::builtin_names().contains(&"event-grid"));
}

const ACME: &str = r#"
    name = "acme"
    [[exchange]]
    name = "challenge"
    signed = true
    [exchange.when]
    method = "POST"
    body = { kind = "challenge", "list.0.ok" = true }
    [exchange.values]
    word = { body = "word", max_bytes = 8 }
    proof = { hmac_sha256_hex = "word" }
    [exchange.reply]
    status = 201
    json = { word = "<{word}>", nested = [{ proof = "{proof}" }, 1, "{{}}"] }
    headers = { Acme-Word = "w={word}" }
"#;

#[test]
fn a_user_can_describe_a_platform_that_is_not_built_in() {
    let handshake = Handshake::from_toml(ACME).unwrap();
    assert_eq!((handshake.name(), handshake.title()), ("acme", "acme"));
    let body = br#"{"kind":"challenge","list":[{"ok":true}],"word":"hello"}"#;
    assert_eq!(
        handshake.respond(&post(&[], body), &NO_SETTINGS, None),
        Outcome::NeedsVerification
    );
    let too_long = br#"{"kind":"challenge","list":[{"ok":true}],"word":"123456789"}"#;
    let secrets = [secret("a secret of acme")];
    let settings = Settings {
        secrets: &secrets,
        ..NO_SETTINGS
    };
    let scheme = Scheme::builtin("x-webhook-signature").unwrap();
    let verifier = Verifier::for_scheme(&scheme, &secrets).unwrap();
    for (body, is_fine) in [(body.as_slice(), true), (too_long, false)] {
        let mac = hmac_sha256_hex(&secrets[0], str::from_utf8(body).unwrap()).unwrap();
        let headers = [("x-webhook-signature", mac.as_bytes())];
        let outcome = handshake
            .answer(&post(&headers, body), &settings, &verifier, NOW)
            .unwrap();
        if !is_fine {
            assert_eq!(refused(outcome), Refusal::InvalidValue);
            continue;
        }
        let reply = answered(outcome);
        assert_eq!(reply.status, 201);
        assert_eq!(header(&reply, "acme-word"), Some("w=hello"));
        let proof = hmac_sha256_hex(&secrets[0], "hello").unwrap();
        let json: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(
            json,
            serde_json::json!({ "word": "<hello>", "nested": [{ "proof": proof }, 1, "{}"] })
        );
    }
}

#[test]
fn json_descriptions_say_the_same_as_toml() {
    let json = r#"{
        "name": "acme",
        "exchange": [{
            "name": "challenge",
            "when": { "method": "GET", "query_present": ["c"] },
            "values": { "c": { "query": "c", "accepts": "digits" } },
            "reply": { "text": "{c}" }
        }]
    }"#;
    let handshake = Handshake::from_json(json).unwrap();
    let reply = answered(handshake.respond(&get("?c=42"), &NO_SETTINGS, None));
    assert_eq!(reply.body, b"42");
    assert_eq!(
        refused(handshake.respond(&get("?c=4a"), &NO_SETTINGS, None)),
        Refusal::InvalidValue
    );
    assert!(matches!(
        Handshake::from_json("{"),
        Err(HandshakeError::Syntax { .. })
    ));
}

#[test]
fn dangerous_and_contradictory_descriptions_are_refused_with_the_reason() {
    for (from, to, reason) in [
        ("signed = true", "", "anything signed"),
        ("method = \"POST\"", "method = \"post\"", "when.method"),
        (
            "method = \"POST\"",
            "method = \"POST\"\nheaders = { \"a b\" = \"c\" }",
            "not a header name",
        ),
        (
            "body = { kind = \"challenge\", \"list.0.ok\" = true }",
            "body_absent = [\"a\"]",
            "more than a method",
        ),
        ("\"list.0.ok\" = true", "\"list..ok\" = true", "path"),
        ("\"list.0.ok\" = true", "a = 1.5", "whole numbers"),
        ("\"list.0.ok\" = true", "a = [1]", "whole numbers"),
        ("\"list.0.ok\" = true", "\"a.b.c.d.e.f.g.h.i\" = true", "path"),
        ("max_bytes = 8", "max_bytes = 0", "max_bytes"),
        ("max_bytes = 8", "max_bytes = 1025", "max_bytes"),
        ("max_bytes = 8", "query = \"q\"", "exactly one"),
        ("max_bytes = 8", "default = \"a\\nb\"", "visible ASCII"),
        (
            "hmac_sha256_hex = \"word\"",
            "hmac_sha256_hex = \"proof\"",
            "read from the request",
        ),
        (
            "hmac_sha256_hex = \"word\"",
            "hmac_sha256_hex = \"word\", query = \"q\"",
            "no other key",
        ),
        ("status = 201", "status = 302", "200 to 299"),
        ("status = 201", "status = 204", "no body"),
        ("status = 201", "text = \"a\"", "not both"),
        (
            "status = 201",
            "content_type = \"application/json\"",
            "empty replies",
        ),
        ("status = 201", "content_type = \"text/html\"", "text/html"),
        ("\"<{word}>\"", "\"{word\"", "closed"),
        ("\"<{word}>\"", "\"}\"", "closed"),
        ("\"<{word}>\"", "\"{other}\"", "`values`"),
        ("Acme-Word =", "Set-Cookie =", "none that a handshake needs"),
        ("Acme-Word =", "content-type =", "set by every reply"),
        ("Acme-Word = \"w={word}\"", "Acme-Word = \"é\"", "visible ASCII"),
        (
            "Acme-Word = \"w={word}\"",
            "Acme-Word = \"a\", acme-word = \"b\"",
            "twice",
        ),
        (
            "word = { body = \"word\", max_bytes = 8 }",
            "word = { body = \"word\" }\nunused = { query = \"q\" }",
            "used by nothing",
        ),
        (
            "[exchange.reply]",
            "[exchange.guard]\nallowed_origin = \"nobody\"\n[exchange.reply]",
            "allowed_origin",
        ),
        (
            "[exchange.reply]",
            "[exchange.guard]\nverify_token = {}\n[exchange.reply]",
            "exactly one",
        ),
        ("signed = true", "signd = true", "signd"),
        ("name = \"acme\"", "name = \"\"", "empty"),
    ] {
        assert!(ACME.contains(from), "{from}");
        let error = Handshake::from_toml(&ACME.replacen(from, to, 1)).expect_err(to);
        assert!(error.to_string().contains(reason), "{to}: {error}");
    }
    let none = Handshake::from_toml("name = \"a\"\nexchange = []").unwrap_err();
    assert!(none.to_string().contains("1 to 16"), "{none}");
    let twice = format!("{ACME}{}", &ACME[ACME.find("[[exchange]]").unwrap()..]);
    let error = Handshake::from_toml(&twice).unwrap_err();
    assert!(error.to_string().contains("same name"), "{error}");
}

proptest! {
    #[test]
    fn no_request_makes_a_handshake_panic_or_answer_unsafely(
        at in 0..Handshake::builtin_names().len(),
        method in prop_oneof![Just("GET"), Just("POST"), Just("OPTIONS"), Just("")],
        url in "(/[a-z]{0,3})?(\\?(challenge=|hub\\.mode=subscribe&|hub\\.verify_token=t&|hub\\.challenge=)?.{0,40})?",
        origin in proptest::collection::vec(any::<u8>(), 0..20),
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..60),
            "\\{\"type\":(0|1|\"url_verification\"),\"challenge\":\"?[ -~]{0,10}\"?\\}".prop_map(String::into_bytes),
            "\\{\"event\":\"endpoint.url_validation\",\"payload\":\\{\"plainToken\":\"[ -~]{0,10}\"\\}\\}"
                .prop_map(String::into_bytes),
        ],
    ) {
        let handshake = builtin(Handshake::builtin_names()[at]);
        let headers = [("WebHook-Request-Origin", origin.as_slice()), ("aeg-event-type", b"SubscriptionValidation")];
        let request = Request { method, url: &url, headers: &headers, body: &body };
        let secrets = [secret("a secret for everything")];
        let settings = Settings { secrets: &secrets, verify_token: Some("t"), allowed_origins: &["*"] };
        let scheme = Scheme::builtin("x-webhook-signature").unwrap();
        let mac = hmac_sha256_hex(&secrets[0], "").unwrap();
        let signed = [("x-webhook-signature", mac.as_bytes())];
        let verified = Verifier::for_scheme(&scheme, &secrets).unwrap().verify(&post(&signed, b""), NOW).unwrap();
        for verified in [None, Some(&verified)] {
            match handshake.respond(&request, &settings, verified) {
                Outcome::Answer(reply) | Outcome::Refused(reply, _) => assert_safe(&reply),
                Outcome::NotAHandshake | Outcome::NeedsVerification => {}
            }
        }
    }

    #[test]
    fn no_description_makes_the_parser_panic(text in ".{0,200}", at in 0..ACME.len()) {
        let _ = Handshake::from_json(&text);
        let mut broken = ACME.to_owned();
        if broken.is_char_boundary(at) {
            broken.insert_str(at, &text);
            let _ = Handshake::from_toml(&broken);
        }
    }
}
