//! `Publish`: accept an event. Answered after the commit.

use hookwright_proto::v1;

use super::{
    Service, alert, convert,
    error::ApiError,
    validate::{self, Violations},
};

impl Service {
    pub(super) async fn publish(&self, request: v1::PublishRequest) -> Result<v1::PublishResponse, ApiError> {
        let mut violations = Violations::default();
        let event_type = violations
            .check(validate::event_type("event_type", request.event_type).and_then(alert::not_operational));
        let payload = violations.check(validate::payload(
            "payload",
            &request.payload,
            self.limits.payload_bytes,
        ));
        let key = violations.check(validate::idempotency_key(
            "idempotency_key",
            request.idempotency_key,
        ));
        let (Some(event_type), Some(()), Some(key)) = (event_type, payload, key) else {
            return Err(ApiError::Invalid(violations.into_vec()));
        };
        let published = self
            .intake
            .publish(self.tenant(), event_type, request.payload, key)
            .await?;
        Ok(v1::PublishResponse {
            event_id: published.event.to_string(),
            delivery_count: u32::try_from(published.delivery_count).unwrap_or(u32::MAX),
            duplicate: published.duplicate,
            create_time: Some(convert::timestamp(published.event.created_at())),
        })
    }
}
