//! Handshakes: what a platform asks an endpoint before it sends, or while it does, written down as data.
//!
//! Before the first delivery many platforms check that the endpoint expects it: echo this challenge, prove that you
//! have the secret, say which origin may send. A receiver that does not answer never gets a webhook. As with
//! schemes, nothing about any platform is code; a platform that is not built in needs a description like this one:
//!
//! ```toml
//! name = "acme"
//! title = "Acme"
//! # reference = "https://…"        # where the platform documents it
//! # schemes = ["acme"]             # schemes that this handshake goes with
//!
//! [[exchange]]                     # one question and its answer; the first that applies answers
//! name = "challenge"
//! signed = true                    # answered only when the request has been verified; false if absent
//!
//! [exchange.when]                  # all of it must hold, and there must be more than a method
//! method = "POST"                  # GET | OPTIONS | POST | PUT
//! body = { type = "challenge" }    # fields of a JSON body, by dotted path: text, number or boolean
//! # body_absent = ["event"]        # fields that there must not be
//! # headers = { Acme-Event = "x" } # headers and their exact values
//! # header_present = ["Acme-Ask"]
//! # query = { mode = "subscribe" } # query parameters and their exact values
//! # query_present = ["challenge"]
//!
//! [exchange.values]                # what the reply needs out of the request
//! challenge = { body = "data.challenge" }     # or query = "…", or header = "…"
//! # accepts = "token"              # token | digits | host; anything else is refused, and never echoed
//! # max_bytes = 1024               # never more than 1024
//! # default = "*"                  # for when the request does not say
//! proof = { hmac_sha256_hex = "challenge" }   # of another value, under the secret; needs signed = true
//!
//! # [exchange.guard]
//! # verify_token = { query = "token" }        # must equal the configured one, compared in constant time
//! # allowed_origin = "origin"                 # a value that must be on the configured list
//!
//! [exchange.reply]
//! # status = 200
//! json = { challenge = "{challenge}", proof = "{proof}" }   # or text = "{challenge}", or neither: empty
//! # headers = { Acme-Answer = "{challenge}" }
//! ```
//!
//! # What a stranger can do with it
//!
//! A handshake writes what a request says into a response, so it is a place for reflected scripts, injected headers
//! and signatures on demand. None of them is possible:
//!
//! - A value has at most 1 KiB, and only letters, digits and `- . _ ~ + / =` ever get into a reply. No markup, line
//!   break or quotation mark does, and the rest is refused and not cleaned.
//! - Replies are `text/plain` or `application/json`, never sniffed and never cached. A value can stand only inside
//!   a JSON text, which the serializer escapes.
//! - A MAC over something that the request chose is made for verified requests alone; a description that wants
//!   it otherwise does not parse. The characters above keep such a MAC from being one over `v0:…:…`.
//! - The verify token is compared and never echoed. Without a configured one, nothing is answered.
//!
//! # Use
//!
//! [`Handshake::answer`] does it all: it looks at the request, verifies it if the answer depends on that, and says
//! what to reply. On [`Outcome::NotAHandshake`], which is the common case, the request is a delivery.
//!
//! ```
//! use hookwright_core::handshake::{Handshake, Outcome, Settings};
//! use hookwright_core::{Request, Scheme, Secret, Verifier};
//!
//! let secrets = [Secret::parse("app secret of Dropbox")?];
//! let verifier = Verifier::for_scheme(&Scheme::builtin("dropbox").unwrap(), &secrets)?;
//! let handshake = Handshake::for_scheme("dropbox").unwrap();
//! let settings = Settings { secrets: &secrets, ..Settings::default() };
//!
//! let request = Request { method: "GET", url: "/hook?challenge=abc123", headers: &[], body: b"" };
//! let Outcome::Answer(reply) = handshake.answer(&request, &settings, &verifier, 1_705_314_600)? else { panic!() };
//! assert_eq!(reply.status, 200);
//! assert_eq!(reply.body, b"abc123");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod asked;
mod builtin;
mod description;
mod exchange;
mod template;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::asked::Asked;
use self::description::Description;
use self::exchange::{ContentType, Exchange, safe_headers};
use crate::error::{HandshakeError, VerifyError};
use crate::header::HeaderName;
use crate::secret::Secret;
use crate::verifier::{Request, Verified, Verifier};

/// Longest value that is taken from a request, in bytes. Known challenges stay below a hundred.
pub const MAX_VALUE_BYTES: usize = 1024;

/// Largest body that can be a handshake; whatever is larger is a delivery and not parsed here.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

/// How one platform checks an endpoint.
#[derive(Debug, Clone)]
pub struct Handshake {
    name: Arc<str>,
    title: String,
    reference: Option<String>,
    schemes: Box<[String]>,
    exchanges: Box<[Exchange]>,
}

/// What the owner of the endpoint has configured.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings<'a> {
    /// The secrets that the verifier was made with, in the same order.
    pub secrets: &'a [Secret],
    /// The text that the platform must know, for handshakes with a verify token.
    pub verify_token: Option<&'a str>,
    /// Who may send, for handshakes with an origin: DNS names, or `*` for everyone.
    pub allowed_origins: &'a [&'a str],
}

/// What to do about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// It asks nothing of this handshake: it is a delivery, or nonsense.
    NotAHandshake,
    /// It asks something that is answered to verified requests only. [`Handshake::answer`] never says this.
    NeedsVerification,
    /// Send this.
    Answer(Reply),
    /// Send this, and log the reason.
    Refused(Reply, Refusal),
}

/// An HTTP response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// All headers to send, apart from those that every server adds, such as `Content-Length`.
    pub headers: Vec<(HeaderName, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why a handshake was not answered. The peer learns the status only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// Something that the answer needs is absent.
    MissingValue,
    /// Something that the answer needs came twice.
    RepeatedValue,
    /// Something that the answer needs is too long or has characters that are never echoed.
    InvalidValue,
    /// The endpoint has no verify token configured, so nobody can know it.
    NoVerifyToken,
    /// The verify token is another one.
    WrongVerifyToken,
    /// The origin is not on the list of those that may send.
    OriginNotAllowed,
    /// The answer is made with the secret, and the settings lack the one that the request was verified with.
    NoSecret,
}

impl Refusal {
    /// The stable name, in snake case.
    pub const fn code(self) -> &'static str {
        match self {
            Self::MissingValue => "missing_value",
            Self::RepeatedValue => "repeated_value",
            Self::InvalidValue => "invalid_value",
            Self::NoVerifyToken => "no_verify_token",
            Self::WrongVerifyToken => "wrong_verify_token",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::NoSecret => "no_secret",
        }
    }

    /// The HTTP status that goes with it. A configuration error that strangers can provoke is no server error.
    pub const fn status(self) -> u16 {
        match self {
            Self::MissingValue | Self::RepeatedValue | Self::InvalidValue => 400,
            Self::NoVerifyToken | Self::WrongVerifyToken | Self::OriginNotAllowed => 403,
            Self::NoSecret => 500,
        }
    }
}

impl Handshake {
    /// Reads a handshake from its description in TOML. The [module documentation](self) has the format.
    pub fn from_toml(text: &str) -> Result<Self, HandshakeError> {
        let description: Description = toml::from_str(text).map_err(|error| HandshakeError::Syntax {
            message: error.to_string(),
        })?;
        description.try_into()
    }

    /// Reads a handshake from its description in JSON, which has the same keys.
    pub fn from_json(text: &str) -> Result<Self, HandshakeError> {
        let description: Description =
            serde_json::from_str(text).map_err(|error| HandshakeError::Syntax {
                message: error.to_string(),
            })?;
        description.try_into()
    }

    /// The built-in handshake of that name.
    pub fn builtin(name: &str) -> Option<Arc<Self>> {
        let at = builtin::NAMES.binary_search(&name).ok()?;
        builtin::all().get(at).cloned()
    }

    /// The names of all built-in handshakes, in alphabetical order.
    pub fn builtin_names() -> &'static [&'static str] {
        builtin::NAMES
    }

    /// The built-in handshake of the platform that signs by this scheme.
    pub fn for_scheme(scheme: &str) -> Option<Arc<Self>> {
        let goes_with = |handshake: &&Arc<Self>| handshake.schemes().any(|name| name == scheme);
        builtin::all().iter().find(goes_with).cloned()
    }

    /// The short name, such as `zoom`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name for people, such as `Zoom`.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Where the platform documents it.
    pub fn reference(&self) -> Option<&str> {
        self.reference.as_deref()
    }

    /// The names of the schemes that it goes with.
    pub fn schemes(&self) -> impl Iterator<Item = &str> {
        self.schemes.iter().map(String::as_str)
    }

    /// Looks at a request and says what to reply, verifying it where the answer depends on that. `now` is Unix time
    /// in seconds. The error is that of the verification, and the reply to it that of a forged delivery.
    pub fn answer(
        &self,
        request: &Request<'_>,
        settings: &Settings<'_>,
        verifier: &Verifier,
        now: i64,
    ) -> Result<Outcome, VerifyError> {
        match self.respond(request, settings, None) {
            Outcome::NeedsVerification => {
                let verified = verifier.verify(request, now)?;
                Ok(self.respond(request, settings, Some(&verified)))
            }
            outcome => Ok(outcome),
        }
    }

    /// Like [`answer`](Self::answer), for callers that verify themselves: `verified` is the verdict about this
    /// very request.
    pub fn respond(
        &self,
        request: &Request<'_>,
        settings: &Settings<'_>,
        verified: Option<&Verified<'_>>,
    ) -> Outcome {
        let asked = Asked::new(request);
        let Some(exchange) = self.exchanges.iter().find(|exchange| exchange.when.holds(&asked)) else {
            return Outcome::NotAHandshake;
        };
        if exchange.signed && verified.is_none() {
            return Outcome::NeedsVerification;
        }
        match exchange.reply(&asked, settings, verified) {
            Ok(reply) => Outcome::Answer(reply),
            Err(refusal) => Outcome::Refused(Reply::refusal(refusal), refusal),
        }
    }
}

impl Reply {
    /// The body says nothing: which check failed is for the log.
    fn refusal(refusal: Refusal) -> Self {
        Self {
            status: refusal.status(),
            headers: safe_headers(ContentType::Text),
            body: Vec::new(),
        }
    }
}
