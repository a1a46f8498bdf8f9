//! Failed deliveries are tried again, when the schedule says and never before.

use std::{sync::Arc, time::Duration};

use hookwright_proto::v1;
use hookwright_store::{Clock, Timestamp};
use tokio::sync::Notify;

use crate::harness::{
    Answer, Database, Receiver, deliveries_when, delivery_when, on_both_stores, publish, register, start,
    start_with_clock, webhook,
};

fn micros(moment: Option<&pbjson_types::Timestamp>) -> i64 {
    let moment = moment.expect("a moment");
    moment.seconds * 1_000_000 + i64::from(moment.nanos) / 1_000
}

on_both_stores! {
    /// A receiver that is down for a moment would lose events, or be hammered.
    async fn a_failed_delivery_is_tried_again_after_the_wait_and_not_before(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        receiver.will_answer([Answer::Status(500), Answer::Status(503)]);
        let waits = [Duration::from_millis(120), Duration::from_millis(250)];
        register(&mut client, webhook(receiver.url(), "generic", &waits)).await;
        let event = publish(&mut client, "user.created", "{}").await;
        let found = delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;

        let requests = [receiver.next().await, receiver.next().await, receiver.next().await];
        assert_eq!(requests[0].body, requests[2].body, "every attempt sends the same body");
        assert_eq!(requests[0].header("webhook-id"), requests[2].header("webhook-id"));
        let statuses: Vec<u32> = found.attempts.iter().map(|attempt| attempt.http_status).collect();
        assert_eq!(statuses, [500, 503, 200]);
        assert_eq!(found.attempts[0].error, "answered 500 Internal Server Error");
        for (pair, wait) in found.attempts.windows(2).zip(waits) {
            let [before, after] = pair else { unreachable!("windows of two") };
            let ended = micros(before.start_time.as_ref()) + i64::from(before.duration.as_ref().unwrap().nanos) / 1_000;
            let waited = micros(after.start_time.as_ref()) - ended;
            assert!(waited >= i64::try_from(wait.as_micros()).unwrap(), "waited {waited} us instead of {wait:?}");
        }
        server.stop().await.unwrap();
    }

    /// An event that cannot be delivered would be attempted for ever, or vanish without a trace.
    async fn after_the_last_attempt_a_delivery_is_dead_and_stays_listed(database: &Database) {
        let (server, mut client) = start(database).await;
        let mut receiver = Receiver::start().await;
        receiver.will_answer([Answer::Status(404), Answer::Status(404)]);
        register(&mut client, webhook(receiver.url(), "generic", &[Duration::ZERO])).await;
        let event = publish(&mut client, "user.created", "{}").await;
        let found = delivery_when(&mut client, &event, v1::DeliveryState::Dead).await;
        assert_eq!(found.attempts.len(), 2);
        assert!(found.attempts[1].next_attempt_time.is_none());
        let request = v1::ListDeliveriesRequest {
            state: v1::DeliveryState::Dead.into(),
            ..v1::ListDeliveriesRequest::default()
        };
        let dead = client.list_deliveries(request).await.unwrap().into_inner().deliveries;
        assert_eq!(dead.iter().map(|delivery| &delivery.event_id).collect::<Vec<_>>(), [&event]);
        receiver.next().await;
        receiver.next().await;
        assert!(receiver.rest().is_empty());
        server.stop().await.unwrap();
    }

    /// A node that attempts something for long would keep the retries of its share of tenants from every other node: no row
    /// of that share may be due while it does.
    async fn an_attempt_that_takes_long_leaves_no_row_that_is_due(database: &Database) {
        let now = Timestamp::from_unix_micros(1_800_000_000_000_000);
        let (server, mut client) = start_with_clock(database, &Clock::manual(now)).await;
        let mut receiver = Receiver::start().await;
        let held = Arc::new(Notify::new());
        receiver.will_answer([Answer::Status(500), Answer::Held(Arc::clone(&held))]);
        let timeout = Duration::from_secs(30);
        let slow = v1::Webhook { timeout: Some(timeout.into()), ..webhook(receiver.url(), "generic", &[Duration::ZERO]) };
        register(&mut client, slow).await;
        let event = publish(&mut client, "user.created", "{}").await;
        receiver.next().await;
        receiver.next().await;
        let over = (now.unix_micros() / 1_000_000).cast_unsigned() + 25;
        deliveries_when(&mut client, &event, |delivery| {
            let due = delivery.next_attempt_time.as_ref();
            due.is_some_and(|due| due.seconds.cast_unsigned() >= over)
        })
        .await;
        held.notify_one();
        let found = delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
        assert_eq!(found.attempts.len(), 2);
        assert!(receiver.rest().is_empty());
        server.stop().await.unwrap();
    }

    /// DigiVault's customers would see other retry times than they were promised.
    async fn the_schedule_of_a_platform_runs_on_the_stores_clock_to_the_second(database: &Database) {
        let start = Timestamp::from_unix_micros(1_800_000_000_000_000);
        let clock = Clock::manual(start);
        let (server, mut client) = start_with_clock(database, &clock).await;
        let mut receiver = Receiver::start().await;
        receiver.will_answer((0..6).map(|_| Answer::Status(500)));
        let webhook = v1::Webhook { retry_policy: None, ..webhook(receiver.url(), "digivault", &[]) };
        register(&mut client, webhook).await;
        let event = publish(&mut client, "contact.created", "{}").await;
        receiver.next().await;
        for minutes in [1, 5, 15, 60, 360] {
            let found = delivery_when(&mut client, &event, v1::DeliveryState::Scheduled).await;
            let wait = Duration::from_mins(minutes);
            let due = micros(found.delivery.unwrap().next_attempt_time.as_ref());
            assert_eq!(due - clock.now().unix_micros(), i64::try_from(wait.as_micros()).unwrap());
            clock.advance(wait);
            receiver.next().await;
            // On a clock that stands still the attempt began at the very moment that it was due.
            let settled = if minutes == 360 { v1::DeliveryState::Dead } else { v1::DeliveryState::Scheduled };
            let attempts = u32::try_from([1, 5, 15, 60, 360].iter().position(|m| *m == minutes).unwrap()).unwrap() + 2;
            let found = crate::harness::deliveries_when(&mut client, &event, |delivery| {
                delivery.attempt_count == attempts && delivery.state() == settled
            })
            .await;
            assert_eq!(micros(found[0].last_attempt_time.as_ref()) - due, latency(&mut client, &found[0].id).await);
        }
        assert!(receiver.rest().is_empty());
        server.stop().await.unwrap();
    }
}

/// How long the latest attempt took, in microseconds of real time: the log adds it to when the attempt began.
async fn latency(client: &mut crate::harness::Client, delivery: &str) -> i64 {
    let request = v1::GetDeliveryRequest {
        id: delivery.to_owned(),
    };
    let found = client.get_delivery(request).await.unwrap().into_inner();
    i64::from(found.attempts.last().unwrap().duration.as_ref().unwrap().nanos) / 1_000
}
