//! When a delivery is attempted again. Pure: everything it depends on is passed in.

use hookwright_core::Schedule;
use hookwright_store::{Next, Outcome, Timestamp};

/// What follows attempt `number`, which ended at `ended_at`. `random` is a fresh number from 0 to 1.
pub(super) fn decide(
    outcome: Outcome,
    number: u16,
    ended_at: Timestamp,
    schedule: &Schedule,
    random: f64,
) -> Next {
    match outcome {
        Outcome::Accepted => Next::Delivered,
        Outcome::Rejected
        | Outcome::TimedOut
        | Outcome::Unreachable
        | Outcome::TlsFailed
        | Outcome::BlockedAddress
        | Outcome::Redirected
        | Outcome::ResponseTooLarge => match schedule.delay_after(u32::from(number), random) {
            Some(delay) => Next::Retry(ended_at.plus(delay)),
            None => Next::Dead,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hookwright_core::{Jitter, Profile};
    use proptest::prelude::*;

    use super::*;

    const END: Timestamp = Timestamp::from_unix_micros(1_800_000_000_000_000);

    /// The seconds after which a profile tries again, and that it gives up then.
    fn waits(profile: &str) -> Vec<u64> {
        let schedule = Profile::builtin(profile).unwrap().schedule.clone();
        let mut waits = Vec::new();
        for number in 1.. {
            match decide(Outcome::Rejected, number, END, &schedule, 1.0) {
                Next::Retry(at) => waits.push(at.since(END).as_secs()),
                next => {
                    assert_eq!(next, Next::Dead);
                    return waits;
                }
            }
        }
        unreachable!("a schedule without end")
    }

    #[test]
    fn the_platforms_schedules_are_kept_to_the_second() {
        assert_eq!(waits("digivault"), [60, 300, 900, 3_600, 21_600]);
        assert_eq!(waits("generic"), [30, 300, 1_800, 7_200]);
        assert_eq!(waits("filedgr"), [2, 4, 8, 16]);
        assert_eq!(waits("aetherflow").len(), 3);
        assert_eq!(waits("contractai").len(), 4);
    }

    #[test]
    fn what_was_accepted_is_delivered_whatever_the_schedule() {
        assert_eq!(
            decide(Outcome::Accepted, 1, END, &Schedule::List(Vec::new()), 0.5),
            Next::Delivered
        );
    }

    proptest! {
        #[test]
        fn a_retry_is_never_before_the_attempt_ended_nor_after_the_longest_delay(
            number in 1_u16..200,
            base_ms in 1_u64..100_000,
            factor in 1.0_f64..10.0,
            cap_ms in 1_u64..1_000_000,
            random in 0.0_f64..1.0,
        ) {
            let schedule = Schedule::Exponential {
                base: Duration::from_millis(base_ms),
                factor,
                max_delay: Duration::from_millis(cap_ms),
                max_attempts: 100,
                jitter: Jitter::Equal,
            };
            match decide(Outcome::TimedOut, number, END, &schedule, random) {
                Next::Retry(at) => {
                    prop_assert!(number < 100);
                    prop_assert!(at >= END && at.since(END) <= Duration::from_millis(cap_ms));
                }
                next => {
                    prop_assert!(number >= 100);
                    prop_assert_eq!(next, Next::Dead);
                }
            }
        }
    }
}
