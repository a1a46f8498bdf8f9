//! The delivery engine: from an accepted event to the end of each of its deliveries.
//!
//! ```text
//!  api ── Intake ──► store (group commit) ── accepted ──►┐
//!                                                        ├─► dispatcher ──► attempt ──► store (finish)
//!                    store (retry rows) ──► poller ──────►┘   a queue per webhook,
//!                                                             taken from in turns
//!  flow: how fast a webhook may be attempted · fair: who is next, and how much of the node for whom
//!  failing: since when webhooks fail, until that is too long · lease: heartbeats, recovery, webhooks changed elsewhere
//! ```
//!
//! Each part is a task with one loop. The engine stops in the order in which deliveries flow: no new claims, nothing new
//! started, attempts under way finished or given back, lease given up.

mod attempt;
mod disable;
mod dispatcher;
mod failing;
mod fair;
mod feedback;
mod flow;
mod intake;
mod lease;
mod poller;
mod queue;
mod replay;
mod retry;
mod retry_after;

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use hookwright_store::{Node, NodeOptions, Store, StoreError};
use tokio::{
    sync::{Notify, Semaphore, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use self::{
    attempt::AttemptContext,
    disable::Disabler,
    dispatcher::{Dispatcher, Shared},
    failing::Keeper,
    poller::Poller,
};
pub(crate) use self::{
    fair::WEBHOOK_KIB_MAX,
    flow::{BreakerState, Gauge, Limits as FlowLimits, Rate},
    intake::{Intake, IntakeError},
    retry::RetryPolicy,
};
use crate::directory::Directory;

/// How much the engine takes on.
#[derive(Clone, Debug)]
pub struct EngineLimits {
    /// Publishes under way at the same time, those over streams too. More are refused, or read more slowly.
    pub publishes_max: usize,
    /// HTTP exchanges at the same time.
    pub attempts_max: usize,
    /// HTTP exchanges at the same time with one webhook.
    pub attempts_per_webhook_max: usize,
    /// Memory for deliveries that wait for their attempt or are in it, in KiB of payload.
    pub memory_kib_max: usize,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            // About a second's worth, as many as there may be requests: a disk that stalls for that long is waited out.
            publishes_max: 8_192,
            attempts_max: 1_024,
            attempts_per_webhook_max: 64,
            memory_kib_max: 128 * 1_024,
        }
    }
}

/// How often the engine looks for what nobody tells it about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Retry rows that other nodes wrote.
    pub(crate) polls: Duration,
    /// Replay jobs that other nodes made or left, while this one has none.
    pub(crate) replays: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            polls: Duration::from_millis(500),
            replays: Duration::from_millis(500),
        }
    }
}

/// A running engine.
#[derive(Debug)]
pub(crate) struct Engine {
    node: Arc<Node>,
    intake: Intake,
    /// Stops the poller, then the dispatcher, then the lease.
    stop_claiming: CancellationToken,
    stop_starting: CancellationToken,
    interrupt: CancellationToken,
    stop_keeping: CancellationToken,
    stop_lease: CancellationToken,
    poller: JoinHandle<()>,
    dispatcher: JoinHandle<()>,
    keeper: JoinHandle<()>,
    lease: JoinHandle<()>,
    replays: JoinHandle<()>,
}

impl Engine {
    /// Joins the store as a node and starts delivering.
    pub(crate) async fn start(
        store: Store,
        options: NodeOptions,
        limits: EngineLimits,
        pace: Pace,
        directory: Arc<Directory>,
    ) -> Result<Self, StoreError> {
        let (accepted, accepted_queue) = mpsc::unbounded_channel();
        // A fifth of the time is for the others to notice that this node is gone.
        let heartbeat_every = options.lease / 10;
        let options = NodeOptions {
            lease: options.lease * 4 / 5,
            ..options
        };
        let clock = store.clock().clone();
        let disabler = Disabler::new(store.clone(), Arc::clone(&directory));
        let (keeper, failing) = Keeper::new(store.clone(), disabler.clone()).await?;
        let node = Arc::new(Node::join(store, options, accepted).await?);
        let memory = Arc::new(Semaphore::new(limits.memory_kib_max));
        let intake = Intake::new(
            Arc::clone(&directory),
            clock.clone(),
            node.publisher(),
            Arc::clone(&memory),
            limits.publishes_max,
        );

        let stop_claiming = CancellationToken::new();
        let stop_starting = CancellationToken::new();
        let interrupt = CancellationToken::new();
        let stop_keeping = CancellationToken::new();
        let stop_lease = CancellationToken::new();

        let (claimed, claimed_queue) = mpsc::channel(64);
        let context = Arc::new(AttemptContext {
            clock: clock.clone(),
            directory: Arc::clone(&directory),
            finisher: node.finisher(),
            disabler,
            interrupt: interrupt.clone(),
        });
        let (rejoined, rejoined_signal) = mpsc::channel(1);
        let (nodes, room) = (Arc::new(AtomicUsize::new(1)), Arc::new(Notify::new()));
        let shared = Shared {
            context,
            node: Arc::clone(&node),
            failing,
            nodes: Arc::clone(&nodes),
            room: Arc::clone(&room),
        };
        let dispatcher = Dispatcher::new(shared, &limits);
        let dispatcher = tokio::spawn(dispatcher.run(
            accepted_queue,
            claimed_queue,
            rejoined_signal,
            stop_starting.clone(),
        ));
        let poller = Poller {
            node: Arc::clone(&node),
            clock,
            directory: Arc::clone(&directory),
            memory,
            memory_kib_max: limits.memory_kib_max,
            room,
            every: pace.polls,
            claimed,
        };
        let poller = tokio::spawn(poller.run(stop_claiming.clone()));
        let keeper = tokio::spawn(keeper.run(stop_keeping.clone()));
        let lease = tokio::spawn(lease::run(
            Arc::clone(&node),
            directory,
            rejoined,
            nodes,
            heartbeat_every,
            stop_lease.clone(),
        ));

        let replays = tokio::spawn(replay::run(
            Arc::clone(&node),
            pace.replays,
            stop_claiming.clone(),
        ));

        Ok(Self {
            node,
            intake,
            stop_claiming,
            stop_starting,
            interrupt,
            stop_keeping,
            stop_lease,
            poller,
            dispatcher,
            keeper,
            lease,
            replays,
        })
    }

    /// The node that it makes of this process.
    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Where events are published to.
    pub(crate) fn intake(&self) -> Intake {
        self.intake.clone()
    }

    /// Stops: attempts under way have `grace` to end, then they are given back as if they had not been made. Publishes
    /// that still come in are refused.
    pub(crate) async fn stop(self, grace: Duration) -> Result<(), StoreError> {
        self.stop_claiming.cancel();
        ended(self.replays.await);
        ended(self.poller.await);
        self.stop_starting.cancel();
        let mut dispatcher = self.dispatcher;
        if tokio::time::timeout(grace, &mut dispatcher).await.is_err() {
            self.interrupt.cancel();
            ended(dispatcher.await);
        }
        self.stop_keeping.cancel();
        ended(self.keeper.await);
        self.stop_lease.cancel();
        ended(self.lease.await);
        match Arc::into_inner(self.node) {
            Some(node) => node.leave().await,
            // A task that panicked may still be unwinding with its clone. The lease runs out, and recovery does the rest.
            None => Ok(()),
        }
    }
}

fn ended(result: Result<(), tokio::task::JoinError>) {
    if let Err(error) = result {
        tracing::error!(%error, "a part of the engine broke down");
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use hookwright_core::Secret;
    use hookwright_store::{Store, TenantId, WebhookId, WebhookSettings};

    /// Ids that only a store gives out.
    pub(crate) async fn webhook_ids(store: &Store, count: usize) -> Vec<WebhookId> {
        let mut ids = Vec::with_capacity(count);
        for _ in 0..count {
            let settings = WebhookSettings::new("generic", "https://example.com/");
            let secret = Secret::parse("a secret of some length").unwrap();
            let webhook = store.insert_webhook(TenantId::DEFAULT, settings, &[secret]).await;
            ids.push(webhook.unwrap().id);
        }
        ids
    }
}
