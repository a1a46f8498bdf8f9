//! `GetDelivery`: one delivery with its event and attempts.

use hookwright_proto::v1;

use super::{Service, convert, error::ApiError, validate};

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
        Ok(v1::GetDeliveryResponse {
            delivery: Some(convert::delivery(detail.delivery)),
            event: Some(convert::event(detail.event)),
            attempts: detail.attempts.into_iter().map(convert::attempt).collect(),
        })
    }
}
