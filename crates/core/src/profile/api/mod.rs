//! A platform's management API in its own words.
//!
//! Platforms agree on what a webhook is, and on nothing about its name: one says `webhookId` and `createdAt`, the next
//! one `id` and `created_at`; one logs `success`, the next one `delivered`. The table `[api]` of a profile says how its
//! platform writes what this service has, so that clients which were written for the platform go on working:
//!
//! ```toml
//! [api]
//! base_path = "/hooks"                       # optional: beside `/v1/webhooks`
//! webhook = [                                # one webhook, in requests and answers, in this order
//!     { name = "hookId", value = "id" },
//!     { name = "url", value = "url" },
//!     { name = "topics", value = "event_types" },
//!     { name = "secret", value = "secret" },
//!     { name = "status", value = "state" },
//!     { name = "timeoutMs", value = "timeout", as = "milliseconds" },
//!     { name = "retries", value = "retry_count", default = 3 },
//!     { name = "retryDelay", value = "retry_delay", as = "seconds", default = 5 },
//!     { name = "created", value = "create_time", as = "unix-seconds" },
//! ]
//! registered = ["hookId", "status"]          # optional: which of them the answer to a registration has
//! webhooks = [                               # a page of webhooks
//!     { name = "hooks", value = "items" },
//!     { name = "next", value = "next_page_token" },
//! ]
//! delivery = [                               # one delivery, in answers
//!     { name = "eventId", value = "event_id" },
//!     { name = "result", value = "state" },
//!     { name = "code", value = "http_status", null = true },
//! ]
//! deliveries = [{ name = "log", value = "items" }] # a page of deliveries
//! test_wait = "10s"                          # how long a test waits for its result
//!
//! [api.webhook_states]                       # optional: the words of `state`
//! active = "on"
//! paused = "off"
//! disabled = "broken"
//!
//! [api.delivery_states]                      # optional, and several states can have one word
//! scheduled = "pending"
//! leased = "pending"
//! held = "pending"
//! delivered = "ok"
//! dead = "failed"
//! cancelled = "failed"
//! ```
//!
//! What a `value` can be: see [`WebhookValue`], [`DeliveryValue`] and [`ListValue`]; their names are written in snake
//! case. A field without a value is left out of an answer, or is `null` with `null = true`. A time is `as` `rfc3339`
//! (when not given), `unix-seconds` or `unix-milliseconds`; a duration says whether it is `as` `seconds` or
//! `milliseconds`, because a number without a unit has cost others their deliveries.

mod field;
mod page;
mod spelling;
mod words;

use std::time::Duration;

use serde::Deserialize;

pub use self::field::{DeliveryValue, Field, ListValue, WebhookValue};
pub use self::spelling::Spelling;
pub use self::words::{DeliveryStates, WebhookStates};
use super::schedule::Span;
use crate::error::ProfileError;

/// Longest wait for the result of a test.
pub const MAX_TEST_WAIT: Duration = Duration::from_mins(1);

/// How a platform writes webhooks and deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Api {
    /// Where its webhooks are, beside `/v1/webhooks`.
    pub base_path: Option<String>,
    /// One webhook.
    pub webhook: Vec<Field<WebhookValue>>,
    /// The names of the fields that the answer to a registration has; all of them when `None`.
    pub registered: Option<Vec<String>>,
    /// A page of webhooks.
    pub webhooks: Vec<Field<ListValue>>,
    /// One delivery.
    pub delivery: Vec<Field<DeliveryValue>>,
    /// A page of deliveries.
    pub deliveries: Vec<Field<ListValue>>,
    /// The words for the states of a webhook.
    pub webhook_states: WebhookStates,
    /// The words for the states of a delivery.
    pub delivery_states: DeliveryStates,
    /// How long a test waits for the result of its first attempt.
    pub test_wait: Duration,
}

impl Api {
    /// The field of a webhook that has this name.
    pub fn webhook_field(&self, name: &str) -> Option<&Field<WebhookValue>> {
        self.webhook.iter().find(|field| field.name == name)
    }

    /// The field of a webhook that has this value.
    pub fn webhook_value(&self, value: WebhookValue) -> Option<&Field<WebhookValue>> {
        self.webhook.iter().find(|field| field.value == value)
    }

    /// The name of a webhook's field that was perhaps meant by one which no field has.
    pub fn nearest_webhook_name(&self, name: &str) -> Option<&str> {
        let typed = bare(name);
        // The distance below takes longer with every byte, and nobody mistypes a name of this length.
        if typed.len() > 64 {
            return None;
        }
        let distances = self.webhook.iter().map(|field| {
            let meant = bare(&field.name);
            let edits = crate::registry::edits(typed.as_bytes(), meant.as_bytes());
            (edits, meant.len(), field.name.as_str())
        });
        let (edits, length, nearest) = distances.min()?;
        (edits <= 2 && edits * 3 <= length).then_some(nearest)
    }
}

/// A name without its style: `createdAt` and `created_at` are the same slip of the finger away from what was meant.
fn bare(name: &str) -> String {
    let is_letter = |byte: &char| !matches!(byte, '_' | '-');
    name.chars()
        .filter(is_letter)
        .collect::<String>()
        .to_ascii_lowercase()
}

/// The table as it is written down.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    #[serde(default)]
    base_path: Option<String>,
    webhook: Vec<field::Description<WebhookValue>>,
    #[serde(default)]
    registered: Option<Vec<String>>,
    webhooks: Vec<field::Description<ListValue>>,
    delivery: Vec<field::Description<DeliveryValue>>,
    deliveries: Vec<field::Description<ListValue>>,
    #[serde(default)]
    webhook_states: WebhookStates,
    #[serde(default)]
    delivery_states: DeliveryStates,
    #[serde(default)]
    test_wait: Option<Span>,
}

impl Description {
    pub(super) fn resolve(self) -> Result<Api, ProfileError> {
        let api = Api {
            base_path: self.base_path,
            webhook: field::resolve("webhook", self.webhook)?,
            registered: self.registered,
            webhooks: field::resolve("webhooks", self.webhooks)?,
            delivery: field::resolve("delivery", self.delivery)?,
            deliveries: field::resolve("deliveries", self.deliveries)?,
            webhook_states: self.webhook_states,
            delivery_states: self.delivery_states,
            test_wait: self.test_wait.map_or(Duration::ZERO, |wait| wait.0),
        };
        page::check_base_path(api.base_path.as_deref())?;
        page::check_lists(&api)?;
        words::check(&api)?;
        check_webhook(&api)?;
        if api.test_wait > MAX_TEST_WAIT {
            return refused("test_wait", "it must be at most 60 seconds");
        }
        Ok(api)
    }
}

fn check_webhook(api: &Api) -> Result<(), ProfileError> {
    let has = |value| api.webhook_value(value).is_some();
    if !has(WebhookValue::Id) || !has(WebhookValue::Url) {
        return refused("webhook", "it needs fields for `id` and `url`");
    }
    if has(WebhookValue::RetryCount) != has(WebhookValue::RetryDelay) {
        return refused(
            "webhook",
            "`retry_count` and `retry_delay` are a schedule together: name both, or none",
        );
    }
    if has(WebhookValue::Active) && has(WebhookValue::State) {
        return refused(
            "webhook",
            "`active` and `state` could contradict each other: name one",
        );
    }
    let known = |name: &String| api.webhook_field(name).is_some();
    if let Some(unknown) = api.registered.iter().flatten().find(|name| !known(name)) {
        return refused(
            format!("registered.{unknown}"),
            "`webhook` has no field of this name",
        );
    }
    Ok(())
}

/// What is wrong, and below which key of the table.
fn refused<T>(key: impl std::fmt::Display, reason: &'static str) -> Result<T, ProfileError> {
    Err(ProfileError::Api {
        key: format!("api.{key}"),
        reason,
    })
}

#[cfg(test)]
mod tests;
