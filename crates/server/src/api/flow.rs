//! How fast a webhook may be attempted: what its owner sets, and how it is doing.

use std::time::Duration;

use hookwright_proto::v1;
use hookwright_store::RateLimit;

use super::{
    convert,
    error::{Reason, Violation},
    validate,
};
use crate::engine::{BreakerState, Gauge};

const PER_SECOND_MIN: f64 = 0.01;
const PER_SECOND_MAX: f64 = 100_000.0;
const BURST_MAX: u32 = 1_000_000;
const IN_FLIGHT_MAX: u32 = 10_000;
const DISABLE_AFTER_MIN: Duration = Duration::from_hours(1);
const DISABLE_AFTER_MAX: Duration = Duration::from_hours(90 * 24);

/// None is no limit.
pub(super) fn rate_limit(field: &str, limit: Option<&v1::RateLimit>) -> Result<Option<RateLimit>, Violation> {
    let Some(limit) = limit else { return Ok(None) };
    // Not a number is in no range.
    if !(PER_SECOND_MIN..=PER_SECOND_MAX).contains(&limit.per_second) {
        let description = format!("{PER_SECOND_MIN} to {PER_SECOND_MAX} a second");
        return Err(Violation::new(
            format!("{field}.per_second"),
            Reason::InvalidRateLimit,
            description,
        ));
    }
    if limit.burst > BURST_MAX {
        return Err(Violation::new(
            format!("{field}.burst"),
            Reason::InvalidRateLimit,
            format!("at most {BURST_MAX}"),
        ));
    }
    let burst = match limit.burst {
        0 => one_second_of(limit.per_second),
        burst => burst,
    };
    Ok(Some(RateLimit {
        per_second: limit.per_second,
        burst,
    }))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "1 to 100,000"
)]
fn one_second_of(per_second: f64) -> u32 {
    per_second.ceil() as u32
}

/// None is the engine's.
pub(super) fn max_in_flight(field: &str, max: u32) -> Result<Option<u32>, Violation> {
    match max {
        0 => Ok(None),
        1..=IN_FLIGHT_MAX => Ok(Some(max)),
        _ => Err(Violation::new(
            field,
            Reason::InvalidMaxInFlight,
            format!("at most {IN_FLIGHT_MAX}; 0 is the service's limit"),
        )),
    }
}

/// None is the profile's, zero is never.
pub(super) fn disable_after(
    field: &str,
    after: Option<&pbjson_types::Duration>,
) -> Result<Option<Duration>, Violation> {
    let Some(after) = after else { return Ok(None) };
    validate::duration(after)
        .filter(|after| after.is_zero() || (DISABLE_AFTER_MIN..=DISABLE_AFTER_MAX).contains(after))
        .map(Some)
        .ok_or_else(|| {
            Violation::new(
                field,
                Reason::InvalidDisableAfter,
                "1 hour to 90 days; 0 is never",
            )
        })
}

/// How a webhook is doing on this node.
pub(super) fn show(gauge: &Gauge, status: &mut v1::WebhookStatus) {
    let snapshot = gauge.snapshot();
    let breaker = match snapshot.breaker {
        BreakerState::Closed => v1::BreakerState::Closed,
        BreakerState::Open => v1::BreakerState::Open,
        BreakerState::HalfOpen => v1::BreakerState::HalfOpen,
    };
    status.window = snapshot.window;
    status.in_flight = snapshot.in_flight;
    status.breaker = breaker.into();
    status.failing_since_time = snapshot.failing_since.map(convert::timestamp);
    status.wait_until_time = snapshot.blocked_until.map(convert::timestamp);
}
