//! Which events of this node still wait for a first attempt, and from where on a recovery has to look.

use std::collections::VecDeque;

use crate::{EventId, Timestamp, id::Minter};

/// Mints event ids and remembers, in order, those with unsettled deliveries.
///
/// A delivery is settled once a committed row other than the event's stands for it: an attempt or a retry. The low-water
/// mark is the oldest event with an unsettled one. Ids are minted under the same lock as they are remembered, so no event
/// can slip below a mark that was read before it was minted.
#[derive(Debug)]
pub(super) struct Tracker {
    minter: Minter,
    open: VecDeque<Open>,
}

#[derive(Debug)]
struct Open {
    event: EventId,
    unsettled: usize,
}

impl Tracker {
    pub(super) fn new(minter: Minter) -> Self {
        Self {
            minter,
            open: VecDeque::new(),
        }
    }

    /// A new id, larger than all before it, for an event with this many deliveries in memory.
    pub(super) fn mint(&mut self, now: Timestamp, unsettled: usize) -> EventId {
        let event = EventId(self.minter.mint(now));
        if unsettled > 0 {
            self.open.push_back(Open { event, unsettled });
        }
        event
    }

    /// One delivery of this event is settled.
    pub(super) fn settle(&mut self, event: EventId) {
        if let Some(open) = self.find(event) {
            open.unsettled = open.unsettled.saturating_sub(1);
        }
        self.drop_settled();
    }

    /// The event was not stored: nothing of it will ever have to be recovered.
    pub(super) fn forget(&mut self, event: EventId) {
        if let Some(open) = self.find(event) {
            open.unsettled = 0;
        }
        self.drop_settled();
    }

    /// Whether deliveries of this event are in memory here.
    pub(super) fn holds(&mut self, event: EventId) -> bool {
        self.find(event).is_some_and(|open| open.unsettled > 0)
    }

    /// No smaller event of this node has an unsettled delivery, now or later.
    pub(super) fn low_water(&mut self, now: Timestamp) -> EventId {
        match self.open.front() {
            Some(open) => open.event,
            None => EventId(self.minter.mint(now)),
        }
    }

    /// Forgets everything: another node has taken over.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    fn find(&mut self, event: EventId) -> Option<&mut Open> {
        let index = self.open.binary_search_by_key(&event, |open| open.event).ok()?;
        self.open.get_mut(index)
    }

    fn drop_settled(&mut self) {
        while self.open.front().is_some_and(|open| open.unsettled == 0) {
            self.open.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_low_water_mark_never_passes_an_unsettled_event() {
        let now = Timestamp::from_unix_micros(1_800_000_000_000_000);
        let mut tracker = Tracker::new(Minter::new());
        let first = tracker.mint(now, 2);
        let second = tracker.mint(now, 1);
        assert_eq!(tracker.low_water(now), first);
        tracker.settle(second);
        tracker.settle(first);
        assert_eq!(
            tracker.low_water(now),
            first,
            "one delivery of the first event is still out"
        );
        assert!(tracker.holds(first));
        tracker.settle(first);
        let mark = tracker.low_water(now);
        assert!(mark > second);
        assert!(
            tracker.mint(now, 1) > mark,
            "an event minted after the mark was read lies above it"
        );
    }

    #[test]
    fn an_event_without_deliveries_in_memory_does_not_hold_the_mark_back() {
        let now = Timestamp::from_unix_micros(1_800_000_000_000_000);
        let mut tracker = Tracker::new(Minter::new());
        let event = tracker.mint(now, 0);
        assert!(tracker.low_water(now) > event);
        let unstored = tracker.mint(now, 3);
        tracker.forget(unstored);
        assert!(tracker.low_water(now) > unstored);
    }
}
