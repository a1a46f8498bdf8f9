//! Housekeeping: room in the log for the days to come, retention, and limits of what is held.

use std::{sync::Arc, time::Duration};

use hookwright_core::{Hold, Registry};
use hookwright_store::{HoldPolicy, Retention, Store, StoreError, WebhookSettings};
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_hours(1);

/// How often what is held is looked at.
const HOLDS_EVERY: Duration = Duration::from_mins(1);

/// Gives up what stopped webhooks hold beyond their policy.
pub(crate) async fn limit_holds(store: Store, registry: Arc<Registry>, stop: CancellationToken) {
    loop {
        match limit_holds_once(&store, &registry).await {
            Ok(0) => {}
            Ok(given_up) => tracing::warn!(given_up, "deliveries were held for too long, or too many"),
            Err(error) => tracing::error!(%error, "held deliveries could not be looked through"),
        }
        let clock = store.clock();
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock.sleep_until(clock.now().plus(HOLDS_EVERY)) => {}
        }
    }
}

async fn limit_holds_once(store: &Store, registry: &Registry) -> Result<usize, StoreError> {
    let mut given_up = 0;
    for webhook in store.stopped_webhooks().await? {
        let policy = hold_policy(&webhook.settings, registry);
        given_up += store.expire_held(&webhook, policy).await?;
    }
    Ok(given_up)
}

/// What applies to a webhook: its own limits, its profile's where it has none.
pub(crate) fn hold_policy(settings: &WebhookSettings, registry: &Registry) -> HoldPolicy {
    let profile = registry.find_profile(&settings.profile);
    let usual = profile.map_or_else(|_| Hold::default(), |profile| profile.hold);
    let max_deliveries = settings.hold.max_deliveries.unwrap_or(usual.max_deliveries);
    HoldPolicy {
        max_deliveries: usize::try_from(max_deliveries).unwrap_or(usize::MAX),
        max_age: settings.hold.max_age.unwrap_or(usual.max_age),
    }
}

pub(crate) async fn run(store: Store, retention: Retention, stop: CancellationToken) {
    loop {
        match store.maintain(retention).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "retention removed old parts of the log"),
            Err(error) => {
                tracing::error!(%error, "maintenance of the log failed; it is tried again in an hour");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
