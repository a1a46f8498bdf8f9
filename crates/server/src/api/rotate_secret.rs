//! `RotateSecret`: a new secret, and the old ones beside it for a while.

use std::time::Duration;

use hookwright_core::{Profile, Secret};
use hookwright_proto::v1;
use hookwright_store::{Rotated, WebhookId};

use super::{
    Caller, Service, convert,
    error::{ApiError, Reason, Violation},
    validate::{self, Violations},
};

const OVERLAP_DEFAULT: Duration = Duration::from_hours(24);
const OVERLAP_MAX: Duration = Duration::from_hours(168);

impl Service {
    pub(super) async fn rotate_secret(
        &self,
        caller: &Caller,
        request: v1::RotateSecretRequest,
    ) -> Result<v1::RotateSecretResponse, ApiError> {
        let id: WebhookId = validate::id("id", &request.id)?;
        let tenant = caller.tenant;
        // As the store has it, not as this node remembers it: the secrets decide what is acceptable.
        let webhooks = self.store.tenant_webhooks(tenant).await?.webhooks;
        let current = webhooks
            .into_iter()
            .find(|webhook| webhook.webhook.id == id)
            .ok_or_else(|| ApiError::WebhookNotFound(id.to_string()))?;
        let profile = validate::profile(
            "webhook.profile",
            &current.webhook.settings.profile,
            self.directory.registry(),
        )?;
        let mut violations = Violations::default();
        let overlap = violations.check(overlap(request.overlap.as_ref()));
        let secret = violations.check(new_secret(&request.secret, &profile, &current.secrets));
        let (Some(overlap), Some(secret)) = (overlap, secret) else {
            return Err(ApiError::Invalid(violations.into_vec()));
        };
        match self
            .store_for(caller)
            .rotate_secret(tenant, id, &secret, overlap)
            .await?
        {
            Rotated::Done {
                webhook,
                old_expire_at,
                live,
            } => {
                self.directory.reload(tenant).await?;
                Ok(v1::RotateSecretResponse {
                    webhook: Some(convert::webhook(*webhook)),
                    secret: secret.for_receiver().expose().to_owned(),
                    old_secrets_expire_time: Some(convert::timestamp(old_expire_at)),
                    live_secret_count: u32::try_from(live).unwrap_or(u32::MAX),
                })
            }
            Rotated::NotFound => Err(ApiError::WebhookNotFound(id.to_string())),
            Rotated::TooMany { until } => Err(ApiError::TooManySecrets(until)),
        }
    }
}

fn overlap(overlap: Option<&pbjson_types::Duration>) -> Result<Duration, Violation> {
    let Some(overlap) = overlap else {
        return Ok(OVERLAP_DEFAULT);
    };
    validate::duration(overlap)
        .filter(|overlap| *overlap <= OVERLAP_MAX)
        .ok_or_else(|| Violation::new("overlap", Reason::InvalidOverlap, "0 to 7 days"))
}

/// The given secret, or one of the kind that the webhook has.
fn new_secret(text: &str, profile: &Profile, current: &[Secret]) -> Result<Secret, Violation> {
    if text.is_empty() {
        return Ok(if current.first().is_some_and(Secret::is_private_half) {
            Secret::key_pair_from_random(rand::random())
        } else {
            Secret::from_random(rand::random())
        });
    }
    let secret = validate::secret("secret", text, profile)?;
    if current.iter().any(|old| old.expose() == secret.expose()) {
        return Err(Violation::new(
            "secret",
            Reason::InvalidSecret,
            "this secret is in use already; rotating to it would change nothing",
        ));
    }
    Ok(secret)
}
