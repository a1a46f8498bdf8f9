//! How much a tenant may have, and how much it has.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, MonotonicClock},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};
use hookwright_store::{Quotas, Store, StoreError, TenantId};

type Bucket = RateLimiter<
    NotKeyed,
    InMemoryState,
    MonotonicClock,
    NoOpMiddleware<<MonotonicClock as governor::clock::Clock>::Instant>,
>;

/// A tenant and its limits. Shared by all its keys, so that a publish looks nothing up.
#[derive(Debug)]
pub(crate) struct TenantLimits {
    pub(crate) id: TenantId,
    pub(crate) name: Box<str>,
    current: ArcSwap<Current>,
    events: EventCount,
}

/// The limits as they are now; `None` is no limit.
struct Current {
    /// What these were made of.
    quotas: Quotas,
    publish: Option<Bucket>,
    payload_bytes: Option<usize>,
    webhooks: Option<u32>,
    events: Option<u64>,
}

/// About how many events a tenant has in the log: what was counted there, and what has come through this node since. What
/// comes through other nodes is seen with the next count.
#[derive(Debug, Default)]
struct EventCount {
    counted: AtomicU64,
    since: AtomicU64,
    /// Whether they were counted at all.
    is_known: AtomicBool,
}

impl TenantLimits {
    /// `quotas` has those of the service in it already.
    pub(super) fn new(id: TenantId, name: &str, quotas: Quotas) -> Self {
        Self {
            id,
            name: name.into(),
            current: ArcSwap::from_pointee(Current::new(quotas)),
            events: EventCount::default(),
        }
    }

    /// What is left of a second's events stays as it is when nothing has changed.
    pub(super) fn set(&self, quotas: Quotas) {
        if self.current.load().quotas != quotas {
            self.current.store(Arc::new(Current::new(quotas)));
        }
    }

    /// Whether one more event may come now, or after what time one may.
    pub(crate) fn admit_publish(&self) -> Result<(), Duration> {
        let current = self.current.load();
        let Some(bucket) = &current.publish else {
            return Ok(());
        };
        bucket
            .check()
            .map_err(|refused| refused.wait_time_from(bucket.clock().now()))
    }

    /// Whether there is room for one more event in the log; it is counted then.
    pub(crate) fn admit_event(&self) -> bool {
        let Some(max) = self.current.load().events else {
            return true;
        };
        if self.events.counted.load(Ordering::Relaxed) + self.events.since.load(Ordering::Relaxed) >= max {
            return false;
        }
        self.events.since.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Largest payload, where the service permits this one.
    pub(crate) fn payload_bytes_max(&self, service: usize) -> usize {
        let own = self.current.load().payload_bytes;
        own.map_or(service, |own| own.min(service))
    }

    /// Webhooks that there may be.
    pub(crate) fn webhooks_max(&self) -> Option<u32> {
        self.current.load().webhooks
    }

    /// Counts the events in the log, where that can matter: there is a limit, and something has changed.
    pub(super) async fn count_events(&self, store: &Store) -> Result<(), StoreError> {
        let Some(max) = self.current.load().events else {
            return Ok(());
        };
        let events = &self.events;
        let before = events.since.load(Ordering::Relaxed);
        let is_full = events.counted.load(Ordering::Relaxed) + before >= max;
        if before == 0 && !is_full && events.is_known.load(Ordering::Relaxed) {
            return Ok(());
        }
        // More than the limit makes no difference, and costs nothing then.
        let counted = store.count_events(self.id, max).await?;
        events.counted.store(counted, Ordering::Relaxed);
        events.since.fetch_sub(before, Ordering::Relaxed);
        events.is_known.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl Current {
    fn new(quotas: Quotas) -> Self {
        let limited = |number: Option<u32>| number.and_then(NonZeroU32::new);
        Self {
            quotas,
            publish: limited(quotas.publish_per_second)
                .map(|rate| RateLimiter::direct_with_clock(Quota::per_second(rate), MonotonicClock)),
            payload_bytes: limited(quotas.payload_bytes)
                .map(|bytes| usize::try_from(bytes.get()).unwrap_or(usize::MAX)),
            webhooks: limited(quotas.webhooks).map(NonZeroU32::get),
            events: quotas.events.filter(|events| *events > 0),
        }
    }
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.quotas.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(quotas: Quotas) -> TenantLimits {
        TenantLimits::new(TenantId::DEFAULT, "default", quotas)
    }

    #[test]
    fn nothing_and_zero_are_no_limits() {
        let zero = Quotas {
            publish_per_second: Some(0),
            payload_bytes: Some(0),
            webhooks: Some(0),
            events: Some(0),
        };
        for quotas in [Quotas::default(), zero] {
            let limits = limits(quotas);
            assert!((0..10_000).all(|_| limits.admit_publish().is_ok() && limits.admit_event()));
            assert_eq!(limits.payload_bytes_max(9), 9);
            assert_eq!(limits.webhooks_max(), None);
        }
    }

    #[test]
    fn what_changes_nothing_gives_nothing_back() {
        // Every new key makes nodes read its tenant again: that must not refill what it may publish.
        let quotas = Quotas {
            publish_per_second: Some(1),
            events: Some(2),
            ..Quotas::default()
        };
        let limits = limits(quotas);
        assert!(limits.admit_publish().is_ok());
        limits.set(quotas);
        assert!(limits.admit_publish().is_err());
        assert!(limits.admit_event() && limits.admit_event() && !limits.admit_event());
        limits.set(Quotas {
            events: Some(3),
            ..quotas
        });
        assert!(limits.admit_event() && !limits.admit_event());
    }

    #[test]
    fn a_tenant_gets_no_larger_payloads_than_the_service_takes() {
        let large = limits(Quotas {
            payload_bytes: Some(1_000),
            ..Quotas::default()
        });
        assert_eq!(
            (large.payload_bytes_max(10), large.payload_bytes_max(9_999)),
            (10, 1_000)
        );
    }
}
