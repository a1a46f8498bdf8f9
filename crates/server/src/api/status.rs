//! Errors as gRPC tells them: a status, a stable reason, and the fields at fault. Nowhere else.

use std::{collections::HashMap, time::Duration};

use hookwright_proto::v1;
use hookwright_store::{SECRETS_MAX, StoreError};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use super::{
    convert,
    error::{ApiError, Violation},
};

/// The `domain` of every `ErrorInfo`.
const DOMAIN: &str = "hookwright";
/// What a caller is told to wait before it tries again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Invalid(violations) => invalid(&violations),
            ApiError::WebhookNotFound(id) => not_found("WEBHOOK_NOT_FOUND", "webhook", &id),
            ApiError::DeliveryNotFound(id) => not_found("DELIVERY_NOT_FOUND", "delivery", &id),
            ApiError::EventTypeNotFound(name) => not_found("EVENT_TYPE_NOT_FOUND", "event type", &name),
            ApiError::Broken(part) => status(
                Code::Internal,
                "INTERNAL",
                format!(
                    "{part} ended in a way that it should not; nothing was stored, and the log has details"
                ),
                [],
            ),
            ApiError::ReplayNotFound(id) => not_found("REPLAY_NOT_FOUND", "replay", &id),
            ApiError::WrongDeliveryState { id, state, wanted } => {
                let state = state.as_str_name().trim_start_matches("DELIVERY_STATE_");
                status(
                    Code::FailedPrecondition,
                    "WRONG_DELIVERY_STATE",
                    format!("delivery {id} is {}; {wanted}", state.to_lowercase()),
                    [("id", id.clone()), ("state", state.to_owned())],
                )
            }
            ApiError::WebhookNotActive(id) => status(
                Code::FailedPrecondition,
                "WEBHOOK_NOT_ACTIVE",
                format!("webhook {id} is not active, so a test would tell nothing; activate it first"),
                [("id", id)],
            ),
            ApiError::ReplayNotResumable(id) => status(
                Code::FailedPrecondition,
                "REPLAY_NOT_RESUMABLE",
                format!("replay {id} was neither cancelled nor did it fail"),
                [("id", id)],
            ),
            ApiError::TooManySecrets(until) => status(
                Code::FailedPrecondition,
                "TOO_MANY_SECRETS",
                format!(
                    "{SECRETS_MAX} secrets sign already; the first of them expires at {until}. An overlap of 0 ends all \
                     of them now"
                ),
                [("until", until.to_string())],
            ),
            ApiError::HandshakeFailed(answered) => status(
                Code::FailedPrecondition,
                "HANDSHAKE_FAILED",
                format!("the receiver did not agree to be delivered to, so nothing was stored: {answered}"),
                [("answered", answered)],
            ),
            ApiError::KeyReused(event) => status(
                Code::AlreadyExists,
                "IDEMPOTENCY_KEY_REUSED",
                format!("the idempotency key was used for event {event}, which has another type or payload"),
                [("event_id", event.to_string())],
            ),
            ApiError::Contention => retryable(
                Code::Aborted,
                "WEBHOOKS_CHANGING",
                "the tenant's webhooks kept changing while the event was stored; publish it again",
            ),
            ApiError::Overloaded => retryable(
                Code::ResourceExhausted,
                "OVERLOADED",
                "events come in faster than they can be stored; nothing was stored, slow down and try again",
            ),
            ApiError::VerifyRateExceeded(wait) => retryable_after(
                wait,
                Code::ResourceExhausted,
                "VERIFY_RATE_EXCEEDED",
                "more requests are to be verified than this service is set to; slow down, or have the operator raise \
                 --verify-rate",
            ),
            ApiError::Store(error) => of_store(&error),
        }
    }
}

/// The same for one event of a stream.
pub(super) fn publish_error(error: ApiError) -> v1::PublishError {
    let status = Status::from(error);
    let details = status.get_error_details();
    let violations = details.bad_request().map(|bad| bad.field_violations.clone());
    v1::PublishError {
        code: status.code().into(),
        reason: details
            .error_info()
            .map(|info| info.reason.clone())
            .unwrap_or_default(),
        message: status.message().to_owned(),
        retry_delay: details
            .retry_info()
            .and_then(|info| info.retry_delay)
            .map(convert::duration),
        field_violations: violations
            .unwrap_or_default()
            .into_iter()
            .map(|violation| v1::FieldViolation {
                field: violation.field,
                description: violation.description,
            })
            .collect(),
    }
}

/// What a stream ends with when this node stops.
pub(super) fn shutting_down() -> Status {
    of_store(&StoreError::Stopped)
}

fn invalid(violations: &[Violation]) -> Status {
    let reason = violations
        .first()
        .map_or("INVALID_ARGUMENT", |violation| violation.reason.as_str());
    let message: Vec<String> = violations
        .iter()
        .map(|violation| format!("{}: {}", violation.field, violation.description))
        .collect();
    let fields = violations
        .iter()
        .map(|violation| FieldViolation::new(violation.field.clone(), violation.description.clone()))
        .collect::<Vec<_>>();
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    details.set_bad_request(fields);
    Status::with_error_details(Code::InvalidArgument, message.join("; "), details)
}

fn not_found(reason: &str, kind: &str, id: &str) -> Status {
    status(
        Code::NotFound,
        reason,
        format!("there is no {kind} {id}"),
        [("id", id.to_owned())],
    )
}

/// The caller did nothing wrong. What the database said is for the log, not for the caller.
fn of_store(error: &StoreError) -> Status {
    match error {
        StoreError::Stopped => retryable(
            Code::Unavailable,
            "SHUTTING_DOWN",
            "this node is shutting down; try another one",
        ),
        StoreError::Fenced => retryable(
            Code::Unavailable,
            "NODE_FENCED",
            "this node lost its lease and joins anew; try again",
        ),
        StoreError::Inconsistent { .. } => {
            tracing::error!(%error, "the store holds what this version cannot read");
            status(
                Code::Internal,
                "STORE_INCONSISTENT",
                "a stored row cannot be read; the log has details",
                [],
            )
        }
        error => {
            tracing::error!(%error, "the store failed");
            retryable(
                Code::Unavailable,
                "STORE_UNAVAILABLE",
                "the store does not answer; nothing was stored",
            )
        }
    }
}

fn retryable(code: Code, reason: &str, message: &str) -> Status {
    retryable_after(RETRY_DELAY, code, reason, message)
}

fn retryable_after(wait: Duration, code: Code, reason: &str, message: &str) -> Status {
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    details.set_retry_info(Some(wait));
    Status::with_error_details(code, message, details)
}

fn status<const N: usize>(
    code: Code,
    reason: &str,
    message: impl Into<String>,
    metadata: [(&str, String); N],
) -> Status {
    let metadata: HashMap<String, String> = metadata
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    Status::with_error_details(
        code,
        message,
        ErrorDetails::with_error_info(reason, DOMAIN, metadata),
    )
}
