//! How many requests are verified for callers.
//!
//! A verification is work on bytes that a stranger sent to a caller, and a flood of them must not take the processor
//! from deliveries. The limit is one for the whole service; it is asked with the request in hand, so that limits of each
//! tenant can take its place.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};

/// A bucket of as many tokens as may be used in a second, refilled at that rate.
pub(super) struct VerifyRate<C: Clock = MonotonicClock> {
    /// None when there is no limit.
    bucket: Option<Bucket<C>>,
}

type Bucket<C> = RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<<C as Clock>::Instant>>;

impl VerifyRate {
    pub(super) fn new(per_second: Option<NonZeroU32>) -> Self {
        Self::with_clock(per_second, MonotonicClock)
    }
}

impl<C: Clock> VerifyRate<C> {
    fn with_clock(per_second: Option<NonZeroU32>, clock: C) -> Self {
        let bucket =
            per_second.map(|per_second| RateLimiter::direct_with_clock(Quota::per_second(per_second), clock));
        Self { bucket }
    }

    /// Takes a token, or says after what time there is one.
    pub(super) fn admit(&self) -> Result<(), Duration> {
        let Some(bucket) = &self.bucket else { return Ok(()) };
        bucket
            .check()
            .map_err(|refused| refused.wait_time_from(bucket.clock().now()))
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    #[test]
    fn a_burst_is_admitted_and_then_as_many_as_come_in() {
        let clock = FakeRelativeClock::default();
        let rate = VerifyRate::with_clock(NonZeroU32::new(4), clock.clone());
        let admitted = |tries: u32| (0..tries).filter(|_| rate.admit().is_ok()).count();
        assert_eq!(admitted(10), 4);
        assert_eq!(rate.admit(), Err(Duration::from_millis(250)));
        clock.advance(Duration::from_millis(249));
        assert_eq!(rate.admit(), Err(Duration::from_millis(1)));
        clock.advance(Duration::from_millis(1));
        assert_eq!(admitted(10), 1);
        clock.advance(Duration::from_mins(1));
        assert_eq!(admitted(10), 4, "a quiet minute is worth no more than one second");
    }

    #[test]
    fn no_limit_is_no_limit() {
        let rate = VerifyRate::new(None);
        assert!((0..10_000).all(|_| rate.admit().is_ok()));
    }
}
