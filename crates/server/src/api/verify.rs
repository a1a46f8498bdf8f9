//! `Verify`: check a received request, against a webhook's secrets or against given ones.

use std::sync::Arc;

use hookwright_core::{Profile, Request, Secret, Tolerance, Verifier};
use hookwright_proto::v1::{self, verify_request::Key};
use hookwright_store::WebhookId;

use super::{
    Service, convert,
    error::{ApiError, Reason, Violation},
    validate,
};

const SECRETS_MAX: usize = 10;

impl Service {
    pub(super) async fn verify(&self, request: v1::VerifyRequest) -> Result<v1::VerifyResponse, ApiError> {
        let tolerance = tolerance(request.tolerance.as_ref())?;
        let (profile, verifier) = match request.key {
            Some(Key::WebhookId(id)) => self.of_webhook(id).await?,
            Some(Key::ProfileKey(key)) => of_profile(&key)?,
            None => {
                return Err(Violation::new(
                    "key",
                    Reason::MissingField,
                    "give a webhook_id or a profile_key",
                )
                .into());
            }
        };
        let headers: Vec<(&str, &[u8])> = request
            .headers
            .iter()
            .map(|header| (header.name.as_str(), header.value.as_ref()))
            .collect();
        let received = Request {
            method: "POST",
            url: "",
            headers: &headers,
            body: &request.body,
        };
        let now = self.store.clock().now().unix_seconds();
        Ok(check(
            &profile,
            &verifier.with_tolerance(tolerance),
            &received,
            now,
        ))
    }

    async fn of_webhook(&self, id: String) -> Result<(Arc<Profile>, Verifier), ApiError> {
        let webhook: WebhookId = validate::id("webhook_id", &id)?;
        let tenant = self.tenant();
        self.directory.tenant(tenant).await?;
        let mut found = self.directory.webhook(webhook);
        if found.is_none() {
            // Perhaps it was registered on another node a moment ago.
            self.directory.reload(tenant).await?;
            found = self.directory.webhook(webhook);
        }
        let live = found
            .filter(|live| live.webhook.tenant == tenant)
            .ok_or(ApiError::WebhookNotFound(id))?;
        Ok((Arc::clone(&live.profile), live.verifier.clone()))
    }
}

fn of_profile(key: &v1::ProfileKey) -> Result<(Arc<Profile>, Verifier), Violation> {
    if key.profile.is_empty() {
        return Err(Violation::new(
            "profile_key.profile",
            Reason::MissingField,
            "say which platform signed",
        ));
    }
    let profile = validate::profile("profile_key.profile", &key.profile)?;
    if key.secrets.len() > SECRETS_MAX {
        return Err(Violation::new(
            "profile_key.secrets",
            Reason::TooManyValues,
            format!("at most {SECRETS_MAX}"),
        ));
    }
    let secrets = key
        .secrets
        .iter()
        .enumerate()
        .map(|(position, text)| validate::secret(&format!("profile_key.secrets[{position}]"), text, &profile))
        .collect::<Result<Vec<_>, _>>()?;
    let verifier = verifier("profile_key.secrets", &profile, &secrets)?;
    Ok((profile, verifier))
}

fn verifier(field: &str, profile: &Profile, secrets: &[Secret]) -> Result<Verifier, Violation> {
    Verifier::for_profile(profile, secrets)
        .map_err(|error| Violation::new(field, Reason::InvalidSecret, error.to_string()))
}

fn tolerance(tolerance: Option<&pbjson_types::Duration>) -> Result<Tolerance, Violation> {
    let Some(tolerance) = tolerance else {
        return Ok(Tolerance::SchemeDefault);
    };
    validate::duration(tolerance)
        .and_then(|tolerance| u32::try_from(tolerance.as_secs()).ok())
        .map(Tolerance::Seconds)
        .ok_or_else(|| {
            Violation::new(
                "tolerance",
                Reason::InvalidTimeout,
                "must not be negative or over 100 years",
            )
        })
}

fn check(profile: &Profile, verifier: &Verifier, received: &Request<'_>, now: i64) -> v1::VerifyResponse {
    let verified = match verifier.verify(received, now) {
        Ok(verified) => verified,
        Err(error) => return refused(error.code(), error.to_string()),
    };
    // Only a body that somebody vouches for is taken apart.
    let envelope = match profile.parse_request(received) {
        Ok(envelope) => envelope,
        Err(error) => return refused(error.code(), error.to_string()),
    };
    v1::VerifyResponse {
        valid: true,
        event_id: envelope
            .id
            .or_else(|| verified.id.map(ToOwned::to_owned))
            .unwrap_or_default(),
        event_type: envelope.event_type.unwrap_or_default(),
        timestamp: verified.timestamp.map(convert::timestamp_of_seconds),
        secret_index: u32::try_from(verified.secret_index).unwrap_or(u32::MAX),
        ..v1::VerifyResponse::default()
    }
}

fn refused(reason: &str, message: String) -> v1::VerifyResponse {
    v1::VerifyResponse {
        reason: reason.to_owned(),
        message,
        ..v1::VerifyResponse::default()
    }
}
