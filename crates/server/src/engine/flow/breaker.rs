//! Stops attempts of a webhook whose endpoint is down, and asks now and then whether it is back.

use std::time::Duration;

use hookwright_store::{EventId, Timestamp};

use super::window::Ticket;

/// Failures in a row, no two of one delivery one after the other, after which the endpoint is believed to be down.
const FAILURES_MAX: u32 = 10;
const OPEN_MIN: Duration = Duration::from_secs(1);
/// The longest that a delivery can be late because of the breaker.
const OPEN_MAX: Duration = Duration::from_mins(1);

/// The breaker.
///
/// ```text
///            10 failures in a row                 time is up
///   closed ───────────────────────► open ───────────────────────► half open
///     ▲                               ▲                               │ one attempt, the probe
///     │                               └──── probe failed: twice as ───┤
///     └───────────────────────────────────────── probe was answered ──┘
/// ```
///
/// A failure counts only when it is of another delivery than the one before. So a single delivery that fails never opens
/// the breaker, and keeps its schedule to the second.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    /// Times in a row that it opened.
    openings: u32,
}

#[derive(Debug)]
enum State {
    Closed { failures: u32, last: Option<EventId> },
    Open { until: Timestamp },
    HalfOpen { probe: Option<Ticket> },
}

/// What the breaker allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Anything.
    Closed,
    /// Nothing before this moment.
    Open(Timestamp),
    /// One attempt.
    Probe,
    /// Nothing until the probe has ended.
    Probing,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self {
            state: State::Closed {
                failures: 0,
                last: None,
            },
            openings: 0,
        }
    }

    pub(super) fn verdict(&mut self, now: Timestamp) -> Verdict {
        if let State::Open { until } = self.state
            && until <= now
        {
            self.state = State::HalfOpen { probe: None };
        }
        match self.state {
            State::Closed { .. } => Verdict::Closed,
            State::Open { until } => Verdict::Open(until),
            State::HalfOpen { probe: None } => Verdict::Probe,
            State::HalfOpen { probe: Some(_) } => Verdict::Probing,
        }
    }

    pub(super) fn started(&mut self, ticket: Ticket) {
        if let State::HalfOpen { probe: probe @ None } = &mut self.state {
            *probe = Some(ticket);
        }
    }

    /// The endpoint seems to be down. True when the breaker opens.
    pub(super) fn down(&mut self, ticket: Ticket, event: EventId, now: Timestamp) -> bool {
        let opens = match &mut self.state {
            State::Closed { failures, last } => {
                if *last != Some(event) {
                    *failures += 1;
                    *last = Some(event);
                }
                *failures >= FAILURES_MAX
            }
            State::HalfOpen { probe } => *probe == Some(ticket),
            // Started before it opened: the probe will tell how things are now.
            State::Open { .. } => false,
        };
        if opens {
            let span = OPEN_MIN.saturating_mul(1 << self.openings.min(16)).min(OPEN_MAX);
            self.openings += 1;
            self.state = State::Open {
                until: now.plus(span),
            };
        }
        opens
    }

    /// The endpoint answered.
    pub(super) fn up(&mut self, ticket: Ticket) {
        match &self.state {
            State::HalfOpen { probe } if *probe != Some(ticket) => {}
            State::Open { .. } => {}
            State::Closed { .. } | State::HalfOpen { .. } => self.reset(),
        }
    }

    /// The attempt was not made after all.
    pub(super) fn nothing(&mut self, ticket: Ticket) {
        if let State::HalfOpen { probe } = &mut self.state
            && *probe == Some(ticket)
        {
            *probe = None;
        }
    }

    pub(super) fn reset(&mut self) {
        *self = Self::new();
    }

    pub(super) fn is_at_rest(&self) -> bool {
        matches!(self.state, State::Closed { failures: 0, .. })
    }
}
