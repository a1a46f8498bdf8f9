//! Published events, before and after they are in the log.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use crate::{EventId, Ordering, TenantId, WebhookId};

/// An event to publish, with the webhooks it goes to.
#[derive(Debug)]
pub struct NewEvent {
    /// Whose it is.
    pub tenant: TenantId,
    /// The version of the tenant's webhooks that `destinations` were chosen from.
    pub tenant_version: i64,
    /// Dotted name.
    pub event_type: String,
    /// JSON, as the caller wrote it.
    pub payload: Bytes,
    /// Where it goes.
    pub destinations: Vec<Destination>,
    /// What `Ordering::Key` goes by. Not empty.
    pub ordering_key: Option<String>,
    /// Makes repetitions harmless.
    pub idempotency_key: Option<String>,
    /// Whether it is shown as a test.
    pub is_test: bool,
}

/// One webhook that an event goes to.
#[derive(Debug)]
pub struct Destination {
    /// Which.
    pub webhook: WebhookId,
    /// Memory set aside for the first attempt on this node. Without it the delivery starts as a retry row, due at once.
    pub slot: Option<Slot>,
    /// Which other deliveries of the webhook this one waits for. If for any, it needs no slot and gets no use of one.
    pub ordering: Ordering,
}

/// Room for one delivery in this node's memory; given back when dropped.
#[derive(Debug)]
pub struct Slot {
    _node: OwnedSemaphorePermit,
    _webhook: OwnedSemaphorePermit,
}

impl Slot {
    /// Holds a permit of the node's and one of the webhook's own budget.
    pub fn new(node: OwnedSemaphorePermit, webhook: OwnedSemaphorePermit) -> Self {
        Self {
            _node: node,
            _webhook: webhook,
        }
    }
}

/// An event in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its id, which tells the time of acceptance too.
    pub id: EventId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Dotted name.
    pub event_type: String,
    /// JSON, as the caller wrote it.
    pub payload: Bytes,
}

/// A durable event whose first attempts this node is to make now.
#[derive(Debug)]
pub struct Accepted {
    /// The event.
    pub event: Arc<Event>,
    /// The webhooks that got a slot.
    pub destinations: Vec<(WebhookId, Slot)>,
}

/// The answer to a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The event's id.
    pub event: EventId,
    /// How many webhooks it goes to.
    pub delivery_count: usize,
    /// Whether an earlier publish with the same idempotency key is answered again.
    pub duplicate: bool,
}
