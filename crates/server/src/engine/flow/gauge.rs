//! What the dispatcher knows about a webhook, for everybody else to read without a lock.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, Ordering::Relaxed},
};

use hookwright_store::Timestamp;

use super::Limits;

/// Retries in memory beyond this many windows would only wait there.
const CLAIMED_WINDOWS: u32 = 8;

/// Kept as long as the webhook is in memory, whatever changes about it. Written by the dispatcher, apart from the limits
/// and from what is claimed.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    limits: Mutex<Limits>,
    /// Changes with the limits.
    pub(super) version: AtomicU32,
    window: AtomicU32,
    in_flight: AtomicU32,
    /// Claimed from the store and not started yet.
    claimed: AtomicU32,
    breaker: AtomicU8,
    /// 0 is none, here and below.
    blocked_until: AtomicI64,
    failing_since: AtomicI64,
    /// The poller has found more than it could claim and is to be told when there is room.
    wanted: AtomicBool,
}

/// The state of a breaker, for show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BreakerState {
    #[default]
    Closed,
    Open,
    HalfOpen,
}

/// A webhook's flow at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) window: u32,
    pub(crate) in_flight: u32,
    pub(crate) breaker: BreakerState,
    pub(crate) blocked_until: Option<Timestamp>,
    pub(crate) failing_since: Option<Timestamp>,
}

impl Gauge {
    pub(crate) fn set_limits(&self, limits: Limits) {
        let mut known = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != limits {
            *known = limits;
            self.version.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn limits(&self) -> Limits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn show(&self, snapshot: Snapshot) {
        let micros = |moment: Option<Timestamp>| moment.map_or(0, Timestamp::unix_micros);
        self.window.store(snapshot.window, Relaxed);
        self.in_flight.store(snapshot.in_flight, Relaxed);
        self.breaker.store(snapshot.breaker as u8, Relaxed);
        self.blocked_until.store(micros(snapshot.blocked_until), Relaxed);
        self.failing_since.store(micros(snapshot.failing_since), Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let moment = |micros: &AtomicI64| {
            let micros = micros.load(Relaxed);
            (micros != 0).then(|| Timestamp::from_unix_micros(micros))
        };
        Snapshot {
            window: self.window.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            breaker: match self.breaker.load(Relaxed) {
                0 => BreakerState::Closed,
                1 => BreakerState::Open,
                _ => BreakerState::HalfOpen,
            },
            blocked_until: moment(&self.blocked_until),
            failing_since: moment(&self.failing_since),
        }
    }

    /// The window, before the first attempt the initial one.
    pub(crate) fn window(&self) -> u32 {
        match self.window.load(Relaxed) {
            0 => super::window::INITIAL,
            window => window,
        }
    }

    /// Whether a new delivery may wait in memory for its first attempt. While the endpoint is down all of them wait in
    /// the store.
    pub(crate) fn takes_fresh(&self, now: Timestamp) -> bool {
        self.breaker.load(Relaxed) == BreakerState::Closed as u8
            && self.blocked_until.load(Relaxed) <= now.unix_micros()
    }

    /// Nothing is to be claimed before this moment.
    pub(crate) fn blocked_until(&self) -> Option<Timestamp> {
        self.snapshot().blocked_until
    }

    /// How many more deliveries may be claimed from the store.
    pub(crate) fn claim_room(&self, now: Timestamp) -> usize {
        let claimed = self.claimed.load(Relaxed);
        let snapshot = self.snapshot();
        let room = match snapshot.breaker {
            _ if snapshot.blocked_until.is_some_and(|until| until > now) => 0,
            BreakerState::Closed => self.claim_target().saturating_sub(claimed),
            // The probe.
            BreakerState::Open => 1_u32.saturating_sub(claimed),
            BreakerState::HalfOpen => 1_u32.saturating_sub(claimed + snapshot.in_flight),
        };
        room as usize
    }

    fn claim_target(&self) -> u32 {
        let windows = self.window() * CLAIMED_WINDOWS;
        match self.limits().rate {
            // No more than two seconds' worth.
            Some(rate) => windows.min(rate.whole_seconds(2)),
            None => windows,
        }
    }

    pub(crate) fn claimed(&self, count: u32) {
        self.claimed.fetch_add(count, Relaxed);
    }

    /// A claimed delivery is started or given back.
    pub(crate) fn unclaimed(&self) {
        // Only the dispatcher takes away, and never more than was added before.
        let _ = self
            .claimed
            .fetch_update(Relaxed, Relaxed, |count| Some(count.saturating_sub(1)));
    }

    /// The poller would claim more.
    pub(crate) fn want(&self) {
        self.wanted.store(true, std::sync::atomic::Ordering::SeqCst);
    }

    /// Whether the poller waits for room and half of it has become free. Once.
    pub(crate) fn answers_want(&self, now: Timestamp) -> bool {
        self.wanted.load(Relaxed)
            && self.claim_room(now) * 2 >= self.claim_target() as usize
            && self.wanted.swap(false, std::sync::atomic::Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_micros(1_800_000_000_000_000);

    fn shown(breaker: BreakerState, blocked_until: Option<Timestamp>, in_flight: u32) -> Gauge {
        let gauge = Gauge::default();
        gauge.show(Snapshot {
            window: 4,
            in_flight,
            breaker,
            blocked_until,
            failing_since: None,
        });
        gauge
    }

    #[test]
    fn nothing_of_a_blocked_webhook_is_claimed_and_then_one_probe() {
        let until = NOW.plus(Duration::from_secs(1));
        let gauge = shown(BreakerState::Open, Some(until), 0);
        assert_eq!((gauge.claim_room(NOW), gauge.takes_fresh(NOW)), (0, false));
        assert_eq!((gauge.claim_room(until), gauge.takes_fresh(until)), (1, false));
        gauge.claimed(1);
        assert_eq!(gauge.claim_room(until), 0);
        assert_eq!(shown(BreakerState::HalfOpen, None, 1).claim_room(NOW), 0);
        assert_eq!(shown(BreakerState::HalfOpen, None, 0).claim_room(NOW), 1);
    }

    #[test]
    fn a_few_windows_are_claimed_and_the_poller_is_told_when_half_of_it_is_free() {
        let gauge = shown(BreakerState::Closed, None, 0);
        assert_eq!(gauge.claim_room(NOW), 32);
        gauge.claimed(32);
        gauge.want();
        for _ in 0..15 {
            gauge.unclaimed();
            assert!(!gauge.answers_want(NOW));
        }
        gauge.unclaimed();
        assert!(gauge.answers_want(NOW));
        assert!(!gauge.answers_want(NOW), "once");
    }
}
