//! Whether something grew over a long run: its second fifth beside its last.
//!
//! The first fifth is left out: caches fill and pools grow in it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::percentiles::median;

/// How one figure moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trend {
    pub(crate) name: String,
    /// Medians.
    pub(crate) second_fifth: f64,
    pub(crate) last_fifth: f64,
    /// What the last fifth may be.
    pub(crate) limit: f64,
    pub(crate) is_flat: bool,
}

impl Trend {
    /// The last fifth may be larger than the second by a share of that and by `slack`, below which a difference is noise.
    ///
    /// `None` without a value in each of the two.
    pub(crate) fn of(name: &str, values: &[Option<f64>], tolerance: f64, slack: f64) -> Option<Self> {
        let second_fifth = fifth(values, 1)?;
        let last_fifth = fifth(values, 4)?;
        let limit = second_fifth * (1.0 + tolerance) + slack;
        Some(Self {
            name: name.into(),
            second_fifth,
            last_fifth,
            limit,
            is_flat: last_fifth <= limit,
        })
    }
}

/// The median of one fifth, counted from 0.
fn fifth(values: &[Option<f64>], number: usize) -> Option<f64> {
    let part = &values[values.len() * number / 5..values.len() * (number + 1) / 5];
    median(&part.iter().copied().flatten().collect::<Vec<_>>())
}

impl fmt::Display for Trend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            second_fifth,
            last_fifth,
            limit,
            is_flat,
        } = self;
        let verdict = if *is_flat { "flat" } else { "GROWS" };
        write!(
            f,
            "{verdict:<6} {name:<34} {second_fifth:>12.2} in the second fifth, {last_fifth:>12.2} in the last, limit {limit:.2}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(of: impl Fn(f64) -> f64) -> Vec<Option<f64>> {
        (0..100).map(|second| Some(of(f64::from(second)))).collect()
    }

    #[test]
    fn what_stays_is_flat_and_what_grows_is_not() {
        let trend = |values: &[Option<f64>]| Trend::of("memory", values, 0.2, 1.0).unwrap();
        assert!(trend(&values(|_| 100.0)).is_flat);
        assert!(trend(&values(|second| 100.0 - second)).is_flat);
        let growing = trend(&values(|second| 100.0 + second));
        assert!(!growing.is_flat);
        assert_eq!((growing.second_fifth, growing.last_fifth), (129.5, 189.5));
        assert!((growing.limit - 156.4).abs() < 1e-9);
    }

    #[test]
    fn warming_up_does_not_count_and_a_peak_is_no_growth() {
        let warm = values(|second| if second < 20.0 { second } else { 50.0 });
        assert!(Trend::of("memory", &warm, 0.0, 0.0).unwrap().is_flat);
        let peak = values(|second| {
            if (85.0..90.0).contains(&second) {
                500.0
            } else {
                50.0
            }
        });
        assert!(Trend::of("p99", &peak, 0.0, 0.0).unwrap().is_flat);
    }

    #[test]
    fn without_values_there_is_no_verdict() {
        assert_eq!(Trend::of("memory", &[], 0.2, 0.0), None);
        assert_eq!(Trend::of("memory", &[None; 50], 0.2, 0.0), None);
        assert_eq!(Trend::of("memory", &[Some(1.0); 2], 0.2, 0.0), None);
    }

    #[test]
    fn small_differences_are_noise() {
        let grown = values(|second| if second < 50.0 { 0.1 } else { 0.9 });
        assert!(!Trend::of("p50", &grown, 0.2, 0.0).unwrap().is_flat);
        assert!(Trend::of("p50", &grown, 0.2, 1.0).unwrap().is_flat);
    }
}
