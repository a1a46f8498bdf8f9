//! Deliveries as the log shows them: their state is derived, never stored.

use std::time::Duration;

use crate::{Attempt, DeliveryId, Event, Outcome, ReplayId, Stop, Timestamp, attempt::Verdict};

/// One event for one webhook, and what is to become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Event and webhook.
    pub id: DeliveryId,
    /// The event's type.
    pub event_type: String,
    /// What is to become of it.
    pub state: DeliveryState,
    /// HTTP exchanges so far.
    pub attempt_count: u16,
    /// The latest one's result.
    pub last: Option<LastAttempt>,
    /// Why it was given up without another attempt, for people. `None` when an attempt decided.
    pub given_up: Option<String>,
    /// The latest replay, if it was replayed.
    pub replay: Option<ReplayId>,
    /// Whether its event was made to test the webhook.
    pub is_test: bool,
}

/// The latest attempt of a delivery, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastAttempt {
    /// How it ended.
    pub outcome: Outcome,
    /// The receiver's status, when it answered.
    pub http_status: Option<u16>,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How long it took.
    pub latency: Duration,
    /// What went wrong, for people.
    pub error: Option<String>,
}

/// What is to become of a delivery.
///
/// ```text
///   publish ──► leased ─────────┬──► delivered   the receiver accepted it
///     │           │ failed      │
///     │ no slot   ▼             │
///     └───────► scheduled ──────┼──► dead        schedule exhausted, or held for too long
///                 ▲ │ failed    │
///                 └─┘           └──► cancelled   its owner cancelled it, or deleted the webhook
///
///   delivered, dead and cancelled ── replay ──► scheduled
/// ```
///
/// What is scheduled is held while its webhook is stopped.
///
/// A claimed retry keeps its row, and so stays `scheduled` while it is attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// Waits for an attempt that is not made before this moment.
    Scheduled(Timestamp),
    /// Waits until its webhook is active again.
    Held {
        /// Not before this moment, even when the webhook is active earlier.
        due_at: Timestamp,
        /// What stopped the webhook.
        stop: Stop,
    },
    /// The node that accepted the event holds it for its first attempt.
    Leased,
    /// The receiver accepted it.
    Delivered,
    /// Given up.
    Dead,
    /// Its owner cancelled it, or deleted the webhook first.
    Cancelled,
}

/// A delivery with all there is to know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryDetail {
    /// The delivery.
    pub delivery: Delivery,
    /// Its event.
    pub event: Event,
    /// Every HTTP exchange, first to last.
    pub attempts: Vec<Attempt>,
}

/// The facts in the log that a delivery's state follows from.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) id: DeliveryId,
    pub(crate) event_type: String,
    /// Whether publish handed it to the memory of a node that has not been recovered since.
    pub(crate) with_owner: bool,
    /// HTTP exchanges: rows that record a cancellation are none.
    pub(crate) attempt_count: u16,
    pub(crate) last: Option<LastFact>,
    pub(crate) due_at: Option<Timestamp>,
    /// The number of the attempt that is due.
    pub(crate) due_number: Option<u16>,
    pub(crate) replay: Option<ReplayId>,
    pub(crate) is_test: bool,
}

/// The attempt row with the highest number.
#[derive(Debug)]
pub(crate) struct LastFact {
    pub(crate) number: u16,
    pub(crate) verdict: Verdict,
    /// `None` in a row that records that there was no attempt.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) http_status: Option<u16>,
    pub(crate) ended_at: Timestamp,
    pub(crate) latency: Duration,
    /// What went wrong or, without an outcome, why there was no attempt.
    pub(crate) error: Option<String>,
}

impl From<Facts> for Delivery {
    fn from(facts: Facts) -> Self {
        let verdict = facts.last.as_ref().map(|last| last.verdict);
        // A row for an attempt that was made already is about to go. One for a later attempt is a replay's.
        let is_ahead = facts.due_number > facts.last.as_ref().map(|last| last.number);
        let state = match (verdict, facts.due_at) {
            (Some(Verdict::Delivered), None) => DeliveryState::Delivered,
            (Some(Verdict::Delivered), Some(_)) if !is_ahead => DeliveryState::Delivered,
            (_, Some(due_at)) => DeliveryState::Scheduled(due_at),
            (Some(Verdict::Dead), None) => DeliveryState::Dead,
            (None, None) if facts.with_owner => DeliveryState::Leased,
            // A retry row that is gone without a later attempt went with its webhook or with retention.
            (Some(Verdict::Cancelled | Verdict::Retry) | None, None) => DeliveryState::Cancelled,
        };
        let attempt_count = facts.attempt_count;
        // After a replay it is of the past.
        let given_up = facts
            .last
            .as_ref()
            .filter(|last| last.outcome.is_none() && state == DeliveryState::Dead)
            .and_then(|last| last.error.clone());
        let last = facts.last.and_then(|last| {
            let outcome = last.outcome?;
            Some(LastAttempt {
                outcome,
                http_status: last.http_status,
                ended_at: last.ended_at,
                latency: last.latency,
                error: last.error,
            })
        });
        Self {
            id: facts.id,
            event_type: facts.event_type,
            state,
            attempt_count,
            last,
            given_up,
            replay: facts.replay,
            is_test: facts.is_test,
        }
    }
}
