//! One question and its answer.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use super::asked::{Asked, Occurrence};
use super::template::{JsonTemplate, Template};
use super::{Refusal, Reply, Settings};
use crate::header::{HeaderName, is_sendable_value};
use crate::scheme::Scheme;
use crate::secret::Secret;
use crate::signer::{Message, Signer};
use crate::verifier::Verified;

/// One question and its answer.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub(super) signed: bool,
    pub(super) when: Condition,
    pub(super) values: Box<[ValueRule]>,
    pub(super) verify_token: Option<Source>,
    /// The position of the value that is the origin.
    pub(super) allowed_origin: Option<usize>,
    pub(super) answer: Answer,
}

/// What tells the question from a delivery.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) method: Box<str>,
    pub(super) headers: Box<[(HeaderName, String)]>,
    pub(super) header_present: Box<[HeaderName]>,
    pub(super) query: Box<[(String, String)]>,
    pub(super) query_present: Box<[String]>,
    pub(super) body: Box<[(Path, Value)]>,
    pub(super) body_absent: Box<[Path]>,
}

/// The steps to a field of a JSON body; a number steps into an array.
pub(super) type Path = Box<[Box<str>]>;

impl Condition {
    pub(super) fn holds(&self, asked: &Asked<'_>) -> bool {
        let is = |found: Occurrence<Cow<'_, [u8]>>, wanted: &str| matches!(found, Occurrence::Once(value) if *value == *wanted.as_bytes());
        asked.method() == &*self.method
            && self
                .headers
                .iter()
                .all(|(name, value)| is(asked.header(name), value))
            && self
                .header_present
                .iter()
                .all(|name| !matches!(asked.header(name), Occurrence::Absent))
            && self
                .query
                .iter()
                .all(|(name, value)| is(asked.query(name), value))
            && self
                .query_present
                .iter()
                .all(|name| !matches!(asked.query(name), Occurrence::Absent))
            && self
                .body
                .iter()
                .all(|(path, value)| asked.field(path) == Some(value))
            && self.body_absent.iter().all(|path| asked.field(path).is_none())
    }
}

/// Where a value comes from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Query(String),
    Header(HeaderName),
    Body(Path),
    /// HMAC-SHA-256 in hex over the value at this position, under the secret.
    Mac(usize),
}

/// A value and the bounds that it must keep.
#[derive(Debug, Clone)]
pub(super) struct ValueRule {
    pub(super) source: Source,
    pub(super) accepts: Accepts,
    pub(super) max_bytes: usize,
    pub(super) default: Option<String>,
}

/// The characters of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Accepts {
    /// Letters, digits and `- . _ ~ + / =`: tokens, numbers, UUIDs, base64 of both alphabets.
    #[default]
    Token,
    /// Digits only.
    Digits,
    /// Letters, digits and `- . _`.
    Host,
}

impl Accepts {
    fn all(self, text: &[u8]) -> bool {
        text.iter().all(|byte| match self {
            Self::Token => {
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
            }
            Self::Digits => byte.is_ascii_digit(),
            Self::Host => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'),
        })
    }
}

/// The reply, still without its values.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: ContentType,
    pub(super) headers: Box<[(HeaderName, Template)]>,
    pub(super) body: AnswerBody,
}

#[derive(Debug, Clone)]
pub(super) enum AnswerBody {
    Empty,
    Text(Template),
    Json(JsonTemplate),
}

/// The two content types that no browser runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum ContentType {
    #[serde(rename = "text/plain")]
    Text,
    #[serde(rename = "application/json")]
    Json,
}

impl Exchange {
    pub(super) fn reply(
        &self,
        asked: &Asked<'_>,
        settings: &Settings<'_>,
        verified: Option<&Verified<'_>>,
    ) -> Result<Reply, Refusal> {
        self.check_token(asked, settings)?;
        let mut values = Vec::with_capacity(self.values.len());
        for rule in &self.values {
            values.push(rule.value(asked, &values, settings, verified)?);
        }
        let origin = self.allowed_origin.and_then(|position| values.get(position));
        if let Some(origin) = origin
            && !settings
                .allowed_origins
                .iter()
                .any(|allowed| *allowed == "*" || allowed.eq_ignore_ascii_case(origin))
        {
            return Err(Refusal::OriginNotAllowed);
        }
        self.answer.render(&values)
    }

    fn check_token(&self, asked: &Asked<'_>, settings: &Settings<'_>) -> Result<(), Refusal> {
        let Some(source) = &self.verify_token else {
            return Ok(());
        };
        // An empty token is what an unset variable looks like, and everyone knows it.
        let configured = settings
            .verify_token
            .filter(|token| !token.is_empty())
            .ok_or(Refusal::NoVerifyToken)?;
        let claimed = source.read(asked)?.ok_or(Refusal::MissingValue)?;
        if configured.as_bytes().ct_eq(&claimed).into() {
            Ok(())
        } else {
            Err(Refusal::WrongVerifyToken)
        }
    }
}

impl Source {
    fn read<'a>(&self, asked: &'a Asked<'_>) -> Result<Option<Cow<'a, [u8]>>, Refusal> {
        let found = match self {
            Self::Query(name) => asked.query(name),
            Self::Header(name) => asked.header(name),
            Self::Body(path) => match asked.field(path) {
                None => Occurrence::Absent,
                Some(Value::String(text)) => Occurrence::Once(text.as_bytes().into()),
                Some(_) => return Err(Refusal::InvalidValue),
            },
            // A MAC is made and not read.
            Self::Mac(_) => Occurrence::Absent,
        };
        match found {
            Occurrence::Absent => Ok(None),
            Occurrence::Once(value) => Ok(Some(value)),
            Occurrence::Repeated => Err(Refusal::RepeatedValue),
        }
    }
}

impl ValueRule {
    fn value(
        &self,
        asked: &Asked<'_>,
        earlier: &[String],
        settings: &Settings<'_>,
        verified: Option<&Verified<'_>>,
    ) -> Result<String, Refusal> {
        if let Source::Mac(position) = self.source {
            let text = earlier.get(position).ok_or(Refusal::MissingValue)?;
            let secret = verified.and_then(|verified| settings.secrets.get(verified.secret_index));
            return hmac_sha256_hex(secret.ok_or(Refusal::NoSecret)?, text).ok_or(Refusal::NoSecret);
        }
        let read = self.source.read(asked)?;
        let Some(bytes) = read.filter(|bytes| !bytes.is_empty()) else {
            return self.default.clone().ok_or(Refusal::MissingValue);
        };
        if bytes.len() > self.max_bytes || !self.accepts.all(&bytes) {
            return Err(Refusal::InvalidValue);
        }
        // Accepted characters are ASCII, so this always succeeds.
        String::from_utf8(bytes.into_owned()).map_err(|_| Refusal::InvalidValue)
    }
}

/// The MAC that a scheme over the bare body would put into its header is exactly this one, so that scheme makes it.
pub(super) fn hmac_sha256_hex(secret: &Secret, text: &str) -> Option<String> {
    let scheme = Scheme::builtin("x-webhook-signature")?;
    let signer = Signer::for_scheme(&scheme, std::slice::from_ref(secret)).ok()?;
    let signed = signer.sign(&Message {
        id: "",
        event_type: "",
        timestamp: 0,
        body: text.as_bytes(),
        method: "POST",
        url: "",
    });
    signed.into_iter().next().map(|(_, value)| value)
}

impl Answer {
    fn render(&self, values: &[String]) -> Result<Reply, Refusal> {
        let mut headers = safe_headers(self.content_type);
        for (name, template) in &self.headers {
            let value = template.render(values);
            // Values and literals are harmless each; together they may still be too long for a header.
            if !is_sendable_value(&value) {
                return Err(Refusal::InvalidValue);
            }
            headers.push((name.clone(), value));
        }
        let body = match &self.body {
            AnswerBody::Empty => Vec::new(),
            AnswerBody::Text(template) => template.render(values).into_bytes(),
            AnswerBody::Json(template) => template.render(values).to_string().into_bytes(),
        };
        Ok(Reply {
            status: self.status,
            headers,
            body,
        })
    }
}

/// The headers that keep a browser from taking a reply for a page, and a cache from keeping it.
pub(super) fn safe_headers(content_type: ContentType) -> Vec<(HeaderName, String)> {
    let content_type = match content_type {
        ContentType::Text => "text/plain; charset=utf-8",
        ContentType::Json => "application/json",
    };
    [
        ("Content-Type", content_type),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-store"),
    ]
    .into_iter()
    // The names are constants and tokens, so none of them is dropped; a test looks for all three.
    .filter_map(|(name, value)| Some((HeaderName::parse(name).ok()?, value.to_owned())))
    .collect()
}
