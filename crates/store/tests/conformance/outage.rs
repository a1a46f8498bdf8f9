//! The database goes away in the middle of things: what was acknowledged is there, and what is there is delivered.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use hookwright_store::{DeliveryFilter, DeliveryId, DeliveryState, Next, Origin, PublishError};
use sqlx::Connection as _;

use crate::harness::{Harness, attempted, eventually};

conformance! {
    postgres:
    the_ledger_closes_although_connections_are_cut_while_publishing,
    results_are_kept_until_they_could_be_written,
}

const CUT_ALL: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity
    where datname = current_database() and application_name = 'hookwright' and pid <> pg_backend_pid()";

async fn the_ledger_closes_although_connections_are_cut_while_publishing(harness: Harness) {
    // A failover of the database would lose acknowledged events, or leave events behind that nobody delivers.
    const CALLERS: usize = 16;
    const EACH: usize = 60;
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 2).await;
    let mut callers = tokio::task::JoinSet::new();
    let acknowledgements = Arc::new(AtomicUsize::new(0));
    for caller in 0..CALLERS {
        let (publisher, tenant) = (process.publisher.clone(), tenant.clone());
        let acknowledgements = Arc::clone(&acknowledgements);
        callers.spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 0..EACH {
                // A client that tries again until it is told yes, with a key or without.
                loop {
                    let (hot, cold) = tenant.webhooks.split_at(1 + (number + caller) % 2);
                    let mut event = tenant.event(hot, cold);
                    event.idempotency_key = number.is_multiple_of(2).then(|| format!("{caller} {number}"));
                    match publisher.publish(event).await {
                        Ok(answer) => break acknowledged.push(answer.event),
                        Err(PublishError::Store(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                acknowledgements.fetch_add(1, Ordering::Relaxed);
            }
            acknowledged
        });
    }
    let mut server = harness.server().await.unwrap();
    let (mut cuts, mut cut_at) = (0, 0);
    let mut acknowledged = Vec::new();
    while !callers.is_empty() {
        // Again and again, but not before there was some progress.
        let progress = acknowledgements.load(Ordering::Relaxed);
        if progress >= cut_at + 8 {
            sqlx::query(CUT_ALL).execute(&mut server).await.unwrap();
            (cuts, cut_at) = (cuts + 1, progress);
        }
        tokio::task::yield_now().await;
        while let Some(caller) = callers.try_join_next() {
            acknowledged.extend(caller.unwrap());
        }
    }
    assert!(cuts >= 20, "connections were cut {cuts} times only");
    assert_eq!(acknowledged.len(), CALLERS * EACH);

    let mut in_memory = HashMap::new();
    for accepted in process.all_handed_over() {
        for (webhook, slot) in accepted.destinations {
            let id = DeliveryId {
                event: accepted.event.id,
                webhook,
            };
            assert!(in_memory.insert(id, slot).is_none(), "{id} was handed over twice");
        }
    }
    let listed = eventually("the database answers", async || {
        let first = process.store.deliveries(
            tenant.id,
            DeliveryFilter::All,
            None,
            hookwright_store::PageSize::MAX,
        );
        first.await.ok()?;
        Some(process.list(&tenant, DeliveryFilter::All, 200).await)
    })
    .await;
    let in_log: HashSet<_> = listed.iter().map(|row| row.id.event).collect();
    for event in &acknowledged {
        assert!(in_log.contains(event), "{event} was acknowledged and is gone");
    }
    for row in &listed {
        match row.state {
            DeliveryState::Leased => assert!(in_memory.contains_key(&row.id), "nobody delivers {}", row.id),
            DeliveryState::Scheduled(_) => assert!(!in_memory.contains_key(&row.id), "{} is in both", row.id),
            state => panic!("{} is {state:?}", row.id),
        }
    }
    // Keyed events are there once, however often they had to be tried.
    let keyed: i64 = sqlx::query_scalar("select count(*) from idempotency_key")
        .fetch_one(&mut server)
        .await
        .unwrap();
    assert_eq!(usize::try_from(keyed).unwrap(), CALLERS * EACH / 2);
    server.close().await.unwrap();
}

async fn results_are_kept_until_they_could_be_written(harness: Harness) {
    // A failover of the database would have deliveries repeated that were made long ago.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let mut deliveries = Vec::new();
    for _ in 0..200 {
        deliveries.push(process.publish_one(&tenant).await);
    }
    let mut server = harness.server().await.unwrap();
    for batch in deliveries.chunks(20) {
        for id in batch {
            process
                .finish(&tenant, *id, 1, Origin::Publish, attempted(Next::Delivered))
                .await;
        }
        sqlx::query(CUT_ALL).execute(&mut server).await.unwrap();
    }
    let last = deliveries[199];
    eventually("the last one is written", async || {
        let found = process.store.delivery(tenant.id, last).await.ok()??;
        (found.delivery.state == DeliveryState::Delivered).then_some(())
    })
    .await;
    let heir = harness.crash(process).await;
    assert!(heir.claim(200).await.is_empty());
    for row in heir.list(&tenant, DeliveryFilter::All, 200).await {
        assert_eq!((row.state, row.attempt_count), (DeliveryState::Delivered, 1));
    }
}
