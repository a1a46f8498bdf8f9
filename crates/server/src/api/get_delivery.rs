//! `GetDelivery`: one delivery with its event and attempts.

use hookwright_proto::v1;
use hookwright_store::{Delivery, DeliveryState};

use super::{Service, convert, error::ApiError, validate};
use crate::maintenance::hold_policy;

impl Service {
    pub(super) async fn get_delivery(
        &self,
        request: v1::GetDeliveryRequest,
    ) -> Result<v1::GetDeliveryResponse, ApiError> {
        let id = validate::id("id", &request.id)?;
        let detail = self
            .store
            .delivery(self.tenant(), id)
            .await?
            .ok_or(ApiError::DeliveryNotFound(request.id))?;
        let hold = self.hold(&detail.delivery).await?;
        Ok(v1::GetDeliveryResponse {
            delivery: Some(convert::delivery(detail.delivery)),
            event: Some(convert::event(detail.event)),
            attempts: detail.attempts.into_iter().map(convert::attempt).collect(),
            hold,
        })
    }

    async fn hold(&self, delivery: &Delivery) -> Result<Option<v1::Hold>, ApiError> {
        if !matches!(delivery.state, DeliveryState::Held { .. }) {
            return Ok(None);
        }
        let webhook = self.store.webhook(self.tenant(), delivery.id.webhook).await?;
        Ok(webhook.and_then(|webhook| {
            let policy = hold_policy(&webhook.settings, self.directory.registry());
            convert::hold(delivery, policy.max_age)
        }))
    }
}
