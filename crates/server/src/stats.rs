//! Writes what was counted, so that other nodes see it and a restart keeps it.

use std::time::Duration;

use hookwright_store::Store;
use tokio_util::sync::CancellationToken;

/// What a crash loses at most.
const FLUSH_EVERY: Duration = Duration::from_secs(10);

/// Writes every now and then, until it is told to stop. What is counted afterwards waits for another [`flush`].
pub(crate) async fn run(store: Store, stop: CancellationToken) {
    loop {
        let clock = store.clock();
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock.sleep_until(clock.now().plus(FLUSH_EVERY)) => {}
        }
        flush(&store).await;
    }
}

pub(crate) async fn flush(store: &Store) {
    if let Err(error) = store.flush_stats().await {
        tracing::error!(%error, "figures could not be written; they are kept in memory");
    }
}
