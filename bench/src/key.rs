//! What publications and arrivals are joined on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The 128 bits of an event id.
///
/// Platforms write an event's id with prefixes of their own (`evt_…`, `webhook_…`); the 26 characters of base32 at its
/// end are the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct EventKey(pub(crate) u128);

impl EventKey {
    /// `None` when `id` does not end in 26 characters of lower-case Crockford base32.
    pub(crate) fn parse(id: &[u8]) -> Option<Self> {
        let start = id.len().checked_sub(DIGITS)?;
        let mut bits = 0_u128;
        for &character in &id[start..] {
            let digit = ALPHABET.iter().position(|&known| known == character)?;
            bits = (bits << 5) | digit as u128;
        }
        Some(Self(bits))
    }

    /// The same bits as the id of something else that the service names: `whk_…`.
    pub(crate) fn prefixed(self, prefix: &str) -> String {
        let mut id = format!("{prefix}_");
        for place in (0..DIGITS).rev() {
            let digit = (self.0 >> (5 * place)) & 31;
            id.push(char::from(ALPHABET[digit as usize]));
        }
        id
    }
}

/// As the service writes it.
impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.prefixed("evt"))
    }
}

const DIGITS: usize = 26;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_does_not_matter() {
        let plain = EventKey::parse(b"01h455vb4pex5vsknk084sn02q");
        assert_eq!(plain, Some(EventKey(0x0189_0a5d_ac96_774b_bcce_b302_099a_8057)));
        assert_eq!(EventKey::parse(b"evt_01h455vb4pex5vsknk084sn02q"), plain);
        assert_eq!(EventKey::parse(b"webhook_01h455vb4pex5vsknk084sn02q"), plain);
    }

    #[test]
    fn the_service_is_asked_with_the_id_that_it_gave() {
        let id = "evt_01h455vb4pex5vsknk084sn02q";
        let key = EventKey::parse(id.as_bytes()).unwrap();
        assert_eq!(key.to_string(), id);
        assert_eq!(key.prefixed("whk"), "whk_01h455vb4pex5vsknk084sn02q");
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        assert_eq!(EventKey::parse(b""), None);
        assert_eq!(EventKey::parse(b"evt_short"), None);
        assert_eq!(EventKey::parse(b"evt_01h455vb4pex5vsknk084sn02u"), None);
    }
}
