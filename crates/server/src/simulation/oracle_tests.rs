//! The oracle notices each kind of broken promise: a history without fault, with one thing changed at a time.

use std::time::Duration;

use hookwright_core::Schedule;
use hookwright_store::{
    Attempt, DeliveryId, DeliveryState, EventId, Ordering, Outcome, RateLimit, Timestamp,
};

use super::{
    history::{Ended, History, Life, Operation, PublishAnswer, Published, Request, RequestEnd},
    oracle::{Rule, judge},
    receiver::What,
    scenario::{Action, Publish, START, Scenario, Size, WebhookPlan},
};

const FAILED: RequestEnd = RequestEnd::Replied(What::Status(500));
const TAKEN: RequestEnd = RequestEnd::Replied(What::Status(200));

fn at(millis: u64) -> Timestamp {
    START.plus(Duration::from_millis(millis))
}

fn event(number: usize) -> EventId {
    ["evt_01h455vb4pex5vsknk084sn02q", "evt_01h455vb4pex5vsknk084sn03q"][number]
        .parse()
        .unwrap()
}

/// One webhook, and one retry after ten seconds. The first event fails once, the second one is taken at once.
fn faultless() -> (Scenario, History) {
    let mut scenario = Scenario::of(0, Size::Large);
    let mut plan: WebhookPlan = scenario.webhooks[0].clone();
    plan.receiver.success = 200;
    plan.settings = hookwright_store::WebhookSettings::new("generic", "https://receiver.example/0");
    plan.settings.schedule = Some(Schedule::List(vec![Duration::from_secs(10)]));
    scenario.webhooks = vec![plan];
    scenario.lease = Duration::from_secs(100);
    scenario.limits.attempts_max = 16;
    scenario.limits.attempts_per_webhook_max = 16;
    scenario.actions = (0..2).map(publish).collect();

    let mut history = History {
        webhooks: vec![Some("whk_01h455vb4pex5vsknk084sn02q".parse().unwrap())],
        lives: vec![Life {
            began_at: START,
            end: None,
        }],
        renewals: vec![START],
        ..History::default()
    };
    for number in 0..2 {
        history.publishes.push(Published {
            number,
            asked_at: START,
            answer: Some(PublishAnswer::Accepted {
                event: event(number),
                deliveries: 1,
            }),
        });
    }
    request(&mut history, 0, 1_000, 1_100, FAILED);
    request(&mut history, 0, 11_100, 11_200, TAKEN);
    request(&mut history, 1, 20_000, 20_100, TAKEN);
    let failed = Attempt {
        next_at: Some(at(11_100)),
        ..attempt(1, 1_000, 500)
    };
    history.deliveries = vec![
        ended(&history, 0, vec![failed, attempt(2, 11_100, 200)]),
        ended(&history, 1, vec![attempt(1, 20_000, 200)]),
    ];
    (scenario, history)
}

fn publish(number: usize) -> (Timestamp, Action) {
    let publish = Publish {
        number,
        tenant: 0,
        event_type: "order.paid",
        key: None,
        bytes: 0,
        insists: false,
    };
    (START, Action::Publish(publish))
}

fn request(history: &mut History, number: usize, from: u64, to: u64, end: RequestEnd) {
    history.requests.push(Request {
        life: 0,
        webhook: 0,
        event: event(number),
        started_at: at(from),
        timeout: Duration::from_secs(5),
        end: Some((at(to), end)),
    });
}

/// Of a tenth of a second.
fn attempt(number: u16, from: u64, status: u16) -> Attempt {
    Attempt {
        number,
        outcome: if status == 200 {
            Outcome::Accepted
        } else {
            Outcome::Rejected
        },
        http_status: Some(status),
        started_at: at(from),
        latency: Duration::from_millis(100),
        error: None,
        response: None,
        next_at: None,
        replay: None,
    }
}

fn ended(history: &History, number: usize, attempts: Vec<Attempt>) -> Ended {
    Ended {
        id: DeliveryId {
            event: event(number),
            webhook: history.webhooks[0].unwrap(),
        },
        number,
        webhook: 0,
        state: DeliveryState::Delivered,
        given_up: false,
        replay: None,
        attempts,
    }
}

fn done(action: Action, millis: u64) -> Operation {
    Operation {
        action,
        asked_at: at(millis),
        done_at: Some((at(millis), true)),
        delivery: None,
    }
}

/// The rules that a faultless history breaks after a change.
fn broken_by(change: impl FnOnce(&mut Scenario, &mut History)) -> Vec<Rule> {
    let (mut scenario, mut history) = faultless();
    change(&mut scenario, &mut history);
    let mut rules: Vec<Rule> = judge(&scenario, &history)
        .iter()
        .map(|violation| violation.rule)
        .collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

/// If this fails, the simulation cries wolf.
#[test]
fn a_faultless_history_breaks_nothing() {
    assert_eq!(broken_by(|_, _| {}), []);
}

/// If this fails, the simulation is blind to lost and invented events.
#[test]
fn events_that_are_lost_or_invented_are_noticed() {
    let lost = broken_by(|_, history| {
        history.deliveries.pop();
        history.requests.pop();
    });
    assert_eq!(lost, [Rule::EveryEventIsAccountedFor]);
    let invented = broken_by(|_, history| history.publishes[1].answer = Some(PublishAnswer::Refused));
    assert_eq!(invented, [Rule::EveryEventIsAccountedFor]);
}

/// If this fails, the simulation is blind to deliveries that end for no reason, or not at all.
#[test]
fn ends_without_a_reason_are_noticed() {
    let left_over = broken_by(|_, history| history.deliveries[1].state = DeliveryState::Scheduled(START));
    assert_eq!(left_over, [Rule::EverythingEnds]);
    let cancelled = broken_by(|_, history| history.deliveries[1].state = DeliveryState::Cancelled);
    assert_eq!(cancelled, [Rule::EndsHaveReasons]);
    let dead_too_soon = broken_by(|_, history| {
        history.deliveries[0].state = DeliveryState::Dead;
        history.deliveries[0].attempts.pop();
        history.requests.remove(1);
    });
    assert_eq!(dead_too_soon, [Rule::EndsHaveReasons]);
    let not_delivered = broken_by(|scenario, _| scenario.webhooks[0].receiver.success = 204);
    assert_eq!(not_delivered, [Rule::EndsHaveReasons]);
    let cancelled_in_vain = broken_by(|_, history| {
        let mut cancel = done(Action::Cancel(0, 0), 30_000);
        cancel.delivery = Some(history.deliveries[0].id);
        history.operations.push(cancel);
    });
    assert_eq!(cancelled_in_vain, [Rule::EndsHaveReasons]);
}

/// If this fails, the simulation is blind to a log that says something else than what happened.
#[test]
fn a_log_that_differs_from_what_receivers_saw_is_noticed() {
    let missing = broken_by(|_, history| {
        history.deliveries[0].attempts.remove(0);
    });
    assert_eq!(missing, [Rule::TheLogIsTrue]);
    let another_status = broken_by(|_, history| history.deliveries[0].attempts[0].http_status = Some(502));
    assert_eq!(another_status, [Rule::TheLogIsTrue]);
}

/// If this fails, the simulation is blind to attempts that come too early, or too often.
#[test]
fn early_and_superfluous_attempts_are_noticed() {
    let before_due = broken_by(|_, history| {
        history.requests[1].started_at = at(9_000);
        history.deliveries[0].attempts[1].started_at = at(9_000);
        history.deliveries[0].attempts[1].latency = Duration::from_millis(2_200);
    });
    assert_eq!(before_due, [Rule::NothingIsEarly]);
    let scheduled_early = broken_by(|_, history| {
        history.deliveries[0].attempts[0].next_at = Some(at(11_099));
    });
    assert_eq!(scheduled_early, [Rule::NothingIsEarly]);
    let one_too_many = broken_by(|scenario, _| {
        scenario.webhooks[0].settings.retry_limits.max_attempts = Some(1);
    });
    assert_eq!(one_too_many, [Rule::AttemptsAreLimited]);
    let late = broken_by(|scenario, history| {
        scenario.calm_at = at(11_000);
        scenario.trouble.stall = Duration::ZERO;
        history.renewals.push(at(200_000));
        history.requests[1].started_at = at(240_000);
        history.requests[1].end = Some((at(240_100), TAKEN));
        history.requests.swap(1, 2);
        history.deliveries[0].attempts[1] = attempt(2, 240_000, 200);
    });
    assert_eq!(late, [Rule::NothingIsLate]);
    let in_a_pause = broken_by(|_, history| {
        let pause = What::Pause(429, Duration::from_secs(10));
        history.requests[1].end = Some((at(11_200), RequestEnd::Replied(pause)));
        history.deliveries[0].attempts[1] = attempt(2, 11_100, 429);
        history.deliveries[0].state = DeliveryState::Dead;
    });
    assert_eq!(in_a_pause, [Rule::PausesAreKept]);
}

/// If this fails, the simulation is blind to webhooks that get more at once, or more a second, than they may.
#[test]
fn limits_that_are_passed_are_noticed() {
    let overlap = |history: &mut History| {
        history.requests[2].started_at = at(11_150);
        history.deliveries[1].attempts[0].started_at = at(11_150);
        history.deliveries[1].attempts[0].latency = Duration::from_millis(8_950);
    };
    assert_eq!(broken_by(|_, history| overlap(history)), []);
    let two_at_once = broken_by(|scenario, history| {
        scenario.webhooks[0].settings.max_in_flight = Some(1);
        overlap(history);
    });
    assert_eq!(two_at_once, [Rule::InFlightIsLimited]);
    let limited_meanwhile = broken_by(|_, history| {
        overlap(history);
        history.operations.push(done(Action::Limit(0, 1), 5_000));
    });
    assert_eq!(limited_meanwhile, [Rule::InFlightIsLimited]);
    let limited_later = broken_by(|_, history| {
        overlap(history);
        history.operations.push(done(Action::Limit(0, 1), 15_000));
    });
    assert_eq!(limited_later, []);
    let too_fast = broken_by(|scenario, history| {
        scenario.webhooks[0].settings.rate_limit = Some(RateLimit {
            per_second: 1.0,
            burst: 1,
        });
        overlap(history);
    });
    assert_eq!(too_fast, [Rule::RatesAreKept]);
}

/// If this fails, the simulation is blind to deliveries that overtake each other, or are made twice at once.
#[test]
fn wrong_order_and_double_attempts_are_noticed() {
    let in_order = broken_by(|scenario, _| scenario.webhooks[0].settings.ordering = Ordering::Webhook);
    assert_eq!(in_order, []);
    let overtaken = broken_by(|scenario, history| {
        scenario.webhooks[0].settings.ordering = Ordering::Webhook;
        history.requests[2].started_at = at(5_000);
        history.requests[2].end = Some((at(5_100), TAKEN));
        history.deliveries[1].attempts[0].started_at = at(5_000);
    });
    assert_eq!(overtaken, [Rule::OrderIsKept]);
    let after_success = broken_by(|scenario, history| {
        scenario.webhooks[0].settings.schedule = Some(Schedule::List(vec![Duration::from_secs(10); 2]));
        request(history, 0, 30_000, 30_100, TAKEN);
        history.deliveries[0].attempts.push(attempt(3, 30_000, 200));
    });
    assert_eq!(after_success, [Rule::OneAttemptAtATime]);
}

/// If this fails, the simulation is blind to requests to webhooks that are stopped, and by nodes that are not alive.
#[test]
fn requests_that_must_not_be_made_are_noticed() {
    let paused = broken_by(|_, history| history.operations.push(done(Action::Pause(0), 2_000)));
    assert_eq!(paused, [Rule::StoppedMeansStopped]);
    let resumed = broken_by(|_, history| {
        history.operations.push(done(Action::Pause(0), 2_000));
        history.operations.push(done(Action::Resume(0), 3_000));
    });
    assert_eq!(resumed, []);
    let deleted = broken_by(|_, history| history.operations.push(done(Action::Delete(0), 19_000)));
    assert_eq!(deleted, [Rule::StoppedMeansStopped]);
    let gone = broken_by(|scenario, history| {
        scenario.trouble.faults = 0;
        scenario.trouble.stalls = 0;
        scenario.trouble.outages.clear();
        history.requests[0].end = Some((at(1_100), RequestEnd::Replied(What::Status(410))));
        history.deliveries[0].attempts[0].http_status = Some(410);
    });
    assert_eq!(gone, [Rule::StoppedMeansStopped]);
    let without_lease = broken_by(|scenario, _| scenario.lease = Duration::from_secs(20));
    assert_eq!(without_lease, [Rule::NothingWithoutALease]);
    let leaking = broken_by(|_, history| history.leaks.push(String::from("8 KiB")));
    assert_eq!(leaking, [Rule::NothingLeaks]);
}
