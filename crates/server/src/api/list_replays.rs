//! `ListReplays`: newest first.

use hookwright_proto::v1;
use hookwright_store::ReplayId;

use super::{
    Caller, Service,
    error::ApiError,
    get_replay, page_token,
    validate::{self, Violations},
};

const LIST: &str = "replays";

impl Service {
    pub(super) async fn list_replays(
        &self,
        caller: &Caller,
        request: v1::ListReplaysRequest,
    ) -> Result<v1::ListReplaysResponse, ApiError> {
        let mut violations = Violations::default();
        let size = violations.check(validate::page_size(request.page_size));
        let before = violations.check(page_token::read(&LIST, &request.page_token));
        let (Some(size), Some(before)) = (size, before) else {
            return Err(ApiError::Invalid(violations.into_vec()));
        };
        let page = self.store.replays(caller.tenant, before, size).await?;
        Ok(v1::ListReplaysResponse {
            replays: page.rows.into_iter().map(get_replay::to_wire).collect(),
            next_page_token: page
                .next
                .map_or_else(String::new, |id: ReplayId| page_token::write(&LIST, &id)),
        })
    }
}
