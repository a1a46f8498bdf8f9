//! Repeated deliveries, and whether a kill explains them.
//!
//! A service that is killed after a receiver accepted a request and before that is recorded has to send it again: at
//! least once is the promise. Any other duplicate would be a fault.

use std::{collections::HashMap, fmt, time::Duration};

use serde::Serialize;

use crate::{clock::Moment, key::EventKey, records::Arrival};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Duplicates {
    /// Accepted requests beyond the first of each delivery.
    pub(crate) total: u64,
    /// Those with a kill between them and their predecessor, which arrived shortly before that kill.
    pub(crate) explained: u64,
    /// Those with a kill between them and their predecessor, which arrived longer before it: its result should have
    /// been recorded by then, unless the service was behind with recording.
    pub(crate) late: u64,
    /// Those with no kill between them and their predecessor.
    pub(crate) unexplained: u64,
}

impl Duplicates {
    /// `kills` in order of time. A predecessor may have arrived at most `window` before the kill.
    pub(crate) fn explain(arrivals: &[Arrival], kills: &[Moment], window: Duration) -> Self {
        let mut accepted: HashMap<(EventKey, u16), Vec<Moment>> = HashMap::new();
        for arrival in arrivals.iter().filter(|arrival| arrival.accepted()) {
            accepted
                .entry((arrival.event, arrival.webhook))
                .or_default()
                .push(arrival.at);
        }
        let mut duplicates = Self::default();
        for moments in accepted.values_mut().filter(|moments| moments.len() > 1) {
            moments.sort_unstable();
            for pair in moments.windows(2) {
                duplicates.total += 1;
                match kill_between(pair[0], pair[1], kills) {
                    Some(kill) if pair[0].after(window) >= kill => duplicates.explained += 1,
                    Some(_) => duplicates.late += 1,
                    None => duplicates.unexplained += 1,
                }
            }
        }
        duplicates
    }
}

impl fmt::Display for Duplicates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "            {} of them after a kill that came soon after their predecessor",
            self.explained
        )?;
        writeln!(
            f,
            "            {} of them after a kill that came later than that",
            self.late
        )?;
        writeln!(
            f,
            "            {} of them without a kill since their predecessor",
            self.unexplained
        )
    }
}

/// The first kill that the predecessor's result may have been lost in.
fn kill_between(first: Moment, second: Moment, kills: &[Moment]) -> Option<Moment> {
    let since_first = kills.iter().copied().find(|&kill| first <= kill.after(IN_FLIGHT));
    since_first.filter(|&kill| kill < second)
}

/// What the killed service had written to its socket still arrives.
const IN_FLIGHT: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn arrivals(moments: &[u64]) -> Vec<Arrival> {
        let arrival = |&at| Arrival {
            event: EventKey(1),
            at: Moment::from_nanos(at),
            webhook: 0,
            peer: 1,
            status: 200,
        };
        moments.iter().map(arrival).collect()
    }

    /// Explained, late and unexplained ones.
    fn explain(moments: &[u64]) -> (u64, u64, u64) {
        let kills = [Moment::from_nanos(10 * SECOND), Moment::from_nanos(20 * SECOND)];
        let duplicates = Duplicates::explain(&arrivals(moments), &kills, Duration::from_secs(2));
        assert_eq!(
            duplicates.total,
            duplicates.explained + duplicates.late + duplicates.unexplained
        );
        (duplicates.explained, duplicates.late, duplicates.unexplained)
    }

    #[test]
    fn a_kill_between_two_requests_explains_the_second() {
        assert_eq!(explain(&[9 * SECOND, 11 * SECOND]), (1, 0, 0));
        assert_eq!(
            explain(&[9 * SECOND, 11 * SECOND, 19 * SECOND, 25 * SECOND]),
            (2, 0, 1)
        );
    }

    #[test]
    fn what_the_dead_service_had_sent_may_arrive_after_its_death() {
        assert_eq!(explain(&[10 * SECOND + 1_000_000, 11 * SECOND]), (1, 0, 0));
    }

    #[test]
    fn no_kill_between_them_explains_nothing() {
        assert_eq!(explain(&[12 * SECOND, 13 * SECOND]), (0, 0, 1));
        assert_eq!(explain(&[8 * SECOND, 9 * SECOND]), (0, 0, 1));
        assert_eq!(explain(&[25 * SECOND, 26 * SECOND]), (0, 0, 1));
    }

    #[test]
    fn what_was_long_done_should_not_be_repeated() {
        assert_eq!(explain(&[5 * SECOND, 11 * SECOND]), (0, 1, 0));
    }
}
