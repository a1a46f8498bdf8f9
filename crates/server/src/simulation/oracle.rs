//! What must hold, whatever happens. Each rule looks at the history alone and knows nothing of how the engine works.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use hookwright_core::{Schedule, StatusSet};
use hookwright_store::{
    Attempt, DeliveryId, DeliveryState, EventId, Ordering, Outcome, Timestamp, WebhookId,
};

use super::{
    history::{Ended, History, LifeEnd, PublishAnswer, Request, RequestEnd},
    receiver::What,
    scenario::{Action, Scenario, WebhookPlan},
};

/// A promise of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    /// An accepted event is in the log, once, with all of its deliveries; a refused one is not.
    EveryEventIsAccountedFor,
    /// When all receivers are good, nothing is left over.
    EverythingEnds,
    /// A delivery is delivered, dead or cancelled for a reason.
    EndsHaveReasons,
    /// The log's attempts are the requests that receivers saw.
    TheLogIsTrue,
    /// No attempt is made before it is due, nor scheduled earlier than the policy and the receiver say.
    NothingIsEarly,
    /// Once all is good, what is due is attempted soon, even by nodes that hardly ever look.
    NothingIsLate,
    /// While a receiver wants a pause its webhook gets nothing.
    PausesAreKept,
    /// In a queue nothing starts before what is ahead of it is over.
    OrderIsKept,
    /// No more requests at once than allowed.
    InFlightIsLimited,
    /// No more requests in a span than allowed.
    RatesAreKept,
    /// A webhook that is paused or deleted gets nothing.
    StoppedMeansStopped,
    /// No more attempts than the policy says.
    AttemptsAreLimited,
    /// A delivery is not attempted twice at once, nor after it was delivered.
    OneAttemptAtATime,
    /// Nothing starts without a lease.
    NothingWithoutALease,
    /// Memory is given back.
    NothingLeaks,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) rule: Rule,
    pub(super) what: String,
}

/// Timers wake up to this much late, and no earlier.
const TICK: Duration = Duration::from_millis(2);
/// A node stops starting attempts this long before its lease ends.
const LEASE_MARGIN: Duration = Duration::from_secs(1);
/// A breaker keeps deliveries back for a minute at most, and an attempt from before can last for half of one.
const LATE: Duration = Duration::from_mins(2);
/// How long a webhook is attempted at most after its receiver was found to be gone, when nothing goes wrong.
const DISABLING: Duration = Duration::from_secs(1);

/// All broken promises.
pub(super) fn judge(scenario: &Scenario, history: &History) -> Vec<Violation> {
    let mut judge = Judge {
        scenario,
        history,
        requests: BTreeMap::new(),
        violations: Vec::new(),
    };
    for request in &history.requests {
        let Some(webhook) = history.webhooks[request.webhook] else {
            continue;
        };
        let id = DeliveryId {
            event: request.event,
            webhook,
        };
        let key = (id.webhook, id.event);
        judge.requests.entry(key).or_default().push(request);
    }
    judge.events();
    for delivery in &history.deliveries {
        judge.end(delivery);
        judge.log(delivery);
        judge.due_times(delivery);
        judge.lateness(delivery);
        judge.attempts(delivery);
    }
    judge.single_attempts();
    judge.pauses();
    judge.order();
    judge.in_flight();
    judge.rates();
    judge.stops();
    judge.gone();
    judge.leases();
    for leak in &history.leaks {
        judge.broken(Rule::NothingLeaks, leak.clone());
    }
    judge.violations
}

struct Judge<'a> {
    scenario: &'a Scenario,
    history: &'a History,
    /// By delivery, in the order in which they started.
    requests: BTreeMap<(WebhookId, EventId), Vec<&'a Request>>,
    violations: Vec<Violation>,
}

impl<'a> Judge<'a> {
    fn broken(&mut self, rule: Rule, what: String) {
        self.violations.push(Violation { rule, what });
    }

    fn requests_of(&self, id: DeliveryId) -> &[&'a Request] {
        self.requests
            .get(&(id.webhook, id.event))
            .map_or(&[], Vec::as_slice)
    }

    fn events(&mut self) {
        let mut log: BTreeMap<usize, BTreeMap<EventId, usize>> = BTreeMap::new();
        for delivery in &self.history.deliveries {
            *log.entry(delivery.number)
                .or_default()
                .entry(delivery.id.event)
                .or_default() += 1;
        }
        let nothing = BTreeMap::new();
        for publish in &self.history.publishes {
            let stored = log.get(&publish.number).unwrap_or(&nothing);
            let fits = match publish.answer {
                Some(PublishAnswer::Accepted { deliveries: 0, .. } | PublishAnswer::Refused) => {
                    stored.is_empty()
                }
                Some(PublishAnswer::Accepted { event, deliveries }) => {
                    *stored == BTreeMap::from([(event, deliveries)])
                }
                Some(PublishAnswer::Unknown) | None => stored.len() <= 1,
            };
            if !fits {
                self.broken(
                    Rule::EveryEventIsAccountedFor,
                    format!("{publish:?}, and the log has {stored:?}"),
                );
            }
        }
    }

    fn end(&mut self, delivery: &Ended) {
        let plan = &self.scenario.webhooks[delivery.webhook];
        let was_deleted = self.operations(delivery.webhook, |action| matches!(action, Action::Delete(_)));
        let was_cancelled = self.was_cancelled(delivery);
        let succeeded = self
            .requests_of(delivery.id)
            .iter()
            .any(|request| matches!(request.end, Some((_, RequestEnd::Replied(what))) if self.is_success(request.webhook, what)));
        let problem = match delivery.state {
            DeliveryState::Scheduled(_) | DeliveryState::Leased => {
                self.broken(Rule::EverythingEnds, format!("{delivery:?}"));
                None
            }
            // The store says so only while the webhook is stopped.
            DeliveryState::Held { .. } => None,
            DeliveryState::Delivered => (!succeeded).then_some("nobody took it"),
            DeliveryState::Cancelled => {
                (!was_deleted && !self.may_be_cancelled(delivery)).then_some("nobody cancelled it")
            }
            DeliveryState::Dead if delivery.given_up => Some("it was given up"),
            // Its schedule counts from the replay.
            DeliveryState::Dead if delivery.replay.is_some() => None,
            DeliveryState::Dead => delivery
                .attempts
                .last()
                .is_none_or(|last| !may_be_last(plan, last))
                .then_some("its policy allows another attempt"),
        };
        if let Some(problem) = problem {
            self.broken(Rule::EndsHaveReasons, format!("{problem}: {delivery:?}"));
        }
        if was_cancelled && delivery.replay.is_none() && delivery.state != DeliveryState::Cancelled {
            self.broken(Rule::EndsHaveReasons, format!("it was cancelled: {delivery:?}"));
        }
    }

    fn is_success(&self, webhook: usize, what: What) -> bool {
        matches!(what, What::Status(status) if status == self.scenario.webhooks[webhook].receiver.success)
    }

    /// Whether an owner did something of this kind to a webhook, or at least began to.
    fn operations(&self, webhook: usize, kind: impl Fn(&Action) -> bool) -> bool {
        let operations = &self.history.operations;
        operations
            .iter()
            .any(|operation| kind(&operation.action) && place(&operation.action) == Some(webhook))
    }

    fn was_cancelled(&self, delivery: &Ended) -> bool {
        self.history.operations.iter().any(|operation| {
            matches!(operation.action, Action::Cancel(..))
                && operation.delivery == Some(delivery.id)
                && operation.done_at.is_some_and(|(_, did)| did)
        })
    }

    /// Whether somebody may have cancelled it, without having heard so.
    fn may_be_cancelled(&self, delivery: &Ended) -> bool {
        self.history.operations.iter().any(|operation| {
            matches!(operation.action, Action::Cancel(..)) && operation.delivery == Some(delivery.id)
        })
    }

    fn log(&mut self, delivery: &Ended) {
        let requests = self.requests_of(delivery.id).to_vec();
        for attempt in &delivery.attempts {
            let is_true = requests
                .iter()
                .any(|request| request.started_at == attempt.started_at && is_told_by(request, attempt));
            if !is_true {
                self.broken(
                    Rule::TheLogIsTrue,
                    format!("nobody saw {attempt:?} of {delivery:?}"),
                );
            }
        }
        let was_deleted = self.operations(delivery.webhook, |action| matches!(action, Action::Delete(_)));
        if was_deleted || self.may_be_cancelled(delivery) {
            // What comes of an attempt then is not recorded.
            return;
        }
        for request in requests {
            let is_over = matches!(
                request.end,
                Some((_, RequestEnd::Replied(_) | RequestEnd::TimedOut))
            );
            let is_kept = self.history.lives[request.life]
                .end
                .is_none_or(|(_, end)| end == LifeEnd::Left);
            let is_logged = delivery
                .attempts
                .iter()
                .any(|attempt| attempt.started_at == request.started_at);
            if is_over && is_kept && !is_logged {
                self.broken(
                    Rule::TheLogIsTrue,
                    format!("{request:?} is missing in {delivery:?}"),
                );
            }
        }
    }

    fn due_times(&mut self, delivery: &Ended) {
        if delivery.replay.is_some() {
            return;
        }
        let schedule = self.scenario.webhooks[delivery.webhook].settings.schedule.clone();
        let requests = self.requests_of(delivery.id).to_vec();
        for attempt in &delivery.attempts {
            let Some(next_at) = attempt.next_at else { continue };
            let ended_at = attempt.started_at.plus(attempt.latency);
            let early = requests
                .iter()
                .find(|request| request.started_at > ended_at && request.started_at < next_at);
            if let Some(early) = early {
                self.broken(
                    Rule::NothingIsEarly,
                    format!("{early:?} was due at {next_at} in {delivery:?}"),
                );
            }
            if attempt.http_status == Some(410) {
                continue;
            }
            let request = requests.iter().find(|one| one.started_at == attempt.started_at);
            let pause = request.and_then(|request| pause_until(request));
            let delay = schedule
                .as_ref()
                .and_then(|schedule| schedule.delay_after(u32::from(attempt.number), 0.0));
            let least = pause.max(delay.map(|delay| ended_at.plus(delay)));
            if least.is_none_or(|least| next_at < least) {
                self.broken(
                    Rule::NothingIsEarly,
                    format!("scheduled for {next_at} and not {least:?} after {attempt:?} of {delivery:?}"),
                );
            }
        }
    }

    fn lateness(&mut self, delivery: &Ended) {
        let plan = &self.scenario.webhooks[delivery.webhook];
        let is_paced = plan.settings.rate_limit.is_some() || plan.settings.ordering != Ordering::None;
        let is_touched = self.operations(delivery.webhook, |_| true);
        if is_paced || is_touched || delivery.replay.is_some() {
            return;
        }
        // What stood still before may stand still for so long.
        let quiet_at = self.scenario.calm_at.plus(self.scenario.trouble.stall);
        let requests = self.requests_of(delivery.id).to_vec();
        for attempt in &delivery.attempts {
            let Some(next_at) = attempt.next_at.filter(|at| *at >= quiet_at) else {
                continue;
            };
            let Some(next) = requests.iter().find(|request| request.started_at >= next_at) else {
                continue;
            };
            let began_at = self.history.lives[next.life].began_at;
            let wanted_at = self.pauses_of(delivery.webhook).max(Some(next_at.max(began_at)));
            if wanted_at.is_some_and(|wanted_at| next.started_at.since(wanted_at) > LATE) {
                self.broken(
                    Rule::NothingIsLate,
                    format!("{next:?} was due at {next_at} in {delivery:?}"),
                );
            }
        }
    }

    /// The end of the last pause that a receiver asked for.
    fn pauses_of(&self, webhook: usize) -> Option<Timestamp> {
        let requests = self.history.requests.iter();
        requests
            .filter(|request| request.webhook == webhook)
            .filter_map(pause_until)
            .max()
    }

    fn attempts(&mut self, delivery: &Ended) {
        if delivery.replay.is_some() {
            return;
        }
        let max = attempts_max(self.scenario, delivery.webhook);
        // After 410 a webhook is disabled, and whoever enables it wants another attempt.
        let attempts = delivery.attempts.iter();
        let counted = attempts
            .filter(|attempt| attempt.http_status != Some(410))
            .count();
        if counted > max {
            self.broken(
                Rule::AttemptsAreLimited,
                format!("{counted} attempts and not {max} in {delivery:?}"),
            );
        }
    }

    fn single_attempts(&mut self) {
        let replayed: BTreeSet<_> = self.replayed();
        let mut broken = Vec::new();
        for (key, requests) in &self.requests {
            for pair in requests.windows(2) {
                let [first, second] = pair else { continue };
                let is_over = first.end.is_some_and(|(end, _)| end <= second.started_at);
                let was_taken = matches!(first.end, Some((_, RequestEnd::Replied(what))) if self.is_success(first.webhook, what));
                if first.life == second.life && (!is_over || (was_taken && !replayed.contains(key))) {
                    broken.push(format!("{second:?} after {first:?}"));
                }
            }
        }
        for what in broken {
            self.broken(Rule::OneAttemptAtATime, what);
        }
    }

    /// Deliveries that were attempted anew because somebody asked for it.
    fn replayed(&self) -> BTreeSet<(WebhookId, EventId)> {
        let deliveries = self.history.deliveries.iter();
        let replayed = deliveries.filter(|delivery| delivery.replay.is_some());
        replayed
            .map(|delivery| (delivery.id.webhook, delivery.id.event))
            .collect()
    }

    fn pauses(&mut self) {
        let mut broken = Vec::new();
        for (place, first) in self.history.requests.iter().enumerate() {
            let (Some((asked_at, _)), Some(until)) = (first.end, pause_until(first)) else {
                continue;
            };
            let early = self.history.requests[place + 1..].iter().find(|second| {
                (second.life, second.webhook) == (first.life, first.webhook)
                    && second.started_at > asked_at
                    && second.started_at < until
            });
            if let Some(early) = early {
                broken.push(format!(
                    "{early:?} although {first:?} asks for a pause until {until}"
                ));
            }
        }
        for what in broken {
            self.broken(Rule::PausesAreKept, what);
        }
    }

    fn order(&mut self) {
        let mut queues: BTreeMap<(usize, String), Vec<&Ended>> = BTreeMap::new();
        for delivery in &self.history.deliveries {
            let publish = self.scenario.actions.iter().find_map(|(_, action)| match action {
                Action::Publish(publish) if publish.number == delivery.number => Some(publish),
                _ => None,
            });
            let key = publish.and_then(|publish| publish.key.clone());
            let queue = match self.scenario.webhooks[delivery.webhook].settings.ordering {
                Ordering::None => None,
                Ordering::Webhook => Some(String::new()),
                Ordering::Key => key,
            };
            // What was replayed or cancelled has left its place.
            if let Some(queue) = queue
                && delivery.replay.is_none()
                && !self.may_be_cancelled(delivery)
            {
                queues
                    .entry((delivery.webhook, queue))
                    .or_default()
                    .push(delivery);
            }
        }
        let mut broken = Vec::new();
        for mut queue in queues.into_values() {
            queue.sort_by_key(|delivery| delivery.id.event);
            for (place, later) in queue.iter().enumerate() {
                let Some(start) = self.requests_of(later.id).first().map(|first| first.started_at) else {
                    continue;
                };
                for earlier in &queue[..place] {
                    let late = self.requests_of(earlier.id).last().is_none_or(|last| {
                        last.started_at > start || last.end.is_none_or(|(end, _)| end > start)
                    });
                    if late {
                        broken.push(format!("{later:?} started at {start}, before {earlier:?}"));
                    }
                }
            }
        }
        for what in broken {
            self.broken(Rule::OrderIsKept, what);
        }
    }

    fn in_flight(&mut self) {
        let mut broken = Vec::new();
        for (place, request) in self.history.requests.iter().enumerate() {
            let under_way: Vec<&Request> = self.history.requests[..=place]
                .iter()
                .filter(|one| one.life == request.life)
                .filter(|one| one.end.is_none_or(|(end, _)| end > request.started_at))
                .collect();
            let own = under_way
                .iter()
                .filter(|one| one.webhook == request.webhook)
                .count();
            let max = self.in_flight_max(request.webhook, request.started_at);
            if own > max || under_way.len() > self.scenario.limits.attempts_max {
                broken.push(format!(
                    "{request:?} is number {own} of {max} of its webhook and {} of all",
                    under_way.len()
                ));
            }
        }
        for what in broken {
            self.broken(Rule::InFlightIsLimited, what);
        }
    }

    /// The largest limit that may have been in force.
    fn in_flight_max(&self, webhook: usize, at: Timestamp) -> usize {
        let settings = &self.scenario.webhooks[webhook].settings;
        let mut limits = vec![(settings.max_in_flight, None, None)];
        for operation in &self.history.operations {
            if let Action::Limit(place, max) = operation.action
                && place == webhook
                && operation.asked_at <= at
            {
                let done_at = operation.done_at.map(|(done_at, _)| done_at);
                limits.push((Some(max), Some(operation.asked_at), done_at));
            }
        }
        // By one that was asked for when this one was done, and that is done.
        let is_superseded = |index: usize| {
            let (_, _, known_at) = limits[index];
            limits.iter().enumerate().any(|(other, (_, asked_at, done_at))| {
                let is_later = asked_at.is_some_and(|asked_at| {
                    index == 0 || known_at.is_some_and(|known_at| asked_at >= known_at)
                });
                other != index && is_later && done_at.is_some_and(|done_at| done_at <= at)
            })
        };
        let candidates = (0..limits.len()).filter(|index| !is_superseded(*index));
        let engine_max = self.scenario.limits.attempts_per_webhook_max;
        candidates
            .map(|index| {
                limits[index]
                    .0
                    .map_or(engine_max, |max| engine_max.min(max as usize))
            })
            .max()
            .unwrap_or(engine_max)
    }

    fn rates(&mut self) {
        let mut broken = Vec::new();
        for (place, plan) in self.scenario.webhooks.iter().enumerate() {
            let Some(limit) = plan.settings.rate_limit else {
                continue;
            };
            let depth = f64::from(limit.burst).max(limit.per_second * 0.01);
            // One bucket for each life of the process: (life, tokens, filled at).
            let mut bucket: Option<(usize, f64, Timestamp)> = None;
            for request in self.history.requests.iter().filter(|one| one.webhook == place) {
                let tokens = match bucket {
                    Some((life, tokens, at)) if life == request.life => {
                        let elapsed = request.started_at.since(at).as_secs_f64();
                        (tokens + elapsed * limit.per_second).min(depth)
                    }
                    _ => depth,
                };
                if tokens < 0.999 {
                    broken.push(format!("{request:?} with {tokens} left of {limit:?}"));
                }
                bucket = Some((request.life, tokens - 1.0, request.started_at));
            }
        }
        for what in broken {
            self.broken(Rule::RatesAreKept, what);
        }
    }

    fn stops(&mut self) {
        let mut broken = Vec::new();
        for stop in &self.history.operations {
            let (Some(webhook), Some((from, true))) = (place(&stop.action), stop.done_at) else {
                continue;
            };
            let until = match stop.action {
                Action::Delete(_) => None,
                Action::Pause(_) => {
                    let resumes = self.history.operations.iter().filter(|resume| {
                        resume.action == Action::Resume(webhook)
                            && resume.done_at.is_none_or(|(done, _)| done >= stop.asked_at)
                    });
                    resumes.map(|resume| resume.asked_at).min()
                }
                _ => continue,
            };
            let late = self.history.requests.iter().find(|request| {
                request.webhook == webhook
                    && request.started_at > from
                    && until.is_none_or(|until| request.started_at < until)
            });
            if let Some(late) = late {
                broken.push(format!("{late:?} after {stop:?}"));
            }
        }
        for what in broken {
            self.broken(Rule::StoppedMeansStopped, what);
        }
    }

    fn gone(&mut self) {
        let trouble = &self.scenario.trouble;
        if trouble.faults > 0 || trouble.stalls > 0 || !trouble.outages.is_empty() {
            return;
        }
        let mut broken = Vec::new();
        for first in &self.history.requests {
            let Some((at, RequestEnd::Replied(What::Status(410)))) = first.end else {
                continue;
            };
            let resumes = self.history.operations.iter().filter(|resume| {
                resume.action == Action::Resume(first.webhook)
                    && resume.done_at.is_none_or(|(done, _)| done >= at)
            });
            let until = resumes.map(|resume| resume.asked_at).min();
            let late = self.history.requests.iter().find(|request| {
                (request.webhook, request.life) == (first.webhook, first.life)
                    && request.started_at > at.plus(DISABLING)
                    && until.is_none_or(|until| request.started_at < until)
            });
            if let Some(late) = late {
                broken.push(format!("{late:?} although {first:?} is gone"));
            }
        }
        for what in broken {
            self.broken(Rule::StoppedMeansStopped, what);
        }
    }

    fn leases(&mut self) {
        // A fifth is for the others to notice that the node is gone.
        let lease = self.scenario.lease * 4 / 5;
        let mut broken = Vec::new();
        for request in &self.history.requests {
            let renewed_at = self
                .history
                .renewals
                .iter()
                .rev()
                .find(|renewed_at| **renewed_at <= request.started_at);
            let is_leased = renewed_at.is_some_and(|renewed_at| {
                request.started_at.plus(LEASE_MARGIN) <= renewed_at.plus(lease + TICK)
            });
            if !is_leased {
                broken.push(format!("{request:?}, last renewed at {renewed_at:?}"));
            }
        }
        for what in broken {
            self.broken(Rule::NothingWithoutALease, what);
        }
    }
}

/// The webhook that an action is about.
fn place(action: &Action) -> Option<usize> {
    match action {
        Action::Pause(place)
        | Action::Resume(place)
        | Action::Delete(place)
        | Action::RotateSecret(place)
        | Action::Limit(place, _)
        | Action::Cancel(place, _)
        | Action::ReplayOne(place, _)
        | Action::ReplayMany(place, _) => Some(*place),
        Action::Publish(_) | Action::Restart | Action::Crash => None,
    }
}

/// Until when the receiver of a request wants no other.
fn pause_until(request: &Request) -> Option<Timestamp> {
    match request.end {
        Some((at, RequestEnd::Replied(What::Pause(_, pause)))) => {
            // It is told in whole seconds.
            Some(at.plus(Duration::from_secs(pause.as_secs())))
        }
        _ => None,
    }
}

/// Whether an attempt is what its receiver saw.
fn is_told_by(request: &Request, attempt: &Attempt) -> bool {
    let Some((ended_at, end)) = request.end else {
        return false;
    };
    let status = match end {
        RequestEnd::Replied(What::Status(status) | What::Pause(status, _)) => Some(status),
        RequestEnd::Replied(What::Refused | What::Insecure | What::Nothing)
        | RequestEnd::TimedOut
        | RequestEnd::CutOff => None,
    };
    let outcome_fits = match end {
        RequestEnd::Replied(What::Status(_) | What::Pause(..)) => matches!(
            attempt.outcome,
            Outcome::Accepted | Outcome::Rejected | Outcome::Redirected
        ),
        RequestEnd::Replied(What::Refused) => attempt.outcome == Outcome::Unreachable,
        RequestEnd::Replied(What::Insecure) => attempt.outcome == Outcome::TlsFailed,
        RequestEnd::TimedOut => attempt.outcome == Outcome::TimedOut,
        RequestEnd::Replied(What::Nothing) | RequestEnd::CutOff => false,
    };
    outcome_fits && attempt.http_status == status && attempt.started_at.plus(attempt.latency) == ended_at
}

/// Whether the policy of a webhook allows an attempt to be the last one.
fn may_be_last(plan: &WebhookPlan, last: &Attempt) -> bool {
    let settings = &plan.settings;
    let limits = &settings.retry_limits;
    let permanent = StatusSet::parse(&limits.permanent_statuses);
    let is_permanent = last
        .http_status
        .is_some_and(|status| permanent.is_ok_and(|set| set.includes(status)));
    let number = u32::from(last.number);
    let schedule = settings.schedule.as_ref();
    let is_spent = limits.max_attempts.is_some_and(|max| number >= max)
        || schedule.is_none_or(|schedule| schedule.delay_after(number, 1.0).is_none());
    // How long it would have had to wait is not known here; that it was limited by age is.
    let is_aged = limits.max_age.is_some();
    is_permanent || is_spent || is_aged
}

fn attempts_max(scenario: &Scenario, webhook: usize) -> usize {
    let settings = &scenario.webhooks[webhook].settings;
    let scheduled = match &settings.schedule {
        None => usize::MAX,
        Some(Schedule::List(delays)) => delays.len() + 1,
        Some(Schedule::Exponential { max_attempts, .. }) => *max_attempts as usize,
    };
    let limit = settings.retry_limits.max_attempts;
    limit.map_or(scheduled, |max| scheduled.min(max as usize))
}
