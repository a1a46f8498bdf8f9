//! Since when webhooks have been failing: kept over restarts, the earliest moment counts, and nothing outlives its webhook.

use std::time::Duration;

use hookwright_store::FailingWebhook;

use crate::harness::{Harness, secret, settings};

conformance! {
    both:
    the_first_failure_is_kept_until_it_is_forgotten,
    a_deleted_webhook_fails_no_more,
}

async fn the_first_failure_is_kept_until_it_is_forgotten(harness: Harness) {
    // A webhook that fails would never be disabled on a service that is restarted often.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 0).await.id;
    let webhook = process
        .store
        .insert_webhook(tenant, settings(1), &[secret(1)])
        .await
        .unwrap()
        .id;
    let since = harness.clock.now();
    for moment in [
        since.plus(Duration::from_secs(1)),
        since,
        since.plus(Duration::from_hours(1)),
    ] {
        process.store.note_failing(tenant, webhook, moment).await.unwrap();
    }
    let process = harness.crash(process).await;
    let expected = FailingWebhook {
        tenant,
        webhook,
        since,
    };
    assert_eq!(process.store.failing().await.unwrap(), [expected]);
    process.store.forget_failing(tenant, webhook).await.unwrap();
    assert_eq!(process.store.failing().await.unwrap(), []);
    process.store.forget_failing(tenant, webhook).await.unwrap();
}

async fn a_deleted_webhook_fails_no_more(harness: Harness) {
    // A result that comes in late would be an error, or a row that nobody ever removes.
    let process = harness.process().await;
    let tenant = process.tenant("shop", 0).await.id;
    let webhook = process
        .store
        .insert_webhook(tenant, settings(1), &[secret(1)])
        .await
        .unwrap()
        .id;
    let now = harness.clock.now();
    process.store.note_failing(tenant, webhook, now).await.unwrap();
    assert!(process.store.delete_webhook(tenant, webhook).await.unwrap());
    assert_eq!(process.store.failing().await.unwrap(), []);
    process.store.note_failing(tenant, webhook, now).await.unwrap();
    assert_eq!(process.store.failing().await.unwrap(), []);
}
