//! `GetStats`: figures by minute or hour.

use std::{collections::BTreeMap, time::Duration};

use hookwright_proto::v1;
use hookwright_store::{Counts, Granularity, Timestamp, WebhookId};

use super::{
    Caller, Service, convert,
    error::{ApiError, Reason, Violation},
    validate::{self, Violations},
};

/// What is shown when nobody says since when.
const SPAN_DEFAULT: Duration = Duration::from_hours(1);
/// Longer spans are shown by the hour unless they are asked for by the minute.
const MINUTES_SPAN_MAX: Duration = Duration::from_hours(6);

/// What is asked for: whole minutes or hours, all of which are kept. So it is never more than 2,162 points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    granularity: Granularity,
    from: Timestamp,
    until: Timestamp,
}

impl Service {
    pub(super) async fn get_stats(
        &self,
        caller: &Caller,
        request: v1::GetStatsRequest,
    ) -> Result<v1::GetStatsResponse, ApiError> {
        let mut violations = Violations::default();
        let webhook = violations.check(webhook(&request.webhook_id));
        let span = Span::asked_for(&request, self.store.clock().now(), &mut violations);
        let (Some(webhook), Some(span)) = (webhook, span) else {
            return Err(ApiError::Invalid(violations.into_vec()));
        };
        let counted = self
            .store
            .stats(caller.tenant, webhook, span.granularity, span.from, span.until)
            .await?;
        if let Some(id) = webhook
            && counted.is_empty()
            && self.store.webhook(caller.tenant, id).await?.is_none()
        {
            // A chart without a figure would hide that the id is wrong.
            return Err(ApiError::WebhookNotFound(request.webhook_id));
        }
        Ok(answer(span, &counted))
    }
}

impl Span {
    fn asked_for(request: &v1::GetStatsRequest, now: Timestamp, violations: &mut Violations) -> Option<Self> {
        let resolution = violations.check(resolution(request.resolution));
        let start = violations.check(moment("start_time", request.start_time.as_ref()));
        let end = violations.check(moment("end_time", request.end_time.as_ref()));
        let (resolution, start, end) = (resolution?, start?, end?);
        let end = end.map_or(now, |end| end.min(now));
        let start = start.unwrap_or_else(|| end.minus(SPAN_DEFAULT));
        if start >= end {
            let told = format!("not before the end of the span, which is {end}");
            violations.check::<()>(Err(refused("start_time", told)));
            return None;
        }
        let granularity = resolution.unwrap_or_else(|| {
            let is_short = end.since(start) <= MINUTES_SPAN_MAX;
            if is_short && start >= Granularity::Minute.oldest(now) {
                Granularity::Minute
            } else {
                Granularity::Hour
            }
        });
        if start < granularity.oldest(now) {
            violations.check::<()>(Err(refused("start_time", not_kept(granularity))));
            return None;
        }
        let last = granularity.start_of(end);
        // A minute that begins just now has begun; what is counted now is in it.
        let has_begun = last < end || end == now;
        Some(Self {
            granularity,
            from: granularity.start_of(start),
            until: if has_begun {
                last.plus(granularity.length())
            } else {
                last
            },
        })
    }

    /// When each minute or hour begins.
    fn starts(self) -> impl Iterator<Item = Timestamp> {
        let next = move |start: &Timestamp| Some(start.plus(self.granularity.length()));
        std::iter::successors(Some(self.from), next).take_while(move |start| *start < self.until)
    }
}

fn answer(span: Span, counted: &BTreeMap<Timestamp, Counts>) -> v1::GetStatsResponse {
    let mut total = Counts::default();
    for counts in counted.values() {
        total += counts;
    }
    let nothing = Counts::default();
    let points = span
        .starts()
        .map(|start| point(start, counted.get(&start).unwrap_or(&nothing)));
    let resolution = match span.granularity {
        Granularity::Minute => v1::StatsResolution::Minute,
        Granularity::Hour => v1::StatsResolution::Hour,
    };
    v1::GetStatsResponse {
        total: Some(point(span.from, &total)),
        points: points.collect(),
        end_time: Some(convert::timestamp(span.until)),
        resolution: resolution.into(),
    }
}

fn point(start: Timestamp, counts: &Counts) -> v1::StatsPoint {
    let percentile = |permille| counts.durations.percentile(permille).map(convert::duration);
    v1::StatsPoint {
        start_time: Some(convert::timestamp(start)),
        published_count: counts.published,
        attempt_count: counts.attempts,
        failed_attempt_count: counts.failed_attempts,
        delivered_count: counts.delivered,
        dead_count: counts.dead,
        duration_p50: percentile(500),
        duration_p95: percentile(950),
        duration_p99: percentile(990),
    }
}

fn webhook(id: &str) -> Result<Option<WebhookId>, Violation> {
    (!id.is_empty())
        .then(|| validate::id("webhook_id", id))
        .transpose()
}

fn resolution(number: i32) -> Result<Option<Granularity>, Violation> {
    match v1::StatsResolution::try_from(number) {
        Ok(v1::StatsResolution::Unspecified) => Ok(None),
        Ok(v1::StatsResolution::Minute) => Ok(Some(Granularity::Minute)),
        Ok(v1::StatsResolution::Hour) => Ok(Some(Granularity::Hour)),
        Err(_) => Err(Violation::new(
            "resolution",
            Reason::UnknownResolution,
            format!("no resolution has the number {number}"),
        )),
    }
}

fn moment(field: &str, moment: Option<&pbjson_types::Timestamp>) -> Result<Option<Timestamp>, Violation> {
    let Some(moment) = moment else { return Ok(None) };
    match validate::timestamp(moment) {
        Some(moment) => Ok(Some(moment)),
        None => Err(refused(field, "not a moment since 1970")),
    }
}

fn not_kept(granularity: Granularity) -> String {
    let hours = granularity.kept().as_secs() / 3_600;
    match granularity {
        Granularity::Minute => {
            format!("figures by the minute are kept for {hours} hours; ask for the resolution HOUR")
        }
        Granularity::Hour => format!("figures are kept for {} days", hours / 24),
    }
}

fn refused(field: &str, description: impl Into<String>) -> Violation {
    Violation::new(field, Reason::InvalidTimeSpan, description)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half past nine and 20 seconds.
    const NOW: i64 = 1_800_005_420;
    const MINUTE: i64 = 60;
    const HOUR: i64 = 3_600;

    fn asked(start: Option<i64>, end: Option<i64>, resolution: v1::StatsResolution) -> Result<Span, String> {
        asked_at(NOW, start, end, resolution)
    }

    fn asked_at(
        now: i64,
        start: Option<i64>,
        end: Option<i64>,
        resolution: v1::StatsResolution,
    ) -> Result<Span, String> {
        let mut violations = Violations::default();
        let request = v1::GetStatsRequest {
            start_time: start.map(convert::timestamp_of_seconds),
            end_time: end.map(convert::timestamp_of_seconds),
            resolution: resolution.into(),
            ..v1::GetStatsRequest::default()
        };
        let now = Timestamp::from_unix_micros(now * 1_000_000);
        let span = Span::asked_for(&request, now, &mut violations);
        span.ok_or_else(|| violations.into_vec().remove(0).description)
    }

    fn span(granularity: Granularity, from: i64, until: i64) -> Span {
        Span {
            granularity,
            from: Timestamp::from_unix_micros(from * 1_000_000),
            until: Timestamp::from_unix_micros(until * 1_000_000),
        }
    }

    #[test]
    fn a_span_is_whole_minutes_or_hours_and_never_what_is_not_kept() {
        use v1::StatsResolution::{Hour, Minute, Unspecified};
        let minutes = |from, until| Ok(span(Granularity::Minute, from, until));
        let hours = |from, until| Ok(span(Granularity::Hour, from, until));
        let minute = NOW - 20;
        let hour = NOW - NOW % HOUR;
        let too_old = "figures by the minute are kept for 25 hours; ask for the resolution HOUR";
        for (start, end, resolution, expected) in [
            (None, None, Unspecified, minutes(minute - HOUR, minute + MINUTE)),
            (None, Some(minute), Unspecified, minutes(minute - HOUR, minute)),
            (
                Some(NOW - 1),
                Some(NOW + HOUR),
                Unspecified,
                minutes(minute, minute + MINUTE),
            ),
            (Some(NOW - 1), None, Hour, hours(hour, hour + HOUR)),
            (
                Some(NOW - 6 * HOUR),
                None,
                Unspecified,
                minutes(minute - 6 * HOUR, minute + MINUTE),
            ),
            (
                Some(NOW - 6 * HOUR - 1),
                None,
                Unspecified,
                hours(hour - 6 * HOUR, hour + HOUR),
            ),
            (
                Some(NOW - 25 * HOUR),
                None,
                Minute,
                minutes(minute - 25 * HOUR, minute + MINUTE),
            ),
            (Some(NOW - 25 * HOUR - 81), None, Minute, Err(too_old.to_owned())),
            // A short span of long ago.
            (
                Some(NOW - 26 * HOUR),
                Some(hour - 25 * HOUR),
                Unspecified,
                hours(hour - 26 * HOUR, hour - 25 * HOUR),
            ),
            (
                Some(NOW - 90 * 24 * HOUR),
                None,
                Unspecified,
                hours(hour - 90 * 24 * HOUR, hour + HOUR),
            ),
            (
                Some(hour - 90 * 24 * HOUR - HOUR - 1),
                None,
                Unspecified,
                Err(String::from("figures are kept for 90 days")),
            ),
            (
                Some(NOW),
                None,
                Unspecified,
                Err(String::from(
                    "not before the end of the span, which is 2027-01-15T09:30:20Z",
                )),
            ),
            (
                Some(NOW),
                Some(i64::MAX),
                Unspecified,
                Err(String::from("not a moment since 1970")),
            ),
        ] {
            let found = asked(start, end, resolution);
            assert_eq!(found, expected, "{start:?} {end:?} {resolution:?}");
        }
    }

    #[test]
    fn what_happens_now_is_in_the_span_when_a_minute_begins_just_now() {
        let minute = NOW - 20;
        let found = asked_at(minute, None, None, v1::StatsResolution::Unspecified);
        assert_eq!(
            found,
            Ok(span(Granularity::Minute, minute - HOUR, minute + MINUTE))
        );
    }

    #[test]
    fn every_minute_of_a_span_has_a_point_and_the_total_is_their_sum() {
        let span = asked(None, None, v1::StatsResolution::Unspecified).unwrap();
        let counts = |attempts| Counts {
            attempts,
            ..Counts::default()
        };
        let second = span.from.plus(Duration::from_mins(1));
        let answer = answer(
            span,
            &BTreeMap::from([(span.from, counts(2)), (second, counts(3))]),
        );
        assert_eq!(answer.points.len(), 61);
        let attempts: Vec<u64> = answer.points[..3]
            .iter()
            .map(|point| point.attempt_count)
            .collect();
        assert_eq!(attempts, [2, 3, 0]);
        assert_eq!(answer.total.unwrap().attempt_count, 5);
        let last = answer.points.last().unwrap().start_time.unwrap().seconds;
        assert_eq!(answer.end_time.unwrap().seconds, last + MINUTE);
        let hours = asked(Some(NOW - 90 * 24 * HOUR), None, v1::StatsResolution::Hour).unwrap();
        assert_eq!(hours.starts().count(), 2_161);
    }
}
