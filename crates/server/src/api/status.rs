//! Errors as gRPC tells them: a status, a stable reason, and the fields at fault. Nowhere else.

use std::{collections::HashMap, time::Duration};

use hookwright_proto::v1;
use hookwright_store::{SECRETS_MAX, Scope, StoreError};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use super::{
    access_error::AccessError,
    convert,
    error::{ApiError, Violation},
};
use crate::access::Refusal;

/// The `domain` of every `ErrorInfo`.
pub(crate) const DOMAIN: &str = "hookwright";
/// A status travels in a header block, and not every client takes one of more than 8 KiB: common ones give up the whole
/// connection, with all calls on it. In it the message is twice, once with three bytes for each that is not ASCII and once
/// in the details, which are in base64; so these come to 7 KiB at most.
const MESSAGE_BYTES_MAX: usize = 1_024;
/// Of all violations together, in the details.
const VIOLATIONS_BYTES_MAX: usize = 2_048;
/// Of a field's name, of a description, and of a value of the metadata. What was sent may be quoted in all of them.
const PART_BYTES_MAX: usize = 512;
/// What a caller is told to wait before it tries again.
pub(crate) const RETRY_DELAY: Duration = Duration::from_secs(1);
/// The same where only time or the operator helps.
const QUOTA_DELAY: Duration = Duration::from_mins(1);

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Invalid(violations) => invalid(&violations),
            ApiError::WebhookNotFound(id) => not_found("WEBHOOK_NOT_FOUND", "webhook", &id),
            ApiError::EtagMismatch(id) => status(
                Code::Aborted,
                "ETAG_MISMATCH",
                format!("webhook {id} has been changed since it was read; read it again, and decide anew"),
                [("id", id)],
            ),
            ApiError::DeliveryNotFound(id) => not_found("DELIVERY_NOT_FOUND", "delivery", &id),
            ApiError::EventTypeNotFound(name) => not_found("EVENT_TYPE_NOT_FOUND", "event type", &name),
            ApiError::Access(error) => of_access(error),
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
            ApiError::KeyReused(event) => {
                key_reused("event_id", &event, "event", "has another type or payload")
            }
            ApiError::RegistrationKeyReused(webhook) => key_reused(
                "webhook_id",
                &webhook,
                "webhook",
                "another request has registered",
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
            ApiError::CursorExpired => status(
                Code::OutOfRange,
                "CURSOR_EXPIRED",
                String::from(
                    "what lies behind this cursor is not kept any more, or it is of another database; begin anew, with a \
                     start_time or without, and read what happened meanwhile with ListDeliveries",
                ),
                [],
            ),
            ApiError::TooManyWatchers => retryable(
                Code::ResourceExhausted,
                "TOO_MANY_WATCHERS",
                "as many callers watch this node as it is set to; watch another one, or have the operator raise \
                 --watchers-max",
            ),
            ApiError::Store(error) => of_store(&error),
        }
    }
}

fn key_reused(member: &'static str, id: &dyn ToString, what: &str, which: &str) -> Status {
    let id = id.to_string();
    let message = format!("the idempotency key was used for {what} {id}, which {which}");
    status(
        Code::AlreadyExists,
        "IDEMPOTENCY_KEY_REUSED",
        message,
        [(member, id)],
    )
}

fn of_access(error: AccessError) -> Status {
    match error {
        AccessError::KeyNotFound(id) => not_found("KEY_NOT_FOUND", "key", &id),
        AccessError::TenantNotFound(name) => not_found("TENANT_NOT_FOUND", "tenant", &name),
        AccessError::TenantExists(name) => status(
            Code::AlreadyExists,
            "TENANT_EXISTS",
            format!("there is a tenant {name} already"),
            [("name", name)],
        ),
        AccessError::TenantNotEmpty(name) => status(
            Code::FailedPrecondition,
            "TENANT_NOT_EMPTY",
            format!("tenant {name} has webhooks; delete them first"),
            [("name", name)],
        ),
        AccessError::DefaultTenant => status(
            Code::FailedPrecondition,
            "DEFAULT_TENANT",
            "the default tenant cannot be deleted",
            [],
        ),
        AccessError::TooManyKeys(max) => status(
            Code::FailedPrecondition,
            "TOO_MANY_KEYS",
            format!("the tenant has {max} keys that are good; revoke one that nobody uses"),
            [],
        ),
        AccessError::Refused(refusal) => refusal.into(),
        AccessError::PublishRateExceeded(wait) => retryable_after(
            wait,
            Code::ResourceExhausted,
            "PUBLISH_RATE_EXCEEDED",
            "the tenant publishes more events in a second than it may; slow down",
        ),
        AccessError::WebhookQuotaExceeded(max) => retryable_after(
            QUOTA_DELAY,
            Code::ResourceExhausted,
            "WEBHOOK_QUOTA_EXCEEDED",
            &format!(
                "the tenant has the {max} webhooks that it may have; delete one, or have the quota raised"
            ),
        ),
        AccessError::EventQuotaExceeded => retryable_after(
            QUOTA_DELAY,
            Code::ResourceExhausted,
            "EVENT_QUOTA_EXCEEDED",
            "the tenant has as many events in the log as it may have; wait until old ones go, or have the quota raised",
        ),
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let unauthenticated = |reason, message: &str| status(Code::Unauthenticated, reason, message, []);
        match refusal {
            Refusal::KeyMissing => unauthenticated(
                "KEY_MISSING",
                "this service wants an API key: send `authorization: Bearer hwk_…`, once",
            ),
            Refusal::KeyInvalid => unauthenticated("KEY_INVALID", "there is no such API key"),
            Refusal::KeyExpired => unauthenticated("KEY_EXPIRED", "the API key has expired"),
            Refusal::ScopeMissing(scopes) => {
                let names: Vec<&str> = scopes.iter().map(Scope::as_str).collect();
                let needed = names.join(" or ");
                status(
                    Code::PermissionDenied,
                    "SCOPE_MISSING",
                    format!("the API key permits other things; this needs the scope {needed}"),
                    [("scopes", names.join(","))],
                )
            }
            Refusal::Store(error) => of_store(&error),
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
    let mut room = VIOLATIONS_BYTES_MAX;
    let fields: Vec<FieldViolation> = violations
        .iter()
        .map(|violation| {
            let (field, description) = (shortened(&violation.field), shortened(&violation.description));
            FieldViolation::new(field, description)
        })
        .take_while(|told| {
            let left = room.checked_sub(told.field.len() + told.description.len());
            room = left.unwrap_or(0);
            left.is_some()
        })
        .collect();
    let mut parts: Vec<String> = fields
        .iter()
        .map(|told| format!("{}: {}", told.field, told.description))
        .collect();
    if fields.len() < violations.len() {
        parts.push(format!("and {} more", violations.len() - fields.len()));
    }
    let message = cut(&parts.join("; "), MESSAGE_BYTES_MAX);
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    details.set_bad_request(fields);
    Status::with_error_details(Code::InvalidArgument, message, details)
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
        .map(|(key, value)| (key.to_owned(), shortened(&value)))
        .collect();
    Status::with_error_details(
        code,
        cut(&message.into(), MESSAGE_BYTES_MAX),
        ErrorDetails::with_error_info(reason, DOMAIN, metadata),
    )
}

fn shortened(text: &str) -> String {
    cut(text, PART_BYTES_MAX)
}

fn cut(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes_max - '…'.len_utf8());
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::error::Reason;

    /// The bytes of a status in a header block.
    fn size(error: ApiError) -> usize {
        let status = Status::from(error);
        let message: usize = status
            .message()
            .bytes()
            .map(|byte| if byte.is_ascii_graphic() { 1 } else { 3 })
            .sum();
        message + status.details().len().div_ceil(3) * 4
    }

    #[test]
    fn a_status_is_no_larger_than_every_client_takes() {
        // Who sends a long mistake, or registers a receiver that answers with one, would break the connection, and calls
        // of others with it.
        for text in ["x".repeat(100_000), "\u{20ac}".repeat(100_000)] {
            let violation = Violation::new(text.clone(), Reason::InvalidUpdateMask, text.clone());
            for error in [
                ApiError::Invalid(vec![violation.clone()]),
                ApiError::Invalid(vec![violation; 1_000]),
                ApiError::HandshakeFailed(text.clone()),
                ApiError::EventTypeNotFound(text.clone()),
            ] {
                assert!(size(error) < 8 * 1_024);
            }
        }
    }

    #[test]
    fn what_is_not_told_is_counted() {
        let violations = (0..100)
            .map(|number| Violation::new(format!("f[{number}]"), Reason::InvalidUrl, "x".repeat(100)));
        let status = Status::from(ApiError::Invalid(violations.collect()));
        let told = status
            .get_error_details()
            .bad_request()
            .unwrap()
            .field_violations
            .len();
        assert_eq!(told, 19);
        let few = (0..2).map(|number| Violation::new(format!("f[{number}]"), Reason::InvalidUrl, "x"));
        let status = Status::from(ApiError::Invalid(few.collect()));
        assert_eq!(status.message(), "f[0]: x; f[1]: x");
    }
}
