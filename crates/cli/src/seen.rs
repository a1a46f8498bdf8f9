//! Events that have arrived: a receiver handles each of them once, however often it comes.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use hookwright_store::Timestamp;

/// Ids beyond it push the oldest out.
const IDS_MAX: usize = 10_000;
/// Twice as long as a signature is accepted on either side of now: a request that is older is refused by its timestamp.
const KEPT: Duration = Duration::from_mins(20);

/// The ids of events that were accepted. Only what is verified may get here: a stranger could otherwise fill it, or have an
/// event taken for known before it arrives.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    ids: HashSet<String>,
    /// Oldest first.
    order: VecDeque<(Timestamp, String)>,
}

impl Seen {
    /// Whether the id is new; it is not any more after this.
    pub(crate) fn is_new(&mut self, id: &str, now: Timestamp) -> bool {
        while let Some((at, _)) = self.order.front()
            && (now.since(*at) > KEPT || self.order.len() >= IDS_MAX)
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        if !self.ids.insert(id.to_owned()) {
            return false;
        }
        self.order.push_back((now, id.to_owned()));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_new_once_and_room_is_bounded() {
        let start = Timestamp::from_unix_micros(1_800_000_000_000_000);
        let mut seen = Seen::default();
        assert!(seen.is_new("evt_0", start));
        assert!(!seen.is_new("evt_0", start.plus(KEPT)));
        for number in 1..=2 * IDS_MAX {
            assert!(seen.is_new(&format!("evt_{number}"), start));
        }
        assert!(seen.ids.len() <= IDS_MAX && seen.order.len() <= IDS_MAX);
        let later = start.plus(KEPT).plus(Duration::from_micros(1));
        assert!(seen.is_new("evt_20000", later));
        assert_eq!(seen.ids.len(), 1, "what is old is forgotten");
    }
}
