//! Receivers that are broken, or mean harm.

use std::{net::TcpListener as StdListener, time::Duration};

use hookwright_proto::v1;
use tokio::sync::Notify;

use crate::{
    adversarial::raw_server::{only_attempt, raw_server},
    harness::{Answer, Database, Receiver, delivery_when, on_both_stores, publish, register, start, webhook},
};

on_both_stores! {
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
        release.notify_one();
        server.stop().await.unwrap();
    }
}
