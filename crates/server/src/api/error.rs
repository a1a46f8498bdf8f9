//! What a request can be refused for.

use std::time::Duration;

use hookwright_proto::v1;
use hookwright_store::{EventId, PublishError, StoreError, Timestamp, WebhookId};

use super::access_error::AccessError;
use crate::{engine::IntakeError, watch::WatchError};

/// A request that was not carried out. [`super::status`] says how each is told to the caller.
#[derive(Debug)]
pub(super) enum ApiError {
    /// Some fields are not acceptable.
    Invalid(Vec<Violation>),
    WebhookNotFound(String),
    /// Somebody has changed the webhook since it was read.
    EtagMismatch(String),
    /// Keys, tenants and what they permit.
    Access(AccessError),
    DeliveryNotFound(String),
    EventTypeNotFound(String),
    /// This part of a request ended in a way that is a mistake of ours. The log has it.
    Broken(&'static str),
    ReplayNotFound(String),
    /// A delivery's state is in the way: only what is over is replayed, only what waits is cancelled.
    WrongDeliveryState {
        id: String,
        state: v1::DeliveryState,
        wanted: &'static str,
    },
    /// Events are not delivered to the webhook now.
    WebhookNotActive(String),
    /// A running job, or one that is done, has nothing to be resumed.
    ReplayNotResumable(String),
    /// As many secrets as there may be sign already, until this moment.
    TooManySecrets(Timestamp),
    /// The receiver did not agree to be delivered to.
    HandshakeFailed(String),
    /// The idempotency key belongs to another event.
    KeyReused(EventId),
    /// The same, and a webhook.
    RegistrationKeyReused(WebhookId),
    Store(StoreError),
    /// Webhooks changed faster than an event could be stored.
    Contention,
    /// Events come in faster than they can be stored.
    Overloaded,
    /// More is to be verified than the operator allows. The next one can be after this time.
    VerifyRateExceeded(Duration),
    /// What a cursor points at is not kept any more.
    CursorExpired,
    /// As many callers watch as there may be.
    TooManyWatchers,
}

/// A field that is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    /// As in the proto, such as `webhook.url`.
    pub(super) field: String,
    /// Stable.
    pub(super) reason: Reason,
    /// For people: what is wrong, and what to do.
    pub(super) description: String,
}

/// Why a field is not acceptable. The names are part of the API: `docs/errors.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    BlockedAddress,
    EmptyUpdateMask,
    ForbiddenHeader,
    InvalidEmail,
    InvalidDisableAfter,
    InvalidAttribute,
    InvalidAuthentication,
    InvalidContentType,
    InvalidCursor,
    InvalidEncryptionKey,
    InvalidEventType,
    InvalidExpiry,
    InvalidEventTypes,
    InvalidFilter,
    InvalidHeader,
    InvalidHeartbeatInterval,
    InvalidHoldPolicy,
    InvalidId,
    InvalidIdempotencyKey,
    InvalidMaxInFlight,
    InvalidMethod,
    InvalidName,
    InvalidOverlap,
    InvalidOrderingKey,
    InvalidPageSize,
    InvalidPageToken,
    InvalidPayload,
    InvalidRateLimit,
    InvalidRate,
    InvalidReplayFilter,
    InvalidProxy,
    InvalidRetryPolicy,
    InvalidSecret,
    InvalidStartTime,
    InvalidState,
    InvalidStatus,
    InvalidTimeSpan,
    InvalidTimeout,
    InvalidTls,
    InvalidTolerance,
    InvalidUpdateMask,
    InvalidUrl,
    MissingField,
    PayloadNotOfSchema,
    PayloadTooLarge,
    ReservedEventType,
    TooManyValues,
    UnknownAttribute,
    UnknownEventType,
    UnknownOrdering,
    UnknownProfile,
    UnknownResolution,
    UnknownScheme,
    UnknownScope,
    UnknownState,
}

impl Reason {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::BlockedAddress => "BLOCKED_ADDRESS",
            Self::EmptyUpdateMask => "EMPTY_UPDATE_MASK",
            Self::ForbiddenHeader => "FORBIDDEN_HEADER",
            Self::InvalidEmail => "INVALID_EMAIL",
            Self::InvalidDisableAfter => "INVALID_DISABLE_AFTER",
            Self::InvalidAttribute => "INVALID_ATTRIBUTE",
            Self::InvalidAuthentication => "INVALID_AUTHENTICATION",
            Self::InvalidContentType => "INVALID_CONTENT_TYPE",
            Self::InvalidCursor => "INVALID_CURSOR",
            Self::InvalidEncryptionKey => "INVALID_ENCRYPTION_KEY",
            Self::InvalidEventType => "INVALID_EVENT_TYPE",
            Self::InvalidEventTypes => "INVALID_EVENT_TYPES",
            Self::InvalidExpiry => "INVALID_EXPIRY",
            Self::InvalidFilter => "INVALID_FILTER",
            Self::InvalidHeader => "INVALID_HEADER",
            Self::InvalidHeartbeatInterval => "INVALID_HEARTBEAT_INTERVAL",
            Self::InvalidHoldPolicy => "INVALID_HOLD_POLICY",
            Self::InvalidId => "INVALID_ID",
            Self::InvalidIdempotencyKey => "INVALID_IDEMPOTENCY_KEY",
            Self::InvalidMaxInFlight => "INVALID_MAX_IN_FLIGHT",
            Self::InvalidMethod => "INVALID_METHOD",
            Self::InvalidName => "INVALID_NAME",
            Self::InvalidOverlap => "INVALID_OVERLAP",
            Self::InvalidOrderingKey => "INVALID_ORDERING_KEY",
            Self::InvalidPageSize => "INVALID_PAGE_SIZE",
            Self::InvalidPageToken => "INVALID_PAGE_TOKEN",
            Self::InvalidPayload => "INVALID_PAYLOAD",
            Self::InvalidRateLimit => "INVALID_RATE_LIMIT",
            Self::InvalidRate => "INVALID_RATE",
            Self::InvalidReplayFilter => "INVALID_REPLAY_FILTER",
            Self::InvalidProxy => "INVALID_PROXY",
            Self::InvalidRetryPolicy => "INVALID_RETRY_POLICY",
            Self::InvalidSecret => "INVALID_SECRET",
            Self::InvalidStartTime => "INVALID_START_TIME",
            Self::InvalidState => "INVALID_STATE",
            Self::InvalidStatus => "INVALID_STATUS",
            Self::InvalidTimeSpan => "INVALID_TIME_SPAN",
            Self::InvalidTimeout => "INVALID_TIMEOUT",
            Self::InvalidTls => "INVALID_TLS",
            Self::InvalidTolerance => "INVALID_TOLERANCE",
            Self::InvalidUpdateMask => "INVALID_UPDATE_MASK",
            Self::InvalidUrl => "INVALID_URL",
            Self::MissingField => "MISSING_FIELD",
            Self::PayloadNotOfSchema => "PAYLOAD_NOT_OF_SCHEMA",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::ReservedEventType => "RESERVED_EVENT_TYPE",
            Self::TooManyValues => "TOO_MANY_VALUES",
            Self::UnknownAttribute => "UNKNOWN_ATTRIBUTE",
            Self::UnknownEventType => "UNKNOWN_EVENT_TYPE",
            Self::UnknownOrdering => "UNKNOWN_ORDERING",
            Self::UnknownProfile => "UNKNOWN_PROFILE",
            Self::UnknownResolution => "UNKNOWN_RESOLUTION",
            Self::UnknownScheme => "UNKNOWN_SCHEME",
            Self::UnknownScope => "UNKNOWN_SCOPE",
            Self::UnknownState => "UNKNOWN_STATE",
        }
    }
}

impl Violation {
    pub(super) fn new(field: impl Into<String>, reason: Reason, description: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason,
            description: description.into(),
        }
    }
}

impl From<Violation> for ApiError {
    fn from(violation: Violation) -> Self {
        Self::Invalid(vec![violation])
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<WatchError> for ApiError {
    fn from(error: WatchError) -> Self {
        match error {
            WatchError::Expired => Self::CursorExpired,
            WatchError::Store(error) => Self::Store(error),
        }
    }
}

impl From<IntakeError> for ApiError {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::Publish(PublishError::KeyReused(event)) => Self::KeyReused(event),
            IntakeError::Publish(PublishError::StaleWebhooks) => Self::Contention,
            IntakeError::WebhookNotFound(id) => Self::WebhookNotFound(id.to_string()),
            IntakeError::Overloaded => Self::Overloaded,
            IntakeError::Publish(PublishError::Store(error)) | IntakeError::Store(error) => {
                Self::Store(error)
            }
            IntakeError::Publish(error) => {
                tracing::error!(%error, "a publish failed in a way that has no answer yet");
                Self::Store(StoreError::Stopped)
            }
        }
    }
}
