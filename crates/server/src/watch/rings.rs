//! What the tailer has read lately, for watchers that keep up: a short ring for each tenant that is watched.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hookwright_store::{Change, Place, TenantId};
use tokio::sync::{Notify, broadcast, watch};

/// Changes of one tenant, in order, each with the place after it.
pub(super) type Batch = Arc<[(Place, Change)]>;

/// What was read at a time, a tenant's part of it each: a fraction of a second under load. A watcher that has stopped
/// reading keeps so many alive at most, a few megabytes for all of its tenant's watchers together.
const BATCHES_MAX: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Rings {
    inner: Mutex<Inner>,
    /// A watcher has come.
    came: Notify,
}

#[derive(Debug)]
struct Inner {
    rings: HashMap<TenantId, broadcast::Sender<Batch>>,
    /// Everything before this place was handed on. None while nobody reads.
    end: watch::Sender<Option<Place>>,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            rings: HashMap::new(),
            end: watch::Sender::new(None),
        }
    }
}

/// A watcher's place in the ring of its tenant.
#[derive(Debug)]
pub(super) struct Seat {
    batches: broadcast::Receiver<Batch>,
    end: watch::Receiver<Option<Place>>,
}

/// The ring has gone on without the watcher.
#[derive(Debug)]
pub(super) struct Overtaken;

impl Rings {
    // A poisoned lock only says that another task panicked; the map is whole after every statement.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat, and the place from which on it gets everything. Batches are handed on under the same lock, so none slips
    /// between the two.
    pub(super) async fn join(&self, tenant: TenantId) -> (Seat, Place) {
        let (mut seat, end) = {
            let mut inner = self.inner();
            let ring = match inner.rings.entry(tenant) {
                Entry::Occupied(ring) => ring.into_mut(),
                Entry::Vacant(free) => free.insert(broadcast::Sender::new(BATCHES_MAX)),
            };
            let batches = ring.subscribe();
            let end = inner.end.subscribe();
            let place = *end.borrow();
            (Seat { batches, end }, place)
        };
        if let Some(end) = end {
            return (seat, end);
        }
        self.came.notify_one();
        // The tailer says where it begins before it hands anything on. It goes with the process, as this task does.
        let end = match seat.end.wait_for(Option::is_some).await {
            Ok(end) => end.unwrap_or_default(),
            Err(_) => Place::default(),
        };
        (seat, end)
    }

    /// Returns once somebody watches.
    pub(super) async fn watched(&self) {
        while self.inner().rings.is_empty() {
            self.came.notified().await;
        }
    }

    /// Whether somebody still does. If nobody does, the next one is to wait for [`Self::begin`].
    pub(super) fn is_watched(&self) -> bool {
        let mut inner = self.inner();
        inner.rings.retain(|_, ring| ring.receiver_count() > 0);
        if inner.rings.is_empty() {
            inner.end.send_replace(None);
        }
        !inner.rings.is_empty()
    }

    /// Everything from this place on will be handed on.
    pub(super) fn begin(&self, place: Place) {
        self.inner().end.send_replace(Some(place));
    }

    /// Hands on what lies before `end`.
    pub(super) fn hand_on(&self, changes: Vec<(Place, Change)>, end: Place) {
        let mut by_tenant: HashMap<TenantId, Vec<(Place, Change)>> = HashMap::new();
        for change in changes {
            by_tenant.entry(change.1.tenant).or_default().push(change);
        }
        let inner = self.inner();
        for (tenant, changes) in by_tenant {
            if let Some(ring) = inner.rings.get(&tenant) {
                // Nobody may listen any more.
                let _ = ring.send(changes.into());
            }
        }
        inner.end.send_replace(Some(end));
    }

    /// What was handed on is not continued. Watchers see so, and begin anew.
    pub(super) fn break_off(&self) {
        let mut inner = self.inner();
        inner.rings.clear();
        inner.end.send_replace(None);
    }

    /// The place up to which this seat has had everything, if it waits for what comes.
    pub(super) fn caught_up(&self, seat: &Seat) -> Option<Place> {
        let _inner = self.inner();
        if seat.batches.is_empty() {
            *seat.end.borrow()
        } else {
            None
        }
    }
}

impl Seat {
    /// The next changes.
    pub(super) async fn next(&mut self) -> Result<Batch, Overtaken> {
        self.batches.recv().await.map_err(|_| Overtaken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_tailer_starts_with_the_first_watcher_and_rests_after_the_last() {
        // A node that nobody watches would read its journal for nothing, or a watcher would wait for ever.
        let rings = Arc::new(Rings::default());
        let joining = tokio::spawn({
            let rings = Arc::clone(&rings);
            async move { rings.join(TenantId::DEFAULT).await }
        });
        rings.watched().await;
        let place: Place = "7-0".parse().unwrap();
        rings.begin(place);
        let (seat, from) = joining.await.unwrap();
        assert_eq!(from, place);
        assert_eq!(rings.caught_up(&seat), Some(place));
        let later: Place = "9-0".parse().unwrap();
        rings.hand_on(Vec::new(), later);
        let (other, from) = rings.join(TenantId::DEFAULT).await;
        assert_eq!((from, rings.caught_up(&seat)), (later, Some(later)));
        drop(seat);
        assert!(rings.is_watched());
        drop(other);
        assert!(!rings.is_watched());
    }
}
