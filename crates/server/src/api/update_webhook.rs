//! `UpdateWebhook`: the fields that the mask names.

use hookwright_proto::v1;
use hookwright_store::WebhookId;

use super::{
    Service, convert,
    error::{ApiError, Reason, Violation},
    settings::{self, Context},
    validate::{self, Violations},
};

impl Service {
    pub(super) async fn update_webhook(
        &self,
        request: v1::UpdateWebhookRequest,
    ) -> Result<v1::UpdateWebhookResponse, ApiError> {
        let Some(webhook) = request.webhook else {
            return Err(Violation::new(
                "webhook",
                Reason::MissingField,
                "say which webhook to change, and to what",
            )
            .into());
        };
        let id: WebhookId = validate::id("webhook.id", &webhook.id)?;
        let paths = request.update_mask.map(|mask| mask.paths).unwrap_or_default();
        let tenant = self.tenant();
        let not_found = || ApiError::WebhookNotFound(id.to_string());
        let current = self.store.webhook(tenant, id).await?.ok_or_else(not_found)?;
        let profile = validate::profile(
            "webhook.profile",
            &current.settings.profile,
            self.directory.registry(),
        )?;
        let mut settings = current.settings;
        let context = Context {
            profile: &profile,
            egress: self.egress,
        };
        let mut violations = Violations::default();
        settings::read_masked(&webhook, &paths, context, &mut settings, &mut violations);
        let violations = violations.into_vec();
        if !violations.is_empty() {
            return Err(ApiError::Invalid(violations));
        }
        let updated = self
            .store
            .update_webhook(tenant, id, &settings)
            .await?
            .ok_or_else(not_found)?;
        self.directory.reload(tenant).await?;
        Ok(v1::UpdateWebhookResponse {
            webhook: Some(convert::webhook(updated)),
        })
    }
}
