//! Listings: every row once, however many there are and whatever happens meanwhile.

use std::{collections::HashSet, time::Duration};

use hookwright_store::{
    Delivery, DeliveryFilter, DeliveryId, DeliveryState, End, Next, Origin, PageSize, WebhookId,
};

use crate::harness::{Harness, Process, START, Tenant, attempted, secret, settings};

conformance! {
    both:
    webhooks_are_listed_newest_first_each_once,
    every_filter_lists_every_delivery_once,
    new_events_do_not_disturb_a_listing,
    an_event_with_more_webhooks_than_a_page_is_listed_whole,
    events_for_nobody_do_not_end_a_listing,
    deliveries_under_way_are_listed_as_leased,
    a_tenant_sees_its_own_deliveries_only,
    a_deleted_webhook_leaves_its_log,
}

fn page(rows: i32) -> PageSize {
    PageSize::requested(rows).unwrap()
}

async fn webhooks_are_listed_newest_first_each_once(harness: Harness) {
    // An owner would not find a webhook, or see it twice.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 11).await;
    process.tenant("somebody else", 3).await;
    let mut expected = tenant.webhooks.clone();
    expected.reverse();
    for size in [1, 4, 11, 50] {
        let mut listed: Vec<WebhookId> = Vec::new();
        let mut before = None;
        loop {
            let page = process
                .store
                .webhooks(tenant.id, before, page(size))
                .await
                .unwrap();
            assert!(page.rows.len() <= page_rows(size));
            listed.extend(page.rows.iter().map(|webhook| webhook.id));
            // One that is registered meanwhile is newer than the place where the listing goes on.
            let added = process
                .store
                .insert_webhook(tenant.id, settings(99), &[secret(1)])
                .await
                .unwrap();
            assert!(!listed.contains(&added.id));
            process.store.delete_webhook(tenant.id, added.id).await.unwrap();
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(listed, expected, "pages of {size}");
    }
}

fn page_rows(size: i32) -> usize {
    page(size).rows()
}

/// Deliveries in every state: leased, scheduled, delivered, dead, cancelled.
async fn publish_all_kinds(process: &mut Process, tenant: &Tenant, events: usize) -> Vec<DeliveryId> {
    let mut all = Vec::new();
    for number in 0..events {
        harness_step(process, number);
        let (hot, cold) = tenant.webhooks.split_at(number % (tenant.webhooks.len() + 1));
        let event = process.publish(tenant.event(hot, cold)).await.unwrap().event;
        for (index, webhook) in hot.iter().enumerate() {
            let id = DeliveryId {
                event,
                webhook: *webhook,
            };
            let end = match (number + index) % 5 {
                0 => continue,
                1 => attempted(Next::Delivered),
                2 => attempted(Next::Retry(START.plus(Duration::from_hours(1)))),
                3 => attempted(Next::Dead),
                _ => End::Cancelled,
            };
            process.finish(tenant, id, 1, Origin::Publish, end).await;
        }
        all.push((event, hot.iter().chain(cold).copied().collect::<Vec<_>>()));
    }
    process.all_handed_over();
    all.reverse();
    all.iter()
        .flat_map(|(event, webhooks)| {
            webhooks.iter().map(|webhook| DeliveryId {
                event: *event,
                webhook: *webhook,
            })
        })
        .collect()
}

/// Some events share a millisecond, some do not.
fn harness_step(process: &Process, number: usize) {
    if number.is_multiple_of(3) {
        process.store.clock().advance(Duration::from_millis(1));
    }
}

async fn every_filter_lists_every_delivery_once(harness: Harness) {
    // A delivery that failed could not be found.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 4).await;
    let expected = publish_all_kinds(&mut process, &tenant, 23).await;
    process.node.heartbeat().await.unwrap();
    let ids = |rows: &[Delivery]| rows.iter().map(|row| row.id).collect::<Vec<_>>();
    for size in [1, 3, 7, 200] {
        let all = process.list(&tenant, DeliveryFilter::All, size).await;
        assert_eq!(ids(&all), expected, "pages of {size}");
        for webhook in &tenant.webhooks {
            let own: Vec<_> = expected
                .iter()
                .filter(|id| id.webhook == *webhook)
                .copied()
                .collect();
            assert_eq!(
                ids(&process
                    .list(&tenant, DeliveryFilter::Webhook(*webhook), size)
                    .await),
                own
            );
        }
        let events: HashSet<_> = expected.iter().map(|id| id.event).collect();
        for event in events {
            let own: Vec<_> = expected.iter().filter(|id| id.event == event).copied().collect();
            assert_eq!(
                ids(&process.list(&tenant, DeliveryFilter::Event(event), size).await),
                own
            );
        }
    }
    // What a listing shows is what there is to be seen one by one.
    for row in process.list(&tenant, DeliveryFilter::All, 200).await {
        assert_eq!(process.detail(&tenant, row.id).await.delivery, row);
    }
}

async fn new_events_do_not_disturb_a_listing(harness: Harness) {
    // Somebody who reads through the log of a busy system would miss rows, or see some twice.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 3).await;
    let expected = publish_all_kinds(&mut process, &tenant, 12).await;
    let webhook = tenant.webhooks[1];
    for filter in [
        DeliveryFilter::All,
        DeliveryFilter::Webhook(webhook),
        DeliveryFilter::Event(expected[5].event),
    ] {
        let expected: Vec<_> = process
            .list(&tenant, filter, 200)
            .await
            .iter()
            .map(|row| row.id)
            .collect();
        let mut listed = Vec::new();
        let mut after = None;
        loop {
            let page = process
                .store
                .deliveries(tenant.id, filter, after, page(2))
                .await
                .unwrap();
            listed.extend(page.rows.iter().map(|row| row.id));
            process
                .publish(tenant.event(&tenant.webhooks, &[]))
                .await
                .unwrap();
            process
                .publish(tenant.event(&[], &tenant.webhooks))
                .await
                .unwrap();
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(listed, expected);
    }
}

async fn an_event_with_more_webhooks_than_a_page_is_listed_whole(harness: Harness) {
    // A large customer's deliveries would end with the first page.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 45).await;
    let mut expected = Vec::new();
    for _ in 0..3 {
        let event = process
            .publish(tenant.event(&tenant.webhooks[..20], &tenant.webhooks[20..]))
            .await
            .unwrap()
            .event;
        expected.splice(0..0, tenant.deliveries(event));
    }
    process.all_handed_over();
    for size in [7, 44, 45, 46, 50] {
        let all: Vec<_> = process
            .list(&tenant, DeliveryFilter::All, size)
            .await
            .iter()
            .map(|row| row.id)
            .collect();
        assert_eq!(all, expected, "pages of {size}");
        let event = expected[0].event;
        let of_one: Vec<_> = process
            .list(&tenant, DeliveryFilter::Event(event), size)
            .await
            .iter()
            .map(|row| row.id)
            .collect();
        assert_eq!(of_one, expected[..45]);
    }
}

async fn events_for_nobody_do_not_end_a_listing(harness: Harness) {
    // Events that no webhook wanted would hide all deliveries before them.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let oldest = process.publish_one(&tenant).await;
    for _ in 0..10 {
        process.publish(tenant.event(&[], &[])).await.unwrap();
    }
    let newest = process.publish_one(&tenant).await;
    for _ in 0..10 {
        process.publish(tenant.event(&[], &[])).await.unwrap();
    }
    for size in [1, 3, 50] {
        let all: Vec<_> = process
            .list(&tenant, DeliveryFilter::All, size)
            .await
            .iter()
            .map(|row| row.id)
            .collect();
        assert_eq!(all, [newest, oldest], "pages of {size}");
    }
}

async fn deliveries_under_way_are_listed_as_leased(harness: Harness) {
    // An owner would not see a delivery until its first attempt is over.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 2).await;
    let done = process.publish_one(&tenant).await;
    process
        .finish(&tenant, done, 1, Origin::Publish, attempted(Next::Delivered))
        .await;
    process.until_written(&tenant).await;
    process.node.heartbeat().await.unwrap();
    let under_way = process.publish_one(&tenant).await;
    // Another node that has just joined does not hide it.
    let _other = harness.processes_beside(&process).await;
    process.node.heartbeat().await.unwrap();
    for filter in [
        DeliveryFilter::All,
        DeliveryFilter::Webhook(tenant.webhooks[0]),
        DeliveryFilter::Event(under_way.event),
    ] {
        let first = process.list(&tenant, filter, 50).await.swap_remove(0);
        assert_eq!(
            (first.id, first.state, first.attempt_count),
            (under_way, DeliveryState::Leased, 0)
        );
    }
    assert!(
        process
            .list(&tenant, DeliveryFilter::Webhook(tenant.webhooks[1]), 50)
            .await
            .is_empty()
    );
}

async fn a_tenant_sees_its_own_deliveries_only(harness: Harness) {
    // A tenant could read the events of another.
    let mut process = harness.process().await;
    let (a, b) = (process.tenant("a", 1).await, process.tenant("b", 1).await);
    let id = process.publish_one(&a).await;
    process
        .finish(&a, id, 1, Origin::Publish, attempted(Next::Dead))
        .await;
    process.until(&a, id, DeliveryState::Dead).await;
    assert_eq!(process.store.delivery(b.id, id).await.unwrap(), None);
    for filter in [
        DeliveryFilter::All,
        DeliveryFilter::Webhook(id.webhook),
        DeliveryFilter::Event(id.event),
    ] {
        assert!(process.list(&b, filter, 50).await.is_empty());
        assert_eq!(process.list(&a, filter, 50).await.len(), 1);
    }
    let nonsense = DeliveryId {
        event: id.event,
        webhook: b.webhooks[0],
    };
    assert_eq!(process.store.delivery(a.id, nonsense).await.unwrap(), None);
}

async fn a_deleted_webhook_leaves_its_log(harness: Harness) {
    // An owner who deletes a webhook that makes trouble could not see any more what the trouble was.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 2).await;
    let delivered = process.publish_one(&tenant).await;
    process
        .finish(&tenant, delivered, 1, Origin::Publish, attempted(Next::Delivered))
        .await;
    let waiting = process.publish_one(&tenant).await;
    process
        .finish(
            &tenant,
            waiting,
            1,
            Origin::Publish,
            attempted(Next::Retry(START)),
        )
        .await;
    process
        .until(&tenant, waiting, DeliveryState::Scheduled(START))
        .await;

    assert!(
        process
            .store
            .delete_webhook(tenant.id, tenant.webhooks[0])
            .await
            .unwrap()
    );
    assert_eq!(process.reread(tenant.id).await.webhooks, tenant.webhooks[1..]);
    let filter = DeliveryFilter::Webhook(tenant.webhooks[0]);
    let listed = process.list(&tenant, filter, 50).await;
    assert_eq!(
        listed.iter().map(|row| row.id).collect::<Vec<_>>(),
        [waiting, delivered]
    );
    assert_eq!(process.detail(&tenant, delivered).await.attempts.len(), 1);

    // What waits is found, to be cancelled.
    assert_eq!(process.claim_ids(10).await, [waiting]);
    process
        .finish(&tenant, waiting, 2, Origin::Retry, End::Cancelled)
        .await;
    process.until(&tenant, waiting, DeliveryState::Cancelled).await;
    let detail = process.detail(&tenant, waiting).await;
    assert_eq!((detail.delivery.attempt_count, detail.attempts.len()), (1, 1));
    assert!(process.node.upcoming().await.unwrap().is_empty());
}
