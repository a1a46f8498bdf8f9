//! Housekeeping of the log: room for the days to come, and retention.

use std::time::Duration;

use hookwright_store::{Retention, Store};
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_hours(1);

pub(crate) async fn run(store: Store, retention: Retention, stop: CancellationToken) {
    loop {
        match store.maintain(retention).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "retention removed old parts of the log"),
            Err(error) => {
                tracing::error!(%error, "maintenance of the log failed; it is tried again in an hour");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
