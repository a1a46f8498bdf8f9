//! Where the API hands events to the engine.

use std::sync::Arc;

use bytes::Bytes;
use hookwright_store::{
    Clock, Destination, NewEvent, PublishError, Published, Publisher, Slot, StoreError, TenantId, WebhookId,
};
use tokio::sync::Semaphore;

use super::fair::{Share, share_of};
use crate::{
    directory::{Directory, LiveWebhook},
    matching::{Subject, TenantIndex},
};

/// How often a publish starts over because the tenant's webhooks changed under it. Each time it has read them anew, so
/// reaching this takes somebody who changes webhooks without a pause.
const STALE_MAX: usize = 20;
/// Beyond this many bytes that filters together look at, other publishes on the same thread would notice.
const FILTERED_BYTES_INLINE_MAX: usize = 64 * 1_024;

/// Accepts events: chooses their webhooks, sets memory aside for the first attempts, stores them.
#[derive(Clone, Debug)]
pub(crate) struct Intake {
    directory: Arc<Directory>,
    clock: Clock,
    publisher: Publisher,
    /// In KiB.
    memory: Arc<Semaphore>,
    /// More would only be answered later: whoever asks then is told at once, and can slow down.
    publishes: Arc<Semaphore>,
}

/// Whom an event goes to.
#[derive(Clone, Copy)]
enum Audience {
    /// Every webhook that asked for it.
    Matching,
    /// This one.
    One(WebhookId),
}

/// Why an event was not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IntakeError {
    #[error("too many events wait to be stored")]
    Overloaded,
    #[error("there is no webhook {0}")]
    WebhookNotFound(WebhookId),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Intake {
    pub(super) fn new(
        directory: Arc<Directory>,
        clock: Clock,
        publisher: Publisher,
        memory: Arc<Semaphore>,
        publishes_max: usize,
    ) -> Self {
        let publishes = Arc::new(Semaphore::new(publishes_max));
        Self {
            directory,
            clock,
            publisher,
            memory,
            publishes,
        }
    }

    /// Stores an event and starts its deliveries. Answered after the commit.
    pub(crate) async fn publish(
        &self,
        tenant: TenantId,
        event_type: String,
        payload: Bytes,
        ordering_key: Option<String>,
        idempotency_key: Option<String>,
    ) -> Result<Published, IntakeError> {
        self.publish_to(
            Audience::Matching,
            tenant,
            event_type,
            payload,
            ordering_key,
            idempotency_key,
        )
        .await
    }

    /// Stores a test event for one webhook, whatever that one asked for, and starts its delivery.
    pub(crate) async fn publish_test(
        &self,
        tenant: TenantId,
        webhook: WebhookId,
        event_type: String,
        payload: Bytes,
    ) -> Result<Published, IntakeError> {
        self.publish_to(Audience::One(webhook), tenant, event_type, payload, None, None)
            .await
    }

    async fn publish_to(
        &self,
        audience: Audience,
        tenant: TenantId,
        event_type: String,
        payload: Bytes,
        ordering_key: Option<String>,
        idempotency_key: Option<String>,
    ) -> Result<Published, IntakeError> {
        let _turn = self
            .publishes
            .try_acquire()
            .map_err(|_| IntakeError::Overloaded)?;
        let mut index = self.directory.tenant(tenant).await?;
        let mut tries = 0;
        loop {
            let destinations = match audience {
                Audience::Matching => {
                    self.destinations(&index, &event_type, &payload, ordering_key.as_deref())
                        .await
                }
                Audience::One(id) => {
                    let live = index.find(id).ok_or(IntakeError::WebhookNotFound(id))?;
                    vec![self.destination(live, &payload, ordering_key.as_deref())]
                }
            };
            let event = NewEvent {
                tenant,
                tenant_version: index.version,
                event_type: event_type.clone(),
                payload: payload.clone(),
                destinations,
                ordering_key: ordering_key.clone(),
                idempotency_key: idempotency_key.clone(),
                is_test: matches!(audience, Audience::One(_)),
            };
            tries += 1;
            match self.publisher.publish(event).await {
                Err(PublishError::StaleWebhooks) if tries < STALE_MAX => {
                    index = self.directory.reload(tenant).await?;
                }
                result => return Ok(result?),
            }
        }
    }

    /// The webhooks that an event goes to, each with memory for it where there is some.
    async fn destinations(
        &self,
        index: &Arc<TenantIndex>,
        event_type: &str,
        payload: &Bytes,
        ordering_key: Option<&str>,
    ) -> Vec<Destination> {
        let now = self.clock.now().unix_seconds();
        let work = index.payload_readers(event_type).saturating_mul(payload.len());
        if work <= FILTERED_BYTES_INLINE_MAX {
            let matching = index.matching(&Subject::new(event_type, now, payload));
            return matching
                .into_iter()
                .map(|live| self.destination(live, payload, ordering_key))
                .collect();
        }
        let matching = tokio::task::spawn_blocking({
            let (index, event_type, payload) = (Arc::clone(index), event_type.to_owned(), payload.clone());
            move || {
                let subject = Subject::new(&event_type, now, &payload);
                let matching = index.matching(&subject);
                matching.into_iter().map(Arc::clone).collect::<Vec<_>>()
            }
        });
        match matching.await {
            Ok(matching) => matching
                .iter()
                .map(|live| self.destination(live, payload, ordering_key))
                .collect(),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    fn destination(&self, live: &LiveWebhook, payload: &Bytes, ordering_key: Option<&str>) -> Destination {
        let ordering = live.webhook.settings.ordering;
        Destination {
            webhook: live.id(),
            slot: match ordering.queue(ordering_key) {
                None => self.reserve(live, payload.len()),
                // It starts from the store, which knows whose turn it is.
                Some(_) => None,
            },
            ordering,
        }
    }

    /// Memory for the first attempt, unless it has to wait anyway: it starts from the store then.
    fn reserve(&self, live: &LiveWebhook, payload_bytes: usize) -> Option<Slot> {
        if live.is_stopped() || !live.gauge.takes_fresh(self.clock.now()) {
            return None;
        }
        share_of(
            &self.memory,
            &live.slots,
            &live.gauge,
            payload_bytes,
            Share::Publish,
        )
    }
}
