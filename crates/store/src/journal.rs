//! The journal: what happened to deliveries, in an order that can be followed.
//!
//! ```text
//!   transactions that append attempts     write one row each, in the same transaction
//!   place                                 a row, and how many of its changes one has had
//!   bound                                 below it no row can appear any more
//! ```
//!
//! Who has read everything below the bound and goes on from there has no gaps and nothing twice, on whichever node, and
//! however many write. PostgreSQL: a row's number is that of its transaction, the bound the smallest one that is under way.
//! SQLite: one writer, so rows are numbered in the order of their commits.

use std::{fmt, str::FromStr, time::Duration};

use prost::Message as _;
use uuid::Uuid;

use crate::{
    AttemptEnd, DeliveryId, End, EventId, Finish, Next, Outcome, Store, StoreError, TenantId, Timestamp,
    Verdict, WebhookId,
};

/// Rows read at a time.
pub(crate) const ROWS_MAX: i64 = 256;
/// Of the text that says what went wrong; the attempt in the log has all of it.
const ERROR_BYTES_MAX: usize = 512;
/// A row's time is read before its transaction gets its place, and clocks of nodes differ a little. Who begins at a time
/// begins this much earlier, and is told nothing that happened before.
const START_SLACK: Duration = Duration::from_mins(1);

/// A place in the journal. Places are in the order of what happened before and after them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    row: i64,
    /// So many changes of the row lie before this place.
    changes: u32,
}

impl Place {
    pub(crate) fn before_row(row: i64) -> Self {
        Self { row, changes: 0 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.row, self.changes)
    }
}

/// A text that names no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a place in the journal")]
pub struct PlaceError;

impl FromStr for Place {
    type Err = PlaceError;

    /// Only what [`Display`](fmt::Display) writes.
    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let (row, changes) = text.split_once('-').ok_or(PlaceError)?;
        let place = Self {
            row: row.parse().map_err(|_| PlaceError)?,
            changes: changes.parse().map_err(|_| PlaceError)?,
        };
        // No signs and no zeros in front.
        (place.row >= 0 && place.to_string() == text)
            .then_some(place)
            .ok_or(PlaceError)
    }
}

/// Something that happened to a delivery: an attempt, its end, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whose delivery.
    pub tenant: TenantId,
    /// Which.
    pub delivery: DeliveryId,
    /// Of its event.
    pub event_type: String,
    /// Of the attempt that was made or was due.
    pub number: u16,
    /// What it means for the delivery.
    pub verdict: Verdict,
    /// When it happened.
    pub at: Timestamp,
    /// The attempt; `None` when the delivery ended without one.
    pub attempt: Option<AttemptMade>,
    /// When the next attempt is made, if one is.
    pub next_at: Option<Timestamp>,
    /// What went wrong, or why the delivery was given up, for people; the beginning of it.
    pub error: Option<String>,
}

/// An attempt, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptMade {
    /// How it ended.
    pub outcome: Outcome,
    /// The receiver's status, when it answered.
    pub http_status: Option<u16>,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub latency: Duration,
}

/// A part of the journal, of all tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// What happened, each with the place after it.
    pub changes: Vec<(Place, Change)>,
    /// Where the part ends and the next one begins.
    pub end: Place,
    /// Whether that is the end of the journal for now.
    pub is_last: bool,
    /// Whether rows lie behind the end that may be read as soon as what is under way beside them is over.
    pub has_pending: bool,
}

/// What an engine reads.
#[derive(Debug)]
pub(crate) struct JournalRows {
    pub(crate) rows: Vec<JournalRow>,
    /// Rows below it are not kept any more.
    pub(crate) start: i64,
    /// Rows from here on are not to be read yet.
    pub(crate) bound: i64,
    pub(crate) has_pending: bool,
}

#[derive(Debug)]
pub(crate) struct JournalRow {
    pub(crate) place: i64,
    pub(crate) changes: Vec<u8>,
    pub(crate) skipped: Vec<i32>,
}

impl Store {
    /// The end of the journal: everything that happens from now on lies behind it.
    pub async fn journal_end(&self) -> Result<Place, StoreError> {
        self.engine().journal_bound().await.map(Place::before_row)
    }

    /// A place before everything that happened since a moment, but for what is not kept any more. What happened shortly
    /// before it may lie behind the place too.
    pub async fn journal_since(&self, since: Timestamp) -> Result<Place, StoreError> {
        let row = self.engine().journal_row_since(since.minus(START_SLACK)).await?;
        Ok(Place::before_row(row))
    }

    /// What happened after a place, oldest first, in rows of about this many bytes together, but at least one. `None` when
    /// the place is not in the journal: what lay behind it is not kept any more, or it is of another journal.
    pub async fn journal_after(&self, place: Place, bytes_max: usize) -> Result<Option<Stretch>, StoreError> {
        let bytes_max = i64::try_from(bytes_max).unwrap_or(i64::MAX);
        let read = self.engine().journal_rows(place.row, bytes_max).await?;
        if place.row < read.start || place.row > read.bound {
            return Ok(None);
        }
        let count = read.rows.len();
        let mut changes = Vec::new();
        let mut end = place;
        let mut bytes = 0;
        for row in read.rows {
            bytes += i64::try_from(row.changes.len()).unwrap_or(i64::MAX);
            row.unpack(place, &mut changes)?;
            end = Place::before_row(row.place + 1);
        }
        let is_last = i64::try_from(count).unwrap_or(i64::MAX) < ROWS_MAX && bytes < bytes_max;
        if is_last {
            end = Place::before_row(read.bound);
        }
        Ok(Some(Stretch {
            changes,
            end,
            is_last,
            has_pending: read.has_pending,
        }))
    }

    /// Completes once this process has written to the journal since the last call.
    pub async fn journaled(&self) {
        self.journal_notice().notified().await;
    }
}

impl JournalRow {
    /// Appends the changes that lie behind `after`.
    fn unpack(&self, after: Place, changes: &mut Vec<(Place, Change)>) -> Result<(), StoreError> {
        let mut rest = self.changes.as_slice();
        let mut number = 0;
        while !rest.is_empty() {
            number += 1;
            let place = Place {
                row: self.place,
                changes: number,
            };
            let packed =
                Packed::decode_length_delimited(&mut rest).map_err(|error| self.unreadable(&error))?;
            let was_skipped = self
                .skipped
                .iter()
                .any(|skipped| i64::from(*skipped) == i64::from(number));
            if place > after && !was_skipped {
                changes.push((place, packed.unpack()?));
            }
        }
        Ok(())
    }

    fn unreadable(&self, error: &prost::DecodeError) -> StoreError {
        StoreError::Inconsistent {
            table: "journal",
            row: self.place.to_string(),
            problem: error.to_string(),
        }
    }
}

/// A change as it is stored. Numbers of fields are never used again for something else.
#[derive(Clone, PartialEq, prost::Message)]
struct Packed {
    #[prost(int64, tag = "1")]
    tenant: i64,
    #[prost(fixed64, tag = "2")]
    event_high: u64,
    #[prost(fixed64, tag = "3")]
    event_low: u64,
    #[prost(fixed64, tag = "4")]
    webhook_high: u64,
    #[prost(fixed64, tag = "5")]
    webhook_low: u64,
    #[prost(string, tag = "6")]
    event_type: String,
    #[prost(uint32, tag = "7")]
    number: u32,
    #[prost(int32, tag = "8")]
    verdict: i32,
    #[prost(int64, tag = "9")]
    at: i64,
    /// 0 when no attempt was made.
    #[prost(int32, tag = "10")]
    outcome: i32,
    #[prost(uint32, optional, tag = "11")]
    http_status: Option<u32>,
    #[prost(int64, tag = "12")]
    started_at: i64,
    #[prost(uint64, tag = "13")]
    latency_us: u64,
    #[prost(int64, optional, tag = "14")]
    next_at: Option<i64>,
    #[prost(string, optional, tag = "15")]
    error: Option<String>,
}

/// Packs changes for one row.
pub(crate) fn pack(changes: impl IntoIterator<Item = Change>) -> Vec<u8> {
    let mut packed = Vec::new();
    for change in changes {
        Packed::of(change)
            .encode_length_delimited(&mut packed)
            // A vector grows as far as memory goes.
            .expect("room in a vector");
    }
    packed
}

impl Packed {
    fn of(change: Change) -> Self {
        let (event_high, event_low) = change.delivery.event.0.as_u64_pair();
        let (webhook_high, webhook_low) = change.delivery.webhook.0.as_u64_pair();
        let attempt = change.attempt;
        Self {
            tenant: change.tenant.0,
            event_high,
            event_low,
            webhook_high,
            webhook_low,
            event_type: change.event_type,
            number: change.number.into(),
            verdict: change.verdict.code().into(),
            at: change.at.unix_micros(),
            outcome: attempt.map_or(0, |attempt| attempt.outcome.code().into()),
            http_status: attempt.and_then(|attempt| attempt.http_status).map(u32::from),
            started_at: attempt.map_or(0, |attempt| attempt.started_at.unix_micros()),
            latency_us: attempt.map_or(0, |attempt| {
                u64::try_from(attempt.latency.as_micros()).unwrap_or(u64::MAX)
            }),
            next_at: change.next_at.map(Timestamp::unix_micros),
            error: change.error,
        }
    }

    fn unpack(self) -> Result<Change, StoreError> {
        let code = |code: i32| i16::try_from(code).unwrap_or(i16::MAX);
        let attempt = if self.outcome == 0 {
            None
        } else {
            Some(AttemptMade {
                outcome: Outcome::from_code(code(self.outcome))?,
                http_status: self.http_status.and_then(|status| u16::try_from(status).ok()),
                started_at: Timestamp::from_unix_micros(self.started_at),
                latency: Duration::from_micros(self.latency_us),
            })
        };
        Ok(Change {
            tenant: TenantId(self.tenant),
            delivery: DeliveryId {
                event: EventId(Uuid::from_u64_pair(self.event_high, self.event_low)),
                webhook: WebhookId(Uuid::from_u64_pair(self.webhook_high, self.webhook_low)),
            },
            event_type: self.event_type,
            number: u16::try_from(self.number).unwrap_or(u16::MAX),
            verdict: Verdict::from_code(code(self.verdict))?,
            at: Timestamp::from_unix_micros(self.at),
            attempt,
            next_at: self.next_at.map(Timestamp::from_unix_micros),
            error: self.error,
        })
    }
}

impl Change {
    /// The end of a delivery without another attempt.
    pub(crate) fn ended(ended: Ended<'_>) -> Self {
        Self {
            tenant: ended.tenant,
            delivery: ended.delivery,
            event_type: ended.event_type,
            number: ended.number,
            verdict: ended.verdict,
            at: ended.at,
            attempt: None,
            next_at: None,
            error: ended.reason.map(beginning),
        }
    }

    /// What a result changes; `None` when nothing was attempted and nothing ends.
    pub(crate) fn of(finish: &Finish, now: Timestamp) -> Option<Self> {
        let without_attempt = |verdict, reason| {
            Self::ended(Ended {
                tenant: finish.tenant,
                delivery: finish.delivery,
                event_type: finish.event_type.clone(),
                number: finish.number,
                verdict,
                at: now,
                reason,
            })
        };
        match &finish.end {
            End::Attempted(attempt) => Some(Self {
                at: attempt.ended_at(),
                attempt: Some(AttemptMade::of(attempt)),
                next_at: match attempt.next {
                    Next::Retry(at) => Some(at),
                    Next::Delivered | Next::Dead | Next::Cancelled => None,
                },
                ..without_attempt(attempt.next.verdict(), attempt.error.as_deref())
            }),
            End::Cancelled => Some(without_attempt(Verdict::Cancelled, None)),
            End::GivenUp(reason) => Some(without_attempt(Verdict::Dead, Some(reason))),
            End::Released(_) | End::Parked(_) => None,
        }
    }
}

/// A delivery that ends without another attempt.
pub(crate) struct Ended<'a> {
    pub(crate) tenant: TenantId,
    pub(crate) delivery: DeliveryId,
    pub(crate) event_type: String,
    pub(crate) number: u16,
    pub(crate) verdict: Verdict,
    pub(crate) at: Timestamp,
    pub(crate) reason: Option<&'a str>,
}

impl AttemptMade {
    fn of(attempt: &AttemptEnd) -> Self {
        Self {
            outcome: attempt.outcome,
            http_status: attempt.http_status,
            started_at: attempt.started_at,
            latency: attempt.latency,
        }
    }
}

/// As much of a text as a change has room for.
fn beginning(text: &str) -> String {
    text[..text.floor_char_boundary(ERROR_BYTES_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A caller could write any text, and would be answered by a panic or from somewhere else.
        #[test]
        fn a_place_is_read_from_its_own_text_only(row in 0..i64::MAX, changes: u32, other in "[-0-9+ ]{0,12}") {
            let place = Place { row, changes };
            prop_assert_eq!(place.to_string().parse(), Ok(place));
            if let Ok(read) = other.parse::<Place>() {
                prop_assert_eq!(read.to_string(), other);
            }
        }

        /// A watcher could be told something else than what happened.
        #[test]
        fn a_change_is_unpacked_as_it_was_packed(
            ids: (u128, u128),
            tenant: i64,
            number: u16,
            verdict in 0..4_i16,
            at: i64,
            next_at: Option<i64>,
            attempt: Option<(u8, Option<u16>, i64, u32)>,
            texts: (String, Option<String>),
        ) {
            let change = Change {
                tenant: TenantId(tenant),
                delivery: DeliveryId {
                    event: EventId(Uuid::from_u128(ids.0)),
                    webhook: WebhookId(Uuid::from_u128(ids.1)),
                },
                event_type: texts.0,
                number,
                verdict: Verdict::from_code(verdict).unwrap(),
                at: Timestamp::from_unix_micros(at),
                attempt: attempt.map(|(outcome, http_status, started_at, latency)| AttemptMade {
                    outcome: Outcome::from_code(i16::from(outcome % 8) + 1).unwrap(),
                    http_status,
                    started_at: Timestamp::from_unix_micros(started_at),
                    latency: Duration::from_micros(latency.into()),
                }),
                next_at: next_at.map(Timestamp::from_unix_micros),
                error: texts.1,
            };
            let row = JournalRow {
                place: 7,
                changes: pack([change.clone(), change.clone(), change.clone()]),
                skipped: vec![2],
            };
            let mut read = Vec::new();
            row.unpack(Place::default(), &mut read).unwrap();
            let place = |changes| Place { row: 7, changes };
            prop_assert_eq!(read, vec![(place(1), change.clone()), (place(3), change)]);
        }
    }
}
