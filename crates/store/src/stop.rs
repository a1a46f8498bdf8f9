//! Stopped webhooks: their deliveries are held, not dropped.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Why a webhook gets no deliveries for now, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Who stopped it, and why.
    #[serde(flatten)]
    pub cause: StopCause,
    /// Since when.
    pub since: Timestamp,
}

/// Who stopped a webhook, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "state", content = "reason", rename_all = "snake_case")]
pub enum StopCause {
    /// Its owner, for a while.
    Paused,
    /// Its owner or this service, until somebody enables it.
    Disabled(DisabledReason),
}

/// Why a webhook is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisabledReason {
    /// Its owner wants it so.
    Owner,
    /// The receiver answered 410 Gone.
    Gone,
    /// It failed for too long.
    Failing,
}

impl StopCause {
    /// For people: why there are no deliveries.
    pub fn text(self) -> &'static str {
        match self {
            Self::Paused => "its owner paused it",
            Self::Disabled(DisabledReason::Owner) => "its owner disabled it",
            Self::Disabled(DisabledReason::Gone) => {
                "the receiver answered 410 Gone, which asks for no more deliveries"
            }
            Self::Disabled(DisabledReason::Failing) => "deliveries to it failed for too long",
        }
    }
}
