//! Brings due retries from the store to the dispatcher.

use std::{collections::HashMap, pin::Pin, sync::Arc, time::Duration};

use hookwright_store::{
    Clock, Due, End, Finish, Node, Origin, Slot, StoreError, Timestamp, Upcoming, Want, WebhookId,
};
use tokio::{
    sync::{Notify, Semaphore, mpsc},
    time::{Instant, Sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    attempt::{Job, UNUSABLE_PAUSE},
    fair::{Share, share_of},
    flow::Gauge,
};
use crate::directory::Directory;

/// How long to wait after the first look that fails.
const BACKOFF_MIN: Duration = Duration::from_secs(1);
/// The longest wait before the next look while there is more than could be taken.
const BACKLOG_PAUSE_MAX: Duration = Duration::from_millis(500);
/// How soon to look again while there was more than could be taken, or after this node has written rows.
const BACKLOG_PAUSE: Duration = Duration::from_millis(10);
/// Looks may take this share of the time at most. One takes longer the more webhooks have something that waits: 30 ms of
/// PostgreSQL for 2,000 of them.
const BACKLOG_PAUSE_PER_LOOK: u32 = 20;
/// The same of looks that nobody has asked for, and the longest wait that comes of it. They are for rows that other nodes
/// wrote; this node's own are told of.
const PAUSE_PER_LOOK: u32 = 100;
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Deliveries claimed per webhook and look, so that one with a backlog does not take all the memory.
const CLAIM_MAX: usize = 256;
/// A payload's size is not known before it is claimed; this much memory is set aside for it.
const PAYLOAD_GUESS_BYTES: usize = 8 * 1024;
const BACKOFF_MAX: Duration = Duration::from_secs(5);

pub(super) struct Poller {
    pub(super) node: Arc<Node>,
    pub(super) clock: Clock,
    pub(super) directory: Arc<Directory>,
    pub(super) memory: Arc<Semaphore>,
    pub(super) memory_kib_max: usize,
    /// A webhook of which more was wanted has room again.
    pub(super) room: Arc<Notify>,
    /// How often to look for rows that other nodes wrote.
    pub(super) every: Duration,
    pub(super) claimed: mpsc::Sender<Vec<Job>>,
}

/// Memory for claims, by webhook.
type Reserved = HashMap<WebhookId, (Arc<Gauge>, Vec<Slot>)>;

/// When to look again.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outlook {
    /// The next row is due then.
    alarm: Option<Timestamp>,
    /// More is due than could be taken.
    backlog: bool,
}

impl Poller {
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut backoff = BACKOFF_MIN;
        loop {
            let started = Instant::now();
            let (outlook, look, rest) = match self.run_once().await {
                Ok((outlook, look)) => {
                    backoff = BACKOFF_MIN;
                    (
                        outlook,
                        look,
                        self.every.max((look * PAUSE_PER_LOOK).min(PAUSE_MAX)),
                    )
                }
                Err(error) => {
                    tracing::error!(%error, "due retries could not be read");
                    let rest = backoff;
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                    (Outlook::default(), Duration::ZERO, rest)
                }
            };
            let backlog_pause = pause_after(started.elapsed());
            let own_rows_pause = pause_after(look);
            let pause = if outlook.backlog { backlog_pause } else { rest };
            let mut pause = std::pin::pin!(tokio::time::sleep(pause));
            loop {
                tokio::select! {
                    // In line comes last: under load there is always somebody, and all others wait for the look.
                    biased;
                    () = stop.cancelled() => return,
                    () = &mut pause => break,
                    () = wait_for(&self.clock, outlook.alarm) => break,
                    // A burst of failures is one look, not one each. Whoever is next in line is not kept waiting for it.
                    () = self.node.rescheduled() => sooner(pause.as_mut(), own_rows_pause),
                    () = self.room.notified() => sooner(pause.as_mut(), backlog_pause),
                    // Only these webhooks are looked at, and at once: each waits for nothing but this look.
                    next = self.node.next_in_line() => {
                        match self.take(self.attemptable(next), None).await {
                            Ok(outlook) if outlook.backlog => sooner(pause.as_mut(), backlog_pause),
                            Ok(_) => {}
                            Err(error) => {
                                tracing::error!(%error, "the next deliveries in order could not be read");
                                break;
                            }
                        }
                    }
                }
            }
        }
    }

    /// The second value is how long the look took, without the claims that came of it.
    async fn run_once(&self) -> Result<(Outlook, Duration), StoreError> {
        let started = Instant::now();
        let upcoming = self.attemptable(self.node.upcoming().await?);
        let look = started.elapsed();
        let now = self.clock.now();
        let alarm = upcoming
            .iter()
            .map(|row| row.due_at)
            .filter(|due_at| *due_at > now)
            .min();
        Ok((self.take(upcoming, alarm).await?, look))
    }

    /// Without webhooks that are stopped: what they hold stays where it is, however long it has been due. And nothing is
    /// due of a webhook while its breaker is open, or its receiver has asked for a pause.
    fn attemptable(&self, mut upcoming: Vec<Upcoming>) -> Vec<Upcoming> {
        upcoming.retain_mut(|row| {
            let live = self.directory.webhook(row.webhook);
            if let Some(until) = live.as_ref().and_then(|live| live.gauge.blocked_until()) {
                row.due_at = row.due_at.max(until);
            }
            live.is_none_or(|live| !live.is_stopped())
        });
        upcoming
    }

    /// Claims what is due of these webhooks by now, and hands it to the dispatcher.
    async fn take(&self, upcoming: Vec<Upcoming>, alarm: Option<Timestamp>) -> Result<Outlook, StoreError> {
        let now = self.clock.now();
        let due: Vec<Upcoming> = upcoming.into_iter().filter(|row| row.due_at <= now).collect();
        if due.is_empty() || !self.node.may_start() {
            return Ok(Outlook {
                alarm,
                backlog: false,
            });
        }
        let (wants, mut slots, crowded) = self.reserve_for(&due, now);
        let claimed = self.node.claim(&wants).await?;
        let mut counts: HashMap<WebhookId, usize> = HashMap::new();
        let mut jobs = Vec::with_capacity(claimed.len());
        for claim in claimed {
            *counts.entry(claim.webhook).or_default() += 1;
            match slots.get_mut(&claim.webhook).and_then(|(_, slots)| slots.pop()) {
                Some(slot) => jobs.push(job(claim, slot)),
                None => self.of_unknown_webhook(claim).await,
            }
        }
        // Slots that are left over are given back before anybody is told what there is room for.
        let gauges: HashMap<WebhookId, Arc<Gauge>> = slots
            .into_iter()
            .map(|(webhook, (gauge, _))| (webhook, gauge))
            .collect();
        let mut backlog = crowded;
        for want in &wants {
            let count = counts.get(&want.webhook).copied().unwrap_or(0);
            let Some(gauge) = gauges.get(&want.webhook) else {
                backlog |= count == want.limit;
                continue;
            };
            gauge.claimed(u32::try_from(count).unwrap_or(u32::MAX));
            if count == want.limit {
                // More may be due. Where this one has its fill, the dispatcher says when it has room for more.
                gauge.want();
                backlog |= gauge.answers_want(now);
            }
        }
        if !jobs.is_empty() {
            // Fails only when the dispatcher is gone; the rows are still there.
            let _ = self.claimed.send(jobs).await;
        }
        Ok(Outlook { alarm, backlog })
    }

    /// Memory for each webhook that has due rows, how many of them that is enough for, and whether one got none at all.
    fn reserve_for(&self, due: &[Upcoming], now: Timestamp) -> (Vec<Want>, Reserved, bool) {
        let mut wants = Vec::with_capacity(due.len());
        let mut slots = Reserved::new();
        let mut crowded = false;
        let share = Share::Claim {
            total_kib: self.memory_kib_max,
        };
        for row in due {
            let limit = match self.directory.webhook(row.webhook) {
                Some(live) => {
                    // Asked for before the room is looked at, so that room that comes in between is not missed.
                    live.gauge.want();
                    let room = live.gauge.claim_room(now).min(CLAIM_MAX);
                    let reserved: Vec<Slot> = std::iter::from_fn(|| {
                        share_of(&self.memory, &live.slots, &live.gauge, PAYLOAD_GUESS_BYTES, share)
                    })
                    .take(room)
                    .collect();
                    let limit = reserved.len();
                    // Who got less than it has room for is asked about again only if it takes all of that: what is due may be
                    // claimed already, for as long as its results cannot be written.
                    crowded |= room > 0 && limit == 0;
                    slots.insert(row.webhook, (Arc::clone(&live.gauge), reserved));
                    limit
                }
                // Deleted, or of a tenant not read yet: the rows tell which.
                None => CLAIM_MAX,
            };
            if limit > 0 {
                wants.push(Want {
                    lane: row.lane,
                    webhook: row.webhook,
                    limit,
                });
            }
        }
        (wants, slots, crowded)
    }

    /// A delivery whose webhook is not in memory: after reading its tenant's webhooks it is due again, or cancelled.
    async fn of_unknown_webhook(&self, due: Due) {
        // Whatever comes of it, it was claimed, and nobody looks at it again before it is finished.
        let end = self.end_of_unknown(&due).await.unwrap_or_else(|error| {
            tracing::error!(%error, "the webhooks of a tenant could not be read");
            End::Released(self.clock.now().plus(BACKOFF_MIN))
        });
        let delivery = due.id();
        let finish = Finish {
            tenant: due.event.tenant,
            delivery,
            event_type: due.event.event_type.clone(),
            number: due.number,
            origin: Origin::Retry,
            end,
        };
        self.node.finisher().finish(finish).await;
    }

    async fn end_of_unknown(&self, due: &Due) -> Result<End, StoreError> {
        let tenant = due.event.tenant;
        let mut index = self.directory.tenant(tenant).await?;
        if self.directory.webhook(due.webhook).is_none() && !index.is_unusable(due.webhook) {
            index = self.directory.reload(tenant).await?;
        }
        Ok(match self.directory.webhook(due.webhook) {
            Some(_) => End::Released(due.due_at),
            // An event that was acknowledged is not given up because a node was started without a folder.
            None if index.is_unusable(due.webhook) => End::Released(self.clock.now().plus(UNUSABLE_PAUSE)),
            None => End::Cancelled,
        })
    }
}

/// Ends a pause after this time if it would last longer.
fn sooner(pause: Pin<&mut Sleep>, wait: Duration) {
    let end = Instant::now() + wait;
    if end < pause.deadline() {
        pause.reset(end);
    }
}

/// Before the next look that somebody asks for.
fn pause_after(look: Duration) -> Duration {
    (look * BACKLOG_PAUSE_PER_LOOK).clamp(BACKLOG_PAUSE, BACKLOG_PAUSE_MAX)
}

/// Returns when the moment comes; never without one.
pub(super) async fn wait_for(clock: &Clock, alarm: Option<Timestamp>) {
    match alarm {
        Some(moment) => clock.sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn job(due: Due, slot: Slot) -> Job {
    Job {
        event: due.event,
        webhook: due.webhook,
        number: due.number,
        origin: Origin::Retry,
        due_at: due.due_at,
        replay: due.replay,
        slot,
        queued_at: Instant::now(),
    }
}
