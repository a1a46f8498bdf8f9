//! `DeleteWebhook`: no more deliveries; the log stays.

use hookwright_proto::v1;
use hookwright_store::{Removal, WebhookId};

use super::{Caller, Service, convert, error::ApiError, validate};

impl Service {
    pub(super) async fn delete_webhook(
        &self,
        caller: &Caller,
        request: v1::DeleteWebhookRequest,
    ) -> Result<v1::DeleteWebhookResponse, ApiError> {
        let id: WebhookId = validate::id("id", &request.id)?;
        let tenant = caller.tenant;
        let store = self.store_for(caller);
        let removal = match (request.etag.as_str(), convert::version(&request.etag)) {
            ("", _) => store.delete_webhook_version(tenant, id, None).await?,
            (_, Some(version)) => store.delete_webhook_version(tenant, id, Some(version)).await?,
            (_, None) if store.webhook(tenant, id).await?.is_some() => Removal::Changed,
            (_, None) => Removal::NotFound,
        };
        match removal {
            Removal::Removed => {}
            Removal::NotFound => return Err(ApiError::WebhookNotFound(request.id)),
            Removal::Changed => return Err(ApiError::EtagMismatch(request.id)),
        }
        self.directory.reload(tenant).await?;
        Ok(v1::DeleteWebhookResponse {})
    }
}
