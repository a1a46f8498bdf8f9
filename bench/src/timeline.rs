//! What happened in each slice of a test's time: counts of what happened in it, latencies of what was scheduled in it.

use std::{collections::HashMap, time::Duration};

use crate::{
    clock::{Moment, whole_nanos},
    key::EventKey,
    percentiles::Percentiles,
    records::{Arrival, Publication},
    series::{Mark, Series},
};

/// Slices of equal length from `start` on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeline {
    pub(crate) start: Moment,
    pub(crate) slice: Duration,
    pub(crate) slices: usize,
}

impl Timeline {
    /// As many slices as `duration` begins.
    pub(crate) fn new(start: Moment, duration: Duration, slice: Duration) -> Self {
        let slices = whole_nanos(duration).div_ceil(whole_nanos(slice).max(1));
        Self {
            start,
            slice,
            slices: usize::try_from(slices).unwrap_or(usize::MAX),
        }
    }

    /// The slice that holds a moment.
    fn slice_of(&self, moment: Moment) -> Option<usize> {
        let after = moment.nanos().checked_sub(self.start.nanos())?;
        let slice = usize::try_from(after / whole_nanos(self.slice).max(1)).ok()?;
        (slice < self.slices).then_some(slice)
    }

    /// The begin of each slice.
    fn times(&self) -> Vec<f64> {
        let begins = (0..self.slices).map(|slice| self.slice * u32::try_from(slice).unwrap_or(u32::MAX));
        begins.map(|begin| begin.as_secs_f64()).collect()
    }

    /// How often something happened, per second.
    fn rate(&self, moments: impl IntoIterator<Item = Moment>) -> Vec<Option<f64>> {
        let mut counts = vec![0_u32; self.slices];
        for slice in moments.into_iter().filter_map(|moment| self.slice_of(moment)) {
            counts[slice] += 1;
        }
        let seconds = self.slice.as_secs_f64();
        counts
            .into_iter()
            .map(|count| Some(f64::from(count) / seconds))
            .collect()
    }

    /// Percentiles of each slice; none where there are no samples.
    fn latency(&self, samples: impl IntoIterator<Item = (Moment, Duration)>) -> Vec<Option<Percentiles>> {
        let mut slices = vec![Vec::new(); self.slices];
        for (scheduled, latency) in samples {
            if let Some(slice) = self.slice_of(scheduled) {
                slices[slice].push(latency);
            }
        }
        slices
            .into_iter()
            .map(|samples| (!samples.is_empty()).then(|| Percentiles::of(samples)))
            .collect()
    }

    /// `measured` are the publications whose latencies count; everything counts as published and delivered.
    pub(crate) fn series(
        &self,
        published: &[Publication],
        measured: &[Publication],
        arrivals: &[Arrival],
        delivered: &HashMap<(EventKey, u16), Moment>,
    ) -> Series {
        let acknowledged = |publications: &[Publication]| -> Vec<Publication> {
            let acknowledged = publications
                .iter()
                .filter(|publication| publication.acknowledged());
            acknowledged.copied().collect()
        };
        let measured = acknowledged(measured);
        let scheduled: HashMap<EventKey, Moment> = measured
            .iter()
            .map(|publication| (publication.event, publication.scheduled))
            .collect();
        let mut series = Series::new(self.times());
        let answered = acknowledged(published)
            .into_iter()
            .map(|publication| publication.answered);
        series.add("published_per_s", self.rate(answered));
        series.add("delivered_per_s", self.rate(delivered.values().copied()));
        let refused = arrivals.iter().filter(|arrival| !arrival.accepted());
        series.add("refused_per_s", self.rate(refused.map(|arrival| arrival.at)));
        let publish = measured.iter().map(|publication| {
            (
                publication.scheduled,
                publication.answered.since(publication.scheduled),
            )
        });
        let end_to_end = delivered.iter().filter_map(|((event, _), &at)| {
            let scheduled = *scheduled.get(event)?;
            Some((scheduled, at.since(scheduled)))
        });
        for (name, slices) in [
            ("publish", self.latency(publish)),
            ("end_to_end", self.latency(end_to_end)),
        ] {
            let column = |of: fn(&Percentiles) -> f64| slices.iter().map(move |slice| slice.as_ref().map(of));
            series.add(&format!("{name}_p50_ms"), column(|latency| latency.p50_ms));
            series.add(&format!("{name}_p99_ms"), column(|latency| latency.p99_ms));
        }
        series
    }

    pub(crate) fn mark(&self, moment: Moment, what: &str) -> Mark {
        Mark {
            t_s: moment.since(self.start).as_secs_f64(),
            what: what.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::first_accepted;

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

    #[test]
    fn counts_belong_to_when_it_happened_and_latencies_to_the_schedule() {
        let timeline = Timeline::new(
            Moment::from_nanos(1_000 * MS),
            Duration::from_millis(1_500),
            Duration::from_millis(500),
        );
        let publications = [
            publication(1, 1_000, 1_010),
            publication(2, 1_400, 1_520),
            // Another's: counted, not measured.
            publication(3, 1_100, 1_101),
            // Before the beginning.
            publication(4, 900, 990),
        ];
        let arrivals = [
            arrival(1, 1_020, 500),
            arrival(1, 1_700, 200),
            arrival(2, 1_500, 200),
            arrival(3, 1_102, 200),
            arrival(2, 1_600, 200),
        ];
        let series = timeline.series(
            &publications,
            &publications[..2],
            &arrivals,
            &first_accepted(&arrivals),
        );
        assert_eq!(series.t_s, [0.0, 0.5, 1.0]);
        let column = |name: &str| series.columns[name].clone();
        assert_eq!(column("published_per_s"), [Some(4.0), Some(2.0), Some(0.0)]);
        assert_eq!(column("delivered_per_s"), [Some(2.0), Some(4.0), Some(0.0)]);
        assert_eq!(column("refused_per_s"), [Some(2.0), Some(0.0), Some(0.0)]);
        assert_eq!(column("publish_p50_ms"), [Some(10.0), None, None]);
        assert_eq!(column("publish_p99_ms"), [Some(120.0), None, None]);
        assert_eq!(column("end_to_end_p50_ms"), [Some(100.0), None, None]);
        assert_eq!(column("end_to_end_p99_ms"), [Some(700.0), None, None]);
    }

    #[test]
    fn a_slice_that_has_begun_counts() {
        let start = Moment::from_nanos(1);
        let slices = |ms| Timeline::new(start, Duration::from_millis(ms), Duration::from_secs(1)).slices;
        assert_eq!((slices(0), slices(1), slices(1_000), slices(1_001)), (0, 1, 1, 2));
    }
}
