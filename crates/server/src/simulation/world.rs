//! The world around the engine: receivers, owners, a store with its troubles, and the process that begins and ends.

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use hookwright_core::Registry;
use hookwright_egress::{Egress, EgressRules, Exchange, Guard};
use hookwright_store::{
    Clock, EventId, NodeOptions, Timestamp,
    simulation::{Fault, Step},
};
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng, seq::IndexedRandom as _};
use tokio::sync::Notify;

use super::{
    history::{History, Life, LifeEnd, Published, Request, RequestEnd},
    process::Process,
    receiver::{Reply, What},
    scenario::{Action, Publish, START, Scenario},
};

/// Operations of the store in one simulation. A world that needs more goes round in circles.
const STEPS_MAX: u64 = 150_000;

/// Everything outside of the process. It outlives it.
#[derive(Clone)]
pub(super) struct World(Arc<Inner>);

struct Inner {
    scenario: Scenario,
    state: Mutex<State>,
    /// The process is to end now.
    ends: Notify,
}

struct State {
    history: History,
    clock: Clock,
    /// Once the process has been told to end, or has.
    ended_at: Option<Timestamp>,
    is_stopping: bool,
    /// Owners have registered their webhooks: from then on things go wrong.
    is_set_up: bool,
    steps: SmallRng,
    replies: SmallRng,
    step_count: u64,
    /// Operations of each name since things go wrong.
    counts: BTreeMap<&'static str, usize>,
    ends_left: usize,
}

impl World {
    fn new(scenario: Scenario) -> Self {
        let state = State {
            history: History {
                webhooks: vec![None; scenario.webhooks.len()],
                ..History::default()
            },
            clock: Clock::manual(START),
            ended_at: None,
            is_stopping: false,
            is_set_up: false,
            steps: SmallRng::seed_from_u64(scenario.seed ^ 0x57e9),
            replies: SmallRng::seed_from_u64(scenario.seed ^ 0x4e91),
            step_count: 0,
            counts: BTreeMap::new(),
            ends_left: scenario.trouble.ends_max,
        };
        Self(Arc::new(Inner {
            scenario,
            state: Mutex::new(state),
            ends: Notify::new(),
        }))
    }

    pub(super) fn scenario(&self) -> &Scenario {
        &self.0.scenario
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.state().now()
    }

    /// Reads or writes what has happened so far.
    pub(super) fn history<T>(&self, with: impl FnOnce(&mut History, Timestamp) -> T) -> T {
        let mut state = self.state();
        let now = state.now();
        with(&mut state.history, now)
    }

    pub(super) fn note(&self, line: &str) {
        self.history(|history, now| history.note(now, line));
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.state().is_stopping
    }

    pub(super) fn stopping(&self) {
        self.state().is_stopping = true;
    }

    pub(super) fn set_up(&self) {
        self.state().is_set_up = true;
    }

    /// What becomes of an operation of the store.
    pub(super) fn step(&self, operation: &'static str) -> Step {
        let trouble = &self.0.scenario.trouble;
        let mut state = self.state();
        let now = state.now();
        state.step_count += 1;
        assert!(
            state.step_count < STEPS_MAX,
            "{operation} and so on without an end, at {now} after\n{}",
            state.history.tail(20)
        );
        if state.ended_at.is_some() {
            return faulty(Fault::EndBefore);
        }
        let mut step = Step::default();
        if state.is_set_up && now < self.0.scenario.calm_at {
            step.before = state.duration_up_to(trouble.latency);
            step.after = state.duration_up_to(trouble.latency);
            if state.one_of_thousand(trouble.stalls) {
                step.before += state.duration_up_to(trouble.stall);
            }
            let is_out = trouble.outages.iter().any(|(from, to)| *from <= now && now < *to);
            if is_out {
                let faults = [Fault::Refused, Fault::Unheard];
                step.fault = faults.choose(&mut state.steps).copied();
            } else if state.one_of_thousand(trouble.faults) {
                let faults = [Fault::Refused, Fault::Unheard, Fault::Unanswered];
                step.fault = faults.choose(&mut state.steps).copied();
            }
            if state.ends_left > 0 && state.one_of_thousand(trouble.ends) {
                state.ends_left -= 1;
                let ends = [Fault::EndBefore, Fault::EndAfter];
                step = faulty(*ends.choose(&mut state.steps).unwrap_or(&Fault::EndBefore));
                state.ended_at = Some(now);
                self.0.ends.notify_one();
            }
            let count = state.counts.entry(operation).or_default();
            *count += 1;
            let nth = (operation, *count);
            if let Some(directed) = trouble.directed.iter().find(|one| (one.0, one.1) == nth) {
                step = directed.2;
            }
        }
        if step.fault.is_some() {
            state
                .history
                .note(now, &format!("store: {operation} {:?}", step.fault));
        }
        if matches!(operation, "renew" | "enlist") && step.fault.is_none() {
            state.history.renewals.push(now);
        }
        step
    }

    /// A receiver gets a request. `None` when the sender is gone already.
    fn receive(&self, exchange: &Exchange) -> Option<(usize, Reply)> {
        let webhook: usize = exchange.url.path().trim_start_matches('/').parse().ok()?;
        let event: EventId = exchange.headers.get("webhook-id")?.to_str().ok()?.parse().ok()?;
        let mut state = self.state();
        let now = state.now();
        if state.ended_at.is_some() {
            return None;
        }
        let reply = self.0.scenario.webhooks[webhook]
            .receiver
            .reply(now, &mut state.replies);
        let number = state.history.requests.len();
        let request = Request {
            life: state.history.life(),
            webhook,
            event,
            started_at: now,
            timeout: exchange.timeout,
            end: None,
        };
        state.history.requests.push(request);
        state
            .history
            .note(now, &format!("request {number} to {webhook}: {event}"));
        Some((number, reply))
    }

    fn replied(&self, number: usize, end: RequestEnd) {
        let mut state = self.state();
        let now = state.now();
        state.history.requests[number].end = Some((now, end));
        // What a process was doing ends with it all at once, in no order.
        if state.ended_at.is_none() {
            state.history.note(now, &format!("request {number}: {end:?}"));
        }
    }

    /// Answers requests in place of the network.
    pub(super) fn egress(&self) -> Egress {
        let world = self.clone();
        let script = hookwright_egress::Script::new(move |exchange| {
            let world = world.clone();
            let received = world.receive(&exchange);
            Box::pin(async move {
                let Some((number, reply)) = received else {
                    return std::future::pending().await;
                };
                let mut waiting = Waiting {
                    world,
                    number: Some(number),
                };
                if !reply.after.is_zero() {
                    tokio::time::sleep(reply.after).await;
                }
                match reply.what.answer() {
                    Some(answer) => {
                        waiting.replied(reply.what);
                        answer
                    }
                    None => std::future::pending().await,
                }
            })
        });
        // Only TLS could fail, which nothing here needs.
        real_egress().scripted(script).unwrap()
    }

    /// An owner asks for something.
    pub(super) fn asked(&self, action: Action) -> usize {
        self.history(|history, now| {
            history.note(now, &format!("asked: {action:?}"));
            history.operations.push(super::history::Operation {
                action,
                asked_at: now,
                done_at: None,
                delivery: None,
            });
            history.operations.len() - 1
        })
    }

    pub(super) fn publishing(&self, publish: &Publish) {
        self.history(|history, now| {
            history.note(now, &format!("publishing {}", publish.number));
            history.publishes.push(Published {
                number: publish.number,
                asked_at: now,
                answer: None,
            });
        });
    }
}

impl State {
    fn now(&self) -> Timestamp {
        self.ended_at.unwrap_or_else(|| self.clock.now())
    }

    fn one_of_thousand(&mut self, count: u32) -> bool {
        count > 0 && self.steps.random_range(0..1_000) < count
    }

    fn duration_up_to(&mut self, most: Duration) -> Duration {
        if most.is_zero() {
            return most;
        }
        most.mul_f64(self.steps.random_range(0.0..1.0))
    }
}

fn faulty(fault: Fault) -> Step {
    Step {
        fault: Some(fault),
        ..Step::default()
    }
}

/// A request that its receiver has not answered. Dropped, it was given up.
struct Waiting {
    world: World,
    number: Option<usize>,
}

impl Waiting {
    fn replied(&mut self, what: What) {
        if let Some(number) = self.number.take() {
            self.world.replied(number, RequestEnd::Replied(what));
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(number) = self.number.take() else { return };
        let end = {
            let state = self.world.state();
            let request = state.history.requests[number];
            let is_late = state.now() >= request.started_at.plus(request.timeout);
            if state.ended_at.is_none() && is_late {
                RequestEnd::TimedOut
            } else {
                RequestEnd::CutOff
            }
        };
        self.world.replied(number, end);
    }
}

/// Lives a scenario to its end.
pub(super) fn live(scenario: Scenario, folder: &Path) -> History {
    let world = World::new(scenario);
    let scenario = world.scenario().clone();
    let mut actions: VecDeque<(Timestamp, Action)> = scenario.actions.iter().cloned().collect();
    let mut begins_at = START;
    loop {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let is_over = runtime.block_on(one_life(&world, &mut actions, begins_at, folder));
        let ended_at = world.now();
        // Everything that the process was doing ends here.
        drop(runtime);
        if is_over {
            return world.history(|history, _| std::mem::take(history));
        }
        begins_at = ended_at.plus(scenario.trouble.downtime.max(Duration::from_millis(1)));
    }
}

/// From a start to an end of the process. True when the scenario is over.
async fn one_life(
    world: &World,
    actions: &mut VecDeque<(Timestamp, Action)>,
    begins_at: Timestamp,
    folder: &Path,
) -> bool {
    let clock = Clock::of_timers(begins_at);
    {
        let mut state = world.state();
        state.clock = clock.clone();
        state.ended_at = None;
        state.is_stopping = false;
        state.history.lives.push(Life {
            began_at: begins_at,
            end: None,
        });
        state.history.note(begins_at, "the process starts");
    }
    let (end, is_over) = tokio::select! {
        biased;
        () = world.0.ends.notified() => (LifeEnd::Crashed, false),
        end = Process::live(world, actions, clock, folder) => end,
    };
    let mut state = world.state();
    let ended_at = state.now();
    state.ended_at = Some(ended_at);
    let life = state.history.life();
    state.history.lives[life].end = Some((ended_at, end));
    state
        .history
        .note(ended_at, &format!("the process ends: {end:?}"));
    is_over
}

pub(super) fn registry() -> Arc<Registry> {
    static REGISTRY: OnceLock<Arc<Registry>> = OnceLock::new();
    Arc::clone(REGISTRY.get_or_init(|| Arc::new(Registry::builtin())))
}

/// Reads the machine's authorities once for all worlds.
fn real_egress() -> &'static Egress {
    static EGRESS: OnceLock<Egress> = OnceLock::new();
    EGRESS.get_or_init(|| Egress::new(Guard::new(EgressRules::default())).unwrap())
}

pub(super) fn node_options(scenario: &Scenario) -> NodeOptions {
    NodeOptions {
        lease: scenario.lease,
        ..NodeOptions::default()
    }
}
