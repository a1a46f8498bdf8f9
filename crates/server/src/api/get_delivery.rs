//! `GetDelivery`: one delivery with its event and attempts, and why the webhook gets such an event.

use hookwright_proto::v1;
use hookwright_store::{Delivery, DeliveryState, Event, WebhookId};

use super::{Caller, Service, clauses, convert, error::ApiError, validate};
use crate::{maintenance::hold_policy, matching::Subject};

impl Service {
    pub(super) async fn get_delivery(
        &self,
        caller: &Caller,
        request: v1::GetDeliveryRequest,
    ) -> Result<v1::GetDeliveryResponse, ApiError> {
        let id = validate::id("id", &request.id)?;
        let detail = self
            .store
            .delivery(caller.tenant, id)
            .await?
            .ok_or(ApiError::DeliveryNotFound(request.id))?;
        let hold = self.hold(caller, &detail.delivery).await?;
        Ok(v1::GetDeliveryResponse {
            match_explanation: self.explain_now(caller, id.webhook, &detail.event).await?,
            delivery: Some(convert::delivery(detail.delivery)),
            event: Some(convert::event(detail.event)),
            attempts: detail.attempts.into_iter().map(convert::attempt).collect(),
            hold,
        })
    }

    async fn hold(&self, caller: &Caller, delivery: &Delivery) -> Result<Option<v1::Hold>, ApiError> {
        if !matches!(delivery.state, DeliveryState::Held { .. }) {
            return Ok(None);
        }
        let webhook = self.store.webhook(caller.tenant, delivery.id.webhook).await?;
        Ok(webhook.and_then(|webhook| {
            let policy = hold_policy(&webhook.settings, self.directory.registry());
            convert::hold(delivery, policy.max_age)
        }))
    }

    /// By the webhook's settings of this moment; none when it is deleted.
    async fn explain_now(
        &self,
        caller: &Caller,
        webhook: WebhookId,
        event: &Event,
    ) -> Result<Option<v1::MatchExplanation>, ApiError> {
        let index = self.directory.tenant(caller.tenant).await?;
        let Some(live) = index.find(webhook) else {
            return Ok(index.is_unusable(webhook).then(|| clauses::unusable(webhook)));
        };
        let created_at = event.id.created_at().unix_seconds();
        let subject = Subject::new(&event.event_type, created_at, &event.payload);
        Ok(Some(clauses::explain(live, &subject, &event.event_type)))
    }
}
