//! A fixed number of publishers, each of which waits for its answer: finds the highest rate, at the price of asking a
//! slow service for less.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use anyhow::Result;
use tokio::task::JoinSet;

use crate::{
    clock::{Moment, sleep_until},
    publisher::Publisher,
};

/// Keeps `publishers` publishes under way from `start` to `end`.
pub(crate) async fn run(
    publisher: &Arc<Publisher>,
    start: Moment,
    publishers: u32,
    end: Moment,
) -> Result<()> {
    sleep_until(start).await;
    let sequence = Arc::new(AtomicU64::new(0));
    let mut loops = JoinSet::new();
    for _ in 0..publishers {
        let (publisher, sequence) = (Arc::clone(publisher), Arc::clone(&sequence));
        loops.spawn(async move {
            loop {
                let now = Moment::now();
                if now >= end {
                    return;
                }
                publisher
                    .publish(sequence.fetch_add(1, Ordering::Relaxed), now)
                    .await;
            }
        });
    }
    while let Some(ended) = loops.join_next().await {
        ended?;
    }
    Ok(())
}
