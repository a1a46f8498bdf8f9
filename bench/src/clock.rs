//! Time that several processes of one machine agree on.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// A moment on `CLOCK_MONOTONIC`, in nanoseconds.
///
/// `std::time::Instant` reads the same clock but cannot be handed to another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Moment(u64);

impl Moment {
    pub(crate) fn now() -> Self {
        let now = clock_gettime(ClockId::Monotonic);
        // The clock counts from the machine's start, so both parts are positive and small.
        Self(now.tv_sec.cast_unsigned() * NANOS_PER_SECOND + now.tv_nsec.cast_unsigned())
    }

    pub(crate) fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    pub(crate) fn nanos(self) -> u64 {
        self.0
    }

    pub(crate) fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(whole_nanos(delay)))
    }

    /// The time from `earlier` to this moment; zero when `earlier` is the later one.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// How long it is until this moment; zero when it has passed.
    pub(crate) fn remaining(self) -> Duration {
        self.since(Self::now())
    }
}

/// Waits until `moment`, to about a millisecond.
pub(crate) async fn sleep_until(moment: Moment) {
    tokio::time::sleep(moment.remaining()).await;
}

/// Saturates after 584 years.
pub(crate) fn whole_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;
