//! `Register`: a new webhook and its first secret.

use std::{mem, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hookwright_core::{Profile, Registry, Secret};
use hookwright_egress::Egress;
use hookwright_proto::v1;
use hookwright_store::{Registration, RegistrationKey, Timestamp, WebhookSettings};
use sha2::{Digest as _, Sha256};

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
        let tenant = caller.tenant;
        let key = registration_key(&mut request);
        // Before the receiver is bothered again.
        if let Ok(Some(key)) = &key
            && let Some(known) = self.store.registration(tenant, key).await?
        {
            return self.registered(caller, known, None).await;
        }
        let (mut settings, secret, key) = accept(
            request,
            key,
            self.directory.registry(),
            &self.egress,
            self.store.clock().now(),
        )?;
        connection::foresee(&settings, |_| true, &self.egress).await?;
        self.shake_hands(&mut settings).await?;
        let max = caller.limits.webhooks_max();
        let secrets = std::slice::from_ref(&secret);
        let registration = self
            .store_for(caller)
            .register_webhook(tenant, settings, secrets, key.as_ref(), max)
            .await?;
        self.registered(caller, registration, Some(secret)).await
    }

    /// Answers what came of it. `secret`: of a new webhook.
    async fn registered(
        &self,
        caller: &Caller,
        registration: Registration,
        secret: Option<Secret>,
    ) -> Result<v1::RegisterResponse, ApiError> {
        let (webhook, secret, duplicate) = match registration {
            Registration::Registered(webhook) => (webhook, secret, false),
            Registration::Repeated { webhook, secret } => (webhook, secret, true),
            Registration::KeyReused(id) => return Err(ApiError::RegistrationKeyReused(id)),
            Registration::Deleted(id) => return Err(ApiError::WebhookNotFound(id.to_string())),
            Registration::TooMany => {
                let max = caller.limits.webhooks_max().unwrap_or_default();
                return Err(AccessError::WebhookQuotaExceeded(max).into());
            }
        };
        // With a repetition too: this node may not have seen the webhook yet.
        self.directory.reload(caller.tenant).await?;
        Ok(v1::RegisterResponse {
            webhook: Some(convert::webhook(*webhook)),
            // Of a key pair the receiver gets the public half; the private one stays here.
            secret: secret.map_or_else(String::new, |secret| secret.for_receiver().expose().to_owned()),
            duplicate,
        })
    }
}

/// Takes the key out of a request, and what the request is without it.
fn registration_key(request: &mut v1::RegisterRequest) -> Result<Option<RegistrationKey>, Violation> {
    let key = mem::take(&mut request.idempotency_key);
    let key = validate::idempotency_key("idempotency_key", key)?;
    Ok(key.map(|key| RegistrationKey {
        key,
        digest: digest(request),
    }))
}

fn digest(request: &v1::RegisterRequest) -> String {
    // A value of serde's sorts its members, which maps on the wire do not. Texts and numbers: nothing that could fail.
    let canonical = serde_json::to_value(request).unwrap_or_default().to_string();
    BASE64.encode(Sha256::digest(canonical))
}

fn accept(
    request: v1::RegisterRequest,
    key: Result<Option<RegistrationKey>, Violation>,
    registry: &Registry,
    egress: &Egress,
    now: Timestamp,
) -> Result<(WebhookSettings, Secret, Option<RegistrationKey>), ApiError> {
    let mut violations = Violations::default();
    let key = violations.check(key);
    let Some(webhook) = request.webhook else {
        let missing = Violation::new("webhook", Reason::MissingField, "say what to register");
        violations.check::<()>(Err(missing));
        return Err(ApiError::Invalid(violations.into_vec()));
    };
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
    match (secret, key, violations.into_vec()) {
        (Some(secret), Some(key), violations) if violations.is_empty() => Ok((settings, secret, key)),
        (.., violations) => Err(ApiError::Invalid(violations)),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> v1::RegisterRequest {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        v1::RegisterRequest {
            webhook: Some(v1::Webhook {
                url: "https://example.com".to_owned(),
                headers: headers.collect(),
                ..v1::Webhook::default()
            }),
            ..v1::RegisterRequest::default()
        }
    }

    #[test]
    fn the_same_request_has_the_same_digest_however_its_maps_are_ordered() {
        // A repetition would be refused, now and then.
        let names: Vec<String> = (0..20).map(|number| format!("x-{number}")).collect();
        let forwards: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
        let backwards: Vec<(&str, &str)> = forwards.iter().rev().copied().collect();
        assert_eq!(digest(&request(&forwards)), digest(&request(&backwards)));
    }

    #[test]
    fn requests_that_differ_anywhere_have_other_digests() {
        // Something that was never stored would be answered as registered.
        let plain = request(&[]);
        let mut with_secret = plain.clone();
        with_secret.secret = "a secret of some length".to_owned();
        let others = [request(&[("x-a", "1")]), request(&[("x-a", "2")]), with_secret];
        for (position, other) in others.iter().enumerate() {
            assert_ne!(digest(other), digest(&plain));
            assert!(
                others[..position]
                    .iter()
                    .all(|before| digest(before) != digest(other))
            );
        }
    }

    #[test]
    fn the_key_itself_is_no_part_of_the_request() {
        // Old keys would be stored a second time, in a form that can be guessed.
        let mut keyed = request(&[]);
        keyed.idempotency_key = "key".to_owned();
        let key = registration_key(&mut keyed).unwrap().unwrap();
        assert_eq!((key.key.as_str(), key.digest), ("key", digest(&request(&[]))));
    }
}
