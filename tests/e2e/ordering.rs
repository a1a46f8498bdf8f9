//! Per-key order, from publish to the receiver's socket: under retries, kill -9 and with two nodes.

use std::{collections::HashMap, time::Duration};

use hookwright_proto::v1;

use crate::{
    harness::{
        Answer, Client, Database, Receiver, Request, delivery_when, on_both_stores, register, start, webhook,
    },
    nodes::Process,
};

fn ordered(url: String, ordering: v1::Ordering, waits: &[Duration]) -> v1::Webhook {
    v1::Webhook {
        ordering: ordering.into(),
        ..webhook(url, "generic", waits)
    }
}

async fn publish(client: &mut Client, key: &str, sequence: usize) -> Result<String, tonic::Status> {
    let request = v1::PublishRequest {
        event_type: "user.updated".to_owned(),
        payload: format!(r#"{{"key":"{key}","sequence":{sequence}}}"#).into(),
        ordering_key: key.to_owned(),
        ..v1::PublishRequest::default()
    };
    Ok(client.publish(request).await?.into_inner().event_id)
}

fn read(request: &Request) -> (String, usize) {
    let data = &request.json()["data"];
    let sequence = data["sequence"].as_u64().unwrap();
    (
        data["key"].as_str().unwrap().to_owned(),
        usize::try_from(sequence).unwrap(),
    )
}

/// What arrived, each event once: as a receiver sees it that knows what it has seen.
#[derive(Default)]
struct FirstArrivals(HashMap<String, Vec<usize>>);

impl FirstArrivals {
    fn note(&mut self, request: &Request) {
        let (key, sequence) = read(request);
        let seen = self.0.entry(key.clone()).or_default();
        if !seen.contains(&sequence) {
            assert_eq!(
                seen.last().map_or(0, |last| last + 1),
                sequence,
                "{key}: {seen:?}, then {sequence}"
            );
            seen.push(sequence);
        }
    }

    fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

on_both_stores! {
    /// A retry would be overtaken by later events of its key, or hold up those of others.
    async fn a_failed_delivery_holds_its_key_and_no_other(database: &Database) {
        let mut receiver = Receiver::start().await;
        let (server, mut client) = start(database).await;
        // The retry is so late that it never comes by itself.
        let hour = Duration::from_hours(1);
        register(&mut client, ordered(receiver.url(), v1::Ordering::Key, &[hour])).await;
        receiver.will_answer([Answer::Status(500)]);
        let failing = publish(&mut client, "a", 0).await.unwrap();
        assert_eq!(read(&receiver.next().await), ("a".to_owned(), 0));
        let behind = publish(&mut client, "a", 1).await.unwrap();
        for sequence in 0..20 {
            publish(&mut client, "b", sequence).await.unwrap();
        }
        for sequence in 0..20 {
            assert_eq!(read(&receiver.next().await), ("b".to_owned(), sequence));
        }
        let failed = delivery_when(&mut client, &failing, v1::DeliveryState::Scheduled).await;
        let failed = failed.delivery.unwrap();
        assert_eq!(failed.attempt_count, 1);
        assert!(failed.next_attempt_time.is_some());
        let waiting = delivery_when(&mut client, &behind, v1::DeliveryState::Scheduled).await;
        let waiting = waiting.delivery.unwrap();
        assert_eq!(
            (waiting.attempt_count, waiting.next_attempt_time),
            (0, None),
            "it is not known when its turn comes"
        );
        assert!(receiver.rest().is_empty());
        server.stop().await.unwrap();
    }

    /// A receiver that fails now and then would see changes of one thing in the wrong order.
    async fn retries_keep_the_order_of_every_key(database: &Database) {
        const KEYS: usize = 4;
        const EACH: usize = 15;
        let mut receiver = Receiver::start().await;
        let (server, mut client) = start(database).await;
        let waits = [Duration::ZERO; 20];
        register(&mut client, ordered(receiver.url(), v1::Ordering::Key, &waits)).await;
        receiver.will_answer((0..KEYS * EACH).map(|n| Answer::Status(if n % 3 == 0 { 503 } else { 200 })));
        for sequence in 0..EACH {
            for key in 0..KEYS {
                publish(&mut client, &key.to_string(), sequence).await.unwrap();
            }
        }
        let mut arrivals = FirstArrivals::default();
        while arrivals.count() < KEYS * EACH {
            arrivals.note(&receiver.next().await);
        }
        server.stop().await.unwrap();
    }

    /// Of a webhook in order, events without a key would go out together.
    async fn a_webhook_in_order_gets_one_delivery_at_a_time(database: &Database) {
        let mut receiver = Receiver::start().await;
        let (server, mut client) = start(database).await;
        register(&mut client, ordered(receiver.url(), v1::Ordering::Webhook, &[])).await;
        let release = std::sync::Arc::new(tokio::sync::Notify::new());
        receiver.will_answer([Answer::Held(std::sync::Arc::clone(&release))]);
        for sequence in 0..5 {
            // Different keys: they make no difference here.
            publish(&mut client, &format!("k{sequence}"), sequence).await.unwrap();
        }
        assert_eq!(read(&receiver.next().await).1, 0);
        // A delivery that no order holds is made after all of these had their chance.
        let mut other = Receiver::start().await;
        register(&mut client, webhook(other.url(), "generic", &[])).await;
        publish(&mut client, "", 5).await.unwrap();
        other.next().await;
        assert!(receiver.rest().is_empty(), "the first one is not answered yet");
        release.notify_one();
        for sequence in 1..=5 {
            assert_eq!(read(&receiver.next().await).1, sequence);
        }
        server.stop().await.unwrap();
    }

    /// After a crash later events would overtake what was under way.
    async fn the_order_survives_kill_9(database: &Database) {
        const KEYS: usize = 6;
        let mut receiver = Receiver::start().await;
        let mut process = Process::start_with(database, &[]).await;
        let mut client = process.client().await;
        let waits = [Duration::ZERO; 50];
        register(&mut client, ordered(receiver.url(), v1::Ordering::Key, &waits)).await;
        receiver.will_answer((0..400).map(|n| Answer::Status(if n % 7 == 3 { 500 } else { 200 })));
        let mut arrivals = FirstArrivals::default();
        let mut next = [0; KEYS];
        for _ in 0..2 {
            let mut publishers = tokio::task::JoinSet::new();
            for (key, from) in next.into_iter().enumerate() {
                let mut client = process.client().await;
                publishers.spawn(async move {
                    let mut sequence = from;
                    while sequence < from + 500 && publish(&mut client, &key.to_string(), sequence).await.is_ok() {
                        sequence += 1;
                    }
                    (key, sequence)
                });
            }
            for _ in 0..40 {
                arrivals.note(&receiver.next().await);
            }
            process.kill().await;
            while let Some(ended) = publishers.join_next().await {
                let (key, sequence) = ended.unwrap();
                next[key] = sequence;
            }
            process = Process::start_with(database, &[]).await;
            // The one that was cut off may have been stored: publishing it again keeps its place.
        }
        let acknowledged: usize = next.iter().sum();
        let mut client = process.client().await;
        for (key, sequence) in next.into_iter().enumerate() {
            publish(&mut client, &key.to_string(), sequence).await.unwrap();
        }
        let done = |arrivals: &FirstArrivals| {
            next.iter().enumerate().all(|(key, last)| {
                arrivals.0.get(&key.to_string()).is_some_and(|seen| seen.len() > *last)
            })
        };
        while !done(&arrivals) {
            arrivals.note(&receiver.next().await);
        }
        assert!(arrivals.count() >= acknowledged);
    }
}

/// With several nodes events of a key would be delivered by two at a time; or a node's death would mix them up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_keep_the_order_even_when_one_is_killed() {
    const KEYS: usize = 6;
    const EACH: usize = 25;
    let database = Database::postgresql().await;
    let mut receiver = Receiver::start().await;
    let doomed = Process::start_with(&database, &[]).await;
    let survivor = Process::start_with(&database, &[]).await;
    let mut client = survivor.client().await;
    let waits = [Duration::ZERO; 50];
    register(&mut client, ordered(receiver.url(), v1::Ordering::Key, &waits)).await;
    receiver.will_answer((0..KEYS * EACH).map(|n| Answer::Status(if n % 5 == 0 { 500 } else { 200 })));
    let mut publishers = tokio::task::JoinSet::new();
    for key in 0..KEYS {
        // Each key through one node, which is what keeps its events apart in time.
        let mut client = survivor.client().await;
        publishers.spawn(async move {
            for sequence in 0..EACH {
                publish(&mut client, &key.to_string(), sequence).await.unwrap();
            }
        });
    }
    let mut arrivals = FirstArrivals::default();
    for _ in 0..20 {
        arrivals.note(&receiver.next().await);
    }
    doomed.kill().await;
    while arrivals.count() < KEYS * EACH {
        arrivals.note(&receiver.next().await);
    }
    publishers.join_all().await;
    drop(survivor);
    database.remove().await;
}

/// How fast a queue moves: `cargo test … measure_ordering -- --ignored --nocapture`, on both stores.
async fn measure(database: &Database, keys: usize, each: usize) {
    let mut receiver = Receiver::start().await;
    let (server, mut client) = start(database).await;
    let webhook = ordered(receiver.url(), v1::Ordering::Key, &[]);
    register(&mut client, webhook).await;
    let mut publishers = tokio::task::JoinSet::new();
    let started = std::time::Instant::now();
    for key in 0..keys {
        let mut client = client.clone();
        publishers.spawn(async move {
            for sequence in 0..each {
                publish(&mut client, &key.to_string(), sequence).await.unwrap();
            }
        });
    }
    let mut arrivals = FirstArrivals::default();
    while arrivals.count() < keys * each {
        arrivals.note(&receiver.next().await);
    }
    let deliveries = u32::try_from(keys * each).unwrap();
    let rate = f64::from(deliveries) / started.elapsed().as_secs_f64();
    println!(
        "{}: {keys} keys, {deliveries} deliveries: {rate:.0}/s",
        server.engine_name()
    );
    publishers.join_all().await;
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn measure_ordering() {
    for (keys, each) in [(1, 1_000), (100, 50)] {
        let database = Database::sqlite();
        measure(&database, keys, each).await;
        database.remove().await;
        let database = Database::postgresql().await;
        measure(&database, keys, each).await;
        database.remove().await;
    }
}
