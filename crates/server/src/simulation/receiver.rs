//! What a receiver does, and when.

use std::time::Duration;

use hookwright_egress::{Answer, ExchangeError, TlsFailure};
use hookwright_store::Timestamp;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rand::{RngExt as _, rngs::SmallRng, seq::IndexedRandom as _};

/// A receiver has one mood after the other, and the last one for ever.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    /// What it answers when it takes a delivery.
    pub(super) success: u16,
    /// Each with when it ends.
    pub(super) phases: Vec<(Timestamp, Mood)>,
}

/// How a receiver treats requests for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Good,
    /// It takes deliveries, in its own time.
    Slow(Duration),
    /// Every other request or so fails.
    Flaky,
    /// It answers with this status.
    Failing(u16),
    /// It asks for a pause.
    Overloaded(Duration),
    /// No connection.
    Refusing,
    /// A connection without an answer.
    Hanging,
    /// No secure connection.
    Insecure,
}

/// What a receiver does with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) after: Duration,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Status(u16),
    /// A status that asks for a pause.
    Pause(u16, Duration),
    Refused,
    Insecure,
    Nothing,
}

impl Receiver {
    pub(super) fn reply(&self, now: Timestamp, random: &mut SmallRng) -> Reply {
        let mood = self.phases.iter().find(|(end, _)| now < *end);
        let mood = mood.map_or(Mood::Good, |(_, mood)| *mood);
        let quick = Duration::from_millis(random.random_range(0..40));
        let (after, what) = match mood {
            Mood::Good => (quick, What::Status(self.success)),
            Mood::Slow(time) => (
                time.mul_f64(random.random_range(0.2..1.0)),
                What::Status(self.success),
            ),
            Mood::Flaky => {
                let what = [
                    What::Status(self.success),
                    What::Status(self.success),
                    What::Status(500),
                    What::Status(301),
                    What::Refused,
                    What::Nothing,
                ];
                (quick, *what.choose(random).unwrap_or(&What::Nothing))
            }
            Mood::Failing(status) => (quick, What::Status(status)),
            Mood::Overloaded(pause) => {
                let status = if random.random_bool(0.5) { 429 } else { 503 };
                (quick, What::Pause(status, pause))
            }
            Mood::Refusing => (quick, What::Refused),
            Mood::Hanging => (quick, What::Nothing),
            Mood::Insecure => (quick, What::Insecure),
        };
        Reply { after, what }
    }
}

impl What {
    /// As the egress client has it. `None` is never.
    pub(super) fn answer(self) -> Option<Result<Answer, ExchangeError>> {
        let (status, pause) = match self {
            Self::Nothing => return None,
            Self::Refused => {
                return Some(Err(ExchangeError::Unreachable(String::from(
                    "connection refused",
                ))));
            }
            Self::Insecure => {
                return Some(Err(ExchangeError::Tls(TlsFailure::Expired(String::from(
                    "yesterday",
                )))));
            }
            Self::Status(status) => (status, None),
            Self::Pause(status, pause) => (status, Some(pause)),
        };
        let mut headers = HeaderMap::new();
        if let Some(pause) = pause {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(pause.as_secs()));
        }
        Some(Ok(Answer {
            status: StatusCode::from_u16(status).unwrap_or_default(),
            headers,
            body: bytes::Bytes::new(),
            truncated: false,
        }))
    }
}
