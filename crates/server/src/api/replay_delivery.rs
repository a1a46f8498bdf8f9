//! `ReplayDelivery`: a delivery that is over, once more.

use hookwright_proto::v1;
use hookwright_store::{DeliveryId, Replayed};

use super::{Caller, Service, convert, error::ApiError, validate};

impl Service {
    pub(super) async fn replay_delivery(
        &self,
        caller: &Caller,
        request: v1::ReplayDeliveryRequest,
    ) -> Result<v1::ReplayDeliveryResponse, ApiError> {
        let id: DeliveryId = validate::id("id", &request.id)?;
        match self.store.replay_delivery(caller.tenant, id).await? {
            Replayed::Scheduled(_) => Ok(v1::ReplayDeliveryResponse {
                delivery: Some(self.delivery_now(caller, id).await?),
            }),
            Replayed::NotFound => Err(ApiError::DeliveryNotFound(request.id)),
            Replayed::NotOver(state) => Err(ApiError::WrongDeliveryState {
                id: request.id,
                state: convert::delivery_state(state),
                wanted: "only what is delivered, dead or cancelled is replayed",
            }),
            Replayed::WebhookGone => Err(ApiError::WebhookNotFound(id.webhook.to_string())),
        }
    }

    /// A delivery as the log has it now.
    pub(super) async fn delivery_now(
        &self,
        caller: &Caller,
        id: DeliveryId,
    ) -> Result<v1::Delivery, ApiError> {
        let detail = self.store.delivery(caller.tenant, id).await?;
        detail
            .map(|detail| convert::delivery(detail.delivery))
            .ok_or_else(|| ApiError::DeliveryNotFound(id.to_string()))
    }
}
