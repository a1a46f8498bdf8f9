//! When retries end, what counts as delivered, and how much is held.

use std::time::Duration;

use hookwright_core::{Schedule, StatusSet};
use hookwright_proto::v1;
use hookwright_store::{HoldLimits, RetryLimits};

use super::{
    error::{Reason, Violation},
    validate,
};

const STATUSES_MAX: usize = 20;
const ATTEMPTS_MAX: u32 = 100;
const AGE_MIN: Duration = Duration::from_secs(1);
const AGE_MAX: Duration = Duration::from_hours(720);
const HELD_MAX: u32 = 1_000_000;
const HOLD_AGE_MIN: Duration = Duration::from_mins(1);

/// The schedule, if it is not the profile's, and its limits.
pub(super) fn retry_policy(
    field: &str,
    policy: Option<v1::RetryPolicy>,
) -> Result<(Option<Schedule>, RetryLimits), Violation> {
    let Some(policy) = policy else {
        return Ok((None, RetryLimits::default()));
    };
    if policy.max_attempts > ATTEMPTS_MAX {
        return Err(Violation::new(
            format!("{field}.max_attempts"),
            Reason::InvalidRetryPolicy,
            format!("1 to {ATTEMPTS_MAX}; 0 is what the schedule says"),
        ));
    }
    let max_age = age(policy.max_age.as_ref(), AGE_MIN).ok_or_else(|| {
        Violation::new(
            format!("{field}.max_age"),
            Reason::InvalidRetryPolicy,
            "1 second to 30 days",
        )
    })?;
    let limits = RetryLimits {
        max_attempts: Some(policy.max_attempts).filter(|attempts| *attempts > 0),
        max_age,
        permanent_statuses: statuses(
            &format!("{field}.permanent_statuses"),
            policy.permanent_statuses.clone(),
        )?,
    };
    Ok((validate::retry_policy(field, Some(policy))?, limits))
}

/// Single statuses, classes and ranges.
pub(super) fn statuses(field: &str, statuses: Vec<String>) -> Result<Vec<String>, Violation> {
    if statuses.len() > STATUSES_MAX {
        return Err(Violation::new(
            field,
            Reason::TooManyValues,
            format!("at most {STATUSES_MAX}"),
        ));
    }
    if let Err(text) = StatusSet::parse(&statuses) {
        let position = statuses.iter().position(|status| status == text).unwrap_or(0);
        return Err(Violation::new(
            format!("{field}[{position}]"),
            Reason::InvalidStatus,
            format!(
                "{text:?} is neither a status from 200 to 599, nor a class such as 2xx, nor a range such as 200-204"
            ),
        ));
    }
    Ok(statuses)
}

/// What is not given is the profile's.
pub(super) fn hold(field: &str, policy: Option<&v1::HoldPolicy>) -> Result<HoldLimits, Violation> {
    let Some(policy) = policy else {
        return Ok(HoldLimits::default());
    };
    let refused =
        |name: &str, range: &str| Violation::new(format!("{field}.{name}"), Reason::InvalidHoldPolicy, range);
    if policy.max_deliveries > HELD_MAX {
        return Err(refused("max_deliveries", "1 to 1,000,000; 0 is the profile's"));
    }
    Ok(HoldLimits {
        max_deliveries: Some(policy.max_deliveries).filter(|deliveries| *deliveries > 0),
        max_age: age(policy.max_age.as_ref(), HOLD_AGE_MIN)
            .ok_or_else(|| refused("max_age", "1 minute to 30 days"))?,
    })
}

/// None when it is out of bounds; `Some(None)` when it was not given.
#[expect(clippy::option_option, reason = "the two are different answers")]
fn age(age: Option<&pbjson_types::Duration>, min: Duration) -> Option<Option<Duration>> {
    let Some(age) = age else { return Some(None) };
    validate::duration(age)
        .filter(|age| (min..=AGE_MAX).contains(age))
        .map(Some)
}
