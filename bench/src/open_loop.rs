//! Publishes on schedule, whatever the answers do: a slow service meets as many publishes as a fast one.

use std::{sync::Arc, thread, time::Duration};

use anyhow::{Context as _, Result};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

use crate::{clock::Moment, plan::slot, publisher::Publisher};

/// Sends `count` publishes, the first at `start`, and waits for their answers.
pub(crate) async fn run(
    publisher: &Arc<Publisher>,
    start: Moment,
    interval_nanos: f64,
    count: u64,
) -> Result<()> {
    let (due, mut next) = mpsc::unbounded_channel();
    // A thread of its own: tokio's timer rounds up to the next millisecond, which would count as latency.
    let pacer = thread::Builder::new().name("pacer".into()).spawn(move || {
        for sequence in 0..count {
            let slot = slot(start, interval_nanos, sequence);
            let wait = slot.remaining();
            if wait > Duration::ZERO {
                thread::sleep(wait.max(SHORTEST_SLEEP));
            }
            if due.send((sequence, slot)).is_err() {
                return;
            }
        }
    });
    let pacer = pacer.context("starting the pacer")?;

    let in_flight = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    let mut under_way = JoinSet::new();
    while let Some((sequence, scheduled)) = next.recv().await {
        let permit = Arc::clone(&in_flight).acquire_owned().await?;
        let publisher = Arc::clone(publisher);
        under_way.spawn(async move {
            publisher.publish(sequence, scheduled).await;
            drop(permit);
        });
        // Ended tasks are let go as we go, or the set would hold one for each publish of the run.
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
    // It has sent its last: the channel is closed.
    pacer.join().ok().context("the pacer panicked")
}

/// Bounds memory. A run that gets here has fallen behind its schedule, which the report shows.
const IN_FLIGHT_MAX: usize = 50_000;
/// Waking up more often costs more than the precision is worth.
const SHORTEST_SLEEP: Duration = Duration::from_micros(50);
