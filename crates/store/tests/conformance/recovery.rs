//! Leases: what a dead node held is found, exactly that, and a node that was only slow does no harm.

use std::{collections::HashSet, time::Duration};

use hookwright_store::{
    Clock, DeliveryState, End, Next, Origin, PublishError, Store, StoreAddress, StoreError,
};

use crate::harness::{Harness, LEASE, START, attempted, spread_lanes};

conformance! {
    both:
    exactly_what_was_unsettled_is_due_after_a_crash,
    results_out_of_order_do_not_move_the_mark_past_an_open_event,
    a_delivery_from_the_retry_table_does_not_settle_one_from_memory,
    a_node_that_was_taken_over_stores_nothing_more_and_starts_anew,
    what_a_node_accepts_while_it_is_taken_over_is_recovered,
    what_a_restarted_node_accepts_is_recovered_too,
    a_restarted_node_claims_what_it_had_claimed_before,
    a_lease_that_ran_out_is_renewed_while_nobody_took_over,
    every_life_of_a_node_has_its_own_name,
    a_store_is_used_as_its_engine_allows;
    postgres:
    a_node_is_left_alone_while_its_lease_lasts,
    a_dead_node_is_taken_over_once
}

async fn exactly_what_was_unsettled_is_due_after_a_crash(harness: Harness) {
    // A crash would lose deliveries that were acknowledged, or repeat those that were made.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 8).await;
    let (hot, cold) = tenant.webhooks.split_at(7);
    let event = process.publish(tenant.event(hot, cold)).await.unwrap().event;
    process.handed_over().await;
    let deliveries = tenant.deliveries(event);
    let later = START.plus(Duration::from_hours(1));
    let ends = [
        attempted(Next::Delivered),
        attempted(Next::Dead),
        attempted(Next::Retry(later)),
        End::Cancelled,
        End::Released(later),
        End::Parked(later),
    ];
    for (id, end) in deliveries.iter().zip(ends) {
        process.finish(&tenant, *id, 1, Origin::Publish, end).await;
    }
    process.until_written(&tenant).await;
    process.node.heartbeat().await.unwrap();
    let unsettled = deliveries[6];
    let newest = process.publish_hot(&tenant, &tenant.webhooks[..3]).await;

    let heir = harness.crash(process).await;
    let now = harness.clock.now();
    let due = DeliveryState::Scheduled(now);
    let states = [
        DeliveryState::Delivered,
        DeliveryState::Dead,
        DeliveryState::Scheduled(later),
        DeliveryState::Cancelled,
        DeliveryState::Scheduled(later),
        DeliveryState::Scheduled(later),
        due,
        DeliveryState::Scheduled(START),
    ];
    for (id, state) in deliveries.iter().zip(states) {
        assert_eq!(heir.state(&tenant, *id).await, state, "{id}");
    }
    for id in &newest {
        assert_eq!(heir.state(&tenant, *id).await, due);
    }
    let mut expected = vec![unsettled, deliveries[7]];
    expected.extend(newest);
    expected.sort();
    let claimed = heir.claim(10).await;
    assert!(claimed.iter().all(|due| due.number == 1));
    let mut ids: Vec<_> = claimed.iter().map(hookwright_store::Due::id).collect();
    ids.sort();
    assert_eq!(ids, expected);

    // And once more: what the heir had claimed is still there after its own crash.
    let heir = harness.crash(heir).await;
    assert_eq!(heir.claim_ids(10).await, expected);
}

async fn results_out_of_order_do_not_move_the_mark_past_an_open_event(harness: Harness) {
    // A slow delivery would be forgotten because faster ones came after it.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let mut deliveries = Vec::new();
    for _ in 0..9 {
        deliveries.push(process.publish_one(&tenant).await);
    }
    let mut open: HashSet<usize> = (0..9).collect();
    for index in [8, 3, 5, 0, 7, 2] {
        process
            .finish(
                &tenant,
                deliveries[index],
                1,
                Origin::Publish,
                attempted(Next::Delivered),
            )
            .await;
        open.remove(&index);
        process.until_written(&tenant).await;
        process.node.heartbeat().await.unwrap();
    }
    let heir = harness.crash(process).await;
    let mut expected: Vec<_> = open.into_iter().map(|index| deliveries[index]).collect();
    expected.sort();
    assert_eq!(heir.claim_ids(100).await, expected);
}

async fn a_delivery_from_the_retry_table_does_not_settle_one_from_memory(harness: Harness) {
    // An event for two webhooks would be lost for one of them when the other one is slow and the node dies.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 2).await;
    let (hot, cold) = tenant.webhooks.split_at(1);
    let event = process.publish(tenant.event(hot, cold)).await.unwrap().event;
    process.handed_over().await;
    let [in_memory, in_table] = tenant.deliveries(event)[..] else {
        unreachable!()
    };
    assert_eq!(process.claim_ids(10).await, [in_table]);
    let later = START.plus(Duration::from_hours(1));
    process
        .finish(&tenant, in_table, 1, Origin::Retry, End::Parked(later))
        .await;
    process
        .until(&tenant, in_table, DeliveryState::Scheduled(later))
        .await;
    process.until_written(&tenant).await;
    process.node.heartbeat().await.unwrap();

    let heir = harness.crash(process).await;
    assert_eq!(heir.claim_ids(10).await, [in_memory]);
}

async fn a_node_that_was_taken_over_stores_nothing_more_and_starts_anew(harness: Harness) {
    // A node that hung would accept events that nobody recovers, or never accept any again.
    let mut slow = harness.process().await;
    let tenant = slow.tenant("shop", 1).await;
    let before = slow.publish_one(&tenant).await;
    let incarnation = slow.node.incarnation();
    let fast = harness.usurper(&slow).await;
    assert_eq!(
        fast.state(&tenant, before).await,
        DeliveryState::Scheduled(harness.clock.now())
    );

    let mut spilled = tenant.keyed("key");
    spilled.destinations[0].slot = None;
    for event in [tenant.event(&tenant.webhooks, &[]), tenant.keyed("key"), spilled] {
        let refused = slow.publish(event).await;
        assert!(
            matches!(refused, Err(PublishError::Store(StoreError::Fenced))),
            "{refused:?}"
        );
    }
    assert!(slow.all_handed_over().is_empty());
    let listed = fast
        .list(&tenant, hookwright_store::DeliveryFilter::All, 10)
        .await;
    assert_eq!(listed.iter().map(|row| row.id).collect::<Vec<_>>(), [before]);

    let heartbeat = slow.node.heartbeat().await.unwrap();
    assert!(heartbeat.rejoined);
    assert_ne!(slow.node.incarnation(), incarnation);
    assert!(!slow.node.heartbeat().await.unwrap().rejoined);
    let published = slow.publish(tenant.keyed("key")).await.unwrap();
    assert!(!published.duplicate, "the refused ones have not used the key");
    assert_eq!(slow.handed_over().await.event.id, published.event);
}

async fn what_a_node_accepts_while_it_is_taken_over_is_recovered(harness: Harness) {
    // An event that is acknowledged at the very moment of a take-over would be delivered by nobody.
    let slow = harness.process().await;
    let tenant = slow.tenant("shop", 1).await;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (publisher, tenant) = (slow.publisher.clone(), tenant.clone());
        callers.spawn(async move {
            let mut acknowledged = Vec::new();
            loop {
                match publisher.publish(tenant.event(&tenant.webhooks, &[])).await {
                    Ok(answer) => acknowledged.push(answer.event),
                    Err(PublishError::Store(StoreError::Fenced)) => return acknowledged,
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    let fast = harness.usurper(&slow).await;
    let acknowledged = callers.join_all().await.concat();
    assert!(!acknowledged.is_empty());
    let due = DeliveryState::Scheduled(harness.clock.now());
    for event in acknowledged {
        for id in tenant.deliveries(event) {
            assert_eq!(fast.state(&tenant, id).await, due);
        }
    }
}

async fn what_a_restarted_node_accepts_is_recovered_too(harness: Harness) {
    // A node that hung once would lose what it accepts after that when it crashes.
    let mut slow = harness.process().await;
    let tenant = slow.tenant("shop", 1).await;
    let before = slow.publish_one(&tenant).await;
    let fast = harness.usurper(&slow).await;
    assert!(slow.node.heartbeat().await.unwrap().rejoined);
    let after = slow.publish_one(&tenant).await;
    // A result of its former life arrives late.
    slow.finish(&tenant, before, 1, Origin::Publish, attempted(Next::Delivered))
        .await;
    slow.until(&tenant, before, DeliveryState::Delivered).await;
    slow.node.heartbeat().await.unwrap();
    drop(fast);
    let heir = harness.crash(slow).await;
    assert!(heir.claim_ids(10).await.contains(&after));
}

async fn a_restarted_node_claims_what_it_had_claimed_before(harness: Harness) {
    // A node that hung would never again deliver what it had claimed by then.
    let slow = harness.process().await;
    let tenant = slow.tenant("shop", 1).await;
    let event = slow
        .publish(tenant.event(&[], &tenant.webhooks))
        .await
        .unwrap()
        .event;
    let expected = tenant.deliveries(event);
    assert_eq!(slow.claim_ids(10).await, expected);
    let fast = harness.usurper(&slow).await;
    fast.leave().await;
    let heartbeat = slow.node.heartbeat().await.unwrap();
    assert!(heartbeat.rejoined);
    // Whoever uses the node drops what it had claimed when it is told so, and claims nothing before that.
    assert_eq!(heartbeat.lanes, 0);
    assert!(slow.claim(10).await.is_empty());
    spread_lanes(std::slice::from_ref(&slow)).await;
    assert_eq!(slow.claim_ids(10).await, expected);
}

async fn a_lease_that_ran_out_is_renewed_while_nobody_took_over(harness: Harness) {
    // A single node that is suspended for a minute would have to repeat everything it had in memory.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let incarnation = process.node.incarnation();
    let id = process.publish_one(&tenant).await;
    harness.clock.advance(10 * LEASE);
    process.publish_one(&tenant).await;
    let heartbeat = process.node.heartbeat().await.unwrap();
    assert!(!heartbeat.rejoined);
    assert_eq!((heartbeat.recovered, heartbeat.nodes), (0, 1));
    assert_eq!(process.node.incarnation(), incarnation);
    assert_eq!(process.state(&tenant, id).await, DeliveryState::Leased);
    process.publish_one(&tenant).await;
    assert!(process.claim(10).await.is_empty());
}

async fn every_life_of_a_node_has_its_own_name(harness: Harness) {
    // Events of a dead node would be taken for those of a living one and never be delivered.
    let mut seen = HashSet::new();
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    for round in 0..6 {
        assert!(seen.insert(process.node.incarnation()));
        if round % 3 == 0 {
            process.publish_one(&tenant).await;
        }
        process = if round % 2 == 0 {
            process.leave().await;
            harness.process().await
        } else {
            harness.crash(process).await
        };
    }
}

async fn a_store_is_used_as_its_engine_allows(harness: Harness) {
    // Two processes on one SQLite file would deliver everything twice.
    let process = harness.process().await;
    let second = Store::open(&harness.address, harness.clock.clone()).await;
    match &harness.address {
        StoreAddress::Postgres(_) => assert_eq!(second.unwrap().engine_name(), "postgresql"),
        StoreAddress::Sqlite(_) => {
            let Err(StoreError::Address { url, problem }) = second else {
                panic!("{second:?}");
            };
            assert_eq!(url, harness.address.to_string());
            assert!(problem.contains("another hookwright process"), "{problem}");
            // The first one is not disturbed, and the file is free when it is gone.
            process.node.heartbeat().await.unwrap();
            process.leave().await;
            let after = crate::harness::eventually("the file is free", async || {
                Store::open(&harness.address, Clock::manual(START)).await.ok()
            })
            .await;
            assert_eq!(after.engine_name(), "sqlite");
        }
    }
}

async fn a_node_is_left_alone_while_its_lease_lasts(harness: Harness) {
    // Every pause of a node would have its deliveries repeated.
    let mut processes = harness.processes(2).await;
    let watching = processes.remove(1);
    let mut dead = processes.remove(0);
    let tenant = dead.tenant("shop", 1).await;
    dead.node.heartbeat().await.unwrap();
    let id = dead.publish_one(&tenant).await;
    drop(dead);
    harness.clock.advance(LEASE);
    let heartbeat = watching.node.heartbeat().await.unwrap();
    assert_eq!(
        (heartbeat.recovered, watching.state(&tenant, id).await),
        (0, DeliveryState::Leased)
    );
    harness.clock.advance(Duration::from_micros(1));
    let heartbeat = watching.node.heartbeat().await.unwrap();
    assert_eq!(heartbeat.recovered, 1);
    assert_eq!(
        watching.state(&tenant, id).await,
        DeliveryState::Scheduled(harness.clock.now())
    );
}

async fn a_dead_node_is_taken_over_once(harness: Harness) {
    // Nodes that notice a crash at the same time would have its deliveries made several times.
    const EVENTS: usize = 200;
    let mut processes = harness.processes(3).await;
    let mut dead = processes.remove(0);
    let tenant = dead.tenant("shop", 1).await;
    for _ in 0..EVENTS {
        dead.publish_one(&tenant).await;
    }
    drop(dead);
    harness.clock.advance(LEASE / 2);
    let [a, b] = &processes[..] else { unreachable!() };
    tokio::try_join!(a.node.heartbeat(), b.node.heartbeat()).unwrap();
    harness.clock.advance(LEASE / 2 + Duration::from_micros(1));
    let (first, second) = tokio::try_join!(a.node.heartbeat(), b.node.heartbeat()).unwrap();
    assert_eq!(first.recovered + second.recovered, EVENTS as u64);
    spread_lanes(&processes).await;
    assert_eq!(
        a.claim(EVENTS + 1).await.len() + b.claim(EVENTS + 1).await.len(),
        EVENTS
    );
}
