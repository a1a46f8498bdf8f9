//! `CancelDelivery`: no further attempt.

use hookwright_proto::v1;
use hookwright_store::{Cancelled, DeliveryId};

use super::{Service, convert, error::ApiError, validate};

impl Service {
    pub(super) async fn cancel_delivery(
        &self,
        request: v1::CancelDeliveryRequest,
    ) -> Result<v1::CancelDeliveryResponse, ApiError> {
        let id: DeliveryId = validate::id("id", &request.id)?;
        match self.store.cancel_delivery(self.tenant(), id).await? {
            Cancelled::Done => Ok(v1::CancelDeliveryResponse {
                delivery: Some(self.delivery_now(id).await?),
            }),
            Cancelled::NotFound => Err(ApiError::DeliveryNotFound(request.id)),
            Cancelled::NotScheduled(state) => Err(ApiError::WrongDeliveryState {
                id: request.id,
                state: convert::delivery_state(state),
                wanted: "only what waits for an attempt is cancelled",
            }),
        }
    }
}
