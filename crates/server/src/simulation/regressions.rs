//! What simulations have found, each as the shortest scenario that shows it.

use std::time::Duration;

use hookwright_core::Schedule;
use hookwright_store::{
    Ordering, Timestamp, WebhookSettings,
    simulation::{Fault, Step},
};

use super::{
    oracle::{Violation, judge},
    receiver::{Mood, Receiver},
    scenario::{Action, Publish, START, Scenario, Size, WebhookPlan},
    world,
};
use crate::engine::{EngineLimits, Pace};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(moment: u64) -> Timestamp {
    START.plus(seconds(moment))
}

/// A world in which nothing happens and nothing goes wrong.
fn quiet() -> Scenario {
    let mut scenario = Scenario::of(0, Size::Large);
    scenario.tenants = 1;
    scenario.lease = seconds(100);
    scenario.pace = Pace::default();
    scenario.limits = EngineLimits::default();
    scenario.webhooks.clear();
    scenario.actions.clear();
    scenario.calm_at = at(60);
    scenario.over_at = at(600);
    let trouble = &mut scenario.trouble;
    trouble.latency = Duration::ZERO;
    (trouble.stalls, trouble.faults, trouble.ends, trouble.ends_max) = (0, 0, 0, 0);
    trouble.stall = Duration::ZERO;
    trouble.outages.clear();
    trouble.downtime = Duration::ZERO;
    scenario
}

/// A webhook that gets one type of events, whose receiver has a mood until a moment.
fn webhook(event_type: &str, mood: Mood, until: u64) -> WebhookPlan {
    let mut settings = WebhookSettings::new("generic", "https://receiver.example/");
    settings.event_types = vec![event_type.to_owned()];
    settings.schedule = Some(Schedule::List(vec![Duration::from_millis(200); 9]));
    settings.timeout = Some(seconds(7));
    settings.ordering = Ordering::None;
    WebhookPlan {
        tenant: 0,
        settings,
        receiver: Receiver {
            success: 200,
            phases: vec![(at(until), mood)],
        },
    }
}

fn with(mut scenario: Scenario, webhooks: Vec<WebhookPlan>) -> Scenario {
    scenario.webhooks = webhooks;
    for (place, plan) in scenario.webhooks.iter_mut().enumerate() {
        plan.settings.url = format!("https://receiver.example/{place}");
    }
    scenario
}

fn publish(number: usize, event_type: &'static str) -> Action {
    Action::Publish(Publish {
        number,
        tenant: 0,
        event_type,
        key: None,
        bytes: 10,
        insists: false,
    })
}

/// Lives it, and says which promises were broken.
fn violations(scenario: &Scenario) -> Vec<Violation> {
    let folder = tempfile::tempdir().unwrap();
    let history = world::live(scenario.clone(), folder.path());
    assert!(!history.requests.is_empty(), "nothing happened");
    judge(scenario, &history)
}

/// If this fails, one database error just after a restart keeps deliveries back until the next restart: they had been
/// claimed, and nobody gave them back.
#[test]
fn claims_survive_an_error_while_webhooks_are_read() {
    let mut scenario = with(quiet(), vec![webhook("order.paid", Mood::Failing(500), 2)]);
    scenario.webhooks[0].settings.schedule = Some(Schedule::List(vec![seconds(10)]));
    scenario.actions = vec![(at(1), publish(0, "order.paid")), (at(3), Action::Restart)];
    let refused = Step {
        fault: Some(Fault::Refused),
        ..Step::default()
    };
    scenario.trouble.directed = vec![("tenant_webhooks", 1, refused)];
    assert_eq!(violations(&scenario), []);
}

/// If this fails, a delivery can be attempted twice at once after the database stood still: a long attempt was written down
/// and ended in one batch, its next attempt was claimed meanwhile, and the end of the batch took that claim away.
#[test]
fn a_parked_attempt_that_ends_in_the_same_batch_keeps_its_claim() {
    let mut scenario = with(
        quiet(),
        vec![
            webhook("order.paid", Mood::Hanging, 30),
            webhook("user.created", Mood::Good, 0),
        ],
    );
    scenario.actions = vec![
        (at(1), publish(0, "order.paid")),
        (at(5), publish(1, "user.created")),
    ];
    let stalled = Step {
        before: seconds(5),
        ..Step::default()
    };
    let slow = Step {
        after: seconds(3),
        ..Step::default()
    };
    // The result of the second event holds up those of the first: that it takes long, and that it timed out.
    scenario.trouble.directed = vec![("finish", 1, stalled), ("finish", 3, slow)];
    assert_eq!(violations(&scenario), []);
}

/// If this fails, a limit that an owner was told to be in force is not: a reading of the webhooks from before it, which came
/// late, brought the old one back.
#[test]
fn a_reading_that_was_overtaken_brings_no_limit_back() {
    let mut scenario = with(quiet(), vec![webhook("order.paid", Mood::Slow(seconds(2)), 60)]);
    let late = Step {
        after: seconds(2),
        ..Step::default()
    };
    scenario.trouble.directed = vec![("tenant_webhooks", 1, late)];
    scenario.actions = vec![(at(2), Action::RotateSecret(0)), (at(3), Action::Limit(0, 1))];
    let publishes = (0..4).map(|number| (at(5), publish(number, "order.paid")));
    scenario.actions.extend(publishes);
    assert_eq!(violations(&scenario), []);
}

/// If this fails, an owner who lowers a limit sees another request above it, when the webhook waited for a place meanwhile.
#[test]
fn a_limit_holds_for_what_waits_for_a_place() {
    let mut scenario = with(
        quiet(),
        vec![
            webhook("user.created", Mood::Hanging, 10),
            webhook("order.paid", Mood::Hanging, 10),
        ],
    );
    scenario.limits.attempts_max = 2;
    // Between two sweeps, which look at all limits every second.
    scenario.webhooks[0].settings.timeout = Some(Duration::from_millis(3_500));
    let limited_at = at(4).plus(Duration::from_millis(100));
    scenario.actions = vec![
        (at(1), publish(0, "user.created")),
        (at(1), publish(1, "order.paid")),
        (at(2), publish(2, "order.paid")),
        (limited_at, Action::Limit(1, 1)),
    ];
    assert_eq!(violations(&scenario), []);
}
