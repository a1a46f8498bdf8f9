//! Descriptions of handshakes: reading them, and refusing those that would be wrong or dangerous.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::exchange::{
    Accepts, Answer, AnswerBody, Condition, ContentType, Exchange, Path, Source, ValueRule,
};
use super::template::{JsonTemplate, Template};
use super::{Handshake, MAX_VALUE_BYTES};
use crate::error::HandshakeError;
use crate::header::{HeaderName, is_sendable_value};

/// Most exchanges of one handshake.
const MAX_EXCHANGES: usize = 16;

/// Most steps of a path into a body.
const MAX_PATH_STEPS: usize = 8;

/// Headers that the reply sets itself, or that would let a handshake do more than answer.
const RESERVED_HEADERS: [&str; 9] = [
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "location",
    "refresh",
    "set-cookie",
    "transfer-encoding",
    "x-content-type-options",
];

/// A handshake as it is written down.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    name: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    reference: Option<String>,
    #[serde(default)]
    schemes: Vec<String>,
    exchange: Vec<ExchangeDescription>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExchangeDescription {
    name: String,
    #[serde(default)]
    signed: bool,
    when: WhenDescription,
    #[serde(default)]
    values: BTreeMap<String, ValueDescription>,
    #[serde(default)]
    guard: GuardDescription,
    reply: ReplyDescription,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WhenDescription {
    method: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    header_present: Vec<String>,
    #[serde(default)]
    query: BTreeMap<String, String>,
    #[serde(default)]
    query_present: Vec<String>,
    #[serde(default)]
    body: BTreeMap<String, Value>,
    #[serde(default)]
    body_absent: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ValueDescription {
    #[serde(default)]
    query: Option<String>,
    #[serde(default)]
    header: Option<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    hmac_sha256_hex: Option<String>,
    #[serde(default)]
    accepts: Option<Accepts>,
    #[serde(default)]
    max_bytes: Option<usize>,
    #[serde(default)]
    default: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct GuardDescription {
    #[serde(default)]
    verify_token: Option<TokenDescription>,
    #[serde(default)]
    allowed_origin: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenDescription {
    #[serde(default)]
    query: Option<String>,
    #[serde(default)]
    header: Option<String>,
    #[serde(default)]
    body: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplyDescription {
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    content_type: Option<ContentType>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    json: Option<Value>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

impl TryFrom<Description> for Handshake {
    type Error = HandshakeError;

    fn try_from(description: Description) -> Result<Self, HandshakeError> {
        if description.name.is_empty() {
            return Err(HandshakeError::Contradiction {
                reason: "`name` must not be empty",
            });
        }
        if !(1..=MAX_EXCHANGES).contains(&description.exchange.len()) {
            return Err(HandshakeError::Contradiction {
                reason: "a handshake has 1 to 16 `[[exchange]]` tables",
            });
        }
        let mut names: Vec<&str> = description
            .exchange
            .iter()
            .map(|exchange| &*exchange.name)
            .collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(HandshakeError::Contradiction {
                reason: "two exchanges have the same name",
            });
        }
        let exchanges = description
            .exchange
            .into_iter()
            .map(|exchange| {
                let name = exchange.name.clone();
                self::exchange(exchange).map_err(|flaw| flaw.of(name))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            name: description.name.as_str().into(),
            title: description.title.unwrap_or(description.name),
            reference: description.reference,
            schemes: description.schemes.into(),
            exchanges,
        })
    }
}

/// What is wrong with an exchange, before its name is known.
enum Flaw {
    Reason(&'static str),
    HeaderName(crate::error::HeaderNameError),
}

impl Flaw {
    fn of(self, exchange: String) -> HandshakeError {
        match self {
            Self::Reason(reason) => HandshakeError::Exchange { exchange, reason },
            Self::HeaderName(error) => HandshakeError::HeaderName(error),
        }
    }
}

impl From<&'static str> for Flaw {
    fn from(reason: &'static str) -> Self {
        Self::Reason(reason)
    }
}

impl From<crate::error::HeaderNameError> for Flaw {
    fn from(error: crate::error::HeaderNameError) -> Self {
        Self::HeaderName(error)
    }
}

fn exchange(description: ExchangeDescription) -> Result<Exchange, Flaw> {
    let when = condition(description.when)?;
    let (names, values) = values(description.values, description.signed)?;
    let position = |wanted: &str| names.iter().position(|name| name == wanted);
    let allowed_origin = description
        .guard
        .allowed_origin
        .map(|name| position(&name).ok_or("`guard.allowed_origin` names a value that `values` does not have"))
        .transpose()?;
    let verify_token = description.guard.verify_token.map(token).transpose()?;
    let answer = answer(description.reply, &position)?;
    check_use(&values, allowed_origin, &answer)?;
    Ok(Exchange {
        signed: description.signed,
        when,
        values,
        verify_token,
        allowed_origin,
        answer,
    })
}

fn condition(description: WhenDescription) -> Result<Condition, Flaw> {
    if !["GET", "OPTIONS", "POST", "PUT"].contains(&&*description.method) {
        return Err("`when.method` is GET, OPTIONS, POST or PUT".into());
    }
    let is_delivery_too = description.headers.is_empty()
        && description.header_present.is_empty()
        && description.query.is_empty()
        && description.query_present.is_empty()
        && description.body.is_empty();
    if is_delivery_too {
        return Err(
            "`when` needs more than a method and absent fields, or deliveries would be taken for it".into(),
        );
    }
    if description
        .body
        .values()
        .any(|value| !(value.is_string() || value.is_boolean() || value.is_i64() || value.is_u64()))
    {
        return Err("`when.body` compares texts, whole numbers and booleans".into());
    }
    Ok(Condition {
        method: description.method.into(),
        headers: description
            .headers
            .into_iter()
            .map(|(name, value)| Ok((HeaderName::parse(&name)?, value)))
            .collect::<Result<_, Flaw>>()?,
        header_present: description
            .header_present
            .iter()
            .map(|name| HeaderName::parse(name))
            .collect::<Result<_, _>>()?,
        query: description.query.into_iter().collect(),
        query_present: description.query_present.into(),
        body: description
            .body
            .into_iter()
            .map(|(text, value)| Ok((path(&text)?, value)))
            .collect::<Result<_, Flaw>>()?,
        body_absent: description
            .body_absent
            .iter()
            .map(|text| path(text))
            .collect::<Result<_, _>>()?,
    })
}

fn path(text: &str) -> Result<Path, &'static str> {
    let steps: Path = text.split('.').map(Into::into).collect();
    if steps.len() > MAX_PATH_STEPS || steps.iter().any(|step| step.is_empty()) {
        return Err("a path into the body is 1 to 8 names with full stops in between");
    }
    Ok(steps)
}

/// The names and rules of the values, those that are read before those that are made of them.
fn values(
    descriptions: BTreeMap<String, ValueDescription>,
    signed: bool,
) -> Result<(Vec<String>, Box<[ValueRule]>), Flaw> {
    let (made, read): (Vec<_>, Vec<_>) = descriptions
        .into_iter()
        .partition(|(_, description)| description.hmac_sha256_hex.is_some());
    let mut names: Vec<String> = read.iter().map(|(name, _)| name.clone()).collect();
    let mut rules = Vec::with_capacity(read.len() + made.len());
    for (_, description) in read {
        rules.push(read_rule(description)?);
    }
    for (_, description) in &made {
        rules.push(made_rule(description, &names, signed)?);
    }
    names.extend(made.into_iter().map(|(name, _)| name));
    if names
        .iter()
        .any(|name| name.is_empty() || name.contains(['{', '}']))
    {
        return Err("the name of a value is not empty and has no braces".into());
    }
    Ok((names, rules.into()))
}

fn read_rule(description: ValueDescription) -> Result<ValueRule, Flaw> {
    let accepts = description.accepts.unwrap_or_default();
    let max_bytes = description.max_bytes.unwrap_or(MAX_VALUE_BYTES);
    if !(1..=MAX_VALUE_BYTES).contains(&max_bytes) {
        return Err("`max_bytes` is 1 to 1024".into());
    }
    if description
        .default
        .as_ref()
        .is_some_and(|text| !is_sendable_value(text))
    {
        return Err("`default` is visible ASCII without spaces around it".into());
    }
    Ok(ValueRule {
        source: one_source(description.query, description.header, description.body)?,
        accepts,
        max_bytes,
        default: description.default,
    })
}

fn made_rule(description: &ValueDescription, read: &[String], signed: bool) -> Result<ValueRule, Flaw> {
    let ValueDescription {
        query: None,
        header: None,
        body: None,
        hmac_sha256_hex: Some(over),
        accepts: None,
        max_bytes: None,
        default: None,
    } = description
    else {
        return Err("a value with `hmac_sha256_hex` has no other key".into());
    };
    if !signed {
        return Err(
            "a MAC over what the request chose needs `signed = true`, or strangers could have anything signed".into(),
        );
    }
    let position = read.iter().position(|name| name == over);
    Ok(ValueRule {
        source: Source::Mac(position.ok_or("`hmac_sha256_hex` names a value that is read from the request")?),
        accepts: Accepts::default(),
        max_bytes: MAX_VALUE_BYTES,
        default: None,
    })
}

fn token(description: TokenDescription) -> Result<Source, Flaw> {
    one_source(description.query, description.header, description.body)
}

fn one_source(query: Option<String>, header: Option<String>, body: Option<String>) -> Result<Source, Flaw> {
    match (query, header, body) {
        (Some(name), None, None) => Ok(Source::Query(name)),
        (None, Some(name), None) => Ok(Source::Header(HeaderName::parse(&name)?)),
        (None, None, Some(text)) => Ok(Source::Body(path(&text)?)),
        _ => Err("a value has exactly one of `query`, `header`, `body` and `hmac_sha256_hex`".into()),
    }
}

fn answer(description: ReplyDescription, position: &impl Fn(&str) -> Option<usize>) -> Result<Answer, Flaw> {
    let status = description.status.unwrap_or(200);
    if !(200..=299).contains(&status) {
        return Err("`reply.status` is 200 to 299: anything else is no consent".into());
    }
    let (body, body_type) = match (description.text, description.json) {
        (Some(_), Some(_)) => return Err("a reply has `text` or `json`, not both".into()),
        (Some(text), None) => (
            AnswerBody::Text(Template::parse(&text, position)?),
            ContentType::Text,
        ),
        (None, Some(json)) => (
            AnswerBody::Json(JsonTemplate::parse(json, position)?),
            ContentType::Json,
        ),
        (None, None) => (AnswerBody::Empty, ContentType::Text),
    };
    let is_empty = matches!(body, AnswerBody::Empty);
    if matches!(status, 204 | 205) && !is_empty {
        return Err("a reply with status 204 or 205 has no body".into());
    }
    if description.content_type.is_some() && !is_empty {
        return Err("`reply.content_type` is for empty replies; `text` and `json` say what they are".into());
    }
    let headers = description
        .headers
        .into_iter()
        .map(|(name, text)| reply_header(&name, &text, position))
        .collect::<Result<Box<[_]>, Flaw>>()?;
    let repeats = |(at, (name, _)): (usize, &(HeaderName, Template))| {
        headers[..at].iter().any(|(earlier, _)| earlier == name)
    };
    if headers.iter().enumerate().any(repeats) {
        return Err("a reply header is set twice".into());
    }
    Ok(Answer {
        status,
        content_type: description.content_type.unwrap_or(body_type),
        headers,
        body,
    })
}

fn reply_header(
    name: &str,
    text: &str,
    position: &impl Fn(&str) -> Option<usize>,
) -> Result<(HeaderName, Template), Flaw> {
    let name = HeaderName::parse(name)?;
    if RESERVED_HEADERS.iter().any(|reserved| name.matches(reserved)) {
        return Err("a reply header is set by every reply, or is none that a handshake needs".into());
    }
    let template = Template::parse(text, position)?;
    if template
        .literals()
        .any(|literal| !literal.bytes().all(|byte| (b' '..=b'~').contains(&byte)))
    {
        return Err("a reply header is visible ASCII".into());
    }
    Ok((name, template))
}

/// A value that nothing uses is a misspelt name somewhere else.
fn check_use(values: &[ValueRule], allowed_origin: Option<usize>, answer: &Answer) -> Result<(), Flaw> {
    let mut used: Vec<usize> = allowed_origin.into_iter().collect();
    used.extend(answer.headers.iter().flat_map(|(_, template)| template.values()));
    match &answer.body {
        AnswerBody::Empty => {}
        AnswerBody::Text(template) => used.extend(template.values()),
        AnswerBody::Json(template) => template.collect_values(&mut used),
    }
    used.extend(values.iter().filter_map(|rule| match rule.source {
        Source::Mac(position) => Some(position),
        Source::Query(_) | Source::Header(_) | Source::Body(_) => None,
    }));
    if (0..values.len()).any(|position| !used.contains(&position)) {
        return Err("a value is used by nothing; check the names".into());
    }
    Ok(())
}
