//! How fast one webhook is attempted. Pure: no I/O, and the time is passed in.
//!
//! ```text
//!              ┌ Retry-After of the whole webhook ┐
//!   may start? │ breaker: is the endpoint there?  │ window: how many at once?   bucket: how many a second?
//!              └ both give what waits back to the store; the other two let it wait in memory ┘
//! ```

mod breaker;
mod bucket;
mod gauge;
mod window;

use std::time::Duration;

use hookwright_store::{EventId, Outcome, Timestamp};

pub(crate) use self::gauge::{BreakerState, Gauge};
pub(super) use self::window::Ticket;
use self::{
    breaker::{Breaker, Verdict},
    bucket::Bucket,
    gauge::Snapshot,
    window::Window,
};
use super::feedback::Feedback;

/// What a webhook's owner allows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Limits {
    /// Attempts at once on each node; `None` is the engine's limit, which is an upper bound too.
    pub(crate) in_flight_max: Option<u32>,
    /// Of all nodes together.
    pub(crate) rate: Option<Rate>,
    /// How long it may fail without a success in between before it is disabled; `None` is for ever.
    pub(crate) disable_after: Option<Duration>,
    /// When its owner last changed anything.
    pub(crate) changed_at: Option<Timestamp>,
}

/// Attempts per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    /// Above zero.
    pub(crate) per_second: f64,
    /// How many can be made at once after a pause.
    pub(crate) burst: u32,
}

impl Rate {
    /// At least one.
    fn whole_seconds(self, seconds: u32) -> u32 {
        let attempts = (self.per_second * f64::from(seconds)).ceil().max(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, and is positive"
        )]
        let attempts = attempts as u32;
        attempts
    }
}

/// The state of one webhook.
#[derive(Debug)]
pub(super) struct Flow {
    limits: Limits,
    version: u32,
    nodes: usize,
    window: Window,
    breaker: Breaker,
    bucket: Option<Bucket>,
    floor: Option<Timestamp>,
    failing_since: Option<Timestamp>,
    in_flight: u32,
}

/// Whether an attempt may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    Ready,
    /// Once another one has ended.
    Full,
    /// At this moment: what waits can stay where it is.
    Paced(Timestamp),
    /// Not before this moment: what waits is better off in the store.
    Blocked(Timestamp),
}

/// What an attempt's end changed about its webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// Nothing that was not known.
    Unchanged,
    /// The first failure since it last succeeded.
    BeganFailing,
    /// Another failure, since this moment without a success.
    StillFailing(Timestamp),
    /// The first success after failures.
    Recovered,
}

/// What a result says about the endpoint, as opposed to the delivery.
enum Signal {
    Success,
    /// It answered, and did not like this delivery.
    Answered,
    /// It answered that this is too much.
    Overloaded,
    Down,
    Nothing,
}

impl Signal {
    fn of(outcome: Outcome, http_status: Option<u16>) -> Self {
        match (outcome, http_status) {
            (Outcome::Accepted, _) => Self::Success,
            (Outcome::TimedOut | Outcome::Unreachable | Outcome::TlsFailed, _) | (_, Some(500..)) => {
                Self::Down
            }
            (_, Some(429)) => Self::Overloaded,
            (Outcome::Rejected | Outcome::Redirected | Outcome::ResponseTooLarge, _) => Self::Answered,
            // It was not even asked.
            (Outcome::BlockedAddress, _) => Self::Nothing,
        }
    }
}

impl Flow {
    /// `in_flight_max` is the engine's limit.
    pub(super) fn new(gauge: &Gauge, in_flight_max: u32, nodes: usize, now: Timestamp) -> Self {
        let mut flow = Self {
            limits: Limits::default(),
            version: gauge.version.load(std::sync::atomic::Ordering::Relaxed),
            nodes,
            window: Window::new(in_flight_max),
            breaker: Breaker::new(),
            bucket: None,
            floor: None,
            failing_since: None,
            in_flight: 0,
        };
        flow.limit(gauge.limits(), in_flight_max, now);
        flow
    }

    /// Takes changed settings over. True when the owner has changed something since: then it is worth a try at once, and
    /// what was failing counts from anew.
    pub(super) fn refresh(
        &mut self,
        gauge: &Gauge,
        in_flight_max: u32,
        nodes: usize,
        now: Timestamp,
    ) -> bool {
        let version = gauge.version.load(std::sync::atomic::Ordering::Relaxed);
        if (version, nodes) == (self.version, self.nodes) {
            return false;
        }
        (self.version, self.nodes) = (version, nodes);
        let limits = gauge.limits();
        let changed = limits.changed_at != self.limits.changed_at;
        self.limit(limits, in_flight_max, now);
        if changed {
            self.breaker.reset();
            self.failing_since = None;
        }
        changed
    }

    fn limit(&mut self, limits: Limits, in_flight_max: u32, now: Timestamp) {
        self.limits = limits;
        self.window
            .set_max(limits.in_flight_max.unwrap_or(u32::MAX).min(in_flight_max));
        let Some(rate) = limits.rate else {
            self.bucket = None;
            return;
        };
        // The owner promised the receiver a rate, not a rate for each of our nodes.
        let nodes = u32::try_from(self.nodes.max(1)).unwrap_or(u32::MAX);
        let per_second = rate.per_second / f64::from(nodes);
        let burst = rate.burst.div_ceil(nodes);
        match &mut self.bucket {
            Some(bucket) => bucket.set(per_second, burst, now),
            None => self.bucket = Some(Bucket::new(per_second, burst, now)),
        }
    }

    pub(super) fn readiness(&mut self, now: Timestamp) -> Readiness {
        if let Some(floor) = self.floor {
            if floor > now {
                return Readiness::Blocked(floor);
            }
            self.floor = None;
        }
        let room = match self.breaker.verdict(now) {
            Verdict::Open(until) => return Readiness::Blocked(until),
            Verdict::Probing => return Readiness::Full,
            // Attempts of before may still be under way.
            Verdict::Probe => self.window.max(),
            Verdict::Closed => self.window.size(),
        };
        if self.in_flight >= room {
            return Readiness::Full;
        }
        match self.bucket.as_mut().and_then(|bucket| bucket.next_at(now)) {
            Some(at) => Readiness::Paced(at),
            None => Readiness::Ready,
        }
    }

    /// To be called only when ready.
    pub(super) fn start(&mut self) -> Ticket {
        let ticket = self.window.start();
        self.breaker.started(ticket);
        if let Some(bucket) = &mut self.bucket {
            bucket.take();
        }
        self.in_flight += 1;
        ticket
    }

    pub(super) fn end(
        &mut self,
        ticket: Ticket,
        event: EventId,
        feedback: Feedback,
        now: Timestamp,
    ) -> Health {
        let under_way = self.in_flight;
        self.in_flight = self.in_flight.saturating_sub(1);
        let Some(outcome) = feedback.outcome else {
            self.breaker.nothing(ticket);
            return Health::Unchanged;
        };
        match Signal::of(outcome, feedback.http_status) {
            Signal::Success => {
                self.breaker.up(ticket);
                self.window.succeeded(under_way);
            }
            Signal::Answered => self.breaker.up(ticket),
            Signal::Overloaded => {
                self.breaker.up(ticket);
                self.window.failed(ticket);
            }
            Signal::Down => {
                self.window.failed(ticket);
                if self.breaker.down(ticket, event, now) {
                    self.window.restart();
                }
            }
            Signal::Nothing => self.breaker.nothing(ticket),
        }
        if let Some(until) = feedback.wait_until.filter(|until| *until > now) {
            if self.floor.is_none() {
                self.window.restart();
            }
            self.floor = self.floor.max(Some(until));
        }
        match (outcome, self.failing_since) {
            (Outcome::Accepted, None) => Health::Unchanged,
            (Outcome::Accepted, Some(_)) => {
                self.failing_since = None;
                Health::Recovered
            }
            (_, None) => {
                self.failing_since = Some(now);
                Health::BeganFailing
            }
            (_, Some(since)) => Health::StillFailing(since),
        }
    }

    /// It is known to have failed since then, or not to be failing.
    pub(super) fn set_failing_since(&mut self, since: Option<Timestamp>) {
        self.failing_since = since;
    }

    pub(super) fn failing_since(&self) -> Option<Timestamp> {
        self.failing_since
    }

    /// Whether a webhook that has failed since then has done so for long enough to be disabled.
    pub(super) fn is_given_up(&self, since: Timestamp, now: Timestamp) -> bool {
        self.limits
            .disable_after
            .is_some_and(|after| since.plus(after) <= now)
    }

    /// Whether its attempts are counted out one by one, so that who is next matters even when nothing is under way.
    pub(super) fn is_rated(&self) -> bool {
        self.bucket.is_some()
    }

    pub(super) fn window(&self) -> u32 {
        self.window.size()
    }

    /// Whether forgetting it changes nothing but the size of the window.
    pub(super) fn is_at_rest(&mut self, now: Timestamp) -> bool {
        self.in_flight == 0
            && self.breaker.is_at_rest()
            && self.bucket.as_mut().is_none_or(|bucket| bucket.is_full(now))
            && self.floor.is_none()
            && self.failing_since.is_none()
    }

    pub(super) fn show(&mut self, gauge: &Gauge, now: Timestamp) {
        let (breaker, until) = match self.breaker.verdict(now) {
            Verdict::Closed => (BreakerState::Closed, None),
            Verdict::Open(until) => (BreakerState::Open, Some(until)),
            Verdict::Probe | Verdict::Probing => (BreakerState::HalfOpen, None),
        };
        gauge.show(Snapshot {
            window: self.window.size(),
            in_flight: self.in_flight,
            breaker,
            blocked_until: self.floor.max(until),
            failing_since: self.failing_since,
        });
    }
}

#[cfg(test)]
mod tests;
