//! Encoded messages that no encoder would write.

use bytes::Bytes;
use rand::{Rng as _, RngExt as _, rngs::StdRng};

/// Deeper than what is decoded.
const GROUPS: usize = 200;

/// Bytes without a plan.
pub(super) fn noise(random: &mut StdRng) -> Bytes {
    let length = match random.random_range(0..10) {
        0 => 0,
        1 => random.random_range(1_000..100_000),
        _ => random.random_range(1..100),
    };
    let mut bytes = vec![0; length];
    random.fill_bytes(&mut bytes);
    bytes.into()
}

/// An encoding with one to four mistakes in it; `other` is another one, to take parts from.
pub(super) fn mutated(random: &mut StdRng, encoded: &[u8], other: &[u8]) -> Bytes {
    let mut bytes = encoded.to_vec();
    for _ in 0..random.random_range(1..=4) {
        mutate(random, &mut bytes, other);
    }
    bytes.into()
}

fn mutate(random: &mut StdRng, bytes: &mut Vec<u8>, other: &[u8]) {
    let place = random.random_range(0..=bytes.len());
    match random.random_range(0..10) {
        0 if place < bytes.len() => bytes[place] ^= 1 << random.random_range(0..8),
        1 if place < bytes.len() => bytes[place] = random.random(),
        2 => bytes.truncate(place),
        3 => insert(bytes, place, &[random.random()]),
        // A length or a number without an end, and the largest one.
        4 => insert(bytes, place, &[0xff; 12]),
        5 => insert(bytes, place, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        // A field that there is not, a message in a message, and so on.
        6 => insert(bytes, place, &[0x0a; GROUPS]),
        7 => insert(bytes, place, &[0x0b; GROUPS]),
        // What is given twice counts once or is merged: also both fields of a oneof.
        8 => bytes.extend_from_slice(other),
        _ => {
            let from = random.random_range(0..=other.len());
            let to = random.random_range(from..=other.len());
            insert(bytes, place, &other[from..to]);
        }
    }
}

fn insert(bytes: &mut Vec<u8>, place: usize, what: &[u8]) {
    bytes.splice(place..place, what.iter().copied());
}
