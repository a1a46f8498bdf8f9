//! What the parent asks of the publisher.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{args::Publishing, clock::Moment, publisher::EVENT_TYPE};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// `http://host:port` of each service; publishes go to them in turn.
    pub(crate) targets: Vec<String>,
    /// Connections to each target.
    pub(crate) connections: u16,
    pub(crate) threads: u16,
    /// Whether a connection has one stream, and not a call for each event.
    pub(crate) stream: bool,
    pub(crate) event_type: String,
    pub(crate) payload_bytes: usize,
    pub(crate) idempotency_keys: bool,
    pub(crate) seed: u64,
    pub(crate) start: Moment,
    pub(crate) load: Load,
    /// Whether to publish again, at the next target, after a failure that may pass. A publish is one attempt otherwise.
    pub(crate) retry: bool,
    /// Where the `Publication` records go.
    pub(crate) output: PathBuf,
}

impl Plan {
    /// One attempt for each publish, the way that the command line asks for.
    pub(crate) fn new(
        publishing: &Publishing,
        targets: Vec<String>,
        start: Moment,
        load: Load,
        output: PathBuf,
    ) -> Self {
        Self {
            targets,
            connections: publishing.connections,
            threads: publishing.publisher_threads,
            stream: publishing.stream,
            event_type: EVENT_TYPE.into(),
            payload_bytes: publishing.payload_bytes,
            idempotency_keys: publishing.idempotency_keys,
            seed: start.nanos(),
            start,
            load,
            retry: false,
            output,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Load {
    /// `count` publishes, one every `interval_nanos`.
    Open { interval_nanos: f64, count: u64 },
    /// `publishers` at a time until `end`.
    Closed { publishers: u32, end: Moment },
}

impl Load {
    pub(crate) fn open(rate: f64, count: u64) -> Self {
        Self::Open {
            interval_nanos: 1e9 / rate,
            count,
        }
    }
}

/// When publish number `sequence` of an open loop is to be sent.
///
/// Computed from the start, not from the one before, so that rounding does not add up to another rate.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "nanoseconds of a run are far below 2^53 and not negative"
)]
pub(crate) fn slot(start: Moment, interval_nanos: f64, sequence: u64) -> Moment {
    Moment::from_nanos(start.nanos() + (interval_nanos * sequence as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_does_not_drift() {
        let start = Moment::from_nanos(1_000);
        let Load::Open { interval_nanos, .. } = Load::open(3_000.0, 1) else {
            unreachable!("an open loop was asked for")
        };
        assert_eq!(slot(start, interval_nanos, 0), start);
        assert_eq!(
            slot(start, interval_nanos, 3_000_000),
            Moment::from_nanos(1_000_000_001_000)
        );
    }
}
