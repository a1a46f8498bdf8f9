//! `Publish`: accept an event. Answered after the commit.

use bytes::Bytes;
use hookwright_proto::v1;

use super::{
    Caller, Service,
    access_error::AccessError,
    alert, convert,
    error::ApiError,
    ordering,
    validate::{self, Violations},
};

/// An event that may be published.
pub(super) struct AcceptableEvent {
    pub(super) event_type: String,
    pub(super) payload: Bytes,
    pub(super) ordering_key: Option<String>,
    pub(super) idempotency_key: Option<String>,
}

impl Service {
    pub(super) async fn publish(
        &self,
        caller: &Caller,
        request: v1::PublishRequest,
    ) -> Result<v1::PublishResponse, ApiError> {
        caller
            .limits
            .admit_publish()
            .map_err(AccessError::PublishRateExceeded)?;
        self.publish_admitted(caller, request).await
    }

    /// The same for an event that has waited for its turn in the tenant's rate.
    pub(super) async fn publish_admitted(
        &self,
        caller: &Caller,
        request: v1::PublishRequest,
    ) -> Result<v1::PublishResponse, ApiError> {
        let event = self.accept_event(caller, request).await?;
        if !caller.limits.admit_event() {
            return Err(AccessError::EventQuotaExceeded.into());
        }
        let published = self
            .intake
            .publish(
                caller.tenant,
                event.event_type,
                event.payload,
                event.ordering_key,
                event.idempotency_key,
            )
            .await?;
        Ok(v1::PublishResponse {
            event_id: published.event.to_string(),
            delivery_count: u32::try_from(published.delivery_count).unwrap_or(u32::MAX),
            duplicate: published.duplicate,
            create_time: Some(convert::timestamp(published.event.created_at())),
        })
    }

    /// Checks an event, against the catalogue too when that is asked for.
    pub(super) async fn accept_event(
        &self,
        caller: &Caller,
        request: v1::PublishRequest,
    ) -> Result<AcceptableEvent, ApiError> {
        let mut violations = Violations::default();
        let event_type = violations
            .check(validate::event_type("event_type", request.event_type).and_then(alert::not_operational));
        let payload = violations.check(validate::payload(
            "payload",
            &request.payload,
            caller.limits.payload_bytes_max(self.limits.payload_bytes),
        ));
        let key = violations.check(validate::idempotency_key(
            "idempotency_key",
            request.idempotency_key,
        ));
        let ordering_key = violations.check(ordering::key("ordering_key", request.ordering_key));
        let (Some(event_type), Some(()), Some(idempotency_key), Some(ordering_key)) =
            (event_type, payload, key, ordering_key)
        else {
            return Err(ApiError::Invalid(violations.into_vec()));
        };
        if request.validate_payload {
            self.check_against_catalogue(caller, &event_type, &request.payload)
                .await?;
        }
        Ok(AcceptableEvent {
            event_type,
            payload: request.payload,
            ordering_key,
            idempotency_key,
        })
    }
}
