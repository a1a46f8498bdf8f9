//! Fields: a name of the platform's, and what of this service stands under it.

use serde::Deserialize;

use super::refused;
use super::spelling::{Kind, Spelling};
use crate::error::ProfileError;

/// Longest name of a field, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// One member of a JSON object.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field<V> {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub value: V,
    /// How a time or a duration is written.
    pub spelling: Spelling,
    /// Of `retry_count` and `retry_delay`: what counts when a request has only the other one.
    pub default: Option<u32>,
    /// Whether it is `null` where there is no value. Otherwise it is left out.
    pub null: bool,
}

/// What a field of a webhook holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookValue {
    /// The webhook's id. In answers only.
    Id,
    /// What its owner calls it.
    Name,
    /// Where deliveries are sent.
    Url,
    /// The profile's name. In answers only.
    Profile,
    /// The subscribed event types, a list.
    EventTypes,
    /// The signing secret: in registrations, and in the answer to them.
    Secret,
    /// Whether deliveries are made, a boolean. `false` pauses the webhook.
    Active,
    /// Whether deliveries are made, in one of the words of `webhook_states`.
    State,
    /// Why it is paused or disabled. In answers only.
    StateReason,
    /// Headers to send, an object.
    Headers,
    /// Which attributes an event must have, an object of lists.
    Attributes,
    /// A CEL expression that an event must fulfil.
    Filter,
    /// How long one attempt may take.
    Timeout,
    /// How many retries a failed delivery gets.
    RetryCount,
    /// How long each of them waits.
    RetryDelay,
    /// The HTTP method of deliveries.
    Method,
    /// The `Content-Type` of deliveries.
    ContentType,
    /// How many requests are made at the same time.
    MaxInFlight,
    /// Who is told when deliveries are given up, a list of addresses.
    AlertEmails,
    /// When it was registered. In answers only.
    CreateTime,
    /// When it was last changed. In answers only.
    UpdateTime,
}

/// What a field of a delivery holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryValue {
    /// The delivery's id.
    Id,
    /// The event's id.
    EventId,
    /// The event's type.
    EventType,
    /// The webhook's id.
    WebhookId,
    /// What became of it, in one of the words of `delivery_states`.
    State,
    /// The status that the latest attempt was answered with. None when there was no answer.
    HttpStatus,
    /// How many attempts there were.
    AttemptCount,
    /// How long the latest attempt took.
    Duration,
    /// What went wrong: in the latest attempt, or why there is no other one. None when it was delivered.
    Error,
    /// When the event was accepted.
    CreateTime,
    /// When it last changed: the end of the latest attempt or, before the first one, when the event was accepted.
    UpdateTime,
    /// When it was delivered. None when it was not.
    DeliverTime,
    /// When the next attempt is due.
    NextAttemptTime,
    /// Whether it is a test.
    Test,
}

/// What a field of a page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListValue {
    /// The webhooks or deliveries.
    Items,
    /// What the next page is asked for with. None on the last page.
    NextPageToken,
    /// Whose deliveries these are.
    WebhookId,
}

impl WebhookValue {
    /// Whether requests can set it, now or when the webhook is registered. What they cannot set is passed over in
    /// requests, so that a client can send back what it was shown.
    pub fn is_settable(self) -> bool {
        !matches!(
            self,
            Self::Id | Self::Profile | Self::StateReason | Self::CreateTime | Self::UpdateTime
        )
    }
}

/// What there is to know about the values of one kind of object.
pub(super) trait Value: Copy + PartialEq {
    /// What kind of spelling it has.
    fn kind(self) -> Kind;

    /// Whether it can have a default.
    fn has_default(self) -> bool {
        false
    }
}

impl Value for WebhookValue {
    fn kind(self) -> Kind {
        match self {
            Self::CreateTime | Self::UpdateTime => Kind::Time,
            Self::Timeout | Self::RetryDelay => Kind::Duration,
            Self::Id
            | Self::Name
            | Self::Url
            | Self::Profile
            | Self::EventTypes
            | Self::Secret
            | Self::Active
            | Self::State
            | Self::StateReason
            | Self::Headers
            | Self::Attributes
            | Self::Filter
            | Self::RetryCount
            | Self::Method
            | Self::ContentType
            | Self::MaxInFlight
            | Self::AlertEmails => Kind::Plain,
        }
    }

    fn has_default(self) -> bool {
        matches!(self, Self::RetryCount | Self::RetryDelay)
    }
}

impl Value for DeliveryValue {
    fn kind(self) -> Kind {
        match self {
            Self::CreateTime | Self::UpdateTime | Self::DeliverTime | Self::NextAttemptTime => Kind::Time,
            Self::Duration => Kind::Duration,
            Self::Id
            | Self::EventId
            | Self::EventType
            | Self::WebhookId
            | Self::State
            | Self::HttpStatus
            | Self::AttemptCount
            | Self::Error
            | Self::Test => Kind::Plain,
        }
    }
}

impl Value for ListValue {
    fn kind(self) -> Kind {
        Kind::Plain
    }
}

/// A field as it is written down.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description<V> {
    name: String,
    value: V,
    #[serde(default, rename = "as")]
    spelling: Option<Spelling>,
    #[serde(default)]
    default: Option<u32>,
    #[serde(default)]
    null: bool,
}

/// Checks the fields of one object. `table` is its key.
pub(super) fn resolve<V: Value>(
    table: &str,
    described: Vec<Description<V>>,
) -> Result<Vec<Field<V>>, ProfileError> {
    let mut fields: Vec<Field<V>> = Vec::with_capacity(described.len());
    for field in described {
        let key = format!("{table}.{}", field.name.escape_debug());
        let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if !(1..=NAME_BYTES_MAX).contains(&field.name.len()) || !field.name.bytes().all(is_name_byte) {
            return refused(key, "a name is 1 to 64 letters, digits, hyphens and underscores");
        }
        if fields.iter().any(|other| other.name == field.name) {
            return refused(key, "two fields have this name");
        }
        if fields.iter().any(|other| other.value == field.value) {
            return refused(key, "another field has this value already");
        }
        if field.default.is_some() && !field.value.has_default() {
            return refused(key, "only `retry_count` and `retry_delay` have a `default`");
        }
        let spelling = match Spelling::of(field.value.kind(), field.spelling) {
            Ok(spelling) => spelling,
            Err(reason) => return refused(key, reason),
        };
        fields.push(Field {
            name: field.name,
            value: field.value,
            spelling,
            default: field.default,
            null: field.null,
        });
    }
    Ok(fields)
}
