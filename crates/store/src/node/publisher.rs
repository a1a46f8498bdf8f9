//! Group commit: callers that wait at the same time share one statement and one commit.
//!
//! One writer takes whatever is waiting, stores it, answers, and looks again. A lone publish is stored at once, and under
//! load a batch is as large as what arrived during the commit before it. A second writer would make more and smaller
//! batches, and take the processor from everything else. So do other nodes on the same database: while batches are large,
//! each node leaves a moment between its own for those of the others.

use std::{sync::Arc, time::Duration};

use sha2::{Digest as _, Sha256};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{Shared, gather};
use crate::{
    Accepted, Event, EventId, FailPoint, Incarnation, Lane, NewEvent, Ordering, PublishError, Published,
    StoreError, TenantId, WebhookId, event::Slot,
};

/// Events of one statement. Larger batches gain nothing more.
const BATCH_EVENTS_MAX: usize = 512;
/// Payload bytes of one statement, so that a batch of large payloads stays within reason.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// After a batch of this many events the writer rests for [`REST`] and each other node. Smaller ones come at rates at which
/// commits are cheap and everybody wants an answer at once.
const REST_AFTER: usize = 8;
const REST: Duration = Duration::from_millis(1);
/// Other nodes that are left time for.
const OTHERS_MAX: u32 = 3;
/// How long to wait before asking again whether a statement that was cut off took effect. At first only long enough to
/// get past the other connections that broke with it.
const RECONCILE_PAUSE_MIN: Duration = Duration::from_millis(5);
const RECONCILE_PAUSE_MAX: Duration = Duration::from_millis(200);

/// A publish that waits for its commit.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) event: NewEvent,
    pub(super) answer: oneshot::Sender<Result<Published, PublishError>>,
}

/// An event as the engines store it.
#[derive(Debug)]
pub(crate) struct EventRow {
    pub(crate) lane: Lane,
    pub(crate) event: Arc<Event>,
    pub(crate) tenant_version: i64,
    /// The ones with a slot first.
    pub(crate) webhooks: Vec<WebhookId>,
    /// How those without a slot are ordered, one for each. Empty when none of them is, which is nearly always.
    pub(crate) orderings: Vec<Ordering>,
    pub(crate) ordering_key: Option<String>,
    pub(crate) hot: usize,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) is_test: bool,
}

impl EventRow {
    /// The webhooks that start with a retry row, with the queue that each waits in.
    pub(crate) fn cold(&self) -> impl Iterator<Item = (WebhookId, Option<&str>)> {
        let orderings = self
            .orderings
            .iter()
            .copied()
            .chain(std::iter::repeat(Ordering::None));
        let webhooks = self.webhooks[self.hot..].iter().copied();
        webhooks
            .zip(orderings)
            .map(|(webhook, ordering)| (webhook, ordering.queue(self.ordering_key.as_deref())))
    }

    fn ordered(&self) -> impl Iterator<Item = (Lane, WebhookId)> {
        let is_ordered = |(webhook, queue): (WebhookId, Option<&str>)| queue.map(|_| (self.lane, webhook));
        self.cold().filter_map(is_ordered)
    }

    fn has_unordered_spill(&self) -> bool {
        self.cold().any(|(_, queue)| queue.is_none())
    }
}

/// An idempotency key and what it was used for.
#[derive(Debug)]
pub(crate) struct IdempotencyKey {
    pub(crate) key: String,
    pub(crate) fingerprint: [u8; 32],
}

/// What became of one row of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    Yes,
    /// The tenant's webhooks have another version.
    Stale,
    /// The key belongs to this event, published with the same type and payload or not.
    KeyTaken {
        event: EventId,
        same: bool,
        delivery_count: usize,
    },
}

/// Stores submissions until the channel closes.
pub(super) async fn run(shared: Arc<Shared>, mut queue: mpsc::Receiver<Submission>) {
    let mut waiting = Vec::with_capacity(BATCH_EVENTS_MAX);
    let mut rested_at = None;
    loop {
        if next_batch(&shared, &mut queue, &mut waiting).await == 0 {
            return;
        }
        if let Some(rested_at) = rested_at {
            tokio::time::sleep_until(rested_at).await;
            gather(&mut queue, &mut waiting, BATCH_EVENTS_MAX);
        }
        let rests = waiting.len() >= REST_AFTER;
        let mut rest = waiting.drain(..).peekable();
        while rest.peek().is_some() {
            let mut bytes = 0;
            let batch = std::iter::from_fn(|| {
                let next =
                    rest.next_if(|next| bytes == 0 || bytes + next.event.payload.len() <= BATCH_BYTES_MAX)?;
                bytes += next.event.payload.len().max(1);
                Some(next)
            })
            .collect();
            store(&shared, batch).await;
        }
        let others = (shared.nodes() - 1).min(OTHERS_MAX);
        rested_at = (rests && others > 0).then(|| Instant::now() + REST * others);
    }
}

/// How many wait, of which there is at least one unless the channel is closed.
async fn next_batch(
    shared: &Shared,
    queue: &mut mpsc::Receiver<Submission>,
    waiting: &mut Vec<Submission>,
) -> usize {
    tokio::select! {
        biased;
        count = queue.recv_many(waiting, BATCH_EVENTS_MAX) => count,
        () = shared.stop_publishing.cancelled() => {
            // What is queued is still stored; nothing more comes in.
            queue.close();
            queue.recv_many(waiting, BATCH_EVENTS_MAX).await
        }
    }
}

async fn store(shared: &Shared, batch: Vec<Submission>) {
    // Read before the ids are minted: what this life of the node stores lies above the low-water mark it began with.
    let incarnation = shared.incarnation();
    let (rows, waiters) = prepare(shared, batch);
    FailPoint::PublishGathered.pass();
    match shared.store.engine().publish(incarnation, &rows).await {
        Ok(stored) => {
            FailPoint::PublishCommitted.pass();
            // Before the callers are answered, so that who has published sees it counted.
            let accepted = rows
                .iter()
                .zip(&stored)
                .filter(|(_, stored)| **stored == Stored::Yes);
            shared.store.tally().published(accepted.map(|(row, _)| row));
            let spilled = rows.iter().any(EventRow::has_unordered_spill);
            let ordered: Vec<(Lane, WebhookId)> = rows.iter().flat_map(EventRow::ordered).collect();
            for ((row, waiter), stored) in rows.into_iter().zip(waiters).zip(stored) {
                answer(shared, incarnation, row, waiter, stored).await;
            }
            shared.queues.wake(ordered);
            if spilled {
                shared.rescheduled.notify_one();
            }
        }
        Err(error) if may_have_committed(&error) => {
            reconcile(shared, incarnation, rows, waiters, error).await;
        }
        Err(error) => refuse(shared, &rows, waiters, &error),
    }
}

/// A caller, and the memory set aside for its deliveries.
struct Waiter {
    slots: Vec<(WebhookId, Slot)>,
    answer: oneshot::Sender<Result<Published, PublishError>>,
}

impl Waiter {
    fn refuse(self, error: &StoreError) {
        let error = match error {
            StoreError::Fenced => StoreError::Fenced,
            StoreError::Database(error) => StoreError::Database(sqlx::Error::Protocol(error.to_string())),
            other => StoreError::Database(sqlx::Error::Protocol(other.to_string())),
        };
        // A caller that hung up does not mind.
        let _ = self.answer.send(Err(PublishError::Store(error)));
    }
}

fn prepare(shared: &Shared, batch: Vec<Submission>) -> (Vec<EventRow>, Vec<Waiter>) {
    let now = shared.store.clock().now();
    let mut tracker = shared.tracker();
    batch
        .into_iter()
        .map(|Submission { event, answer }| {
            let mut slots = Vec::with_capacity(event.destinations.len());
            let mut cold = Vec::new();
            let mut orderings = Vec::new();
            for destination in event.destinations {
                let queue = destination.ordering.queue(event.ordering_key.as_deref());
                match destination.slot {
                    // What waits for others is claimed when its turn comes; the log decides when that is.
                    Some(slot) if queue.is_none() => slots.push((destination.webhook, slot)),
                    _ => {
                        if queue.is_some() {
                            orderings.resize(cold.len(), Ordering::None);
                            orderings.push(destination.ordering);
                        }
                        cold.push(destination.webhook);
                    }
                }
            }
            let id = tracker.mint(now, slots.len());
            let hot = slots.len();
            let webhooks = slots.iter().map(|(webhook, _)| *webhook).chain(cold).collect();
            let key = event.idempotency_key.map(|key| IdempotencyKey {
                fingerprint: fingerprint(&event.event_type, &event.payload),
                key,
            });
            let stored = Event {
                id,
                tenant: event.tenant,
                event_type: event.event_type,
                payload: event.payload,
            };
            let row = EventRow {
                lane: event.tenant.lane(),
                event: Arc::new(stored),
                tenant_version: event.tenant_version,
                webhooks,
                orderings,
                ordering_key: event.ordering_key,
                hot,
                key,
                is_test: event.is_test,
            };
            (row, Waiter { slots, answer })
        })
        .unzip()
}

fn fingerprint(event_type: &str, payload: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    // Types cannot contain a NUL, so no other split of the same bytes has this fingerprint.
    hash.update(event_type.as_bytes());
    hash.update([0]);
    hash.update(payload);
    hash.finalize().into()
}

async fn answer(shared: &Shared, incarnation: Incarnation, row: EventRow, waiter: Waiter, stored: Stored) {
    let result = match stored {
        Stored::Yes => {
            // Handed over before the caller is answered and whether it still listens or not: the event is durable now.
            // Unless this node was taken over while it waited for the answer: its deliveries are retries by now, of whoever
            // owns their lane.
            if !waiter.slots.is_empty() && incarnation == shared.incarnation() {
                let accepted = Accepted {
                    event: Arc::clone(&row.event),
                    destinations: waiter.slots,
                };
                // Fails only when the engine is gone; recovery finds the deliveries then.
                let _ = shared.accepted.send(accepted);
            }
            FailPoint::PublishHandedOver.pass();
            Ok(Published {
                event: row.event.id,
                delivery_count: row.webhooks.len(),
                duplicate: false,
            })
        }
        Stored::Stale => {
            shared.tracker().forget(row.event.id);
            Err(PublishError::StaleWebhooks)
        }
        Stored::KeyTaken {
            event,
            same,
            delivery_count,
        } => {
            shared.tracker().forget(row.event.id);
            if same {
                heal(shared, row.event.tenant, event)
                    .await
                    .map(|()| Published {
                        event,
                        delivery_count,
                        duplicate: true,
                    })
                    .map_err(PublishError::Store)
            } else {
                Err(PublishError::KeyReused(event))
            }
        }
    };
    // A caller that hung up does not mind.
    let _ = waiter.answer.send(result);
    FailPoint::PublishAnswered.pass();
}

/// An event that is found again by its key may have been committed by a statement whose connection broke after this
/// node had stopped waiting for it: then nobody holds its deliveries yet.
async fn heal(shared: &Shared, tenant: TenantId, event: EventId) -> Result<(), StoreError> {
    let is_uncertain = shared.uncertain().tenant(event).is_some();
    if shared.tracker().holds(event) && !is_uncertain {
        return Ok(());
    }
    shared.take_up(tenant, event).await
}

/// Whether the database may have stored a batch although the caller saw an error.
fn may_have_committed(error: &StoreError) -> bool {
    match error {
        // The server says no: rolled back. Shutdown classes (57P01 and so on) can arrive around a commit.
        StoreError::Database(sqlx::Error::Database(error)) => error
            .code()
            .is_some_and(|code| code.starts_with("57P") || code.starts_with("08")),
        StoreError::Database(sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) => false,
        StoreError::Database(_) => true,
        _ => false,
    }
}

/// Asks the database what it stored until it answers, then goes on as if it had said so at once. What is not there by then
/// is refused, and asked for again later ([`super::uncertain`]).
async fn reconcile(
    shared: &Shared,
    incarnation: Incarnation,
    rows: Vec<EventRow>,
    waiters: Vec<Waiter>,
    error: StoreError,
) {
    tracing::warn!(%error, events = rows.len(), "a publish was cut off; asking the database whether it was stored");
    let ids: Vec<EventId> = rows.iter().map(|row| row.event.id).collect();
    let mut pause = RECONCILE_PAUSE_MIN;
    let stored = loop {
        match shared.store.engine().stored_events(&ids).await {
            Ok(stored) => break stored,
            Err(_) if shared.is_stopping() => {
                // Not forgotten: if they are in the log after all, whoever takes over from this node finds them.
                for waiter in waiters {
                    waiter.refuse(&error);
                }
                return;
            }
            Err(_) => tokio::time::sleep(pause).await,
        }
        pause = (pause * 2).min(RECONCILE_PAUSE_MAX);
    };
    for (row, waiter) in rows.into_iter().zip(waiters) {
        if stored.contains(&row.event.id) {
            shared.store.tally().published(std::iter::once(&row));
            answer(shared, incarnation, row, waiter, Stored::Yes).await;
        } else {
            // Not forgotten, so that the low-water mark stays below it.
            if incarnation == shared.incarnation() {
                shared
                    .uncertain()
                    .add(row.event.id, row.event.tenant, Instant::now());
            }
            waiter.refuse(&error);
        }
    }
}

fn refuse(shared: &Shared, rows: &[EventRow], waiters: Vec<Waiter>, error: &StoreError) {
    for (row, waiter) in rows.iter().zip(waiters) {
        shared.tracker().forget(row.event.id);
        waiter.refuse(error);
    }
}
