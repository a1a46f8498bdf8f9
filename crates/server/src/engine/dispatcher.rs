//! Who is attempted next: a queue for each webhook, taken from in turns, within limits for one and for all.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use hookwright_store::{Accepted, Clock, Node, Origin, Timestamp, WebhookId};
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

use super::{
    EngineLimits,
    attempt::{AttemptContext, Job},
    feedback::Feedback,
};

/// A first attempt that waits longer goes back to the store: its webhook is slow, and the memory is for others.
const QUEUED_MAX: Duration = Duration::from_secs(5);
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Deliveries taken from a channel at once, so that finished attempts are seen to in between.
const TAKE_MAX: usize = 256;

pub(super) struct Dispatcher {
    context: Arc<AttemptContext>,
    node: Arc<Node>,
    queues: HashMap<WebhookId, Queue>,
    /// Webhooks with something to start and room to start it, in the order of their turns.
    ring: VecDeque<WebhookId>,
    free: usize,
    per_webhook_max: usize,
    attempts: JoinSet<(WebhookId, Feedback)>,
    /// The webhook of each running task, to free its place even if the task panics.
    running: HashMap<tokio::task::Id, WebhookId>,
    clock: Clock,
    /// Receivers that asked for no request before this moment.
    floors: HashMap<WebhookId, Timestamp>,
    /// What came for those meanwhile, to be given back.
    early: Vec<(Job, Timestamp)>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Job>,
    in_flight: usize,
    in_ring: bool,
}

impl Dispatcher {
    pub(super) fn new(context: Arc<AttemptContext>, node: Arc<Node>, limits: &EngineLimits) -> Self {
        Self {
            clock: context.clock.clone(),
            floors: HashMap::new(),
            early: Vec::new(),
            context,
            node,
            queues: HashMap::new(),
            ring: VecDeque::new(),
            free: limits.attempts_max,
            per_webhook_max: limits.attempts_per_webhook_max,
            attempts: JoinSet::new(),
            running: HashMap::new(),
        }
    }

    /// Starts attempts until stopped, then gives back what waits and sees what is under way to its end.
    pub(super) async fn run(
        mut self,
        mut accepted: mpsc::UnboundedReceiver<Accepted>,
        mut claimed: mpsc::Receiver<Vec<Job>>,
        mut rejoined: mpsc::Receiver<()>,
        stop: CancellationToken,
    ) {
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut events = Vec::with_capacity(TAKE_MAX);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = self.attempts.join_next_with_id() => self.ended(ended),
                _ = accepted.recv_many(&mut events, TAKE_MAX) => {
                    events.drain(..).flat_map(jobs).for_each(|job| self.enqueue(job));
                }
                Some(jobs) = claimed.recv() => jobs.into_iter().for_each(|job| self.enqueue(job)),
                Some(()) = rejoined.recv() => self.release_waiting().await,
                _ = sweep.tick() => self.release_overdue().await,
            }
            while let Some(ended) = self.attempts.try_join_next_with_id() {
                self.ended(ended);
            }
            self.release_early().await;
            self.start_ready();
        }
        self.drain(accepted, claimed).await;
    }

    fn enqueue(&mut self, job: Job) {
        let webhook = job.webhook;
        if let Some(floor) = self.floor(webhook) {
            self.early.push((job, floor));
            return;
        }
        let queue = self.queues.entry(webhook).or_default();
        queue.waiting.push_back(job);
        self.take_turn(webhook);
    }

    /// Puts a webhook into the ring if it has something to start and room for it.
    fn take_turn(&mut self, webhook: WebhookId) {
        let Some(queue) = self.queues.get_mut(&webhook) else {
            return;
        };
        if queue.waiting.is_empty() && queue.in_flight == 0 {
            self.queues.remove(&webhook);
        } else if !queue.in_ring && !queue.waiting.is_empty() && queue.in_flight < self.per_webhook_max {
            queue.in_ring = true;
            self.ring.push_back(webhook);
        }
    }

    fn start_ready(&mut self) {
        // Checked once for all of them: the margin of a lease is far longer than this loop.
        if self.ring.is_empty() || !self.node.may_start() {
            return;
        }
        while self.free > 0 {
            let Some(webhook) = self.ring.pop_front() else {
                return;
            };
            let Some(queue) = self.queues.get_mut(&webhook) else {
                continue;
            };
            queue.in_ring = false;
            if let Some(job) = queue.waiting.pop_front() {
                queue.in_flight += 1;
                self.free -= 1;
                let context = Arc::clone(&self.context);
                let task = self.attempts.spawn(async move {
                    let feedback = context.attempt(job).await;
                    (webhook, feedback)
                });
                self.running.insert(task.id(), webhook);
            }
            self.take_turn(webhook);
        }
    }

    fn ended(&mut self, ended: Result<(tokio::task::Id, (WebhookId, Feedback)), JoinError>) {
        let id = match ended {
            Ok((id, (webhook, feedback))) => {
                if let Some(floor) = feedback.wait_until {
                    self.set_floor(webhook, floor);
                }
                id
            }
            Err(error) => {
                // Nothing was reported: recovery or the delivery's own retry row brings it back.
                tracing::error!(%error, "an attempt broke down");
                error.id()
            }
        };
        self.free += 1;
        let Some(webhook) = self.running.remove(&id) else {
            return;
        };
        if let Some(queue) = self.queues.get_mut(&webhook) {
            queue.in_flight = queue.in_flight.saturating_sub(1);
        }
        self.take_turn(webhook);
    }

    /// Until when nothing is sent to a webhook, as far as its receiver asked for it.
    fn floor(&mut self, webhook: WebhookId) -> Option<Timestamp> {
        // Nearly always there are none.
        let floor = *self.floors.get(&webhook)?;
        if floor > self.clock.now() {
            return Some(floor);
        }
        self.floors.remove(&webhook);
        None
    }

    fn set_floor(&mut self, webhook: WebhookId, floor: Timestamp) {
        let known = self.floors.entry(webhook).or_insert(floor);
        *known = floor.max(*known);
        let floor = *known;
        if let Some(queue) = self.queues.get_mut(&webhook) {
            let waiting = std::mem::take(&mut queue.waiting);
            self.early.extend(waiting.into_iter().map(|job| (job, floor)));
        }
    }

    async fn release_early(&mut self) {
        for (job, floor) in std::mem::take(&mut self.early) {
            self.context.release_until(&job, floor.max(job.due_at)).await;
        }
    }

    /// After a take-over others may have what waits here. The store knows which of it is still to be attempted.
    async fn release_waiting(&mut self) {
        let waiting: Vec<Job> = self
            .queues
            .values_mut()
            .flat_map(|queue| queue.waiting.drain(..))
            .collect();
        for job in waiting {
            self.context.release(job).await;
        }
    }

    async fn release_overdue(&mut self) {
        let now = Instant::now();
        let overdue = |job: &Job| {
            job.origin == Origin::Publish && now.saturating_duration_since(job.queued_at) > QUEUED_MAX
        };
        let mut released = Vec::new();
        for queue in self.queues.values_mut() {
            // Queued in order of time, apart from the few that were claimed.
            if queue.waiting.front().is_some_and(overdue) {
                let (back, stay): (VecDeque<Job>, _) = queue.waiting.drain(..).partition(overdue);
                queue.waiting = stay;
                released.extend(back);
            }
        }
        for job in released {
            self.context.release(job).await;
        }
    }

    async fn drain(
        mut self,
        mut accepted: mpsc::UnboundedReceiver<Accepted>,
        mut claimed: mpsc::Receiver<Vec<Job>>,
    ) {
        accepted.close();
        claimed.close();
        let mut waiting: Vec<Job> = self.queues.drain().flat_map(|(_, queue)| queue.waiting).collect();
        while let Some(event) = accepted.recv().await {
            waiting.extend(jobs(event));
        }
        while let Some(jobs) = claimed.recv().await {
            waiting.extend(jobs);
        }
        for job in waiting {
            self.context.release(job).await;
        }
        while self.attempts.join_next().await.is_some() {}
    }
}

fn jobs(accepted: Accepted) -> impl Iterator<Item = Job> {
    let queued_at = Instant::now();
    let event = accepted.event;
    accepted.destinations.into_iter().map(move |(webhook, slot)| Job {
        event: Arc::clone(&event),
        webhook,
        number: 1,
        origin: Origin::Publish,
        due_at: event.id.created_at(),
        slot,
        queued_at,
    })
}
