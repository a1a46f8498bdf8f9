//! What the sender makes of answers, of deliveries that cannot be made, and of webhooks that are stopped.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use hookwright_core::Registry;
use hookwright_proto::v1;
use hookwright_server::Server;
use hookwright_store::{Clock, Timestamp};

use crate::harness::{
    Answer, Client, Database, PATIENCE, Receiver, config, deliveries_when, delivery_when, get_webhook,
    on_both_stores, pause, publish, register, resume, start, start_with, webhook,
};

const HOUR: Duration = Duration::from_hours(1);
const START: Timestamp = Timestamp::from_unix_micros(1_800_014_400_000_000);

/// A server that makes one attempt per webhook at a time, so that what it does is in order.
async fn start_in_order(database: &Database, clock: &Clock) -> (Server, Client) {
    let mut config = config(database.address());
    config.clock = clock.clone();
    config.engine.attempts_per_webhook_max = 1;
    start_with(config).await
}

/// All deliveries to a webhook, once every one is as wanted.
async fn all_when(client: &mut Client, id: &str, count: usize, wanted: impl Fn(&v1::Delivery) -> bool) {
    let request = v1::ListDeliveriesRequest {
        webhook_id: id.to_owned(),
        page_size: 200,
        ..v1::ListDeliveriesRequest::default()
    };
    let wait = async {
        loop {
            let found = client
                .list_deliveries(request.clone())
                .await
                .unwrap()
                .into_inner()
                .deliveries;
            if found.len() == count && found.iter().all(&wanted) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("the deliveries did not get there");
}

/// Once the service knows that nothing may be sent before this second, and nothing is under way.
async fn left_alone_until(client: &mut Client, id: &str, second: i64) {
    let wait = async {
        loop {
            let status = get_webhook(client, id).await.status.unwrap();
            let until = status.wait_until_time.map_or(0, |time| time.seconds);
            if until >= second && status.in_flight == 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("the receiver's wish is not known");
}

fn status_with(status: u16, name: &'static str, value: String) -> Answer {
    Answer::With {
        status,
        header: (name, value),
        body: Bytes::new(),
    }
}

/// Of 20 deliveries that wait the first is told to wait: until then nothing is sent, not even what is published meanwhile.
async fn nothing_is_sent_before(database: &Database, status: u16, as_date: bool) {
    let clock = Clock::manual(START);
    let (server, mut client) = start_in_order(database, &clock).await;
    let (mut receiver, mut control) = (Receiver::start().await, Receiver::start().await);
    let wait = Duration::from_secs(7);
    let value = if as_date {
        let at = UNIX_EPOCH + Duration::from_secs(clock.now().unix_seconds().unsigned_abs()) + wait;
        httpdate::fmt_http_date(at)
    } else {
        wait.as_secs().to_string()
    };
    receiver.will_answer([status_with(status, "Retry-After", value)]);
    let wanted = |types: &str| vec![types.to_owned()];
    let asked = v1::Webhook {
        event_types: wanted("main.*"),
        ..webhook(receiver.url(), "generic", &[Duration::ZERO; 3])
    };
    let (id, _) = register(&mut client, asked).await;
    let other = v1::Webhook {
        event_types: wanted("control.*"),
        ..webhook(
            control.url(),
            "generic",
            &[wait.saturating_sub(Duration::from_millis(1))],
        )
    };
    register(&mut client, other).await;
    control.will_answer([Answer::Status(500)]);

    // They wait together, and become due together.
    pause(&mut client, &id).await;
    for _ in 0..20 {
        publish(&mut client, "main.made", "{}").await;
    }
    let retried = publish(&mut client, "control.made", "{}").await;
    control.next().await;
    delivery_when(&mut client, &retried, v1::DeliveryState::Scheduled).await;
    resume(&mut client, &id).await;
    receiver.next().await;
    left_alone_until(&mut client, &id, clock.now().plus(wait).unix_seconds()).await;

    // A millisecond before the time: the control's retry is sent, and nothing else.
    clock.advance(wait.saturating_sub(Duration::from_millis(1)));
    control.next().await;
    publish(&mut client, "main.made", "{}").await;
    all_when(&mut client, &id, 21, |delivery| {
        delivery.state() == v1::DeliveryState::Scheduled
    })
    .await;
    assert!(receiver.rest().is_empty(), "sent before the receiver wanted it");

    // Within the jitter after it, all of them.
    clock.advance(Duration::from_millis(1) + wait / 10);
    for _ in 0..21 {
        receiver.next().await;
    }
    all_when(&mut client, &id, 21, |delivery| {
        delivery.state() == v1::DeliveryState::Delivered
    })
    .await;
    assert!(receiver.rest().is_empty());
    server.stop().await.unwrap();
}

on_both_stores! {
    /// A receiver that says that it is gone would be asked again for days; or its events would be lost when it is back.
    async fn case_09_a_410_disables_the_webhook_and_holds_everything_until_it_is_resumed(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        receiver.will_answer([Answer::Status(410)]);
        // A single attempt is allowed: that it was answered 410 must not be the end of the delivery.
        let (id, _) = register(&mut client, webhook(receiver.url(), "generic", &[])).await;
        let first = publish(&mut client, "user.created", "{}").await;
        let held = delivery_when(&mut client, &first, v1::DeliveryState::Held).await;
        receiver.next().await;
        let disabled = get_webhook(&mut client, &id).await;
        assert_eq!(disabled.state(), v1::WebhookState::Disabled);
        let status = disabled.status.unwrap();
        assert_eq!((status.reason(), status.held_count), (v1::StopReason::Gone, 1));
        assert!(status.text.contains("410 Gone") && status.time.is_some());
        assert_eq!(held.attempts[0].http_status, 410);
        let hold = held.hold.unwrap();
        assert_eq!((hold.reason, hold.start_time), (status.text.clone(), status.time));
        assert!(hold.release.contains("ResumeWebhook") && hold.expire_time.is_some());
        assert_eq!(held.delivery.unwrap().state_reason, status.text);

        let mut events = vec![first];
        for _ in 0..3 {
            let event = publish(&mut client, "user.created", "{}").await;
            delivery_when(&mut client, &event, v1::DeliveryState::Held).await;
            events.push(event);
        }
        assert!(receiver.rest().is_empty(), "a receiver that is gone is left alone");
        assert_eq!(get_webhook(&mut client, &id).await.status.unwrap().held_count, 4);

        let active = resume(&mut client, &id).await;
        assert_eq!((active.state(), active.status), (v1::WebhookState::Active, None));
        for event in &events {
            delivery_when(&mut client, event, v1::DeliveryState::Delivered).await;
        }
        server.stop().await.unwrap();
    }

    /// A receiver that is overloaded and says for how long would be hit again at once, by everything that waits.
    async fn case_10_nothing_is_sent_before_the_time_that_a_429_or_503_asks_for(database: &Database) {
        nothing_is_sent_before(database, 429, false).await;
    }

    /// The same, told as a date.
    async fn a_503_with_a_date_is_waited_for_as_well(database: &Database) {
        nothing_is_sent_before(database, 503, true).await;
    }

    /// A receiver's answer would be taken for another one: events lost, or sent for days for nothing.
    async fn case_11_every_status_means_what_the_table_says(database: &Database) {
        use v1::{DeliveryState::{Dead, Delivered, Held, Scheduled}, Outcome::{Accepted, Redirected, Rejected}};

        let (server, mut client) = start(database).await;
        let receiver = Receiver::start().await;
        let strict = v1::RetryPolicy {
            permanent_statuses: vec!["4xx".to_owned(), "501".to_owned()],
            ..webhook(String::new(), "", &[HOUR]).retry_policy.unwrap()
        };
        for (status, outcome, usually, strictly) in [
            (200, Accepted, Delivered, Delivered),
            (201, Accepted, Delivered, Delivered),
            (204, Accepted, Delivered, Delivered),
            (299, Accepted, Delivered, Delivered),
            (300, Redirected, Scheduled, Scheduled),
            (301, Redirected, Scheduled, Scheduled),
            (304, Redirected, Scheduled, Scheduled),
            (307, Redirected, Scheduled, Scheduled),
            (400, Rejected, Scheduled, Dead),
            (401, Rejected, Scheduled, Dead),
            (403, Rejected, Scheduled, Dead),
            (404, Rejected, Scheduled, Dead),
            (408, Rejected, Scheduled, Scheduled),
            (409, Accepted, Scheduled, Delivered),
            (410, Rejected, Held, Held),
            (413, Rejected, Scheduled, Dead),
            (415, Rejected, Scheduled, Dead),
            (422, Rejected, Scheduled, Dead),
            (425, Rejected, Scheduled, Scheduled),
            (429, Rejected, Scheduled, Scheduled),
            (500, Rejected, Scheduled, Scheduled),
            (501, Rejected, Scheduled, Dead),
            (502, Rejected, Scheduled, Scheduled),
            (503, Rejected, Scheduled, Scheduled),
            (504, Rejected, Scheduled, Scheduled),
        ] {
            let event_types = vec![format!("status.{status}")];
            let usual = v1::Webhook { event_types: event_types.clone(), ..webhook(receiver.url(), "generic", &[HOUR]) };
            let strict = v1::Webhook {
                retry_policy: Some(strict.clone()),
                success_statuses: vec!["2xx".to_owned(), "409".to_owned()],
                ..usual.clone()
            };
            for (webhook, state) in [(usual, usually), (strict, strictly)] {
                receiver.will_answer([Answer::Status(status)]);
                let (id, _) = register(&mut client, webhook).await;
                let event = publish(&mut client, &event_types[0], "{}").await;
                let found = deliveries_when(&mut client, &event, |delivery| delivery.attempt_count == 1).await;
                let delivery = &found[0];
                assert_eq!(delivery.state(), state, "{status}");
                assert_eq!(delivery.last_http_status, u32::from(status));
                let told = if state == Scheduled && outcome == Accepted { Rejected } else { outcome };
                assert_eq!(delivery.last_outcome(), told, "{status}");
                client.delete_webhook(v1::DeleteWebhookRequest { id, ..v1::DeleteWebhookRequest::default() }).await.unwrap();
            }
        }
        server.stop().await.unwrap();
    }

    /// One delivery that can never be made would be tried for ever, and keep the others from being made.
    async fn case_17_what_cannot_be_sent_is_dead_once_and_says_why(database: &Database) {
        let mut config = config(database.address());
        config.payload_bytes_max = 26 * 1024 * 1024;
        let (server, mut client) = start_with(config).await;
        let mut receiver = Receiver::start().await;
        let encryption = v1::Encryption {
            key: Some(v1::encryption::Key::SharedKey("A".repeat(43))),
            ..v1::Encryption::default()
        };
        let encrypted = v1::Webhook { encryption: Some(encryption), ..webhook(receiver.url(), "generic", &[Duration::ZERO; 9]) };
        let (id, _) = register(&mut client, encrypted).await;
        // More than an encrypted message can hold.
        let poison = publish(&mut client, "user.created", &format!("\"{}\"", "x".repeat(25 * 1024 * 1024))).await;
        let dead = deliveries_when(&mut client, &poison, |delivery| delivery.state() == v1::DeliveryState::Dead).await;
        assert_eq!(dead[0].attempt_count, 0);
        assert!(dead[0].state_reason.starts_with("it cannot be sent: "), "{}", dead[0].state_reason);
        let good = publish(&mut client, "user.created", "{}").await;
        delivery_when(&mut client, &good, v1::DeliveryState::Delivered).await;
        receiver.next().await;
        assert!(receiver.rest().is_empty());
        assert_eq!(get_webhook(&mut client, &id).await.state(), v1::WebhookState::Active);
        server.stop().await.unwrap();
    }

    /// A webhook whose platform is not known any more would lose its events, or break the service at every start.
    async fn what_is_held_for_an_unknown_platform_waits_for_it(database: &Database) {
        let profile = r#"{"name": "own", "scheme": "standard-webhooks", "event_id_prefix": "own", "timeout": "10s",
            "schedule": {"delays": []}, "envelope": [{"name": "kind", "value": "type"}, {"name": "id", "value": "id"}, {"name": "data", "value": "data"}],
            "hold": {"max_age": "1h"}}"#;
        let mut known = Registry::builtin();
        known.add_profile_json(profile).unwrap();
        let clock = Clock::manual(START);
        let start = async |registry: &Registry| {
            let mut config = config(database.address());
            config.clock = clock.clone();
            config.registry = Arc::new(registry.clone());
            start_with(config).await
        };
        let (server, mut client) = start(&known).await;
        let mut receiver = Receiver::start().await;
        let (id, _) = register(&mut client, webhook(receiver.url(), "own", &[])).await;
        pause(&mut client, &id).await;
        let event = publish(&mut client, "user.created", "{}").await;
        drop(client);
        server.stop().await.unwrap();
        for _ in 0..2 {
            let (server, mut client) = start(&Registry::builtin()).await;
            let mut other = Receiver::start().await;
            register(&mut client, webhook(other.url(), "generic", &[])).await;
            publish(&mut client, "user.created", "{}").await;
            other.next().await;
            let held = delivery_when(&mut client, &event, v1::DeliveryState::Held).await;
            assert!(held.attempts.is_empty());
            drop(client);
            server.stop().await.unwrap();
        }
        let (server, mut client) = start(&known).await;
        // Without the platform it was put off by some minutes.
        clock.advance(Duration::from_mins(6));
        resume(&mut client, &id).await;
        delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
        receiver.next().await;
        assert!(receiver.rest().is_empty());
        server.stop().await.unwrap();
    }

    /// A customer that pauses for maintenance would lose what happens meanwhile, or get it in disorder.
    async fn case_23_what_is_published_while_paused_arrives_in_order_after_resuming(database: &Database) {
        let clock = Clock::system();
        let (server, mut client) = start_in_order(database, &clock).await;
        let mut receiver = Receiver::start().await;
        receiver.will_answer([Answer::Status(500)]);
        let (id, _) = register(&mut client, webhook(receiver.url(), "generic", &[Duration::from_millis(1); 3])).await;
        let paused = pause(&mut client, &id).await;
        assert_eq!(paused.state(), v1::WebhookState::Paused);
        assert_eq!(pause(&mut client, &id).await.status, paused.status, "a second pause changes nothing");
        // More than are claimed at once.
        let mut published = Vec::new();
        for _ in 0..300 {
            published.push(publish(&mut client, "user.created", "{}").await);
        }
        let held = delivery_when(&mut client, published.last().unwrap(), v1::DeliveryState::Held).await;
        assert!(held.attempts.is_empty());
        let request = v1::ListDeliveriesRequest {
            webhook_id: id.clone(),
            state: v1::DeliveryState::Held.into(),
            page_size: 200,
            ..v1::ListDeliveriesRequest::default()
        };
        assert_eq!(client.list_deliveries(request).await.unwrap().into_inner().deliveries.len(), 200);
        assert_eq!(get_webhook(&mut client, &id).await.status.unwrap().held_count, 300);
        assert!(receiver.rest().is_empty());

        assert_eq!(resume(&mut client, &id).await.state(), v1::WebhookState::Active);
        assert_eq!(resume(&mut client, &id).await.state(), v1::WebhookState::Active);
        let mut arrived = Vec::new();
        for _ in 0..301 {
            arrived.push(receiver.next().await.header("webhook-id").to_owned());
        }
        // The first one failed at first, and comes again when it is due again.
        let first = arrived[0].clone();
        let again = arrived[1..].iter().position(|id| *id == first).unwrap();
        arrived.remove(again + 1);
        assert_eq!(arrived, published);
        server.stop().await.unwrap();
    }
}

/// A customer that pauses a webhook or gives it another address would go on being sent to by the other node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_22_a_change_on_one_node_takes_effect_on_the_other_within_a_heartbeat() {
    let database = Database::postgresql().await;
    let (first, on_first) = start(&database).await;
    let (second, on_second) = start(&database).await;
    let (mut old, mut new, mut paused) = (
        Receiver::start().await,
        Receiver::start().await,
        Receiver::start().await,
    );
    for receiver in [&old, &new, &paused] {
        // An answer that does not say that the endpoint is down.
        receiver.will_answer((0..100_000).map(|_| Answer::Status(400)));
    }
    // Retried without a pause by whichever node has the lane; the change comes through one node and then the other.
    for (mut here, mut there) in [
        (on_first.clone(), on_second.clone()),
        (on_second.clone(), on_first.clone()),
    ] {
        let restless = |url: String| v1::Webhook {
            event_types: vec!["restless.made".to_owned()],
            ..webhook(url, "generic", &[Duration::ZERO; 99])
        };
        let (moving, _) = register(&mut here, restless(old.url())).await;
        let (stopping, _) = register(&mut here, restless(paused.url())).await;
        publish(&mut there, "restless.made", "{}").await;
        old.next().await;
        paused.next().await;

        let changed_at = std::time::Instant::now();
        let stopped = pause(&mut here, &stopping).await;
        assert_eq!(stopped.state(), v1::WebhookState::Paused);
        let update = v1::UpdateWebhookRequest {
            webhook: Some(v1::Webhook {
                id: moving.clone(),
                url: new.url(),
                ..v1::Webhook::default()
            }),
            update_mask: Some(pbjson_types::FieldMask {
                paths: vec!["url".to_owned()],
            }),
        };
        here.update_webhook(update).await.unwrap();
        // The very next publish through the other node holds what is published.
        let event = publish(&mut there, "restless.made", "{}").await;
        let held = deliveries_when(&mut there, &event, |delivery| {
            delivery.webhook_id != stopping || delivery.state() == v1::DeliveryState::Held
        })
        .await;
        assert!(
            held.iter()
                .all(|delivery| delivery.webhook_id != stopping || delivery.attempt_count == 0)
        );
        // Once the new address is used, the node knows of the pause, which came first: what was under way then is all.
        new.next().await;
        let known_after = changed_at.elapsed();
        deliveries_when(&mut here, &event, |delivery| {
            delivery.webhook_id == stopping || delivery.attempt_count >= 5
        })
        .await;
        paused.rest();
        deliveries_when(&mut here, &event, |delivery| {
            delivery.webhook_id == stopping || delivery.attempt_count >= 10
        })
        .await;
        assert!(paused.rest().is_empty(), "sent to after its pause was known");
        println!("a change was in effect on both nodes after {known_after:?}");
        for id in [moving, stopping] {
            here.delete_webhook(v1::DeleteWebhookRequest {
                id,
                ..v1::DeleteWebhookRequest::default()
            })
            .await
            .unwrap();
        }
        old.rest();
        new.rest();
    }
    first.stop().await.unwrap();
    second.stop().await.unwrap();
    database.remove().await;
}
