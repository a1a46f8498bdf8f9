//! Results: each attempt is recorded once, and nobody takes back what another owner has recorded.

use std::time::Duration;

use bytes::Bytes;
use hookwright_store::{
    Attempt, AttemptEnd, DeliveryFilter, DeliveryId, DeliveryState, End, EventId, LastAttempt, Next, Origin,
    Outcome,
};

use crate::harness::{Harness, Process, START, Tenant, attempted, spread_lanes};

conformance! {
    both:
    the_state_of_a_delivery_follows_from_its_results,
    every_field_of_every_attempt_is_kept,
    an_error_text_of_any_characters_is_stored,
    an_attempt_that_is_reported_twice_is_the_first_one,
    two_results_of_one_delivery_in_one_batch_block_nothing,
    a_slower_owner_does_not_bring_back_what_is_settled,
    a_slower_owner_does_not_change_what_is_scheduled,
    a_result_replaces_the_retry_row_it_came_from,
    a_parked_delivery_is_finished_once,
    a_parked_delivery_is_left_alone_by_the_node_that_attempts_it,
    a_released_delivery_is_due_when_it_says_with_its_number,
    owners_that_report_the_same_deliveries_do_not_lock_each_other_out,
}

const HOUR: Duration = Duration::from_hours(1);

async fn the_state_of_a_delivery_follows_from_its_results(harness: Harness) {
    // A delivery would be shown as something it is not, and be repeated or given up because of it.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 8).await;
    let later = START.plus(HOUR);
    let deliveries = process.publish_hot(&tenant, &tenant.webhooks).await;
    let ends = [
        attempted(Next::Delivered),
        attempted(Next::Retry(later)),
        attempted(Next::Dead),
        attempted(Next::Cancelled),
        End::Cancelled,
        End::Released(later),
        End::Parked(later),
    ];
    for (delivery, end) in deliveries.iter().zip(ends) {
        process.finish(&tenant, *delivery, 1, Origin::Publish, end).await;
    }
    process.until_written(&tenant).await;

    let scheduled = DeliveryState::Scheduled(later);
    let latency = Duration::from_millis(12);
    let last = |outcome, http_status, error: Option<&str>| {
        Some(LastAttempt {
            outcome,
            http_status,
            ended_at: START.plus(latency),
            latency,
            error: error.map(str::to_owned),
        })
    };
    let expected = [
        (
            DeliveryState::Delivered,
            1,
            last(Outcome::Accepted, Some(200), None),
        ),
        (
            scheduled,
            1,
            last(Outcome::Rejected, Some(503), Some("answered 503")),
        ),
        (
            DeliveryState::Dead,
            1,
            last(Outcome::Rejected, Some(410), Some("answered 410")),
        ),
        (
            DeliveryState::Cancelled,
            1,
            last(Outcome::TimedOut, None, Some("no answer")),
        ),
        (DeliveryState::Cancelled, 0, None),
        (scheduled, 0, None),
        (scheduled, 0, None),
        (DeliveryState::Leased, 0, None),
    ];
    for (id, (state, attempt_count, last)) in deliveries.iter().zip(expected) {
        let detail = process.detail(&tenant, *id).await;
        let shown = detail.delivery;
        assert_eq!(
            (shown.id, shown.state, shown.attempt_count, shown.last),
            (*id, state, attempt_count, last)
        );
        assert_eq!(
            (shown.event_type.as_str(), detail.event.id),
            ("order.paid", id.event)
        );
        assert_eq!(detail.attempts.len(), usize::from(attempt_count));
    }
}

async fn every_field_of_every_attempt_is_kept(harness: Harness) {
    // The log would not tell an owner why a delivery failed.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let id = process.publish_one(&tenant).await;
    let outcomes = [
        (Outcome::Rejected, Some(599)),
        (Outcome::TimedOut, None),
        (Outcome::Unreachable, None),
        (Outcome::TlsFailed, None),
        (Outcome::BlockedAddress, None),
        (Outcome::Redirected, Some(302)),
        (Outcome::ResponseTooLarge, Some(500)),
        (Outcome::Accepted, Some(204)),
    ];
    let mut expected = Vec::new();
    for (number, (outcome, http_status)) in (1..).zip(outcomes) {
        let due_at = harness.clock.now().plus(HOUR);
        let next = if number < 8 {
            Next::Retry(due_at)
        } else {
            Next::Delivered
        };
        let attempt = Attempt {
            number,
            outcome,
            http_status,
            started_at: harness.clock.now().plus(Duration::from_micros(u64::from(number))),
            latency: Duration::from_micros(1_000_001 * u64::from(number)),
            error: (number % 2 == 0).then(|| format!("no route to \u{1f980}, {number}")),
            response: (number % 3 == 0).then(|| Bytes::from(vec![0, 255, 10, b'a'])),
            next_at: (number < 8).then_some(due_at),
            replay: None,
        };
        let end = End::Attempted(AttemptEnd {
            outcome,
            http_status,
            started_at: attempt.started_at,
            latency: attempt.latency,
            error: attempt.error.clone(),
            response: attempt.response.clone(),
            next,
        });
        let origin = if number == 1 {
            Origin::Publish
        } else {
            Origin::Retry
        };
        process.finish(&tenant, id, number, origin, end).await;
        expected.push(attempt);
        if number < 8 {
            process.until_written(&tenant).await;
            assert_eq!(process.state(&tenant, id).await, DeliveryState::Scheduled(due_at));
            harness.clock.advance(HOUR);
            let claimed = process.claim(1).await;
            assert_eq!(
                claimed
                    .iter()
                    .map(|due| (due.id(), due.number))
                    .collect::<Vec<_>>(),
                [(id, number + 1)]
            );
        }
    }
    process.until(&tenant, id, DeliveryState::Delivered).await;
    let detail = process.detail(&tenant, id).await;
    assert_eq!(detail.attempts, expected);
    assert_eq!(detail.delivery.attempt_count, 8);
    let last = detail.delivery.last.unwrap();
    assert_eq!((last.outcome, last.http_status), (Outcome::Accepted, Some(204)));
    assert_eq!(last.ended_at, expected[7].started_at.plus(expected[7].latency));
}

async fn an_error_text_of_any_characters_is_stored(harness: Harness) {
    // A receiver that sends a strange message would keep a node from storing any result again.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let id = process.publish_one(&tenant).await;
    let end = End::Attempted(AttemptEnd {
        outcome: Outcome::TlsFailed,
        http_status: None,
        started_at: START,
        latency: Duration::MAX,
        error: Some(String::from("a\0b\u{1f980}\n")),
        response: None,
        next: Next::Dead,
    });
    process.finish(&tenant, id, 1, Origin::Publish, end).await;
    process.until(&tenant, id, DeliveryState::Dead).await;
    let attempt = process.detail(&tenant, id).await.attempts.swap_remove(0);
    assert_eq!(attempt.error.as_deref(), Some("a\u{fffd}b\u{1f980}\n"));
}

async fn an_attempt_that_is_reported_twice_is_the_first_one(harness: Harness) {
    // The log would say something else today than it did yesterday.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 2).await;
    let later = START.plus(HOUR);
    let deliveries = process.publish_hot(&tenant, &tenant.webhooks).await;
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
        .finish(
            &tenant,
            deliveries[1],
            1,
            Origin::Publish,
            attempted(Next::Retry(later)),
        )
        .await;
    process
        .until(&tenant, deliveries[1], DeliveryState::Scheduled(later))
        .await;

    process
        .finish(&tenant, deliveries[0], 1, Origin::Publish, attempted(Next::Dead))
        .await;
    process
        .finish(
            &tenant,
            deliveries[1],
            1,
            Origin::Publish,
            attempted(Next::Delivered),
        )
        .await;
    process.until_written(&tenant).await;
    let first = process.detail(&tenant, deliveries[0]).await;
    assert_eq!(
        (first.delivery.state, first.attempts.len()),
        (DeliveryState::Delivered, 1)
    );
    assert_eq!(first.attempts[0].outcome, Outcome::Accepted);
    let second = process.detail(&tenant, deliveries[1]).await;
    assert_eq!(
        (second.delivery.state, second.attempts.len()),
        (DeliveryState::Scheduled(later), 1)
    );
    assert_eq!(second.attempts[0].next_at, Some(later));
}

async fn two_results_of_one_delivery_in_one_batch_block_nothing(harness: Harness) {
    // After a take-over a node may hold one delivery twice. If their results could not be written, none ever would be.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 4).await;
    let (soon, later) = (START.plus(HOUR), START.plus(2 * HOUR));
    let deliveries = process.publish_hot(&tenant, &tenant.webhooks).await;
    let both = [
        [attempted(Next::Retry(soon)), attempted(Next::Retry(later))],
        [attempted(Next::Delivered), attempted(Next::Retry(later))],
        [attempted(Next::Retry(soon)), attempted(Next::Delivered)],
        [End::Released(soon), attempted(Next::Retry(later))],
    ];
    for (id, [first, second]) in deliveries.iter().zip(both) {
        // Nothing is waited for in between, so they are in one batch.
        process.finish(&tenant, *id, 1, Origin::Publish, first).await;
        process.finish(&tenant, *id, 1, Origin::Retry, second).await;
    }
    process.until_written(&tenant).await;
    let states = [
        DeliveryState::Scheduled(soon),
        DeliveryState::Delivered,
        DeliveryState::Scheduled(soon),
        DeliveryState::Scheduled(later),
    ];
    for (id, state) in deliveries.iter().zip(states) {
        let detail = process.detail(&tenant, *id).await;
        assert_eq!((detail.delivery.state, detail.attempts.len()), (state, 1));
    }
    harness.clock.advance(2 * HOUR);
    let claimed = process.claim(10).await;
    assert_eq!(claimed.len(), 3, "what is delivered is not due");
    assert!(claimed.iter().all(|due| due.number == 2));
}

/// A delivery that `slow` holds from publish and `fast` has claimed after taking over.
async fn taken_over(
    harness: &Harness,
    slow: &mut Process,
    tenant: &Tenant,
    count: usize,
) -> (Process, Vec<DeliveryId>) {
    let mut deliveries = Vec::new();
    for _ in 0..count {
        deliveries.push(slow.publish_one(tenant).await);
    }
    let fast = harness.usurper(slow).await;
    spread_lanes(std::slice::from_ref(&fast)).await;
    assert_eq!(fast.claim_ids(100).await, deliveries);
    (fast, deliveries)
}

async fn a_slower_owner_does_not_bring_back_what_is_settled(harness: Harness) {
    // A node that hung during an attempt would have delivered again what another node delivered meanwhile.
    let mut slow = harness.process().await;
    let tenant = slow.tenant("shop", 1).await;
    let (mut fast, deliveries) = taken_over(&harness, &mut slow, &tenant, 6).await;
    let now = harness.clock.now();
    let settled = [
        (Next::Delivered, DeliveryState::Delivered),
        (Next::Dead, DeliveryState::Dead),
        (Next::Cancelled, DeliveryState::Cancelled),
        (Next::Delivered, DeliveryState::Delivered),
        (Next::Delivered, DeliveryState::Delivered),
    ];
    for (id, (next, _)) in deliveries.iter().zip(settled) {
        fast.finish(&tenant, *id, 1, Origin::Retry, attempted(next)).await;
    }
    // The last one took two attempts.
    let twice = deliveries[5];
    fast.finish(&tenant, twice, 1, Origin::Retry, attempted(Next::Retry(now)))
        .await;
    fast.until(&tenant, twice, DeliveryState::Scheduled(now)).await;
    crate::harness::eventually("it is due again", async || {
        let claimed = fast.claim(1).await;
        claimed
            .iter()
            .any(|due| due.id() == twice && due.number == 2)
            .then_some(())
    })
    .await;
    fast.finish(&tenant, twice, 2, Origin::Retry, attempted(Next::Delivered))
        .await;
    fast.until(&tenant, twice, DeliveryState::Delivered).await;

    let late = [
        attempted(Next::Retry(now)),
        attempted(Next::Retry(now)),
        attempted(Next::Retry(now)),
        End::Released(now),
        End::Parked(now),
        attempted(Next::Retry(now)),
    ];
    for (id, end) in deliveries.iter().zip(late) {
        slow.finish(&tenant, *id, 1, Origin::Publish, end).await;
    }
    slow.leave().await;
    for (id, (_, state)) in deliveries.iter().zip(settled) {
        let detail = fast.detail(&tenant, *id).await;
        assert_eq!((detail.delivery.state, detail.attempts.len()), (state, 1), "{id}");
    }
    fast.until_written(&tenant).await;
    assert!(fast.claim(10).await.is_empty(), "nothing of it is due again");
}

async fn a_slower_owner_does_not_change_what_is_scheduled(harness: Harness) {
    // A delivery would go back to an earlier attempt, or be attempted before its time.
    let mut slow = harness.process().await;
    let tenant = slow.tenant("shop", 1).await;
    let (mut fast, deliveries) = taken_over(&harness, &mut slow, &tenant, 3).await;
    let later = harness.clock.now().plus(HOUR);
    for id in &deliveries {
        fast.finish(&tenant, *id, 1, Origin::Retry, attempted(Next::Retry(later)))
            .await;
    }
    fast.until_written(&tenant).await;
    let late = [
        attempted(Next::Retry(harness.clock.now())),
        End::Released(harness.clock.now()),
        End::Parked(harness.clock.now()),
    ];
    for (id, end) in deliveries.iter().zip(late) {
        slow.finish(&tenant, *id, 1, Origin::Publish, end).await;
    }
    slow.leave().await;
    for id in &deliveries {
        assert_eq!(fast.state(&tenant, *id).await, DeliveryState::Scheduled(later));
    }
    harness.clock.advance(HOUR);
    let claimed = fast.claim(10).await;
    assert_eq!(claimed.len(), 3);
    assert!(claimed.iter().all(|due| due.number == 2 && due.due_at == later));
}

async fn a_result_replaces_the_retry_row_it_came_from(harness: Harness) {
    // A delivery that is over would be attempted for ever.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    for next in [Next::Delivered, Next::Dead, Next::Cancelled] {
        let event = process
            .publish(tenant.event(&[], &tenant.webhooks))
            .await
            .unwrap()
            .event;
        let id = tenant.deliveries(event)[0];
        assert_eq!(process.claim_ids(10).await, [id]);
        process
            .finish(&tenant, id, 1, Origin::Retry, attempted(next))
            .await;
        process.until_written(&tenant).await;
        assert!(!matches!(
            process.state(&tenant, id).await,
            DeliveryState::Scheduled(_)
        ));
        assert!(process.node.upcoming().await.unwrap().is_empty());
    }
}

async fn a_parked_delivery_is_finished_once(harness: Harness) {
    // A slow receiver's deliveries would be repeated although it accepted them.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let later = START.plus(HOUR);
    let ends = || {
        [
            (attempted(Next::Delivered), DeliveryState::Delivered),
            (
                attempted(Next::Retry(later.plus(HOUR))),
                DeliveryState::Scheduled(later.plus(HOUR)),
            ),
            (attempted(Next::Dead), DeliveryState::Dead),
            (End::Cancelled, DeliveryState::Cancelled),
            (
                End::Released(later.plus(HOUR)),
                DeliveryState::Scheduled(later.plus(HOUR)),
            ),
        ]
    };
    let mut deliveries: Vec<(DeliveryId, DeliveryState)> = Vec::new();
    for (end, state) in ends() {
        // In two batches.
        let id = process.publish_one(&tenant).await;
        process
            .finish(&tenant, id, 1, Origin::Publish, End::Parked(later))
            .await;
        process.until(&tenant, id, DeliveryState::Scheduled(later)).await;
        process.finish(&tenant, id, 1, Origin::Retry, end).await;
        deliveries.push((id, state));
    }
    for (end, state) in ends() {
        // In one batch.
        let id = process.publish_one(&tenant).await;
        process
            .finish(&tenant, id, 1, Origin::Publish, End::Parked(later))
            .await;
        process.finish(&tenant, id, 1, Origin::Retry, end).await;
        deliveries.push((id, state));
    }
    process.until_written(&tenant).await;
    for (id, state) in &deliveries {
        assert_eq!(process.state(&tenant, *id).await, *state);
    }
    harness.clock.advance(2 * HOUR);
    let open: Vec<DeliveryId> = deliveries
        .iter()
        .filter(|(_, state)| matches!(state, DeliveryState::Scheduled(_)))
        .map(|(id, _)| *id)
        .collect();
    assert_eq!(process.claim_ids(100).await, open);
}

async fn a_parked_delivery_is_left_alone_by_the_node_that_attempts_it(harness: Harness) {
    // A receiver that is slow would get everything twice; one whose node died would get nothing.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let id = process.publish_one(&tenant).await;
    let later = START.plus(Duration::from_secs(30));
    process
        .finish(&tenant, id, 1, Origin::Publish, End::Parked(later))
        .await;
    process.until_written(&tenant).await;
    harness.clock.advance(Duration::from_mins(1));
    assert!(process.claim(10).await.is_empty(), "its attempt goes on here");

    let process = harness.crash(process).await;
    let claimed = process.claim(10).await;
    assert_eq!(
        claimed
            .iter()
            .map(|due| (due.id(), due.number, due.due_at))
            .collect::<Vec<_>>(),
        [(id, 1, later)]
    );
}

async fn a_released_delivery_is_due_when_it_says_with_its_number(harness: Harness) {
    // A node's shutdown would use up the attempts of deliveries that it had in memory.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let id = process.publish_one(&tenant).await;
    process
        .finish(&tenant, id, 1, Origin::Publish, End::Released(START))
        .await;
    process.until(&tenant, id, DeliveryState::Scheduled(START)).await;
    let claimed = process.claim(1).await;
    assert_eq!(
        (claimed[0].id(), claimed[0].number, claimed[0].due_at),
        (id, 1, START)
    );

    process
        .finish(&tenant, id, 1, Origin::Retry, attempted(Next::Retry(START)))
        .await;
    process.until_written(&tenant).await;
    assert_eq!(process.claim(1).await[0].number, 2);
    let later = START.plus(HOUR);
    process
        .finish(&tenant, id, 2, Origin::Retry, End::Released(later))
        .await;
    process.until(&tenant, id, DeliveryState::Scheduled(later)).await;
    harness.clock.advance(HOUR);
    process.until_written(&tenant).await;
    assert_eq!(process.claim(1).await[0].number, 2);
    assert_eq!(process.detail(&tenant, id).await.attempts.len(), 1);
}

async fn owners_that_report_the_same_deliveries_do_not_lock_each_other_out(harness: Harness) {
    // Results of a node and of the one that took over from it would wait for each other, and all others behind them.
    const EVENTS: usize = 300;
    let slow = harness.process().await;
    let tenant = slow.tenant("shop", 2).await;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..EVENTS {
        let publisher = slow.publisher.clone();
        let event = tenant.event(&tenant.webhooks, &[]);
        callers.spawn(async move { publisher.publish(event).await.unwrap().event });
    }
    let events: Vec<EventId> = callers.join_all().await;
    let mut fast = harness.usurper(&slow).await;
    spread_lanes(std::slice::from_ref(&fast)).await;
    assert_eq!(fast.claim(EVENTS).await.len(), 2 * EVENTS);

    // They disagree about each of them: what one takes out of the retry table the other one puts there.
    let now = harness.clock.now();
    let report = async |process: &Process, number: u16, parity: usize| {
        for index in 0..2 * EVENTS {
            let delivery = DeliveryId {
                event: events[index / 2],
                webhook: tenant.webhooks[index % 2],
            };
            let end = match (index / 2 + parity) % 4 {
                0 | 2 => attempted(Next::Delivered),
                1 => attempted(Next::Retry(now)),
                _ => End::Released(now),
            };
            process
                .finish(&tenant, delivery, number, Origin::Retry, end)
                .await;
        }
    };
    for number in 1..=6 {
        tokio::join!(report(&fast, number, 0), report(&slow, number, 1));
    }
    fast.until_written(&tenant).await;
    slow.leave().await;
    for delivery in fast.list(&tenant, DeliveryFilter::All, 200).await {
        assert_ne!(delivery.state, DeliveryState::Leased);
    }
    fast.leave().await;
    harness.assert_no_deadlocks().await;
}
