//! Disables webhooks that want or take no deliveries any more. What is due to them is held from then on.

use std::sync::Arc;

pub(crate) use hookwright_store::DisabledReason;
use hookwright_store::{Actor, Stop, StopCause, Store, StoreError, TenantId, Timestamp, WebhookId};

use crate::directory::Directory;

/// Stops webhooks on behalf of the engine.
#[derive(Clone, Debug)]
pub(crate) struct Disabler {
    store: Store,
    directory: Arc<Directory>,
}

impl Disabler {
    pub(crate) fn new(store: Store, directory: Arc<Directory>) -> Self {
        Self { store, directory }
    }

    /// Disables a webhook, unless it is disabled already or deleted. Nothing is attempted by this node once this
    /// returns, and by the others once they have read the change.
    pub(crate) async fn disable(
        &self,
        tenant: TenantId,
        webhook: WebhookId,
        reason: DisabledReason,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let is_disabled = |stop: Option<Stop>| {
            matches!(
                stop,
                Some(Stop {
                    cause: StopCause::Disabled(_),
                    ..
                })
            )
        };
        // Of many attempts that are under way each may find the same.
        let known = self.directory.webhook(webhook);
        if known.is_none_or(|live| is_disabled(live.webhook.settings.stop)) {
            return Ok(());
        }
        let stop = Stop {
            cause: StopCause::Disabled(reason),
            since: now,
        };
        self.store
            .acting_as(Actor::service("DisableWebhook"))
            .change_webhook(tenant, webhook, |settings| {
                let change = !is_disabled(settings.stop);
                if change {
                    settings.stop = Some(stop);
                }
                change
            })
            .await?;
        tracing::warn!(%webhook, ?reason, "a webhook is disabled; its deliveries are held");
        self.directory.reload(tenant).await?;
        Ok(())
    }
}
