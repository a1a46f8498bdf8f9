//! The published JSON.

use bytes::Bytes;
use rand::{RngExt as _, SeedableRng as _, distr::Alphanumeric, rngs::SmallRng};

/// Makes payloads of one size, each with its own sequence number and hardly compressible text.
#[derive(Debug)]
pub(crate) struct Payloads {
    size: usize,
    text: Vec<u8>,
}

impl Payloads {
    /// `size` is at least [`Payloads::MIN_SIZE`].
    pub(crate) fn new(size: usize, seed: u64) -> Self {
        let random = SmallRng::seed_from_u64(seed);
        let text = random.sample_iter(Alphanumeric).take(size + SHIFTS).collect();
        Self { size, text }
    }

    /// Exactly `size` bytes.
    pub(crate) fn payload(&self, sequence: u64) -> Bytes {
        let mut payload = Vec::with_capacity(self.size);
        // Padded with spaces, which JSON allows and leading zeros it does not.
        payload.extend(format!("{{\"sequence\":{sequence:>20},\"data\":\"").bytes());
        let filler = self.size - payload.len() - 2;
        // Shifting the text makes neighbours differ from start to end, as real payloads do.
        let start = usize::try_from(sequence % SHIFTS as u64).unwrap_or_default();
        payload.extend(&self.text[start..start + filler]);
        payload.extend(b"\"}");
        payload.into()
    }

    /// Room for the number and the punctuation.
    pub(crate) const MIN_SIZE: usize = 64;
}

/// A prime, so that shifts do not fall in step with anything that counts in powers of two.
const SHIFTS: usize = 4093;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_json_of_the_given_size() {
        for size in [Payloads::MIN_SIZE, 1024, 262_144] {
            let payloads = Payloads::new(size, 1);
            for sequence in [0, 5000, u64::MAX] {
                let payload = payloads.payload(sequence);
                assert_eq!(payload.len(), size);
                let parsed: serde_json::Value = serde_json::from_slice(&payload).unwrap();
                assert_eq!(parsed["sequence"], sequence);
            }
        }
    }
}
