//! A node: one process with a lease, the events it accepted, and the lanes whose retries it attempts.
//!
//! ```text
//!            publish ──► group commit ──► accepted deliveries, handed to memory
//!                                                         │
//!   retry rows ──► claim (of owned lanes) ────────────────┤
//!                                                         ▼
//!                      finish ◄── batches ◄── attempts (elsewhere)
//! ```
//!
//! The lease is a row with an end. A node renews it with every heartbeat, together with its low-water mark: no event of
//! this node below it waits for a first attempt. When a node stops renewing, any other node deletes the row, which is the
//! exact moment at which its publishes stop being stored, and turns what it left above the mark into retry rows, due now.

mod claimed;
mod completer;
mod publisher;
mod tracker;
mod uncertain;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Mutex as AsyncMutex, Notify, mpsc, oneshot},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::publisher::{EventRow, Stored};
use self::{claimed::Claimed, publisher::Submission, tracker::Tracker, uncertain::Uncertain};
use crate::{
    Accepted, AttemptEnd, Due, End, EventId, FailPoint, Finish, Incarnation, Lane, NewEvent, Origin,
    PublishError, Published, Store, StoreError, TenantId, Timestamp, Upcoming, Want, WebhookId,
    ordering::Queues,
};

/// Submissions that may wait for the writer. Beyond it publishers wait for room, which is the back-pressure.
const PUBLISH_QUEUE: usize = 8_192;
/// Results that may wait for the completer. Beyond it attempts wait with their memory held.
const FINISH_QUEUE: usize = 8_192;
/// Heartbeats between looks for queues that lost their head unnoticed: about every half minute.
const UNSTICK_EVERY: u64 = 64;
/// A node stops starting attempts this long before its lease ends, so that none is under way elsewhere too.
const LEASE_MARGIN: Duration = Duration::from_secs(1);

/// How a process takes part.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// For people: which process this is.
    pub name: String,
    /// How long the node is believed to be alive after its last heartbeat. At least three seconds.
    pub lease: Duration,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self {
            name: String::from("node"),
            lease: Duration::from_secs(5),
        }
    }
}

/// A living node. See the module for what it does; [`Node::leave`] ends it.
#[derive(Debug)]
pub struct Node {
    shared: Arc<Shared>,
    publishes: mpsc::Sender<Submission>,
    finishes: mpsc::Sender<Finish>,
    writer: JoinSet<()>,
    completer: JoinSet<()>,
}

/// The part of a node that publishes: cheap to clone.
#[derive(Clone, Debug)]
pub struct Publisher {
    publishes: mpsc::Sender<Submission>,
}

/// The part of a node that deliveries are finished through: cheap to clone.
#[derive(Clone, Debug)]
pub struct Finisher {
    finishes: mpsc::Sender<Finish>,
    queues: Arc<Queues>,
}

#[derive(Debug)]
struct Shared {
    store: Store,
    options: NodeOptions,
    incarnation: AtomicI64,
    /// Counted from when the last successful heartbeat was *sent*, on this machine's monotonic clock.
    lease_until: Mutex<Instant>,
    /// Ends the writer of events, then the writer of results. Whoever still has a handle is refused from then on.
    stop_publishing: CancellationToken,
    stop_finishing: CancellationToken,
    tracker: Mutex<Tracker>,
    claimed: Mutex<Claimed>,
    uncertain: Mutex<Uncertain>,
    /// Held over a claim, so that no lane is given away in the middle of one.
    lanes: AsyncMutex<Lanes>,
    accepted: mpsc::UnboundedSender<Accepted>,
    /// Told whenever this node has written retry rows.
    rescheduled: Notify,
    /// Of webhooks whose deliveries wait for each other.
    queues: Arc<Queues>,
    /// Living nodes, this one included, as of the last heartbeat.
    nodes: AtomicU32,
    heartbeats: AtomicU64,
}

/// This node's lanes.
#[derive(Debug, Default)]
struct Lanes {
    /// Claimed from.
    held: BTreeSet<Lane>,
    /// Not claimed from any more, and given up once nothing of theirs is in memory but attempts that are parked.
    leaving: BTreeSet<Lane>,
}

/// What a heartbeat found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heartbeat {
    /// Another node had taken over; this one starts anew. What waits in memory is to be released: the store knows which of
    /// it is still to be attempted.
    pub rejoined: bool,
    /// Living nodes, this one included.
    pub nodes: usize,
    /// Lanes whose retries this node attempts.
    pub lanes: usize,
    /// Deliveries that were taken over from nodes that went away.
    pub recovered: u64,
}

/// What a lease renewal says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pulse {
    pub(crate) nodes: usize,
    /// The store's time while the statement ran.
    pub(crate) store_now: Timestamp,
}

/// How the lanes are spread.
#[derive(Clone, Debug, Default)]
pub(crate) struct LaneMap {
    pub(crate) own: BTreeSet<Lane>,
    /// Lanes without an owner, or whose owner is gone.
    pub(crate) free: usize,
}

impl Node {
    /// Joins: takes a lease, recovers what dead nodes left, and starts both writers. Accepted deliveries are sent to
    /// `accepted`.
    pub async fn join(
        store: Store,
        options: NodeOptions,
        accepted: mpsc::UnboundedSender<Accepted>,
    ) -> Result<Self, StoreError> {
        let sent = Instant::now();
        let shared = Arc::new(Shared {
            incarnation: AtomicI64::new(0),
            lease_until: Mutex::new(sent),
            stop_publishing: CancellationToken::new(),
            stop_finishing: CancellationToken::new(),
            tracker: Mutex::new(Tracker::new(store.engine().minter())),
            claimed: Mutex::new(Claimed::default()),
            uncertain: Mutex::new(Uncertain::default()),
            lanes: AsyncMutex::new(Lanes::default()),
            store,
            options,
            accepted,
            rescheduled: Notify::new(),
            queues: Arc::default(),
            nodes: AtomicU32::new(1),
            heartbeats: AtomicU64::new(0),
        });
        shared.enlist().await?;

        let (publishes, submissions) = mpsc::channel(PUBLISH_QUEUE);
        let mut writer = JoinSet::new();
        writer.spawn(publisher::run(Arc::clone(&shared), submissions));
        let (finishes, finish_queue) = mpsc::channel(FINISH_QUEUE);
        let mut completer = JoinSet::new();
        completer.spawn(completer::run(Arc::clone(&shared), finish_queue));

        let node = Self {
            shared,
            publishes,
            finishes,
            writer,
            completer,
        };
        node.heartbeat().await?;
        Ok(node)
    }

    /// Names this life of the node.
    pub fn incarnation(&self) -> Incarnation {
        self.shared.incarnation()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.shared.store
    }

    /// There are new retry rows, due now.
    pub(crate) fn note_rescheduled(&self) {
        self.shared.rescheduled.notify_one();
    }

    /// A handle to publish with.
    pub fn publisher(&self) -> Publisher {
        Publisher {
            publishes: self.publishes.clone(),
        }
    }

    /// A handle to finish deliveries with.
    pub fn finisher(&self) -> Finisher {
        Finisher {
            finishes: self.finishes.clone(),
            queues: Arc::clone(&self.shared.queues),
        }
    }

    /// Whether the lease lasts long enough to start an attempt.
    pub fn may_start(&self) -> bool {
        let lease_until = *self
            .shared
            .lease_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Instant::now() + LEASE_MARGIN < lease_until
    }

    /// Completes once retry rows were written or taken over by this node since the last call; they may be due at once.
    pub async fn rescheduled(&self) {
        self.shared.rescheduled.notified().await;
    }

    /// Webhooks with deliveries in order that may be due now, because the one before is over or because they are new.
    pub async fn next_in_line(&self) -> Vec<Upcoming> {
        let ready = self.shared.queues.ready().await;
        let due_at = self.shared.store.clock().now();
        let upcoming = |(lane, webhook)| Upcoming {
            lane,
            webhook,
            due_at,
        };
        ready.into_iter().map(upcoming).collect()
    }

    /// Renews the lease, takes its share of the lanes, and takes over from nodes that are gone. To be called about five
    /// times per lease.
    pub async fn heartbeat(&self) -> Result<Heartbeat, StoreError> {
        let shared = &self.shared;
        let mut heartbeat = Heartbeat::default();
        let pulse = if let Some(pulse) = shared.renew().await? {
            pulse
        } else {
            heartbeat.rejoined = true;
            shared.restart().await?;
            shared.renew().await?.ok_or(StoreError::Fenced)?
        };
        heartbeat.nodes = pulse.nodes;
        heartbeat.recovered = shared.take_over().await?;
        let taken_up = shared.take_up_late().await?;
        // After a restart lanes come with the next heartbeat, when the caller has let go of what it held: otherwise it
        // could not tell what it has claimed since from what it had claimed before.
        let lanes_before = shared.lanes.lock().await.held.len();
        if !heartbeat.rejoined {
            heartbeat.lanes = shared.share_lanes(pulse.nodes).await?;
        }
        let has_more = heartbeat.recovered > 0 || heartbeat.lanes > lanes_before;
        let number = shared.heartbeats.fetch_add(1, Ordering::Relaxed);
        let unstuck = if has_more || number.is_multiple_of(UNSTICK_EVERY) {
            shared.unstick().await?
        } else {
            0
        };
        if has_more || taken_up > 0 || unstuck > 0 {
            // There may be rows now that are due and that nobody looked for.
            shared.rescheduled.notify_one();
        }
        Ok(heartbeat)
    }

    /// The lanes whose tenants this node looks after.
    pub async fn lanes(&self) -> Vec<Lane> {
        self.shared.lanes.lock().await.held.iter().copied().collect()
    }

    /// The earliest retry row of every webhook in this node's lanes.
    pub async fn upcoming(&self) -> Result<Vec<Upcoming>, StoreError> {
        let lanes = self.lanes().await;
        let found = self.shared.store.engine().upcoming(&lanes).await?;
        let ordered: HashSet<WebhookId> = found
            .iter()
            .filter(|(_, is_ordered)| *is_ordered)
            .map(|(upcoming, _)| upcoming.webhook)
            .collect();
        self.shared.queues.set_ordered(ordered);
        Ok(found.into_iter().map(|(upcoming, _)| upcoming).collect())
    }

    /// Claims due deliveries, at most as many per webhook as wanted. Nobody else gets them while this node lives.
    pub async fn claim(&self, wants: &[Want]) -> Result<Vec<Due>, StoreError> {
        let shared = &self.shared;
        let lanes = shared.lanes.lock().await;
        let mut reads = Vec::with_capacity(wants.len());
        let mut known = HashMap::new();
        let mut room = HashMap::new();
        {
            let claimed = shared.claimed();
            for want in wants {
                if want.limit > 0 && lanes.held.contains(&want.lane) {
                    let claimed = claimed.of(want.webhook);
                    // Rows that are claimed already are still there and may be due first, so that many more are read.
                    let limit = want.limit + claimed.len();
                    reads.push(Want { limit, ..*want });
                    known.insert(want.webhook, claimed);
                    room.insert(want.webhook, want.limit);
                }
            }
        }
        if reads.is_empty() {
            return Ok(Vec::new());
        }
        let mut rows = shared.due(reads).await?;
        let mut claimed = shared.claimed();
        rows.retain(|due| {
            // Finished while the rows were read, it would otherwise pass for unclaimed: what was read is its old row.
            let was_claimed = known
                .get(&due.webhook)
                .is_some_and(|events| events.contains(&due.event.id));
            let Some(room) = room.get_mut(&due.webhook).filter(|room| **room > 0) else {
                return false;
            };
            let is_new = !was_claimed && claimed.insert(due.event.tenant.lane(), due.id());
            *room -= usize::from(is_new);
            is_new
        });
        if !rows.is_empty() {
            FailPoint::ClaimMade.pass();
        }
        Ok(rows)
    }

    /// Leaves: no more publishes are taken, queued results are written, lanes are given up, and deliveries that this node
    /// still holds become due for others at once.
    ///
    /// Handles that are still around are refused from then on ([`Publisher`]) or do nothing ([`Finisher`]).
    pub async fn leave(mut self) -> Result<(), StoreError> {
        self.shared.stop_publishing.cancel();
        while self.writer.join_next().await.is_some() {}
        self.shared.stop_finishing.cancel();
        while self.completer.join_next().await.is_some() {}
        let shared = &self.shared;
        let low_water = shared.low_water();
        shared
            .store
            .engine()
            .leave(shared.incarnation(), low_water, shared.store.clock().now())
            .await?;
        Ok(())
    }
}

impl Publisher {
    /// Stores an event. Answered after the commit; accepted deliveries are handed over by then, even when the caller has
    /// stopped waiting.
    pub async fn publish(&self, event: NewEvent) -> Result<Published, PublishError> {
        let (answer, answered) = oneshot::channel();
        let stopped = |()| PublishError::Store(StoreError::Stopped);
        self.publishes
            .send(Submission { event, answer })
            .await
            .map_err(|_| stopped(()))?;
        answered.await.map_err(|_| stopped(()))?
    }
}

impl Finisher {
    /// Ends a delivery's stay in memory. Returns once the result is queued; it is written with others, and kept until
    /// it could be.
    pub async fn finish(&self, mut finish: Finish) {
        if let End::Attempted(AttemptEnd {
            error: Some(text), ..
        })
        | End::GivenUp(text) = &mut finish.end
            && text.contains('\0')
        {
            // PostgreSQL has no such character in a text, and would refuse the whole batch.
            *text = text.replace('\0', "\u{fffd}");
        }
        let (origin, webhook) = (finish.origin, finish.delivery.webhook);
        // The completer outlives every sender, so this fails only while the process is being torn down.
        let _ = self.finishes.send(finish).await;
        if origin == Origin::Retry {
            self.queues.note_result(webhook);
        }
    }
}

/// Adds what has come since the batch was begun.
fn gather<T>(queue: &mut mpsc::Receiver<T>, batch: &mut Vec<T>, max: usize) {
    while batch.len() < max
        && let Ok(next) = queue.try_recv()
    {
        batch.push(next);
    }
}

impl Shared {
    fn incarnation(&self) -> Incarnation {
        Incarnation(self.incarnation.load(Ordering::Acquire))
    }

    /// How many nodes commit to the same database, this one included.
    fn nodes(&self) -> u32 {
        self.nodes.load(Ordering::Relaxed)
    }

    fn is_stopping(&self) -> bool {
        self.stop_publishing.is_cancelled()
    }

    // A poisoned lock only says that another task panicked; these structures are whole after every statement.
    fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn uncertain(&self) -> MutexGuard<'_, Uncertain> {
        self.uncertain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claimed(&self) -> MutexGuard<'_, Claimed> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn low_water(&self) -> EventId {
        self.tracker().low_water(self.store.clock().now())
    }

    /// A new incarnation with a lease.
    async fn enlist(&self) -> Result<(), StoreError> {
        let sent = Instant::now();
        let now = self.store.clock().now();
        let engine = self.store.engine();
        let incarnation = engine
            .enlist(&self.options.name, now.plus(self.options.lease), self.low_water())
            .await?;
        FailPoint::LeaseEnlisted.pass();
        self.incarnation.store(incarnation.0, Ordering::Release);
        *self.lease_until.lock().unwrap_or_else(PoisonError::into_inner) = sent + self.options.lease;
        Ok(())
    }

    /// `None` when the lease was taken away.
    async fn renew(&self) -> Result<Option<Pulse>, StoreError> {
        let sent = Instant::now();
        let low_water = self.low_water();
        let now = self.store.clock().now();
        let engine = self.store.engine();
        FailPoint::LeaseRenewing.pass();
        let pulse = engine
            .renew(self.incarnation(), low_water, now, now.plus(self.options.lease))
            .await?;
        if let Some(pulse) = pulse {
            FailPoint::LeaseRenewed.pass();
            let nodes = u32::try_from(pulse.nodes.max(1)).unwrap_or(u32::MAX);
            self.nodes.store(nodes, Ordering::Relaxed);
            *self.lease_until.lock().unwrap_or_else(PoisonError::into_inner) = sent + self.options.lease;
            self.store
                .clock()
                .anchor(pulse.store_now, Instant::now().into_std());
        }
        Ok(pulse)
    }

    /// After a take-over: what was unsettled belongs to others now, under a new incarnation everything is fresh.
    async fn restart(&self) -> Result<(), StoreError> {
        tracing::warn!(incarnation = %self.incarnation(), "this node's lease was taken over; joining anew");
        *self.lanes.lock().await = Lanes::default();
        *self.claimed() = Claimed::default();
        self.tracker().clear();
        self.uncertain().clear();
        self.enlist().await
    }

    /// What is due of these webhooks, in order where that matters.
    async fn due(&self, wants: Vec<Want>) -> Result<Vec<Due>, StoreError> {
        let now = self.store.clock().now();
        let engine = self.store.engine();
        let (ordered, others): (Vec<Want>, Vec<Want>) = wants
            .into_iter()
            .partition(|want| self.queues.is_ordered(want.webhook));
        let mut rows = match &others[..] {
            [] => Vec::new(),
            others => engine.due(others, now).await?,
        };
        if !ordered.is_empty() {
            let (heads, sent_in_line) = engine.due_in_order(&ordered, now).await?;
            rows.extend(heads);
            if sent_in_line {
                // Only now can be seen when the heads are due that they wait for.
                self.rescheduled.notify_one();
            }
        }
        Ok(rows)
    }

    /// A queue may have lost its head without anybody having looked for the next one: with a row that was removed by
    /// retention, or by a node that was taken over and did not know it yet.
    async fn unstick(&self) -> Result<u64, StoreError> {
        let lanes: Vec<Lane> = self.lanes.lock().await.held.iter().copied().collect();
        if lanes.is_empty() {
            return Ok(0);
        }
        let unstuck = self
            .store
            .engine()
            .unstick(&lanes, self.store.clock().now())
            .await?;
        if unstuck > 0 {
            tracing::info!(queues = unstuck, "queues of ordered deliveries go on");
        }
        Ok(unstuck)
    }

    /// Makes retries, due now, of what was refused and was stored after all. Says how many events.
    async fn take_up_late(&self) -> Result<usize, StoreError> {
        let refused = self.uncertain().events();
        if refused.is_empty() {
            return Ok(0);
        }
        let stored = self.store.engine().stored_events(&refused).await?;
        for event in &stored {
            let Some(tenant) = self.uncertain().tenant(*event) else {
                continue;
            };
            self.take_up(tenant, *event).await?;
        }
        for event in self.uncertain().expire(Instant::now()) {
            self.tracker().forget(event);
        }
        if !stored.is_empty() {
            tracing::warn!(
                events = stored.len(),
                "events that were refused were stored all the same; they are delivered"
            );
        }
        Ok(stored.len())
    }

    /// Makes retries, due now, of an event that is in the log and in nobody's memory.
    async fn take_up(&self, tenant: TenantId, event: EventId) -> Result<(), StoreError> {
        let now = self.store.clock().now();
        self.store
            .engine()
            .heal(self.incarnation(), tenant, event, now)
            .await?;
        if self.uncertain().remove(event) {
            self.tracker().forget(event);
        }
        Ok(())
    }

    async fn take_over(&self) -> Result<u64, StoreError> {
        let now = self.store.clock().now();
        let mut recovered = 0;
        for incarnation in self.store.engine().expired_nodes(now).await? {
            // This node itself, when it stood still after it had renewed: the next heartbeat renews again.
            if incarnation == self.incarnation() {
                continue;
            }
            let deliveries = self.store.engine().recover(incarnation, now).await?;
            if let Some(deliveries) = deliveries {
                FailPoint::RecoverCommitted.pass();
                tracing::warn!(%incarnation, deliveries, "took over from a node that is gone");
                recovered += deliveries;
            }
        }
        Ok(recovered)
    }

    /// Claims lanes up to an equal share, or gives up those beyond it once nothing of theirs that is due is in memory.
    async fn share_lanes(&self, nodes: usize) -> Result<usize, StoreError> {
        let engine = self.store.engine();
        let incarnation = self.incarnation();
        let now = self.store.clock().now();
        let share = Lane::COUNT.div_ceil(nodes.max(1));

        let mut lanes = self.lanes.lock().await;
        let map = engine.lanes(incarnation, now).await?;
        // What the store says counts: lanes can have been taken away, or be there from the start.
        lanes.leaving.retain(|lane| map.own.contains(lane));
        lanes.held = map.own.difference(&lanes.leaving).copied().collect();
        while lanes.held.len() < share
            && let Some(lane) = lanes.leaving.pop_first()
        {
            lanes.held.insert(lane);
        }
        while lanes.held.len() > share
            && let Some(lane) = lanes.held.pop_last()
        {
            lanes.leaving.insert(lane);
        }
        let busy = self.claimed().lanes();
        let idle: Vec<Lane> = lanes
            .leaving
            .iter()
            .copied()
            .filter(|lane| !busy.contains(lane))
            .collect();
        if !idle.is_empty() {
            engine.release_lanes(incarnation, &idle).await?;
            lanes.leaving.retain(|lane| !idle.contains(lane));
        }
        if lanes.held.len() < share && map.free > 0 {
            let claimed = engine
                .claim_lanes(incarnation, share - lanes.held.len(), now)
                .await?;
            if !claimed.is_empty() {
                FailPoint::LanesClaimed.pass();
            }
            lanes.held.extend(claimed);
        }
        Ok(lanes.held.len())
    }
}
