//! A tenant's webhooks by what they want.

use std::{collections::HashSet, sync::Arc};

use hookwright_store::{Timestamp, WebhookId};

use super::{Subject, Verdict, types::TypeIndex};
use crate::directory::LiveWebhook;

/// A tenant's webhooks by what they want.
#[derive(Debug, Default)]
pub(crate) struct TenantIndex {
    pub(crate) version: i64,
    /// When the first secret of any of them stops signing.
    secret_expires_at: Option<Timestamp>,
    /// Oldest first, which is the order of their ids.
    all: Vec<Arc<LiveWebhook>>,
    types: TypeIndex,
    /// Webhooks that this node does not know how to deliver to.
    unusable: HashSet<WebhookId>,
}

impl TenantIndex {
    pub(crate) fn build(version: i64, all: Vec<Arc<LiveWebhook>>, unusable: HashSet<WebhookId>) -> Self {
        let mut types = TypeIndex::default();
        for (position, live) in all.iter().enumerate() {
            types.add(position, live.matcher.patterns());
        }
        Self {
            version,
            secret_expires_at: all.iter().filter_map(|live| live.secret_expires_at).min(),
            all,
            types,
            unusable,
        }
    }

    /// The same with these webhooks as they are now; some of them were there before.
    pub(crate) fn with(
        &self,
        version: i64,
        live: &[Arc<LiveWebhook>],
        unusable: &HashSet<WebhookId>,
    ) -> Self {
        let again: HashSet<WebhookId> = live
            .iter()
            .map(|live| live.id())
            .chain(unusable.iter().copied())
            .collect();
        let others = self.all.iter().filter(|live| !again.contains(&live.id()));
        let mut all: Vec<Arc<LiveWebhook>> = others.chain(live).map(Arc::clone).collect();
        all.sort_by_key(|live| live.id());
        let others = self.unusable.iter().filter(|id| !again.contains(id));
        let unusable = others.chain(unusable).copied().collect();
        Self::build(version, all, unusable)
    }

    /// How many webhooks the tenant has, as far as is known.
    pub(crate) fn count(&self) -> usize {
        self.all.len() + self.unusable.len()
    }

    /// When the first secret of any webhook stops signing: then they are to be read again.
    pub(crate) fn secret_expires_at(&self) -> Option<Timestamp> {
        self.secret_expires_at
    }

    /// One webhook of this tenant, whatever its state.
    pub(crate) fn find(&self, webhook: WebhookId) -> Option<&Arc<LiveWebhook>> {
        let position = self.all.binary_search_by_key(&webhook, |live| live.id());
        self.all.get(position.ok()?)
    }

    /// All webhooks that can be delivered to, oldest first.
    pub(crate) fn all(&self) -> &[Arc<LiveWebhook>] {
        &self.all
    }

    /// Whether there is such a webhook and this node does not know how to deliver to it: its profile is not known here.
    pub(crate) fn is_unusable(&self, webhook: WebhookId) -> bool {
        self.unusable.contains(&webhook)
    }

    /// Those that this node does not know how to deliver to.
    pub(crate) fn unusable(&self) -> impl Iterator<Item = WebhookId> {
        self.unusable.iter().copied()
    }

    /// How many webhooks want events of this type and have to see the payload.
    pub(crate) fn payload_readers(&self, event_type: &str) -> usize {
        let wanting = self.types.positions(event_type).into_iter();
        wanting
            .filter_map(|position| self.all.get(position))
            .filter(|live| live.matcher.reads_payload())
            .count()
    }

    /// The webhooks that an event goes to, oldest first, each once.
    pub(crate) fn matching(&self, subject: &Subject<'_>) -> Vec<&Arc<LiveWebhook>> {
        let wanting = self.types.positions(subject.event_type).into_iter();
        wanting
            .filter_map(|position| self.all.get(position))
            .filter(|live| match live.matcher.verdict_on_payload(subject) {
                Verdict::Matched => true,
                Verdict::FilterFailed { problem } => {
                    tracing::debug!(webhook = %live.id(), problem, "a filter failed, so the event passes it by");
                    false
                }
                _ => false,
            })
            .collect()
    }
}
