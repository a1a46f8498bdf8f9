//! `UpdateWebhook`: the fields that the mask names.

use hookwright_proto::v1;
use hookwright_store::{WebhookId, WebhookSettings};

use super::{
    Caller, Service, connection, convert,
    error::{ApiError, Reason, Violation},
    settings::{self, Context},
    validate::{self, Violations},
};

impl Service {
    pub(super) async fn update_webhook(
        &self,
        caller: &Caller,
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
        let tenant = caller.tenant;
        let not_found = || ApiError::WebhookNotFound(id.to_string());
        let current = self.store.webhook(tenant, id).await?.ok_or_else(not_found)?;
        let profile = validate::profile(
            "webhook.profile",
            &current.settings.profile,
            self.directory.registry(),
        )?;
        let now = self.store.clock().now();
        let read = |settings: &mut WebhookSettings, violations: &mut Violations| {
            let context = Context {
                profile: &profile,
                egress: &self.egress,
                stop: settings.stop,
                now,
            };
            settings::read_masked(&webhook, &paths, context, settings, violations);
        };
        let mut violations = Violations::default();
        let mut preview = current.settings.clone();
        read(&mut preview, &mut violations);
        violations.check(connection::headers_agree(&preview));
        let violations = violations.into_vec();
        if !violations.is_empty() {
            return Err(ApiError::Invalid(violations));
        }
        let is_named = |field: &str| paths.iter().any(|path| path == field);
        connection::foresee(&preview, is_named, &self.egress).await?;
        let is_shaken =
            preview.url != current.settings.url || preview.handshake != current.settings.handshake;
        if is_shaken {
            self.shake_hands(&mut preview).await?;
        }
        // Read again into what is stored by then: fields that somebody else has just changed stay changed.
        let updated = self
            .store_for(caller)
            .change_webhook(tenant, id, |settings| {
                read(settings, &mut Violations::default());
                // Somebody else may have changed the URL meanwhile, and then it was another receiver that agreed.
                if is_shaken && settings.url == preview.url {
                    settings.handshake.clone_from(&preview.handshake);
                }
                true
            })
            .await?
            .ok_or_else(not_found)?;
        self.directory.reload(tenant).await?;
        Ok(v1::UpdateWebhookResponse {
            webhook: Some(convert::webhook(updated)),
        })
    }
}
