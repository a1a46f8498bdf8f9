//! `CancelDelivery`: no further attempt.

use hookwright_proto::v1;
use hookwright_store::{Cancelled, DeliveryId};

use super::{Caller, Service, convert, error::ApiError, validate};

impl Service {
    pub(super) async fn cancel_delivery(
        &self,
        caller: &Caller,
        request: v1::CancelDeliveryRequest,
    ) -> Result<v1::CancelDeliveryResponse, ApiError> {
        let id: DeliveryId = validate::id("id", &request.id)?;
        match self.store.cancel_delivery(caller.tenant, id).await? {
            Cancelled::Done => Ok(v1::CancelDeliveryResponse {
                delivery: Some(self.delivery_now(caller, id).await?),
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
