//! Claims: what is due is handed out fairly, in time and once.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use hookwright_store::{DeliveryState, Due, End, Next, Origin, Want};

use crate::harness::{Harness, START, attempted, others_are_gone};

conformance! {
    both:
    nothing_is_claimed_before_its_time,
    a_backlog_of_one_webhook_hides_no_other,
    a_claim_is_at_most_what_was_wanted,
    parked_deliveries_do_not_swell_a_claim,
    the_earliest_are_claimed_first,
    a_claimed_delivery_is_claimed_again_only_after_its_result,
    a_delivery_that_is_finished_during_a_claim_is_not_claimed_again;
    postgres:
    a_claim_reads_what_it_takes_and_not_what_waits_behind_it,
}

async fn nothing_is_claimed_before_its_time(harness: Harness) {
    // A receiver that asked for time would be called again too early.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let id = process.publish_one(&tenant).await;
    let due_at = START.plus(Duration::from_micros(90_000_001));
    process
        .finish(&tenant, id, 1, Origin::Publish, attempted(Next::Retry(due_at)))
        .await;
    process.until(&tenant, id, DeliveryState::Scheduled(due_at)).await;
    let upcoming = process.node.upcoming().await.unwrap();
    assert_eq!(upcoming.len(), 1);
    assert_eq!(
        (upcoming[0].webhook, upcoming[0].due_at),
        (tenant.webhooks[0], due_at)
    );
    let want = Want {
        lane: upcoming[0].lane,
        webhook: upcoming[0].webhook,
        limit: 10,
    };

    harness.clock.advance(Duration::from_secs(90));
    assert!(
        process.node.claim(&[want]).await.unwrap().is_empty(),
        "one microsecond is missing"
    );
    harness.clock.advance(Duration::from_micros(1));
    let claimed = process.node.claim(&[want]).await.unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!(
        (claimed[0].id(), claimed[0].number, claimed[0].due_at),
        (id, 2, due_at)
    );
    assert_eq!(
        *claimed[0].event,
        process.store.event(tenant.id, id.event).await.unwrap().unwrap()
    );
}

async fn a_backlog_of_one_webhook_hides_no_other(harness: Harness) {
    // One receiver that is down would hold up the deliveries to all others.
    let process = harness.process().await;
    let down = process.tenant("down", 1).await;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..10_000 {
        let publisher = process.publisher.clone();
        let event = down.event(&[], &down.webhooks);
        callers.spawn(async move { publisher.publish(event).await.unwrap() });
    }
    callers.join_all().await;
    harness.clock.advance(Duration::from_secs(1));
    let mut healthy = vec![];
    for name in ["a", "b", "c"] {
        let tenant = process.tenant(name, 3).await;
        process
            .publish(tenant.event(&[], &tenant.webhooks))
            .await
            .unwrap();
        healthy.push(tenant);
    }
    let upcoming = process.node.upcoming().await.unwrap();
    let due_at: HashMap<_, _> = upcoming.iter().map(|row| (row.webhook, row.due_at)).collect();
    assert_eq!((upcoming.len(), due_at.len()), (10, 10), "each webhook once");
    assert_eq!(due_at[&down.webhooks[0]], START);
    for webhook in healthy.iter().flat_map(|tenant| &tenant.webhooks) {
        assert_eq!(due_at[webhook], harness.clock.now());
    }
    let claimed = process.claim(5).await;
    assert_eq!(
        claimed
            .iter()
            .filter(|due| due.webhook == down.webhooks[0])
            .count(),
        5
    );
    for webhook in healthy.iter().flat_map(|tenant| &tenant.webhooks) {
        assert_eq!(claimed.iter().filter(|due| due.webhook == *webhook).count(), 1);
    }
}

async fn a_claim_is_at_most_what_was_wanted(harness: Harness) {
    // A node would have more deliveries in memory than it has room for.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 2).await;
    for _ in 0..20 {
        process
            .publish(tenant.event(&[], &tenant.webhooks))
            .await
            .unwrap();
    }
    let mut seen = HashSet::new();
    for _ in 0..4 {
        let claimed = process.claim(6).await;
        for webhook in &tenant.webhooks {
            assert!(claimed.iter().filter(|due| due.webhook == *webhook).count() <= 6);
        }
        assert!(claimed.iter().all(|due| seen.insert(due.id())), "claimed twice");
    }
    assert_eq!(seen.len(), 40, "and all of them in the end");
    assert!(process.claim(6).await.is_empty());
    let upcoming = process.node.upcoming().await.unwrap();
    let nothing: Vec<Want> = upcoming
        .iter()
        .map(|row| Want {
            lane: row.lane,
            webhook: row.webhook,
            limit: 0,
        })
        .collect();
    assert!(process.node.claim(&nothing).await.unwrap().is_empty());
}

async fn parked_deliveries_do_not_swell_a_claim(harness: Harness) {
    // A slow receiver would get more of a node's memory the slower it is.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let later = START.plus(Duration::from_hours(1));
    for _ in 0..10 {
        let id = process.publish_one(&tenant).await;
        process
            .finish(&tenant, id, 1, Origin::Publish, End::Parked(later))
            .await;
    }
    process.until_written(&tenant).await;
    for _ in 0..10 {
        process
            .publish(tenant.event(&[], &tenant.webhooks))
            .await
            .unwrap();
    }
    assert_eq!(process.claim(3).await.len(), 3);
    assert_eq!(process.claim(3).await.len(), 3);
    assert_eq!(process.claim(10).await.len(), 4);
}

async fn the_earliest_are_claimed_first(harness: Harness) {
    // What has waited longest would wait for ever behind what has just come.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let mut expected = Vec::new();
    for step in [5, 2, 9, 1, 7, 3, 8, 4, 6, 0] {
        let id = process.publish_one(&tenant).await;
        let due_at = START.plus(Duration::from_secs(step));
        process
            .finish(&tenant, id, 1, Origin::Publish, attempted(Next::Retry(due_at)))
            .await;
        expected.push((due_at, id));
    }
    process.until_written(&tenant).await;
    expected.sort();
    harness.clock.advance(Duration::from_secs(6));
    let mut claimed = Vec::new();
    for _ in 0..4 {
        claimed.extend(
            process
                .claim(2)
                .await
                .iter()
                .map(|due: &Due| (due.due_at, due.id())),
        );
    }
    assert_eq!(claimed, expected[..7]);
    assert_eq!(
        process.node.upcoming().await.unwrap()[0].due_at,
        START,
        "claimed rows are still there"
    );
}

async fn a_claimed_delivery_is_claimed_again_only_after_its_result(harness: Harness) {
    // A receiver would get a delivery again while it still works on it.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let event = process
        .publish(tenant.event(&[], &tenant.webhooks))
        .await
        .unwrap()
        .event;
    let id = tenant.deliveries(event)[0];
    assert_eq!(process.claim_ids(10).await, [id]);
    harness.clock.advance(Duration::from_hours(1));
    process.node.heartbeat().await.unwrap();
    assert!(process.claim(10).await.is_empty());
    let now = harness.clock.now();
    process
        .finish(&tenant, id, 1, Origin::Retry, attempted(Next::Retry(now)))
        .await;
    process.until_written(&tenant).await;
    let claimed = process.claim(10).await;
    assert_eq!(
        claimed
            .iter()
            .map(|due| (due.id(), due.number))
            .collect::<Vec<_>>(),
        [(id, 2)]
    );
}

async fn a_delivery_that_is_finished_during_a_claim_is_not_claimed_again(harness: Harness) {
    // A busy node would repeat deliveries whose results are written while it looks for more.
    const EVENTS: usize = 400;
    let process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..EVENTS {
        let publisher = process.publisher.clone();
        let event = tenant.event(&[], &tenant.webhooks);
        callers.spawn(async move { publisher.publish(event).await.unwrap() });
    }
    callers.join_all().await;
    let mut claimed = HashSet::new();
    let mut idle = 0;
    while idle < 20 {
        let due = process.claim(3).await;
        idle = if due.is_empty() { idle + 1 } else { 0 };
        for due in due {
            assert!(
                claimed.insert(due.id()),
                "{} after {} others",
                due.id(),
                claimed.len()
            );
            process
                .finish(
                    &tenant,
                    due.id(),
                    due.number,
                    Origin::Retry,
                    attempted(Next::Delivered),
                )
                .await;
        }
        // The completer has begun, and its result arrives during one of the next claims.
        tokio::task::yield_now().await;
    }
    assert_eq!(claimed.len(), EVENTS);
}

async fn a_claim_reads_what_it_takes_and_not_what_waits_behind_it(harness: Harness) {
    // The longer a backlog is, the longer each claim would take, and the backlog would never get shorter.
    const WAITING: usize = 5_000;
    let process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..WAITING {
        let publisher = process.publisher.clone();
        let event = tenant.event(&[], &tenant.webhooks);
        callers.spawn(async move { publisher.publish(event).await.unwrap() });
    }
    callers.join_all().await;
    assert_eq!(process.claim(10).await.len(), 10);
    drop(process);
    let mut server = harness.server().await.unwrap();
    others_are_gone(&mut server).await;
    let read: i64 =
        sqlx::query_scalar("select idx_tup_read from pg_stat_user_indexes where indexrelname = 'retry_due'")
            .fetch_one(&mut server)
            .await
            .unwrap();
    assert!((10..100).contains(&read), "{read} rows for 10 of {WAITING}");
}
