//! Stopped webhooks: what waits for them is held, freed in order, and given up beyond the limits.

use std::time::Duration;

use hookwright_store::{
    DeliveryFilter, DeliveryId, DeliveryState, DisabledReason, Due, End, HoldPolicy, Next, Origin, Stop,
    StopCause, Webhook,
};

use crate::harness::{Harness, Process, START, Tenant, attempted};

conformance! {
    both:
    what_waits_for_a_stopped_webhook_is_held_until_it_is_active,
    rows_that_are_due_together_are_claimed_oldest_event_first,
    what_is_held_beyond_the_limits_is_dead_with_a_reason,
    nothing_is_given_up_of_a_webhook_that_is_active,
    a_stop_survives_a_restart_and_is_found,
    changes_are_made_to_what_is_stored_by_then,
    what_cannot_be_sent_is_dead_without_an_attempt,
}

const POLICY: HoldPolicy = HoldPolicy {
    max_deliveries: 3,
    max_age: Duration::from_hours(1),
};

async fn stop(process: &Process, tenant: &Tenant, cause: Option<StopCause>) -> Webhook {
    let since = process.store.clock().now();
    process
        .store
        .change_webhook(tenant.id, tenant.webhooks[0], |settings| {
            settings.stop = cause.map(|cause| Stop { cause, since });
            true
        })
        .await
        .unwrap()
        .unwrap()
}

/// Publishes for a webhook that is stopped.
async fn publish_cold(process: &Process, tenant: &Tenant) -> DeliveryId {
    let tenant = process.reread(tenant.id).await;
    let webhook = tenant.webhooks[0];
    let event = process
        .publish(tenant.event(&[], &[webhook]))
        .await
        .unwrap()
        .event;
    DeliveryId { event, webhook }
}

async fn what_waits_for_a_stopped_webhook_is_held_until_it_is_active(harness: Harness) {
    // An owner could not tell what waits, or a listing would call it lost.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 2).await;
    let stopped = stop(&process, &tenant, Some(StopCause::Paused)).await;
    let since = harness.clock.now();
    let held = publish_cold(&process, &tenant).await;
    let state = process.state(&tenant, held).await;
    let stop_found = Stop {
        cause: StopCause::Paused,
        since,
    };
    assert!(
        matches!(state, DeliveryState::Held { stop, .. } if stop == stop_found),
        "{state:?}"
    );
    let listed = process
        .list(&tenant, DeliveryFilter::Webhook(held.webhook), 10)
        .await;
    assert_eq!(listed[0].state, state);
    assert_eq!(
        process
            .store
            .count_waiting(tenant.id, held.webhook, 10)
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        process
            .store
            .count_waiting(tenant.id, tenant.webhooks[1], 10)
            .await
            .unwrap(),
        0
    );
    assert_eq!(stopped.settings.stop, Some(stop_found));

    stop(&process, &tenant, None).await;
    let DeliveryState::Held { due_at, .. } = state else {
        unreachable!("it was held")
    };
    assert_eq!(
        process.state(&tenant, held).await,
        DeliveryState::Scheduled(due_at)
    );
    assert_eq!(process.claim_ids(10).await, [held]);
}

async fn rows_that_are_due_together_are_claimed_oldest_event_first(harness: Harness) {
    // What was held would arrive in disorder.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let mut ids = Vec::new();
    for _ in 0..40 {
        ids.push(process.publish_one(&tenant).await);
    }
    // Released in another order than published, and all due at the same moment.
    for id in ids.iter().rev() {
        process
            .finish(&tenant, *id, 1, Origin::Publish, End::Released(START))
            .await;
    }
    process.until_written(&tenant).await;
    let claimed: Vec<DeliveryId> = process.claim(25).await.iter().map(Due::id).collect();
    assert_eq!(claimed, ids[..25]);
    let claimed: Vec<DeliveryId> = process.claim(25).await.iter().map(Due::id).collect();
    assert_eq!(claimed, ids[25..]);
}

async fn what_is_held_beyond_the_limits_is_dead_with_a_reason(harness: Harness) {
    // A webhook that nobody resumes would fill the store, or lose deliveries without a word.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let before = process.publish_one(&tenant).await;
    let due = harness.clock.now().plus(Duration::from_hours(2));
    process
        .finish(&tenant, before, 1, Origin::Publish, attempted(Next::Retry(due)))
        .await;
    process
        .until(&tenant, before, DeliveryState::Scheduled(due))
        .await;
    harness.clock.advance(Duration::from_mins(90));
    let webhook = stop(&process, &tenant, Some(StopCause::Disabled(DisabledReason::Gone))).await;
    let mut ids = vec![before];
    for _ in 0..4 {
        harness.clock.advance(Duration::from_millis(1));
        ids.push(publish_cold(&process, &tenant).await);
    }
    // Two more than the limit. The first is older than the longest time, but has been held for a moment only.
    assert_eq!(process.store.expire_held(&webhook, POLICY).await.unwrap(), 2);
    assert_eq!(process.store.expire_held(&webhook, POLICY).await.unwrap(), 0);
    for id in &ids[..2] {
        let delivery = process.detail(&tenant, *id).await.delivery;
        assert_eq!(delivery.state, DeliveryState::Dead);
        let reason = delivery.given_up.unwrap();
        assert!(
            reason.starts_with("more than 3 deliveries were held: the receiver answered 410"),
            "{reason}"
        );
        assert_eq!(
            delivery.attempt_count,
            u16::from(*id == before),
            "attempts that were made still count"
        );
    }
    assert_eq!(process.detail(&tenant, before).await.attempts.len(), 1);

    harness.clock.advance(POLICY.max_age + Duration::from_secs(1));
    assert_eq!(process.store.expire_held(&webhook, POLICY).await.unwrap(), 3);
    for id in &ids[2..] {
        let delivery = process.detail(&tenant, *id).await.delivery;
        assert_eq!((delivery.state, delivery.attempt_count), (DeliveryState::Dead, 0));
        let reason = delivery.given_up.unwrap();
        assert!(reason.starts_with("held for more than 1 hour: "), "{reason}");
    }
    stop(&process, &tenant, None).await;
    assert!(process.claim_ids(10).await.is_empty());
    assert_eq!(
        process.list(&tenant, DeliveryFilter::All, 10).await.len(),
        5,
        "all of them stay listed"
    );
}

async fn nothing_is_given_up_of_a_webhook_that_is_active(harness: Harness) {
    // A webhook that is resumed at the last moment would lose what it waited for.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let stopped = stop(&process, &tenant, Some(StopCause::Paused)).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(publish_cold(&process, &tenant).await);
    }
    stop(&process, &tenant, None).await;
    harness.clock.advance(POLICY.max_age * 2);
    // Whoever looked before the webhook was resumed still takes it for stopped.
    assert_eq!(process.store.expire_held(&stopped, POLICY).await.unwrap(), 0);
    assert_eq!(process.claim_ids(10).await, ids);
}

async fn a_stop_survives_a_restart_and_is_found(harness: Harness) {
    // A receiver that is gone would be asked again after every deployment.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 2).await;
    for reason in [
        DisabledReason::Owner,
        DisabledReason::Gone,
        DisabledReason::Failing,
    ] {
        stop(&process, &tenant, Some(StopCause::Disabled(reason))).await;
        let read = process
            .store
            .webhook(tenant.id, tenant.webhooks[0])
            .await
            .unwrap()
            .unwrap();
        assert_eq!(read.settings.stop.unwrap().cause, StopCause::Disabled(reason));
    }
    let stopped = stop(&process, &tenant, Some(StopCause::Paused)).await;
    let process = harness.crash(process).await;
    assert_eq!(process.store.stopped_webhooks().await.unwrap(), [stopped]);
    stop(&process, &tenant, None).await;
    assert!(process.store.stopped_webhooks().await.unwrap().is_empty());
}

async fn changes_are_made_to_what_is_stored_by_then(harness: Harness) {
    // A webhook that is disabled while its owner renames it would be active again.
    let process = harness.process().await;
    let other = harness.other_view(&process).await;
    let tenant = process.tenant("shop", 1).await;
    let id = tenant.webhooks[0];
    for round in 0..20 {
        let name = format!("round {round}");
        let since = harness.clock.now();
        let rename = process.store.change_webhook(tenant.id, id, |settings| {
            settings.name.clone_from(&name);
            true
        });
        let disable = other.change_webhook(tenant.id, id, |settings| {
            settings.stop = Some(Stop {
                cause: StopCause::Disabled(DisabledReason::Gone),
                since,
            });
            true
        });
        let (renamed, disabled) = tokio::join!(rename, disable);
        renamed.unwrap().unwrap();
        disabled.unwrap().unwrap();
        let read = process.store.webhook(tenant.id, id).await.unwrap().unwrap();
        assert!(
            read.settings.name == name && read.settings.stop.is_some(),
            "{read:?}"
        );
        stop(&process, &tenant, None).await;
    }
    // What changes nothing is no change: other nodes have nothing to read.
    let version = process.reread(tenant.id).await.version;
    let same = process
        .store
        .change_webhook(tenant.id, id, |_| false)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(Some(same), process.store.webhook(tenant.id, id).await.unwrap());
    assert_eq!(process.reread(tenant.id).await.version, version);
}

async fn what_cannot_be_sent_is_dead_without_an_attempt(harness: Harness) {
    // A delivery that breaks its attempt would be tried at every start.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let hot = process.publish_one(&tenant).await;
    let reason = String::from("too long\0");
    process
        .finish(&tenant, hot, 1, Origin::Publish, End::GivenUp(reason.clone()))
        .await;
    let retried = process.publish_one(&tenant).await;
    process
        .finish(
            &tenant,
            retried,
            1,
            Origin::Publish,
            attempted(Next::Retry(START)),
        )
        .await;
    process.until_written(&tenant).await;
    assert_eq!(process.claim_ids(10).await, [retried]);
    process
        .finish(&tenant, retried, 2, Origin::Retry, End::GivenUp(reason))
        .await;
    process.until_written(&tenant).await;
    for (id, attempts) in [(hot, 0), (retried, 1)] {
        let detail = process.detail(&tenant, id).await;
        assert_eq!(detail.delivery.state, DeliveryState::Dead);
        assert_eq!(detail.delivery.given_up.as_deref(), Some("too long\u{fffd}"));
        assert_eq!(
            (detail.delivery.attempt_count, detail.attempts.len()),
            (attempts, usize::from(attempts))
        );
    }
    let process = harness.crash(process).await;
    assert!(process.claim_ids(10).await.is_empty());
}
