//! `UpdateWebhook`: the fields that the mask names.

use hookwright_proto::v1;
use hookwright_store::{WebhookId, WebhookSettings};

use super::{
    Service, convert,
    error::{ApiError, Reason, Violation},
    register::is_active,
    validate::{self, Violations},
};
use crate::egress::EgressRules;

const FIELDS: &str = "name, url, event_types, headers, retry_policy, timeout and state";

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
        if paths.is_empty() {
            let description = format!("name the fields to change: {FIELDS}");
            return Err(Violation::new("update_mask", Reason::EmptyUpdateMask, description).into());
        }
        let tenant = self.tenant();
        let not_found = || ApiError::WebhookNotFound(id.to_string());
        let current = self.store.webhook(tenant, id).await?.ok_or_else(not_found)?;
        let settings = apply(current.settings, &webhook, &paths, self.egress)?;
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

fn apply(
    mut settings: WebhookSettings,
    new: &v1::Webhook,
    paths: &[String],
    egress: EgressRules,
) -> Result<WebhookSettings, ApiError> {
    let mut violations = Violations::default();
    let profile = validate::profile("webhook.profile", &settings.profile)?;
    for path in paths {
        match path.as_str() {
            "name" => {
                let name = validate::name("webhook.name", new.name.clone());
                violations.check(name.map(|name| settings.name = name));
            }
            "url" => {
                let url = validate::url("webhook.url", &new.url, egress);
                violations.check(url.map(|url| settings.url = url));
            }
            "event_types" => {
                let types = validate::event_type_patterns("webhook.event_types", new.event_types.clone());
                violations.check(types.map(|types| settings.event_types = types));
            }
            "headers" => {
                let headers = validate::headers("webhook.headers", new.headers.clone(), &profile);
                violations.check(headers.map(|headers| settings.headers = headers));
            }
            "retry_policy" => {
                let schedule = validate::retry_policy("webhook.retry_policy", new.retry_policy.clone());
                violations.check(schedule.map(|schedule| settings.schedule = schedule));
            }
            "timeout" => {
                let timeout = validate::timeout("webhook.timeout", new.timeout.as_ref());
                violations.check(timeout.map(|timeout| settings.timeout = timeout));
            }
            "state" => {
                let active = is_active("webhook.state", new.state);
                violations.check(active.map(|active| settings.active = active));
            }
            other => {
                let description = format!("{other:?} cannot be changed; {FIELDS} can");
                violations.check::<()>(Err(Violation::new(
                    "update_mask",
                    Reason::InvalidUpdateMask,
                    description,
                )));
            }
        }
    }
    match violations.into_vec() {
        violations if violations.is_empty() => Ok(settings),
        violations => Err(ApiError::Invalid(violations)),
    }
}
