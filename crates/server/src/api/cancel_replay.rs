//! `CancelReplay`: stops a job within a batch.

use hookwright_proto::v1;

use super::{Caller, Service, error::ApiError, get_replay, validate};

impl Service {
    pub(super) async fn cancel_replay(
        &self,
        caller: &Caller,
        request: v1::CancelReplayRequest,
    ) -> Result<v1::CancelReplayResponse, ApiError> {
        let id = validate::id("id", &request.id)?;
        let replay = self
            .store
            .cancel_replay(caller.tenant, id)
            .await?
            .ok_or(ApiError::ReplayNotFound(request.id))?;
        Ok(v1::CancelReplayResponse {
            replay: Some(get_replay::to_wire(replay)),
        })
    }
}
