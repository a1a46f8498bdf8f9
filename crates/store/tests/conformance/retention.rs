//! Retention: what is old goes, all of it and nothing else, and there is always room for what comes.

use std::time::Duration;

use hookwright_store::{DeliveryFilter, DeliveryState, End, Next, Origin, Retention};

use crate::harness::{DAY, Harness, START, attempted};

conformance! {
    both:
    what_is_older_than_kept_goes_with_all_that_belongs_to_it,
    there_is_room_for_every_day_that_comes,
    a_result_whose_event_is_gone_holds_up_no_other,
    maintenance_by_several_nodes_at_once_does_no_harm,
}

const KEEP_THREE_DAYS: Retention = Retention {
    events: Duration::from_hours(72),
    idempotency_keys: Duration::from_hours(48),
};

async fn what_is_older_than_kept_goes_with_all_that_belongs_to_it(harness: Harness) {
    // The store would fill up, or lose what its owner was promised to find.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 3).await;
    let mut days = Vec::new();
    for _ in 0..6 {
        let ids = process.publish_hot(&tenant, &tenant.webhooks).await;
        process
            .finish(&tenant, ids[0], 1, Origin::Publish, attempted(Next::Delivered))
            .await;
        let far = harness.clock.now().plus(30 * DAY);
        process
            .finish(&tenant, ids[1], 1, Origin::Publish, attempted(Next::Retry(far)))
            .await;
        process
            .finish(&tenant, ids[2], 1, Origin::Publish, attempted(Next::Dead))
            .await;
        process.until(&tenant, ids[2], DeliveryState::Dead).await;
        days.push(ids);
        harness.clock.advance(DAY);
        process
            .store
            .maintain(Retention {
                events: 1_000 * DAY,
                ..KEEP_THREE_DAYS
            })
            .await
            .unwrap();
    }
    // It is noon of the seventh day: the events of the fourth are exactly as old as is kept.
    assert!(process.store.maintain(KEEP_THREE_DAYS).await.unwrap() >= 3);
    assert_eq!(process.store.maintain(KEEP_THREE_DAYS).await.unwrap(), 0);
    for ids in &days[..3] {
        for id in ids {
            assert_eq!(process.store.event(tenant.id, id.event).await.unwrap(), None);
            assert_eq!(process.store.delivery(tenant.id, *id).await.unwrap(), None);
        }
    }
    for ids in &days[3..] {
        for (id, attempts) in ids.iter().zip([1, 1, 1]) {
            assert_eq!(process.detail(&tenant, *id).await.attempts.len(), attempts);
        }
    }
    let kept: Vec<_> = days[3..].iter().rev().flatten().copied().collect();
    let listed = process.list(&tenant, DeliveryFilter::All, 50).await;
    assert_eq!(listed.iter().map(|row| row.id).collect::<Vec<_>>(), kept);

    // No retry row outlives its event.
    let upcoming = process.node.upcoming().await.unwrap();
    assert_eq!(upcoming.len(), 1);
    assert_eq!(upcoming[0].due_at, days[3][1].event.created_at().plus(30 * DAY));
    harness.clock.advance(40 * DAY);
    let claimed = process.claim_ids(10).await;
    assert_eq!(claimed, days[3..].iter().map(|ids| ids[1]).collect::<Vec<_>>());
}

async fn there_is_room_for_every_day_that_comes(harness: Harness) {
    // Publishing would end at midnight, some days after the start.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    for days in [1, 1, 3, 1, 30, 2] {
        // As much as is made ahead, without maintenance, and then more than that after it.
        harness.clock.advance(days.min(3) * DAY);
        let id = process.publish_one(&tenant).await;
        process
            .finish(&tenant, id, 1, Origin::Publish, attempted(Next::Delivered))
            .await;
        process.until(&tenant, id, DeliveryState::Delivered).await;
        harness.clock.advance(days.saturating_sub(3) * DAY);
        process.store.maintain(Retention::default()).await.unwrap();
    }
    // A node that starts after a long pause makes room itself.
    drop(process);
    harness.clock.advance(100 * DAY);
    let mut process = harness.process().await;
    process.publish_one(&tenant).await;
}

async fn a_result_whose_event_is_gone_holds_up_no_other(harness: Harness) {
    // One attempt that outlives its event would keep a node from storing any result again.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 4).await;
    let old = process.publish_hot(&tenant, &tenant.webhooks).await;
    harness.clock.advance(5 * DAY);
    process.store.maintain(KEEP_THREE_DAYS).await.unwrap();
    assert_eq!(process.store.event(tenant.id, old[0].event).await.unwrap(), None);

    let new = process.publish_hot(&tenant, &tenant.webhooks).await;
    let now = harness.clock.now();
    let ends = || {
        [
            attempted(Next::Delivered),
            attempted(Next::Retry(now)),
            End::Released(now),
            End::Cancelled,
        ]
    };
    // All in one batch.
    for ids in [&old, &new] {
        for (id, end) in ids.iter().zip(ends()) {
            process.finish(&tenant, *id, 1, Origin::Publish, end).await;
        }
    }
    process.until_written(&tenant).await;
    let states = [
        DeliveryState::Delivered,
        DeliveryState::Scheduled(now),
        DeliveryState::Scheduled(now),
        DeliveryState::Cancelled,
    ];
    for (id, state) in new.iter().zip(states) {
        assert_eq!(process.state(&tenant, *id).await, state);
    }
    assert_eq!(process.claim_ids(10).await, [new[1], new[2]]);

    // Whatever it left goes with the next maintenance.
    process.store.maintain(KEEP_THREE_DAYS).await.unwrap();
    for id in [new[1], new[2]] {
        process
            .finish(&tenant, id, 2, Origin::Retry, End::Cancelled)
            .await;
    }
    process.until_written(&tenant).await;
    assert!(process.node.upcoming().await.unwrap().is_empty());
}

async fn maintenance_by_several_nodes_at_once_does_no_harm(harness: Harness) {
    // Nodes that are started together would fail each other's maintenance, or the publishes meanwhile.
    let process = harness.process().await;
    let other = harness.other_view(&process).await;
    let tenant = process.tenant("shop", 1).await;
    for _ in 0..8 {
        harness.clock.advance(DAY);
        let publish = async {
            for _ in 0..10 {
                process
                    .publish(tenant.event(&tenant.webhooks, &[]))
                    .await
                    .unwrap();
            }
        };
        let (a, b, ()) = tokio::join!(
            process.store.maintain(KEEP_THREE_DAYS),
            other.maintain(KEEP_THREE_DAYS),
            publish
        );
        a.unwrap();
        b.unwrap();
    }
    let listed = process.list(&tenant, DeliveryFilter::All, 200).await;
    assert!(
        (30..=50).contains(&listed.len()),
        "{} of three to five days",
        listed.len()
    );
    assert!(
        listed
            .iter()
            .all(|row| row.id.event.created_at() >= START.plus(4 * DAY))
    );
}
