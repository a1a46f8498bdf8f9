//! How the receiver treats a webhook, beside what its command line says: a path says which manner is asked for.

use std::time::Duration;

use hyper::{StatusCode, header::HeaderValue};
use rand::{RngExt as _, rngs::SmallRng};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Answers at once.
    Good,
    /// Answers late.
    Slow,
    /// Refuses some requests: with 500, and now and then with 429 and a Retry-After for the whole webhook.
    Failing,
}

impl Manner {
    const ALL: [Self; 3] = [Self::Good, Self::Slow, Self::Failing];
    /// In seconds.
    pub(crate) const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

    /// The path that webhook number `webhook` is registered with.
    pub(crate) fn path_of(self, webhook: u16) -> String {
        format!("{}{webhook}", self.prefix())
    }

    pub(crate) fn of(path: &str) -> Option<(Self, u16)> {
        Self::ALL.into_iter().find_map(|manner| {
            let webhook = path.strip_prefix(manner.prefix())?.parse().ok()?;
            Some((manner, webhook))
        })
    }

    pub(crate) fn latency(self) -> Duration {
        match self {
            Self::Good | Self::Failing => Duration::ZERO,
            Self::Slow => SLOW,
        }
    }

    /// What the next request is refused with, if it is.
    pub(crate) fn refusal(self, random: &mut SmallRng) -> Option<StatusCode> {
        match self {
            Self::Good | Self::Slow => None,
            Self::Failing => match random.random::<f64>() {
                low if low < TOO_MANY_SHARE => Some(StatusCode::TOO_MANY_REQUESTS),
                low if low < TOO_MANY_SHARE + ERROR_SHARE => Some(StatusCode::SERVICE_UNAVAILABLE),
                _ => None,
            },
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Good => "/hooks/",
            Self::Slow => "/slow/",
            Self::Failing => "/failing/",
        }
    }
}

/// Far more than an answer takes, and far less than an attempt may.
const SLOW: Duration = Duration::from_secs(1);
const ERROR_SHARE: f64 = 0.05;
/// Each of them stops its webhook for a second.
const TOO_MANY_SHARE: f64 = 0.005;

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn paths_name_manner_and_webhook() {
        for manner in Manner::ALL {
            assert_eq!(Manner::of(&manner.path_of(65_535)), Some((manner, 65_535)));
        }
        assert_eq!(Manner::of("/hooks/x"), None);
        assert_eq!(Manner::of("/"), None);
    }

    #[test]
    fn only_the_failing_refuse_and_in_both_ways() {
        let mut random = SmallRng::seed_from_u64(1);
        let mut refusals = |manner: Manner| -> Vec<StatusCode> {
            (0..10_000).filter_map(|_| manner.refusal(&mut random)).collect()
        };
        assert!(refusals(Manner::Good).is_empty());
        assert!(refusals(Manner::Slow).is_empty());
        let failing = refusals(Manner::Failing);
        assert!((400..700).contains(&failing.len()), "{}", failing.len());
        assert!(failing.contains(&StatusCode::TOO_MANY_REQUESTS));
        assert!(failing.contains(&StatusCode::SERVICE_UNAVAILABLE));
    }
}
