//! Heartbeats: keep the lease, take over from the dead, notice webhooks that changed on other nodes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hookwright_store::{Heartbeat, Node};
use tokio::{sync::mpsc, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::directory::Directory;

pub(super) async fn run(
    node: Arc<Node>,
    directory: Arc<Directory>,
    rejoined: mpsc::Sender<()>,
    nodes: Arc<AtomicUsize>,
    every: Duration,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Heartbeat::default();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        match node.heartbeat().await {
            Ok(heartbeat) => {
                if heartbeat.rejoined {
                    // Fails only when the dispatcher is gone.
                    let _ = rejoined.send(()).await;
                }
                nodes.store(heartbeat.nodes, Ordering::Relaxed);
                if (heartbeat.nodes, heartbeat.lanes) != (last.nodes, last.lanes) {
                    tracing::info!(nodes = heartbeat.nodes, lanes = heartbeat.lanes, "nodes changed");
                }
                last = heartbeat;
            }
            // No attempt is started once the lease has nearly run out; nothing else depends on it.
            Err(error) => tracing::error!(%error, "the lease could not be renewed"),
        }
        if let Err(error) = directory.refresh().await {
            tracing::error!(%error, "changed webhooks could not be read");
        }
    }
}
