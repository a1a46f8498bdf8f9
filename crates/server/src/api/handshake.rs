//! Handshakes: a receiver is asked whether it expects deliveries, before anything is stored.
//!
//! What the right answer is comes from the descriptions that receivers answer by (`hookwright_core::handshake`): the
//! question is answered here as they say, and the receiver's answer must say the same.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hookwright_core::{
    Request,
    handshake::{Handshake as Protocol, Outcome, Settings},
};
use hookwright_egress::{Answer, Connection, Exchange};
use hookwright_proto::v1;
use hookwright_store::{Handshake, HandshakeProtocol, Timestamp, WebhookSettings};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::json;
use url::Url;

use super::{
    Service, convert,
    error::{ApiError, Reason, Violation},
    validate,
};
use crate::connection::connection;

/// What is asked for where a protocol wants a number of requests a minute.
const REQUESTED_PER_MINUTE: u32 = 6_000;
/// How much of an unexpected answer the caller is shown.
const SHOWN_CHARS_MAX: usize = 200;

/// Asks receivers.
#[derive(Debug)]
pub(crate) struct Handshaker {
    /// The DNS name that this service goes by.
    origin: String,
}

/// A question to a receiver.
struct Question {
    method: Method,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Handshaker {
    pub(crate) fn new(origin: String) -> Self {
        Self { origin }
    }

    /// The limit that the receiver sets, in requests a minute; the error says what it answered instead.
    async fn ask(
        &self,
        protocol: HandshakeProtocol,
        settings: &WebhookSettings,
        connection: &Connection,
        timeout: Duration,
        now: Timestamp,
    ) -> Result<Option<u32>, String> {
        let nonce = random_text();
        let question = self.question(protocol, &nonce, settings, now);
        let url = Url::parse(&settings.url).map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::new();
        let own = settings
            .headers
            .0
            .iter()
            .map(|(name, value)| (name.as_str(), value));
        let asked = question.headers.iter().map(|(name, value)| (*name, value));
        for (name, value) in own.chain(asked) {
            let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
            headers.insert(
                name,
                HeaderValue::try_from(value).map_err(|error| error.to_string())?,
            );
        }
        if !question.body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let exchange = Exchange {
            method: question.method.clone(),
            url,
            headers,
            body: Bytes::copy_from_slice(&question.body),
            timeout,
        };
        let answer = connection
            .exchange(exchange)
            .await
            .map_err(|error| error.to_string())?;
        if !answer.status.is_success() {
            return Err(shown(&answer));
        }
        match protocol {
            HandshakeProtocol::Echo if contains(&answer.body, nonce.as_bytes()) => Ok(None),
            HandshakeProtocol::Echo => Err(shown(&answer)),
            HandshakeProtocol::CloudEvents => {
                expect_headers(&self.right_answer("cloudevents", &question)?, &answer)
            }
            HandshakeProtocol::EventGrid => {
                expect_json(&self.right_answer("event-grid", &question)?, &answer).map(|()| None)
            }
        }
    }

    fn question(
        &self,
        protocol: HandshakeProtocol,
        nonce: &str,
        settings: &WebhookSettings,
        now: Timestamp,
    ) -> Question {
        match protocol {
            HandshakeProtocol::Echo => Question {
                method: Method::POST,
                headers: Vec::new(),
                body: json!({ "type": "hookwright.challenge", "challenge": nonce })
                    .to_string()
                    .into_bytes(),
            },
            HandshakeProtocol::CloudEvents => Question {
                method: Method::OPTIONS,
                headers: vec![
                    ("webhook-request-origin", self.origin.clone()),
                    ("webhook-request-rate", REQUESTED_PER_MINUTE.to_string()),
                ],
                body: Vec::new(),
            },
            HandshakeProtocol::EventGrid => Question {
                method: Method::POST,
                headers: vec![("aeg-event-type", String::from("SubscriptionValidation"))],
                body: json!([{
                    "id": random_text(),
                    "topic": self.origin,
                    "subject": settings.name,
                    "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
                    "eventTime": now.to_string(),
                    "metadataVersion": "1",
                    "dataVersion": "1",
                    "data": { "validationCode": nonce },
                }])
                .to_string()
                .into_bytes(),
            },
        }
    }

    /// What a receiver answers that keeps to the protocol.
    fn right_answer(
        &self,
        protocol: &str,
        question: &Question,
    ) -> Result<hookwright_core::handshake::Reply, String> {
        let unknown = || format!("this version does not know the handshake {protocol}");
        let description: Arc<Protocol> = Protocol::builtin(protocol).ok_or_else(unknown)?;
        let headers: Vec<(&str, &[u8])> = question
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()))
            .collect();
        let request = Request {
            method: question.method.as_str(),
            url: "/",
            headers: &headers,
            body: &question.body,
        };
        let origins = [self.origin.as_str()];
        let settings = Settings {
            allowed_origins: &origins,
            ..Settings::default()
        };
        match description.respond(&request, &settings, None) {
            Outcome::Answer(reply) => Ok(reply),
            Outcome::NotAHandshake | Outcome::NeedsVerification | Outcome::Refused(..) => Err(unknown()),
        }
    }
}

impl Service {
    /// Asks the receiver if the settings say so, and notes its answer in them.
    pub(super) async fn shake_hands(&self, settings: &mut WebhookSettings) -> Result<(), ApiError> {
        let Some(protocol) = settings.handshake.as_ref().map(|handshake| handshake.protocol) else {
            return Ok(());
        };
        let profile = validate::profile("webhook.profile", &settings.profile, self.directory.registry())?;
        let timeout = settings.timeout.unwrap_or(profile.timeout);
        // By the way that deliveries will go, credentials included.
        let connection = connection(&settings.connection, &profile, &self.egress)
            .map_err(|error| ApiError::HandshakeFailed(error.to_string()))?;
        let now = self.store.clock().now();
        let allowed_per_minute = self
            .handshaker
            .ask(protocol, settings, &connection, timeout, now)
            .await
            .map_err(ApiError::HandshakeFailed)?;
        settings.handshake = Some(Handshake {
            protocol,
            allowed_per_minute,
            completed_at: now.unix_micros(),
        });
        Ok(())
    }
}

/// The handshake that is wanted, not made yet.
pub(super) fn accept(field: &str, handshake: Option<&v1::Handshake>) -> Result<Option<Handshake>, Violation> {
    let Some(handshake) = handshake else {
        return Ok(None);
    };
    let protocol = match v1::HandshakeProtocol::try_from(handshake.protocol) {
        Ok(v1::HandshakeProtocol::Unspecified | v1::HandshakeProtocol::None) => return Ok(None),
        Ok(v1::HandshakeProtocol::Echo) => HandshakeProtocol::Echo,
        Ok(v1::HandshakeProtocol::Cloudevents) => HandshakeProtocol::CloudEvents,
        Ok(v1::HandshakeProtocol::EventGrid) => HandshakeProtocol::EventGrid,
        Err(_) => {
            return Err(Violation::new(
                format!("{field}.protocol"),
                Reason::UnknownState,
                format!("no protocol has the number {}", handshake.protocol),
            ));
        }
    };
    Ok(Some(Handshake {
        protocol,
        allowed_per_minute: None,
        completed_at: 0,
    }))
}

pub(super) fn to_wire(handshake: &Handshake) -> v1::Handshake {
    let protocol = match handshake.protocol {
        HandshakeProtocol::Echo => v1::HandshakeProtocol::Echo,
        HandshakeProtocol::CloudEvents => v1::HandshakeProtocol::Cloudevents,
        HandshakeProtocol::EventGrid => v1::HandshakeProtocol::EventGrid,
    };
    v1::Handshake {
        protocol: protocol.into(),
        allowed_per_minute: handshake.allowed_per_minute.unwrap_or(0),
        complete_time: Some(convert::timestamp(Timestamp::from_unix_micros(
            handshake.completed_at,
        ))),
    }
}

/// `CloudEvents` web hooks §4.2: the origin comes back, or `*`; the rate is a number, or `*` for no limit.
fn expect_headers(right: &hookwright_core::handshake::Reply, answer: &Answer) -> Result<Option<u32>, String> {
    let mut limit = None;
    for (name, expected) in &right.headers {
        let given = || {
            answer
                .headers
                .get(name.as_str())
                .and_then(|value| value.to_str().ok())
        };
        match name.as_str().to_ascii_lowercase().as_str() {
            "webhook-allowed-origin" if given().is_none_or(|given| given != "*" && given != expected) => {
                return Err(format!(
                    "{}; WebHook-Allowed-Origin is {:?}",
                    shown(answer),
                    given()
                ));
            }
            "webhook-allowed-rate" => {
                limit = match given() {
                    None | Some("*") => None,
                    Some(rate) => Some(
                        rate.parse()
                            .ok()
                            .filter(|rate| *rate > 0)
                            .ok_or_else(|| format!("{}; WebHook-Allowed-Rate is {rate:?}", shown(answer)))?,
                    ),
                };
            }
            _ => {}
        }
    }
    Ok(limit)
}

/// All that the right answer says, the given one says too.
fn expect_json(right: &hookwright_core::handshake::Reply, answer: &Answer) -> Result<(), String> {
    let right: serde_json::Value = serde_json::from_slice(&right.body).map_err(|error| error.to_string())?;
    let given: serde_json::Value = serde_json::from_slice(&answer.body).map_err(|_| shown(answer))?;
    let says = |(name, value): (&String, &serde_json::Value)| given.get(name) == Some(value);
    if right.as_object().is_some_and(|right| right.iter().all(says)) {
        Ok(())
    } else {
        Err(shown(answer))
    }
}

fn contains(body: &[u8], wanted: &[u8]) -> bool {
    body.windows(wanted.len()).any(|window| window == wanted)
}

/// What a receiver answered, for people: its bytes are not to be trusted.
fn shown(answer: &Answer) -> String {
    let body: String = String::from_utf8_lossy(&answer.body)
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .take(SHOWN_CHARS_MAX)
        .collect();
    format!("answered {} with {body:?}", answer.status)
}

/// 128 random bits, which nobody guesses.
fn random_text() -> String {
    format!("{:032x}", rand::random::<u128>())
}
