//! `SendTest`: a test event for one webhook, by the way that every event goes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hookwright_core::Profile;
use hookwright_proto::v1;
use hookwright_store::{DeliveryDetail, DeliveryId, Webhook, WebhookId};

use super::{
    Caller, Service, convert,
    error::{ApiError, Reason, Violation},
    validate::{self, Violations},
};

const WAIT_MAX: Duration = Duration::from_mins(1);
/// How often the log is asked for the result.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(5);
const LOOK_EVERY_MAX: Duration = Duration::from_millis(100);
/// For profiles without a catalogue.
const TYPE_WITHOUT_CATALOGUE: &str = "webhook.test";
const PAYLOAD_WITHOUT_SAMPLE: &[u8] = br#"{"test":true}"#;

impl Service {
    pub(super) async fn send_test(
        &self,
        caller: &Caller,
        request: v1::SendTestRequest,
    ) -> Result<v1::SendTestResponse, ApiError> {
        let id: WebhookId = validate::id("id", &request.id)?;
        let tenant = caller.tenant;
        let webhook = self
            .store
            .webhook(tenant, id)
            .await?
            .ok_or_else(|| ApiError::WebhookNotFound(id.to_string()))?;
        let profile = validate::profile(
            "webhook.profile",
            &webhook.settings.profile,
            self.directory.registry(),
        )?;
        let mut violations = Violations::default();
        let event_type = violations.check(event_type(request.event_type, &webhook, &profile));
        let payload =
            violations.check(self.test_payload(caller, request.payload, event_type.as_deref(), &profile));
        let wait = violations.check(wait(request.wait.as_ref()));
        let (Some(event_type), Some(payload), Some(wait)) = (event_type, payload, wait) else {
            return Err(ApiError::Invalid(violations.into_vec()));
        };
        if convert::webhook(webhook).state() != v1::WebhookState::Active {
            return Err(ApiError::WebhookNotActive(id.to_string()));
        }
        // The webhook may be newer than what this node remembers.
        if self.directory.tenant(tenant).await?.find(id).is_none() {
            self.directory.reload(tenant).await?;
        }
        let published = self.intake.publish_test(tenant, id, event_type, payload).await?;
        let delivery = DeliveryId {
            event: published.event,
            webhook: id,
        };
        let detail = self.result_of(caller, delivery, wait).await?;
        Ok(v1::SendTestResponse {
            delivery: Some(convert::delivery(detail.delivery)),
            attempt: detail.attempts.into_iter().next().map(convert::attempt),
        })
    }

    fn test_payload(
        &self,
        caller: &Caller,
        payload: Bytes,
        event_type: Option<&str>,
        profile: &Profile,
    ) -> Result<Bytes, Violation> {
        if payload.is_empty() {
            let sample = event_type
                .and_then(|event_type| profile.event_type(event_type))
                .and_then(|event_type| event_type.sample.clone());
            return Ok(sample.map_or(Bytes::from_static(PAYLOAD_WITHOUT_SAMPLE), Bytes::from));
        }
        validate::payload(
            "payload",
            &payload,
            caller.limits.payload_bytes_max(self.limits.payload_bytes),
        )?;
        Ok(payload)
    }

    /// The delivery, as soon as its first attempt has ended, or after `wait`.
    async fn result_of(
        &self,
        caller: &Caller,
        delivery: DeliveryId,
        wait: Duration,
    ) -> Result<DeliveryDetail, ApiError> {
        let tenant = caller.tenant;
        let deadline = Instant::now() + wait;
        let mut pause = LOOK_EVERY_MIN;
        loop {
            let detail = self
                .store
                .delivery(tenant, delivery)
                .await?
                .ok_or_else(|| ApiError::DeliveryNotFound(delivery.to_string()))?;
            let left = deadline.saturating_duration_since(Instant::now());
            // Attempts are read after the delivery, and may be newer. Once it counts one, it has its state too.
            if left.is_zero() || detail.delivery.attempt_count > 0 {
                return Ok(detail);
            }
            tokio::time::sleep(pause.min(left)).await;
            pause = (pause * 2).min(LOOK_EVERY_MAX);
        }
    }
}

/// The given type, or one that this receiver is likely to understand.
fn event_type(given: String, webhook: &Webhook, profile: &Profile) -> Result<String, Violation> {
    if !given.is_empty() {
        return validate::event_type("event_type", given);
    }
    let patterns = &webhook.settings.event_types;
    let wants = |name: &str| {
        patterns.is_empty()
            || patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix),
                None => pattern == name,
            })
    };
    let with_sample = || {
        profile
            .event_types()
            .iter()
            .filter(|known| known.sample.is_some())
    };
    let found = with_sample()
        .find(|known| wants(&known.name))
        .or_else(|| with_sample().next());
    Ok(found.map_or_else(|| TYPE_WITHOUT_CATALOGUE.to_owned(), |known| known.name.clone()))
}

fn wait(wait: Option<&pbjson_types::Duration>) -> Result<Duration, Violation> {
    let Some(wait) = wait else {
        return Ok(Duration::ZERO);
    };
    validate::duration(wait)
        .filter(|wait| *wait <= WAIT_MAX)
        .ok_or_else(|| Violation::new("wait", Reason::InvalidTimeout, "0 to 60 s"))
}
