//! Receivers that are broken, or mean harm.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener as StdListener, TcpStream},
    thread,
    time::Duration,
};

use hookwright_proto::v1;
use tokio::sync::Notify;

use crate::harness::{
    Answer, Database, Receiver, delivery_when, on_both_stores, publish, register, start, webhook,
};

/// Serves raw bytes to each connection once it has said something: the beginning at once, then `drip` again and again.
fn raw_server(beginning: &'static [u8], drip: Option<(&'static [u8], Duration)>) -> String {
    let listener = StdListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            thread::spawn(move || drop(talk(stream, beginning, drip)));
        }
    });
    url
}

fn talk(mut stream: TcpStream, beginning: &[u8], drip: Option<(&[u8], Duration)>) -> std::io::Result<()> {
    let mut buffer = [0; 8_192];
    let _ = stream.read(&mut buffer)?;
    stream.write_all(beginning)?;
    while let Some((bytes, pause)) = drip {
        stream.write_all(bytes)?;
        thread::park_timeout(pause);
    }
    stream.shutdown(Shutdown::Write)?;
    // Closing with unread bytes would reset the connection and might take back what was written.
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

/// Delivers one event to this URL; no retries.
async fn only_attempt(database: &Database, url: String, timeout: Duration) -> v1::Attempt {
    let (server, mut client) = start(database).await;
    let webhook = v1::Webhook {
        timeout: Some(timeout.into()),
        ..webhook(url, "generic", &[])
    };
    let (id, _) = register(&mut client, webhook).await;
    let event = publish(&mut client, "user.created", "{}").await;
    let found = delivery_when(&mut client, &event, v1::DeliveryState::Dead).await;
    client
        .delete_webhook(v1::DeleteWebhookRequest { id })
        .await
        .unwrap();
    server.stop().await.unwrap();
    assert_eq!(found.attempts.len(), 1);
    found.attempts[0].clone()
}

on_both_stores! {
    /// One receiver that sends a byte now and then would hold a place for ever.
    async fn the_deadline_covers_the_body_of_the_answer(database: &Database) {
        let url = raw_server(
            b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n",
            Some((b"x", Duration::from_millis(20))),
        );
        let attempt = only_attempt(database, url, Duration::from_millis(300)).await;
        assert_eq!(attempt.outcome(), v1::Outcome::TimedOut);
        assert_eq!(attempt.http_status, 0);
        assert_eq!(attempt.error, "no complete answer within 300 ms");
    }

    /// An endless answer would fill the memory.
    async fn an_endless_answer_is_cut_off(database: &Database) {
        static CHUNK: [u8; 65_536] = [b'a'; 65_536];
        let url = raw_server(b"HTTP/1.1 500 Oops\r\n\r\n", Some((&CHUNK, Duration::ZERO)));
        let attempt = only_attempt(database, url, Duration::from_secs(10)).await;
        assert_eq!((attempt.outcome(), attempt.http_status), (v1::Outcome::ResponseTooLarge, 500));
        assert_eq!(attempt.response_body.len(), 4_096, "the beginning is kept for whoever looks into it");
    }

    /// A redirect would take a signed event to an address that was never vetted.
    async fn redirects_are_not_followed(database: &Database) {
        let mut elsewhere = Receiver::start().await;
        let receiver = Receiver::start().await;
        let header = ("location", elsewhere.url());
        receiver.will_answer([Answer::With { status: 307, header, body: "gone there".into() }]);
        let attempt = only_attempt(database, receiver.url(), Duration::from_secs(10)).await;
        assert_eq!((attempt.outcome(), attempt.http_status), (v1::Outcome::Redirected, 307));
        assert!(elsewhere.rest().is_empty());
    }

    /// The on-call engineer would not learn that nothing listens there.
    async fn a_port_where_nobody_listens_is_told_as_such(database: &Database) {
        let free = StdListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}/", free.local_addr().unwrap());
        drop(free);
        let attempt = only_attempt(database, url, Duration::from_secs(10)).await;
        assert_eq!(attempt.outcome(), v1::Outcome::Unreachable);
        assert!(attempt.error.contains("refused"), "{}", attempt.error);
    }

    /// What is not HTTP, or not text, would break the sender or the log.
    async fn nonsense_is_a_failed_attempt(database: &Database) {
        for nonsense in [&b"\x16\x03\x01 not http"[..], b"", b"HTTP/1.1 200 OK\r\nx: \xe9\xff\r\nbroken"] {
            let attempt = only_attempt(database, raw_server(nonsense, None), Duration::from_secs(10)).await;
            assert_eq!(attempt.outcome(), v1::Outcome::Unreachable);
        }
    }

    /// TLS problems would look like network problems.
    async fn a_receiver_without_tls_behind_https_is_a_tls_failure(database: &Database) {
        let url = raw_server(b"HTTP/1.1 400 Bad Request\r\n\r\n", None).replace("http://", "https://");
        let attempt = only_attempt(database, url, Duration::from_secs(10)).await;
        assert_eq!(attempt.outcome(), v1::Outcome::TlsFailed);
        assert!(attempt.error.starts_with("TLS: "), "{}", attempt.error);
    }

    /// One slow receiver would keep everybody else's events waiting.
    async fn a_receiver_that_hangs_does_not_delay_others(database: &Database) {
        let (server, mut client) = start(database).await;
        let release = std::sync::Arc::new(Notify::new());
        let mut slow = Receiver::start().await;
        slow.will_answer((0..200).map(|_| Answer::Held(std::sync::Arc::clone(&release))));
        let mut quick = Receiver::start().await;
        let slow_webhook = v1::Webhook {
            event_types: vec!["slow.*".to_owned()],
            ..webhook(slow.url(), "generic", &[Duration::ZERO])
        };
        register(&mut client, slow_webhook).await;
        let quick_webhook =
            v1::Webhook { event_types: vec!["quick.*".to_owned()], ..webhook(quick.url(), "generic", &[]) };
        register(&mut client, quick_webhook).await;
        for _ in 0..200 {
            publish(&mut client, "slow.event", "{}").await;
        }
        slow.next().await;
        let event = publish(&mut client, "quick.event", "{}").await;
        quick.next().await;
        delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
        assert!(slow.rest().len() < 200, "the slow one has a limit of its own");
        release.notify_waiters();
        server.stop().await.unwrap();
    }
}
