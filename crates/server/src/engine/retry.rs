//! What follows an attempt, and when. Pure: everything it depends on is passed in.
//!
//! ```text
//!   answer                                        what follows
//!   a success status (2xx unless set otherwise)   delivered
//!   410                                           the webhook is disabled, the delivery held
//!   408, 425, 429, 5xx; no answer at all          retry
//!   3xx, other 4xx                                retry, unless set to be permanent: then dead
//! ```
//!
//! A retry is at the time that the schedule says, or later where the receiver asked for more time. When the schedule is
//! over, or the event would be too old by then, the delivery is dead.

use std::time::Duration;

use hookwright_core::{Schedule, StatusSet};
use hookwright_store::{Outcome, Timestamp};

/// The receiver wants no more deliveries.
const GONE: u16 = 410;
/// Answers that ask for another attempt: never permanent.
const TRY_AGAIN: [u16; 3] = [408, 425, 429];
/// A wait that the receiver asked for is made longer by up to this share of it, so that not everything comes at once.
const WAIT_JITTER_SHARE: f64 = 0.1;
const WAIT_JITTER_MAX: Duration = Duration::from_secs(30);

/// When failed deliveries of a webhook are tried again.
#[derive(Clone, Debug)]
pub(crate) struct RetryPolicy {
    pub(crate) schedule: Schedule,
    /// Attempts in total, where the schedule has more.
    pub(crate) max_attempts: Option<u32>,
    /// No attempt is scheduled for when the event is older.
    pub(crate) max_age: Option<Duration>,
    /// Answers after which there is no other attempt.
    pub(crate) permanent: StatusSet,
}

/// An attempt that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    /// None when there was no answer.
    pub(super) http_status: Option<u16>,
    /// 1 for the first.
    pub(super) number: u16,
    /// When the event was accepted, or its replay asked for.
    pub(super) wanted_at: Timestamp,
    /// When it ended.
    pub(super) at: Timestamp,
    /// The receiver asked for no request before this moment.
    pub(super) wait_until: Option<Timestamp>,
    /// A fresh number from 0 to 1.
    pub(super) random: f64,
}

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Delivered,
    /// Another attempt, not before this moment.
    Retry(Timestamp),
    Dead,
    /// The receiver wants no more deliveries: its webhook is to be disabled, and this delivery held.
    Gone,
}

pub(super) fn decide(ended: &Ended, policy: &RetryPolicy) -> Decision {
    match ended.outcome {
        Outcome::Accepted => Decision::Delivered,
        Outcome::Rejected
        | Outcome::TimedOut
        | Outcome::Unreachable
        | Outcome::TlsFailed
        | Outcome::BlockedAddress
        | Outcome::Redirected
        | Outcome::ResponseTooLarge => match ended.http_status {
            Some(GONE) => Decision::Gone,
            Some(status) if is_permanent(status, policy) => Decision::Dead,
            _ => next_attempt(ended, policy).map_or(Decision::Dead, Decision::Retry),
        },
    }
}

fn is_permanent(status: u16, policy: &RetryPolicy) -> bool {
    policy.permanent.includes(status) && !TRY_AGAIN.contains(&status)
}

/// None when there is no other attempt.
fn next_attempt(ended: &Ended, policy: &RetryPolicy) -> Option<Timestamp> {
    let number = u32::from(ended.number);
    if policy.max_attempts.is_some_and(|max| number >= max) {
        return None;
    }
    let scheduled = ended.at.plus(policy.schedule.delay_after(number, ended.random)?);
    let at = match ended.wait_until {
        Some(floor) if floor > scheduled => floor.plus(jitter(floor.since(ended.at), ended.random)),
        _ => scheduled,
    };
    let is_young = policy.max_age.is_none_or(|max| at.since(ended.wanted_at) <= max);
    is_young.then_some(at)
}

fn jitter(wait: Duration, random: f64) -> Duration {
    wait.mul_f64(WAIT_JITTER_SHARE)
        .min(WAIT_JITTER_MAX)
        .mul_f64(random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use hookwright_core::{Jitter, Profile};
    use proptest::prelude::*;

    use super::*;

    const END: Timestamp = Timestamp::from_unix_micros(1_800_000_000_000_000);
    const FAILED: Ended = Ended {
        outcome: Outcome::Rejected,
        http_status: Some(500),
        number: 1,
        wanted_at: END,
        at: END,
        wait_until: None,
        random: 1.0,
    };

    fn policy(schedule: Schedule) -> RetryPolicy {
        RetryPolicy {
            schedule,
            max_attempts: None,
            max_age: None,
            permanent: StatusSet::none(),
        }
    }

    fn minutes(waits: &[u64]) -> RetryPolicy {
        policy(Schedule::List(
            waits.iter().copied().map(Duration::from_mins).collect(),
        ))
    }

    fn after(wait: Duration) -> Decision {
        Decision::Retry(END.plus(wait))
    }

    /// The seconds after which a policy tries again, until it gives up.
    fn waits(policy: &RetryPolicy) -> Vec<u64> {
        let mut waits = Vec::new();
        for number in 1.. {
            match decide(&Ended { number, ..FAILED }, policy) {
                Decision::Retry(at) => waits.push(at.since(END).as_secs()),
                decision => {
                    assert_eq!(decision, Decision::Dead);
                    return waits;
                }
            }
        }
        unreachable!("a schedule without end")
    }

    #[test]
    fn the_platforms_schedules_are_kept_to_the_second() {
        let waits = |profile: &str| waits(&policy(Profile::builtin(profile).unwrap().schedule.clone()));
        assert_eq!(waits("digivault"), [60, 300, 900, 3_600, 21_600]);
        assert_eq!(waits("generic"), [30, 300, 1_800, 7_200]);
        assert_eq!(waits("filedgr"), [2, 4, 8, 16]);
        assert_eq!(waits("aetherflow"), [30, 300, 1_800]);
        assert_eq!(waits("contractai").len(), 4);
    }

    #[test]
    fn a_table_of_statuses_decides() {
        let usual = minutes(&[1]);
        let strict = RetryPolicy {
            permanent: StatusSet::parse(&["4xx", "3xx", "501"]).unwrap(),
            ..usual.clone()
        };
        let retry = after(Duration::from_mins(1));
        let decide = |status, policy| {
            let http_status = Some(status);
            super::decide(
                &Ended {
                    http_status,
                    ..FAILED
                },
                policy,
            )
        };
        for (status, usually, strictly) in [
            (300, retry, Decision::Dead),
            (302, retry, Decision::Dead),
            (400, retry, Decision::Dead),
            (401, retry, Decision::Dead),
            (403, retry, Decision::Dead),
            (404, retry, Decision::Dead),
            (408, retry, retry),
            (410, Decision::Gone, Decision::Gone),
            (413, retry, Decision::Dead),
            (415, retry, Decision::Dead),
            (422, retry, Decision::Dead),
            (425, retry, retry),
            (429, retry, retry),
            (500, retry, retry),
            (501, retry, Decision::Dead),
            (502, retry, retry),
            (503, retry, retry),
            (504, retry, retry),
            (599, retry, retry),
        ] {
            assert_eq!(decide(status, &usual), usually, "{status}");
            assert_eq!(decide(status, &strict), strictly, "{status} with permanent ones");
        }
    }

    #[test]
    fn without_an_answer_there_is_a_retry_whatever_is_permanent() {
        let policy = RetryPolicy {
            permanent: StatusSet::parse(&["200-599"]).unwrap(),
            ..minutes(&[1])
        };
        for outcome in [
            Outcome::TimedOut,
            Outcome::Unreachable,
            Outcome::TlsFailed,
            Outcome::BlockedAddress,
        ] {
            let ended = Ended {
                outcome,
                http_status: None,
                ..FAILED
            };
            assert_eq!(decide(&ended, &policy), after(Duration::from_mins(1)));
        }
    }

    #[test]
    fn what_was_accepted_is_delivered_whatever_the_policy() {
        let ended = Ended {
            outcome: Outcome::Accepted,
            http_status: Some(410),
            ..FAILED
        };
        assert_eq!(decide(&ended, &minutes(&[])), Decision::Delivered);
    }

    #[test]
    fn attempts_and_age_end_a_schedule_early() {
        let schedule = minutes(&[1, 1, 1, 1]);
        let few = RetryPolicy {
            max_attempts: Some(3),
            ..schedule.clone()
        };
        assert_eq!(waits(&few), [60, 60]);
        let young = RetryPolicy {
            max_age: Some(Duration::from_mins(10)),
            ..schedule
        };
        let of_age = |seconds| Ended {
            wanted_at: END.minus(Duration::from_secs(seconds)),
            ..FAILED
        };
        assert_eq!(decide(&of_age(540), &young), after(Duration::from_mins(1)));
        assert_eq!(decide(&of_age(541), &young), Decision::Dead);
    }

    #[test]
    fn a_receiver_gets_the_time_it_asks_for_and_a_little_more() {
        let policy = minutes(&[1]);
        let asked = |seconds, random| Ended {
            wait_until: Some(END.plus(Duration::from_secs(seconds))),
            random,
            ..FAILED
        };
        assert_eq!(
            decide(&asked(59, 1.0), &policy),
            after(Duration::from_mins(1)),
            "the schedule is later"
        );
        assert_eq!(decide(&asked(100, 0.0), &policy), after(Duration::from_secs(100)));
        assert_eq!(decide(&asked(100, 1.0), &policy), after(Duration::from_secs(110)));
        assert_eq!(
            decide(&asked(3_600, 1.0), &policy),
            after(Duration::from_secs(3_630))
        );
        assert_eq!(
            decide(&asked(100, 1.0), &minutes(&[])),
            Decision::Dead,
            "asking does not add attempts"
        );
    }

    proptest! {
        #[test]
        fn a_retry_is_never_before_schedule_or_floor_nor_long_after_both(
            number in 1_u16..200,
            base_ms in 1_u64..100_000,
            factor in 1.0_f64..10.0,
            cap_ms in 1_u64..1_000_000,
            floor_ms in proptest::option::of(0_u64..90_000_000),
            max_age_ms in proptest::option::of(1_u64..2_000_000),
            age_ms in 0_u64..1_000_000,
            random in 0.0_f64..1.0,
        ) {
            let policy = RetryPolicy {
                max_age: max_age_ms.map(Duration::from_millis),
                ..policy(Schedule::Exponential {
                    base: Duration::from_millis(base_ms),
                    factor,
                    max_delay: Duration::from_millis(cap_ms),
                    max_attempts: 100,
                    jitter: Jitter::Equal,
                })
            };
            let floor = floor_ms.map(|ms| END.plus(Duration::from_millis(ms)));
            let ended = Ended {
                outcome: Outcome::TimedOut,
                http_status: None,
                number,
                wanted_at: END.minus(Duration::from_millis(age_ms)),
                wait_until: floor,
                random,
                ..FAILED
            };
            match decide(&ended, &policy) {
                Decision::Retry(at) => {
                    prop_assert!(number < 100);
                    prop_assert!(at >= END && floor.is_none_or(|floor| at >= floor));
                    let latest = floor.unwrap_or(END).plus(WAIT_JITTER_MAX).max(END.plus(Duration::from_millis(cap_ms)));
                    prop_assert!(at <= latest);
                    prop_assert!(policy.max_age.is_none_or(|max| at.since(ended.wanted_at) <= max));
                }
                decision => {
                    prop_assert!(number >= 100 || max_age_ms.is_some());
                    prop_assert_eq!(decision, Decision::Dead);
                }
            }
        }
    }
}
