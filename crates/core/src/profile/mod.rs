//! Profiles: everything that makes a delivery look like it came from one platform.
//!
//! A scheme says how a message is signed. A profile adds the rest: the envelope around the data, the headers beside
//! the signature, the retry schedule and timeout that the platform promises, and the event types that it documents.
//! Like schemes, profiles are data, and users can bring their own:
//!
//! ```toml
//! name = "acme"
//! title = "Acme"
//! scheme = "x-webhook-signature"        # the name of a known scheme, or a table as in the scheme module
//! also_sign = ["standard-webhooks"]     # further schemes, by name; their headers are sent as well
//! event_id_prefix = "evt"
//! timeout = "10s"                       # for one attempt, connecting included
//! disable_after = "72h"                 # optional: of failures without a success
//! # content_type = "application/json"
//! # min_tls_version = "1.2"             # of receivers: "1.2" or "1.3"
//! schedule = { delays = ["30s", "5m"] } # see the schedule module
//! # max_age = "3d"                      # no attempt of an event that is older; without it, the schedule alone decides
//! # attribute_pointers = true           # webhooks can choose by any JSON pointer, such as `/customer/id`
//! # success = "2xx"                     # answers that count as delivered: "200", "2xx", "200-204", or a list of these
//! # permanent = ["404", "422"]          # answers after which there is no other attempt; none when not given
//! # hold = { max_deliveries = 100000, max_age = "7d" } # how much is held for a paused or disabled webhook
//! envelope = [                          # the fields in order, see below
//!     { name = "id", value = "id" },
//!     { name = "type", value = "type" },
//!     { name = "created_at", value = "unix-seconds", optional = true },
//!     { name = "data", value = "data", inside = "object" },
//!     { name = "context", value = "extra", optional = true },
//! ]
//!
//! [headers]                             # beside the signature; the variables are {id} and {type}
//! X-Acme-Event = "{type}"
//!
//! [attributes]                          # what webhooks can choose events by: JSON pointers into an event's data
//! userIds = "/id"                       # or a list, of which the first that finds something counts
//!
//! # [api]                               # how the platform's management API writes webhooks: see the api module
//!
//! [definitions]                         # what several schemas share; they refer to it as `#/$defs/NAME`
//! user = '{ "type": "object", "required": ["id"] }'
//!
//! [[event]]
//! name = "user.created"
//! description = "A user signed up"
//! sample = '{"id":"user_1"}'            # an event's data, as JSON
//! sample_origin = "document"            # or "ours", when the platform shows no sample
//! schema = '{ "$ref": "#/$defs/user" }' # JSON Schema of an event's data, draft 2020-12 unless it says `$schema`
//! ```
//!
//! A field of the envelope holds the `id`, the `type`, the time as `rfc3339` or `unix-seconds`, the `data`, or an
//! `extra`: JSON that a publisher may give beside the data, under the field's name. `optional` means that a receiver
//! accepts an envelope without the field. Extras are optional, and are sent when there is something to send; all other
//! fields are always sent. `data` can be `inside` one further object.
//!
//! Definitions, samples and schemas are JSON texts, or tables where that is more convenient (objects, in a profile
//! that is itself JSON).
//!
//! The same keys make a description in JSON. A name is 1 to 64 lower-case letters, digits and hyphens.

pub mod api;
mod attributes;
mod builtin;
mod catalogue;
mod schedule;
mod scheme_choice;
mod status_set;
mod tls_version;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

pub use self::api::Api;
pub use self::attributes::Attributes;
pub use self::catalogue::{EventType, SampleOrigin};
use self::schedule::Span;
pub use self::schedule::{Jitter, MAX_ATTEMPTS, MAX_DELAY, Schedule};
use self::scheme_choice::SchemeChoice;
pub use self::status_set::StatusSet;
pub use self::tls_version::TlsVersion;
use crate::envelope::{Envelope, EventFields, Field, ParsedEnvelope};
use crate::error::{EnvelopeError, ProfileError};
use crate::header::{HeaderName, is_sendable_value};
use crate::registry::{Registry, check_name};
use crate::scheme::Scheme;
use crate::secret::KeyRole;
use crate::verifier::Request;

/// Longest timeout of one attempt. A worker that waits longer for one receiver lets others wait.
pub const MAX_TIMEOUT: Duration = Duration::from_mins(2);

/// Shortest age after which retries can end.
pub const MIN_AGE: Duration = Duration::from_secs(1);

/// Most deliveries that can be held for one webhook.
pub const MAX_HELD_DELIVERIES: u32 = 1_000_000;

/// Shortest time that deliveries can be held.
pub const MIN_HOLD_AGE: Duration = Duration::from_mins(1);

/// How much is held for a webhook that is paused or disabled; what is beyond it is given up, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// Deliveries at a time.
    pub max_deliveries: u32,
    /// For how long each.
    pub max_age: Duration,
}

impl Default for Hold {
    fn default() -> Self {
        Self {
            max_deliveries: 100_000,
            max_age: Duration::from_hours(168),
        }
    }
}

/// How one platform delivers its webhooks.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Profile {
    /// The short name, such as `filedgr`.
    pub name: String,
    /// The name for people, such as `Filedgr`.
    pub title: String,
    /// The platform's own scheme.
    pub scheme: Arc<Scheme>,
    /// Schemes that sign beside it, on the same secrets.
    pub also_sign: Vec<Arc<Scheme>>,
    /// What event ids start with, without the underscore: `evt` or `webhook`.
    pub event_id_prefix: String,
    /// When failed attempts are repeated.
    pub schedule: Schedule,
    /// How long one attempt may take, connecting included.
    pub timeout: Duration,
    /// Retries end when the event is older.
    pub max_age: Option<Duration>,
    /// Answers after which there is no other attempt.
    pub permanent: StatusSet,
    /// How much is held for a webhook that is paused or disabled.
    pub hold: Hold,
    success: StatusSet,
    /// How long a webhook may fail without a success in between before it is disabled; zero is for ever. `None` leaves it to
    /// the service.
    pub disable_after: Option<Duration>,
    /// What webhooks can choose events by, beside their type.
    pub attributes: Attributes,
    /// How the platform's management API writes webhooks and deliveries, if it has one of its own.
    pub api: Option<Api>,
    /// The oldest TLS version that receivers may speak.
    pub min_tls_version: TlsVersion,
    content_type: String,
    headers: Vec<ExtraHeader>,
    envelope: Envelope,
    event_types: Vec<EventType>,
}

impl Profile {
    /// The built-in profile of that name.
    pub fn builtin(name: &str) -> Option<Arc<Self>> {
        builtin::find(name)
    }

    /// The names of all built-in profiles, in alphabetical order.
    pub fn builtin_names() -> &'static [&'static str] {
        builtin::NAMES
    }

    /// Reads a profile from its description. The [module documentation](self) has the format. Schemes that are not
    /// built in are described in place, or the profile is added to a [`Registry`] that knows them.
    pub fn from_toml(text: &str) -> Result<Self, ProfileError> {
        Self::from_toml_with(text, &Registry::builtin())
    }

    /// Reads a profile from its description in JSON, which has the same keys.
    pub fn from_json(text: &str) -> Result<Self, ProfileError> {
        Self::from_json_with(text, &Registry::builtin())
    }

    pub(crate) fn from_toml_with(text: &str, registry: &Registry) -> Result<Self, ProfileError> {
        let description: Description = toml::from_str(text).map_err(|error| ProfileError::Syntax {
            message: error.to_string(),
        })?;
        description.resolve(registry)
    }

    pub(crate) fn from_json_with(text: &str, registry: &Registry) -> Result<Self, ProfileError> {
        let description: Description = serde_json::from_str(text).map_err(|error| ProfileError::Syntax {
            message: error.to_string(),
        })?;
        description.resolve(registry)
    }

    /// Whether an answer with this status means that the receiver has taken the delivery.
    pub fn is_success(&self, status: u16) -> bool {
        self.success.includes(status)
    }

    /// The body of a delivery of `event`: the envelope with the data in it, byte for byte as given.
    pub fn render(&self, event: &EventFields<'_>) -> Vec<u8> {
        self.envelope.render(event)
    }

    /// The value of the `Content-Type` header.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// The headers that the platform sends beside the signature. One whose value HTTP could not carry, because of
    /// a line break in an event type, say, is left out.
    pub fn extra_headers(&self, event: &EventFields<'_>) -> Vec<(HeaderName, String)> {
        self.headers
            .iter()
            .map(|header| (header.name.clone(), header.render(event.id, event.event_type)))
            .filter(|(_, value)| is_sendable_value(value))
            .collect()
    }

    /// Whether a webhook's own headers must not include `name`, because the delivery sets it or HTTP forbids it.
    pub fn is_reserved_header(&self, name: &str) -> bool {
        let is_prefixed = RESERVED_PREFIXES.iter().any(|prefix| {
            name.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        });
        is_prefixed
            || RESERVED_HEADERS
                .iter()
                .any(|reserved| reserved.eq_ignore_ascii_case(name))
            || self.headers.iter().any(|header| header.name.matches(name))
            || self
                .schemes()
                .flat_map(|(scheme, _)| scheme.headers())
                .any(|header| header.matches(name))
    }

    /// The event types that the platform documents, in the order of its documentation.
    pub fn event_types(&self) -> &[EventType] {
        &self.event_types
    }

    /// The event type of that name, if the platform documents it.
    pub fn event_type(&self, name: &str) -> Option<&EventType> {
        self.event_types.iter().find(|event_type| event_type.name == name)
    }

    /// The names of the extras that the envelope has room for; see [`EventFields::extras`].
    pub fn extra_fields(&self) -> impl Iterator<Item = &str> {
        self.envelope.extra_fields()
    }

    /// Takes an envelope apart. Verify first: nothing here says who wrote the body.
    pub fn parse(&self, body: &[u8]) -> Result<ParsedEnvelope, EnvelopeError> {
        self.envelope.parse(body)
    }

    /// Takes the envelope of a verified request apart, and refuses it if an unsigned header contradicts it.
    ///
    /// Platforms repeat the event's type and id in headers that nobody signs. Someone who captured a delivery can
    /// change those and still pass verification, so a receiver that routes by header would be misled.
    pub fn parse_request(&self, request: &Request<'_>) -> Result<ParsedEnvelope, EnvelopeError> {
        let envelope = self.parse(request.body)?;
        let id = envelope.id.as_deref();
        let event_type = envelope.event_type.as_deref();
        for header in &self.headers {
            let mut values = request
                .headers
                .iter()
                .filter(|(name, _)| header.name.matches(name));
            let Some((_, value)) = values.next() else { continue };
            if values.next().is_some() {
                return Err(EnvelopeError::DuplicateHeader {
                    header: header.name.clone(),
                });
            }
            let can_tell =
                (id.is_some() || !header.names_id()) && (event_type.is_some() || !header.names_type());
            let expected = header.render(id.unwrap_or_default(), event_type.unwrap_or_default());
            if can_tell && *value != expected.as_bytes() {
                return Err(EnvelopeError::HeaderMismatch {
                    header: header.name.clone(),
                });
            }
        }
        Ok(envelope)
    }

    /// Whether the URL of the request is signed, so that a verifier has to be given the one that the sender used.
    pub fn signs_url(&self) -> bool {
        self.schemes().any(|(scheme, _)| scheme.signs_url())
    }

    /// The profile's own scheme and then its companions.
    pub(crate) fn schemes(&self) -> impl Iterator<Item = (&Arc<Scheme>, KeyRole)> {
        let companions = self.also_sign.iter().map(|scheme| (scheme, KeyRole::Companion));
        std::iter::once((&self.scheme, KeyRole::Primary)).chain(companions)
    }
}

/// A header beside the signature.
#[derive(Debug, Clone)]
struct ExtraHeader {
    name: HeaderName,
    template: String,
}

impl ExtraHeader {
    fn new(name: &str, template: String) -> Result<Self, ProfileError> {
        let name = HeaderName::parse(name)?;
        let header = Self { name, template };
        let rest = header.render("", "");
        if rest.contains(['{', '}']) || !is_sendable_value(rest.trim()) {
            let reason = "the template is visible ASCII with the variables {id} and {type}";
            return Err(ProfileError::HeaderTemplate {
                header: header.name,
                reason,
            });
        }
        Ok(header)
    }

    fn names_id(&self) -> bool {
        self.template.contains("{id}")
    }

    fn names_type(&self) -> bool {
        self.template.contains("{type}")
    }

    fn render(&self, id: &str, event_type: &str) -> String {
        // The template is cut before anything is put in, so that an id of `{type}` stays one.
        let mut value = String::with_capacity(self.template.len() + 32);
        let mut rest = self.template.as_str();
        while let Some(at) = rest.find('{') {
            value.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("{id}") {
                value.push_str(id);
                rest = after;
            } else if let Some(after) = rest.strip_prefix("{type}") {
                value.push_str(event_type);
                rest = after;
            } else {
                value.push('{');
                rest = &rest[1..];
            }
        }
        value.push_str(rest);
        value
    }
}

/// A profile as it is written down.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    name: String,
    #[serde(default)]
    title: Option<String>,
    scheme: SchemeChoice,
    #[serde(default)]
    also_sign: Vec<String>,
    event_id_prefix: String,
    timeout: Span,
    #[serde(default)]
    disable_after: Option<Span>,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    min_tls_version: TlsVersion,
    schedule: Schedule,
    #[serde(default)]
    max_age: Option<Span>,
    #[serde(default = "StatusSet::none")]
    permanent: StatusSet,
    #[serde(default)]
    hold: HoldDescription,
    #[serde(default)]
    success: StatusSet,
    envelope: Vec<Field>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    attributes: BTreeMap<String, attributes::Places>,
    #[serde(default)]
    attribute_pointers: bool,
    #[serde(default)]
    api: Option<api::Description>,
    #[serde(default)]
    definitions: catalogue::Definitions,
    #[serde(default, rename = "event")]
    event_types: Vec<catalogue::Entry>,
}

/// How much is held, as it is written down.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldDescription {
    #[serde(default)]
    max_deliveries: Option<u32>,
    #[serde(default)]
    max_age: Option<Span>,
}

impl From<HoldDescription> for Hold {
    fn from(description: HoldDescription) -> Self {
        let usual = Self::default();
        Self {
            max_deliveries: description.max_deliveries.unwrap_or(usual.max_deliveries),
            max_age: description.max_age.map_or(usual.max_age, |age| age.0),
        }
    }
}

impl Description {
    /// Makes the profile, with schemes that `registry` knows where it names some.
    fn resolve(self, registry: &Registry) -> Result<Profile, ProfileError> {
        let description = self;
        check_name(&description.name)?;
        let also_sign = description
            .also_sign
            .iter()
            .map(|name| registry.find_scheme(name))
            .collect::<Result<_, _>>()?;
        let headers = description
            .headers
            .into_iter()
            .map(|(name, template)| ExtraHeader::new(&name, template))
            .collect::<Result<_, _>>()?;
        let profile = Profile {
            title: description.title.unwrap_or_else(|| description.name.clone()),
            name: description.name,
            scheme: description.scheme.resolve(registry)?,
            also_sign,
            event_id_prefix: description.event_id_prefix,
            schedule: description.schedule,
            timeout: description.timeout.0,
            max_age: description.max_age.map(|age| age.0),
            permanent: description.permanent,
            hold: description.hold.into(),
            disable_after: description.disable_after.map(|after| after.0),
            attributes: Attributes::new(description.attributes, description.attribute_pointers)?,
            api: description.api.map(api::Description::resolve).transpose()?,
            min_tls_version: description.min_tls_version,
            success: description.success,
            content_type: description
                .content_type
                .unwrap_or_else(|| "application/json".to_owned()),
            headers,
            envelope: Envelope::new(description.envelope)?,
            event_types: catalogue::build(description.event_types, &description.definitions)?,
        };
        check_bounds(&profile)?;
        check_headers(&profile)?;
        Ok(profile)
    }
}

fn check_bounds(profile: &Profile) -> Result<(), ProfileError> {
    let refused = |key, reason| Err(ProfileError::OutOfBounds { key, reason });
    if profile.timeout.is_zero() || profile.timeout > MAX_TIMEOUT {
        return refused(
            "timeout",
            "it must be longer than nothing and at most 120 seconds",
        );
    }
    let is_prefix_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let prefix = &profile.event_id_prefix;
    if !(1..=32).contains(&prefix.len()) || !prefix.bytes().all(is_prefix_byte) {
        return refused(
            "event_id_prefix",
            "it must be 1 to 32 letters, digits, hyphens and underscores",
        );
    }
    if profile
        .max_age
        .is_some_and(|age| age < MIN_AGE || age > MAX_DELAY)
    {
        return refused("max_age", "it must be 1 second to 30 days");
    }
    if profile.hold.max_deliveries == 0 || profile.hold.max_deliveries > MAX_HELD_DELIVERIES {
        return refused("hold.max_deliveries", "it must be 1 to 1,000,000");
    }
    if profile.hold.max_age < MIN_HOLD_AGE || profile.hold.max_age > MAX_DELAY {
        return refused("hold.max_age", "it must be 1 minute to 30 days");
    }
    if profile.success.is_empty() {
        return refused("success", "it must name at least one status");
    }
    if profile.content_type.is_empty() || !is_sendable_value(&profile.content_type) {
        return refused("content_type", "it must be visible ASCII characters");
    }
    Ok(())
}

fn check_headers(profile: &Profile) -> Result<(), ProfileError> {
    let signed = profile.schemes().flat_map(|(scheme, _)| scheme.headers());
    let mut seen: Vec<&HeaderName> = Vec::new();
    for header in signed.chain(profile.headers.iter().map(|header| &header.name)) {
        if seen.contains(&header) || RESERVED_HEADERS.iter().any(|reserved| header.matches(reserved)) {
            return Err(ProfileError::HeaderCollision {
                header: header.clone(),
            });
        }
        seen.push(header);
    }
    Ok(())
}

/// Headers that the delivery or the connection sets itself. A webhook that could set them could forge a length, a
/// host or a second request.
const RESERVED_HEADERS: [&str; 17] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// Pseudo headers of HTTP/2, and the family of Standard Webhooks.
const RESERVED_PREFIXES: [&str; 2] = [":", "webhook-"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SchemeError;

    const ACME: &str = r#"
        name = "acme"
        scheme = "x-webhook-signature"
        also_sign = ["standard-webhooks"]
        event_id_prefix = "evt"
        timeout = "10s"
        schedule = { delays = ["30s", "5m"] }
        envelope = [{ name = "type", value = "type" }, { name = "data", value = "data" }]
        headers = { X-Acme-Event = "t={type}" }
        [[event]]
        name = "user.created"
        sample = '{"id":1}'
    "#;

    fn refused(from: &str, to: &str) -> ProfileError {
        assert!(ACME.contains(from), "{from}");
        Profile::from_toml(&ACME.replace(from, to)).unwrap_err()
    }

    #[test]
    fn a_user_can_describe_a_profile() {
        let profile = Profile::from_toml(ACME).unwrap();
        let event = EventFields {
            id: "evt_1",
            event_type: "user.created",
            occurred_at_ms: 0,
            data: b"1",
            extras: &[],
        };
        assert_eq!(profile.render(&event), br#"{"type":"user.created","data":1}"#);
        let headers = profile.extra_headers(&event);
        assert_eq!(headers[0].0.as_str(), "X-Acme-Event");
        assert_eq!(headers[0].1, "t=user.created");
        assert_eq!(profile.content_type(), "application/json");
        assert_eq!(profile.min_tls_version, TlsVersion::V1_2);
        assert_eq!(profile.event_type("user.created"), profile.event_types().first());
        assert_eq!(profile.event_type("user.deleted"), None);
        assert!(profile.is_success(202) && !profile.is_success(302));
    }

    #[test]
    fn a_user_can_describe_the_scheme_in_place() {
        let inline =
            r#"scheme = { name = "acme", content = "{body}", key = "utf8", algorithm = "hmac-sha512",
            signature = { headers = ["X-Acme-Signature"], encoding = "base64" } }"#
                .replace('\n', " ");
        let profile = Profile::from_toml(&ACME.replace("scheme = \"x-webhook-signature\"", &inline)).unwrap();
        assert_eq!(profile.scheme.name(), "acme");
        let broken = inline.replace("{body}", "{bodi}");
        let error =
            Profile::from_toml(&ACME.replace("scheme = \"x-webhook-signature\"", &broken)).unwrap_err();
        assert!(
            matches!(error, ProfileError::Scheme(SchemeError::Content { .. })),
            "{error}"
        );
    }

    #[test]
    fn mistakes_are_named() {
        assert!(
            matches!(refused("timeout =", "time_out ="), ProfileError::Syntax { message } if message.contains("time_out"))
        );
        assert!(
            matches!(refused("x-webhook-signature", "nope"), ProfileError::UnknownScheme(unknown) if unknown.name == "nope")
        );
        assert!(matches!(
            refused("10s", "10m"),
            ProfileError::OutOfBounds { key: "timeout", .. }
        ));
        assert!(matches!(refused("10s", "10"), ProfileError::Syntax { .. }));
        assert!(matches!(
            refused("timeout =", "min_tls_version = '1.1'\ntimeout ="),
            ProfileError::Syntax { .. }
        ));
        assert!(matches!(
            refused("\"evt\"", "\"a.b\""),
            ProfileError::OutOfBounds {
                key: "event_id_prefix",
                ..
            }
        ));
        assert!(matches!(
            refused("{type}", "{nope}"),
            ProfileError::HeaderTemplate { .. }
        ));
        assert!(matches!(
            refused("X-Acme-Event", "Host"),
            ProfileError::HeaderCollision { .. }
        ));
        assert!(matches!(
            refused("X-Acme-Event", "webhook-id"),
            ProfileError::HeaderCollision { .. }
        ));
        assert!(matches!(
            refused("standard-webhooks", "x-webhook-signature"),
            ProfileError::HeaderCollision { .. }
        ));
        assert!(matches!(
            refused("{\"id\":1}", "{"),
            ProfileError::EventType { .. }
        ));
        assert!(matches!(
            refused("timeout =", "success = []\ntimeout ="),
            ProfileError::OutOfBounds { key: "success", .. }
        ));
        assert!(matches!(
            refused("timeout =", "success = ['2xx', 'ok']\ntimeout ="),
            ProfileError::Syntax { message } if message.contains("`ok` is not a status")
        ));
    }

    #[test]
    fn a_webhook_cannot_overwrite_what_the_delivery_sets() {
        let profile = Profile::from_toml(ACME).unwrap();
        for name in [
            "x-webhook-signature",
            "Webhook-Id",
            "webhook-anything",
            "X-ACME-EVENT",
            "Host",
            "content-length",
            "Transfer-Encoding",
            ":authority",
        ] {
            assert!(profile.is_reserved_header(name), "{name}");
        }
        for name in ["Authorization", "X-Custom-Header", "webhook", "é"] {
            assert!(!profile.is_reserved_header(name), "{name}");
        }
    }

    #[test]
    fn an_event_type_cannot_smuggle_a_header() {
        let profile = Profile::from_toml(ACME).unwrap();
        let event = EventFields {
            id: "evt_1",
            event_type: "a\r\nX-Evil: 1",
            occurred_at_ms: 0,
            data: b"1",
            extras: &[],
        };
        assert!(profile.extra_headers(&event).is_empty());
    }
}
