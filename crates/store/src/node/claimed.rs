//! The deliveries with a retry row that are in this node's memory.

use std::collections::{HashMap, HashSet};

use crate::{DeliveryId, EventId, Lane, WebhookId};

/// Claimed deliveries. A claim writes nothing to the store: the owner of a lane is the only one that takes its rows, and
/// this set keeps it from taking one twice.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    by_webhook: HashMap<WebhookId, HashMap<EventId, Claim>>,
}

#[derive(Clone, Copy, Debug)]
struct Claim {
    lane: Lane,
    /// Its row is due only when the attempt that is under way is over: whoever owns the lane leaves it alone until then.
    is_parked: bool,
}

impl Claimed {
    /// False when it was claimed already.
    pub(super) fn insert(&mut self, lane: Lane, delivery: DeliveryId) -> bool {
        let claim = Claim {
            lane,
            is_parked: false,
        };
        self.by_webhook
            .entry(delivery.webhook)
            .or_default()
            .insert(delivery.event, claim)
            .is_none()
    }

    /// Its row says now when the attempt is over. Nothing if that has ended meanwhile.
    pub(super) fn park(&mut self, delivery: DeliveryId) {
        let events = self.by_webhook.get_mut(&delivery.webhook);
        if let Some(claim) = events.and_then(|events| events.get_mut(&delivery.event)) {
            claim.is_parked = true;
        }
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

    /// The lanes that others must not have yet: something of theirs that is due is in memory.
    pub(super) fn lanes(&self) -> HashSet<Lane> {
        self.by_webhook
            .values()
            .flat_map(HashMap::values)
            .filter(|claim| !claim.is_parked)
            .map(|claim| claim.lane)
            .collect()
    }
}
