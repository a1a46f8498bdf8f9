//! What owners do to secrets and deliveries: rotate, replay, cancel. Methods of [`Store`] and [`Node`].

use std::time::Duration;

use hookwright_core::Secret;

use crate::{
    Cancelled, DeliveryDetail, DeliveryId, FailPoint, NewReplay, Node, Page, PageSize, Replay, ReplayFilter,
    ReplayFrom, ReplayId, ReplayState, ReplayStep, Replayed, Rotated, Store, StoreError, TenantId, WebhookId,
    replay::Batch,
};

/// Deliveries that are looked at with one statement while they are counted.
const COUNT_CHUNK: usize = 2_000;
/// Deliveries that one step of a job looks at.
const LOOK_CHUNK: usize = 1_000;

impl Store {
    /// Makes `secret` the newest one of a webhook. The others sign beside it for `overlap` at most; those that were to
    /// expire sooner still do.
    pub async fn rotate_secret(
        &self,
        tenant: TenantId,
        id: WebhookId,
        secret: &Secret,
        overlap: Duration,
    ) -> Result<Rotated, StoreError> {
        let now = self.clock().now();
        self.engine()
            .rotate_secret(
                tenant,
                id,
                secret,
                now.plus(overlap),
                now,
                &self.entry(tenant, &id),
            )
            .await
    }

    /// Schedules a delivery anew that is over, due now.
    pub async fn replay_delivery(&self, tenant: TenantId, id: DeliveryId) -> Result<Replayed, StoreError> {
        let now = self.clock().now();
        let replay = ReplayId(self.mint(now));
        let any = ReplayFilter {
            webhook: None,
            event_types: Vec::new(),
            states: vec![ReplayFrom::Delivered, ReplayFrom::Dead, ReplayFrom::Cancelled],
            since: None,
            until: now,
        };
        if self
            .engine()
            .schedule_replay(tenant, id, replay, &any, now)
            .await?
        {
            return Ok(Replayed::Scheduled(replay));
        }
        let Some(DeliveryDetail { delivery, .. }) = self.delivery(tenant, id).await? else {
            return Ok(Replayed::NotFound);
        };
        Ok(match self.webhook(tenant, id.webhook).await? {
            None => Replayed::WebhookGone,
            Some(_) => Replayed::NotOver(delivery.state),
        })
    }

    /// Cancels a delivery that waits for an attempt. An attempt that is under way may still reach the receiver; its result
    /// is not recorded, and nothing follows it.
    pub async fn cancel_delivery(&self, tenant: TenantId, id: DeliveryId) -> Result<Cancelled, StoreError> {
        if self
            .engine()
            .cancel_delivery(tenant, id, self.clock().now())
            .await?
        {
            self.journal_notice().notify_one();
            return Ok(Cancelled::Done);
        }
        Ok(match self.delivery(tenant, id).await? {
            None => Cancelled::NotFound,
            Some(found) => Cancelled::NotScheduled(found.delivery.state),
        })
    }

    /// How many deliveries match, after a place in the walk or from its start, and the first `sample` of them. Exact at the
    /// time of asking, however many there are; memory does not grow with them.
    pub async fn count_replayable(
        &self,
        tenant: TenantId,
        filter: &ReplayFilter,
        after: Option<DeliveryId>,
        sample: usize,
    ) -> Result<(u64, Vec<crate::Delivery>), StoreError> {
        let mut count = 0;
        let mut first = Vec::new();
        let mut cursor = after;
        loop {
            let candidates = self.candidates(tenant, filter, cursor, COUNT_CHUNK).await?;
            let Some(last) = candidates.last() else { break };
            cursor = Some(*last);
            let matching = self.engine().replayable(tenant, &candidates, filter).await?;
            count += matching.len() as u64;
            first.extend(matching.into_iter().take(sample - first.len()));
            if candidates.len() < COUNT_CHUNK {
                break;
            }
        }
        let facts = self.engine().facts(tenant, &first).await?;
        Ok((count, facts.into_iter().map(Into::into).collect()))
    }

    /// Makes a job. A node takes it up within half a second or so.
    pub async fn create_replay(&self, tenant: TenantId, new: &NewReplay) -> Result<Replay, StoreError> {
        let now = self.clock().now();
        let id = ReplayId(self.mint(now));
        self.engine().insert_replay(tenant, id, new, now).await?;
        self.replay(tenant, id).await?.ok_or(StoreError::Inconsistent {
            table: "replay",
            row: id.to_string(),
            problem: String::from("gone right after it was stored"),
        })
    }

    /// A job, if there is one.
    pub async fn replay(&self, tenant: TenantId, id: ReplayId) -> Result<Option<Replay>, StoreError> {
        self.engine().replay(tenant, id).await
    }

    /// Jobs older than `before`, newest first.
    pub async fn replays(
        &self,
        tenant: TenantId,
        before: Option<ReplayId>,
        size: PageSize,
    ) -> Result<Page<Replay, ReplayId>, StoreError> {
        let before = before.unwrap_or(ReplayId(uuid::Uuid::max()));
        let mut rows = self
            .engine()
            .replays_before(tenant, before, size.rows() + 1)
            .await?;
        let more = rows.len() > size.rows();
        rows.truncate(size.rows());
        let next = rows.last().filter(|_| more).map(|replay| replay.id);
        Ok(Page { rows, next })
    }

    /// Stops a running job: at most the batch that is under way is still scheduled. `None` when there is no such job; one
    /// that is over stays as it is.
    pub async fn cancel_replay(&self, tenant: TenantId, id: ReplayId) -> Result<Option<Replay>, StoreError> {
        let now = self.clock().now();
        self.engine()
            .end_replay(tenant, id, ReplayState::Cancelled, None, now)
            .await?;
        self.replay(tenant, id).await
    }

    /// The next deliveries that may match, in the order of the walk.
    async fn candidates(
        &self,
        tenant: TenantId,
        filter: &ReplayFilter,
        cursor: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Vec<DeliveryId>, StoreError> {
        let after = cursor.unwrap_or(filter.start());
        let (webhook, before) = (filter.webhook, filter.before());
        if filter.ended_badly() {
            self.engine()
                .ended_after(tenant, webhook, after, before, limit)
                .await
        } else {
            self.engine()
                .deliveries_after(tenant, webhook, after, before, limit)
                .await
        }
    }
}

impl Node {
    /// The running jobs that this node works on, with those that a node which is gone has left.
    pub async fn claim_replays(&self) -> Result<Vec<Replay>, StoreError> {
        let store = self.store();
        let replays = store
            .engine()
            .claim_replays(self.incarnation(), store.clock().now())
            .await?;
        if !replays.is_empty() {
            FailPoint::ReplayClaimed.pass();
        }
        Ok(replays)
    }

    /// Takes a job one step further: schedules at most `limit` deliveries and moves its cursor, in one transaction. `replay`
    /// is as the store has it afterwards.
    pub async fn replay_step(&self, replay: &mut Replay, limit: usize) -> Result<ReplayStep, StoreError> {
        let store = self.store();
        let left = replay.deliveries_max.map_or(usize::MAX, |max| {
            usize::try_from(max.saturating_sub(replay.scheduled)).unwrap_or(usize::MAX)
        });
        let limit = limit.min(left);
        let candidates = store
            .candidates(replay.tenant, &replay.filter, replay.cursor, LOOK_CHUNK)
            .await?;
        let engine = store.engine();
        let mut matching = engine
            .replayable(replay.tenant, &candidates, &replay.filter)
            .await?;
        let all_fit = matching.len() <= limit;
        matching.truncate(limit);
        let looked_at = if all_fit { &candidates } else { &matching };
        let cursor = looked_at.last().copied().or(replay.cursor);
        let batch = Batch {
            replay,
            owner: self.incarnation(),
            deliveries: &matching,
            cursor,
            last: all_fit && candidates.len() < LOOK_CHUNK,
            now: store.clock().now(),
        };
        let (step, scheduled) = store.engine().replay_batch(&batch).await?;
        FailPoint::ReplayCommitted.pass();
        replay.cursor = cursor;
        replay.scheduled += scheduled;
        if scheduled > 0 {
            self.note_rescheduled();
        }
        Ok(step)
    }

    /// Ends a job that cannot go on.
    pub async fn fail_replay(&self, replay: &Replay, error: &str) -> Result<(), StoreError> {
        let store = self.store();
        store
            .engine()
            .end_replay(
                replay.tenant,
                replay.id,
                ReplayState::Failed,
                Some(error),
                store.clock().now(),
            )
            .await
    }
}
