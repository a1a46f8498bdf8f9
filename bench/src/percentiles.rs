//! Exact percentiles: everything is kept and sorted, nothing is put into buckets.

use std::time::Duration;

use serde::Serialize;

use crate::clock::whole_nanos;

/// The distribution of a latency, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) count: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

impl Percentiles {
    /// All zero when there are no samples.
    pub(crate) fn of(samples: impl IntoIterator<Item = Duration>) -> Self {
        let mut nanos: Vec<u64> = samples.into_iter().map(whole_nanos).collect();
        nanos.sort_unstable();
        let at = |percent| nearest_rank(&nanos, percent).map_or(0.0, milliseconds);
        Self {
            count: nanos.len(),
            p50_ms: at(50),
            p90_ms: at(90),
            p99_ms: at(99),
            max_ms: at(100),
        }
    }
}

/// The smallest sample that at least `percent` of the samples do not exceed.
fn nearest_rank(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

/// The middle value; of an even number of values the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 {
        upper
    } else {
        f64::midpoint(sorted[middle - 1], upper)
    })
}

#[expect(clippy::cast_precision_loss, reason = "a latency of 2^53 ns is 104 days")]
fn milliseconds(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_by_nearest_rank() {
        let samples = (1..=200).rev().map(Duration::from_millis);
        let expected = Percentiles {
            count: 200,
            p50_ms: 100.0,
            p90_ms: 180.0,
            p99_ms: 198.0,
            max_ms: 200.0,
        };
        assert_eq!(Percentiles::of(samples), expected);
    }

    #[test]
    fn one_sample_is_every_percentile() {
        let one = Percentiles::of([Duration::from_micros(1500)]);
        assert_eq!(
            (one.p50_ms.to_bits(), one.max_ms.to_bits()),
            (1.5_f64.to_bits(), 1.5_f64.to_bits())
        );
    }

    #[test]
    fn no_samples_are_zero() {
        assert_eq!(Percentiles::of([]), Percentiles::default());
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
    }
}
