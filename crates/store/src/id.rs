//! Typed ids: a `UUIDv7` behind a prefix that says what it names, written as 26 characters of base32.
//!
//! The text form is that of the [TypeID specification](https://github.com/jetify-com/typeid/tree/main/spec) 0.3:
//! lower-case Crockford base32 of the 128 bits, most significant first, so ids sort as text in order of creation.

use std::{fmt, str::FromStr};

use rand::{Rng as _, rngs::SmallRng};
use uuid::Uuid;

use crate::clock::Timestamp;

/// Isolation unit that owns webhooks, events and deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub(crate) i64);

impl TenantId {
    /// The tenant that everything belongs to when none is named.
    pub const DEFAULT: Self = Self(1);

    /// The share of tenants that this one belongs to.
    pub(crate) fn lane(self) -> Lane {
        // Fibonacci hashing: consecutive ids spread evenly over the upper bits.
        let hash = self.0.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Lane((hash >> (64 - Lane::BITS)) as i16)
    }
}

/// A fixed share of tenants, the distribution column of the hot tables. 0 to 63.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(pub(crate) i16);

impl Lane {
    const BITS: u32 = 6;
    /// How many lanes there are.
    pub const COUNT: usize = 1 << Self::BITS;
}

/// Names a node's life from start to end; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub(crate) i64);

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a webhook: `whk_` and 26 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebhookId(pub(crate) Uuid);

/// Names an event: `evt_` and 26 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub(crate) Uuid);

/// Names a delivery: `dlv_`, 26 characters of the event and 26 of the webhook.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    /// What is delivered.
    pub event: EventId,
    /// Where to.
    pub webhook: WebhookId,
}

/// Names a replay: `rpl_` and 26 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplayId(pub(crate) Uuid);

/// Names an entry of the audit log: `aud_` and 26 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuditId(pub(crate) Uuid);

/// Names an API key: `key_` and 26 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(crate) Uuid);

impl EventId {
    /// When the event was accepted, to the millisecond.
    pub fn created_at(self) -> Timestamp {
        created_at(self.0)
    }

    /// The id as a platform writes it, with its own prefix: `webhook_…` for DigiVault.
    pub fn with_prefix(self, prefix: &str) -> String {
        write_id(prefix, &[self.0])
    }

    pub(crate) const MAX: Self = Self(Uuid::max());

    /// The smallest id that an event of this moment can have.
    pub(crate) fn floor(moment: Timestamp) -> Self {
        Self(Uuid::from_u128(millis_bits(moment)))
    }
}

impl AuditId {
    /// When it happened, to the millisecond.
    pub fn created_at(self) -> Timestamp {
        created_at(self.0)
    }
}

impl KeyId {
    /// When the key was made, to the millisecond, if anybody has made it.
    pub fn created_at(self) -> Timestamp {
        created_at(self.0)
    }
}

impl WebhookId {
    /// When the webhook was registered, to the millisecond.
    pub fn created_at(self) -> Timestamp {
        created_at(self.0)
    }
}

fn created_at(id: Uuid) -> Timestamp {
    // 48 bits of milliseconds are far below the range of microseconds in 63 bits.
    Timestamp::from_unix_micros((id.as_u128() >> 80) as i64 * 1_000)
}

/// Mints `UUIDv7s` that only ever grow, even within a millisecond or when the clock goes back.
#[derive(Debug)]
pub(crate) struct Minter {
    last: u128,
    random: SmallRng,
}

impl Minter {
    pub(crate) fn new() -> Self {
        Self {
            last: 0,
            random: rand::make_rng(),
        }
    }

    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn seeded(seed: u64) -> Self {
        use rand::SeedableRng as _;
        Self {
            last: 0,
            random: SmallRng::seed_from_u64(seed),
        }
    }

    pub(crate) fn mint(&mut self, now: Timestamp) -> Uuid {
        let fresh = compose(millis_bits(now), self.random.next_u64(), self.random.next_u64());
        let id = if fresh > self.last {
            fresh
        } else {
            // Same millisecond, or the clock went back: a random step on from the last one keeps the order.
            let step = u128::from(self.random.next_u32()) + 1;
            let mask = u128::from(RANDOM_B_MASK);
            let low = (self.last & mask) + step;
            let carry = u128::from(low > mask) << 80;
            (self.last & !mask).wrapping_add(carry) | low & mask
        };
        self.last = id;
        Uuid::from_u128(id)
    }
}

const RANDOM_B_MASK: u64 = (1 << 62) - 1;

/// RFC 9562 §5.7: 48 bits of milliseconds, version 7, 12 random bits, variant 2, 62 random bits.
fn compose(millis_bits: u128, random_a: u64, random_b: u64) -> u128 {
    millis_bits
        | 0x7 << 76
        | u128::from(random_a & 0xFFF) << 64
        | 0b10 << 62
        | u128::from(random_b & RANDOM_B_MASK)
}

fn millis_bits(moment: Timestamp) -> u128 {
    u128::from(u64::try_from(moment.unix_millis()).unwrap_or(0) & 0xFFFF_FFFF_FFFF) << 80
}

/// Text that is not an id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an id of this kind: expected `{prefix}_` and {length} characters 0-9 and a-z without i, l, o and u"
)]
pub struct IdError {
    prefix: &'static str,
    length: usize,
}

impl IdError {
    pub(crate) fn new<const N: usize>(prefix: &'static str) -> Self {
        Self {
            prefix,
            length: N * CHARS,
        }
    }
}

macro_rules! text_form {
    ($name:ident, $prefix:literal, $count:literal, $this:ident => $parts:expr, [$($part:ident),+] => $build:expr) => {
        impl $name {
            /// What the text form starts with, before the underscore.
            pub const PREFIX: &'static str = $prefix;
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let $this = self;
                f.write_str(&write_id($prefix, &$parts))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let [$($part),+] = read_id::<$count>($prefix, text)
                    .ok_or_else(|| IdError::new::<$count>($prefix))?;
                Ok($build)
            }
        }
    };
}

text_form!(WebhookId, "whk", 1, id => [id.0], [webhook] => Self(webhook));
text_form!(EventId, "evt", 1, id => [id.0], [event] => Self(event));
text_form!(ReplayId, "rpl", 1, id => [id.0], [replay] => Self(replay));
text_form!(AuditId, "aud", 1, id => [id.0], [entry] => Self(entry));
text_form!(KeyId, "key", 1, id => [id.0], [key] => Self(key));
text_form!(DeliveryId, "dlv", 2, id => [id.event.0, id.webhook.0],
    [event, webhook] => Self { event: EventId(event), webhook: WebhookId(webhook) });

/// Characters of one UUID: 128 bits in groups of five.
const CHARS: usize = 26;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

pub(crate) fn write_id(prefix: &str, parts: &[Uuid]) -> String {
    let mut text = String::with_capacity(prefix.len() + 1 + parts.len() * CHARS);
    text.push_str(prefix);
    text.push('_');
    for part in parts {
        let bits = part.as_u128();
        for group in (0..CHARS).rev() {
            text.push(char::from(ALPHABET[(bits >> (group * 5)) as usize & 31]));
        }
    }
    text
}

pub(crate) fn read_id<const N: usize>(prefix: &str, text: &str) -> Option<[Uuid; N]> {
    let digits = text.strip_prefix(prefix)?.strip_prefix('_')?.as_bytes();
    if digits.len() != N * CHARS {
        return None;
    }
    let mut parts = [Uuid::nil(); N];
    for (part, digits) in parts.iter_mut().zip(digits.chunks_exact(CHARS)) {
        // 26 groups of five are 130 bits: the first character holds only three.
        if digits[0] > b'7' {
            return None;
        }
        let bits = digits.iter().try_fold(0_u128, |bits, digit| {
            let value = ALPHABET.iter().position(|letter| letter == digit)?;
            Some(bits << 5 | value as u128)
        })?;
        *part = Uuid::from_u128(bits);
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_is_that_of_the_typeid_specification() {
        // Vectors of its valid.json.
        for (text, uuid) in [
            (
                "evt_00000000000000000000000000",
                "00000000-0000-0000-0000-000000000000",
            ),
            (
                "evt_0123456789abcdefghjkmnpqrs",
                "0110c853-1d09-52d8-d73e-1194e95b5f19",
            ),
            (
                "evt_01h455vb4pex5vsknk084sn02q",
                "01890a5d-ac96-774b-bcce-b302099a8057",
            ),
            (
                "evt_7zzzzzzzzzzzzzzzzzzzzzzzzz",
                "ffffffff-ffff-ffff-ffff-ffffffffffff",
            ),
        ] {
            let id: EventId = text.parse().unwrap();
            assert_eq!(id.0, Uuid::parse_str(uuid).unwrap());
            assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        for text in [
            "",
            "evt_",
            "whk_01h455vb4pex5vsknk084sn02q",
            "evt_01h455vb4pex5vsknk084sn02",
            "evt_01h455vb4pex5vsknk084sn02qq",
            "evt_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "evt_01H455VB4PEX5VSKNK084SN02Q",
            "evt_01h455vb4pex5vsknk084sn0\u{e9}",
            "evt_01h455vb4pex5vsknk084sn02u",
        ] {
            assert!(text.parse::<EventId>().is_err(), "{text}");
        }
    }

    #[test]
    fn ids_grow_within_a_millisecond_and_when_the_clock_goes_back() {
        let mut minter = Minter::seeded(7);
        let start = 1_800_000_000_000_000;
        let mut last = Uuid::nil();
        for step in 0..20_000_i64 {
            let now = Timestamp::from_unix_micros(start - step * 100);
            let id = minter.mint(now);
            assert!(id > last, "{id} after {last}");
            assert_eq!(
                (id.get_version_num(), id.get_variant()),
                (7, uuid::Variant::RFC4122)
            );
            last = id;
        }
    }

    #[test]
    fn an_event_id_tells_when_it_was_accepted() {
        let moment = Timestamp::from_unix_micros(1_705_314_600_123_000);
        assert_eq!(EventId(Minter::new().mint(moment)).created_at(), moment);
        assert!(EventId(Minter::new().mint(moment)) >= EventId::floor(moment));
    }

    #[test]
    fn a_delivery_id_names_its_event_and_its_webhook() {
        let mut minter = Minter::seeded(1);
        let now = Timestamp::from_unix_micros(1_705_314_600_123_000);
        let id = DeliveryId {
            event: EventId(minter.mint(now)),
            webhook: WebhookId(minter.mint(now)),
        };
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn tenants_spread_over_all_lanes() {
        let mut seen = [0_u32; Lane::COUNT];
        for id in 1..=6_400 {
            seen[usize::try_from(TenantId(id).lane().0).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| (50..200).contains(count)), "{seen:?}");
    }
}
