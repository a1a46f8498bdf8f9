//! `GetWebhook`: one webhook, without its secret.

use hookwright_proto::v1;

use super::{Service, error::ApiError, validate};

impl Service {
    pub(super) async fn get_webhook(
        &self,
        request: v1::GetWebhookRequest,
    ) -> Result<v1::GetWebhookResponse, ApiError> {
        let id = validate::id("id", &request.id)?;
        let webhook = self
            .store
            .webhook(self.tenant(), id)
            .await?
            .ok_or(ApiError::WebhookNotFound(request.id))?;
        Ok(v1::GetWebhookResponse {
            webhook: Some(self.with_held_count(webhook).await?),
        })
    }
}
