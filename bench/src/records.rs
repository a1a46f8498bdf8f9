//! What publisher and receiver hand to the parent: files of fixed-size records, little endian.
//!
//! A run of a minute holds millions of them; JSON would take longer to read than the run took.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};

use crate::{clock::Moment, key::EventKey};

/// One request that the receiver answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) event: EventKey,
    /// When the whole request had been read, before any artificial latency.
    pub(crate) at: Moment,
    /// Which of the registered webhooks, as its URL's last segment says.
    pub(crate) webhook: u16,
    /// The sender's port: tells services apart.
    pub(crate) peer: u16,
    /// What it was answered with.
    pub(crate) status: u16,
}

impl Arrival {
    pub(crate) fn accepted(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// One publish, from its place in the schedule to its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Publication {
    /// When it was to be sent.
    pub(crate) scheduled: Moment,
    /// When it was first sent.
    pub(crate) sent: Moment,
    /// When the answer, or the last failure, arrived.
    pub(crate) answered: Moment,
    /// Only meaningful when it was acknowledged.
    pub(crate) event: EventKey,
    /// How many webhooks the event goes to, as the service says.
    pub(crate) deliveries: u32,
    /// Which target acknowledged it.
    pub(crate) target: u16,
    /// How often it was sent.
    pub(crate) tries: u16,
    /// The gRPC status code of the last answer; 0 when it was acknowledged.
    pub(crate) code: u16,
}

impl Publication {
    pub(crate) fn acknowledged(&self) -> bool {
        self.code == 0
    }
}

/// A fixed-size encoding.
pub(crate) trait Record: Sized {
    const SIZE: usize;
    fn encode(&self, into: &mut Vec<u8>);
    fn decode(from: &mut Fields<'_>) -> Self;
}

impl Record for Arrival {
    const SIZE: usize = 16 + 8 + 3 * 2;

    fn encode(&self, into: &mut Vec<u8>) {
        into.extend(self.event.0.to_le_bytes());
        into.extend(self.at.nanos().to_le_bytes());
        into.extend(self.webhook.to_le_bytes());
        into.extend(self.peer.to_le_bytes());
        into.extend(self.status.to_le_bytes());
    }

    fn decode(from: &mut Fields<'_>) -> Self {
        Self {
            event: EventKey(u128::from_le_bytes(from.take())),
            at: Moment::from_nanos(u64::from_le_bytes(from.take())),
            webhook: u16::from_le_bytes(from.take()),
            peer: u16::from_le_bytes(from.take()),
            status: u16::from_le_bytes(from.take()),
        }
    }
}

impl Record for Publication {
    const SIZE: usize = 3 * 8 + 16 + 4 + 3 * 2;

    fn encode(&self, into: &mut Vec<u8>) {
        into.extend(self.scheduled.nanos().to_le_bytes());
        into.extend(self.sent.nanos().to_le_bytes());
        into.extend(self.answered.nanos().to_le_bytes());
        into.extend(self.event.0.to_le_bytes());
        into.extend(self.deliveries.to_le_bytes());
        into.extend(self.target.to_le_bytes());
        into.extend(self.tries.to_le_bytes());
        into.extend(self.code.to_le_bytes());
    }

    fn decode(from: &mut Fields<'_>) -> Self {
        Self {
            scheduled: Moment::from_nanos(u64::from_le_bytes(from.take())),
            sent: Moment::from_nanos(u64::from_le_bytes(from.take())),
            answered: Moment::from_nanos(u64::from_le_bytes(from.take())),
            event: EventKey(u128::from_le_bytes(from.take())),
            deliveries: u32::from_le_bytes(from.take()),
            target: u16::from_le_bytes(from.take()),
            tries: u16::from_le_bytes(from.take()),
            code: u16::from_le_bytes(from.take()),
        }
    }
}

/// The fields of one record, in order.
pub(crate) struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        // `read` hands out exactly `SIZE` bytes, which is the sum of the fields.
        let (field, rest) = self
            .0
            .split_first_chunk()
            .expect("a record is as long as its fields");
        self.0 = rest;
        *field
    }
}

pub(crate) fn write<R: Record>(path: &Path, records: &[R]) -> Result<()> {
    let mut bytes = Vec::with_capacity(records.len() * R::SIZE);
    for record in records {
        record.encode(&mut bytes);
    }
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}

pub(crate) fn read<R: Record>(path: &Path) -> Result<Vec<R>> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    ensure!(
        bytes.len() % R::SIZE == 0,
        "{} ends in the middle of a record",
        path.display()
    );
    Ok(bytes
        .chunks_exact(R::SIZE)
        .map(|chunk| R::decode(&mut Fields(chunk)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn records_survive_the_file() {
        let scratch = Scratch::create(&std::env::temp_dir()).unwrap();
        let arrival = Arrival {
            event: EventKey(u128::MAX - 1),
            at: Moment::from_nanos(7),
            webhook: 1,
            peer: 2,
            status: 503,
        };
        write(&scratch.file("arrivals"), &[arrival, arrival]).unwrap();
        assert_eq!(
            read::<Arrival>(&scratch.file("arrivals")).unwrap(),
            [arrival, arrival]
        );

        let publication = Publication {
            scheduled: Moment::from_nanos(1),
            sent: Moment::from_nanos(2),
            answered: Moment::from_nanos(3),
            event: EventKey(4),
            deliveries: 5,
            target: 6,
            tries: 7,
            code: 14,
        };
        write(&scratch.file("publications"), &[publication]).unwrap();
        assert_eq!(
            read::<Publication>(&scratch.file("publications")).unwrap(),
            [publication]
        );
    }

    #[test]
    fn half_a_record_is_an_error() {
        let scratch = Scratch::create(&std::env::temp_dir()).unwrap();
        fs::write(scratch.file("arrivals"), [0; Arrival::SIZE + 1]).unwrap();
        assert!(read::<Arrival>(&scratch.file("arrivals")).is_err());
    }
}
