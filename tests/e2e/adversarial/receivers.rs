//! Attacks on whoever receives webhooks: replays, requests that say two things at once, floods.

use std::{collections::HashSet, process::Stdio, time::Duration};

use bytes::Bytes;
use hookwright_core::{Profile, Request as SignedRequest, Secret, Verifier, receive};
use hookwright_proto::v1::{self, verify_request::Key};
use hookwright_store::{Clock, Timestamp};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::Command,
};
use tonic_types::StatusExt as _;

use crate::{
    command_line::binary,
    harness::{
        Client, Database, PATIENCE, Receiver, Request, config, on_both_stores, publish, register, start,
        start_with, webhook,
    },
};

const START: Timestamp = Timestamp::from_unix_micros(1_800_000_000_000_000);

fn request(webhook: &str, received: &Request) -> v1::VerifyRequest {
    v1::VerifyRequest {
        key: Some(Key::WebhookId(webhook.to_owned())),
        body: received.body.clone(),
        headers: received.wire_headers(),
        ..v1::VerifyRequest::default()
    }
}

async fn verify(client: &mut Client, webhook: &str, received: &Request) -> v1::VerifyResponse {
    client
        .verify(request(webhook, received))
        .await
        .unwrap()
        .into_inner()
}

/// What a receiver in Rust makes of it: the reason, or the id that it tells repetitions by.
fn locally(profile: &str, secret: &str, received: &Request, now: i64) -> Result<String, &'static str> {
    let profile = Profile::builtin(profile).unwrap();
    let verifier = Verifier::for_profile(&profile, &[Secret::parse(secret).unwrap()]).unwrap();
    let headers: Vec<(&str, &[u8])> = received
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let signed = SignedRequest {
        method: "POST",
        url: "",
        headers: &headers,
        body: &received.body,
    };
    match receive(&verifier, &profile, &signed, now) {
        Ok(received) => Ok(received.event_id().unwrap().to_owned()),
        Err(refusal) => Err(refusal.code()),
    }
}

/// The largest memory that a process has had, in KiB.
fn memory_peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Sends bytes and returns the status of the first answer.
async fn status_of(stream: &mut TcpStream, request: &[u8]) -> u16 {
    stream.write_all(request).await.unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    tokio::time::timeout(PATIENCE, reader.read_line(&mut line))
        .await
        .expect("no answer")
        .unwrap();
    let status = line
        .split(' ')
        .nth(1)
        .unwrap_or_else(|| panic!("{line:?}"))
        .parse()
        .unwrap();
    let mut length = 0;
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).await.unwrap();
        if let Some(text) = line.to_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await.unwrap();
    status
}

on_both_stores! {
    /// Whoever overhears a request could send it again: an order would be paid twice.
    async fn case_24_a_replayed_request_is_told_by_its_id_and_refused_by_its_age(database: &Database) {
        let clock = Clock::manual(START);
        let mut config = config(database.address());
        config.clock = clock.clone();
        config.node.lease = Duration::from_hours(1_000);
        let (server, mut client) = start_with(config).await;
        let mut receiver = Receiver::start().await;
        let (id, secret) = register(&mut client, webhook(receiver.url(), "standard-webhooks", &[])).await;
        let event = publish(&mut client, "order.paid", r#"{"total":4200}"#).await;
        let genuine = receiver.next().await;
        let now = clock.now().unix_seconds();

        // At once: the same id again, which a receiver that remembers it handles once.
        let mut handled = HashSet::new();
        for is_new in [true, false, false] {
            let answer = verify(&mut client, &id, &genuine).await;
            assert!(answer.valid && answer.event_id == event, "{answer:?}");
            let local = locally("standard-webhooks", &secret, &genuine, now).unwrap();
            assert_eq!(local, event, "both sides tell repetitions by the same id");
            assert_eq!(handled.insert(answer.event_id), is_new);
        }
        // Another id or another time is not what was signed.
        for (header, value) in [("webhook-id", "evt_other".to_owned()), ("webhook-timestamp", (now + 60).to_string())] {
            let mut changed = genuine.clone();
            changed.headers.insert(header, value.parse().unwrap());
            assert_eq!(verify(&mut client, &id, &changed).await.reason, "signature_mismatch", "{header}");
            assert_eq!(locally("standard-webhooks", &secret, &changed, now), Err("signature_mismatch"), "{header}");
        }
        // When the id may be forgotten, the signature is too old.
        for (seconds, reason) in [(300, ""), (1, "timestamp_too_old"), (86_400, "timestamp_too_old")] {
            clock.advance(Duration::from_secs(seconds));
            assert_eq!(verify(&mut client, &id, &genuine).await.reason, reason, "{seconds}");
            let local = locally("standard-webhooks", &secret, &genuine, clock.now().unix_seconds());
            assert_eq!(local.err().unwrap_or_default(), reason, "{seconds}");
        }
        assert_eq!(locally("standard-webhooks", &secret, &genuine, now - 301), Err("timestamp_too_new"));
        server.stop().await.unwrap();
    }

    /// A request could be made to say one thing to whoever verifies it and another thing to whoever reads it.
    async fn case_25_only_the_bytes_that_were_signed_are_valid_and_only_one_signature(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        for (profile, header) in [
            ("standard-webhooks", "webhook-signature"),
            ("digivault", "x-digivault-signature"),
            ("generic", "x-webhook-signature"),
        ] {
            let (id, secret) = register(&mut client, webhook(receiver.url(), profile, &[])).await;
            let payload = r#"{"name":"Bj\u00f6rn \u00e9","amount":1.0,"big":9007199254740993,"b":1,"a":2}"#;
            publish(&mut client, "order.paid", payload).await;
            let genuine = receiver.next().await;
            let now = Clock::system().now().unix_seconds();
            let request = v1::DeleteWebhookRequest { id: id.clone(), ..v1::DeleteWebhookRequest::default() };
            assert!(verify(&mut client, &id, &genuine).await.valid, "{profile}");
            assert!(locally(profile, &secret, &genuine, now).is_ok(), "{profile}");

            let mut attacks = Vec::new();
            // Parsed and written again: numbers, escapes and the order of keys change, what it means does not.
            let text = String::from_utf8(genuine.body.to_vec()).unwrap();
            for body in [
                serde_json::to_string(&genuine.json()).unwrap(),
                serde_json::to_string_pretty(&genuine.json()).unwrap(),
                text.replace("\\u00f6", "\u{f6}"),
                format!("{text}\n"),
                format!("\u{feff}{text}"),
                text.replacen('{', "{ ", 1),
            ] {
                let changed = Request { body: Bytes::from(body), ..genuine.clone() };
                attacks.push((changed, &["signature_mismatch"][..]));
            }
            // The same text in other bytes, whatever the content type says.
            let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            let mut other_charset = Request { body: Bytes::from(utf16), ..genuine.clone() };
            other_charset.headers.insert("content-type", "application/json; charset=utf-16be".parse().unwrap());
            attacks.push((other_charset, &["signature_mismatch"]));
            // Two signatures: a proxy would read the one, and the receiver the other.
            let signature = genuine.headers[header].clone();
            let zeros = signature.to_str().unwrap().replace(|c: char| c.is_ascii_hexdigit(), "0");
            for order in [[signature.clone(), zeros.parse().unwrap()], [zeros.parse().unwrap(), signature.clone()], [signature.clone(), signature.clone()]] {
                let mut twice = genuine.clone();
                twice.headers.remove(header);
                for value in order {
                    twice.headers.append(header, value);
                }
                attacks.push((twice, &["duplicate_header"]));
            }
            let mut latin = genuine.clone();
            latin.headers.insert(header, http::HeaderValue::from_bytes(b"v1,\xe9\xff").unwrap());
            attacks.push((latin, &["malformed_signature", "malformed_header", "no_supported_signature"]));

            for (attack, reasons) in attacks {
                let answer = verify(&mut client, &id, &attack).await;
                let local = locally(profile, &secret, &attack, now).unwrap_err();
                assert!(!answer.valid && answer.event_id.is_empty());
                assert_eq!(answer.reason, local, "{profile}: the service and the library agree");
                assert!(reasons.contains(&local), "{profile}: {local} {attack:?}");
            }
            // A charset that is only claimed changes nothing: the bytes are what was signed.
            let mut claimed = genuine.clone();
            claimed.headers.insert("content-type", "text/plain; charset=iso-8859-1".parse().unwrap());
            assert!(verify(&mut client, &id, &claimed).await.valid, "{profile}");
            client.delete_webhook(request).await.unwrap();
        }
        server.stop().await.unwrap();
    }

    /// Anybody who knows a receiver's URL could fill its memory, use up its time, or make it forget real events.
    async fn case_26_a_flood_of_forgeries_is_answered_costs_little_and_leaves_no_trace(database: &Database) {
        let mut limited = config(database.address());
        limited.verify_bytes_max = 64 * 1024;
        let (server, mut client) = start_with(limited).await;
        let mut receiver = Receiver::start().await;
        let (id, _) = register(&mut client, webhook(receiver.url(), "standard-webhooks", &[])).await;
        publish(&mut client, "order.paid", "{}").await;
        let genuine = receiver.next().await;
        let mut forged = genuine.clone();
        forged.headers.insert("webhook-signature", "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".parse().unwrap());
        for _ in 0..200 {
            assert_eq!(verify(&mut client, &id, &forged).await.reason, "signature_mismatch");
        }
        // Too large for what is verified, and too large to be read at all.
        let oversized = |bytes: usize| v1::VerifyRequest {
            body: Bytes::from(vec![b' '; bytes]),
            ..request(&id, &genuine)
        };
        let refused = client.verify(oversized(64 * 1024 + 1)).await.unwrap_err();
        assert_eq!(refused.get_details_error_info().unwrap().reason, "PAYLOAD_TOO_LARGE");
        let refused = client.verify(oversized(8 * 1024 * 1024)).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::OutOfRange);
        assert!(verify(&mut client, &id, &genuine).await.valid, "the forgeries with its id did not use it up");
        server.stop().await.unwrap();

        a_receiver_is_flooded().await;
    }
}

/// `hookwright dev` as a receiver that strangers found.
async fn a_receiver_is_flooded() {
    let mut process = Command::new(binary())
        .args(["dev", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let address = loop {
        let line = tokio::time::timeout(PATIENCE, lines.next_line())
            .await
            .expect("no line")
            .unwrap()
            .unwrap();
        if let Some((_, rest)) = line.split_once("delivers everything to http://") {
            break rest.split('/').next().unwrap().to_owned();
        }
    };
    // It says so before it expects anything there.
    while !lines
        .next_line()
        .await
        .unwrap()
        .unwrap()
        .contains("In another terminal")
    {}
    // Nobody reads what it prints from here on: it must not keep all of that either.

    let body = "x".repeat(900 * 1024);
    let head = |length: &str| {
        format!(
            "POST /standard-webhooks HTTP/1.1\r\nhost: localhost\r\nwebhook-id: evt_1\r\nwebhook-timestamp: {}\r\n\
             webhook-signature: v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n{length}\r\n\r\n",
            Clock::system().now().unix_seconds()
        )
    };
    let large = format!("{}{body}", head(&format!("content-length: {}", body.len())));
    let before = memory_peak_kib(process.id().unwrap());
    let mut stream = TcpStream::connect(&address).await.unwrap();
    for _ in 0..400 {
        assert_eq!(status_of(&mut stream, large.as_bytes()).await, 401);
    }
    // 400 bodies of 900 KiB have come in; kept, they would be 350 MiB.
    let grown = memory_peak_kib(process.id().unwrap()) - before;
    assert!(grown < 64 * 1024, "{grown} KiB");

    // It is answered before it is sent, and however it is sent.
    let mut stream = TcpStream::connect(&address).await.unwrap();
    assert_eq!(
        status_of(&mut stream, head("content-length: 50000000000").as_bytes()).await,
        413
    );
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let chunk = format!("{:x}\r\n{body}\r\n", body.len());
    let endless = format!("{}{chunk}{chunk}", head("transfer-encoding: chunked"));
    assert_eq!(status_of(&mut stream, endless.as_bytes()).await, 413);
    process.kill().await.unwrap();
}
