//! Requests into domain values. All that is wrong with a request is told at once.

use std::{collections::HashMap, sync::Arc, time::Duration};

use hookwright_core::{Jitter, Profile, Registry, Schedule, Secret, Signer, jwe::EncryptionKey};
use hookwright_egress::{EgressRules, TargetError};
use hookwright_proto::v1;
use hookwright_store::{CustomHeaders, PageSize, Timestamp};
use http::{HeaderName, HeaderValue};

use super::error::{Reason, Violation};

const NAME_CHARS_MAX: usize = 200;
const EVENT_TYPES_MAX: usize = 100;
const EVENT_TYPE_BYTES_MAX: usize = 128;
const HEADERS_MAX: usize = 32;
const HEADER_VALUE_BYTES_MAX: usize = 4_096;
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
const TIMEOUT_MIN: Duration = Duration::from_millis(100);
const TIMEOUT_MAX: Duration = Duration::from_mins(2);
const DELAYS_MAX: usize = 99;
const DELAY_MAX: Duration = Duration::from_hours(168);
const BASE_MIN: Duration = Duration::from_millis(1);
const BASE_MAX: Duration = Duration::from_hours(24);
const FACTOR_MAX: f64 = 10.0;
const ATTEMPTS_MAX: u32 = 100;

/// What a tenant may be called.
pub(super) const TENANT_NAME: &str =
    "1 to 63 of a-z, 0-9, '.', '_' and '-', the first one a letter or a digit";

/// What is wrong with a request so far.
#[derive(Debug, Default)]
pub(super) struct Violations(Vec<Violation>);

impl Violations {
    /// The value, unless it is refused: then the reason is noted, and the rest of the request is still looked at.
    pub(super) fn check<T>(&mut self, result: Result<T, Violation>) -> Option<T> {
        result.map_err(|violation| self.0.push(violation)).ok()
    }

    /// Everything that was noted, once nothing more is to be looked at.
    pub(super) fn into_vec(self) -> Vec<Violation> {
        self.0
    }
}

pub(super) fn id<T: std::str::FromStr<Err: ToString>>(field: &str, text: &str) -> Result<T, Violation> {
    text.parse()
        .map_err(|error: T::Err| Violation::new(field, Reason::InvalidId, error.to_string()))
}

pub(super) fn page_size(rows: i32) -> Result<PageSize, Violation> {
    PageSize::requested(rows).ok_or_else(|| {
        Violation::new(
            "page_size",
            Reason::InvalidPageSize,
            "must not be negative; 0 is the default, 50",
        )
    })
}

pub(super) fn name(field: &str, name: String) -> Result<String, Violation> {
    if name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(Violation::new(
            field,
            Reason::InvalidName,
            format!("at most {NAME_CHARS_MAX} characters, none of them control characters"),
        ));
    }
    Ok(name)
}

/// Whether it is what [`TENANT_NAME`] says.
pub(super) fn is_tenant_name(name: &str) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=63).contains(&name.len())
        && name.as_bytes().first().is_some_and(is_plain)
        && name.bytes().all(|byte| is_plain(&byte) || b"._-".contains(&byte))
}

pub(super) fn url(field: &str, text: &str, rules: &EgressRules) -> Result<String, Violation> {
    if text.is_empty() {
        return Err(Violation::new(
            field,
            Reason::MissingField,
            "say where to deliver to",
        ));
    }
    let url = rules
        .check(text)
        .map_err(|error| Violation::new(field, url_reason(&error), error.to_string()))?;
    Ok(url.into())
}

pub(super) fn url_reason(error: &TargetError) -> Reason {
    match error {
        TargetError::BlockedAddress(_) => Reason::BlockedAddress,
        _ => Reason::InvalidUrl,
    }
}

pub(super) fn profile(field: &str, name: &str, registry: &Registry) -> Result<Arc<Profile>, Violation> {
    let name = if name.is_empty() {
        "standard-webhooks"
    } else {
        name
    };
    registry
        .find_profile(name)
        .map_err(|error| Violation::new(field, Reason::UnknownProfile, error.to_string()))
}

/// Exact types, `prefix.*` and `*`.
pub(super) fn event_type_patterns(field: &str, patterns: Vec<String>) -> Result<Vec<String>, Violation> {
    if patterns.len() > EVENT_TYPES_MAX {
        return Err(Violation::new(
            field,
            Reason::TooManyValues,
            format!("at most {EVENT_TYPES_MAX}"),
        ));
    }
    for (position, pattern) in patterns.iter().enumerate() {
        let stem = pattern.strip_suffix(".*").unwrap_or(pattern);
        if pattern != "*" && !is_event_type(stem) {
            return Err(Violation::new(
                format!("{field}[{position}]"),
                Reason::InvalidEventType,
                format!("{pattern:?} is neither an event type such as vault.created, nor vault.*, nor *"),
            ));
        }
    }
    Ok(patterns)
}

pub(super) fn event_type(field: &str, name: String) -> Result<String, Violation> {
    if name.is_empty() {
        return Err(Violation::new(
            field,
            Reason::MissingField,
            "say what happened, such as vault.created",
        ));
    }
    if !is_event_type(&name) {
        return Err(Violation::new(
            field,
            Reason::InvalidEventType,
            format!(
                "letters, digits, _ and - in parts separated by dots, such as vault.created; at most \
                 {EVENT_TYPE_BYTES_MAX} characters"
            ),
        ));
    }
    Ok(name)
}

pub(super) fn is_event_type(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    };
    name.len() <= EVENT_TYPE_BYTES_MAX && name.split('.').all(is_part)
}

pub(super) fn payload(field: &str, payload: &[u8], bytes_max: usize) -> Result<(), Violation> {
    if payload.is_empty() {
        return Err(Violation::new(
            field,
            Reason::MissingField,
            "an event needs JSON data; null will do",
        ));
    }
    if payload.len() > bytes_max {
        return Err(Violation::new(
            field,
            Reason::PayloadTooLarge,
            format!(
                "{} bytes; at most {bytes_max} are accepted. Send a reference to large data instead",
                payload.len()
            ),
        ));
    }
    let refused = |problem: String| Violation::new(field, Reason::InvalidPayload, problem);
    let text = std::str::from_utf8(payload).map_err(|error| refused(format!("not UTF-8: {error}")))?;
    serde_json::from_str::<serde::de::IgnoredAny>(text)
        .map_err(|error| refused(format!("not JSON: {error}")))?;
    Ok(())
}

/// None when the caller gave none.
pub(super) fn idempotency_key(field: &str, key: String) -> Result<Option<String>, Violation> {
    // PostgreSQL's text has no NUL.
    if key.len() > IDEMPOTENCY_KEY_BYTES_MAX || key.chars().any(char::is_control) {
        return Err(Violation::new(
            field,
            Reason::InvalidIdempotencyKey,
            format!("at most {IDEMPOTENCY_KEY_BYTES_MAX} bytes, no control characters"),
        ));
    }
    Ok(Some(key).filter(|key| !key.is_empty()))
}

pub(super) fn headers(
    field: &str,
    headers: HashMap<String, String>,
    profile: &Profile,
) -> Result<CustomHeaders, Violation> {
    if headers.len() > HEADERS_MAX {
        return Err(Violation::new(
            field,
            Reason::TooManyValues,
            format!("at most {HEADERS_MAX}"),
        ));
    }
    let mut seen = std::collections::HashSet::new();
    for (name, value) in &headers {
        let at = format!("{field}[{name:?}]");
        let Ok(parsed) = HeaderName::try_from(name) else {
            return Err(Violation::new(at, Reason::InvalidHeader, "not a header name"));
        };
        if !seen.insert(parsed) {
            return Err(Violation::new(
                at,
                Reason::InvalidHeader,
                "given twice, in different case",
            ));
        }
        if profile.is_reserved_header(name) || is_never_sent(name) {
            return Err(Violation::new(
                at,
                Reason::ForbiddenHeader,
                "this header is set by the service or belongs to the connection",
            ));
        }
        let sendable = HeaderValue::try_from(value).is_ok_and(|value| value.to_str().is_ok());
        if !sendable || value.len() > HEADER_VALUE_BYTES_MAX {
            return Err(Violation::new(
                at,
                Reason::InvalidHeader,
                format!("the value must be printable ASCII of at most {HEADER_VALUE_BYTES_MAX} bytes"),
            ));
        }
    }
    Ok(CustomHeaders(headers.into_iter().collect()))
}

/// A compressed answer would have to be unpacked to be read, and may grow a thousandfold; so nobody asks for one.
fn is_never_sent(name: &str) -> bool {
    name.eq_ignore_ascii_case("accept-encoding")
}

pub(super) fn duration(duration: &pbjson_types::Duration) -> Option<Duration> {
    let seconds = u64::try_from(duration.seconds).ok()?;
    let nanos = u32::try_from(duration.nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(seconds, nanos))
}

/// A moment since 1970.
pub(super) fn timestamp(moment: &pbjson_types::Timestamp) -> Option<Timestamp> {
    let micros = moment
        .seconds
        .checked_mul(1_000_000)
        .filter(|_| (0..1_000_000_000).contains(&moment.nanos))
        .and_then(|micros| micros.checked_add(i64::from(moment.nanos / 1_000)))
        .filter(|micros| *micros >= 0)?;
    Some(Timestamp::from_unix_micros(micros))
}

/// None is the profile's.
pub(super) fn timeout(
    field: &str,
    timeout: Option<&pbjson_types::Duration>,
) -> Result<Option<Duration>, Violation> {
    let Some(timeout) = timeout else { return Ok(None) };
    duration(timeout)
        .filter(|timeout| (TIMEOUT_MIN..=TIMEOUT_MAX).contains(timeout))
        .map(Some)
        .ok_or_else(|| {
            Violation::new(
                field,
                Reason::InvalidTimeout,
                format!("{} ms to {} s", TIMEOUT_MIN.as_millis(), TIMEOUT_MAX.as_secs()),
            )
        })
}

/// None is the profile's.
pub(super) fn retry_policy(
    field: &str,
    policy: Option<v1::RetryPolicy>,
) -> Result<Option<Schedule>, Violation> {
    let Some(schedule) = policy.and_then(|policy| policy.schedule) else {
        return Ok(None);
    };
    match schedule {
        v1::retry_policy::Schedule::List(list) => list_schedule(&format!("{field}.list"), &list),
        v1::retry_policy::Schedule::Exponential(exponential) => {
            exponential_schedule(&format!("{field}.exponential"), &exponential)
        }
    }
    .map(Some)
}

fn list_schedule(field: &str, list: &v1::ListSchedule) -> Result<Schedule, Violation> {
    if list.delays.len() > DELAYS_MAX {
        return Err(Violation::new(
            format!("{field}.delays"),
            Reason::TooManyValues,
            format!("at most {DELAYS_MAX}"),
        ));
    }
    let delays = list.delays.iter().enumerate().map(|(position, delay)| {
        duration(delay)
            .filter(|delay| *delay <= DELAY_MAX)
            .ok_or_else(|| {
                Violation::new(
                    format!("{field}.delays[{position}]"),
                    Reason::InvalidRetryPolicy,
                    "0 to 7 days",
                )
            })
    });
    Ok(Schedule::List(delays.collect::<Result<_, _>>()?))
}

fn exponential_schedule(field: &str, exponential: &v1::ExponentialSchedule) -> Result<Schedule, Violation> {
    let refused = |name: &str, range: &str| {
        Violation::new(
            format!("{field}.{name}"),
            Reason::InvalidRetryPolicy,
            range.to_owned(),
        )
    };
    let base = exponential
        .base
        .as_ref()
        .and_then(duration)
        .filter(|base| (BASE_MIN..=BASE_MAX).contains(base));
    let max_delay = exponential
        .max_delay
        .as_ref()
        .and_then(duration)
        .filter(|delay| (BASE_MIN..=DELAY_MAX).contains(delay));
    // proto3 cannot tell a number that was not given from zero.
    let factor = if exponential.factor == 0.0 {
        2.0
    } else {
        exponential.factor
    };
    let jitter = match exponential.jitter() {
        v1::Jitter::Unspecified | v1::Jitter::Equal => Jitter::Equal,
        v1::Jitter::None => Jitter::None,
        v1::Jitter::Full => Jitter::Full,
    };
    Ok(Schedule::Exponential {
        base: base.ok_or_else(|| refused("base", "1 ms to 1 day"))?,
        factor: Some(factor)
            .filter(|factor| (1.0..=FACTOR_MAX).contains(factor))
            .ok_or_else(|| refused("factor", "1 to 10"))?,
        max_delay: max_delay.ok_or_else(|| refused("max_delay", "1 ms to 7 days"))?,
        max_attempts: Some(exponential.max_attempts)
            .filter(|attempts| (1..=ATTEMPTS_MAX).contains(attempts))
            .ok_or_else(|| refused("max_attempts", "1 to 100"))?,
        jitter,
    })
}

/// None is plain text.
pub(super) fn encryption(
    field: &str,
    encryption: Option<&v1::Encryption>,
) -> Result<Option<EncryptionKey>, Violation> {
    let Some(encryption) = encryption else {
        return Ok(None);
    };
    let refused =
        |field: String, problem: String| Violation::new(field, Reason::InvalidEncryptionKey, problem);
    let (field, text, is_shared) = match &encryption.key {
        Some(v1::encryption::Key::PublicKey(text)) => (format!("{field}.public_key"), text, false),
        Some(v1::encryption::Key::SharedKey(text)) => (format!("{field}.shared_key"), text, true),
        None if encryption.algorithm.is_empty() && encryption.key_id.is_empty() => return Ok(None),
        // It was read from here and is sent back: taking it for a wish to send plain text would undo what it says.
        None => {
            let problem =
                "a shared key is not returned, so give it again; or send an empty message for plain text";
            return Err(refused(format!("{field}.shared_key"), problem.to_owned()));
        }
    };
    let key = EncryptionKey::parse(text).map_err(|error| refused(field.clone(), error.to_string()))?;
    match (key.is_shared(), is_shared) {
        (true, false) => Err(refused(
            field,
            "this is a shared key, which is a secret: send it as shared_key".to_owned(),
        )),
        (false, true) => Err(refused(
            field,
            "this is a public key: send it as public_key".to_owned(),
        )),
        _ => Ok(Some(key)),
    }
}

/// A secret to sign with in this profile.
pub(super) fn secret(field: &str, text: &str, profile: &Profile) -> Result<Secret, Violation> {
    let refused =
        |error: hookwright_core::SecretError| Violation::new(field, Reason::InvalidSecret, error.to_string());
    let secret = Secret::parse(text).map_err(refused)?;
    Signer::for_profile(profile, std::slice::from_ref(&secret)).map_err(refused)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_types_are_dotted_names() {
        for good in [
            "vault",
            "vault.created",
            "conversation.message.created",
            "a-b.c_d.E9",
        ] {
            assert!(event_type("event_type", good.to_owned()).is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "vault.",
            ".created",
            "vault..created",
            "vault created",
            "vault.*",
            "v\u{e4}ult",
            "a\n",
        ] {
            assert!(event_type("event_type", bad.to_owned()).is_err(), "{bad:?}");
        }
        assert!(event_type("event_type", "a".repeat(129)).is_err());
    }

    #[test]
    fn patterns_are_types_prefixes_or_everything() {
        let check = |pattern: &str| event_type_patterns("event_types", vec![pattern.to_owned()]).is_ok();
        assert!(["*", "vault.*", "vault.created", "a.b.*"].into_iter().all(check));
        assert!(
            !["", "vault*", "*.created", "vault.*.x", "**", ".*"]
                .into_iter()
                .any(check)
        );
    }

    #[test]
    fn a_payload_is_json_in_utf_8_and_not_too_large() {
        let check =
            |payload: &[u8]| super::payload("payload", payload, 20).map_err(|violation| violation.reason);
        assert_eq!(check(b" {\"a\": 1} "), Ok(()));
        assert_eq!(check(b"null"), Ok(()));
        assert_eq!(check(b""), Err(Reason::MissingField));
        assert_eq!(check(b"{"), Err(Reason::InvalidPayload));
        assert_eq!(check(b"{} {}"), Err(Reason::InvalidPayload));
        assert_eq!(check(b"\"\xff\""), Err(Reason::InvalidPayload));
        assert_eq!(check(&[b' '; 21]), Err(Reason::PayloadTooLarge));
        assert_eq!(
            super::payload("payload", "[".repeat(100_000).as_bytes(), 1 << 20)
                .unwrap_err()
                .reason,
            Reason::InvalidPayload
        );
    }

    #[test]
    fn headers_of_the_service_and_of_the_connection_cannot_be_set() {
        let filedgr = Profile::builtin("filedgr").unwrap();
        let check = |name: &str, value: &str| {
            headers(
                "headers",
                HashMap::from([(name.to_owned(), value.to_owned())]),
                &filedgr,
            )
            .map_err(|v| v.reason)
        };
        assert!(check("Authorization", "Bearer token").is_ok());
        for name in [
            "X-Filedgr-Signature",
            "x-filedgr-event-id",
            "webhook-id",
            "Host",
            "content-length",
            "Connection",
        ] {
            assert_eq!(check(name, "x").unwrap_err(), Reason::ForbiddenHeader, "{name}");
        }
        for (name, value) in [
            ("X Y", "x"),
            ("", "x"),
            ("X-A", "a\r\nX-B: b"),
            ("X-A", "\u{e9}"),
            ("X-A", "\0"),
        ] {
            assert_eq!(
                check(name, value).unwrap_err(),
                Reason::InvalidHeader,
                "{name:?} {value:?}"
            );
        }
    }
}
