//! Since when webhooks have been failing: written down, so that restarts do not lose it, and acted upon when it is too long.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use hookwright_store::{Clock, Store, StoreError, TenantId, Timestamp, WebhookId};
use tokio::{sync::mpsc, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::disable::{DisabledReason, Disabler};

/// How often what other nodes wrote is read.
const READ_EVERY: Duration = Duration::from_secs(30);

/// What has changed about a webhook.
#[derive(Clone, Copy, Debug)]
enum Change {
    Failing(TenantId, WebhookId, Timestamp),
    Recovered(TenantId, WebhookId),
    /// It has been failing since then, which is too long.
    GivenUp(TenantId, WebhookId, Timestamp),
}

/// What is written down, as far as this node knows.
#[derive(Debug)]
pub(super) struct Failing {
    known: RwLock<HashMap<WebhookId, Timestamp>>,
    changes: mpsc::UnboundedSender<Change>,
}

impl Failing {
    pub(super) fn since(&self, webhook: WebhookId) -> Option<Timestamp> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&webhook).copied()
    }

    /// To be called when a webhook has failed for a while, not for each failure: it is written.
    pub(super) fn note(&self, tenant: TenantId, webhook: WebhookId, since: Timestamp) {
        // Under the lock, so that the keeper does not mistake it for one that another node has removed.
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Vacant(entry) = known.entry(webhook) {
            entry.insert(since);
            self.send(Change::Failing(tenant, webhook, since));
        }
    }

    /// To be called with every success after a failure. Writes only when there is something to remove.
    pub(super) fn recovered(&self, tenant: TenantId, webhook: WebhookId) {
        if self.since(webhook).is_some() {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.remove(&webhook);
            self.send(Change::Recovered(tenant, webhook));
        }
    }

    pub(super) fn given_up(&self, tenant: TenantId, webhook: WebhookId, since: Timestamp) {
        self.send(Change::GivenUp(tenant, webhook, since));
    }

    fn send(&self, change: Change) {
        // Fails only when the keeper is gone, and with it the engine.
        let _ = self.changes.send(change);
    }
}

/// Writes the changes.
pub(super) struct Keeper {
    store: Store,
    clock: Clock,
    disabler: Disabler,
    failing: Arc<Failing>,
    changes: mpsc::UnboundedReceiver<Change>,
}

impl Keeper {
    /// Reads what is written down. The other half is for the dispatcher.
    pub(super) async fn new(store: Store, disabler: Disabler) -> Result<(Self, Arc<Failing>), StoreError> {
        let known = read(&store).await?;
        let (sender, changes) = mpsc::unbounded_channel();
        let failing = Arc::new(Failing {
            known: RwLock::new(known),
            changes: sender,
        });
        let keeper = Self {
            clock: store.clock().clone(),
            store,
            disabler,
            failing: Arc::clone(&failing),
            changes,
        };
        Ok((keeper, failing))
    }

    /// Until stopped; then writes what is left. To be stopped after the dispatcher.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(READ_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let result = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = ticks.tick() => self.refresh().await,
                Some(change) = self.changes.recv() => self.write(change).await,
            };
            log(result);
        }
        while let Ok(change) = self.changes.try_recv() {
            log(self.write(change).await);
        }
    }

    async fn write(&self, change: Change) -> Result<(), StoreError> {
        match change {
            Change::Failing(tenant, webhook, since) => self.store.note_failing(tenant, webhook, since).await,
            Change::Recovered(tenant, webhook) => self.store.forget_failing(tenant, webhook).await,
            Change::GivenUp(tenant, webhook, since) => {
                // Another node may have seen it succeed meanwhile, and removed what this one had written.
                let rows = self.store.failing().await?;
                let is_written = rows
                    .iter()
                    .any(|row| row.webhook == webhook && row.since <= since);
                if is_written {
                    self.disabler
                        .disable(tenant, webhook, DisabledReason::Failing, self.clock.now())
                        .await?;
                    // Whoever enables it again gives it the whole span.
                    self.store.forget_failing(tenant, webhook).await?;
                }
                self.forget(webhook);
                Ok(())
            }
        }
    }

    /// What other nodes have written and removed.
    async fn refresh(&self) -> Result<(), StoreError> {
        let rows = read(&self.store).await?;
        let mut known = self.failing.known.write().unwrap_or_else(PoisonError::into_inner);
        if self.changes.is_empty() {
            *known = rows;
        }
        Ok(())
    }

    fn forget(&self, webhook: WebhookId) {
        let mut known = self.failing.known.write().unwrap_or_else(PoisonError::into_inner);
        known.remove(&webhook);
    }
}

async fn read(store: &Store) -> Result<HashMap<WebhookId, Timestamp>, StoreError> {
    let rows = store.failing().await?;
    Ok(rows.into_iter().map(|row| (row.webhook, row.since)).collect())
}

fn log(result: Result<(), StoreError>) {
    if let Err(error) = result {
        tracing::error!(%error, "since when webhooks are failing could not be written or read");
    }
}
