//! Results of attempts, written in batches. Nobody waits for them but what comes next in an ordered queue, so that a batch
//! gathers for a moment: a commit for each result would take the disk and the processor from publishes, for which somebody
//! waits.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::Instant};

use super::{Shared, gather};
use crate::{End, FailPoint, Finish, Origin, StoreError};

/// Rows of one statement. Larger batches gain nothing more.
const BATCH_MAX: usize = 1_000;
/// From one batch to the next, for each living node, so that several of them commit no more often than one. A lone result
/// is written at once, and so is one that another delivery waits for.
const REST: Duration = Duration::from_millis(10);
/// Nodes that are left time for.
const NODES_MAX: u32 = 4;
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Writes results until the channel closes.
pub(super) async fn run(shared: Arc<Shared>, mut queue: mpsc::Receiver<Finish>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let mut rested_at = Instant::now();
    loop {
        batch.clear();
        let count = tokio::select! {
            biased;
            count = queue.recv_many(&mut batch, BATCH_MAX) => count,
            () = shared.stop_finishing.cancelled() => {
                queue.close();
                queue.recv_many(&mut batch, BATCH_MAX).await
            }
        };
        if count == 0 {
            return;
        }
        if !shared.holds_up_others(&batch) {
            tokio::select! {
                // By chance otherwise, and a simulated history would not repeat itself.
                biased;
                () = tokio::time::sleep_until(rested_at) => {}
                () = shared.queues.awaited_result() => {}
            }
            gather(&mut queue, &mut batch, BATCH_MAX);
        }
        rested_at = Instant::now() + REST * shared.nodes().min(NODES_MAX);
        FailPoint::FinishGathered.pass();
        shared.keep_parked(&batch);
        write(&shared, &batch).await;
        FailPoint::FinishCommitted.pass();
        // Only now may the low-water mark pass these events and may their retry rows be claimed again.
        shared.settle(&batch);
        FailPoint::FinishSettled.pass();
        if batch.iter().any(|finish| finish.end.writes_retry()) {
            shared.rescheduled.notify_one();
        }
    }
}

async fn write(shared: &Shared, batch: &[Finish]) {
    for mut rows in rounds(batch) {
        // In the order of their keys: nodes that report the same deliveries lock their rows in the same order.
        rows.sort_by_key(|finish| {
            (
                finish.tenant.lane(),
                finish.delivery.webhook,
                finish.delivery.event,
            )
        });
        write_round(shared, &rows).await;
    }
}

async fn write_round(shared: &Shared, rows: &[&Finish]) {
    let mut backoff = BACKOFF_MIN;
    let in_order = rows.iter().any(|finish| shared.is_in_order(finish));
    loop {
        let now = shared.store.clock().now();
        let error = match shared.store.engine().finish(rows, now, in_order).await {
            Ok(next_in_line) => {
                shared.store.journal_notice().notify_one();
                shared.store.tally().finished(rows, now);
                return shared.queues.wake(next_in_line);
            }
            Err(error) => error,
        };
        if is_refusal(&error) {
            return set_aside(shared, rows, &error).await;
        }
        // Nothing is lost by waiting: the attempts' memory is held until their results are durable.
        tracing::error!(%error, results = rows.len(), "results of attempts could not be stored; trying again");
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

/// Whether the database will never take these rows: the day of an event that retention has removed is gone, for example.
fn is_refusal(error: &StoreError) -> bool {
    match error {
        // Data exceptions and integrity constraint violations.
        StoreError::Database(sqlx::Error::Database(error)) => error
            .code()
            .is_some_and(|code| code.len() == 5 && (code.starts_with("22") || code.starts_with("23"))),
        _ => false,
    }
}

/// Finds the rows that are refused and gives up those only: all other results of this node wait behind them.
async fn set_aside(shared: &Shared, rows: &[&Finish], error: &StoreError) {
    if let [finish] = rows {
        tracing::error!(%error, delivery = %finish.delivery, "the result of an attempt cannot be stored");
        return;
    }
    let (first, second) = rows.split_at(rows.len() / 2);
    Box::pin(write_round(shared, first)).await;
    Box::pin(write_round(shared, second)).await;
}

/// Splits a batch so that no statement meets a delivery twice. It has two results in one batch when it was parked just
/// before it ended, or when this node was taken over and has claimed again what it still attempts.
fn rounds(batch: &[Finish]) -> Vec<Vec<&Finish>> {
    let mut seen = HashMap::with_capacity(batch.len());
    let mut rounds: Vec<Vec<&Finish>> = Vec::with_capacity(1);
    for finish in batch {
        let round: &mut usize = seen.entry(finish.delivery).or_default();
        if *round == rounds.len() {
            rounds.push(Vec::with_capacity(batch.len()));
        }
        rounds[*round].push(finish);
        *round += 1;
    }
    rounds
}

impl Shared {
    /// Whether another delivery waits for one of these.
    fn holds_up_others(&self, batch: &[Finish]) -> bool {
        batch.iter().any(|finish| self.is_in_order(finish))
    }

    fn is_in_order(&self, finish: &Finish) -> bool {
        finish.origin == Origin::Retry && self.queues.is_ordered(finish.delivery.webhook)
    }

    /// What is parked stays with this node, which must not claim it a second time once its row is due. To be called before
    /// there is a row: written late, it is due at once, and may be claimed before the writer hears that it is written.
    fn keep_parked(&self, batch: &[Finish]) {
        let mut claimed = self.claimed();
        for finish in batch {
            if matches!(finish.end, End::Parked(_)) {
                claimed.insert(finish.tenant.lane(), finish.delivery);
            }
        }
    }

    fn settle(&self, batch: &[Finish]) {
        let mut tracker = self.tracker();
        let mut claimed = self.claimed();
        for finish in batch {
            match (&finish.end, finish.origin) {
                (End::Parked(_), Origin::Retry) => claimed.park(finish.delivery),
                (End::Parked(_), Origin::Publish) => {
                    tracker.settle(finish.delivery.event);
                    claimed.park(finish.delivery);
                }
                (_, Origin::Publish) => tracker.settle(finish.delivery.event),
                (_, Origin::Retry) => claimed.remove(finish.delivery),
            }
        }
    }
}
