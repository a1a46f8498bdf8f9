//! One watcher: everything behind its place that it wants to hear of, once and in order.

use std::{fmt, sync::Arc};

use hookwright_store::{Change, Place, TenantId};
use tokio::{sync::OwnedSemaphorePermit, time::Interval};

use super::{
    Start, Wanted, WatchError, Watches,
    rings::{Batch, Overtaken, Seat},
};

/// Packed, and read at a time by a watcher that is behind. What it wants of it stays in memory until it is taken, so it is
/// less than the tailer reads: there can be many such watchers.
const READ_BYTES_MAX: usize = 32 * 1_024;

pub(crate) struct Watcher {
    watches: Watches,
    tenant: TenantId,
    wanted: Wanted,
    /// Everything before it was told.
    place: Place,
    /// Everything from here on comes through the seat.
    seated_from: Place,
    seat: Seat,
    /// What is being told.
    batch: Batch,
    next: usize,
    /// Where the watcher is when all of that was told; none when the last change says so.
    batch_end: Option<Place>,
    _room: OwnedSemaphorePermit,
}

/// What a watcher is told.
#[derive(Debug)]
pub(crate) enum Step<T> {
    /// Something happened.
    Change(T),
    /// Nothing did for a while.
    Quiet,
}

impl Watcher {
    pub(super) async fn start(
        watches: Watches,
        room: OwnedSemaphorePermit,
        tenant: TenantId,
        start: Start,
        wanted: Wanted,
    ) -> Result<Self, WatchError> {
        let (seat, seated_from) = watches.rings.join(tenant).await;
        let mut watcher = Self {
            watches,
            tenant,
            wanted,
            place: seated_from,
            seated_from,
            seat,
            batch: Arc::new([]),
            next: 0,
            batch_end: None,
            _room: room,
        };
        if let Start::After(place) = start {
            // Read at least once, which tells whether the place is one: it may be ahead of this node's tailer, too.
            watcher.place = place;
            watcher.read().await?;
        }
        Ok(watcher)
    }

    /// Everything before it was told.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// What happened next, as `tell` says it, or that nothing did until the next tick of `pulse`.
    pub(crate) async fn next<T>(
        &mut self,
        pulse: &mut Interval,
        tell: impl Fn(&Change) -> T,
    ) -> Result<Step<T>, WatchError> {
        loop {
            while let Some((place, change)) = self.batch.get(self.next) {
                self.next += 1;
                if *place <= self.place {
                    continue;
                }
                self.place = *place;
                if (self.wanted)(change) {
                    return Ok(Step::Change(tell(change)));
                }
            }
            self.forget_batch();
            if self.place < self.seated_from {
                let is_time = tokio::select! {
                    biased;
                    read = self.read() => { read?; false }
                    _ = pulse.tick() => true,
                };
                if is_time {
                    return Ok(Step::Quiet);
                }
                continue;
            }
            let batch = tokio::select! {
                biased;
                batch = self.seat.next() => batch,
                _ = pulse.tick() => {
                    if let Some(place) = self.watches.rings.caught_up(&self.seat) {
                        self.place = self.place.max(place);
                    }
                    return Ok(Step::Quiet);
                }
            };
            match batch {
                Ok(batch) => self.batch = batch,
                Err(Overtaken) => (self.seat, self.seated_from) = self.watches.rings.join(self.tenant).await,
            }
        }
    }

    fn forget_batch(&mut self) {
        if let Some(end) = self.batch_end.take() {
            self.place = self.place.max(end);
        }
        // Even an empty one holds on to what was read.
        if !self.batch.is_empty() {
            self.batch = Arc::new([]);
        }
        self.next = 0;
    }

    /// Reads from the journal what the seat has not.
    async fn read(&mut self) -> Result<(), WatchError> {
        // Never closed.
        let _turn = self.watches.readers.acquire().await.ok();
        let stretch = self
            .watches
            .store
            .journal_after(self.place, READ_BYTES_MAX)
            .await
            .map_err(WatchError::Store)?
            .ok_or(WatchError::Expired)?;
        let wanted = stretch.changes.into_iter();
        self.batch = wanted
            .filter(|(_, change)| change.tenant == self.tenant && (self.wanted)(change))
            .collect();
        self.next = 0;
        self.batch_end = Some(stretch.end);
        Ok(())
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher")
            .field("tenant", &self.tenant)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
