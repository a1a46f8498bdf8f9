//! Results of attempts, written in batches: as natural as publishing, whatever waits shares one commit.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::Shared;
use crate::{End, Finish, Origin};

/// Rows of one statement. Larger batches gain nothing more.
const BATCH_MAX: usize = 1_000;
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Writes results until the channel closes.
pub(super) async fn run(shared: Arc<Shared>, mut queue: mpsc::Receiver<Finish>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    loop {
        batch.clear();
        if queue.recv_many(&mut batch, BATCH_MAX).await == 0 {
            return;
        }
        write(&shared, &batch).await;
        // Only now may the low-water mark pass these events and may their retry rows be claimed again.
        shared.settle(&batch);
        if batch.iter().any(|finish| finish.end.writes_retry()) {
            shared.rescheduled.notify_one();
        }
    }
}

async fn write(shared: &Shared, batch: &[Finish]) {
    let rows = without_superseded(batch);
    let mut backoff = BACKOFF_MIN;
    while let Err(error) = shared.store.engine().finish(&rows).await {
        // Nothing is lost by waiting: the attempts' memory is held until their results are durable.
        tracing::error!(%error, results = rows.len(), "results of attempts could not be stored; trying again");
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

/// A delivery that was parked and then finished within one batch is only finished: one statement must not write the
/// same retry row twice.
fn without_superseded(batch: &[Finish]) -> Vec<&Finish> {
    if !batch.iter().any(|finish| matches!(finish.end, End::Parked(_))) {
        return batch.iter().collect();
    }
    let last: HashMap<_, _> = batch
        .iter()
        .enumerate()
        .map(|(index, finish)| (finish.delivery, index))
        .collect();
    batch
        .iter()
        .enumerate()
        .filter(|(index, finish)| last[&finish.delivery] == *index)
        .map(|(_, finish)| finish)
        .collect()
}

impl Shared {
    fn settle(&self, batch: &[Finish]) {
        let mut tracker = self.tracker();
        let mut claimed = self.claimed();
        for finish in batch {
            match (&finish.end, finish.origin) {
                // It stays with this node, which must not claim it a second time once its row is due.
                (End::Parked(_), _) => {
                    claimed.insert(finish.tenant.lane(), finish.delivery);
                    tracker.settle(finish.delivery.event);
                }
                (_, Origin::Publish) => tracker.settle(finish.delivery.event),
                (_, Origin::Retry) => claimed.remove(finish.delivery),
            }
        }
    }
}
