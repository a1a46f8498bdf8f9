//! The native half of the Node package: [`hookwright_core`] behind Node-API, and nothing else.
//!
//! Crossing into native code costs more per argument than verifying a small webhook costs in total, so the shape of
//! this boundary is chosen by measurement. Headers come in as one string, values only, in the order that
//! [`Binding::slots`] announces. A verdict goes out as one number, or as text when it is a refusal. JavaScript
//! gives both their friendly form. The one call that every webhook makes is written by hand, in [`hot`].

pub mod decryption;
mod endpoint;
pub mod hot;
mod outcome;
mod slots;

use std::rc::Rc;
use std::sync::Arc;

use hookwright_core::handshake::{self, Handshake, Outcome};
use hookwright_core::{
    EventFields, Message, Profile, ProfileError, Registry, Scheme, SchemeError, Secret, SecretError, Signer,
    Tolerance, Verifier, explain,
};
use napi::bindgen_prelude::{Either, Uint8Array};
use napi_derive::napi;

use crate::endpoint::{Endpoint, Handle};
use crate::outcome::{Envelope, HandshakeReply, envelope_refusal, refusal};
use crate::slots::{Slots, Target};

/// An error of configuration, whose status is the stable code that JavaScript shows.
type Misconfigured = napi::Error<&'static str>;

/// One webhook endpoint: keys, and what they are used for.
#[napi]
pub struct Binding {
    endpoint: Rc<Endpoint>,
    handle: Handle,
}

/// What the owner of an endpoint has to say to a platform that asks.
#[napi(object)]
pub struct HandshakeSettings {
    /// The handshake's name; without one, the scheme's own is taken.
    pub name: Option<String>,
    /// The text that the platform must know.
    pub verify_token: Option<String>,
    /// Who may send: DNS names, or `*`.
    pub allowed_origins: Vec<String>,
}

/// Makes an endpoint of one scheme, given by name or as TOML.
#[napi]
pub fn bind_scheme(scheme: String, secrets: Vec<String>, tolerance: f64) -> Result<Binding, Misconfigured> {
    let scheme = scheme_of(&scheme)?;
    let secrets = secrets_of(&secrets)?;
    Ok(Binding::new(Endpoint {
        verifier: Verifier::for_scheme(&scheme, &secrets)
            .map_err(refused_secret)?
            .with_tolerance(tolerance_of(tolerance)),
        signer: Signer::for_scheme(&scheme, &secrets),
        slots: Slots::of_scheme(&scheme),
        signs_url: scheme.signs_url(),
        has_short_secret: secrets.iter().any(Secret::is_short),
        profile: None,
        scheme,
        secrets,
    }))
}

/// Makes an endpoint of one profile, given by name or as TOML.
#[napi]
pub fn bind_profile(profile: String, secrets: Vec<String>, tolerance: f64) -> Result<Binding, Misconfigured> {
    let profile = profile_of(&profile)?;
    let secrets = secrets_of(&secrets)?;
    Ok(Binding::new(Endpoint {
        verifier: Verifier::for_profile(&profile, &secrets)
            .map_err(refused_secret)?
            .with_tolerance(tolerance_of(tolerance)),
        signer: Signer::for_profile(&profile, &secrets),
        slots: Slots::of_profile(&profile),
        signs_url: profile.scheme.signs_url() || profile.also_sign.iter().any(|scheme| scheme.signs_url()),
        has_short_secret: secrets.iter().any(Secret::is_short),
        scheme: Arc::clone(&profile.scheme),
        profile: Some(profile),
        secrets,
    }))
}

impl Binding {
    fn new(endpoint: Endpoint) -> Self {
        let endpoint = Rc::new(endpoint);
        Self {
            handle: Handle::of(Rc::clone(&endpoint)),
            endpoint,
        }
    }
}

#[napi]
impl Binding {
    /// What [`hot`] knows this endpoint by, for as long as this object lives.
    #[napi]
    pub fn handle(&self) -> u32 {
        self.handle.number()
    }

    /// The names of the headers whose values [`hot`] wants, in lower case, in order.
    #[napi]
    pub fn slots(&self) -> Vec<String> {
        self.endpoint.slots.names()
    }

    /// The names of the schemes, in the order in which verdicts count them.
    #[napi]
    pub fn schemes(&self) -> Vec<String> {
        self.endpoint.slots.schemes()
    }

    /// Whether a verifier has to be told the URL that the sender used.
    #[napi]
    pub fn signs_url(&self) -> bool {
        self.endpoint.signs_url
    }

    /// Whether the platform of the scheme checks endpoints before it sends.
    #[napi]
    pub fn has_handshake(&self) -> bool {
        Handshake::for_scheme(self.endpoint.scheme.name()).is_some()
    }

    /// Whether one of the secrets is so short that it can be guessed.
    #[napi]
    pub fn has_short_secret(&self) -> bool {
        self.endpoint.has_short_secret
    }

    /// Verifies a request whose headers are names and values in turns: for headers that came more than once.
    #[napi]
    pub fn verify_listed(
        &self,
        body: &[u8],
        listed: Vec<String>,
        now: f64,
        target: Option<String>,
    ) -> Either<f64, String> {
        let target = Target::parse(target.as_deref());
        let headers = slots::listed(&listed);
        self.endpoint
            .verify(&target.request(&headers, body), seconds(now))
    }

    /// Takes the envelope of a verified request apart; the headers are names and values in turns.
    #[napi]
    pub fn parse(&self, body: &[u8], listed: Vec<String>) -> Either<Envelope, String> {
        let Some(profile) = &self.endpoint.profile else {
            return Either::B(String::new());
        };
        let headers = slots::listed(&listed);
        let target = Target::parse(None);
        match profile.parse_request(&target.request(&headers, body)) {
            Ok(parsed) => Either::A(Envelope::from(parsed)),
            Err(error) => Either::B(envelope_refusal(&error)),
        }
    }

    /// Answers what a platform asks an endpoint before it sends: nothing for a delivery, text for a refused signature.
    #[napi]
    pub fn answer_handshake(
        &self,
        body: &[u8],
        listed: Vec<String>,
        now: f64,
        target: Option<String>,
        settings: HandshakeSettings,
    ) -> Result<Option<Either<HandshakeReply, String>>, Misconfigured> {
        let Some(handshake) = handshake_of(settings.name.as_deref(), &self.endpoint.scheme)? else {
            return Ok(None);
        };
        let target = Target::parse(target.as_deref());
        let headers = slots::listed(&listed);
        let origins: Vec<&str> = settings.allowed_origins.iter().map(String::as_str).collect();
        let configured = handshake::Settings {
            secrets: &self.endpoint.secrets,
            verify_token: settings.verify_token.as_deref(),
            allowed_origins: &origins,
        };
        let request = target.request(&headers, body);
        Ok(
            match handshake.answer(&request, &configured, &self.endpoint.verifier, seconds(now)) {
                Ok(Outcome::NotAHandshake | Outcome::NeedsVerification) => None,
                Ok(Outcome::Answer(reply)) => Some(Either::A(HandshakeReply::new(reply, None))),
                Ok(Outcome::Refused(reply, refusal)) => {
                    Some(Either::A(HandshakeReply::new(reply, Some(refusal.code()))))
                }
                Err(error) => Some(Either::B(refusal(&error))),
            },
        )
    }

    /// What would have made a refused request match, as JSON. For developers only.
    #[napi]
    pub fn explain(
        &self,
        body: &[u8],
        listed: Vec<String>,
        now: f64,
        target: Option<String>,
    ) -> Option<String> {
        let target = Target::parse(target.as_deref());
        let headers = slots::listed(&listed);
        let secrets: Vec<&str> = self.endpoint.secrets.iter().map(Secret::expose).collect();
        let request = target.request(&headers, body);
        let explanation = match &self.endpoint.profile {
            Some(profile) => explain::explain_profile(profile, &secrets, &request, seconds(now)),
            None => explain::explain(&self.endpoint.scheme, &secrets, &request, seconds(now)),
        };
        serde_json::to_string(&explanation).ok()
    }

    /// The signature headers of a message: names and values in turns.
    #[napi]
    pub fn sign(
        &self,
        body: &[u8],
        id: String,
        timestamp: f64,
        target: Option<String>,
    ) -> Result<Vec<String>, Misconfigured> {
        let target = Target::parse(target.as_deref());
        let message = Message {
            id: &id,
            event_type: "",
            timestamp: seconds(timestamp),
            body,
            method: target.method,
            url: target.url,
        };
        // A receiver may hold the public half of a pair only; that is an error when it signs and not before.
        let signer = self
            .endpoint
            .signer
            .as_ref()
            .map_err(|error| refused_secret(*error))?;
        let headers = signer.sign(&message);
        Ok(flat(
            headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        ))
    }

    /// The body that the profile's platform would send for an event, or nothing without a profile.
    #[napi]
    pub fn render(
        &self,
        id: String,
        event_type: String,
        occurred_at_ms: f64,
        data: &[u8],
        extras: Vec<String>,
    ) -> Option<Uint8Array> {
        let extras = slots::listed(&extras);
        let event = EventFields {
            id: &id,
            event_type: &event_type,
            occurred_at_ms: seconds(occurred_at_ms),
            data,
            extras: &extras,
        };
        self.endpoint
            .profile
            .as_ref()
            .map(|profile| profile.render(&event).into())
    }

    /// The headers beside the signature that the profile's platform would send: names and values in turns.
    #[napi]
    pub fn extra_headers(&self, id: String, event_type: String) -> Vec<String> {
        let event = EventFields {
            id: &id,
            event_type: &event_type,
            occurred_at_ms: 0,
            data: &[],
            extras: &[],
        };
        let headers = self
            .endpoint
            .profile
            .as_ref()
            .map(|profile| profile.extra_headers(&event))
            .unwrap_or_default();
        flat(
            headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        )
    }
}

/// A scheme by name, or from its description in JSON or TOML.
fn scheme_of(text: &str) -> Result<Arc<Scheme>, Misconfigured> {
    let invalid = |error: SchemeError| napi::Error::new("invalid_scheme", error.to_string());
    match Given::of(text) {
        Given::Name => Registry::builtin()
            .find_scheme(text)
            .map_err(|error| napi::Error::new("unknown_scheme", error.to_string())),
        Given::Json => Scheme::from_json(text).map(Arc::new).map_err(invalid),
        Given::Toml => Scheme::from_toml(text).map(Arc::new).map_err(invalid),
    }
}

/// A profile by name, or from its description in JSON or TOML.
fn profile_of(text: &str) -> Result<Arc<Profile>, Misconfigured> {
    let invalid = |error: ProfileError| napi::Error::new("invalid_profile", error.to_string());
    match Given::of(text) {
        Given::Name => Registry::builtin()
            .find_profile(text)
            .map_err(|error| napi::Error::new("unknown_profile", error.to_string())),
        Given::Json => Profile::from_json(text).map(Arc::new).map_err(invalid),
        Given::Toml => Profile::from_toml(text).map(Arc::new).map_err(invalid),
    }
}

/// What a text is, by what every description has: JSON begins with a brace, TOML has keys and values.
enum Given {
    Name,
    Json,
    Toml,
}

impl Given {
    fn of(text: &str) -> Self {
        if text.starts_with('{') {
            Self::Json
        } else if text.contains('=') {
            Self::Toml
        } else {
            Self::Name
        }
    }
}

fn handshake_of(name: Option<&str>, scheme: &Scheme) -> Result<Option<Arc<Handshake>>, Misconfigured> {
    let Some(name) = name else {
        return Ok(Handshake::for_scheme(scheme.name()));
    };
    match Handshake::builtin(name) {
        Some(handshake) => Ok(Some(handshake)),
        None => Err(napi::Error::new(
            "invalid_option",
            format!(
                "there is no handshake `{name}`; the built-in ones are {}",
                Handshake::builtin_names().join(", ")
            ),
        )),
    }
}

fn secrets_of(texts: &[String]) -> Result<Vec<Secret>, Misconfigured> {
    let secrets = texts.iter().map(|text| Secret::parse(text));
    secrets.collect::<Result<_, _>>().map_err(refused_secret)
}

fn refused_secret(error: SecretError) -> Misconfigured {
    napi::Error::new(error.code(), error.to_string())
}

/// Negative numbers stand for what JavaScript writes as `undefined` and `null`.
fn tolerance_of(number: f64) -> Tolerance {
    if number < -1.0 {
        Tolerance::SchemeDefault
    } else if number < 0.0 {
        Tolerance::Off
    } else {
        Tolerance::Seconds(u32::try_from(seconds(number)).unwrap_or(u32::MAX))
    }
}

/// A number of JavaScript as whole seconds, rounded down.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the conversion saturates, and a clock beyond 2^63 seconds is refused by every tolerance"
)]
fn seconds(number: f64) -> i64 {
    number.floor() as i64
}

fn flat<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    pairs
        .flat_map(|(name, value)| [name.to_owned(), value.to_owned()])
        .collect()
}
