use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const START: Timestamp = Timestamp::from_unix_micros(1_800_000_000_000_000);

fn event(number: usize) -> EventId {
    format!("evt_{number:026}").parse().unwrap()
}

fn flow(limits: Limits) -> Flow {
    let gauge = Gauge::default();
    gauge.set_limits(limits);
    Flow::new(&gauge, 64, 1, START)
}

fn down() -> Feedback {
    Feedback {
        outcome: Some(Outcome::TimedOut),
        ..Feedback::default()
    }
}

fn accepted() -> Feedback {
    Feedback {
        outcome: Some(Outcome::Accepted),
        http_status: Some(200),
        wait_until: None,
    }
}

/// Starts and ends one attempt.
fn attempt(flow: &mut Flow, number: usize, feedback: Feedback, now: Timestamp) -> Health {
    assert_eq!(flow.readiness(now), Readiness::Ready);
    let ticket = flow.start();
    flow.end(ticket, event(number), feedback, now)
}

fn opened(flow: &mut Flow) -> Timestamp {
    for number in 0..10 {
        attempt(flow, number, down(), START);
    }
    match flow.readiness(START) {
        Readiness::Blocked(until) => until,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_probe_at_a_time_and_twice_the_wait_after_each_up_to_a_minute() {
    let mut flow = flow(Limits::default());
    let mut until = opened(&mut flow);
    let mut waits = vec![until.since(START).as_secs()];
    for _ in 0..8 {
        assert_eq!(
            flow.readiness(until.minus(Duration::from_micros(1))),
            Readiness::Blocked(until)
        );
        let now = until;
        assert_eq!(flow.readiness(now), Readiness::Ready);
        let probe = flow.start();
        assert_eq!(flow.readiness(now), Readiness::Full, "one probe");
        flow.end(probe, event(0), down(), now);
        let Readiness::Blocked(next) = flow.readiness(now) else {
            panic!("the probe failed")
        };
        waits.push(next.since(now).as_secs());
        until = next;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
}

#[test]
fn a_probe_that_was_not_made_is_made_again() {
    let mut flow = flow(Limits::default());
    let now = opened(&mut flow);
    attempt(&mut flow, 0, Feedback::default(), now);
    assert_eq!(flow.readiness(now), Readiness::Ready);
}

#[test]
fn after_an_outage_the_window_begins_with_one_and_doubles() {
    let mut flow = flow(Limits::default());
    let now = opened(&mut flow);
    let mut sizes = Vec::new();
    let mut number = 0;
    for _ in 0..5 {
        let mut tickets = Vec::new();
        while flow.readiness(now) == Readiness::Ready {
            tickets.push(flow.start());
        }
        sizes.push(tickets.len());
        for ticket in tickets {
            flow.end(ticket, event(number), accepted(), now);
            number += 1;
        }
    }
    // The probe leaves the window at two.
    assert_eq!(sizes[0], 1);
    assert!(sizes.windows(2).all(|pair| pair[1] <= pair[0] * 2), "{sizes:?}");
    assert!(sizes[4] >= 4, "{sizes:?}");
}

#[test]
fn what_was_under_way_when_the_breaker_opened_has_no_say() {
    let mut flow = flow(Limits::default());
    let tickets: Vec<Ticket> = (0..16).map(|_| flow.start()).collect();
    for (number, ticket) in tickets.into_iter().enumerate() {
        flow.end(ticket, event(number), down(), START);
    }
    let until = START.plus(Duration::from_secs(1));
    assert_eq!(flow.readiness(START), Readiness::Blocked(until));
}

#[test]
fn answers_that_are_no_success_keep_the_breaker_closed() {
    let mut flow = flow(Limits::default());
    for (number, status) in (0..200).zip([404, 400, 429, 410, 302].into_iter().cycle()) {
        let feedback = Feedback {
            outcome: Some(Outcome::Rejected),
            http_status: Some(status),
            wait_until: None,
        };
        attempt(&mut flow, number, feedback, START);
    }
    assert_eq!(flow.readiness(START), Readiness::Ready);
    assert_eq!(flow.window(), 1, "and 429 makes the window small");
}

#[test]
fn a_request_to_wait_is_a_floor_for_the_whole_webhook_and_then_it_starts_slowly() {
    let mut flow = flow(Limits::default());
    let until = START.plus(Duration::from_secs(7));
    for wait_until in [until, START.plus(Duration::from_secs(3))] {
        let feedback = Feedback {
            outcome: Some(Outcome::Rejected),
            http_status: Some(503),
            wait_until: Some(wait_until),
        };
        let ticket = flow.start();
        flow.end(ticket, event(1), feedback, START);
    }
    assert_eq!(
        flow.readiness(until.minus(Duration::from_micros(1))),
        Readiness::Blocked(until)
    );
    assert_eq!(flow.readiness(until), Readiness::Ready);
    assert_eq!(flow.window(), 1);
}

#[test]
fn failing_is_counted_from_the_first_failure_after_a_success() {
    let day = Duration::from_hours(24);
    let mut flow = flow(Limits {
        disable_after: Some(day * 5),
        ..Limits::default()
    });
    assert_eq!(attempt(&mut flow, 1, down(), START), Health::BeganFailing);
    assert_eq!(
        attempt(&mut flow, 2, accepted(), START.plus(day)),
        Health::Recovered
    );
    let since = START.plus(day * 2);
    assert_eq!(attempt(&mut flow, 3, down(), since), Health::BeganFailing);
    assert_eq!(
        attempt(&mut flow, 4, down(), since.plus(day)),
        Health::StillFailing(since)
    );
    assert!(!flow.is_given_up(since, since.plus(day * 5).minus(Duration::from_micros(1))));
    assert!(flow.is_given_up(since, since.plus(day * 5)));
}

#[test]
fn a_rate_is_shared_by_the_nodes() {
    let gauge = Gauge::default();
    gauge.set_limits(Limits {
        rate: Some(Rate {
            per_second: 10.0,
            burst: 4,
        }),
        ..Limits::default()
    });
    let mut flow = Flow::new(&gauge, 64, 2, START);
    let mut started = 0;
    for millis in 0..10_000 {
        let now = START.plus(Duration::from_millis(millis));
        while flow.readiness(now) == Readiness::Ready {
            let ticket = flow.start();
            flow.end(ticket, event(1), accepted(), now);
            started += 1;
        }
    }
    assert_eq!(started, 2 + 49, "half of the burst and half of the rate");
}

#[test]
fn a_change_by_the_owner_closes_the_breaker() {
    let gauge = Gauge::default();
    let mut flow = Flow::new(&gauge, 64, 1, START);
    opened(&mut flow);
    assert!(!flow.refresh(&gauge, 64, 1, START));
    gauge.set_limits(Limits {
        in_flight_max: Some(3),
        changed_at: Some(START),
        ..Limits::default()
    });
    assert!(flow.refresh(&gauge, 64, 1, START));
    assert_eq!(flow.readiness(START), Readiness::Ready);
    assert_eq!((flow.window(), flow.failing_since()), (1, None));
}

proptest! {
    /// Whatever the schedule, and however long it goes on: the retries of a single delivery are never late.
    #[test]
    fn a_single_delivery_that_fails_keeps_its_schedule(waits_ms in proptest::collection::vec(0_u64..100_000, 1..150)) {
        let mut flow = flow(Limits::default());
        let mut now = START;
        for wait in waits_ms {
            now = now.plus(Duration::from_millis(wait));
            attempt(&mut flow, 7, down(), now);
        }
        prop_assert_eq!(flow.readiness(now), Readiness::Ready);
    }

    #[test]
    fn never_more_than_allowed_at_once_and_something_always_goes_on(
        max in 1_u32..80,
        steps in proptest::collection::vec((0_u8..10, 0_u64..5_000), 1..500),
    ) {
        let mut flow = flow(Limits { in_flight_max: Some(max), ..Limits::default() });
        let mut under_way = VecDeque::new();
        let mut now = START;
        for (number, (step, wait)) in steps.into_iter().enumerate() {
            now = now.plus(Duration::from_millis(wait));
            match flow.readiness(now) {
                Readiness::Ready => {
                    under_way.push_back(flow.start());
                    prop_assert!(under_way.len() <= max.min(64) as usize);
                }
                Readiness::Full => prop_assert!(!under_way.is_empty(), "nothing will ever end"),
                Readiness::Paced(_) => prop_assert!(false, "there is no rate"),
                Readiness::Blocked(until) => {
                    prop_assert!(until > now && until.since(now) <= Duration::from_mins(1));
                }
            }
            if step > 2 && let Some(ticket) = under_way.pop_front() {
                let feedback = match step {
                    3..6 => accepted(),
                    6 => Feedback::default(),
                    _ => down(),
                };
                flow.end(ticket, event(number), feedback, now);
            }
            prop_assert!((1..=max).contains(&flow.window()));
        }
    }
}
