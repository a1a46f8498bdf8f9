//! Figures: how many events, attempts and deliveries there were in each minute and hour, and how long attempts took.
//!
//! ```text
//!   publish committed ──┐
//!   results committed ──┼─► tally (memory, by minute) ── every 10 s, at the stop ──► stat rows: minutes and hours
//!   held given up ──────┘              │                                                 │
//!                                      └──────────────── Store::stats ◄─────────────────┘
//! ```
//!
//! Counting costs a lock per batch and no statement. What a process has not written when it dies is not counted; the log of
//! attempts stays the truth.

mod histogram;
mod store;
mod tally;

use std::{ops::AddAssign, time::Duration};

pub use self::histogram::Histogram;
pub(crate) use self::tally::Tally;
use crate::{End, Next, Outcome, StoreError, TenantId, Timestamp, WebhookId};

/// The span of time that a row counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum Granularity {
    /// Kept for 25 hours.
    Minute = 0,
    /// Kept for 90 days.
    Hour = 1,
}

impl Granularity {
    pub(crate) const ALL: [Self; 2] = [Self::Minute, Self::Hour];

    /// How long it is.
    pub const fn length(self) -> Duration {
        match self {
            Self::Minute => Duration::from_mins(1),
            Self::Hour => Duration::from_hours(1),
        }
    }

    /// How long its rows are kept. A day of minutes can be asked for with time to spare.
    pub const fn kept(self) -> Duration {
        match self {
            Self::Minute => Duration::from_hours(25),
            Self::Hour => Duration::from_hours(90 * 24),
        }
    }

    /// When the minute or hour began that this moment is in.
    pub fn start_of(self, moment: Timestamp) -> Timestamp {
        let length = self.length().as_secs().cast_signed() * 1_000_000;
        Timestamp::from_unix_micros(moment.unix_micros().div_euclid(length) * length)
    }

    /// The first one that is kept now. It is one more than is promised, for who asks for all of them on a clock that is a
    /// little behind.
    pub fn oldest(self, now: Timestamp) -> Timestamp {
        self.start_of(now.minus(self.kept() + self.length()))
    }

    pub(crate) fn code(self) -> i16 {
        self as i16
    }
}

/// What was counted in a span of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that were accepted; of a webhook, those that go to it.
    pub published: u64,
    /// HTTP exchanges.
    pub attempts: u64,
    /// Those of them that the receiver did not accept.
    pub failed_attempts: u64,
    /// Deliveries that the receiver accepted.
    pub delivered: u64,
    /// Deliveries that were given up.
    pub dead: u64,
    /// How long attempts took.
    pub durations: Histogram,
}

impl Counts {
    pub(crate) fn is_empty(&self) -> bool {
        // Every attempt is in both numbers, so the histogram need not be looked at.
        self.published == 0 && self.attempts == 0 && self.delivered == 0 && self.dead == 0
    }

    pub(crate) fn count(&mut self, end: &End) {
        match end {
            End::Attempted(attempt) => {
                self.attempts += 1;
                self.failed_attempts += u64::from(attempt.outcome != Outcome::Accepted);
                self.durations.record(attempt.latency);
                match attempt.next {
                    Next::Delivered => self.delivered += 1,
                    Next::Dead => self.dead += 1,
                    Next::Retry(_) | Next::Cancelled => {}
                }
            }
            End::GivenUp(_) => self.dead += 1,
            End::Cancelled | End::Released(_) | End::Parked(_) => {}
        }
    }
}

impl AddAssign<&Self> for Counts {
    fn add_assign(&mut self, other: &Self) {
        self.published += other.published;
        self.attempts += other.attempts;
        self.failed_attempts += other.failed_attempts;
        self.delivered += other.delivered;
        self.dead += other.dead;
        self.durations += &other.durations;
    }
}

/// Whose figures: a webhook's, or without one those of the whole tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subject {
    pub(crate) tenant: TenantId,
    pub(crate) webhook: Option<WebhookId>,
}

impl Subject {
    /// As stored: no webhook has the nil UUID.
    pub(crate) fn stored_webhook(self) -> uuid::Uuid {
        self.webhook.map_or(uuid::Uuid::nil(), |webhook| webhook.0)
    }
}

/// What is to be added to a stored row, or to be the first of it.
#[derive(Clone, Debug)]
pub(crate) struct StatRow {
    pub(crate) subject: Subject,
    pub(crate) granularity: Granularity,
    pub(crate) started_at: Timestamp,
    pub(crate) counts: Counts,
}

/// A stored row as the engines read it.
pub(crate) struct StoredCounts {
    pub(crate) published: i64,
    pub(crate) attempts: i64,
    pub(crate) failed_attempts: i64,
    pub(crate) delivered: i64,
    pub(crate) dead: i64,
    pub(crate) durations: Vec<i64>,
}

impl StoredCounts {
    pub(crate) fn read(self) -> Result<Counts, StoreError> {
        let read = |number: i64| {
            u64::try_from(number).map_err(|_| StoreError::Inconsistent {
                table: "stat",
                row: String::from("?"),
                problem: format!("a count of {number}"),
            })
        };
        let durations = self
            .durations
            .into_iter()
            .map(read)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Counts {
            published: read(self.published)?,
            attempts: read(self.attempts)?,
            failed_attempts: read(self.failed_attempts)?,
            delivered: read(self.delivered)?,
            dead: read(self.dead)?,
            durations: Histogram::from_buckets(&durations),
        })
    }
}
