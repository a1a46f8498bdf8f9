//! Ordering: one delivery of a queue at a time, the earliest first, whatever fails, crashes or takes over.

use std::time::Duration;

use hookwright_store::{
    DeliveryId, DeliveryState, Destination, Due, End, EventId, NewEvent, Next, Ordering, Origin, Timestamp,
    WebhookSettings,
};

use crate::harness::{Harness, Process, Tenant, attempted, eventually, settings, slot, spread_lanes};

conformance! {
    both:
    only_the_head_of_each_queue_is_claimed,
    a_failed_head_holds_its_queue_and_no_other,
    the_next_goes_when_the_one_before_is_dead_or_cancelled,
    events_without_a_key_wait_for_nobody,
    a_webhook_in_order_is_one_queue_and_its_neighbour_is_not,
    what_was_claimed_by_a_node_that_died_still_goes_first,
    a_queue_that_lost_its_head_unnoticed_goes_on,
    a_webhook_set_free_or_deleted_waits_for_nobody,
    the_next_in_line_is_announced;
    postgres:
    two_nodes_keep_the_order_while_events_come_in
}

fn ordered(tenant: &Tenant, ordering: Ordering, key: Option<&str>) -> NewEvent {
    NewEvent {
        destinations: vec![Destination {
            webhook: tenant.webhooks[0],
            // A slot is no way past the queue.
            slot: Some(slot()),
            ordering,
        }],
        ordering_key: key.map(str::to_owned),
        ..tenant.event(&[], &[])
    }
}

async fn publish(process: &Process, tenant: &Tenant, key: &str) -> DeliveryId {
    let event = ordered(tenant, Ordering::Key, Some(key));
    tenant.deliveries(process.publish(event).await.unwrap().event)[0]
}

async fn publish_all(process: &Process, tenant: &Tenant, keys: &[&str]) -> Vec<DeliveryId> {
    let mut ids = Vec::new();
    for key in keys {
        ids.push(publish(process, tenant, key).await);
    }
    ids
}

/// Reports the end of a claimed delivery, and waits until it is stored.
async fn finish(process: &Process, tenant: &Tenant, delivery: DeliveryId, number: u16, next: Next) {
    process
        .finish(tenant, delivery, number, Origin::Retry, attempted(next))
        .await;
    let state = match next {
        Next::Delivered => DeliveryState::Delivered,
        Next::Dead => DeliveryState::Dead,
        Next::Cancelled => DeliveryState::Cancelled,
        Next::Retry(due_at) => DeliveryState::Scheduled(due_at),
    };
    process.until(tenant, delivery, state).await;
}

/// Claims what there is until it is as many.
async fn claimed(process: &Process, count: usize) -> Vec<DeliveryId> {
    let mut ids = Vec::new();
    eventually("something is due", async || {
        ids.extend(process.claim_ids(10).await);
        (ids.len() >= count).then_some(())
    })
    .await;
    ids.sort();
    ids
}

async fn only_the_head_of_each_queue_is_claimed(harness: Harness) {
    // A receiver would see a later state of something before an earlier one.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let ids = publish_all(&process, &tenant, &["a", "b", "a", "a", "b", "c"]).await;
    assert!(process.all_handed_over().is_empty(), "memory knows no order");
    assert_eq!(process.claim_ids(10).await, [ids[0], ids[1], ids[5]]);
    assert!(process.claim(10).await.is_empty());
    assert_eq!(
        process.state(&tenant, ids[2]).await,
        DeliveryState::Scheduled(Timestamp::IN_LINE)
    );
    finish(&process, &tenant, ids[0], 1, Next::Delivered).await;
    assert_eq!(claimed(&process, 1).await, [ids[2]]);
    assert!(process.claim(10).await.is_empty());
    finish(&process, &tenant, ids[1], 1, Next::Delivered).await;
    finish(&process, &tenant, ids[2], 1, Next::Delivered).await;
    assert_eq!(claimed(&process, 2).await, [ids[3], ids[4]]);
}

async fn a_failed_head_holds_its_queue_and_no_other(harness: Harness) {
    // One broken customer record would hold everything up, or later changes would overtake the failed one.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let ids = publish_all(&process, &tenant, &["a", "a", "b", "b"]).await;
    assert_eq!(process.claim_ids(10).await, [ids[0], ids[2]]);
    let later = harness.clock.now().plus(Duration::from_mins(1));
    finish(&process, &tenant, ids[0], 1, Next::Retry(later)).await;
    finish(&process, &tenant, ids[2], 1, Next::Delivered).await;
    assert_eq!(claimed(&process, 1).await, [ids[3]]);
    finish(&process, &tenant, ids[3], 1, Next::Delivered).await;
    assert!(process.claim(10).await.is_empty());
    // The alarm is the head's, not that of those behind it.
    let upcoming = process.node.upcoming().await.unwrap();
    assert_eq!(upcoming.iter().map(|row| row.due_at).collect::<Vec<_>>(), [later]);

    harness.clock.advance(Duration::from_mins(1));
    let again = process.claim(10).await;
    assert_eq!(
        again.iter().map(|due| (due.id(), due.number)).collect::<Vec<_>>(),
        [(ids[0], 2)]
    );
}

async fn the_next_goes_when_the_one_before_is_dead_or_cancelled(harness: Harness) {
    // A key would be stuck for ever behind an event that nobody will take.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let ids = publish_all(&process, &tenant, &["a", "a", "a"]).await;
    assert_eq!(process.claim_ids(10).await, [ids[0]]);
    assert!(process.claim(10).await.is_empty());
    finish(&process, &tenant, ids[0], 1, Next::Dead).await;
    assert_eq!(claimed(&process, 1).await, [ids[1]]);
    process
        .finish(&tenant, ids[1], 1, Origin::Retry, End::Cancelled)
        .await;
    assert_eq!(claimed(&process, 1).await, [ids[2]]);
    // Given back by a node that stops: it is the head still.
    let now = harness.clock.now();
    process
        .finish(&tenant, ids[2], 1, Origin::Retry, End::Released(now))
        .await;
    assert_eq!(claimed(&process, 1).await, [ids[2]]);
}

async fn events_without_a_key_wait_for_nobody(harness: Harness) {
    // An event that says nothing of order would wait behind all others like it.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let blocked = publish_all(&process, &tenant, &["a", "a"]).await;
    process
        .publish(ordered(&tenant, Ordering::Key, None))
        .await
        .unwrap();
    assert_eq!(process.all_handed_over().len(), 1, "straight to memory");
    // Spilled ones are claimed beside the heads.
    let spilled = process
        .publish(tenant.event(&[], &tenant.webhooks))
        .await
        .unwrap()
        .event;
    assert_eq!(
        process.claim_ids(10).await,
        [blocked[0], tenant.deliveries(spilled)[0]]
    );
}

async fn a_webhook_in_order_is_one_queue_and_its_neighbour_is_not(harness: Harness) {
    // A webhook that wants order would not get it for events without a key, or would impose it on others.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 2).await;
    let event = |key: &str| NewEvent {
        destinations: [(0, Ordering::Webhook), (1, Ordering::None)]
            .map(|(at, ordering)| Destination {
                webhook: tenant.webhooks[at],
                slot: None,
                ordering,
            })
            .into(),
        ordering_key: (!key.is_empty()).then(|| key.to_owned()),
        ..tenant.event(&[], &[])
    };
    let mut events: Vec<EventId> = Vec::new();
    for key in ["", "a", "b"] {
        events.push(process.publish(event(key)).await.unwrap().event);
    }
    let of = |event: EventId, at: usize| tenant.deliveries(event)[at];
    let mut expected = vec![
        of(events[0], 0),
        of(events[0], 1),
        of(events[1], 1),
        of(events[2], 1),
    ];
    expected.sort();
    assert_eq!(process.claim_ids(10).await, expected);
    finish(&process, &tenant, of(events[0], 0), 1, Next::Delivered).await;
    assert_eq!(claimed(&process, 1).await, [of(events[1], 0)]);
}

async fn what_was_claimed_by_a_node_that_died_still_goes_first(harness: Harness) {
    // A crash would let later events overtake the one that was under way.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let ids = publish_all(&process, &tenant, &["a", "a", "b", "a"]).await;
    assert_eq!(process.claim_ids(10).await, [ids[0], ids[2]]);
    assert!(process.claim(10).await.is_empty());

    let heir = harness.crash(process).await;
    spread_lanes(std::slice::from_ref(&heir)).await;
    assert_eq!(claimed(&heir, 2).await, [ids[0], ids[2]]);
    finish(&heir, &tenant, ids[0], 1, Next::Delivered).await;
    assert_eq!(claimed(&heir, 1).await, [ids[1]]);
    finish(&heir, &tenant, ids[1], 1, Next::Delivered).await;
    assert_eq!(claimed(&heir, 1).await, [ids[3]]);
}

async fn a_queue_that_lost_its_head_unnoticed_goes_on(harness: Harness) {
    // A node that was taken over and did not know it would remove a head that nobody follows.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let ids = publish_all(&process, &tenant, &["a", "a"]).await;
    assert_eq!(process.claim_ids(10).await, [ids[0]]);
    assert!(process.claim(10).await.is_empty());
    harness.remove_retry(ids[0]).await;
    assert!(process.claim(10).await.is_empty(), "it is still in line");
    // Looked for every half minute.
    for _ in 0..64 {
        process.node.heartbeat().await.unwrap();
    }
    assert_eq!(claimed(&process, 1).await, [ids[1]]);
}

async fn a_webhook_set_free_or_deleted_waits_for_nobody(harness: Harness) {
    // An owner who gives up order would wait for it all the same.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let ids = publish_all(&process, &tenant, &["a", "a", "a"]).await;
    assert_eq!(process.claim_ids(10).await, [ids[0]]);
    let changed = WebhookSettings {
        ordering: Ordering::Webhook,
        ..settings(0)
    };
    let update = async |settings| {
        process
            .store
            .update_webhook(tenant.id, tenant.webhooks[0], settings)
            .await
            .unwrap()
            .unwrap()
    };
    assert_eq!(update(&changed).await.settings.ordering, Ordering::Webhook);
    assert!(process.claim(10).await.is_empty());
    update(&settings(0)).await;
    assert_eq!(claimed(&process, 2).await, ids[1..]);

    let tenant = process.reread(tenant.id).await;
    let more = publish_all(&process, &tenant, &["b", "b"]).await;
    assert_eq!(process.claim_ids(10).await, [more[0]]);
    assert!(process.claim(10).await.is_empty());
    process
        .store
        .delete_webhook(tenant.id, tenant.webhooks[0])
        .await
        .unwrap();
    assert_eq!(claimed(&process, 1).await, [more[1]]);
}

async fn the_next_in_line_is_announced(harness: Harness) {
    // Each delivery in order would wait for the next poll.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let ids = publish_all(&process, &tenant, &["a", "a"]).await;
    let announced = process.node.next_in_line().await;
    assert_eq!(announced.len(), 1);
    assert_eq!(announced[0].webhook, tenant.webhooks[0]);
    assert_eq!(process.claim_ids(10).await, [ids[0]]);
    assert!(process.claim(10).await.is_empty());
    finish(&process, &tenant, ids[0], 1, Next::Delivered).await;
    assert_eq!(process.node.next_in_line().await.len(), 1);
    assert_eq!(claimed(&process, 1).await, [ids[1]]);
}

async fn two_nodes_keep_the_order_while_events_come_in(harness: Harness) {
    // Events would overtake each other exactly when it is busy.
    const KEYS: usize = 5;
    const EACH: usize = 40;
    let processes = harness.processes(2).await;
    let tenant = processes[0].tenant("shop", 1).await;
    let mut publishers = tokio::task::JoinSet::new();
    for key in 0..KEYS {
        let (publisher, tenant) = (processes[key % 2].publisher.clone(), tenant.clone());
        publishers.spawn(async move {
            let mut ids = Vec::new();
            for _ in 0..EACH {
                let event = ordered(&tenant, Ordering::Key, Some(&key.to_string()));
                ids.push(publisher.publish(event).await.unwrap().event);
            }
            ids
        });
    }
    let mut seen: Vec<EventId> = Vec::new();
    let mut retried = 0;
    eventually("all are delivered", async || {
        for process in &processes {
            process.node.heartbeat().await.unwrap();
            let due: Vec<Due> = process.claim(3).await;
            for due in due {
                // Every fourth fails once.
                let next =
                    if due.number == 1 && due.event.id.created_at().unix_micros() % 4 == 0 && retried < 50 {
                        retried += 1;
                        Next::Retry(harness.clock.now())
                    } else {
                        seen.push(due.event.id);
                        Next::Delivered
                    };
                process
                    .finish(&tenant, due.id(), due.number, Origin::Retry, attempted(next))
                    .await;
            }
        }
        (seen.len() >= KEYS * EACH).then_some(())
    })
    .await;
    while let Some(published) = publishers.join_next().await {
        let published = published.unwrap();
        let delivered: Vec<EventId> = seen.iter().copied().filter(|id| published.contains(id)).collect();
        assert_eq!(delivered, published);
    }
    drop(processes);
    harness.assert_no_deadlocks().await;
}
