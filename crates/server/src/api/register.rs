//! `Register`: a new webhook and its first secret.

use std::sync::Arc;

use hookwright_core::{Profile, Secret};
use hookwright_proto::v1;
use hookwright_store::WebhookSettings;

use super::{
    Service, convert,
    error::{ApiError, Reason, Violation},
    validate::{self, Violations},
};
use crate::egress::EgressRules;

impl Service {
    pub(super) async fn register(
        &self,
        request: v1::RegisterRequest,
    ) -> Result<v1::RegisterResponse, ApiError> {
        let (settings, secret) = accept(request, self.egress)?;
        let tenant = self.tenant();
        let webhook = self
            .store
            .insert_webhook(tenant, settings, std::slice::from_ref(&secret))
            .await?;
        self.directory.reload(tenant).await?;
        Ok(v1::RegisterResponse {
            webhook: Some(convert::webhook(webhook)),
            secret: secret.expose().to_owned(),
        })
    }
}

fn accept(request: v1::RegisterRequest, egress: EgressRules) -> Result<(WebhookSettings, Secret), ApiError> {
    let Some(webhook) = request.webhook else {
        return Err(Violation::new("webhook", Reason::MissingField, "say what to register").into());
    };
    let mut violations = Violations::default();
    let state = webhook.state;
    let profile = violations.check(validate::profile("webhook.profile", &webhook.profile));
    let name = violations.check(validate::name("webhook.name", webhook.name));
    let url = violations.check(validate::url("webhook.url", &webhook.url, egress));
    let event_types = violations.check(validate::event_type_patterns(
        "webhook.event_types",
        webhook.event_types,
    ));
    let schedule = violations.check(validate::retry_policy(
        "webhook.retry_policy",
        webhook.retry_policy,
    ));
    let timeout = violations.check(validate::timeout("webhook.timeout", webhook.timeout.as_ref()));
    let active = violations.check(is_active("webhook.state", state));
    // What depends on the profile can be looked at only when there is one.
    let headers = profile
        .as_ref()
        .and_then(|profile| violations.check(validate::headers("webhook.headers", webhook.headers, profile)));
    let secret = profile
        .as_ref()
        .and_then(|profile| violations.check(secret(&request.secret, profile)));
    match (
        profile,
        name,
        url,
        event_types,
        headers,
        schedule,
        timeout,
        active,
        secret,
    ) {
        (
            Some(profile),
            Some(name),
            Some(url),
            Some(event_types),
            Some(headers),
            Some(schedule),
            Some(timeout),
            Some(active),
            Some(secret),
        ) => {
            let profile = profile.name.clone();
            Ok((
                WebhookSettings {
                    name,
                    url,
                    profile,
                    event_types,
                    headers,
                    schedule,
                    timeout,
                    active,
                },
                secret,
            ))
        }
        _ => Err(ApiError::Invalid(violations.into_vec())),
    }
}

fn secret(text: &str, profile: &Arc<Profile>) -> Result<Secret, Violation> {
    if text.is_empty() {
        return Ok(Secret::from_random(rand::random()));
    }
    let secret = validate::secret("secret", text, profile)?;
    if secret.is_short() {
        tracing::warn!("a webhook was registered with a secret of fewer than 16 bytes, which can be guessed");
    }
    Ok(secret)
}

pub(super) fn is_active(field: &str, state: i32) -> Result<bool, Violation> {
    match v1::WebhookState::try_from(state) {
        Ok(v1::WebhookState::Unspecified | v1::WebhookState::Active) => Ok(true),
        Ok(v1::WebhookState::Disabled) => Ok(false),
        Err(_) => Err(Violation::new(
            field,
            Reason::UnknownState,
            format!("no state has the number {state}"),
        )),
    }
}
