//! `Register`: a new webhook and its first secret.

use std::sync::Arc;

use hookwright_core::{Profile, Registry, Secret};
use hookwright_egress::Egress;
use hookwright_proto::v1;
use hookwright_store::{Timestamp, WebhookSettings};

use super::{
    Caller, Service,
    access_error::AccessError,
    connection, convert,
    error::{ApiError, Reason, Violation},
    settings::{self, Context},
    validate::{self, Violations},
};

impl Service {
    pub(super) async fn register(
        &self,
        caller: &Caller,
        mut request: v1::RegisterRequest,
    ) -> Result<v1::RegisterResponse, ApiError> {
        // Whoever speaks the dialect of a platform registers webhooks of that platform.
        if let (Some(webhook), Some(profile)) = (&mut request.webhook, &caller.profile)
            && webhook.profile.is_empty()
        {
            webhook.profile = profile.to_string();
        }
        let (mut settings, secret) = accept(
            request,
            self.directory.registry(),
            &self.egress,
            self.store.clock().now(),
        )?;
        connection::foresee(&settings, |_| true, &self.egress).await?;
        self.shake_hands(&mut settings).await?;
        let tenant = caller.tenant;
        let max = caller.limits.webhooks_max();
        let webhook = self
            .store_for(caller)
            .register_webhook(tenant, settings, std::slice::from_ref(&secret), max)
            .await?
            .ok_or(AccessError::WebhookQuotaExceeded(max.unwrap_or_default()))?;
        self.directory.reload(tenant).await?;
        Ok(v1::RegisterResponse {
            webhook: Some(convert::webhook(webhook)),
            // Of a key pair the receiver gets the public half; the private one stays here.
            secret: secret.for_receiver().expose().to_owned(),
        })
    }
}

fn accept(
    request: v1::RegisterRequest,
    registry: &Registry,
    egress: &Egress,
    now: Timestamp,
) -> Result<(WebhookSettings, Secret), ApiError> {
    let Some(webhook) = request.webhook else {
        return Err(Violation::new("webhook", Reason::MissingField, "say what to register").into());
    };
    let mut violations = Violations::default();
    // The rest is read in the light of the profile. If that one is unknown, the default one serves to find what else is
    // wrong.
    let profile = match violations.check(validate::profile("webhook.profile", &webhook.profile, registry)) {
        Some(profile) => profile,
        None => validate::profile("webhook.profile", "", registry)?,
    };
    let mut settings = WebhookSettings::new(&profile.name, "");
    let context = Context {
        profile: &profile,
        egress,
        stop: None,
        now,
    };
    settings::read_all(&webhook, context, &mut settings, &mut violations);
    violations.check(connection::headers_agree(&settings));
    let secret = violations.check(secret(&request.secret, &profile));
    match (secret, violations.into_vec()) {
        (Some(secret), violations) if violations.is_empty() => Ok((settings, secret)),
        (_, violations) => Err(ApiError::Invalid(violations)),
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
