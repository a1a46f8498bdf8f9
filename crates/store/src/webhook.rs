//! A registered destination.

use std::{collections::BTreeMap, fmt, time::Duration};

use hookwright_core::{Schedule, Secret, jwe::EncryptionKey};
use serde::{Deserialize, Serialize};

use crate::{ConnectionSettings, Ordering, Stop, TenantId, Timestamp, WebhookId};

/// A registered destination, without its secrets.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its id.
    pub id: WebhookId,
    /// What its owner chose.
    pub settings: WebhookSettings,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When its settings last changed.
    pub updated_at: Timestamp,
}

impl Webhook {
    /// When a change is noted that is made now: always later than the one before, so that no two versions of a webhook have
    /// the same moment.
    pub(crate) fn next_update(&self, now: Timestamp) -> Timestamp {
        now.max(self.updated_at.plus(Duration::from_micros(1)))
    }
}

/// A webhook as the engine needs it: with the secrets to sign with.
#[derive(Clone, Debug)]
pub struct SigningWebhook {
    /// The webhook.
    pub webhook: Webhook,
    /// Newest first, never empty: those that sign now.
    pub secrets: Vec<Secret>,
    /// When the first of them stops signing.
    pub secret_expires_at: Option<Timestamp>,
}

/// What the owner of a webhook chooses. Validated before it gets here; stored as one JSON document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WebhookSettings {
    /// For people.
    pub name: String,
    /// Where deliveries go.
    pub url: String,
    /// Name of the platform dialect.
    pub profile: String,
    /// Exact types, `prefix.*` or `*`; empty means all.
    pub event_types: Vec<String>,
    /// Sent with every request.
    pub headers: CustomHeaders,
    /// When failed deliveries are tried again; `None` is the profile's schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Deadline of an attempt; `None` is the profile's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Limits of the schedule; `None` is the profile's.
    #[serde(default, skip_serializing_if = "RetryLimits::is_default")]
    pub retry_limits: RetryLimits,
    /// Statuses that count as delivered, such as `2xx`; empty is the profile's rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub success_statuses: Vec<String>,
    /// Why no attempts are made for now; `None` while the webhook is active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// How much is held while it is stopped; what is `None` is the profile's.
    #[serde(default, skip_serializing_if = "HoldLimits::is_default")]
    pub hold: HoldLimits,
    /// Attempts per second; `None` is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// Attempts at once on each node; `None` is the engine's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u32>,
    /// How long it may fail without a success before it is disabled; zero is for ever, `None` is the profile's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable_after: Option<Duration>,
    /// Which deliveries wait for each other.
    #[serde(default, skip_serializing_if = "Ordering::is_none")]
    pub ordering: Ordering,
    /// What deliveries are encrypted to; `None` is plain text.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "encryption_jwk")]
    pub encryption: Option<EncryptionKey>,
    /// Who is told by e-mail when deliveries are given up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alert_emails: Vec<String>,
    /// Only events for which this expression is true; `None` is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Only events that have one of the values in each of these attributes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Vec<String>>,
    /// How the receiver was asked whether it expects deliveries; `None` when it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshake: Option<Handshake>,
    /// How deliveries are sent.
    #[serde(default, skip_serializing_if = "ConnectionSettings::is_default")]
    pub connection: ConnectionSettings,
    /// Not a choice: a digest of the request that registered it, if that can be repeated. By it one could guess the
    /// credentials that were in the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<String>,
}

/// A handshake, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handshake {
    /// What was asked.
    pub protocol: HandshakeProtocol,
    /// Requests a minute that the receiver allows; `None` when it set no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_per_minute: Option<u32>,
    /// When the receiver agreed, in microseconds since 1970.
    pub completed_at: i64,
}

/// How a receiver is asked whether it expects deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandshakeProtocol {
    /// A random challenge, to be echoed.
    Echo,
    /// Abuse protection of `CloudEvents` web hooks.
    CloudEvents,
    /// Subscription validation of Azure Event Grid.
    EventGrid,
}

impl WebhookSettings {
    /// A webhook that wants everything, with what its profile says where nothing else is chosen.
    pub fn new(profile: &str, url: &str) -> Self {
        Self {
            name: String::new(),
            url: url.to_owned(),
            profile: profile.to_owned(),
            event_types: Vec::new(),
            headers: CustomHeaders::default(),
            schedule: None,
            timeout: None,
            retry_limits: RetryLimits::default(),
            success_statuses: Vec::new(),
            stop: None,
            hold: HoldLimits::default(),
            rate_limit: None,
            max_in_flight: None,
            disable_after: None,
            ordering: Ordering::None,
            encryption: None,
            alert_emails: Vec::new(),
            filter: None,
            attributes: BTreeMap::new(),
            handshake: None,
            connection: ConnectionSettings::default(),
            registration: None,
        }
    }
}

/// When retries end before the schedule does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryLimits {
    /// Attempts in total, the first one included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// No attempt is made of an event that is older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// Statuses after which there is no other attempt, such as `404`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permanent_statuses: Vec<String>,
}

impl RetryLimits {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How much is held for a stopped webhook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldLimits {
    /// Deliveries at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_deliveries: Option<u32>,
    /// For how long each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
}

impl HoldLimits {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How many attempts a receiver takes in a second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateLimit {
    /// Above zero.
    pub per_second: f64,
    /// How many can come at once after a pause. At least one.
    pub burst: u32,
}

/// A webhook that has failed for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailingWebhook {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which.
    pub webhook: WebhookId,
    /// The end of its first failed attempt after the last one that succeeded.
    pub since: Timestamp,
}

/// An encryption key is stored as its JWK.
mod encryption_jwk {
    use hookwright_core::jwe::EncryptionKey;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    #[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
    pub(super) fn serialize<S: Serializer>(
        key: &Option<EncryptionKey>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match key {
            // The store seals it, as it does the signing secrets.
            Some(key) => serializer.serialize_some(key.expose_jwk().as_str()),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<EncryptionKey>, D::Error> {
        Option::<String>::deserialize(deserializer)?
            .map(|jwk| EncryptionKey::parse(&jwk))
            .transpose()
            .map_err(D::Error::custom)
    }
}

/// Headers that a webhook's owner adds. Values may be credentials, so `Debug` shows the names only.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CustomHeaders(pub BTreeMap<String, String>);

impl fmt::Debug for CustomHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// Changes settings in place, knowing when they were last changed; false leaves everything as it is. May be called under a
/// lock, so it must not wait.
pub(crate) type Change<'a> = &'a (dyn Fn(&mut WebhookSettings, Timestamp) -> bool + Send + Sync);

/// What became of a webhook that was to be deleted if it had not been changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is deleted.
    Removed,
    /// There is none.
    NotFound,
    /// Somebody has changed it, so it is still there.
    Changed,
}
