//! `Verify`: check a received request, against a webhook's secrets or against given ones.

use std::sync::Arc;

use hookwright_core::{
    Profile, Refusal, Request, Secret, SecretError, Tolerance, Verified, Verifier,
    jwe::{self, EncryptionKey, JweError},
    receive,
};
use hookwright_proto::v1::{self, verify_request::Key};
use hookwright_store::WebhookId;

use super::{
    Caller, Service, convert,
    error::{ApiError, Reason, Violation},
    sealed,
    validate::{self, Violations},
};

const SECRETS_MAX: usize = 10;
/// Proxies and servers stop at about a hundred.
const HEADERS_MAX: usize = 128;
const HEADER_NAME_BYTES_MAX: usize = 256;
/// What servers accept; cookies can be that long, what is signed is far shorter.
const HEADER_VALUE_BYTES_MAX: usize = 8 * 1024;
const URL_BYTES_MAX: usize = 8 * 1024;
const METHOD_BYTES_MAX: usize = 32;

/// Who may have signed, and what their requests look like.
struct Trust {
    verifier: Verifier,
    /// The envelope to read; none for a bare scheme.
    profile: Option<Arc<Profile>>,
    signs_url: bool,
    /// Where requests go when the caller does not say.
    url: Option<String>,
    /// What bodies are encrypted with.
    encryption: Option<EncryptionKey>,
}

/// Whom the caller asks about.
enum Subject {
    Webhook(WebhookId),
    Given(Trust),
}

impl Service {
    pub(super) async fn verify(
        &self,
        caller: &Caller,
        request: v1::VerifyRequest,
    ) -> Result<v1::VerifyResponse, ApiError> {
        self.verify_rate.admit().map_err(ApiError::VerifyRateExceeded)?;
        let mut violations = Violations::default();
        let subject = violations.check(self.subject(request.key));
        let body = violations.check(body(&request.body, self.limits.verify_bytes));
        let headers = violations.check(headers(&request.headers));
        let tolerance = violations.check(tolerance(request.tolerance.as_ref(), request.any_age));
        let method = violations.check(method(&request.method));
        let url = violations.check(url(&request.url));
        let (Some(subject), Some(()), Some(headers), Some(tolerance), Some(method), Some(url)) =
            (subject, body, headers, tolerance, method, url)
        else {
            return Err(ApiError::Invalid(violations.into_vec()));
        };
        let trust = match subject {
            Subject::Webhook(id) => self.of_webhook(caller, id).await?,
            Subject::Given(trust) => trust,
        };
        let received = Request {
            method,
            url: url_signed(&trust, url)?,
            headers: &headers,
            body: &request.body,
        };
        let now = self.store.clock().now().unix_seconds();
        Ok(check(&trust, tolerance, &received, now))
    }

    fn subject(&self, key: Option<Key>) -> Result<Subject, Violation> {
        match key {
            Some(Key::WebhookId(id)) => validate::id("webhook_id", &id).map(Subject::Webhook),
            Some(Key::ProfileKey(key)) => self.of_profile(&key).map(Subject::Given),
            Some(Key::SchemeKey(key)) => self.of_scheme(&key).map(Subject::Given),
            None => Err(Violation::new(
                "key",
                Reason::MissingField,
                "give a webhook_id, a profile_key or a scheme_key",
            )),
        }
    }

    async fn of_webhook(&self, caller: &Caller, webhook: WebhookId) -> Result<Trust, ApiError> {
        let tenant = caller.tenant;
        self.directory.tenant(tenant).await?;
        let mut found = self.directory.webhook(webhook);
        if found.is_none() {
            // Perhaps it was registered on another node a moment ago.
            self.directory.reload(tenant).await?;
            found = self.directory.webhook(webhook);
        }
        let live = found
            .filter(|live| live.webhook.tenant == tenant)
            .ok_or_else(|| ApiError::WebhookNotFound(webhook.to_string()))?;
        Ok(Trust {
            verifier: live.verifier.clone(),
            profile: Some(Arc::clone(&live.profile)),
            signs_url: live.profile.signs_url(),
            url: Some(live.url.to_string()),
            encryption: live.webhook.settings.encryption.clone(),
        })
    }

    fn of_profile(&self, key: &v1::ProfileKey) -> Result<Trust, Violation> {
        let field = "profile_key.profile";
        if key.profile.is_empty() {
            return Err(Violation::new(
                field,
                Reason::MissingField,
                "say which platform signed",
            ));
        }
        let profile = validate::profile(field, &key.profile, self.directory.registry())?;
        let verifier = verifier("profile_key.secrets", &key.secrets, |secrets| {
            Verifier::for_profile(&profile, secrets)
        })?;
        Ok(Trust {
            verifier,
            signs_url: profile.signs_url(),
            profile: Some(profile),
            url: None,
            encryption: None,
        })
    }

    fn of_scheme(&self, key: &v1::SchemeKey) -> Result<Trust, Violation> {
        let field = "scheme_key.scheme";
        if key.scheme.is_empty() {
            return Err(Violation::new(
                field,
                Reason::MissingField,
                "say how it is signed",
            ));
        }
        let scheme = self
            .directory
            .registry()
            .find_scheme(&key.scheme)
            .map_err(|error| Violation::new(field, Reason::UnknownScheme, error.to_string()))?;
        let verifier = verifier("scheme_key.secrets", &key.secrets, |secrets| {
            Verifier::for_scheme(&scheme, secrets)
        })?;
        Ok(Trust {
            verifier,
            profile: None,
            signs_url: scheme.signs_url(),
            url: None,
            encryption: None,
        })
    }
}

/// Makes a verifier of all secrets, or says which of them is none.
fn verifier(
    field: &str,
    texts: &[String],
    make: impl Fn(&[Secret]) -> Result<Verifier, SecretError>,
) -> Result<Verifier, Violation> {
    if texts.len() > SECRETS_MAX {
        return Err(Violation::new(
            field,
            Reason::TooManyValues,
            format!("at most {SECRETS_MAX}"),
        ));
    }
    let refused =
        |field: String, error: SecretError| Violation::new(field, Reason::InvalidSecret, error.to_string());
    let mut secrets = Vec::with_capacity(texts.len());
    for (position, text) in texts.iter().enumerate() {
        let secret =
            Secret::parse(text).and_then(|secret| make(std::slice::from_ref(&secret)).map(|_| secret));
        secrets.push(secret.map_err(|error| refused(format!("{field}[{position}]"), error))?);
    }
    make(&secrets).map_err(|error| refused(field.to_owned(), error))
}

fn body(body: &[u8], bytes_max: usize) -> Result<(), Violation> {
    if body.len() > bytes_max {
        return Err(Violation::new(
            "body",
            Reason::PayloadTooLarge,
            format!("{} bytes; at most {bytes_max} are verified", body.len()),
        ));
    }
    Ok(())
}

fn headers(headers: &[v1::Header]) -> Result<Vec<(&str, &[u8])>, Violation> {
    if headers.len() > HEADERS_MAX {
        return Err(Violation::new(
            "headers",
            Reason::TooManyValues,
            format!("at most {HEADERS_MAX}"),
        ));
    }
    for (position, header) in headers.iter().enumerate() {
        let too_long = |field: &str, bytes_max: usize| {
            Err(Violation::new(
                format!("headers[{position}].{field}"),
                Reason::InvalidHeader,
                format!("at most {bytes_max} bytes"),
            ))
        };
        if header.name.len() > HEADER_NAME_BYTES_MAX {
            return too_long("name", HEADER_NAME_BYTES_MAX);
        }
        if header.value.len() > HEADER_VALUE_BYTES_MAX {
            return too_long("value", HEADER_VALUE_BYTES_MAX);
        }
    }
    Ok(headers
        .iter()
        .map(|header| (header.name.as_str(), header.value.as_ref()))
        .collect())
}

fn tolerance(tolerance: Option<&pbjson_types::Duration>, any_age: bool) -> Result<Tolerance, Violation> {
    let refused = |description| Err(Violation::new("tolerance", Reason::InvalidTolerance, description));
    match (tolerance, any_age) {
        (None, false) => Ok(Tolerance::SchemeDefault),
        (None, true) => Ok(Tolerance::Off),
        (Some(_), true) => refused("give a tolerance, or accept any_age, not both"),
        (Some(tolerance), false) => {
            let whole = validate::duration(tolerance).filter(|tolerance| tolerance.subsec_nanos() == 0);
            match whole.and_then(|tolerance| u32::try_from(tolerance.as_secs()).ok()) {
                Some(seconds) => Ok(Tolerance::Seconds(seconds)),
                None => refused("0 to 4294967295 whole seconds; any_age accepts any"),
            }
        }
    }
}

fn method(method: &str) -> Result<&str, Violation> {
    if method.is_empty() {
        return Ok("POST");
    }
    if method.len() > METHOD_BYTES_MAX || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(Violation::new(
            "method",
            Reason::InvalidMethod,
            format!("at most {METHOD_BYTES_MAX} upper-case letters, such as POST"),
        ));
    }
    Ok(method)
}

/// The URL is signed as it was written, so it is bounded and not interpreted.
fn url(url: &str) -> Result<&str, Violation> {
    if url.len() > URL_BYTES_MAX {
        return Err(Violation::new(
            "url",
            Reason::InvalidUrl,
            format!("at most {URL_BYTES_MAX} bytes"),
        ));
    }
    Ok(url)
}

fn url_signed<'a>(trust: &'a Trust, given: &'a str) -> Result<&'a str, Violation> {
    match &trust.url {
        Some(own) if given.is_empty() => Ok(own),
        // A guess would look like a forged request.
        None if given.is_empty() && trust.signs_url => Err(Violation::new(
            "url",
            Reason::MissingField,
            "this scheme signs the URL: give the one that the platform was told to call, as it was told",
        )),
        _ => Ok(given),
    }
}

fn check(trust: &Trust, tolerance: Tolerance, received: &Request<'_>, now: i64) -> v1::VerifyResponse {
    match read(trust, tolerance, received, now) {
        Ok(Vouched {
            verified,
            event_id,
            event_type,
        }) => v1::VerifyResponse {
            valid: true,
            event_id: event_id
                .or_else(|| verified.id.map(ToOwned::to_owned))
                .unwrap_or_default(),
            event_type: event_type.unwrap_or_default(),
            timestamp: verified.timestamp.map(convert::timestamp_of_seconds),
            secret_index: u32::try_from(verified.secret_index).unwrap_or(u32::MAX),
            scheme: verified.scheme.to_string(),
            ..v1::VerifyResponse::default()
        },
        Err(NotValid { reason, message }) => v1::VerifyResponse {
            reason: reason.to_owned(),
            message,
            ..v1::VerifyResponse::default()
        },
    }
}

/// What a valid signature vouches for, as far as the body can be read.
struct Vouched<'a> {
    verified: Verified<'a>,
    event_id: Option<String>,
    event_type: Option<String>,
}

/// Why a request is not valid.
struct NotValid {
    reason: &'static str,
    message: String,
}

impl From<Refusal> for NotValid {
    fn from(refusal: Refusal) -> Self {
        Self {
            reason: refusal.code(),
            message: refusal.to_string(),
        }
    }
}

impl From<JweError> for NotValid {
    fn from(error: JweError) -> Self {
        Self {
            reason: error.code(),
            message: error.to_string(),
        }
    }
}

fn read<'a>(
    trust: &Trust,
    tolerance: Tolerance,
    received: &Request<'a>,
    now: i64,
) -> Result<Vouched<'a>, NotValid> {
    let verifier = trust.verifier.clone().with_tolerance(tolerance);
    let profile = match &trust.profile {
        Some(profile) if jwe::is_compact(received.body) => {
            let verified = verifier.verify(received, now).map_err(Refusal::from)?;
            return read_sealed(trust, profile, received, verified);
        }
        Some(profile) => profile,
        None => {
            return Ok(Vouched {
                verified: verifier.verify(received, now).map_err(Refusal::from)?,
                event_id: None,
                event_type: None,
            });
        }
    };
    let received = receive(&verifier, profile, received, now)?;
    Ok(Vouched {
        verified: received.verified,
        event_id: received.envelope.id,
        event_type: received.envelope.event_type,
    })
}

/// Takes an encrypted body apart, if what the webhook is encrypted with can open it. If not, only its receiver can,
/// and the signature is all that there is to say.
fn read_sealed<'a>(
    trust: &Trust,
    profile: &Profile,
    received: &Request<'a>,
    verified: Verified<'a>,
) -> Result<Vouched<'a>, NotValid> {
    let (event_id, event_type) = match sealed::open(received.body, trust.encryption.as_ref())? {
        Some(body) => {
            let envelope = profile
                .parse_request(&Request {
                    body: &body,
                    ..*received
                })
                .map_err(Refusal::from)?;
            (envelope.id, envelope.event_type)
        }
        None => (None, None),
    };
    Ok(Vouched {
        verified,
        event_id,
        event_type,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: i64, nanos: i32) -> pbjson_types::Duration {
        pbjson_types::Duration { seconds, nanos }
    }

    #[test]
    fn no_tolerance_zero_and_any_age_are_three_things() {
        assert_eq!(tolerance(None, false), Ok(Tolerance::SchemeDefault));
        assert_eq!(tolerance(Some(&seconds(0, 0)), false), Ok(Tolerance::Seconds(0)));
        assert_eq!(tolerance(None, true), Ok(Tolerance::Off));
        for (given, any_age) in [
            (seconds(300, 0), true),
            (seconds(-1, 0), false),
            (seconds(0, 500_000_000), false),
            (seconds(1 << 32, 0), false),
        ] {
            let refused = tolerance(Some(&given), any_age).unwrap_err();
            assert_eq!(refused.reason, Reason::InvalidTolerance, "{given:?}");
        }
    }

    #[test]
    fn a_method_is_upper_case() {
        assert_eq!(method(""), Ok("POST"));
        assert_eq!(method("PUT"), Ok("PUT"));
        for bad in ["post", "PO ST", "POST\n", &"A".repeat(33)] {
            assert_eq!(method(bad).unwrap_err().reason, Reason::InvalidMethod, "{bad:?}");
        }
    }
}
