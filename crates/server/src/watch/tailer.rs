//! Reads the journal once for all watchers.

use std::time::Duration;

use hookwright_store::{Store, StoreError};

use super::rings::Rings;

/// Packed, and read at a time. A few thousand changes: enough to keep up, and little to hold in memory.
const READ_BYTES_MAX: usize = 256 * 1_024;
/// How long what other nodes write can stay unseen. This node's own results wake the tailer.
const POLL: Duration = Duration::from_millis(250);
/// Results that come one shortly after the other are read together. It bounds what watching costs under load.
const GATHER: Duration = Duration::from_millis(20);
/// After the store could not be read.
const BACKOFF: Duration = Duration::from_secs(1);

/// Reads whenever somebody watches. Never returns.
pub(super) async fn run(store: &Store, rings: &Rings) {
    loop {
        rings.watched().await;
        if let Err(error) = tail(store, rings).await {
            tracing::warn!(%error, "the journal could not be read; trying again");
            // What watchers have missed meanwhile they read for themselves.
            tokio::time::sleep(BACKOFF).await;
        }
    }
}

async fn tail(store: &Store, rings: &Rings) -> Result<(), StoreError> {
    let mut place = store.journal_end().await?;
    rings.begin(place);
    while rings.is_watched() {
        let read = store.journal_after(place, READ_BYTES_MAX).await;
        let stretch = match read {
            Ok(Some(stretch)) => stretch,
            Ok(None) => {
                // It stood still for longer than the journal is kept, or the database is another one now.
                rings.break_off();
                return Ok(());
            }
            Err(error) => {
                rings.break_off();
                return Err(error);
            }
        };
        place = stretch.end;
        let wait = if stretch.has_pending { GATHER } else { POLL };
        let is_last = stretch.is_last;
        rings.hand_on(stretch.changes, place);
        if is_last && tokio::time::timeout(wait, store.journaled()).await.is_ok() {
            tokio::time::sleep(GATHER).await;
        }
    }
    Ok(())
}
