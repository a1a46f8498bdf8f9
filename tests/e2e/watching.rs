//! Watching deliveries: everything that happens is told once, whatever comes in between.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use hookwright_proto::v1;
use hookwright_server::Server;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tonic::{Code, Status, Streaming};

use crate::{
    errors::assert_refused,
    harness::{
        Answer, Client, Database, PATIENCE, Receiver, all_delivered, config, connect, on_both_stores,
        publish, register, start, start_with, webhook,
    },
    nodes::Process,
};

/// What is told of an attempt, or of an end without one: delivery, number of the attempt, state after it.
type Told = (String, u32, v1::DeliveryState);

/// A watcher, with the cursor behind what it has had.
struct Watcher {
    request: v1::WatchDeliveriesRequest,
    answers: Streaming<v1::WatchDeliveriesResponse>,
}

impl Watcher {
    async fn start(client: &mut Client, request: v1::WatchDeliveriesRequest) -> Self {
        let answers = client
            .watch_deliveries(request.clone())
            .await
            .unwrap()
            .into_inner();
        let mut watcher = Self { request, answers };
        // It is there once it has said so.
        assert_eq!(watcher.next().await.unwrap(), None);
        watcher
    }

    async fn from_now(client: &mut Client) -> Self {
        Self::start(client, v1::WatchDeliveriesRequest::default()).await
    }

    /// Goes on where it was, on another connection or another node.
    async fn resume(self, client: &mut Client) -> Self {
        drop(self.answers);
        Self::start(client, self.request).await
    }

    /// What the next answer tells, if anything.
    async fn next(&mut self) -> Result<Option<v1::DeliveryChange>, Status> {
        let answer = tokio::time::timeout(PATIENCE, self.answers.message())
            .await
            .expect("no answer")?
            .expect("it goes on");
        self.request.cursor = answer.cursor;
        self.request.start_time = None;
        Ok(answer.change)
    }

    async fn change(&mut self) -> v1::DeliveryChange {
        loop {
            if let Some(change) = self.next().await.unwrap() {
                return change;
            }
        }
    }
}

fn told(change: &v1::DeliveryChange) -> Told {
    let number = change.attempt.as_ref().map_or(0, |attempt| attempt.number);
    (change.delivery_id.clone(), number, change.state())
}

/// What the log has of the attempts of these events, once all are delivered.
async fn logged(client: &mut Client, events: Vec<String>) -> Vec<Told> {
    let mut told = Vec::new();
    for delivery in all_delivered(client, &HashSet::from_iter(events)).await {
        let id = delivery.id;
        let request = v1::GetDeliveryRequest { id: id.clone() };
        let attempts = client.get_delivery(request).await.unwrap().into_inner().attempts;
        let count = attempts.len();
        told.extend(attempts.iter().enumerate().map(|(index, attempt)| {
            let state = if index + 1 == count {
                v1::DeliveryState::Delivered
            } else {
                v1::DeliveryState::Scheduled
            };
            (id.clone(), attempt.number, state)
        }));
    }
    told
}

fn note(ledger: &mut BTreeMap<Told, u32>, change: &v1::DeliveryChange) {
    *ledger.entry(told(change)).or_default() += 1;
}

fn assert_once(ledger: BTreeMap<Told, u32>, expected: impl IntoIterator<Item = Told>) {
    let twice: Vec<_> = ledger.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "told more than once: {twice:?}");
    let told: HashSet<_> = ledger.into_keys().collect();
    let expected: HashSet<_> = expected.into_iter().collect();
    let missing: Vec<_> = expected.difference(&told).collect();
    assert!(missing.is_empty(), "never told: {missing:?}");
    let invented: Vec<_> = told.difference(&expected).collect();
    assert!(invented.is_empty(), "not in the log: {invented:?}");
}

/// A receiver that fails now and then, and events published to it by several callers at once.
async fn publish_many(
    receiver: &Receiver,
    client: &mut Client,
    events: usize,
) -> tokio::task::JoinHandle<Vec<String>> {
    receiver.will_answer((0..events).map(|number| Answer::Status(if number % 7 == 3 { 503 } else { 200 })));
    register(client, webhook(receiver.url(), "generic", &[Duration::ZERO; 20])).await;
    let client = client.clone();
    tokio::spawn(async move {
        let mut publishers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let mut client = client.clone();
            publishers.spawn(async move {
                let mut ids = Vec::new();
                for _ in 0..events / 8 {
                    ids.push(publish(&mut client, "user.created", "{}").await);
                }
                ids
            });
        }
        publishers.join_all().await.concat()
    })
}

on_both_stores! {
    /// A dashboard that lost its connection would show wrong figures for ever.
    async fn everything_is_told_once_through_reconnections(database: &Database) {
        const EVENTS: usize = 400;
        let (server, mut client) = start(database).await;
        let receiver = Receiver::start().await;
        let mut watcher = Watcher::from_now(&mut client).await;
        let published = publish_many(&receiver, &mut client, EVENTS).await;
        let mut ledger = BTreeMap::new();
        let mut delivered = 0;
        let mut until_break = 1;
        while delivered < EVENTS {
            for _ in 0..until_break {
                let change = watcher.change().await;
                delivered += usize::from(change.state() == v1::DeliveryState::Delivered);
                note(&mut ledger, &change);
                if delivered == EVENTS {
                    break;
                }
            }
            // 1, 8, 56, 34, … in no step with anything.
            until_break = until_break * 7 % 61 + 1;
            let mut other = connect(&server).await;
            watcher = watcher.resume(&mut other).await;
        }
        let expected = logged(&mut client, published.await.unwrap()).await;
        assert!(expected.len() > EVENTS, "some attempts failed");
        assert_once(ledger, expected);
        server.stop().await.unwrap();
    }

    /// A caller that is slow for a while would have gaps, or hold up the others.
    async fn a_watcher_that_does_not_read_misses_nothing(database: &Database) {
        const EVENTS: usize = 1_600;
        let (server, mut client) = start(database).await;
        let receiver = Receiver::start().await;
        let mut slow = Watcher::from_now(&mut client).await;
        let mut other = connect(&server).await;
        let mut fast = Watcher::from_now(&mut other).await;
        let published = publish_many(&receiver, &mut client, EVENTS).await;
        let mut ledgers = [BTreeMap::new(), BTreeMap::new()];
        // The slow one reads nothing until the fast one has had everything.
        for (watcher, ledger) in [&mut fast, &mut slow].into_iter().zip(&mut ledgers) {
            let mut delivered = 0;
            while delivered < EVENTS {
                let change = watcher.change().await;
                delivered += usize::from(change.state() == v1::DeliveryState::Delivered);
                note(ledger, &change);
            }
        }
        let expected = logged(&mut client, published.await.unwrap()).await;
        for ledger in ledgers {
            assert_once(ledger, expected.clone());
        }
        server.stop().await.unwrap();
    }

    /// A watcher of one webhook would be told of others, or not of what it asked for.
    async fn a_filter_lets_through_what_it_says(database: &Database) {
        let (server, mut client) = start(database).await;
        let receiver = Receiver::start().await;
        let (one, _) = register(&mut client, webhook(receiver.url(), "generic", &[])).await;
        let (other, _) = register(&mut client, webhook("http://127.0.0.1:1/".to_owned(), "generic", &[])).await;
        let of = |webhook: &str, event_types: &[&str], states: &[v1::DeliveryState]| v1::WatchDeliveriesRequest {
            webhook_id: webhook.to_owned(),
            event_types: event_types.iter().map(ToString::to_string).collect(),
            states: states.iter().map(|state| (*state).into()).collect(),
            ..v1::WatchDeliveriesRequest::default()
        };
        let mut by_webhook = Watcher::start(&mut client, of(&one, &[], &[])).await;
        let mut by_type = Watcher::start(&mut client, of("", &["vault.*"], &[])).await;
        let mut by_state = Watcher::start(&mut client, of("", &[], &[v1::DeliveryState::Dead])).await;
        let user = publish(&mut client, "user.created", "{}").await;
        delivery_of(&mut client, &user, &one, v1::DeliveryState::Delivered).await;
        let dead = delivery_of(&mut client, &user, &other, v1::DeliveryState::Dead).await;
        let vault = publish(&mut client, "vault.created", "{}").await;

        let change = by_webhook.change().await;
        assert_eq!((change.event_id.as_str(), change.webhook_id.as_str()), (user.as_str(), one.as_str()));
        assert_eq!((change.event_type.as_str(), change.state()), ("user.created", v1::DeliveryState::Delivered));
        let attempt = change.attempt.unwrap();
        assert_eq!((attempt.number, attempt.outcome(), attempt.http_status), (1, v1::Outcome::Accepted, 200));
        assert_eq!(by_webhook.change().await.event_id, vault);
        let types = [by_type.change().await, by_type.change().await];
        assert!(types.iter().all(|change| change.event_id == vault));
        let change = by_state.change().await;
        assert_eq!((change.delivery_id.as_str(), change.state()), (dead.as_str(), v1::DeliveryState::Dead));
        assert_eq!(change.attempt.unwrap().outcome(), v1::Outcome::Unreachable);
        server.stop().await.unwrap();
    }

    /// Ends without an attempt would be heard of by nobody.
    async fn a_cancelled_delivery_is_told_and_the_past_can_be_asked_for(database: &Database) {
        let (server, mut client) = start(database).await;
        let receiver = Receiver::start().await;
        receiver.will_answer([Answer::Status(500)]);
        let hour = Duration::from_hours(1);
        let (id, _) = register(&mut client, webhook(receiver.url(), "generic", &[hour])).await;
        let event = publish(&mut client, "user.created", "{}").await;
        let delivery = delivery_of(&mut client, &event, &id, v1::DeliveryState::Scheduled).await;
        client.cancel_delivery(v1::CancelDeliveryRequest { id: delivery.clone() }).await.unwrap();

        let request = v1::WatchDeliveriesRequest {
            start_time: Some(pbjson_types::Timestamp { seconds: 1_000, nanos: 0 }),
            ..v1::WatchDeliveriesRequest::default()
        };
        let mut watcher = Watcher::start(&mut client, request).await;
        let failed = watcher.change().await;
        assert_eq!(told(&failed), (delivery.clone(), 1, v1::DeliveryState::Scheduled));
        assert!(failed.attempt.unwrap().next_attempt_time.is_some());
        assert_eq!(told(&watcher.change().await), (delivery, 0, v1::DeliveryState::Cancelled));
        server.stop().await.unwrap();
    }

    /// A quiet watcher's cursor would grow old, and a deployment would hang on watchers.
    async fn a_quiet_watcher_hears_that_it_is_there_and_when_the_node_stops(database: &Database) {
        let (server, mut client) = start(database).await;
        let request = v1::WatchDeliveriesRequest {
            heartbeat_interval: Some(Duration::from_secs(1).into()),
            ..v1::WatchDeliveriesRequest::default()
        };
        let mut watcher = Watcher::start(&mut client, request).await;
        assert_eq!(watcher.next().await.unwrap(), None);
        let stopping = tokio::spawn(server.stop());
        let status = loop {
            if let Err(status) = watcher.next().await {
                break status;
            }
        };
        assert_refused(Err::<(), _>(status), Code::Unavailable, "SHUTTING_DOWN", "");
        drop(client);
        stopping.await.unwrap().unwrap();
    }

    /// A mistake would be answered by silence.
    async fn a_request_that_cannot_be_watched_is_refused(database: &Database) {
        let mut small = config(database.address());
        small.watchers_max = 1;
        let (server, mut client) = start_with(small).await;
        let watcher = Watcher::from_now(&mut client).await;
        let cursor = watcher.request.cursor.clone();
        let request = v1::WatchDeliveriesRequest::default;
        let too_many = client.watch_deliveries(request()).await;
        assert_refused(too_many, Code::ResourceExhausted, "TOO_MANY_WATCHERS", "");
        drop(watcher);

        let time = Some(pbjson_types::Timestamp { seconds: 1, nanos: 0 });
        let (_, check) = cursor.split_once('.').unwrap();
        let refusals = [
            (v1::WatchDeliveriesRequest { webhook_id: "x".to_owned(), ..request() }, "INVALID_ID", "webhook_id"),
            (v1::WatchDeliveriesRequest { event_types: vec!["User!".to_owned()], ..request() }, "INVALID_EVENT_TYPE", "event_types[0]"),
            (v1::WatchDeliveriesRequest { states: vec![2], ..request() }, "INVALID_STATE", "states"),
            (v1::WatchDeliveriesRequest { states: vec![99], ..request() }, "UNKNOWN_STATE", "states"),
            (v1::WatchDeliveriesRequest { cursor: "x".to_owned(), ..request() }, "INVALID_CURSOR", "cursor"),
            (v1::WatchDeliveriesRequest { cursor: cursor.clone(), states: vec![4], ..request() }, "INVALID_CURSOR", "cursor"),
            (v1::WatchDeliveriesRequest { cursor: cursor.clone(), start_time: time, ..request() }, "INVALID_START_TIME", "start_time"),
            (v1::WatchDeliveriesRequest { heartbeat_interval: Some(Duration::ZERO.into()), ..request() },
                "INVALID_HEARTBEAT_INTERVAL", "heartbeat_interval"),
        ];
        for (request, reason, field) in refusals {
            assert_refused(client.watch_deliveries(request).await, Code::InvalidArgument, reason, field);
        }
        let expired = v1::WatchDeliveriesRequest { cursor: format!("9223372036854775806-0.{check}"), ..request() };
        let refused = loop {
            // The place of the first watcher is free as soon as the service has heard that it is gone.
            match client.watch_deliveries(expired.clone()).await {
                Err(status) if status.code() == Code::ResourceExhausted => tokio::task::yield_now().await,
                answered => break answered,
            }
        };
        assert_refused(refused, Code::OutOfRange, "CURSOR_EXPIRED", "");
        server.stop().await.unwrap();
    }
}

/// The id of an event's delivery to a webhook, once it is in this state.
async fn delivery_of(client: &mut Client, event: &str, webhook: &str, state: v1::DeliveryState) -> String {
    let settled = |delivery: &v1::Delivery| delivery.webhook_id != webhook || delivery.state() == state;
    let found = crate::harness::deliveries_when(client, event, settled).await;
    found
        .into_iter()
        .find(|delivery| delivery.webhook_id == webhook)
        .unwrap()
        .id
}

/// A watcher would lose or repeat what other nodes write, or what a node wrote before it died.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_goes_from_node_to_node_and_one_of_them_is_killed() {
    const EVENTS: usize = 400;
    let database = Database::postgresql().await;
    let receiver = Receiver::start().await;
    let (stays, mut client): (Server, Client) = start(&database).await;
    let dies = Process::start_with(&database, &[]).await;
    let mut on_dying = dies.client().await;
    let mut dies = Some(dies);
    let mut watcher = Watcher::from_now(&mut on_dying).await;
    let published = publish_many(&receiver, &mut client, EVENTS).await;
    let mut second = on_dying.clone();
    let also_published = tokio::spawn(async move {
        let mut ids = Vec::new();
        let request = v1::PublishRequest {
            event_type: "user.created".to_owned(),
            payload: "{}".into(),
            ..v1::PublishRequest::default()
        };
        while let Ok(published) = second.publish(request.clone()).await {
            let published = published.into_inner();
            // Before this node knows of the webhook there is nothing to tell.
            if published.delivery_count == 1 {
                ids.push(published.event_id);
            }
        }
        ids
    });
    let mut ledger = BTreeMap::new();
    for round in 0..6 {
        for _ in 0..40 {
            match watcher.next().await {
                Ok(Some(change)) => note(&mut ledger, &change),
                Ok(None) => {}
                Err(_) => break,
            }
        }
        if round == 3
            && let Some(process) = dies.take()
        {
            process.kill().await;
        }
        let on_dying = if round % 2 == 0 { None } else { dies.as_ref() };
        let mut next = match on_dying {
            Some(process) => process.client().await,
            None => connect(&stays).await,
        };
        watcher = watcher.resume(&mut next).await;
    }
    let mut events = published.await.unwrap();
    events.extend(also_published.await.unwrap());
    let expected = logged(&mut client, events).await;
    // One that was stored and not acknowledged may be told too: it is in the log, and nobody knows its id but the log.
    let known: HashSet<_> = expected.iter().map(|(id, ..)| id.clone()).collect();
    let all = |ledger: &BTreeMap<Told, u32>| expected.iter().all(|told| ledger.contains_key(told));
    while !all(&ledger) {
        note(&mut ledger, &watcher.change().await);
    }
    ledger.retain(|(id, ..), times| known.contains(id) || *times > 1);
    assert_once(ledger, expected);
    drop(watcher);
    stays.stop().await.unwrap();
    database.remove().await;
}

/// Whoever follows on a terminal or into a file would have to start anew after each deployment, and miss something.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_follows_through_a_restart_of_the_server() {
    let database = Database::sqlite();
    let (server, mut client) = start(&database).await;
    let receiver = Receiver::start().await;
    register(&mut client, webhook(receiver.url(), "generic", &[])).await;
    let watcher = Watcher::from_now(&mut client).await;
    let cursor = watcher.request.cursor.clone();
    drop(watcher);
    let url = format!("http://{}", server.local_addr());
    let mut command = tokio::process::Command::new(crate::command_line::binary())
        .args([
            "deliveries",
            "--watch",
            "--json",
            "--server",
            &url,
            "--cursor",
            &cursor,
        ])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(command.stdout.take().unwrap()).lines();
    let mut next = async || {
        let line = tokio::time::timeout(PATIENCE, lines.next_line())
            .await
            .expect("a line");
        let answer: serde_json::Value = serde_json::from_str(&line.unwrap().expect("it goes on")).unwrap();
        assert!(answer["cursor"].is_string());
        answer["change"]["eventId"].as_str().unwrap().to_owned()
    };
    let before = publish(&mut client, "user.created", "{}").await;
    assert_eq!(next().await, before);

    let mut again = config(database.address());
    again.listen = server.local_addr();
    drop(client);
    server.stop().await.unwrap();
    let (server, mut client) = start_with(again).await;
    let after = publish(&mut client, "user.created", "{}").await;
    assert_eq!(next().await, after);
    command.kill().await.unwrap();
    server.stop().await.unwrap();
    database.remove().await;
}
