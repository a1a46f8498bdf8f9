//! Receivers and their owners that mean harm to the sender.

use std::{
    collections::HashMap,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use hookwright_proto::v1;
use hookwright_server::{AddressRules, Config, EgressRules};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tonic::{Code, Status};

use super::{
    raw_server::{attempt_with, counting_server, only_attempt, raw_server},
    resolver::{Reply, Scripted, to},
    tls_server::{Authority, TlsReceiver},
};
use crate::{
    errors::assert_refused,
    harness::{
        Answer, Client, Database, PATIENCE, Receiver, config, deliveries_when, delivery_when, on_both_stores,
        publish, register, start, start_with, webhook,
    },
};

/// Long enough that only a broken product gets there.
const LONG: Duration = Duration::from_mins(1);

/// Public addresses only, plain http for the test receivers, and this name server.
fn guarded(database: &Database, allowed: &[&str], resolver: &Arc<Scripted>) -> Config {
    let mut config = config(database.address());
    config.egress = EgressRules {
        addresses: AddressRules::Public,
        allowed: allowed.iter().map(|target| target.parse().unwrap()).collect(),
        allow_http: true,
        ..EgressRules::default()
    };
    config.resolver = Arc::clone(resolver) as _;
    config
}

async fn try_register(client: &mut Client, url: &str) -> Result<(), Status> {
    let request = v1::RegisterRequest {
        webhook: Some(webhook(url.to_owned(), "generic", &[])),
        ..v1::RegisterRequest::default()
    };
    client.register(request).await.map(|_| ())
}

async fn count_webhooks(client: &mut Client) -> usize {
    let request = v1::ListWebhooksRequest::default();
    client
        .list_webhooks(request)
        .await
        .unwrap()
        .into_inner()
        .webhooks
        .len()
}

/// Answers 200 to every request and counts the connections that they came over.
async fn counting_receiver(close: bool) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut buffer = [0; 16_384];
                let mut pending = Vec::new();
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    pending.extend_from_slice(&buffer[..read]);
                    // The payloads of these tests are objects, so a request ends with a brace.
                    if pending.ends_with(b"}") {
                        pending.clear();
                        let connection = if close { "close" } else { "keep-alive" };
                        let answer = format!(
                            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: {connection}\r\n\r\n"
                        );
                        if stream.write_all(answer.as_bytes()).await.is_err() || close {
                            return;
                        }
                    }
                }
            });
        }
    });
    (port, accepted)
}

on_both_stores! {
    /// One receiver that sends a byte now and then would hold a place for ever.
    async fn case_01_slow_loris(database: &Database) {
        let deadline = Duration::from_millis(300);
        let dripping: Option<(&'static [u8], _)> = Some((b"x", Duration::from_millis(20)));
        for beginning in ["HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n", "HTTP/1.1 200 OK\r\nx-slow: ", "HTTP/1.1 200 ", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n186A0\r\n"] {
            let attempt = only_attempt(database, raw_server(beginning, dripping), deadline).await;
            assert_eq!((attempt.outcome(), attempt.http_status), (v1::Outcome::TimedOut, 0), "{beginning:?}: {}", attempt.error);
            assert_eq!(attempt.error, "no complete answer within 300 ms");
        }
    }

    /// An endless answer would fill the memory.
    async fn case_02_huge_response(database: &Database) {
        static CHUNK: [u8; 65_536] = [b'a'; 65_536];
        let endless: Option<(&'static [u8], _)> = Some((&CHUNK, Duration::ZERO));
        let (url, written) = counting_server("HTTP/1.1 500 Oops\r\n\r\n", endless);
        let attempt = only_attempt(database, url, LONG).await;
        assert_eq!((attempt.outcome(), attempt.http_status), (v1::Outcome::ResponseTooLarge, 500));
        assert_eq!(attempt.response_body.len(), 4_096, "the beginning is kept for whoever looks into it");
        // What fits into the buffers of two sockets can be written without anybody reading it.
        let written = written.load(Ordering::Relaxed);
        assert!(written < 32 * 1024 * 1024, "{written} bytes went out until the connection was closed");

        // Headers without end: one long, many short, and interim answers that never lead to a real one.
        for (beginning, drip, told) in [
            ("HTTP/1.1 200 OK\r\nx-long: ", &CHUNK[..], "32 KiB"),
            ("HTTP/1.1 200 OK\r\n", b"x-more: 1\r\n", "100 headers"),
            ("", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", "16 interim answers"),
        ] {
            let url = raw_server(beginning, Some((drip, Duration::ZERO)));
            let attempt = only_attempt(database, url, LONG).await;
            assert_eq!((attempt.outcome(), attempt.http_status), (v1::Outcome::ResponseTooLarge, 0), "{}", attempt.error);
            assert!(attempt.error.contains(told), "{}", attempt.error);
        }
    }

    /// A small answer would be unpacked to a huge one.
    async fn case_03_gzip_bomb(database: &Database) {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        for _ in 0..1_024 {
            packer.write_all(&vec![0; 65_536]).unwrap();
        }
        let bomb = packer.finish().unwrap();
        let mut answer = format!(
            "HTTP/1.1 500 Oops\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
            bomb.len()
        ).into_bytes();
        answer.extend_from_slice(&bomb);
        let attempt = only_attempt(database, raw_server(answer, None), LONG).await;
        assert_eq!((attempt.outcome(), attempt.http_status), (v1::Outcome::Rejected, 500));
        assert_eq!(attempt.response_body[..], bomb[..4_096], "kept as it came");

        // Nobody asked for it: no request accepts an encoding, and no owner can make it.
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        register(&mut client, webhook(receiver.url(), "generic", &[])).await;
        publish(&mut client, "user.created", "{}").await;
        assert!(!receiver.next().await.headers.contains_key("accept-encoding"));
        let asking = v1::Webhook {
            headers: HashMap::from([("Accept-Encoding".to_owned(), "gzip".to_owned())]),
            ..webhook(receiver.url(), "generic", &[])
        };
        let request = v1::RegisterRequest { webhook: Some(asking), ..v1::RegisterRequest::default() };
        let refused = client.register(request).await;
        assert_refused(refused, Code::InvalidArgument, "FORBIDDEN_HEADER", "webhook.headers[\"Accept-Encoding\"]");
        server.stop().await.unwrap();
    }

    /// A redirect would take a signed event to an address that was never vetted.
    async fn case_04_redirects(database: &Database) {
        let mut elsewhere = Receiver::start().await;
        let receiver = Receiver::start().await;
        for (status, location) in [
            (301, elsewhere.url()),
            (302, "http://169.254.169.254/latest/meta-data/".to_owned()),
            (303, elsewhere.url()),
            (307, elsewhere.url()),
            (308, receiver.url()),
        ] {
            let header = ("location", location);
            receiver.will_answer([Answer::With { status, header, body: "gone there".into() }]);
            let attempt = only_attempt(database, receiver.url(), LONG).await;
            assert_eq!((attempt.outcome(), attempt.http_status), (v1::Outcome::Redirected, u32::from(status)));
        }
        assert!(elsewhere.rest().is_empty());
    }

    /// A name would be harmless when it is looked at and lead into our network when it is used.
    async fn case_05_dns_rebinding(database: &Database) {
        let (port, accepted) = counting_receiver(true).await;
        let trap = TcpListener::bind(("127.0.0.2", port)).await.unwrap();
        let resolver = Arc::new(Scripted::new([to(&["127.0.0.1"])]));
        let (server, mut client) = start_with(guarded(database, &["127.0.0.1"], &resolver)).await;
        let url = format!("http://rebind.example:{port}/");
        let (id, _) = register(&mut client, webhook(url.clone(), "generic", &[])).await;
        assert_eq!(resolver.lookups(), 1);
        let event = publish(&mut client, "user.created", "{}").await;
        delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
        assert_eq!(resolver.lookups(), 2, "a connection is made to what was vetted; nobody asks again");

        for flipped in [to(&["127.0.0.2"]), to(&["127.0.0.1", "127.0.0.2"]), to(&["::ffff:127.0.0.1"]), to(&["169.254.169.254"])] {
            resolver.answer(flipped);
            let event = publish(&mut client, "user.created", "{}").await;
            let found = delivery_when(&mut client, &event, v1::DeliveryState::Dead).await;
            assert_eq!(found.attempts[0].outcome(), v1::Outcome::BlockedAddress);
            assert!(found.attempts[0].error.contains("rebind.example resolves to"), "{}", found.attempts[0].error);
        }
        assert_eq!(accepted.load(Ordering::Relaxed), 1);
        let nobody = tokio::select! { biased; _ = trap.accept() => false, () = std::future::ready(()) => true };
        assert!(nobody, "the trap was dialled");

        // One answer that is good for us and one that is good for the attacker, told to whoever changes the webhook.
        resolver.answer(to(&["93.184.216.34", "10.0.0.1"]));
        let webhook = v1::Webhook { id, url, ..v1::Webhook::default() };
        let update = v1::UpdateWebhookRequest {
            webhook: Some(webhook),
            update_mask: Some(pbjson_types::FieldMask { paths: vec!["url".to_owned()] }),
        };
        assert_refused(client.update_webhook(update).await, Code::InvalidArgument, "BLOCKED_ADDRESS", "webhook.url");
        server.stop().await.unwrap();
    }

    /// Whoever registers a webhook could reach the service's own machine, its network, and the cloud's keys.
    async fn case_06_private_and_metadata_addresses(database: &Database) {
        let resolver = Arc::new(Scripted::new([Reply::Unknown]));
        let (server, mut client) = start_with(guarded(database, &[], &resolver)).await;
        for host in [
            "127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "0", "127.0.0.1.", "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
            "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "168.63.129.16", "100.100.100.200",
            "192.0.0.192", "198.18.0.1", "224.0.0.1", "255.255.255.255", "[::]", "[::1]", "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]", "[64:ff9b::7f00:1]", "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2001::1]", "[fd00:ec2::254]",
            "[fe80::1]", "[fec0::1]", "[ff02::1]", "[3fff::1]", "[5f00::1]",
        ] {
            let refused = try_register(&mut client, &format!("https://{host}/hooks")).await;
            assert_refused(refused, Code::InvalidArgument, "BLOCKED_ADDRESS", "webhook.url");
        }
        assert_eq!(resolver.lookups(), 0);
        // The same addresses behind a name, an international one and one with a trailing dot.
        for (url, address) in [
            ("https://internal.example/", "10.0.0.1"),
            ("https://b\u{fc}cher.example/", "::1"),
            ("https://metadata.example./", "169.254.169.254"),
        ] {
            resolver.answer(to(&["93.184.216.34", address]));
            let refused = try_register(&mut client, url).await;
            let status = refused.clone().unwrap_err();
            assert!(status.message().contains(address) && status.message().contains("--allow-target"), "{}", status.message());
            assert_refused(refused, Code::InvalidArgument, "BLOCKED_ADDRESS", "webhook.url");
        }
        for url in ["https://user@93.184.216.34/", "https://93.184.216.34/#a", "file:///etc/passwd", "https://[::1%25eth0]/"] {
            assert_refused(try_register(&mut client, url).await, Code::InvalidArgument, "INVALID_URL", "webhook.url");
        }
        assert_eq!(count_webhooks(&mut client).await, 0, "a refused request has changed nothing");

        // What was registered before its name led astray is refused when it is used.
        resolver.answer(Reply::Unknown);
        try_register(&mut client, "https://later.example/").await.unwrap();
        resolver.answer(to(&["fd00:ec2::254"]));
        let event = publish(&mut client, "user.created", "{}").await;
        let found = delivery_when(&mut client, &event, v1::DeliveryState::Dead).await;
        assert_eq!(found.attempts[0].outcome(), v1::Outcome::BlockedAddress);
        server.stop().await.unwrap();
    }

    /// An operator who needs a private target would have to open everything, or learn of a mistake only from failures.
    async fn case_07_operator_allow_list(database: &Database) {
        let resolver = Arc::new(Scripted::new([to(&["10.0.0.1"])]));
        let (server, mut client) = start_with(guarded(database, &[], &resolver)).await;
        let refused = try_register(&mut client, "https://hooks.internal/").await;
        let status = refused.clone().unwrap_err();
        let told = "hooks.internal resolves to 10.0.0.1, which is not a public address; the operator can allow it with --allow-target";
        assert!(status.message().contains(told), "{}", status.message());
        assert_refused(refused, Code::InvalidArgument, "BLOCKED_ADDRESS", "webhook.url");
        server.stop().await.unwrap();

        let (port, accepted) = counting_receiver(false).await;
        let (server, mut client) = start_with(guarded(database, &["10.0.0.0/16", "hooks.internal"], &resolver)).await;
        for url in ["https://any.example/", "https://10.0.255.255/", "https://hooks.internal/"] {
            try_register(&mut client, url).await.unwrap();
        }
        resolver.answer(to(&["10.1.0.1"]));
        for url in ["https://any.example/", "https://10.1.0.0/", "https://sub.hooks.internal/"] {
            assert_refused(try_register(&mut client, url).await, Code::InvalidArgument, "BLOCKED_ADDRESS", "webhook.url");
        }
        // A host is allowed whatever it resolves to, and delivered to.
        for webhook in client.list_webhooks(v1::ListWebhooksRequest::default()).await.unwrap().into_inner().webhooks {
            client.delete_webhook(v1::DeleteWebhookRequest { id: webhook.id, ..v1::DeleteWebhookRequest::default() }).await.unwrap();
        }
        resolver.answer(to(&["127.0.0.1"]));
        try_register(&mut client, &format!("http://HOOKS.internal:{port}/")).await.unwrap();
        let event = publish(&mut client, "user.created", "{}").await;
        delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
        assert_eq!(accepted.load(Ordering::Relaxed), 1);

        // Name servers that do not know the name, or say nothing, keep nobody from registering.
        for reply in [Reply::Unknown, Reply::Silence] {
            resolver.answer(reply);
            tokio::time::timeout(PATIENCE, try_register(&mut client, "https://soon.example/")).await.unwrap().unwrap();
        }
        server.stop().await.unwrap();
    }

    /// Every TLS problem would look the same, or somebody would turn verification off.
    async fn case_08_tls_errors(database: &Database) {
        let authority = Authority::new();
        let good = authority.issue("127.0.0.1", 4_000);
        let trusting = |webhook: &mut v1::Webhook| {
            webhook.tls = Some(v1::Tls { ca_certificates: authority.pem(), ..v1::Tls::default() });
        };
        let modern = |webhook: &mut v1::Webhook| {
            trusting(webhook);
            webhook.tls.as_mut().unwrap().set_min_version(v1::TlsVersion::TlsVersion13);
        };
        let attempt = attempt_with(database, TlsReceiver::start(&good).await.url(), LONG, trusting).await;
        assert_eq!((attempt.outcome(), attempt.error.as_str()), (v1::Outcome::Accepted, ""));

        let expired = TlsReceiver::start(&authority.issue("127.0.0.1", 2_021)).await;
        let other = TlsReceiver::start(&authority.issue("other.example", 4_000)).await;
        let untrusted = TlsReceiver::start(&good).await;
        let old = TlsReceiver::start_with(&good, &[&rustls::version::TLS12], None).await;
        let wants_certificate = TlsReceiver::start_with(&good, rustls::ALL_VERSIONS, Some(&authority)).await;
        let no_tls = raw_server("HTTP/1.1 400 Bad Request\r\n\r\n", None).replace("http://", "https://");
        let nothing = |_: &mut v1::Webhook| {};
        for (url, set, told) in [
            (expired.url(), &trusting as &dyn Fn(&mut v1::Webhook), "has expired; renew it"),
            (other.url(), &trusting, "is for another name"),
            (untrusted.url(), &nothing, "does not come from a trusted authority"),
            (old.url(), &modern, "no TLS version or cipher in common"),
            (wants_certificate.url(), &trusting, "refuses our client certificate"),
            (no_tls, &nothing, "is this a TLS port?"),
        ] {
            let attempt = attempt_with(database, url, LONG, set).await;
            assert_eq!(attempt.outcome(), v1::Outcome::TlsFailed, "{told}: {}", attempt.error);
            assert!(attempt.error.starts_with("TLS: ") && attempt.error.contains(told), "{told}: {}", attempt.error);
        }
    }

    /// A header could forge a second request, another host or our signature.
    async fn case_12_header_injection(database: &Database) {
        let (server, mut client) = start(database).await;
        let refused = async |client: &mut Client, name: &str, value: &str| {
            let webhook = v1::Webhook {
                headers: HashMap::from([(name.to_owned(), value.to_owned())]),
                ..webhook("http://127.0.0.1:9/".to_owned(), "filedgr", &[])
            };
            let request = v1::RegisterRequest { webhook: Some(webhook), ..v1::RegisterRequest::default() };
            client.register(request).await
        };
        for (name, value) in [
            ("x-a", "1\r\nx-evil: 1"), ("x-a", "1\n"), ("x-a", "\r"), ("x-a", "a\0b"), ("x-a", "\u{e9}"), ("x-a", "\u{7f}"),
            ("x a", "1"), ("x-a:", "1"), ("", "1"), ("x-a\r\nhost", "1"), ("x-\u{e9}", "1"), ("x\0", "1"), (":authority", "1"),
        ] {
            let field = format!("webhook.headers[{name:?}]");
            assert_refused(refused(&mut client, name, value).await, Code::InvalidArgument, "INVALID_HEADER", &field);
        }
        for name in [
            "Host", "content-length", "Transfer-Encoding", "Connection", "Keep-Alive", "TE", "Trailer", "Upgrade", "Expect",
            "Proxy-Authorization", "Proxy-Connection", "Content-Type", "Content-Encoding", "Accept-Encoding", "User-Agent",
            "X-Filedgr-Signature", "Webhook-Signature", "webhook-id",
        ] {
            let field = format!("webhook.headers[{name:?}]");
            assert_refused(refused(&mut client, name, "1").await, Code::InvalidArgument, "FORBIDDEN_HEADER", &field);
        }
        assert_eq!(count_webhooks(&mut client).await, 0);

        // The credentials of an authentication stand in one place only, whichever of the two comes second.
        let token = v1::BearerAuthentication { token: "t".to_owned() };
        let both = v1::Webhook {
            headers: HashMap::from([("Authorization".to_owned(), "Basic x".to_owned())]),
            authentication: Some(v1::Authentication { method: Some(v1::authentication::Method::Bearer(token)) }),
            ..webhook("http://127.0.0.1:9/".to_owned(), "generic", &[])
        };
        let request = v1::RegisterRequest { webhook: Some(both.clone()), ..v1::RegisterRequest::default() };
        let at = "webhook.headers[\"Authorization\"]";
        assert_refused(client.register(request).await, Code::InvalidArgument, "FORBIDDEN_HEADER", at);
        let (id, _) = register(&mut client, v1::Webhook { authentication: None, ..both.clone() }).await;
        let update = v1::UpdateWebhookRequest {
            webhook: Some(v1::Webhook { id, ..both }),
            update_mask: Some(pbjson_types::FieldMask { paths: vec!["authentication".to_owned()] }),
        };
        assert_refused(client.update_webhook(update).await, Code::InvalidArgument, "FORBIDDEN_HEADER", at);
        server.stop().await.unwrap();
    }

    /// A receiver could take the sender down with a byte.
    async fn case_13_response_headers_that_are_not_utf8(database: &Database) {
        let answer = b"HTTP/1.1 200 \xe9t\xe9\r\nx-name: caf\xe9\xff\r\nx-\x74ab: \t\x80\r\ncontent-length: 2\r\n\r\n\xff\xfe";
        let attempt = only_attempt(database, raw_server(&answer[..], None), LONG).await;
        assert_eq!((attempt.outcome(), attempt.http_status), (v1::Outcome::Accepted, 200), "{}", attempt.error);
        assert_eq!(attempt.response_body[..], b"\xff\xfe"[..]);
        let attempt = only_attempt(database, raw_server(&b"HTTP/1.1 200 OK\r\nx-\xe9: 1\r\n\r\n"[..], None), LONG).await;
        assert_eq!(attempt.outcome(), v1::Outcome::Unreachable, "a name that is not ASCII is not HTTP");
    }

    /// A handshake for each delivery would cost both sides more than the delivery.
    async fn case_14_connection_reuse(database: &Database) {
        let (server, mut client) = start(database).await;
        let (port, accepted) = counting_receiver(false).await;
        // Ten owners with the same receiver share what there is.
        for number in 0..10 {
            let url = format!("http://127.0.0.1:{port}/{number}");
            register(&mut client, webhook(url, "generic", &[])).await;
        }
        for _ in 0..50 {
            let event = publish(&mut client, "user.created", "{}").await;
            let found = deliveries_when(&mut client, &event, |delivery| delivery.state() == v1::DeliveryState::Delivered).await;
            assert_eq!(found.len(), 10);
        }
        let accepted = accepted.load(Ordering::Relaxed);
        assert!((1..=50).contains(&accepted), "500 deliveries, at most 10 at a time, took {accepted} connections");
        server.stop().await.unwrap();
    }
}
