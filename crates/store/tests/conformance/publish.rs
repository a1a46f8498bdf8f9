//! Publishing: what is acknowledged is durable, goes to the webhooks it was meant for, and is handed over.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hookwright_store::{
    DeliveryFilter, DeliveryState, Destination, End, NewEvent, Next, Ordering, Origin, PublishError, Slot,
};
use tokio::sync::Semaphore;

use crate::harness::{Harness, attempted, settings};

conformance! {
    both:
    an_acknowledged_event_is_in_the_log_as_it_was_written,
    destinations_with_a_slot_are_handed_over_and_the_others_are_due_at_once,
    destinations_chosen_from_older_webhooks_are_refused,
    one_stale_event_of_a_batch_holds_up_no_other,
    callers_that_wait_together_share_a_commit,
    ids_of_one_publisher_grow,
    a_caller_that_hangs_up_still_has_its_event_handed_over,
    payloads_beyond_the_size_of_a_batch_are_stored_too,
    an_event_for_nobody_is_in_the_log,
    memory_is_given_back_when_an_event_is_refused,
    a_full_queue_makes_publishers_wait_and_loses_none,
}

async fn an_acknowledged_event_is_in_the_log_as_it_was_written(harness: Harness) {
    // An event that was acknowledged would be gone after a restart, or its signature would not match its bytes.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let payload = Bytes::from("{ \"b\" : 1.0,\n  \"a\": \"\u{fc}\u{1f980}\" }");
    let event = NewEvent {
        event_type: String::from("order.paid.v2"),
        payload: payload.clone(),
        ..tenant.event(&tenant.webhooks, &[])
    };
    let published = process.publish(event).await.unwrap();
    assert_eq!((published.delivery_count, published.duplicate), (1, false));

    let process = harness.crash(process).await;
    let event = process
        .store
        .event(tenant.id, published.event)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (event.id, event.tenant, event.event_type.as_str(), event.payload),
        (published.event, tenant.id, "order.paid.v2", payload)
    );
    let other = process.store.tenant("somebody else").await.unwrap();
    assert_eq!(process.store.event(other, published.event).await.unwrap(), None);
}

async fn destinations_with_a_slot_are_handed_over_and_the_others_are_due_at_once(harness: Harness) {
    // A delivery for which there is no memory would wait for a crash, or one would be made twice.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 4).await;
    let [a, b, c, d] = tenant.webhooks[..] else {
        unreachable!()
    };
    let mut event = tenant.event(&[], &[]);
    event.destinations = [(a, false), (b, true), (c, false), (d, true)]
        .map(|(webhook, hot)| Destination {
            webhook,
            slot: hot.then(crate::harness::slot),
            ordering: Ordering::None,
        })
        .into();
    let published = process.publish(event).await.unwrap();
    assert_eq!(published.delivery_count, 4);

    let accepted = process.handed_over().await;
    assert_eq!(accepted.event.id, published.event);
    assert_eq!(
        accepted
            .destinations
            .iter()
            .map(|(webhook, _)| *webhook)
            .collect::<Vec<_>>(),
        [b, d]
    );

    let listed = process
        .list(&tenant, DeliveryFilter::Event(published.event), 10)
        .await;
    let due = DeliveryState::Scheduled(published.event.created_at());
    assert_eq!(
        listed
            .iter()
            .map(|row| (row.id.webhook, row.state))
            .collect::<Vec<_>>(),
        [
            (b, DeliveryState::Leased),
            (d, DeliveryState::Leased),
            (a, due),
            (c, due)
        ]
    );
    let claimed = process.claim(10).await;
    let mut webhooks: Vec<_> = claimed.iter().map(|due| due.webhook).collect();
    webhooks.sort();
    assert_eq!(webhooks, [a, c]);
    assert!(
        claimed
            .iter()
            .all(|due| due.number == 1 && due.event.id == published.event)
    );
}

async fn destinations_chosen_from_older_webhooks_are_refused(harness: Harness) {
    // An event would miss a webhook that was registered before it, or go to one that was deleted before it.
    let mut process = harness.process().await;
    let other = harness.other_view(&process).await;
    let mut tenant = process.tenant("shop", 1).await;
    process.publish_one(&tenant).await;

    // An id tells the order of creation only as far as it tells the time.
    harness.clock.advance(Duration::from_millis(1));
    let added = other
        .insert_webhook(tenant.id, settings(9), &[crate::harness::secret(9)])
        .await
        .unwrap();
    let stale = process.publish(tenant.event(&tenant.webhooks, &[])).await;
    assert!(matches!(stale, Err(PublishError::StaleWebhooks)), "{stale:?}");
    tenant = process.reread(tenant.id).await;
    assert_eq!(tenant.webhooks.last(), Some(&added.id));
    process.publish_one(&tenant).await;

    other
        .update_webhook(tenant.id, added.id, &settings(10))
        .await
        .unwrap()
        .unwrap();
    let stale = process.publish(tenant.event(&tenant.webhooks, &[])).await;
    assert!(matches!(stale, Err(PublishError::StaleWebhooks)), "{stale:?}");
    tenant = process.reread(tenant.id).await;
    process.publish_one(&tenant).await;

    assert!(other.delete_webhook(tenant.id, added.id).await.unwrap());
    let stale = process.publish(tenant.event(&tenant.webhooks, &[])).await;
    assert!(matches!(stale, Err(PublishError::StaleWebhooks)), "{stale:?}");

    let listed = process.list(&tenant, DeliveryFilter::All, 10).await;
    assert_eq!(listed.len(), 3, "what was refused left nothing behind");
    assert!(process.all_handed_over().is_empty());
}

async fn one_stale_event_of_a_batch_holds_up_no_other(harness: Harness) {
    // A tenant that changes its webhooks would fail the publishes of all others.
    let mut process = harness.process().await;
    let changing = process.tenant("changing", 1).await;
    let steady = process.tenant("steady", 1).await;
    process
        .store
        .insert_webhook(changing.id, settings(1), &[])
        .await
        .unwrap();

    let (first, stale, last) = tokio::join!(
        process.publish(steady.event(&steady.webhooks, &[])),
        process.publish(changing.event(&changing.webhooks, &[])),
        process.publish(steady.keyed("last")),
    );
    assert!(matches!(stale, Err(PublishError::StaleWebhooks)), "{stale:?}");
    let published = [first.unwrap().event, last.unwrap().event];
    let handed_over = process.all_handed_over();
    assert_eq!(
        handed_over
            .iter()
            .map(|accepted| accepted.event.id)
            .collect::<Vec<_>>(),
        published
    );
    for event in published {
        assert!(process.store.event(steady.id, event).await.unwrap().is_some());
    }
}

async fn callers_that_wait_together_share_a_commit(harness: Harness) {
    // Every publish would wait for a disk of its own, and two events could have one id.
    const CALLERS: usize = 400;
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 2).await;
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..CALLERS {
        let publisher = process.publisher.clone();
        // Both statements: the plain one, and the one for keys and spilled deliveries.
        let (hot, cold) = tenant.webhooks.split_at(1 + number % 2);
        let event = tenant.event(hot, cold);
        callers.spawn(async move { publisher.publish(event).await.unwrap().event });
    }
    let mut ids = callers.join_all().await;
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), CALLERS);
    let mut handed_over: Vec<_> = process
        .all_handed_over()
        .iter()
        .map(|accepted| accepted.event.id)
        .collect();
    handed_over.sort();
    assert_eq!(handed_over, ids);
    assert_eq!(
        process.list(&tenant, DeliveryFilter::All, 200).await.len(),
        2 * CALLERS
    );

    // SQLite does not tell which transaction a row is of.
    if let Some(mut server) = harness.server().await {
        let commits: i64 = sqlx::query_scalar("select count(distinct xmin::text) from event")
            .fetch_one(&mut server)
            .await
            .unwrap();
        assert!(commits <= 20, "{commits} commits for {CALLERS} events");
    }
}

async fn ids_of_one_publisher_grow(harness: Harness) {
    // Listings and low-water marks would be out of order.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (publisher, tenant) = (process.publisher.clone(), tenant.clone());
        callers.spawn(async move {
            let mut ids = Vec::new();
            for _ in 0..10 {
                ids.push(
                    publisher
                        .publish(tenant.event(&tenant.webhooks, &[]))
                        .await
                        .unwrap()
                        .event,
                );
            }
            assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
            ids
        });
    }
    let mut ids = callers.join_all().await.concat();
    ids.sort();
    ids.dedup();
    assert_eq!(
        ids.len(),
        200,
        "the clock stands still, so all of them are of one millisecond"
    );
    assert!(ids.iter().all(|id| id.created_at() == harness.clock.now()));
}

async fn a_caller_that_hangs_up_still_has_its_event_handed_over(harness: Harness) {
    // A client that disconnects while its event is committed would leave an event in the log that nobody delivers.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    for _ in 0..20 {
        // Asked once, which queues it, and given up.
        tokio::select! {
            biased;
            answer = process.publish(tenant.event(&tenant.webhooks, &[])) => panic!("{answer:?}"),
            () = std::future::ready(()) => {}
        }
        let accepted = process.handed_over().await;
        assert!(
            process
                .store
                .event(tenant.id, accepted.event.id)
                .await
                .unwrap()
                .is_some()
        );
    }
    assert_eq!(process.list(&tenant, DeliveryFilter::All, 200).await.len(), 20);
}

async fn payloads_beyond_the_size_of_a_batch_are_stored_too(harness: Harness) {
    // A few large events at once would fail each other.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..8_u8 {
        // The first one alone is more than a batch.
        let length = if number == 0 { 1_500_000 } else { 400_000 };
        let payload = Bytes::from(vec![b'0' + number; length]);
        let event = NewEvent {
            payload: payload.clone(),
            ..tenant.event(&tenant.webhooks, &[])
        };
        let publisher = process.publisher.clone();
        callers.spawn(async move { (publisher.publish(event).await.unwrap().event, payload) });
    }
    for (event, payload) in callers.join_all().await {
        let stored = process.store.event(tenant.id, event).await.unwrap().unwrap();
        assert!(stored.payload == payload, "{event} has other bytes");
    }
}

async fn an_event_for_nobody_is_in_the_log(harness: Harness) {
    // Somebody who looks for an event that no webhook wanted would not find out that it was accepted.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 0).await;
    let published = process.publish(tenant.event(&[], &[])).await.unwrap();
    assert_eq!(published.delivery_count, 0);
    assert!(
        process
            .store
            .event(tenant.id, published.event)
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        process
            .list(&tenant, DeliveryFilter::Event(published.event), 10)
            .await
            .is_empty()
    );
    assert!(process.all_handed_over().is_empty());
}

async fn memory_is_given_back_when_an_event_is_refused(harness: Harness) {
    // A node would run full of deliveries that it does not have.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let memory = Arc::new(Semaphore::new(2));
    let event = |version| {
        let permit = || Arc::clone(&memory).try_acquire_owned().unwrap();
        NewEvent {
            tenant_version: version,
            destinations: vec![Destination {
                webhook: tenant.webhooks[0],
                slot: Some(Slot::new(permit(), permit())),
                ordering: Ordering::None,
            }],
            ..tenant.keyed("key")
        }
    };
    process.publish(event(tenant.version - 1)).await.unwrap_err();
    assert_eq!(memory.available_permits(), 2);

    process.publish(event(tenant.version)).await.unwrap();
    assert_eq!(memory.available_permits(), 0);
    let accepted = process.handed_over().await;
    assert_eq!(memory.available_permits(), 0, "it belongs to the delivery now");
    drop(accepted);
    assert!(process.publish(event(tenant.version)).await.unwrap().duplicate);
    assert_eq!(memory.available_permits(), 2);
}

async fn a_full_queue_makes_publishers_wait_and_loses_none(harness: Harness) {
    // Events published faster than they can be stored would be refused or forgotten.
    const EVENTS: usize = 10_000;
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..EVENTS {
        let publisher = process.publisher.clone();
        let event = tenant.event(&tenant.webhooks, &[]);
        callers.spawn(async move { publisher.publish(event).await.unwrap().event });
    }
    let mut published = callers.join_all().await;
    published.sort();
    let accepted = process.all_handed_over();
    let mut handed_over: Vec<_> = accepted.iter().map(|accepted| accepted.event.id).collect();
    handed_over.sort();
    assert_eq!(handed_over, published);

    // Results queue up likewise.
    for accepted in accepted {
        for delivery in tenant.deliveries(accepted.event.id) {
            process
                .finish(&tenant, delivery, 1, Origin::Publish, attempted(Next::Delivered))
                .await;
        }
    }
    let last = process.publish_one(&tenant).await;
    process
        .finish(&tenant, last, 1, Origin::Publish, End::Cancelled)
        .await;
    process.until(&tenant, last, DeliveryState::Cancelled).await;
    let process = harness.crash(process).await;
    assert!(
        process.node.upcoming().await.unwrap().is_empty(),
        "nothing is left to be delivered"
    );
}
