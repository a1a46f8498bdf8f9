//! Idempotency keys: a publish that is repeated is one event.

use bytes::Bytes;
use hookwright_store::{DeliveryFilter, DeliveryState, End, NewEvent, Next, Origin, PublishError, Retention};

use crate::harness::{Harness, START, attempted, settings};

conformance! {
    both:
    a_repeated_publish_is_the_same_event,
    a_key_with_another_event_is_a_mistake,
    two_at_once_are_one_event,
    two_different_ones_at_once_are_one_event_and_a_mistake,
    keys_of_two_tenants_have_nothing_to_do_with_each_other,
    a_key_can_be_used_again_after_its_time,
    a_refused_publish_does_not_use_up_its_key,
    a_repetition_after_a_take_over_brings_nothing_back,
    batches_with_the_same_keys_in_another_order_do_not_lock_each_other_out,
}

async fn a_repeated_publish_is_the_same_event(harness: Harness) {
    // A client that tries again after a timeout would have its customers notified twice.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 3).await;
    let (hot, cold) = tenant.webhooks.split_at(2);
    let event = || NewEvent {
        idempotency_key: Some(String::from("key")),
        ..tenant.event(hot, cold)
    };
    let first = process.publish(event()).await.unwrap();
    assert_eq!((first.delivery_count, first.duplicate), (3, false));
    let again = process.publish(event()).await.unwrap();
    assert_eq!(
        (again.event, again.delivery_count, again.duplicate),
        (first.event, 3, true)
    );

    assert_eq!(process.all_handed_over().len(), 1);
    assert_eq!(process.claim(10).await.len(), 1);
    assert_eq!(process.list(&tenant, DeliveryFilter::All, 10).await.len(), 3);

    // Another process answers the same.
    let process = harness.crash(process).await;
    let again = process.publish(event()).await.unwrap();
    assert_eq!(
        (again.event, again.delivery_count, again.duplicate),
        (first.event, 3, true)
    );
}

async fn a_key_with_another_event_is_a_mistake(harness: Harness) {
    // A client that uses a key twice by mistake would believe that its second event was published.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let first = process.publish(tenant.keyed("key")).await.unwrap().event;
    let other_body = NewEvent {
        payload: Bytes::from_static(b"{}"),
        ..tenant.keyed("key")
    };
    let other_type = NewEvent {
        event_type: String::from("order.refunded"),
        ..tenant.keyed("key")
    };
    for other in [other_body, other_type] {
        let refused = process.publish(other).await;
        assert!(
            matches!(refused, Err(PublishError::KeyReused(event)) if event == first),
            "{refused:?}"
        );
    }
    assert_eq!(process.list(&tenant, DeliveryFilter::All, 10).await.len(), 1);
}

async fn two_at_once_are_one_event(harness: Harness) {
    // A client that hedges its requests would have its customers notified twice.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 2).await;
    for key in ["one", "two", "three"] {
        let (a, b, c) = tokio::join!(
            process.publish(tenant.keyed(key)),
            process.publish(tenant.keyed(key)),
            process.publish(tenant.keyed(key)),
        );
        let all = [a.unwrap(), b.unwrap(), c.unwrap()];
        assert!(
            all.iter()
                .all(|one| one.event == all[0].event && one.delivery_count == 2)
        );
        assert_eq!(all.iter().filter(|one| one.duplicate).count(), 2);
        let handed_over = process.all_handed_over();
        assert_eq!(handed_over.len(), 1);
        assert_eq!(handed_over[0].event.id, all[0].event);
    }
    assert!(process.claim(10).await.is_empty());
}

async fn two_different_ones_at_once_are_one_event_and_a_mistake(harness: Harness) {
    // Which of two events was published would be anybody's guess.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let other = NewEvent {
        payload: Bytes::from_static(b"{}"),
        ..tenant.keyed("key")
    };
    let (a, b) = tokio::join!(process.publish(tenant.keyed("key")), process.publish(other));
    let (published, refused) = if a.is_ok() { (a, b) } else { (b, a) };
    let event = published.unwrap().event;
    assert!(
        matches!(refused, Err(PublishError::KeyReused(winner)) if winner == event),
        "{refused:?}"
    );
    assert_eq!(process.all_handed_over().len(), 1);
}

async fn keys_of_two_tenants_have_nothing_to_do_with_each_other(harness: Harness) {
    // A tenant could find out, or take away, the keys of another.
    let process = harness.process().await;
    let tenants = [process.tenant("a", 1).await, process.tenant("b", 1).await];
    let (a, b) = tokio::join!(
        process.publish(tenants[0].keyed("key")),
        process.publish(tenants[1].keyed("key"))
    );
    let (a, b) = (a.unwrap(), b.unwrap());
    assert!(!a.duplicate && !b.duplicate && a.event != b.event);
    for (tenant, published) in tenants.iter().zip([a, b]) {
        let again = process.publish(tenant.keyed("key")).await.unwrap();
        assert_eq!((again.event, again.duplicate), (published.event, true));
    }
}

async fn a_key_can_be_used_again_after_its_time(harness: Harness) {
    // Keys would fill the store, or be forgotten while clients still rely on them.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let retention = Retention::default();
    let first = process.publish(tenant.keyed("key")).await.unwrap();

    harness.clock.advance(retention.idempotency_keys);
    process.store.maintain(retention).await.unwrap();
    let again = process.publish(tenant.keyed("key")).await.unwrap();
    assert_eq!((again.event, again.duplicate), (first.event, true));

    harness.clock.advance(std::time::Duration::from_millis(1));
    process.store.maintain(retention).await.unwrap();
    let later = process.publish(tenant.keyed("key")).await.unwrap();
    assert!(later.event != first.event && !later.duplicate);
}

async fn a_refused_publish_does_not_use_up_its_key(harness: Harness) {
    // The repetition that the refusal asks for would be answered with an event that does not exist.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    process
        .store
        .insert_webhook(tenant.id, settings(1), &[])
        .await
        .unwrap();
    let stale = process.publish(tenant.keyed("key")).await;
    assert!(matches!(stale, Err(PublishError::StaleWebhooks)), "{stale:?}");
    let tenant = process.reread(tenant.id).await;
    let published = process.publish(tenant.keyed("key")).await.unwrap();
    assert!(!published.duplicate);
    assert!(
        process
            .store
            .event(tenant.id, published.event)
            .await
            .unwrap()
            .is_some()
    );
}

async fn a_repetition_after_a_take_over_brings_nothing_back(harness: Harness) {
    // A client that repeats its publish after a crash would have delivered what was delivered already.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 4).await;
    let event = process.publish(tenant.keyed("key")).await.unwrap().event;
    process.handed_over().await;
    let [delivered, cancelled, retried, open] = tenant.deliveries(event)[..] else {
        unreachable!()
    };
    let later = START.plus(std::time::Duration::from_hours(1));
    process
        .finish(&tenant, delivered, 1, Origin::Publish, attempted(Next::Delivered))
        .await;
    process
        .finish(&tenant, cancelled, 1, Origin::Publish, End::Cancelled)
        .await;
    process
        .finish(
            &tenant,
            retried,
            1,
            Origin::Publish,
            attempted(Next::Retry(later)),
        )
        .await;
    process
        .until(&tenant, retried, DeliveryState::Scheduled(later))
        .await;

    let process = harness.crash(process).await;
    for _ in 0..2 {
        assert!(process.publish(tenant.keyed("key")).await.unwrap().duplicate);
    }
    assert_eq!(process.claim_ids(10).await, [open]);
    process
        .finish(&tenant, open, 1, Origin::Retry, attempted(Next::Delivered))
        .await;
    process.until(&tenant, open, DeliveryState::Delivered).await;
    assert!(process.publish(tenant.keyed("key")).await.unwrap().duplicate);
    assert_eq!(process.state(&tenant, delivered).await, DeliveryState::Delivered);
    assert_eq!(process.state(&tenant, cancelled).await, DeliveryState::Cancelled);
    assert_eq!(
        process.state(&tenant, retried).await,
        DeliveryState::Scheduled(later)
    );
    assert_eq!(process.state(&tenant, open).await, DeliveryState::Delivered);
    assert!(process.claim(10).await.is_empty());
}

async fn batches_with_the_same_keys_in_another_order_do_not_lock_each_other_out(harness: Harness) {
    // Two nodes that get the same repeated publishes would hang until the database kills one of their statements.
    const KEYS: usize = 100;
    let processes = harness.processes(2).await;
    let tenant = processes[0].tenant("shop", 1).await;
    for round in 0..10 {
        let mut callers = tokio::task::JoinSet::new();
        for (index, process) in processes.iter().enumerate() {
            for step in 0..KEYS {
                let number = if index == 0 { step } else { KEYS - 1 - step };
                let publisher = process.publisher.clone();
                let event = tenant.keyed(&format!("{round} {number}"));
                callers.spawn(async move { (number, publisher.publish(event).await.unwrap()) });
            }
        }
        let mut published = callers.join_all().await;
        published.sort_by_key(|(number, published)| (*number, published.duplicate));
        for same in published.chunk_by(|a, b| a.0 == b.0) {
            assert!(same.iter().all(|(_, one)| one.event == same[0].1.event));
            assert_eq!(same.iter().filter(|(_, one)| !one.duplicate).count(), 1);
        }
    }
    drop(processes);
    harness.assert_no_deadlocks().await;
}
