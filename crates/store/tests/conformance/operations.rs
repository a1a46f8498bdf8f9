//! What owners do: secrets are rotated, deliveries are replayed and cancelled, jobs walk the log once.

use std::time::Duration;

use hookwright_store::{
    Cancelled, DeliveryState, NewReplay, Next, Origin, ReplayFilter, ReplayFrom, ReplayState, ReplayStep,
    Replayed, Rotated,
};

use crate::harness::{Harness, LEASE, Process, Tenant, attempted, secret};

conformance! {
    both: an_expired_secret_is_not_read_and_an_overlap_never_grows, a_replay_counts_from_the_last_attempt,
        a_cancellation_wins_against_an_attempt_under_way, a_job_goes_on_after_a_crash_and_schedules_each_once,
        a_job_that_was_cancelled_schedules_nothing_more,
}

async fn bury(process: &mut Process, tenant: &Tenant, count: usize) -> Vec<hookwright_store::DeliveryId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let id = process.publish_one(tenant).await;
        process
            .finish(tenant, id, 1, Origin::Publish, attempted(Next::Dead))
            .await;
        process.until(tenant, id, DeliveryState::Dead).await;
        ids.push(id);
    }
    ids
}

fn dead(process: &Process) -> NewReplay {
    NewReplay {
        filter: ReplayFilter {
            webhook: None,
            event_types: vec![String::from("order.*")],
            states: vec![ReplayFrom::Dead],
            since: None,
            until: process.store.clock().now().plus(Duration::from_secs(1)),
        },
        rate: 100,
        deliveries_max: None,
        matched: 0,
        resumed_from: None,
    }
}

async fn an_expired_secret_is_not_read_and_an_overlap_never_grows(harness: Harness) {
    let process = harness.process().await;
    let tenant = process.tenant("acme", 1).await;
    let id = tenant.webhooks[0];
    let hour = Duration::from_hours(1);
    for (seed, overlap) in [(2, hour), (3, hour * 5)] {
        let rotated = process
            .store
            .rotate_secret(tenant.id, id, &secret(seed), overlap)
            .await
            .unwrap();
        assert!(matches!(rotated, Rotated::Done { .. }));
    }
    let live = async || {
        let read = process.store.tenant_webhooks(tenant.id).await.unwrap().webhooks;
        let texts: Vec<String> = read[0]
            .secrets
            .iter()
            .map(|secret| secret.expose().to_owned())
            .collect();
        (texts, read[0].secret_expires_at)
    };
    let text = |seed| secret(seed).expose().to_owned();
    let now = harness.clock.now();
    assert_eq!(
        live().await,
        (vec![text(3), text(2), text(1)], Some(now.plus(hour))),
        "newest first"
    );
    harness.clock.advance(hour);
    assert_eq!(live().await, (vec![text(3), text(2)], Some(now.plus(hour * 5))));
    harness.clock.advance(hour * 4);
    assert_eq!(live().await, (vec![text(3)], None));
}

async fn a_replay_counts_from_the_last_attempt(harness: Harness) {
    let mut process = harness.process().await;
    let tenant = process.tenant("acme", 1).await;
    let id = bury(&mut process, &tenant, 1).await[0];
    let Replayed::Scheduled(replay) = process.store.replay_delivery(tenant.id, id).await.unwrap() else {
        panic!("it is dead");
    };
    assert!(matches!(
        process.store.replay_delivery(tenant.id, id).await.unwrap(),
        Replayed::NotOver(DeliveryState::Scheduled(_))
    ));
    let due = process.claim(10).await;
    assert_eq!((due.len(), due[0].number), (1, 2));
    assert_eq!(due[0].replay.unwrap().after, 1);
    let later = harness.clock.now().plus(Duration::from_mins(1));
    process
        .finish(&tenant, id, 2, Origin::Retry, attempted(Next::Retry(later)))
        .await;
    process.until(&tenant, id, DeliveryState::Scheduled(later)).await;
    process.until_written(&tenant).await;
    harness.clock.advance(Duration::from_mins(1));
    let due = process.claim(10).await;
    assert_eq!(
        (due[0].number, due[0].replay.unwrap().after),
        (3, 1),
        "a retry counts from the replay too"
    );
    let detail = process.detail(&tenant, id).await;
    assert_eq!(detail.delivery.replay, Some(replay));
    let tags: Vec<_> = detail.attempts.iter().map(|attempt| attempt.replay).collect();
    assert_eq!(tags, [None, Some(replay)]);
}

async fn a_cancellation_wins_against_an_attempt_under_way(harness: Harness) {
    let mut process = harness.process().await;
    let tenant = process.tenant("acme", 1).await;
    let id = process.publish_one(&tenant).await;
    assert_eq!(
        process.store.cancel_delivery(tenant.id, id).await.unwrap(),
        Cancelled::NotScheduled(DeliveryState::Leased)
    );
    let now = harness.clock.now();
    process
        .finish(&tenant, id, 1, Origin::Publish, attempted(Next::Retry(now)))
        .await;
    process.until(&tenant, id, DeliveryState::Scheduled(now)).await;
    process.until_written(&tenant).await;
    assert_eq!(process.claim_ids(10).await, [id]);
    assert_eq!(
        process.store.cancel_delivery(tenant.id, id).await.unwrap(),
        Cancelled::Done
    );
    process
        .finish(&tenant, id, 2, Origin::Retry, attempted(Next::Retry(now)))
        .await;
    process.until_written(&tenant).await;
    assert_eq!(process.state(&tenant, id).await, DeliveryState::Cancelled);
}

async fn a_job_goes_on_after_a_crash_and_schedules_each_once(harness: Harness) {
    let mut process = harness.process().await;
    let tenant = process.tenant("acme", 1).await;
    let ids = bury(&mut process, &tenant, 5).await;
    let new = dead(&process);
    let (count, sample) = process
        .store
        .count_replayable(tenant.id, &new.filter, None, 2)
        .await
        .unwrap();
    assert_eq!((count, sample.len()), (5, 2));
    let job = process.store.create_replay(tenant.id, &new).await.unwrap();
    let mut claimed = process.node.claim_replays().await.unwrap();
    let stale = claimed[0].clone();
    assert_eq!(
        process.node.replay_step(&mut claimed[0], 2).await.unwrap(),
        ReplayStep::Scheduled(2)
    );
    let lost = process.node.replay_step(&mut stale.clone(), 2).await.unwrap();
    assert_eq!(lost, ReplayStep::Lost, "from an old cursor nothing is scheduled");
    if let Some(other) = harness.processes_beside(&process).await {
        assert!(
            other.node.claim_replays().await.unwrap().is_empty(),
            "one node at a time"
        );
        other.leave().await;
    }
    harness.clock.advance(LEASE);
    let process = harness.crash(process).await;
    let mut claimed = process.node.claim_replays().await.unwrap();
    assert_eq!(
        (claimed[0].id, claimed[0].scheduled, claimed[0].cursor),
        (job.id, 2, Some(ids[1]))
    );
    assert_eq!(
        process.node.replay_step(&mut claimed[0], 10).await.unwrap(),
        ReplayStep::Done
    );
    let done = process.store.replay(tenant.id, job.id).await.unwrap().unwrap();
    assert_eq!((done.state, done.scheduled), (ReplayState::Done, 5));
    for id in ids {
        let detail = process.detail(&tenant, id).await.delivery;
        assert!(matches!(detail.state, DeliveryState::Scheduled(_)));
        assert_eq!(detail.replay, Some(job.id));
    }
}

async fn a_job_that_was_cancelled_schedules_nothing_more(harness: Harness) {
    let mut process = harness.process().await;
    let tenant = process.tenant("acme", 1).await;
    bury(&mut process, &tenant, 2).await;
    let job = process
        .store
        .create_replay(tenant.id, &dead(&process))
        .await
        .unwrap();
    let mut claimed = process.node.claim_replays().await.unwrap();
    let cancelled = process
        .store
        .cancel_replay(tenant.id, job.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(cancelled.state, ReplayState::Cancelled);
    assert_eq!(
        process.node.replay_step(&mut claimed[0], 2).await.unwrap(),
        ReplayStep::Lost
    );
    assert!(process.node.claim_replays().await.unwrap().is_empty());
}
