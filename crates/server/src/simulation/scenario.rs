//! What happens in a simulation: all of it follows from the seed.

use std::time::Duration;

use hookwright_core::{Jitter, Schedule};
use hookwright_store::{Ordering, RateLimit, Timestamp, WebhookSettings, simulation::Step};
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng, seq::IndexedRandom as _};

use super::receiver::{Mood, Receiver};
use crate::engine::{EngineLimits, Pace};

/// 2027-01-15T08:00:00Z
pub(super) const START: Timestamp = Timestamp::from_unix_micros(1_800_000_000_000_000);

/// How much there is of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// Seconds with a few webhooks and events: over in no time, so that thousands can be lived.
    Small,
    /// Minutes or hours with many.
    Large,
}

/// A world, and what is done in it.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) seed: u64,
    pub(super) tenants: usize,
    pub(super) lease: Duration,
    pub(super) pace: Pace,
    pub(super) limits: EngineLimits,
    pub(super) webhooks: Vec<WebhookPlan>,
    /// In the order of their moments.
    pub(super) actions: Vec<(Timestamp, Action)>,
    pub(super) trouble: Trouble,
    /// From then on receivers are good and nothing goes wrong.
    pub(super) calm_at: Timestamp,
    /// By then everything is to be over.
    pub(super) over_at: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) struct WebhookPlan {
    /// Which one of the tenants.
    pub(super) tenant: usize,
    pub(super) settings: WebhookSettings,
    pub(super) receiver: Receiver,
}

/// What clients and the operator do. Webhooks are named by their places in the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Publish(Publish),
    Pause(usize),
    Resume(usize),
    Delete(usize),
    RotateSecret(usize),
    /// Another number of attempts at once.
    Limit(usize, u32),
    /// The n-th of the webhook's known deliveries.
    Cancel(usize, usize),
    ReplayOne(usize, usize),
    /// All that ended badly, or everything.
    ReplayMany(usize, bool),
    Restart,
    Crash,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Publish {
    pub(super) number: usize,
    pub(super) tenant: usize,
    pub(super) event_type: &'static str,
    pub(super) key: Option<String>,
    pub(super) bytes: usize,
    /// With an idempotency key, and again until it is accepted.
    pub(super) insists: bool,
}

/// How the store behaves until it is calm.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    /// Operations take up to this time.
    pub(super) latency: Duration,
    /// Of a thousand operations, how many stand still for a while, and for how long at most.
    pub(super) stalls: u32,
    pub(super) stall: Duration,
    /// Of a thousand operations, how many fail.
    pub(super) faults: u32,
    /// Nothing is done from the one moment to the other.
    pub(super) outages: Vec<(Timestamp, Timestamp)>,
    /// Of a thousand operations, how many are the last ones of the process, and how often that happens at most.
    pub(super) ends: u32,
    pub(super) ends_max: usize,
    /// How long the process stays away.
    pub(super) downtime: Duration,
    /// What is to happen to the n-th operation of a name, counted from 1.
    pub(super) directed: Vec<(&'static str, usize, Step)>,
}

/// How fast a scenario goes.
struct Tempo {
    span: Duration,
    /// Delays of schedules are up to this long.
    delay: Duration,
    /// Timeouts are up to this long.
    patience: Duration,
    lease: Duration,
    pace: Pace,
}

const SUCCESS: [(u16, &[&str]); 3] = [(200, &[]), (202, &["2xx"]), (204, &["200", "204"])];
const EVENT_TYPES: [&str; 3] = ["order.created", "order.paid", "user.created"];

impl Size {
    fn pick<T>(self, small: T, large: T) -> T {
        match self {
            Self::Small => small,
            Self::Large => large,
        }
    }
}

impl Scenario {
    pub(super) fn of(seed: u64, size: Size) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let tempo = match size {
            Size::Small => quick_tempo(&mut random),
            Size::Large => tempo(&mut random),
        };
        let calm_at = START.plus(tempo.span);
        let tenants = random.random_range(1..=size.pick(2, 3));
        let webhooks: Vec<WebhookPlan> = (0..random.random_range(1..=size.pick(3, 8)))
            .map(|place| webhook(place, tenants, &tempo, &mut random))
            .collect();
        let actions = actions(size, &webhooks, tenants, &tempo, &mut random);
        Self {
            seed,
            tenants,
            lease: tempo.lease,
            pace: tempo.pace,
            limits: EngineLimits {
                attempts_max: *[1_024, 16, 4].choose(&mut random).unwrap_or(&16),
                attempts_per_webhook_max: random.random_range(1..=64),
                memory_kib_max: *[128 * 1_024, 512, 24].choose(&mut random).unwrap_or(&512),
                ..EngineLimits::default()
            },
            trouble: trouble(&tempo, &mut random),
            // Whatever is due then is due once more at the most, one after the other where they are in order.
            over_at: calm_at.plus(tempo.delay * 20 + Duration::from_hours(3)),
            calm_at,
            webhooks,
            actions,
        }
    }
}

fn quick_tempo(random: &mut SmallRng) -> Tempo {
    let seconds = Duration::from_secs;
    Tempo {
        span: between(seconds(2), seconds(12), random),
        delay: seconds(2),
        patience: seconds(8),
        lease: seconds(random.random_range(3..=10)),
        pace: Pace {
            polls: Duration::from_millis(*[500, 5_000].choose(random).unwrap_or(&500)),
            replays: Duration::from_millis(*[500, 2_000].choose(random).unwrap_or(&500)),
        },
    }
}

fn tempo(random: &mut SmallRng) -> Tempo {
    let seconds = Duration::from_secs;
    let patience = seconds(30);
    match random.random_range(0..20) {
        0..14 => Tempo {
            span: seconds(random.random_range(10..90)),
            delay: seconds(20),
            patience,
            lease: seconds(random.random_range(5..=30)),
            pace: Pace {
                polls: Duration::from_millis(*[500, 5_000, 30_000].choose(random).unwrap_or(&500)),
                replays: Duration::from_millis(*[500, 5_000].choose(random).unwrap_or(&500)),
            },
        },
        14..19 => Tempo {
            span: seconds(random.random_range(600..5_000)),
            delay: seconds(900),
            patience,
            lease: seconds(random.random_range(60..=600)),
            pace: Pace {
                polls: seconds(300),
                replays: seconds(30),
            },
        },
        _ => Tempo {
            span: seconds(random.random_range(20_000..80_000)),
            delay: seconds(7_200),
            patience,
            lease: seconds(3_600),
            pace: Pace {
                polls: seconds(1_200),
                replays: seconds(300),
            },
        },
    }
}

fn between(least: Duration, most: Duration, random: &mut SmallRng) -> Duration {
    let (least, most) = (least.as_millis(), most.as_millis());
    let millis = random.random_range(least..=most.max(least));
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

fn webhook(place: usize, tenants: usize, tempo: &Tempo, random: &mut SmallRng) -> WebhookPlan {
    let mut settings = WebhookSettings::new("generic", &format!("https://receiver.example/{place}"));
    let (success, statuses) = *SUCCESS.choose(random).unwrap_or(&SUCCESS[0]);
    settings.success_statuses = statuses.iter().map(ToString::to_string).collect();
    settings.event_types = match random.random_range(0..3) {
        0 => vec![String::from("order.*")],
        1 => vec![String::from("order.paid"), String::from("user.created")],
        _ => Vec::new(),
    };
    settings.schedule = Some(schedule(tempo, random));
    settings.timeout = Some(between(Duration::from_millis(500), tempo.patience, random));
    if random.random_bool(0.3) {
        settings.retry_limits.max_attempts = Some(random.random_range(1..5));
    }
    if random.random_bool(0.2) {
        settings.retry_limits.max_age = Some(between(tempo.delay, tempo.span * 2, random));
    }
    if random.random_bool(0.2) {
        settings.retry_limits.permanent_statuses = vec![String::from("400")];
    }
    if random.random_bool(0.3) {
        settings.rate_limit = Some(RateLimit {
            per_second: random.random_range(0.5..20.0),
            burst: random.random_range(1..5),
        });
    }
    if random.random_bool(0.5) {
        settings.max_in_flight = Some(random.random_range(1..6));
    }
    if random.random_bool(0.2) {
        settings.disable_after = Some(between(tempo.delay, tempo.span, random));
    }
    settings.ordering = match random.random_range(0..4) {
        0 => Ordering::Webhook,
        1 => Ordering::Key,
        _ => Ordering::None,
    };
    WebhookPlan {
        tenant: random.random_range(0..tenants),
        settings,
        receiver: Receiver {
            success,
            phases: phases(tempo, random),
        },
    }
}

fn schedule(tempo: &Tempo, random: &mut SmallRng) -> Schedule {
    let least = Duration::from_millis(200);
    if random.random_bool(0.5) {
        let delays = (0..random.random_range(0..6)).map(|_| between(least, tempo.delay, random));
        return Schedule::List(delays.collect());
    }
    Schedule::Exponential {
        base: between(least, tempo.delay / 8, random),
        factor: random.random_range(1.0..3.0),
        max_delay: tempo.delay,
        max_attempts: random.random_range(1..8),
        jitter: *[Jitter::None, Jitter::Equal, Jitter::Full]
            .choose(random)
            .unwrap_or(&Jitter::None),
    }
}

fn phases(tempo: &Tempo, random: &mut SmallRng) -> Vec<(Timestamp, Mood)> {
    let mut ends: Vec<Duration> = (0..random.random_range(0..4))
        .map(|_| between(Duration::ZERO, tempo.span, random))
        .collect();
    ends.push(tempo.span);
    ends.sort_unstable();
    ends.into_iter()
        .map(|end| {
            let mood = match random.random_range(0..16) {
                0..5 => Mood::Good,
                5..7 => Mood::Slow(between(Duration::from_millis(10), tempo.patience * 2 / 5, random)),
                7..9 => Mood::Flaky,
                9..11 => Mood::Failing(*[500, 400, 404, 503, 302].choose(random).unwrap_or(&500)),
                11 => Mood::Failing(410),
                12 => Mood::Overloaded(between(Duration::from_secs(1), tempo.delay, random)),
                13 => Mood::Refusing,
                14 => Mood::Hanging,
                _ => Mood::Insecure,
            };
            (START.plus(end), mood)
        })
        .collect()
}

fn actions(
    size: Size,
    webhooks: &[WebhookPlan],
    tenants: usize,
    tempo: &Tempo,
    random: &mut SmallRng,
) -> Vec<(Timestamp, Action)> {
    let mut actions = Vec::new();
    let mut number = 0;
    for _ in 0..random.random_range(1..size.pick(4, 12)) {
        let mut at = between(Duration::ZERO, tempo.span, random);
        let most = if random.random_bool(0.05) {
            size.pick(20, 60)
        } else {
            6
        };
        for _ in 0..random.random_range(1..most) {
            let publish = Publish {
                number,
                tenant: random.random_range(0..tenants),
                event_type: EVENT_TYPES.choose(random).unwrap_or(&EVENT_TYPES[0]),
                key: random
                    .random_bool(0.6)
                    .then(|| format!("k{}", random.random_range(0..3))),
                bytes: *[10, 300, 9_000].choose(random).unwrap_or(&10),
                insists: random.random_bool(0.5),
            };
            number += 1;
            actions.push((START.plus(at), Action::Publish(publish)));
            at += between(Duration::ZERO, Duration::from_millis(30), random);
        }
    }
    let most = if random.random_bool(0.2) {
        size.pick(8, 24)
    } else {
        size.pick(3, 8)
    };
    for _ in 0..random.random_range(0..most) {
        let webhook = random.random_range(0..webhooks.len());
        let mut at = between(Duration::ZERO, tempo.span, random);
        if random.random_bool(0.5)
            && let Some((published_at, _)) = actions.choose(random)
        {
            // While there is something to be done.
            at = published_at.since(START) + between(Duration::ZERO, Duration::from_secs(2), random);
        }
        let action = match random.random_range(0..16) {
            0..4 => {
                let until = between(at, tempo.span * 5 / 4, random);
                actions.push((START.plus(until), Action::Resume(webhook)));
                Action::Pause(webhook)
            }
            4..6 => Action::Resume(webhook),
            6 => Action::Delete(webhook),
            7 => Action::RotateSecret(webhook),
            8..10 => Action::Limit(webhook, random.random_range(1..6)),
            10..12 => Action::Cancel(webhook, random.random_range(0..20)),
            12..14 => Action::ReplayOne(webhook, random.random_range(0..20)),
            _ => Action::ReplayMany(webhook, random.random_bool(0.5)),
        };
        actions.push((START.plus(at), action));
    }
    for _ in 0..random.random_range(0..3) {
        let at = between(Duration::ZERO, tempo.span, random);
        let action = if random.random_bool(0.5) {
            Action::Crash
        } else {
            Action::Restart
        };
        actions.push((START.plus(at), action));
    }
    actions.sort_by_key(|(at, _)| *at);
    actions
}

fn trouble(tempo: &Tempo, random: &mut SmallRng) -> Trouble {
    let sometimes = |most: u32, random: &mut SmallRng| {
        if random.random_bool(0.5) {
            0
        } else {
            random.random_range(0..=most)
        }
    };
    Trouble {
        latency: Duration::from_millis(*[0, 3, 3, 50].choose(random).unwrap_or(&0)),
        stalls: sometimes(10, random),
        stall: tempo.lease * 2,
        faults: if random.random_bool(0.05) {
            300
        } else {
            sometimes(60, random)
        },
        outages: outages(tempo, random),
        ends: sometimes(6, random),
        ends_max: random.random_range(0..3),
        downtime: between(Duration::ZERO, tempo.lease * 2, random),
        directed: Vec::new(),
    }
}

fn outages(tempo: &Tempo, random: &mut SmallRng) -> Vec<(Timestamp, Timestamp)> {
    if random.random_bool(0.6) {
        return Vec::new();
    }
    let outage = |_| {
        let from = START.plus(between(Duration::ZERO, tempo.span, random));
        (from, from.plus(between(Duration::ZERO, tempo.lease * 2, random)))
    };
    (0..2).map(outage).collect()
}
