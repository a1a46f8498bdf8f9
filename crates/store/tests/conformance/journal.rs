//! The journal: everything that happens to deliveries is told once, in an order in which nothing appears late.

use std::{collections::BTreeMap, time::Duration};

use hookwright_store::{
    AttemptEnd, Change, DeliveryId, DeliveryState, End, HoldPolicy, Next, Origin, Outcome, Place, Retention,
    Stop, StopCause, Store, Verdict, WebhookSettings,
};
use sqlx::Connection as _;

use crate::harness::{DAY, Harness, START, attempted, eventually, settings};

conformance! {
    both:
    every_attempt_and_every_end_is_told_with_what_came_of_it,
    a_delivery_that_is_cancelled_or_given_up_is_told_once,
    an_attempt_that_is_reported_twice_is_told_once,
    a_journal_is_read_in_parts_of_any_size,
    who_begins_at_a_time_misses_nothing_since,
    places_that_are_not_kept_are_refused;
    postgres:
    a_slow_transaction_that_began_first_is_not_skipped,
    nodes_that_write_at_the_same_time_are_all_heard_once
}

const HOUR: Duration = Duration::from_hours(1);
const BYTES: usize = 64 * 1_024;

/// Everything after a place, once nothing that is stored waits for transactions beside it, and where that ends.
async fn rest(store: &Store, mut place: Place, bytes: usize) -> (Vec<(Place, Change)>, Place) {
    let mut changes = Vec::new();
    let what = "what other databases of the server do comes to an end";
    eventually(what, async || {
        let read = store.journal_after(place, bytes).await.unwrap();
        let stretch = read.expect("a place in the journal");
        assert!(
            stretch.end >= place,
            "it goes back from {place} to {}",
            stretch.end
        );
        changes.extend(stretch.changes);
        place = stretch.end;
        (stretch.is_last && !stretch.has_pending).then_some(())
    })
    .await;
    (changes, place)
}

/// What is told of a delivery: number, verdict, whether it was attempted.
fn told_of(changes: &[(Place, Change)], delivery: DeliveryId) -> Vec<(u16, Verdict, bool)> {
    let of_it = changes.iter().filter(|(_, change)| change.delivery == delivery);
    of_it
        .map(|(_, change)| (change.number, change.verdict, change.attempt.is_some()))
        .collect()
}

async fn every_attempt_and_every_end_is_told_with_what_came_of_it(harness: Harness) {
    // A watcher would not hear of it, or of something else.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 8).await;
    let start = process.store.journal_end().await.unwrap();
    let later = START.plus(HOUR);
    let deliveries = process.publish_hot(&tenant, &tenant.webhooks).await;
    let failed = |next| {
        End::Attempted(AttemptEnd {
            outcome: Outcome::Rejected,
            http_status: Some(503),
            started_at: START,
            latency: Duration::from_millis(12),
            error: Some("é".repeat(1_000)),
            response: None,
            next,
        })
    };
    let ends = [
        attempted(Next::Delivered),
        failed(Next::Retry(later)),
        attempted(Next::Dead),
        attempted(Next::Cancelled),
        End::Cancelled,
        End::GivenUp(String::from("no key")),
        End::Released(later),
        End::Parked(later),
    ];
    for (delivery, end) in deliveries.iter().zip(ends) {
        process.finish(&tenant, *delivery, 1, Origin::Publish, end).await;
    }
    process.until_written(&tenant).await;

    let (changes, _) = rest(&process.store, start, BYTES).await;
    let expected = [
        Some((Verdict::Delivered, true)),
        Some((Verdict::Retry, true)),
        Some((Verdict::Dead, true)),
        Some((Verdict::Cancelled, true)),
        Some((Verdict::Cancelled, false)),
        Some((Verdict::Dead, false)),
        None,
        None,
    ];
    for (id, expected) in deliveries.iter().zip(expected) {
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(verdict, made)| (1, verdict, made))
            .collect();
        assert_eq!(told_of(&changes, *id), expected);
    }
    let of = |index: usize| {
        &changes
            .iter()
            .find(|(_, change)| change.delivery == deliveries[index])
            .unwrap()
            .1
    };
    let retried = of(1);
    assert_eq!(
        (retried.tenant, retried.event_type.as_str()),
        (tenant.id, "order.paid")
    );
    assert_eq!(
        (retried.at, retried.next_at),
        (START.plus(Duration::from_millis(12)), Some(later))
    );
    let made = retried.attempt.unwrap();
    assert_eq!((made.outcome, made.http_status), (Outcome::Rejected, Some(503)));
    assert_eq!(
        (made.started_at, made.latency),
        (START, Duration::from_millis(12))
    );
    assert_eq!(
        retried.error.as_deref(),
        Some("é".repeat(256).as_str()),
        "the beginning, in whole characters"
    );
    assert_eq!(of(5).error.as_deref(), Some("no key"));

    // Whoever goes on from any change hears what came after it, and only that.
    for (index, (place, _)) in changes.iter().enumerate() {
        let (after, _) = rest(&process.store, *place, BYTES).await;
        assert_eq!(after, changes[index + 1..]);
    }
}

async fn a_delivery_that_is_cancelled_or_given_up_is_told_once(harness: Harness) {
    // Ends that no attempt leads to would never reach a watcher.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 2).await;
    let deliveries = process.publish_hot(&tenant, &tenant.webhooks).await;
    let start = process.store.journal_end().await.unwrap();
    for delivery in &deliveries {
        process
            .finish(
                &tenant,
                *delivery,
                1,
                Origin::Publish,
                attempted(Next::Retry(START.plus(HOUR))),
            )
            .await;
    }
    process.until_written(&tenant).await;
    for _ in 0..2 {
        process
            .store
            .cancel_delivery(tenant.id, deliveries[0])
            .await
            .unwrap();
    }
    let stopped = WebhookSettings {
        stop: Some(Stop {
            cause: StopCause::Paused,
            since: START,
        }),
        ..settings(1)
    };
    let stopped = process
        .store
        .update_webhook(tenant.id, tenant.webhooks[1], &stopped)
        .await
        .unwrap()
        .unwrap();
    harness.clock.advance(HOUR * 2);
    let policy = HoldPolicy {
        max_deliveries: 10,
        max_age: HOUR,
    };
    for _ in 0..2 {
        process.store.expire_held(&stopped, policy).await.unwrap();
    }

    let (changes, _) = rest(&process.store, start, BYTES).await;
    let retry = (1, Verdict::Retry, true);
    assert_eq!(
        told_of(&changes, deliveries[0]),
        [retry, (2, Verdict::Cancelled, false)]
    );
    assert_eq!(
        told_of(&changes, deliveries[1]),
        [retry, (2, Verdict::Dead, false)]
    );
    let (_, given_up) = changes.last().unwrap();
    assert_eq!(
        (given_up.event_type.as_str(), given_up.at),
        ("order.paid", harness.clock.now())
    );
    assert!(given_up.error.is_some());
}

async fn an_attempt_that_is_reported_twice_is_told_once(harness: Harness) {
    // A watcher would count a delivery twice after a node was taken over that still worked.
    let mut first = harness.process().await;
    let tenant = first.tenant("shop", 3).await;
    let deliveries = first.publish_hot(&tenant, &tenant.webhooks).await;
    let start = first.store.journal_end().await.unwrap();
    let second = harness.usurper(&first).await;
    let mut taken_over = second.claim_ids(10).await;
    taken_over.sort();
    let mut expected = deliveries.clone();
    expected.sort();
    assert_eq!(taken_over, expected);
    second
        .finish(
            &tenant,
            deliveries[1],
            1,
            Origin::Retry,
            attempted(Next::Delivered),
        )
        .await;
    eventually("the usurper's result is stored", async || {
        (second.detail(&tenant, deliveries[1]).await.attempts.len() == 1).then_some(())
    })
    .await;
    // In one batch: one that is told already, between two that are not.
    for delivery in &deliveries {
        first
            .finish(&tenant, *delivery, 1, Origin::Publish, attempted(Next::Dead))
            .await;
    }
    eventually("the first node's results are stored", async || {
        (first.detail(&tenant, deliveries[2]).await.attempts.len() == 1).then_some(())
    })
    .await;
    let (changes, _) = rest(&first.store, start, BYTES).await;
    let told: Vec<_> = deliveries.iter().map(|id| told_of(&changes, *id)).collect();
    let dead = [(1, Verdict::Dead, true)];
    assert_eq!(told, [dead.as_slice(), &[(1, Verdict::Delivered, true)], &dead]);
}

async fn a_journal_is_read_in_parts_of_any_size(harness: Harness) {
    // A watcher that is far behind would have gaps at the ends of what is read at a time.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let start = process.store.journal_end().await.unwrap();
    let mut deliveries = Vec::new();
    for _ in 0..40 {
        let delivery = process.publish_one(&tenant).await;
        process
            .finish(&tenant, delivery, 1, Origin::Publish, attempted(Next::Delivered))
            .await;
        deliveries.push(delivery);
    }
    process.until_written(&tenant).await;
    let (all, _) = rest(&process.store, start, BYTES).await;
    for delivery in deliveries {
        assert_eq!(told_of(&all, delivery).len(), 1);
    }
    for bytes in [1, 300, 2_000] {
        let (in_parts, _) = rest(&process.store, start, bytes).await;
        assert_eq!(in_parts, all, "in parts of {bytes} bytes");
    }
}

async fn who_begins_at_a_time_misses_nothing_since(harness: Harness) {
    // Somebody who looks into what happened an hour ago would not see all of it.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let mut by_hour = BTreeMap::new();
    for hour in 0..3_u32 {
        let delivery = process.publish_one(&tenant).await;
        process
            .finish(&tenant, delivery, 1, Origin::Publish, attempted(Next::Delivered))
            .await;
        process.until_written(&tenant).await;
        by_hour.insert(hour, delivery);
        harness.clock.advance(HOUR);
    }
    for since in 0..3_u32 {
        let place = process
            .store
            .journal_since(START.plus(HOUR * since))
            .await
            .unwrap();
        let (changes, _) = rest(&process.store, place, BYTES).await;
        for (hour, delivery) in &by_hour {
            let expected = usize::from(*hour >= since);
            assert_eq!(
                told_of(&changes, *delivery).len(),
                expected,
                "since {since}, of hour {hour}"
            );
        }
    }
    let place = process.store.journal_since(START.plus(HOUR * 9)).await.unwrap();
    assert_eq!(rest(&process.store, place, BYTES).await.0, []);
}

async fn places_that_are_not_kept_are_refused(harness: Harness) {
    // A watcher that comes back after a month would not know that it missed something.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let start = process.store.journal_end().await.unwrap();
    let delivery = process.publish_one(&tenant).await;
    process
        .finish(&tenant, delivery, 1, Origin::Publish, attempted(Next::Delivered))
        .await;
    process.until_written(&tenant).await;
    let (_, end) = rest(&process.store, start, BYTES).await;
    harness.clock.advance(DAY * 31);
    process.store.maintain(Retention::default()).await.unwrap();
    assert_eq!(process.store.journal_after(start, BYTES).await.unwrap(), None);
    // Nothing behind this one is missing.
    let (changes, end) = rest(&process.store, end, BYTES).await;
    assert_eq!(changes, []);
    let ahead: Place = "9223372036854775807-0".parse().unwrap();
    assert_eq!(
        process.store.journal_after(ahead, BYTES).await.unwrap(),
        None,
        "of another journal"
    );

    let delivery = process.publish_one(&tenant).await;
    process
        .finish(&tenant, delivery, 1, Origin::Publish, attempted(Next::Delivered))
        .await;
    process.until_written(&tenant).await;
    let (changes, _) = rest(&process.store, end, BYTES).await;
    assert_eq!(
        told_of(&changes, delivery).len(),
        1,
        "places are never used again"
    );
}

async fn a_slow_transaction_that_began_first_is_not_skipped(harness: Harness) {
    // A watcher would never hear of results that a node stored while another one's were being read.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 2).await;
    let start = process.store.journal_end().await.unwrap();
    let deliveries = process.publish_hot(&tenant, &tenant.webhooks).await;
    // One that writes to the journal, as a slow node does, and takes its time to commit.
    let mut slow = harness.server().await.unwrap();
    let mut slow = slow.begin().await.unwrap();
    sqlx::query("insert into journal (made_at, changes) values (now(), '')")
        .execute(&mut *slow)
        .await
        .unwrap();
    process
        .finish(
            &tenant,
            deliveries[0],
            1,
            Origin::Publish,
            attempted(Next::Delivered),
        )
        .await;
    process
        .until(&tenant, deliveries[0], DeliveryState::Delivered)
        .await;

    let early = process.store.journal_after(start, BYTES).await.unwrap().unwrap();
    assert_eq!(early.changes, [], "what came later must wait for it");
    assert!(early.has_pending && early.is_last);
    slow.commit().await.unwrap();
    let (changes, _) = rest(&process.store, early.end, BYTES).await;
    assert_eq!(told_of(&changes, deliveries[0]).len(), 1);
}

async fn nodes_that_write_at_the_same_time_are_all_heard_once(harness: Harness) {
    // A watcher would have gaps or see things twice where several nodes write to one database.
    const ROUNDS: usize = 40;
    let mut processes = harness.processes(3).await;
    let tenant = processes[0].tenant("shop", 4).await;
    let reader = harness.open().await;
    let mut place = reader.journal_end().await.unwrap();
    let mut told: BTreeMap<DeliveryId, usize> = BTreeMap::new();
    let mut expected = Vec::new();
    let mut count = async |place: &mut Place| {
        let stretch = reader.journal_after(*place, 700).await.unwrap().unwrap();
        for (_, change) in &stretch.changes {
            assert_eq!(change.tenant, tenant.id);
            *told.entry(change.delivery).or_default() += 1;
        }
        *place = stretch.end;
        told.len()
    };
    for _ in 0..ROUNDS {
        for process in &mut processes {
            let deliveries = process.publish_hot(&tenant, &tenant.webhooks).await;
            for delivery in &deliveries {
                process
                    .finish(&tenant, *delivery, 1, Origin::Publish, attempted(Next::Delivered))
                    .await;
            }
            expected.extend(deliveries);
            count(&mut place).await;
        }
    }
    eventually("all are told", async || {
        (count(&mut place).await >= expected.len()).then_some(())
    })
    .await;
    expected.sort();
    assert_eq!(told.keys().copied().collect::<Vec<_>>(), expected);
    assert!(told.values().all(|times| *times == 1), "something was told twice");
}
