//! `PauseWebhook` and `ResumeWebhook`: whether deliveries of a webhook are made or held.

use hookwright_proto::v1;
use hookwright_store::{DisabledReason, Stop, StopCause, Timestamp, Webhook, WebhookId};

use super::{
    Caller, Service, convert,
    error::{ApiError, Reason, Violation},
    validate,
};

/// Held deliveries are counted up to this number.
const COUNT_MAX: u32 = 10_000;

impl Service {
    pub(super) async fn pause_webhook(
        &self,
        caller: &Caller,
        request: v1::PauseWebhookRequest,
    ) -> Result<v1::PauseWebhookResponse, ApiError> {
        let stop = Stop {
            cause: StopCause::Paused,
            since: self.store.clock().now(),
        };
        let webhook = self.set_stop(caller, &request.id, Some(stop)).await?;
        Ok(v1::PauseWebhookResponse {
            webhook: Some(webhook),
        })
    }

    pub(super) async fn resume_webhook(
        &self,
        caller: &Caller,
        request: v1::ResumeWebhookRequest,
    ) -> Result<v1::ResumeWebhookResponse, ApiError> {
        let webhook = self.set_stop(caller, &request.id, None).await?;
        Ok(v1::ResumeWebhookResponse {
            webhook: Some(webhook),
        })
    }

    /// Stops an active webhook, or makes a stopped one active. It stays as it is when it is that already.
    async fn set_stop(&self, caller: &Caller, id: &str, stop: Option<Stop>) -> Result<v1::Webhook, ApiError> {
        let id: WebhookId = validate::id("id", id)?;
        let tenant = caller.tenant;
        let webhook = self
            .store_for(caller)
            .change_webhook(tenant, id, |settings| {
                let change = settings.stop.is_some() != stop.is_some();
                if change {
                    settings.stop = stop;
                }
                change
            })
            .await?
            .ok_or_else(|| ApiError::WebhookNotFound(id.to_string()))?;
        self.directory.reload(tenant).await?;
        self.with_held_count(webhook).await
    }

    /// A webhook with the number of deliveries that it holds.
    pub(super) async fn with_held_count(&self, webhook: Webhook) -> Result<v1::Webhook, ApiError> {
        let (tenant, id) = (webhook.tenant, webhook.id);
        let mut shown = convert::webhook(webhook);
        if let Some(status) = &mut shown.status {
            // One more tells whether there are more.
            let limit = usize::try_from(COUNT_MAX).unwrap_or(usize::MAX).saturating_add(1);
            let count = self.store.count_waiting(tenant, id, limit).await?;
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            status.held_count = count.min(COUNT_MAX);
            status.held_count_exceeded = count > COUNT_MAX;
        }
        Ok(shown)
    }
}

/// What a state means for a webhook that is in another one or in the same. `None` is active.
pub(super) fn stop(
    field: &str,
    state: i32,
    current: Option<Stop>,
    now: Timestamp,
) -> Result<Option<Stop>, Violation> {
    let wanted = match v1::WebhookState::try_from(state) {
        Ok(v1::WebhookState::Unspecified | v1::WebhookState::Active) => return Ok(None),
        Ok(v1::WebhookState::Paused) => StopCause::Paused,
        Ok(v1::WebhookState::Disabled) => StopCause::Disabled(DisabledReason::Owner),
        Err(_) => {
            return Err(Violation::new(
                field,
                Reason::UnknownState,
                format!("no state has the number {state}"),
            ));
        }
    };
    // A state that is written back as it was read keeps its reason and its time.
    let unchanged = current.filter(|current| {
        matches!(
            (current.cause, wanted),
            (StopCause::Paused, StopCause::Paused) | (StopCause::Disabled(_), StopCause::Disabled(_))
        )
    });
    Ok(Some(unchanged.unwrap_or(Stop {
        cause: wanted,
        since: now,
    })))
}
