//! Time as the store sees it: one clock for what is due, for leases and for what the log says.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::watch;

/// A moment: microseconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since 1970.
    pub const fn from_unix_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    pub const fn unix_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970, rounded down.
    pub const fn unix_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Seconds since 1970, rounded down.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This moment and `duration` more; the end of time when that is past it.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }

    /// This moment less `duration`.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    pub(crate) fn to_sql(self) -> OffsetDateTime {
        // Out of the range that a calendar covers only for a clock that is absurdly wrong: year 9999 it is, then.
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000)
            .unwrap_or(OffsetDateTime::new_utc(time::Date::MAX, time::Time::MIDNIGHT))
    }

    pub(crate) fn from_sql(moment: OffsetDateTime) -> Self {
        Self(i64::try_from(moment.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_sql().format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

/// More than a round trip to a database nearby takes, far less than anybody's retry delay.
const ANCHOR_JITTER_MICROS: u64 = 20_000;

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Where `now` comes from.
///
/// In production it is the store's clock: the database's time, read with every heartbeat and carried on by this
/// machine's monotonic clock, so that a wrong wall clock on one node neither fires a retry early nor ends a lease.
/// Tests use a clock that stands still until it is told to move.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Anchored(Arc<Anchor>),
    Manual(Arc<watch::Sender<Timestamp>>),
    #[cfg(feature = "simulation")]
    Timers(Timers),
}

/// Time at the store was `start` when the runtime's was `origin`.
#[cfg(feature = "simulation")]
#[derive(Clone, Copy, Debug)]
struct Timers {
    start: Timestamp,
    origin: tokio::time::Instant,
}

/// Time at the store is `offset_micros` plus what the monotonic clock says.
#[derive(Debug)]
struct Anchor {
    origin: Instant,
    offset_micros: AtomicI64,
}

impl Clock {
    /// A clock that follows this machine's wall clock until it is anchored to a store.
    pub fn system() -> Self {
        let anchor = Anchor {
            origin: Instant::now(),
            offset_micros: AtomicI64::new(0),
        };
        let clock = Self(Kind::Anchored(Arc::new(anchor)));
        clock.anchor(wall_clock(), Instant::now());
        clock
    }

    /// A clock that stands at `start` until [`Clock::advance`] moves it.
    pub fn manual(start: Timestamp) -> Self {
        Self(Kind::Manual(Arc::new(watch::Sender::new(start))))
    }

    /// A clock that begins at `start` and goes with the timers of the runtime that this is called in. Where their time is
    /// paused it moves when everybody waits.
    #[cfg(feature = "simulation")]
    pub fn of_timers(start: Timestamp) -> Self {
        Self(Kind::Timers(Timers {
            start,
            origin: tokio::time::Instant::now(),
        }))
    }

    /// The moment it is.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::Anchored(anchor) => {
                let elapsed = micros(anchor.origin.elapsed());
                Timestamp(
                    anchor
                        .offset_micros
                        .load(Ordering::Relaxed)
                        .saturating_add(elapsed),
                )
            }
            Kind::Manual(now) => *now.borrow(),
            #[cfg(feature = "simulation")]
            Kind::Timers(timers) => timers.start.plus(timers.origin.elapsed()),
        }
    }

    /// Returns once it is `moment` or later.
    pub async fn sleep_until(&self, moment: Timestamp) {
        match &self.0 {
            Kind::Anchored(_) => self.sleep_on_timers(moment).await,
            #[cfg(feature = "simulation")]
            Kind::Timers(_) => self.sleep_on_timers(moment).await,
            Kind::Manual(now) => {
                // The sender lives in `self`, so waiting cannot fail.
                let _ = now.subscribe().wait_for(|now| *now >= moment).await;
            }
        }
    }

    async fn sleep_on_timers(&self, moment: Timestamp) {
        loop {
            let left = moment.since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }

    /// Moves a manual clock on. Does nothing to a real one.
    pub fn advance(&self, by: Duration) {
        if let Kind::Manual(now) = &self.0 {
            now.send_modify(|now| *now = now.plus(by));
        }
    }

    /// Takes over the store's time, which was `store_now` at `at` or a little before.
    ///
    /// Small differences are the jitter of the round trip and left alone, so that time does not jump about.
    pub(crate) fn anchor(&self, store_now: Timestamp, at: Instant) {
        if let Kind::Anchored(anchor) = &self.0 {
            let elapsed = micros(at.saturating_duration_since(anchor.origin));
            let offset = store_now.0.saturating_sub(elapsed);
            if offset.abs_diff(anchor.offset_micros.load(Ordering::Relaxed)) > ANCHOR_JITTER_MICROS {
                anchor.offset_micros.store(offset, Ordering::Relaxed);
            }
        }
    }
}

/// This machine's idea of the time, the embedded store's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the wall clock is read"
)]
pub(crate) fn wall_clock() -> Timestamp {
    let since_epoch = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(micros(since_epoch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleeper_on_a_manual_clock_wakes_when_its_moment_comes_and_not_before() {
        let clock = Clock::manual(Timestamp::from_unix_micros(1_000_000));
        let moment = clock.now().plus(Duration::from_mins(1));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(moment).await;
                clock.now()
            }
        });
        clock.advance(Duration::from_secs(59));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        assert_eq!(sleeper.await.unwrap(), moment);
    }

    #[test]
    fn a_wrong_wall_clock_is_corrected_by_the_stores_time() {
        let clock = Clock::system();
        let store_now = Timestamp::from_unix_micros(4_000_000_000_000_000);
        clock.anchor(store_now, Instant::now());
        assert!(clock.now().since(store_now) < Duration::from_mins(1));
    }

    #[test]
    fn timestamps_print_as_rfc_3339() {
        assert_eq!(
            Timestamp::from_unix_micros(1_705_314_600_000_000).to_string(),
            "2024-01-15T10:30:00Z"
        );
    }
}
