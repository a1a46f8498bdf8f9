//! A token bucket: attempts per second, with some at once.

use std::time::Duration;

use hookwright_store::Timestamp;

/// However small the burst is, this much of a second's tokens fit in: timers wake up about every millisecond, and a rate
/// of thousands could not be reached one by one.
const DEPTH_MIN: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct Bucket {
    per_second: f64,
    depth: f64,
    tokens: f64,
    filled_at: Timestamp,
}

impl Bucket {
    /// Full. `per_second` is positive.
    pub(super) fn new(per_second: f64, burst: u32, now: Timestamp) -> Self {
        let depth = f64::from(burst.max(1)).max(per_second * DEPTH_MIN.as_secs_f64());
        Self {
            per_second,
            depth,
            tokens: depth,
            filled_at: now,
        }
    }

    /// Another rate and depth; what was used up stays used up.
    pub(super) fn set(&mut self, per_second: f64, burst: u32, now: Timestamp) {
        self.fill(now);
        let used = self.depth - self.tokens;
        *self = Self::new(per_second, burst, now);
        self.tokens = (self.depth - used).max(0.0);
    }

    /// When there is a token: `None` is now.
    pub(super) fn next_at(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.fill(now);
        if self.tokens >= 1.0 {
            return None;
        }
        // A microsecond more: rounding must not wake anybody up too early, again and again.
        let wait =
            Duration::try_from_secs_f64((1.0 - self.tokens) / self.per_second).unwrap_or(Duration::MAX);
        Some(now.plus(wait.saturating_add(Duration::from_micros(1))))
    }

    /// Takes a token that there is.
    pub(super) fn take(&mut self) {
        self.tokens = (self.tokens - 1.0).max(0.0);
    }

    pub(super) fn is_full(&mut self, now: Timestamp) -> bool {
        self.fill(now);
        self.tokens >= self.depth
    }

    fn fill(&mut self, now: Timestamp) {
        let elapsed = now.since(self.filled_at).as_secs_f64();
        self.tokens = (self.tokens + elapsed * self.per_second).min(self.depth);
        // Also when the clock was set back: nothing is to be waited for twice.
        self.filled_at = now;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_unix_micros(1_800_000_000_000_000);

    proptest! {
        #[test]
        fn in_no_span_are_there_more_than_the_rate_and_one_burst(
            per_second in 0.1_f64..5_000.0,
            burst in 1_u32..100,
            steps_ms in proptest::collection::vec(0_u64..2_000, 1..200),
        ) {
            let mut bucket = Bucket::new(per_second, burst, START);
            let depth = bucket.depth;
            let (mut now, mut taken) = (START, 0.0);
            for step in steps_ms {
                now = now.plus(Duration::from_millis(step));
                for _ in 0..200 {
                    if bucket.next_at(now).is_some() {
                        break;
                    }
                    bucket.take();
                    taken += 1.0;
                }
                let allowed = depth + now.since(START).as_secs_f64() * per_second;
                prop_assert!(taken <= allowed + 1e-6, "{taken} of {allowed}");
            }
        }

        #[test]
        fn there_is_a_token_at_the_moment_that_was_told(per_second in 0.01_f64..5_000.0, burst in 1_u32..10) {
            let mut bucket = Bucket::new(per_second, burst, START);
            let mut now = START;
            for _ in 0..50 {
                while let Some(at) = bucket.next_at(now) {
                    prop_assert!(at > now);
                    now = at;
                    prop_assert_eq!(bucket.next_at(now), None);
                }
                bucket.take();
            }
        }
    }
}
