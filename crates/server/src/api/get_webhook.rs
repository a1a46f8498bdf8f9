//! `GetWebhook`: one webhook, without its secret.

use hookwright_proto::v1;

use super::{Caller, Service, error::ApiError, flow, validate};

impl Service {
    pub(super) async fn get_webhook(
        &self,
        caller: &Caller,
        request: v1::GetWebhookRequest,
    ) -> Result<v1::GetWebhookResponse, ApiError> {
        let id = validate::id("id", &request.id)?;
        let webhook = self
            .store
            .webhook(caller.tenant, id)
            .await?
            .ok_or(ApiError::WebhookNotFound(request.id))?;
        let mut webhook = self.with_held_count(webhook).await?;
        // In memory once it has been delivered to, or its tenant has published something.
        self.directory.tenant(caller.tenant).await?;
        if let Some(live) = self.directory.webhook(id) {
            flow::show(&live.gauge, webhook.status.get_or_insert_default());
        }
        Ok(v1::GetWebhookResponse {
            webhook: Some(webhook),
        })
    }
}
