//! HTTP exchanges and what they mean for their delivery.

use std::time::Duration;

use bytes::Bytes;

use crate::{DeliveryId, ReplayId, StoreError, TenantId, Timestamp};

macro_rules! stored_as_number {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $code:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(i16)]
        pub enum $name { $($(#[$variant_doc])* $variant = $code,)+ }

        impl $name {
            pub(crate) fn code(self) -> i16 {
                self as i16
            }

            pub(crate) fn from_code(code: i16) -> Result<Self, StoreError> {
                match code {
                    $($code => Ok(Self::$variant),)+
                    _ => Err(StoreError::Inconsistent {
                        table: "attempt",
                        row: String::from("?"),
                        problem: format!(concat!("unknown ", stringify!($name), " {}"), code),
                    }),
                }
            }
        }
    };
}

stored_as_number! {
    /// The classified result of an attempt.
    Outcome {
        /// A success status.
        Accepted = 1,
        /// Any other status.
        Rejected = 2,
        /// The deadline passed.
        TimedOut = 3,
        /// No connection, or it broke.
        Unreachable = 4,
        /// TLS handshake or certificate.
        TlsFailed = 5,
        /// The host resolves to an address that is not talked to.
        BlockedAddress = 6,
        /// A 3xx answer.
        Redirected = 7,
        /// More response than is read, and not a success.
        ResponseTooLarge = 8,
    }
}

stored_as_number! {
    /// What an attempt means for its delivery.
    Verdict {
        /// Done.
        Delivered = 0,
        /// Another attempt follows.
        Retry = 1,
        /// Given up, with this attempt or, in a row without an outcome, without one.
        Dead = 2,
        /// The webhook is gone: no attempt was made, and none follows.
        Cancelled = 3,
    }
}

/// One HTTP exchange, as the log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// The receiver's status, when it answered.
    pub http_status: Option<u16>,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub latency: Duration,
    /// What went wrong, for people.
    pub error: Option<String>,
    /// The beginning of the response body.
    pub response: Option<Bytes>,
    /// When it scheduled the next attempt.
    pub next_at: Option<Timestamp>,
    /// The replay that it belongs to.
    pub replay: Option<ReplayId>,
}

/// The end of a delivery's stay with this node.
#[derive(Debug)]
pub struct Finish {
    /// Whose delivery.
    pub tenant: TenantId,
    /// Which.
    pub delivery: DeliveryId,
    /// Of its event.
    pub event_type: String,
    /// The number of the attempt that was made or was due.
    pub number: u16,
    /// Where it was when the node took it.
    pub origin: Origin,
    /// How it ended.
    pub end: End,
}

/// Where a node holds a delivery from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Handed over by publish: nothing but the event row stands for it.
    Publish,
    /// Claimed from its retry row, or parked there meanwhile.
    Retry,
}

/// How a delivery's stay with a node ended.
#[derive(Debug)]
pub enum End {
    /// An attempt was made.
    Attempted(AttemptEnd),
    /// No attempt will be made: the webhook is gone.
    Cancelled,
    /// No attempt can be made, now or later; the text says why, for people. The delivery is dead.
    GivenUp(String),
    /// No attempt was made here; it is due again at this moment.
    Released(Timestamp),
    /// The attempt goes on, but the delivery is to be found even if this node dies, and does not keep its lane here: its
    /// retry row is due at this moment, when the attempt is over, and it is finished later with [`Origin::Retry`].
    Parked(Timestamp),
}

impl End {
    /// Whether a retry row stands for the delivery afterwards.
    pub(crate) fn writes_retry(&self) -> bool {
        match self {
            Self::Attempted(attempt) => matches!(attempt.next, Next::Retry(_)),
            Self::Released(_) | Self::Parked(_) => true,
            Self::Cancelled | Self::GivenUp(_) => false,
        }
    }
}

/// The result of one HTTP exchange.
#[derive(Debug)]
pub struct AttemptEnd {
    /// How it ended.
    pub outcome: Outcome,
    /// The receiver's status, when it answered.
    pub http_status: Option<u16>,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub latency: Duration,
    /// What went wrong, for people.
    pub error: Option<String>,
    /// The beginning of the response body.
    pub response: Option<Bytes>,
    /// What follows.
    pub next: Next,
}

impl AttemptEnd {
    pub(crate) fn ended_at(&self) -> Timestamp {
        self.started_at.plus(self.latency)
    }
}

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it is delivered.
    Delivered,
    /// Another attempt, not before this moment.
    Retry(Timestamp),
    /// Nothing: it is given up.
    Dead,
    /// Nothing: the webhook is gone.
    Cancelled,
}

impl Next {
    pub(crate) fn verdict(self) -> Verdict {
        match self {
            Self::Delivered => Verdict::Delivered,
            Self::Retry(_) => Verdict::Retry,
            Self::Dead => Verdict::Dead,
            Self::Cancelled => Verdict::Cancelled,
        }
    }
}

/// The outcome of a stored attempt; none in the row that records that there was none.
pub(crate) fn stored_outcome(code: i16) -> Result<Option<Outcome>, StoreError> {
    if code == 0 {
        Ok(None)
    } else {
        Outcome::from_code(code).map(Some)
    }
}
