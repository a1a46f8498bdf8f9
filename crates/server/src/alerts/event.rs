//! Operational events: their types, and what stands in them.

use hookwright_store::{Notice, Outcome, StandingState};
use serde::Serialize;

use super::facts::{Dead, Facts, What};

/// What all of their types begin with. Nobody else can publish such types, and `*` does not match them.
const PREFIX: &str = "hookwright.";

/// Whether this is the type of an operational event.
pub(crate) fn is_operational(event_type: &str) -> bool {
    event_type.starts_with(PREFIX)
}

/// An operational event, ready to be published.
#[derive(Debug)]
pub(super) struct Operational {
    pub(super) event_type: &'static str,
    pub(super) payload: String,
    /// The same whenever the same thing is told, by whichever node.
    pub(super) idempotency_key: String,
}

/// As docs/alerts.md shows it.
#[derive(Serialize)]
struct Payload<'a> {
    webhook: WebhookPart<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<DeliveryPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<EventPart<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_attempt: Option<AttemptPart<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    time: String,
}

#[derive(Serialize)]
struct WebhookPart<'a> {
    id: String,
    name: &'a str,
    url: &'a str,
}

#[derive(Serialize)]
struct DeliveryPart {
    id: String,
    attempts: u16,
}

#[derive(Serialize)]
struct EventPart<'a> {
    id: String,
    r#type: &'a str,
}

#[derive(Serialize)]
struct AttemptPart<'a> {
    outcome: &'static str,
    http_status: Option<u16>,
    error: Option<&'a str>,
}

impl Operational {
    /// The event that tells this. None for a delivery of an operational event that was given up: telling about that would
    /// be told about in turn, for ever.
    pub(super) fn of(notice: &Notice, facts: &Facts) -> Option<Self> {
        let mut payload = Payload {
            webhook: WebhookPart {
                id: notice.webhook.to_string(),
                name: &facts.name,
                url: &facts.url,
            },
            delivery: None,
            event: None,
            last_attempt: None,
            reason: None,
            message: None,
            time: notice.happened_at.to_string(),
        };
        let (event_type, key) = match &facts.what {
            What::Dead(dead) if is_operational(&dead.event_type) => return None,
            What::Dead(dead) => {
                dead.fill(&mut payload);
                (
                    "hookwright.delivery.dead",
                    format!("dead:{}:{}", dead.delivery, dead.attempts),
                )
            }
            What::Standing(standing) => {
                payload.reason = Some(&standing.reason);
                payload.message = Some(standing.text.as_str()).filter(|text| !text.is_empty());
                let event_type = match standing.state {
                    StandingState::Active => "hookwright.webhook.resumed",
                    StandingState::Paused => "hookwright.webhook.paused",
                    StandingState::Disabled => "hookwright.webhook.disabled",
                };
                (event_type, format!("standing:{}:{}", notice.webhook, notice.id))
            }
            What::Recovered => (
                "hookwright.webhook.recovered",
                format!("recovered:{}:{}", notice.webhook, notice.id),
            ),
        };
        Some(Self {
            event_type,
            // Strings and numbers only, so this cannot fail.
            payload: serde_json::to_string(&payload).unwrap_or_default(),
            idempotency_key: format!("{PREFIX}{key}"),
        })
    }
}

impl Dead {
    fn fill<'a>(&'a self, payload: &mut Payload<'a>) {
        payload.delivery = Some(DeliveryPart {
            id: self.delivery.to_string(),
            attempts: self.attempts,
        });
        payload.event = Some(EventPart {
            id: self.delivery.event.to_string(),
            r#type: &self.event_type,
        });
        payload.last_attempt = Some(AttemptPart {
            outcome: outcome_name(self.outcome),
            http_status: self.http_status,
            error: self.error.as_deref(),
        });
    }
}

/// As metrics and the API name it.
fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Rejected => "rejected",
        Outcome::TimedOut => "timed_out",
        Outcome::Unreachable => "unreachable",
        Outcome::TlsFailed => "tls_failed",
        Outcome::BlockedAddress => "blocked_address",
        Outcome::Redirected => "redirected",
        Outcome::ResponseTooLarge => "response_too_large",
    }
}
