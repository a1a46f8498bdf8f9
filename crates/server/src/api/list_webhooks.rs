//! `ListWebhooks`: newest first.

use hookwright_proto::v1;

use super::{Caller, Service, convert, error::ApiError, page_token, validate};

/// What tells a token of this list from others.
const LIST: &str = "webhooks";

impl Service {
    pub(super) async fn list_webhooks(
        &self,
        caller: &Caller,
        request: v1::ListWebhooksRequest,
    ) -> Result<v1::ListWebhooksResponse, ApiError> {
        let size = validate::page_size(request.page_size)?;
        let before = page_token::read(&LIST, &request.page_token)?;
        let page = self.store.webhooks(caller.tenant, before, size).await?;
        Ok(v1::ListWebhooksResponse {
            webhooks: page.rows.into_iter().map(convert::webhook).collect(),
            next_page_token: page
                .next
                .map_or_else(String::new, |id| page_token::write(&LIST, &id)),
        })
    }
}
