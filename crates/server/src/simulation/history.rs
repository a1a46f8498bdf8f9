//! What happened in a simulation, for the oracle to judge and for people to read.

use std::time::Duration;

use hookwright_store::{Attempt, DeliveryId, DeliveryState, EventId, ReplayId, Timestamp, WebhookId};

use super::{receiver::What, scenario::Action};

/// Everything that the outside of the service saw, and the log at the end.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// By their places in the plan.
    pub(super) webhooks: Vec<Option<WebhookId>>,
    pub(super) lives: Vec<Life>,
    pub(super) publishes: Vec<Published>,
    pub(super) operations: Vec<Operation>,
    pub(super) requests: Vec<Request>,
    /// When the node was known to have renewed its lease, and to have asked for it.
    pub(super) renewals: Vec<Timestamp>,
    /// The log at the end.
    pub(super) deliveries: Vec<Ended>,
    /// What was not given back at the end.
    pub(super) leaks: Vec<String>,
    /// All of it in the order in which it happened, one line each.
    pub(super) trace: Vec<String>,
}

/// A process, from its start to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) began_at: Timestamp,
    pub(super) end: Option<(Timestamp, LifeEnd)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LifeEnd {
    /// It stopped in order.
    Left,
    /// It ended in the middle of something.
    Crashed,
}

/// A call of publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) number: usize,
    pub(super) asked_at: Timestamp,
    pub(super) answer: Option<PublishAnswer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PublishAnswer {
    Accepted {
        event: EventId,
        deliveries: usize,
    },
    /// Nothing was stored.
    Refused,
    /// The node was stopping: who knows.
    Unknown,
}

/// Something that an owner did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) action: Action,
    pub(super) asked_at: Timestamp,
    /// When it was answered, and whether there was anything to do.
    pub(super) done_at: Option<(Timestamp, bool)>,
    /// What it was about, where that is a delivery.
    pub(super) delivery: Option<DeliveryId>,
}

/// A request, as its receiver saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Which process sent it.
    pub(super) life: usize,
    /// The receiver's place in the plan.
    pub(super) webhook: usize,
    pub(super) event: EventId,
    pub(super) started_at: Timestamp,
    pub(super) timeout: Duration,
    pub(super) end: Option<(Timestamp, RequestEnd)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestEnd {
    Replied(What),
    /// The sender gave up at its deadline.
    TimedOut,
    /// The sender was gone before.
    CutOff,
}

/// A delivery at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) id: DeliveryId,
    /// Which publish it comes from.
    pub(super) number: usize,
    pub(super) webhook: usize,
    pub(super) state: DeliveryState,
    pub(super) given_up: bool,
    pub(super) replay: Option<ReplayId>,
    pub(super) attempts: Vec<Attempt>,
}

impl History {
    /// Notes a line of the trace.
    pub(super) fn note(&mut self, at: Timestamp, line: &str) {
        self.trace.push(format!("{at} {line}"));
    }

    pub(super) fn life(&self) -> usize {
        self.lives.len().saturating_sub(1)
    }

    /// The last lines of the trace.
    pub(super) fn tail(&self, lines: usize) -> String {
        let from = self.trace.len().saturating_sub(lines);
        self.trace[from..].join("\n")
    }
}
