//! How many attempts took how long, in buckets that grow with the duration. Histograms of any spans can be added, and any
//! percentile be read from the sum, which averages or stored percentiles do not allow.

use std::{ops::AddAssign, time::Duration};

/// Two for each doubling, from 1 ms to 131 s, which is longer than an attempt may take; and one for what is longer still.
const BUCKETS: usize = 36;

/// The longest duration of each bucket but the last, in microseconds. They are part of what is stored.
const BOUNDS: [u64; BUCKETS - 1] = bounds();

const fn bounds() -> [u64; BUCKETS - 1] {
    let mut bounds = [0; BUCKETS - 1];
    let mut index = 0;
    while index < bounds.len() {
        let step = if index % 2 == 0 { 1_000_000 } else { 1_414_214 };
        bounds[index] = (step << (index / 2)) / 1_000;
        index += 1;
    }
    bounds
}

/// Durations, counted by their size. What it says of them is right to a factor of the square root of two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram([u64; BUCKETS]);

impl Default for Histogram {
    fn default() -> Self {
        Self([0; BUCKETS])
    }
}

impl Histogram {
    /// Counts a duration.
    pub fn record(&mut self, duration: Duration) {
        self.0[bucket_of(duration)] += 1;
    }

    /// How long the fastest `permille` of a thousand took at most, as if durations were spread evenly within a bucket. `None`
    /// when nothing was counted.
    pub fn percentile(&self, permille: u64) -> Option<Duration> {
        let total: u64 = self.0.iter().sum();
        if total == 0 {
            return None;
        }
        // Counted from 1: of three durations the second is the median.
        let rank = (u128::from(total) * u128::from(permille.min(1_000))).div_ceil(1_000);
        let mut rank = u64::try_from(rank).unwrap_or(total).max(1);
        for (bucket, &count) in self.0.iter().enumerate() {
            if rank <= count {
                return Some(within(bucket, rank, count));
            }
            rank -= count;
        }
        None
    }

    /// The counts without the zeros at the end, as they are stored.
    pub(crate) fn buckets(&self) -> &[u64] {
        let used = self
            .0
            .iter()
            .rposition(|count| *count > 0)
            .map_or(0, |last| last + 1);
        &self.0[..used]
    }

    /// From what [`Self::buckets`] gave. A version with more buckets may have stored it: they count as the last one here.
    pub(crate) fn from_buckets(buckets: &[u64]) -> Self {
        let mut histogram = Self::default();
        for (bucket, count) in buckets.iter().enumerate() {
            histogram.0[bucket.min(BUCKETS - 1)] += count;
        }
        histogram
    }
}

impl AddAssign<&Self> for Histogram {
    fn add_assign(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(&other.0) {
            *count += more;
        }
    }
}

fn bucket_of(duration: Duration) -> usize {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    BOUNDS.partition_point(|bound| *bound < micros)
}

/// Where the one of this rank is among those of its bucket. What is longer than all bounds is told as the last one.
fn within(bucket: usize, rank: u64, count: u64) -> Duration {
    let above = bucket.checked_sub(1).map_or(0, |before| BOUNDS[before]);
    let up_to = BOUNDS.get(bucket).copied().unwrap_or(above);
    // Rounded up: what lies on the lower bound is in the bucket before.
    let part = (u128::from(up_to - above) * u128::from(rank)).div_ceil(u128::from(count));
    Duration::from_micros(above + u64::try_from(part).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(millis: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        for millis in millis {
            histogram.record(Duration::from_millis(*millis));
        }
        histogram
    }

    #[test]
    fn bounds_double_every_second_step_and_reach_beyond_the_longest_attempt() {
        assert_eq!(BOUNDS[..5], [1_000, 1_414, 2_000, 2_828, 4_000]);
        assert_eq!(BOUNDS[BUCKETS - 2], 131_072_000);
        assert!(BOUNDS.is_sorted());
    }

    #[test]
    fn a_percentile_is_interpolated_within_its_bucket() {
        // (90.5 ms, 128 ms] has them all.
        let histogram = of(&[100; 100]);
        let found = |permille| histogram.percentile(permille).unwrap().as_micros();
        assert_eq!((found(10), found(500), found(1_000)), (90_884, 109_255, 128_000));
        assert_eq!(Histogram::default().percentile(500), None);
    }

    #[test]
    fn one_slow_attempt_in_a_hundred_shows_in_the_99th_percentile_only_when_it_is_more_than_that() {
        let mut durations = vec![10; 99];
        durations.push(5_000);
        let fast = of(&durations).percentile(990).unwrap();
        assert!(fast < Duration::from_millis(12), "{fast:?}");
        durations.push(5_000);
        let slow = of(&durations).percentile(990).unwrap();
        assert!(slow > Duration::from_secs(4), "{slow:?}");
    }

    #[test]
    fn what_takes_longer_than_anything_may_is_counted_and_told_as_the_longest() {
        assert_eq!(
            of(&[u64::MAX]).percentile(500),
            Some(Duration::from_millis(131_072))
        );
        assert_eq!(of(&[0]).percentile(1_000), Some(Duration::from_millis(1)));
    }

    #[test]
    fn counts_of_a_later_version_are_not_lost() {
        let mut stored = vec![0; BUCKETS + 3];
        stored[BUCKETS + 2] = 7;
        let histogram = Histogram::from_buckets(&stored);
        assert_eq!(histogram.buckets().iter().sum::<u64>(), 7);
    }

    proptest! {
        #[test]
        fn a_percentile_is_in_the_bucket_of_the_duration_that_it_is_about(
            mut micros in prop::collection::vec(0_u64..200_000_000, 1..200),
            permille in 1_u64..=1_000,
        ) {
            let mut histogram = Histogram::default();
            for micros in &micros {
                histogram.record(Duration::from_micros(*micros));
            }
            micros.sort_unstable();
            let rank = (micros.len() * usize::try_from(permille).unwrap()).div_ceil(1_000);
            let truth = Duration::from_micros(micros[rank - 1]);
            let told = histogram.percentile(permille).unwrap();
            // What is beyond all bounds is told as the last of them.
            let last = Duration::from_micros(BOUNDS[BUCKETS - 2]);
            prop_assert_eq!(bucket_of(told), bucket_of(truth.min(last)), "{:?} for {:?}", told, truth);
        }

        #[test]
        fn spans_can_be_added_and_stored(
            first in prop::collection::vec(0_u64..200_000, 0..50),
            second in prop::collection::vec(0_u64..200_000, 0..50),
        ) {
            let mut sum = of(&first);
            sum += &Histogram::from_buckets(of(&second).buckets());
            let all: Vec<u64> = first.into_iter().chain(second).collect();
            prop_assert_eq!(sum, of(&all));
        }
    }
}
