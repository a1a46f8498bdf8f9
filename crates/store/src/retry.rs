//! Deliveries that wait in the store: failed, spilled, parked or recovered.

use std::sync::Arc;

use crate::{CountedFrom, DeliveryId, Event, Lane, Timestamp, WebhookId};

/// The earliest retry row of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upcoming {
    /// Where its tenant's rows are.
    pub lane: Lane,
    /// The webhook.
    pub webhook: WebhookId,
    /// When its first row is due.
    pub due_at: Timestamp,
}

/// A wish for due deliveries of one webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Where its tenant's rows are.
    pub lane: Lane,
    /// The webhook.
    pub webhook: WebhookId,
    /// How many more this node can take.
    pub limit: usize,
}

/// A due delivery that this node has claimed. It stays claimed until it is finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// What to deliver.
    pub event: Arc<Event>,
    /// Where to.
    pub webhook: WebhookId,
    /// The number of the attempt to make.
    pub number: u16,
    /// When it was due.
    pub due_at: Timestamp,
    /// What its attempts are counted from, if it was replayed.
    pub replay: Option<CountedFrom>,
}

impl Due {
    /// The delivery's id.
    pub fn id(&self) -> DeliveryId {
        DeliveryId {
            event: self.event.id,
            webhook: self.webhook,
        }
    }
}
