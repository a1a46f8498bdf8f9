//! The words for states.

use serde::Deserialize;

use super::{Api, WebhookValue, refused};
use crate::error::ProfileError;

/// Longest word, in bytes.
const BYTES_MAX: usize = 64;

/// The words for the states of a webhook. Requests have them too, so each means one state.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct WebhookStates {
    /// Deliveries are made.
    pub active: String,
    /// They are held because its owner wants it so.
    pub paused: String,
    /// They are held because its owner, a receiver that is gone or its failures have disabled it.
    pub disabled: String,
}

/// The words for the states of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DeliveryStates {
    /// It waits for its next attempt.
    pub scheduled: String,
    /// Its first attempt is made, or is about to be.
    pub leased: String,
    /// It waits for its webhook, which is paused or disabled.
    pub held: String,
    /// The receiver accepted it.
    pub delivered: String,
    /// It was given up.
    pub dead: String,
    /// It was cancelled.
    pub cancelled: String,
}

impl Default for WebhookStates {
    /// This service's own words.
    fn default() -> Self {
        Self {
            active: "active".into(),
            paused: "paused".into(),
            disabled: "disabled".into(),
        }
    }
}

impl Default for DeliveryStates {
    /// This service's own words.
    fn default() -> Self {
        Self {
            scheduled: "scheduled".into(),
            leased: "leased".into(),
            held: "held".into(),
            delivered: "delivered".into(),
            dead: "dead".into(),
            cancelled: "cancelled".into(),
        }
    }
}

impl WebhookStates {
    /// All words.
    pub fn words(&self) -> [&str; 3] {
        [&self.active, &self.paused, &self.disabled]
    }
}

impl DeliveryStates {
    fn words(&self) -> [&str; 6] {
        [
            &self.scheduled,
            &self.leased,
            &self.held,
            &self.delivered,
            &self.dead,
            &self.cancelled,
        ]
    }
}

pub(super) fn check(api: &Api) -> Result<(), ProfileError> {
    let is_word =
        |word: &&str| (1..=BYTES_MAX).contains(&word.len()) && !word.contains(|c: char| c.is_control());
    let reason = "a word has 1 to 64 bytes and no control characters";
    let [active, paused, disabled] = api.webhook_states.words();
    if ![active, paused, disabled].iter().all(is_word) {
        return refused("webhook_states", reason);
    }
    if !api.delivery_states.words().iter().all(is_word) {
        return refused("delivery_states", reason);
    }
    let are_distinct = active != paused && active != disabled && paused != disabled;
    if api.webhook_value(WebhookValue::State).is_some() && !are_distinct {
        return refused(
            "webhook_states",
            "requests have these words too, so each state needs one of its own",
        );
    }
    Ok(())
}
