//! `CancelReplay`: stops a job within a batch.

use hookwright_proto::v1;

use super::{Service, error::ApiError, get_replay, validate};

impl Service {
    pub(super) async fn cancel_replay(
        &self,
        request: v1::CancelReplayRequest,
    ) -> Result<v1::CancelReplayResponse, ApiError> {
        let id = validate::id("id", &request.id)?;
        let replay = self
            .store
            .cancel_replay(self.tenant(), id)
            .await?
            .ok_or(ApiError::ReplayNotFound(request.id))?;
        Ok(v1::CancelReplayResponse {
            replay: Some(get_replay::to_wire(replay)),
        })
    }
}
