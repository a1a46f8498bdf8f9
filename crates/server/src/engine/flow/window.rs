//! How many attempts of one webhook may be under way: more while they succeed, half as many when they fail.

/// Attempts at once that a webhook starts with: enough to be quick at once, few enough to be no surprise.
pub(super) const INITIAL: u32 = 16;

/// Names a start; later starts have larger ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// The window, 1 to `max`.
///
/// As in TCP: below the threshold each success adds one, which doubles the window in a round trip; above it a whole
/// window of successes adds one. A failure halves the window and makes that the threshold, once for all attempts that
/// were under way: they met the same trouble.
#[derive(Debug)]
pub(super) struct Window {
    size: u32,
    max: u32,
    threshold: u32,
    /// Successes towards the next step above the threshold.
    credit: u32,
    next: Ticket,
    /// Attempts that started before this one have had their say.
    halved_at: Ticket,
}

impl Window {
    pub(super) fn new(max: u32) -> Self {
        let max = max.max(1);
        Self {
            size: INITIAL.min(max),
            max,
            threshold: u32::MAX,
            credit: 0,
            next: Ticket(0),
            halved_at: Ticket(0),
        }
    }

    pub(super) fn size(&self) -> u32 {
        self.size
    }

    pub(super) fn max(&self) -> u32 {
        self.max
    }

    pub(super) fn set_max(&mut self, max: u32) {
        self.max = max.max(1);
        self.size = self.size.min(self.max);
    }

    pub(super) fn start(&mut self) -> Ticket {
        let ticket = self.next;
        self.next = Ticket(ticket.0 + 1);
        ticket
    }

    /// `under_way` counts this attempt too: a window that is not used up says nothing about a larger one.
    pub(super) fn succeeded(&mut self, under_way: u32) {
        if under_way.saturating_mul(2) < self.size {
            return;
        }
        if self.size < self.threshold {
            self.size += 1;
        } else {
            self.credit += 1;
            if self.credit >= self.size {
                self.credit = 0;
                self.size += 1;
            }
        }
        self.size = self.size.min(self.max);
    }

    pub(super) fn failed(&mut self, ticket: Ticket) {
        if ticket < self.halved_at {
            return;
        }
        self.shrink_to(self.size / 2);
        self.threshold = self.size;
    }

    /// Slow start: from one attempt at a time, doubling up to half of what it was.
    pub(super) fn restart(&mut self) {
        // After several failed probes the window is one already; where it came from is what counts.
        if self.size > 1 {
            self.threshold = (self.size / 2).max(2);
        }
        self.shrink_to(1);
    }

    fn shrink_to(&mut self, size: u32) {
        self.size = size.max(1);
        self.credit = 0;
        self.halved_at = self.next;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_burst_of_failures_is_one_decrease() {
        let mut window = Window::new(64);
        let tickets: Vec<Ticket> = (0..16).map(|_| window.start()).collect();
        for ticket in tickets {
            window.failed(ticket);
        }
        assert_eq!(window.size(), 8);
        let next = window.start();
        window.failed(next);
        assert_eq!(window.size(), 4);
    }

    #[test]
    fn a_window_that_was_never_cut_doubles_with_each_round_trip() {
        let mut window = Window::new(64);
        for expected in [32, 64, 64] {
            for under_way in (1..=window.size()).rev() {
                window.succeeded(under_way.max(window.size() / 2 + 1));
            }
            assert_eq!(window.size(), expected);
        }
    }

    #[test]
    fn after_a_cut_a_whole_window_of_successes_adds_one() {
        let mut window = Window::new(64);
        let ticket = window.start();
        window.failed(ticket);
        for _ in 0..8 {
            assert_eq!(window.size(), 8);
            window.succeeded(8);
        }
        assert_eq!(window.size(), 9);
    }

    #[test]
    fn a_restart_begins_with_one_and_doubles_to_half_of_what_it_was() {
        let mut window = Window::new(64);
        window.restart();
        let sizes: Vec<u32> = (0..12)
            .map(|_| {
                let size = window.size();
                (0..size).for_each(|_| window.succeeded(size));
                size
            })
            .take(6)
            .collect();
        assert_eq!(sizes, [1, 2, 4, 8, 9, 10]);
        window.restart();
        window.restart();
        assert!(window.threshold > 2, "repeated restarts keep the goal");
    }

    proptest! {
        #[test]
        fn the_window_stays_in_its_bounds_and_grows_by_one_at_most(
            max in 1_u32..200,
            steps in proptest::collection::vec(0_u8..5, 0..400),
        ) {
            let mut window = Window::new(max);
            for step in steps {
                let before = window.size();
                let ticket = window.start();
                match step {
                    0..3 => window.succeeded(before),
                    3 => window.failed(ticket),
                    _ => window.restart(),
                }
                prop_assert!((1..=max).contains(&window.size()));
                prop_assert!(window.size() <= before + 1);
            }
        }
    }
}
