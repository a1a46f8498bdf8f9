//! Webhooks that are paused and resumed: under load, up to the limits of what is held, and as settings.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hookwright_core::{Profile, Request as Received, Secret, Verifier};
use hookwright_proto::v1;
use hookwright_store::{Clock, Timestamp};
use tokio::sync::Notify;

use crate::harness::{
    Answer, Database, PATIENCE, Receiver, Request, all_delivered, config, deliveries_when, delivery_when,
    get_webhook, on_both_stores, pause, publish, register, resume, start, start_with, start_with_clock,
    update, webhook,
};

const EVENTS: usize = 3_000;
const PUBLISHERS: usize = 6;

fn is_valid(verifier: &Verifier, request: &Request, now: i64) -> bool {
    let headers: Vec<(&str, &[u8])> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let received = Received {
        method: "POST",
        url: "",
        headers: &headers,
        body: &request.body,
    };
    verifier.verify(&received, now).is_ok()
}

on_both_stores! {
    /// Pausing while events come in would lose some of them.
    async fn pausing_and_resuming_under_load_loses_nothing(database: &Database) {
        let mut config = config(database.address());
        // On a busy machine heartbeats are late as well; losing the lease is another test's matter.
        config.node.lease = Duration::from_mins(1);
        let (server, mut client) = start_with(config).await;
        let mut receiver = Receiver::start().await;
        let (id, secret) = register(&mut client, webhook(receiver.url(), "generic", &[Duration::ZERO; 5])).await;
        let profile = Profile::builtin("generic").unwrap();
        let verifier = Verifier::for_profile(&profile, &[Secret::parse(&secret).unwrap()]).unwrap();

        let mut publishers = tokio::task::JoinSet::new();
        for _ in 0..PUBLISHERS {
            let mut client = client.clone();
            publishers.spawn(async move {
                let mut ids = Vec::with_capacity(EVENTS / PUBLISHERS);
                for _ in 0..EVENTS / PUBLISHERS {
                    ids.push(publish(&mut client, "user.created", r#"{"n":1}"#).await);
                }
                ids
            });
        }
        let done = Arc::new(AtomicBool::new(false));
        let toggling = tokio::spawn({
            let (mut client, done, id) = (client.clone(), Arc::clone(&done), id.clone());
            async move {
                let mut pauses = 0;
                while !done.load(Ordering::Relaxed) {
                    pause(&mut client, &id).await;
                    // Something is held before it goes on.
                    let held = async {
                        while !done.load(Ordering::Relaxed)
                            && get_webhook(&mut client, &id).await.status.unwrap().held_count < 20 {}
                    };
                    held.await;
                    resume(&mut client, &id).await;
                    pauses += 1;
                }
                pauses
            }
        });
        let mut acknowledged = HashSet::new();
        while let Some(ids) = publishers.join_next().await {
            acknowledged.extend(ids.unwrap());
        }
        done.store(true, Ordering::Relaxed);
        let pauses: usize = toggling.await.unwrap();
        assert_eq!(acknowledged.len(), EVENTS);
        assert!(pauses > 1, "{pauses} pauses");

        let (mut arrived, mut requests) = (HashSet::new(), 0);
        let collect = async {
            while arrived.len() < EVENTS {
                let request = receiver.next().await;
                let now: i64 = request.header("webhook-timestamp").parse().unwrap();
                assert!(is_valid(&verifier, &request, now), "a signature does not verify");
                arrived.insert(request.header("webhook-id").to_owned());
                requests += 1;
            }
        };
        tokio::time::timeout(PATIENCE * 2, collect).await.expect("some events did not arrive");
        assert_eq!(arrived, acknowledged);
        println!("{EVENTS} events, {pauses} pauses, {requests} requests, 0 lost, 0 not valid");
        all_delivered(&mut client, &acknowledged).await;
        server.stop().await.unwrap();
    }

    /// First attempts that wait in memory would be made although their webhook is paused.
    async fn what_waits_in_memory_is_held_as_soon_as_its_webhook_is_paused(database: &Database) {
        let mut config = config(database.address());
        config.engine.attempts_per_webhook_max = 1;
        let (server, mut client) = start_with(config).await;
        let mut receiver = Receiver::start().await;
        let release = Arc::new(Notify::new());
        receiver.will_answer([Answer::Held(Arc::clone(&release))]);
        let (id, _) = register(&mut client, webhook(receiver.url(), "generic", &[])).await;
        let under_way = publish(&mut client, "user.created", "{}").await;
        receiver.next().await;
        let mut waiting = Vec::new();
        for _ in 0..5 {
            waiting.push(publish(&mut client, "user.created", "{}").await);
        }
        pause(&mut client, &id).await;
        release.notify_one();
        delivery_when(&mut client, &under_way, v1::DeliveryState::Delivered).await;
        for event in &waiting {
            let held = delivery_when(&mut client, event, v1::DeliveryState::Held).await;
            assert!(held.attempts.is_empty());
        }
        assert!(receiver.rest().is_empty());
        resume(&mut client, &id).await;
        for event in &waiting {
            assert_eq!(receiver.next().await.header("webhook-id"), event.as_str());
        }
        server.stop().await.unwrap();
    }

    /// A webhook that nobody resumes would fill the store; or what is given up would vanish without a word.
    async fn what_is_held_beyond_the_limits_is_dead_and_says_why(database: &Database) {
        let clock = Clock::manual(Timestamp::from_unix_micros(1_800_014_400_000_000));
        let (server, mut client) = start_with_clock(database, &clock).await;
        let mut receiver = Receiver::start().await;
        let policy = v1::HoldPolicy { max_deliveries: 5, max_age: Some(Duration::from_mins(10).into()) };
        let webhook = v1::Webhook { hold: Some(policy), ..webhook(receiver.url(), "generic", &[]) };
        let (id, _) = register(&mut client, webhook).await;
        assert_eq!(get_webhook(&mut client, &id).await.hold, Some(policy));
        pause(&mut client, &id).await;
        let mut events = Vec::new();
        for _ in 0..8 {
            events.push(publish(&mut client, "user.created", "{}").await);
            clock.advance(Duration::from_millis(1));
        }
        clock.advance(Duration::from_mins(1));
        for event in &events[..3] {
            let dead = delivery_when(&mut client, event, v1::DeliveryState::Dead).await;
            assert!(dead.attempts.is_empty() && dead.hold.is_none());
            assert_eq!(
                dead.delivery.unwrap().state_reason,
                "more than 5 deliveries were held: its owner paused it"
            );
        }
        for event in &events[3..] {
            delivery_when(&mut client, event, v1::DeliveryState::Held).await;
        }
        assert_eq!(get_webhook(&mut client, &id).await.status.unwrap().held_count, 5);

        clock.advance(Duration::from_mins(11));
        for event in &events[3..] {
            let dead = delivery_when(&mut client, event, v1::DeliveryState::Dead).await.delivery.unwrap();
            assert_eq!(dead.state_reason, "held for more than 10 minutes: its owner paused it");
        }
        resume(&mut client, &id).await;
        let event = publish(&mut client, "user.created", "{}").await;
        delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
        receiver.next().await;
        assert!(receiver.rest().is_empty());
        server.stop().await.unwrap();
    }

    /// A webhook could not be paused by those who write all of it, or would lose why it is stopped when it is written back.
    async fn the_state_is_a_setting_too(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        let paused = v1::Webhook { state: v1::WebhookState::Paused.into(), ..webhook(receiver.url(), "generic", &[]) };
        let (id, _) = register(&mut client, paused).await;
        let event = publish(&mut client, "user.created", "{}").await;
        let held = delivery_when(&mut client, &event, v1::DeliveryState::Held).await;
        assert_eq!(held.hold.unwrap().start_time, held.delivery.unwrap().create_time, "held since its event");
        let read = get_webhook(&mut client, &id).await;
        let written = update(&mut client, read.clone(), &["state", "name"]).await;
        assert_eq!(written.status.unwrap().time, read.status.unwrap().time);
        let set = |state: v1::WebhookState| v1::Webhook { id: id.clone(), state: state.into(), ..v1::Webhook::default() };
        let disabled = update(&mut client, set(v1::WebhookState::Disabled), &["state"]).await;
        assert_eq!(disabled.state(), v1::WebhookState::Disabled);
        assert_eq!(disabled.status.unwrap().reason(), v1::StopReason::Owner);
        let active = update(&mut client, set(v1::WebhookState::Active), &["state"]).await;
        assert_eq!((active.state(), active.status), (v1::WebhookState::Active, None));
        delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
        receiver.next().await;
        server.stop().await.unwrap();
    }

    /// Two owners that change a webhook at the same time would undo each other's changes.
    async fn changes_of_different_fields_at_the_same_time_are_both_kept(database: &Database) {
        let (server, mut client) = start(database).await;
        let (id, _) = register(&mut client, webhook("https://example.com/".to_owned(), "generic", &[])).await;
        for round in 0..20 {
            let (mut a, mut b) = (client.clone(), client.clone());
            let renamed = v1::Webhook { id: id.clone(), name: format!("round {round}"), ..v1::Webhook::default() };
            tokio::join!(update(&mut a, renamed, &["name"]), pause(&mut b, &id));
            let read = get_webhook(&mut client, &id).await;
            assert_eq!((read.name, read.state), (format!("round {round}"), v1::WebhookState::Paused.into()));
            resume(&mut client, &id).await;
        }
        server.stop().await.unwrap();
    }

    /// A policy would not end retries when it says.
    async fn attempts_and_age_limit_a_schedule(database: &Database) {
        let clock = Clock::manual(Timestamp::from_unix_micros(1_800_014_400_000_000));
        let (server, mut client) = start_with_clock(database, &clock).await;
        let mut receiver = Receiver::start().await;
        receiver.will_answer((0..20).map(|_| Answer::Status(500)));
        let with = |event_type: &str, limits: v1::RetryPolicy| {
            let webhook = webhook(receiver.url(), "generic", &[Duration::from_mins(1); 9]);
            let schedule = webhook.retry_policy.unwrap().schedule;
            v1::Webhook {
                retry_policy: Some(v1::RetryPolicy { schedule, ..limits }),
                event_types: vec![event_type.to_owned()],
                url: webhook.url,
                profile: webhook.profile,
                ..v1::Webhook::default()
            }
        };
        let few = with("few.attempts", v1::RetryPolicy { max_attempts: 3, ..v1::RetryPolicy::default() });
        let young = with("young.only", v1::RetryPolicy { max_age: Some(Duration::from_secs(130).into()), ..v1::RetryPolicy::default() });
        let (id, _) = register(&mut client, few.clone()).await;
        register(&mut client, young).await;
        assert_eq!(get_webhook(&mut client, &id).await.retry_policy, few.retry_policy);
        let events = [publish(&mut client, "few.attempts", "{}").await, publish(&mut client, "young.only", "{}").await];
        for attempts in 1..=3 {
            for event in &events {
                deliveries_when(&mut client, event, |delivery| delivery.attempt_count == attempts).await;
            }
            clock.advance(Duration::from_mins(1));
        }
        for event in &events {
            let found = delivery_when(&mut client, event, v1::DeliveryState::Dead).await;
            assert_eq!(found.attempts.len(), 3);
        }
        for _ in 0..6 {
            receiver.next().await;
        }
        assert!(receiver.rest().is_empty());
        server.stop().await.unwrap();
    }
}
