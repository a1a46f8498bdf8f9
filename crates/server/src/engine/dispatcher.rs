//! Starts attempts: takes turns over what waits, as far as each webhook's flow and the node's places allow.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    hash::{BuildHasherDefault, DefaultHasher},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hookwright_store::{Accepted, EventId, Node, Origin, TenantId, Timestamp, WebhookId};
use tokio::{
    sync::{Notify, mpsc},
    task::{Id, JoinError, JoinSet},
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use super::{
    EngineLimits,
    attempt::{AttemptContext, Job},
    failing::Failing,
    fair::{Class, Places, Turns},
    feedback::Feedback,
    flow::{Flow, Gauge, Health, Readiness, Ticket},
    poller::wait_for,
    queue::Queue,
};

/// A first attempt that waits longer goes back to the store: its webhook is slow, and the memory is for others.
const QUEUED_MAX: Duration = Duration::from_secs(5);
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Deliveries taken from a channel at once, so that finished attempts are seen to in between.
const TAKE_MAX: usize = 256;
/// Webhooks whose turn comes and that have no place now, looked at before other things are seen to.
const REFUSALS_MAX: usize = 64;
/// A webhook that fails for less is not worth a row.
const NOTED_AFTER: Duration = Duration::from_mins(1);
/// An idle webhook keeps its window for so long.
const IDLE_MAX: Duration = Duration::from_mins(1);

pub(super) struct Dispatcher {
    context: Arc<AttemptContext>,
    node: Arc<Node>,
    failing: Arc<Failing>,
    /// Living nodes, as of the last heartbeat.
    nodes: Arc<AtomicUsize>,
    /// Told when the poller may claim more of a webhook that it wanted more of.
    room: Arc<Notify>,
    /// Ids are random already: a hash of its own for each process would only make each process look at them in another order.
    queues: HashMap<WebhookId, Queue, BuildHasherDefault<DefaultHasher>>,
    turns: [Turns; 2],
    places: Places,
    per_webhook_max: u32,
    alarms: BinaryHeap<Reverse<(Timestamp, WebhookId)>>,
    /// What waits for nothing here, with the moment at which it is due again.
    returned: Vec<(Timestamp, Job)>,
    attempts: JoinSet<Feedback>,
    /// What each running task is about, to free its place even if the task panics.
    running: HashMap<Id, Running>,
}

struct Running {
    webhook: WebhookId,
    event: EventId,
    class: Class,
    ticket: Ticket,
}

/// What the dispatcher shares with the other parts of the engine.
pub(super) struct Shared {
    pub(super) context: Arc<AttemptContext>,
    pub(super) node: Arc<Node>,
    pub(super) failing: Arc<Failing>,
    pub(super) nodes: Arc<AtomicUsize>,
    pub(super) room: Arc<Notify>,
}

impl Dispatcher {
    pub(super) fn new(shared: Shared, limits: &EngineLimits) -> Self {
        Self {
            context: shared.context,
            node: shared.node,
            failing: shared.failing,
            nodes: shared.nodes,
            room: shared.room,
            queues: HashMap::default(),
            turns: [Turns::default(), Turns::default()],
            places: Places::new(limits.attempts_max),
            per_webhook_max: u32::try_from(limits.attempts_per_webhook_max).unwrap_or(u32::MAX),
            alarms: BinaryHeap::new(),
            returned: Vec::new(),
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
        let clock = self.context.clock.clone();
        loop {
            let alarm = self.alarms.peek().map(|Reverse((moment, _))| *moment);
            let mut sweeps = false;
            tokio::select! {
                // What comes rarely first. Publishes come last but for results, and those are all seen to below.
                biased;
                () = stop.cancelled() => break,
                Some(()) = rejoined.recv() => self.return_waiting(),
                _ = sweep.tick() => sweeps = true,
                () = wait_for(&clock, alarm) => {}
                Some(jobs) = claimed.recv() => {
                    let now = clock.now();
                    for job in jobs {
                        self.enqueue(job, now);
                    }
                }
                _ = accepted.recv_many(&mut events, TAKE_MAX) => {
                    let now = clock.now();
                    events.drain(..).flat_map(jobs).for_each(|job| self.enqueue(job, now));
                }
                Some(ended) = self.attempts.join_next_with_id() => self.ended(ended, clock.now()),
            }
            let now = clock.now();
            while let Some(ended) = self.attempts.try_join_next_with_id() {
                self.ended(ended, now);
            }
            self.ring(now);
            if sweeps {
                self.sweep(now);
            }
            self.start_ready(now);
            for (due_at, job) in std::mem::take(&mut self.returned) {
                self.context.release_until(job, due_at).await;
            }
        }
        self.drain(accepted, claimed).await;
    }

    fn enqueue(&mut self, job: Job, now: Timestamp) {
        let (webhook, class) = (job.webhook, Class::of(job.origin));
        if !self.queues.contains_key(&webhook) {
            let queue = self.open(job.event.tenant, webhook, now);
            self.queues.insert(webhook, queue);
        }
        if let Some(queue) = self.queues.get_mut(&webhook) {
            queue.push(job);
            if !queue.in_turns[class as usize] {
                self.look_at(webhook, now);
            }
        }
    }

    fn open(&self, tenant: TenantId, webhook: WebhookId, now: Timestamp) -> Queue {
        // A deleted webhook's attempts end at once; a gauge that nobody reads will do.
        let gauge = match self.context.directory.webhook(webhook) {
            Some(live) => Arc::clone(&live.gauge),
            None => Arc::new(Gauge::default()),
        };
        let nodes = self.nodes.load(Ordering::Relaxed);
        let mut flow = Flow::new(&gauge, self.per_webhook_max, nodes, now);
        let since = self.failing.since(webhook);
        flow.set_failing_since(since);
        flow.show(&gauge, now);
        let mut queue = Queue::new(tenant, flow, gauge);
        queue.is_noted = since.is_some();
        queue
    }

    /// Gives a webhook its turn if it has something to start and may, and otherwise what it needs to wait for.
    fn look_at(&mut self, webhook: WebhookId, now: Timestamp) {
        let Some(queue) = self.queues.get_mut(&webhook) else {
            return;
        };
        if queue.is_empty() {
            return;
        }
        let nodes = self.nodes.load(Ordering::Relaxed);
        if queue.flow.refresh(&queue.gauge, self.per_webhook_max, nodes, now) {
            queue.is_noted = false;
            self.failing.recovered(queue.tenant, webhook);
        }
        match queue.readiness(now) {
            Readiness::Ready => {
                for class in Class::ALL {
                    if queue.waits(class) && !queue.in_turns[class as usize] && queue.permits(class) {
                        queue.in_turns[class as usize] = true;
                        self.turns[class as usize].push(queue.tenant, webhook);
                    }
                }
            }
            // Looked at again when an attempt ends.
            Readiness::Full => {}
            Readiness::Paced(at) => {
                if queue.alarm.is_none_or(|alarm| at < alarm || alarm <= now) {
                    queue.alarm = Some(at);
                    self.alarms.push(Reverse((at, webhook)));
                }
            }
            Readiness::Blocked(until) => {
                queue.flow.show(&queue.gauge, now);
                let jobs = queue.drain();
                self.returned.extend(jobs.into_iter().map(|job| (until, job)));
            }
        }
    }

    /// Looks at the webhooks whose moment has come.
    fn ring(&mut self, now: Timestamp) {
        while let Some(Reverse((at, webhook))) = self.alarms.peek().copied()
            && at <= now
        {
            self.alarms.pop();
            if let Some(queue) = self.queues.get_mut(&webhook)
                && queue.alarm == Some(at)
            {
                queue.alarm = None;
                self.look_at(webhook, now);
            }
        }
    }

    fn start_ready(&mut self, now: Timestamp) {
        // Checked once for all of them: the margin of a lease is far longer than this loop.
        if self.turns.iter().all(|turns| turns.len() == 0) || !self.node.may_start() {
            return;
        }
        while !self.places.is_full() {
            let preferred = self.places.preferred();
            if !self.start_one(preferred, now) && !self.start_one(preferred.other(), now) {
                return;
            }
        }
    }

    /// Starts the next one of a class that may. False when there is none, or not among the next few.
    fn start_one(&mut self, class: Class, now: Timestamp) -> bool {
        let candidates = self.turns[class as usize].len().min(REFUSALS_MAX);
        for _ in 0..candidates {
            let Some((tenant, webhook)) = self.turns[class as usize].pop() else {
                return false;
            };
            let Some(queue) = self.queues.get_mut(&webhook) else {
                continue;
            };
            if !self.places.permits(class, tenant, queue.held()) {
                // Its turn comes again; others may hold fewer places than it does.
                self.turns[class as usize].push(tenant, webhook);
                continue;
            }
            queue.in_turns[class as usize] = false;
            // Its limits may have changed while it waited for a place.
            let nodes = self.nodes.load(Ordering::Relaxed);
            if queue.flow.refresh(&queue.gauge, self.per_webhook_max, nodes, now) {
                queue.is_noted = false;
                self.failing.recovered(queue.tenant, webhook);
            }
            let starts = queue.readiness(now) == Readiness::Ready && queue.permits(class);
            if starts && let Some(job) = queue.pop(class) {
                let running = Running {
                    webhook,
                    event: job.event.id,
                    class,
                    ticket: queue.flow.start(),
                };
                queue.flow.show(&queue.gauge, now);
                self.places.take(class, tenant);
                let context = Arc::clone(&self.context);
                // In a box, because the runtime moves a task several times before it starts.
                let attempt = Box::pin(async move { context.attempt(job).await });
                let task = self.attempts.spawn(attempt);
                self.running.insert(task.id(), running);
            }
            self.look_at(webhook, now);
            if starts {
                return true;
            }
        }
        false
    }

    fn ended(&mut self, ended: Result<(Id, Feedback), JoinError>, now: Timestamp) {
        let (id, feedback) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                // Nothing was reported: recovery or the delivery's own retry row brings it back.
                tracing::error!(%error, "an attempt broke down");
                (error.id(), Feedback::default())
            }
        };
        let Some(running) = self.running.remove(&id) else {
            return;
        };
        let webhook = running.webhook;
        let Some(queue) = self.queues.get_mut(&webhook) else {
            return;
        };
        self.places.give_back(running.class, queue.tenant);
        queue.ended(running.class);
        let health = queue.flow.end(running.ticket, running.event, feedback, now);
        match health {
            Health::Unchanged => {}
            Health::BeganFailing => {
                // After a restart, or on another node, it may be known to fail for longer.
                if let Some(since) = self.failing.since(webhook) {
                    queue.flow.set_failing_since(Some(since));
                    queue.is_noted = true;
                }
            }
            Health::StillFailing(since) => {
                if queue.flow.is_given_up(since, now) {
                    self.failing.note(queue.tenant, webhook, since);
                    self.failing.given_up(queue.tenant, webhook, since);
                    queue.is_noted = true;
                }
            }
            Health::Recovered => {
                queue.is_noted = false;
                self.failing.recovered(queue.tenant, webhook);
            }
        }
        queue.flow.show(&queue.gauge, now);
        if queue.gauge.answers_want(now) {
            self.room.notify_one();
        }
        self.look_at(webhook, now);
    }

    /// What is due about once a second: what has waited for too long, what has failed for a while, who is idle.
    fn sweep(&mut self, now: Timestamp) {
        let started = Instant::now();
        let overdue = |job: &Job| started.saturating_duration_since(job.queued_at) > QUEUED_MAX;
        let mut ready = Vec::new();
        for (webhook, queue) in &mut self.queues {
            let jobs = queue.drain_fresh_while(overdue);
            self.returned
                .extend(jobs.into_iter().map(|job| (job.due_at, job)));
            match (queue.flow.failing_since(), self.failing.since(*webhook)) {
                (Some(_), None) if queue.is_noted => {
                    // Another node has seen it succeed, or it was disabled for it.
                    queue.flow.set_failing_since(None);
                    queue.is_noted = false;
                }
                (Some(since), None) if since.plus(NOTED_AFTER) <= now => {
                    self.failing.note(queue.tenant, *webhook, since);
                    queue.is_noted = true;
                }
                // Another node has seen it fail: the next success here is what it waits for.
                (None, Some(since)) => {
                    queue.flow.set_failing_since(Some(since));
                    queue.is_noted = true;
                }
                (Some(_) | None, None) | (Some(_), Some(_)) => {}
            }
            queue.flow.show(&queue.gauge, now);
            if queue.gauge.answers_want(now) {
                self.room.notify_one();
            }
            if !queue.is_empty() {
                ready.push(*webhook);
            }
        }
        // Their limits may have changed.
        for webhook in ready {
            self.look_at(webhook, now);
        }
        let directory = &self.context.directory;
        self.queues.retain(|webhook, queue| {
            let is_idle = queue.is_empty()
                && queue.held() == 0
                && (queue.flow.is_at_rest(now) || directory.webhook(*webhook).is_none());
            let since = is_idle.then(|| queue.idle_since.unwrap_or(now));
            queue.idle_since = since;
            since.is_none_or(|since| since.plus(IDLE_MAX) > now)
        });
        self.turns.iter_mut().for_each(Turns::sweep);
        self.places.sweep();
    }

    /// After a take-over others may have what waits here. The store knows which of it is still to be attempted.
    fn return_waiting(&mut self) {
        for queue in self.queues.values_mut() {
            let jobs = queue.drain();
            self.returned
                .extend(jobs.into_iter().map(|job| (job.due_at, job)));
        }
    }

    async fn drain(
        mut self,
        mut accepted: mpsc::UnboundedReceiver<Accepted>,
        mut claimed: mpsc::Receiver<Vec<Job>>,
    ) {
        accepted.close();
        claimed.close();
        let mut waiting: Vec<Job> = Vec::new();
        for (webhook, queue) in &mut self.queues {
            waiting.extend(queue.drain());
            if let Some(since) = queue.flow.failing_since() {
                self.failing.note(queue.tenant, *webhook, since);
            }
        }
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
        replay: None,
        slot,
        queued_at,
    })
}
