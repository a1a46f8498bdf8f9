//! Deliveries in order: which of them wait for each other, and how the next one is found at once.
//!
//! ```text
//!   publish ──► retry row with an order key, due now          never handed to memory
//!                  │ look: not the head of its queue
//!                  ▼
//!               in line (due in the year 9999)
//!                  │ finish of the one before it, same transaction
//!                  ▼
//!               due now ──► claim: the head only ──► attempt ──► finish: delivered, dead or cancelled
//!                  ▲                                    │
//!                  └────────── retry: the head stays, due later, and holds its queue
//! ```
//!
//! The order rests on one thing: a claim takes a row with an order key only if no row of the same queue has a smaller event
//! id, and a row stays until the result of its attempt is stored. So a queue has at most one delivery under way, whoever
//! crashes and whoever takes over. Everything else here is about speed: `due_at` of those in line keeps them out of
//! the index range that looks for what is due.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::{Lane, Timestamp, WebhookId};

/// Which deliveries of a webhook wait for each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ordering {
    /// None.
    #[default]
    None,
    /// All: one after the other.
    Webhook,
    /// Those of events with the same ordering key. Events without a key wait for nobody.
    Key,
}

impl Ordering {
    /// For serde: nothing is stored for what most webhooks have.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde hands over a reference to the field"
    )]
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// The queue that a delivery of an event with this key waits in; `None` when it waits for nobody.
    pub fn queue(self, ordering_key: Option<&str>) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Webhook => Some(""),
            Self::Key => ordering_key,
        }
    }
}

impl Timestamp {
    /// When a delivery is due that waits for an earlier one: not before that one is over. 9999-01-01T00:00:00Z.
    pub const IN_LINE: Self = Self::from_unix_micros(253_370_764_800_000_000);
}

/// How many rows of a webhook are sent in line by one look.
pub(crate) const IN_LINE_MAX: usize = 5_000;

/// What a node knows about queues: only hints, the rows decide.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    state: Mutex<State>,
    changed: Notify,
    /// A result has come that another delivery waits for.
    awaited_result: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Webhooks with ordered rows in this node's lanes. One that is missing here is claimed from a little later.
    ordered: HashSet<WebhookId>,
    /// Those with a new head or a new row since they were looked at.
    ready: BTreeMap<WebhookId, Lane>,
}

impl Queues {
    fn state(&self) -> MutexGuard<'_, State> {
        // Whole after every statement, so a panic elsewhere has not spoilt it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All webhooks that have ordered rows now.
    pub(crate) fn set_ordered(&self, webhooks: HashSet<WebhookId>) {
        let mut state = self.state();
        let ready: Vec<WebhookId> = state.ready.keys().copied().collect();
        state.ordered = webhooks;
        state.ordered.extend(ready);
    }

    pub(crate) fn is_ordered(&self, webhook: WebhookId) -> bool {
        self.state().ordered.contains(&webhook)
    }

    /// To be called when the result of a retry is queued: what is behind it in an ordered queue waits until it is written.
    pub(crate) fn note_result(&self, webhook: WebhookId) {
        if self.is_ordered(webhook) {
            self.awaited_result.notify_one();
        }
    }

    /// Completes once a result was queued that another delivery waits for.
    pub(crate) async fn awaited_result(&self) {
        self.awaited_result.notified().await;
    }

    /// These webhooks have something that may be due now.
    pub(crate) fn wake(&self, webhooks: impl IntoIterator<Item = (Lane, WebhookId)>) {
        let mut state = self.state();
        let mut any = false;
        for (lane, webhook) in webhooks {
            state.ordered.insert(webhook);
            state.ready.insert(webhook, lane);
            any = true;
        }
        drop(state);
        if any {
            self.changed.notify_one();
        }
    }

    /// Waits until some have, and takes note that they are looked at.
    pub(crate) async fn ready(&self) -> Vec<(Lane, WebhookId)> {
        loop {
            let ready = std::mem::take(&mut self.state().ready);
            if !ready.is_empty() {
                return ready.into_iter().map(|(webhook, lane)| (lane, webhook)).collect();
            }
            self.changed.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_line_is_a_moment_that_both_stores_and_the_calendar_have() {
        assert_eq!(Timestamp::IN_LINE.to_string(), "9999-01-01T00:00:00Z");
        assert_eq!(
            Timestamp::from_sql(Timestamp::IN_LINE.to_sql()),
            Timestamp::IN_LINE
        );
    }

    #[test]
    fn a_delivery_waits_in_the_queue_that_its_webhook_says() {
        assert_eq!(Ordering::None.queue(Some("a")), None);
        assert_eq!(Ordering::Webhook.queue(Some("a")), Some(""));
        assert_eq!(Ordering::Webhook.queue(None), Some(""));
        assert_eq!(Ordering::Key.queue(Some("a")), Some("a"));
        assert_eq!(Ordering::Key.queue(None), None);
    }

    #[tokio::test]
    async fn only_a_result_that_others_wait_for_is_told_of() {
        let [ordered, other] = [1, 2].map(|number| WebhookId(uuid::Uuid::from_u128(number)));
        let queues = Queues::default();
        queues.wake([(Lane(0), ordered)]);

        queues.note_result(other);
        let told = tokio::select! {
            biased;
            () = queues.awaited_result() => true,
            () = std::future::ready(()) => false,
        };
        assert!(!told);
        queues.note_result(ordered);
        queues.awaited_result().await;
    }
}
