//! What a window of a run says: rates and latencies, and whether they count.

use std::{collections::HashMap, time::Duration};

use crate::{
    clock::Moment,
    key::EventKey,
    percentiles::Percentiles,
    records::{Arrival, Publication},
    report::Figure,
};

/// From its start up to, not including, its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) start: Moment,
    pub(crate) end: Moment,
}

impl Window {
    pub(crate) fn holds(self, moment: Moment) -> bool {
        (self.start..self.end).contains(&moment)
    }

    fn seconds(self) -> f64 {
        self.end.since(self.start).as_secs_f64()
    }
}

/// Latencies belong to the events *scheduled* in the window, rates to what *happened* in it.
#[derive(Debug)]
pub(crate) struct Measurement {
    window: Window,
    /// Events acknowledged in the window.
    published: u64,
    /// Deliveries made in the window.
    delivered: u64,
    /// From the scheduled moment to when it was really sent.
    send_lag: Percentiles,
    /// From the scheduled moment to the acknowledgement.
    publish: Percentiles,
    /// From the scheduled moment to the first request that the receiver accepted.
    end_to_end: Percentiles,
    /// Deliveries that were acknowledged before the window's end and made after it.
    backlog: u64,
}

impl Measurement {
    pub(crate) fn new(window: Window, publications: &[Publication], arrivals: &[Arrival]) -> Self {
        let first = first_accepted(arrivals);
        let acknowledged = || {
            publications
                .iter()
                .filter(|publication| publication.acknowledged())
        };
        let by_event: HashMap<EventKey, &Publication> = acknowledged()
            .map(|publication| (publication.event, publication))
            .collect();
        let inside = || {
            publications
                .iter()
                .filter(|publication| window.holds(publication.scheduled))
        };
        let acknowledged = || {
            publications
                .iter()
                .filter(|publication| publication.acknowledged())
        };
        let late = first.iter().filter(|&((event, _), &at)| {
            at >= window.end
                && by_event
                    .get(event)
                    .is_some_and(|publication| publication.answered < window.end)
        });
        Self {
            window,
            published: acknowledged()
                .filter(|publication| window.holds(publication.answered))
                .count() as u64,
            delivered: first.values().filter(|&&at| window.holds(at)).count() as u64,
            send_lag: Percentiles::of(
                inside().map(|publication| publication.sent.since(publication.scheduled)),
            ),
            publish: Percentiles::of(
                inside()
                    .filter(|publication| publication.acknowledged())
                    .map(|publication| publication.answered.since(publication.scheduled)),
            ),
            end_to_end: Percentiles::of(first.iter().filter_map(|((event, _), at)| {
                let scheduled = by_event.get(event)?.scheduled;
                window.holds(scheduled).then(|| at.since(scheduled))
            })),
            backlog: late.count() as u64,
        }
    }

    pub(crate) fn end_to_end(&self) -> &Percentiles {
        &self.end_to_end
    }

    pub(crate) fn figures(&self) -> Vec<Figure> {
        let mut figures = vec![
            Figure::new("published", "events/s", self.per_second(self.published)),
            Figure::new("delivered", "deliveries/s", self.per_second(self.delivered)),
        ];
        figures.extend(Figure::latency("publish", &self.publish));
        figures.extend(Figure::latency("end to end", &self.end_to_end));
        figures.push(Figure::new("send lag p99", "ms", self.send_lag.p99_ms));
        figures.push(Figure::new("send lag max", "ms", self.send_lag.max_ms));
        figures.push(Figure::new(
            "backlog at the window's end",
            "deliveries",
            count(self.backlog),
        ));
        figures
    }

    /// Why the timing of this run says nothing. `rate` is that of an open loop.
    pub(crate) fn void(&self, rate: Option<f64>) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.end_to_end.count == 0 {
            reasons.push("nothing that was published in the window was delivered".into());
        }
        if let Some(rate) = rate {
            if self.send_lag.p99_ms > millis(SEND_LAG_MAX) {
                reasons.push(format!(
                    "the publisher fell behind its schedule: p99 of its lag is {:.1} ms",
                    self.send_lag.p99_ms
                ));
            }
            let due = rate * self.window.seconds();
            if count(self.send_lag.count as u64) < due * SENT_MIN {
                reasons.push(format!(
                    "only {} of {due:.0} publishes were sent",
                    self.send_lag.count
                ));
            }
        }
        reasons
    }

    /// What to keep in mind with the figures of this run.
    pub(crate) fn notes(&self, rate: Option<f64>) -> Vec<String> {
        let one_second = self.per_second(self.delivered).max(1.0);
        let behind = count(self.backlog) > one_second;
        match (behind, rate) {
            (false, _) => Vec::new(),
            (true, Some(_)) => vec![
                "overloaded: more than a second of deliveries was waiting at the end, so latency measures how long the \
                 run was"
                    .into(),
            ],
            (true, None) => vec![
                "publishing outran delivery: more than a second of deliveries was waiting at the end, so latency \
                 measures how long the run was"
                    .into(),
            ],
        }
    }

    fn per_second(&self, number: u64) -> f64 {
        count(number) / self.window.seconds()
    }
}

/// Deliveries made in a window.
pub(crate) fn delivered_in(window: Window, arrivals: &[Arrival]) -> u64 {
    first_accepted(arrivals)
        .values()
        .filter(|&&at| window.holds(at))
        .count() as u64
}

/// When each delivery was first accepted.
pub(crate) fn first_accepted(arrivals: &[Arrival]) -> HashMap<(EventKey, u16), Moment> {
    let mut first = HashMap::with_capacity(arrivals.len());
    for arrival in arrivals.iter().filter(|arrival| arrival.accepted()) {
        let at = first
            .entry((arrival.event, arrival.webhook))
            .or_insert(arrival.at);
        *at = arrival.at.min(*at);
    }
    first
}

#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
fn count(number: u64) -> f64 {
    number as f64
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// More lag than this and the load was not the one that was asked for.
const SEND_LAG_MAX: Duration = Duration::from_millis(20);
/// Share of the schedule that must have been sent.
const SENT_MIN: f64 = 0.999;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn publication(event: u128, scheduled: u64, answered: u64) -> Publication {
        Publication {
            scheduled: Moment::from_nanos(scheduled * MS),
            sent: Moment::from_nanos(scheduled * MS),
            answered: Moment::from_nanos(answered * MS),
            event: EventKey(event),
            deliveries: 1,
            target: 0,
            tries: 1,
            code: 0,
        }
    }

    fn arrival(event: u128, at: u64, status: u16) -> Arrival {
        Arrival {
            event: EventKey(event),
            at: Moment::from_nanos(at * MS),
            webhook: 0,
            peer: 1,
            status,
        }
    }

    fn window() -> Window {
        Window {
            start: Moment::from_nanos(100 * MS),
            end: Moment::from_nanos(1100 * MS),
        }
    }

    #[test]
    fn latency_counts_from_the_schedule_and_to_the_first_acceptance() {
        let publications = [
            publication(1, 50, 60),
            publication(2, 200, 210),
            publication(3, 300, 330),
        ];
        let arrivals = [
            arrival(1, 150, 200),
            arrival(2, 220, 500),
            arrival(2, 260, 200),
            arrival(2, 400, 200),
            arrival(3, 340, 200),
        ];
        let measurement = Measurement::new(window(), &publications, &arrivals);
        assert_eq!((measurement.publish.count, measurement.end_to_end.count), (2, 2));
        assert_eq!(
            (measurement.publish.p50_ms, measurement.publish.max_ms),
            (10.0, 30.0)
        );
        assert_eq!(
            (measurement.end_to_end.p50_ms, measurement.end_to_end.max_ms),
            (40.0, 60.0)
        );
        // The first event was scheduled before the window, but delivered in it.
        assert_eq!(
            (measurement.published, measurement.delivered, measurement.backlog),
            (2, 3, 0)
        );
    }

    #[test]
    fn a_publisher_that_falls_behind_voids_the_run() {
        let mut late = publication(1, 200, 300);
        late.sent = Moment::from_nanos(250 * MS);
        let measurement = Measurement::new(window(), &[late], &[arrival(1, 310, 200)]);
        assert_eq!(measurement.void(Some(1.0)).len(), 1);
        assert_eq!(measurement.void(Some(2.0)).len(), 2);
        assert!(measurement.void(None).is_empty());
    }

    #[test]
    fn what_waits_at_the_end_is_the_backlog() {
        let publications: Vec<_> = (0..10).map(|event| publication(event, 200, 210)).collect();
        let arrivals: Vec<_> = (0_u32..10)
            .map(|event| arrival(event.into(), 900 + 100 * u64::from(event), 200))
            .collect();
        let measurement = Measurement::new(window(), &publications, &arrivals);
        assert_eq!(measurement.backlog, 8);
        assert_eq!(measurement.notes(Some(10.0)).len(), 1);
    }
}
