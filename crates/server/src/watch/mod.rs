//! Watching deliveries: one reader of the journal for all watchers of this node.
//!
//! ```text
//!   journal ──► tailer ──► a ring for each tenant ──► watchers that keep up
//!      └──────────────────────────────────────────► a watcher that is behind reads for itself
//! ```
//!
//! The tailer reads only while somebody watches. A ring holds little: a watcher that does not keep up loses its place there,
//! reads the journal from where it is, and comes back to the ring when it has caught up. So memory does not depend on how
//! slow a watcher is, and a watcher that waits costs no reads.

mod rings;
mod tailer;
mod watcher;

use std::sync::Arc;

use hookwright_store::{Change, Place, Store, StoreError, TenantId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use self::rings::Rings;
pub(crate) use self::watcher::{Step, Watcher};

/// Watchers of a node that read the journal for themselves at the same time; the others wait their turn. Few, because
/// their reads share the database's connections with everything else.
const READERS_MAX: usize = 4;

/// What a watcher wants to hear of.
pub(crate) type Wanted = Box<dyn Fn(&Change) -> bool + Send + Sync>;

/// Where a watcher begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    /// With what happens from now on.
    Now,
    /// Behind this place.
    After(Place),
}

/// The watchers of this node. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Watches {
    store: Store,
    rings: Arc<Rings>,
    readers: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

/// Why a watcher ends.
#[derive(Debug)]
pub(crate) enum WatchError {
    /// Its place is not in the journal.
    Expired,
    Store(StoreError),
}

impl Watches {
    pub(crate) fn new(store: Store, watchers_max: usize) -> Self {
        Self {
            store,
            rings: Arc::default(),
            readers: Arc::new(Semaphore::new(READERS_MAX)),
            room: Arc::new(Semaphore::new(watchers_max.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// Reads the journal for all watchers until it is told to stop.
    pub(crate) async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(tailer::run(&self.store, &self.rings))
            .await;
    }

    /// Room for one more watcher, if there is any.
    pub(crate) fn admit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
    }

    /// Begins to watch.
    pub(crate) async fn watch(
        &self,
        room: OwnedSemaphorePermit,
        tenant: TenantId,
        start: Start,
        wanted: Wanted,
    ) -> Result<Watcher, WatchError> {
        Watcher::start(self.clone(), room, tenant, start, wanted).await
    }
}
