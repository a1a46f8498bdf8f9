//! Replays: deliveries that are over are scheduled anew, one at a time or many as a job.
//!
//! A replay is a new retry row and a row that remembers it. Attempt numbers go on, and the schedule counts from the
//! replay. A job walks the log along ids, and its cursor moves in the transaction that schedules: it goes on after a crash
//! where it was, and no delivery is scheduled twice.

use serde::{Deserialize, Serialize};

use crate::{DeliveryId, EventId, ReplayId, StoreError, TenantId, Timestamp, WebhookId, attempt::Verdict};

/// A job that replays many deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Its id, which every delivery that it schedules names.
    pub id: ReplayId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Which deliveries.
    pub filter: ReplayFilter,
    /// Deliveries a second at most.
    pub rate: u32,
    /// Deliveries in all at most.
    pub deliveries_max: Option<u64>,
    /// What is to become of it.
    pub state: ReplayState,
    /// How many deliveries matched when it was made.
    pub matched: u64,
    /// How many it has scheduled so far.
    pub scheduled: u64,
    /// The last delivery that it looked at.
    pub cursor: Option<DeliveryId>,
    /// The job that it goes on with.
    pub resumed_from: Option<ReplayId>,
    /// Why it failed, for people.
    pub error: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last scheduled something, or ended.
    pub updated_at: Timestamp,
}

/// A job to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReplay {
    /// Which deliveries.
    pub filter: ReplayFilter,
    /// Deliveries a second at most; not 0.
    pub rate: u32,
    /// Deliveries in all at most.
    pub deliveries_max: Option<u64>,
    /// How many match.
    pub matched: u64,
    /// The job that it goes on with, and where that one stopped.
    pub resumed_from: Option<(ReplayId, Option<DeliveryId>)>,
}

/// Which deliveries are replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayFilter {
    /// To one webhook, or to all.
    pub webhook: Option<WebhookId>,
    /// Exact types, `prefix.*` or `*`; empty means all.
    pub event_types: Vec<String>,
    /// How they ended; not empty.
    pub states: Vec<ReplayFrom>,
    /// Events accepted at this moment or later.
    pub since: Option<Timestamp>,
    /// Events accepted before this moment.
    pub until: Timestamp,
}

/// How a delivery ended that is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayFrom {
    /// The receiver accepted it.
    Delivered,
    /// It was given up.
    Dead,
    /// Its owner cancelled it, or deleted its webhook.
    Cancelled,
}

/// What is to become of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub enum ReplayState {
    /// It schedules, or will as soon as a node takes it.
    Running = 0,
    /// It has looked at everything that it was to.
    Done = 1,
    /// Its owner stopped it.
    Cancelled = 2,
    /// It cannot go on.
    Failed = 3,
}

/// What came of asking for a replay of one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It is scheduled, due now.
    Scheduled(ReplayId),
    /// The log does not have it.
    NotFound,
    /// It is not over: it is scheduled or leased.
    NotOver(crate::DeliveryState),
    /// Its webhook was deleted.
    WebhookGone,
}

/// What came of asking for a cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// No further attempt is scheduled.
    Done,
    /// The log does not have it.
    NotFound,
    /// There is nothing to cancel: it is over, or in its first attempt.
    NotScheduled(crate::DeliveryState),
}

/// One step of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayStep {
    /// So many deliveries were scheduled, and there may be more.
    Scheduled(u64),
    /// It is over.
    Done,
    /// It is not this node's any more, or was cancelled. Nothing was scheduled.
    Lost,
}

/// How the attempts of a replayed delivery are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountedFrom {
    /// The number of the last attempt before the replay.
    pub after: u16,
    /// When it was replayed.
    pub at: Timestamp,
}

impl ReplayFilter {
    pub(crate) fn verdicts(&self) -> Vec<i16> {
        self.states.iter().map(|state| state.verdict().code()).collect()
    }

    /// Whether only deliveries that ended badly are asked for. There is an index of those.
    pub(crate) fn ended_badly(&self) -> bool {
        !self.states.contains(&ReplayFrom::Delivered)
    }

    /// Events with ids below this one.
    pub(crate) fn before(&self) -> EventId {
        EventId::floor(self.until)
    }

    /// What comes before every delivery that may match.
    pub(crate) fn start(&self) -> DeliveryId {
        let since = self.since.unwrap_or(Timestamp::from_unix_micros(0));
        DeliveryId {
            event: EventId::floor(since),
            webhook: WebhookId(uuid::Uuid::nil()),
        }
    }

    /// The exact types and the prefixes, the dot included; `None` when all types will do.
    pub(crate) fn types(&self) -> Option<(Vec<&str>, Vec<&str>)> {
        if self.event_types.is_empty() || self.event_types.iter().any(|pattern| pattern == "*") {
            return None;
        }
        let (prefixes, exact): (Vec<&str>, Vec<&str>) = self
            .event_types
            .iter()
            .map(String::as_str)
            .partition(|pattern| pattern.ends_with(".*"));
        let prefixes = prefixes
            .into_iter()
            .map(|pattern| pattern.trim_end_matches('*'))
            .collect();
        Some((exact, prefixes))
    }

    pub(crate) fn to_json(&self) -> Result<String, StoreError> {
        let document = Document {
            webhook: self.webhook.map(|webhook| webhook.to_string()),
            event_types: self.event_types.clone(),
            states: self.states.clone(),
            since: self.since.map(Timestamp::unix_micros),
            until: self.until.unix_micros(),
        };
        serde_json::to_string(&document).map_err(|error| inconsistent("new", &error))
    }

    pub(crate) fn from_json(row: &ReplayId, json: &str) -> Result<Self, StoreError> {
        let refused = |error: &dyn std::fmt::Display| inconsistent(&row.to_string(), error);
        let document: Document = serde_json::from_str(json).map_err(|error| refused(&error))?;
        Ok(Self {
            webhook: document
                .webhook
                .map(|webhook| webhook.parse())
                .transpose()
                .map_err(|error| refused(&error))?,
            event_types: document.event_types,
            states: document.states,
            since: document.since.map(Timestamp::from_unix_micros),
            until: Timestamp::from_unix_micros(document.until),
        })
    }
}

impl ReplayFrom {
    pub(crate) fn verdict(self) -> Verdict {
        match self {
            Self::Delivered => Verdict::Delivered,
            Self::Dead => Verdict::Dead,
            Self::Cancelled => Verdict::Cancelled,
        }
    }
}

impl ReplayState {
    pub(crate) fn code(self) -> i16 {
        self as i16
    }

    pub(crate) fn from_code(row: &ReplayId, code: i16) -> Result<Self, StoreError> {
        match code {
            0 => Ok(Self::Running),
            1 => Ok(Self::Done),
            2 => Ok(Self::Cancelled),
            3 => Ok(Self::Failed),
            _ => Err(inconsistent(&row.to_string(), &format!("unknown state {code}"))),
        }
    }
}

/// What a job schedules in one transaction.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) replay: &'a Replay,
    pub(crate) owner: crate::Incarnation,
    /// What is scheduled, unless it changed since it was looked at.
    pub(crate) deliveries: &'a [DeliveryId],
    /// Where the walk is afterwards.
    pub(crate) cursor: Option<DeliveryId>,
    /// Whether there is nothing after that.
    pub(crate) last: bool,
    pub(crate) now: Timestamp,
}

/// The stored form of a filter.
#[derive(Serialize, Deserialize)]
struct Document {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    webhook: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    event_types: Vec<String>,
    states: Vec<ReplayFrom>,
    /// Microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<i64>,
    until: i64,
}

fn inconsistent(row: &str, problem: &dyn std::fmt::Display) -> StoreError {
    StoreError::Inconsistent {
        table: "replay",
        row: row.to_owned(),
        problem: problem.to_string(),
    }
}
