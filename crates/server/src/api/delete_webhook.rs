//! `DeleteWebhook`: no more deliveries; the log stays.

use hookwright_proto::v1;

use super::{Caller, Service, error::ApiError, validate};

impl Service {
    pub(super) async fn delete_webhook(
        &self,
        caller: &Caller,
        request: v1::DeleteWebhookRequest,
    ) -> Result<v1::DeleteWebhookResponse, ApiError> {
        let id = validate::id("id", &request.id)?;
        let tenant = caller.tenant;
        if !self.store_for(caller).delete_webhook(tenant, id).await? {
            return Err(ApiError::WebhookNotFound(request.id));
        }
        self.directory.reload(tenant).await?;
        Ok(v1::DeleteWebhookResponse {})
    }
}
