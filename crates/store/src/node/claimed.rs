//! The deliveries with a retry row that are in this node's memory.

use std::collections::{HashMap, HashSet};

use crate::{DeliveryId, EventId, Lane, WebhookId};

/// Claimed deliveries. A claim writes nothing to the store: the owner of a lane is the only one that takes its rows, and
/// this set keeps it from taking one twice.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    by_webhook: HashMap<WebhookId, HashMap<EventId, Lane>>,
}

impl Claimed {
    /// False when it was claimed already.
    pub(super) fn insert(&mut self, lane: Lane, delivery: DeliveryId) -> bool {
        self.by_webhook
            .entry(delivery.webhook)
            .or_default()
            .insert(delivery.event, lane)
            .is_none()
    }

    pub(super) fn remove(&mut self, delivery: DeliveryId) {
        if let Some(events) = self.by_webhook.get_mut(&delivery.webhook) {
            events.remove(&delivery.event);
            if events.is_empty() {
                self.by_webhook.remove(&delivery.webhook);
            }
        }
    }

    /// The events that are claimed for a webhook.
    pub(super) fn of(&self, webhook: WebhookId) -> HashSet<EventId> {
        self.by_webhook
            .get(&webhook)
            .map(|events| events.keys().copied().collect())
            .unwrap_or_default()
    }

    /// The lanes that any of them belong to.
    pub(super) fn lanes(&self) -> HashSet<Lane> {
        self.by_webhook
            .values()
            .flat_map(|events| events.values().copied())
            .collect()
    }
}
