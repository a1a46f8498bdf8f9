//! `WatchDeliveries`: what happens to deliveries, as it happens.

use std::{pin::Pin, time::Duration};

use futures_util::{Stream, stream};
use hookwright_proto::v1;
use hookwright_store::{AttemptMade, Change, Timestamp, Verdict, WebhookId};
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{
    Caller, Service, convert,
    error::{ApiError, Reason, Violation},
    status, validate,
    validate::Violations,
    watch_cursor::{self, Check},
};
use crate::{
    matching::fitting,
    watch::{Start, Step, Wanted, Watcher},
};

const HEARTBEAT_DEFAULT: Duration = Duration::from_secs(15);
const HEARTBEAT_MIN: Duration = Duration::from_secs(1);
const HEARTBEAT_MAX: Duration = Duration::from_mins(5);

/// The answers to a watcher. They are made when they are asked for: a caller that does not read holds nothing but its place.
pub(crate) type Answers = Pin<Box<dyn Stream<Item = Result<v1::WatchDeliveriesResponse, Status>> + Send>>;

impl Service {
    pub(super) async fn watch_deliveries(
        &self,
        caller: &Caller,
        request: v1::WatchDeliveriesRequest,
    ) -> Result<Answers, ApiError> {
        let mut violations = Violations::default();
        let tenant = caller.tenant;
        let webhook = (!request.webhook_id.is_empty())
            .then(|| violations.check(validate::id("webhook_id", &request.webhook_id)));
        let event_types = violations.check(validate::event_type_patterns("event_types", request.event_types));
        let states = violations.check(states(&request.states));
        let since = violations.check(start_time(request.start_time.as_ref(), &request.cursor));
        let heartbeat = violations.check(heartbeat(request.heartbeat_interval.as_ref()));
        let (Some(mut event_types), Some(states), Some(since), Some(heartbeat), None | Some(Some(_))) =
            (event_types, states, since, heartbeat, webhook)
        else {
            return Err(ApiError::Invalid(violations.into_vec()));
        };
        event_types.sort_unstable();
        event_types.dedup();
        let filter = Filter {
            webhook: webhook.flatten(),
            event_types,
            states,
            since,
        };
        let check = filter.check(tenant, &request.webhook_id);
        let cursor = watch_cursor::read(&check, &request.cursor)?;
        let room = self.watches.admit().ok_or(ApiError::TooManyWatchers)?;
        let start = match (cursor, since) {
            (Some(place), _) => Start::After(place),
            (None, Some(since)) => Start::After(self.store.journal_since(since).await?),
            (None, None) => Start::Now,
        };
        let watching = self.watches.watch(room, tenant, start, filter.wanted());
        let watcher = match self.stop.run_until_cancelled(watching).await {
            Some(watcher) => watcher?,
            None => return Err(ApiError::Store(hookwright_store::StoreError::Stopped)),
        };
        let mut pulse = tokio::time::interval_at(Instant::now() + heartbeat, heartbeat);
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let telling = Telling {
            watcher,
            has_greeted: false,
            check,
            pulse,
            stop: self.stop.clone(),
        };
        Ok(Box::pin(stream::unfold(Some(telling), Telling::answer)))
    }
}

/// A stream and what it is about to say.
struct Telling {
    watcher: Watcher,
    /// The caller is told at once where it is.
    has_greeted: bool,
    check: Check,
    pulse: Interval,
    stop: CancellationToken,
}

impl Telling {
    async fn answer(
        telling: Option<Self>,
    ) -> Option<(Result<v1::WatchDeliveriesResponse, Status>, Option<Self>)> {
        let mut telling = telling?;
        if !telling.has_greeted {
            telling.has_greeted = true;
            return Some((Ok(telling.saying(None)), Some(telling)));
        }
        let stop = telling.stop.clone();
        let step = stop
            .run_until_cancelled(telling.watcher.next(&mut telling.pulse, change))
            .await;
        let change = match step {
            Some(Ok(Step::Change(change))) => Some(change),
            Some(Ok(Step::Quiet)) => None,
            Some(Err(error)) => return Some((Err(ApiError::from(error).into()), None)),
            None => return Some((Err(status::shutting_down()), None)),
        };
        telling.pulse.reset();
        Some((Ok(telling.saying(change)), Some(telling)))
    }

    fn saying(&self, change: Option<v1::DeliveryChange>) -> v1::WatchDeliveriesResponse {
        v1::WatchDeliveriesResponse {
            cursor: watch_cursor::write(&self.check, self.watcher.place()),
            change,
        }
    }
}

/// Which changes are told.
struct Filter {
    webhook: Option<WebhookId>,
    event_types: Vec<String>,
    /// Any when there are none.
    states: Vec<v1::DeliveryState>,
    since: Option<Timestamp>,
}

impl Filter {
    fn check(&self, tenant: hookwright_store::TenantId, webhook: &str) -> Check {
        let mut parts = vec![webhook];
        for state in &self.states {
            parts.push(state.as_str_name());
        }
        parts.extend(self.event_types.iter().map(String::as_str));
        Check::of(tenant, parts)
    }

    fn wanted(self) -> Wanted {
        Box::new(move |change| {
            self.webhook
                .is_none_or(|webhook| change.delivery.webhook == webhook)
                && (self.states.is_empty() || self.states.contains(&state(change.verdict)))
                && self.since.is_none_or(|since| change.at >= since)
                && fitting(&self.event_types, &change.event_type).is_some()
        })
    }
}

fn states(numbers: &[i32]) -> Result<Vec<v1::DeliveryState>, Violation> {
    let mut states = Vec::with_capacity(4);
    for number in numbers {
        let state = match v1::DeliveryState::try_from(*number) {
            Ok(
                state @ (v1::DeliveryState::Scheduled
                | v1::DeliveryState::Delivered
                | v1::DeliveryState::Dead
                | v1::DeliveryState::Cancelled),
            ) => state,
            Ok(v1::DeliveryState::Unspecified | v1::DeliveryState::Leased | v1::DeliveryState::Held) => {
                return Err(Violation::new(
                    "states",
                    Reason::InvalidState,
                    "deliveries are told of when they are SCHEDULED anew, DELIVERED, DEAD or CANCELLED",
                ));
            }
            Err(_) => {
                return Err(Violation::new(
                    "states",
                    Reason::UnknownState,
                    format!("no state has the number {number}"),
                ));
            }
        };
        if !states.contains(&state) {
            states.push(state);
        }
    }
    states.sort_unstable();
    Ok(states)
}

fn start_time(time: Option<&pbjson_types::Timestamp>, cursor: &str) -> Result<Option<Timestamp>, Violation> {
    let Some(time) = time else { return Ok(None) };
    let refused = |description: &str| Violation::new("start_time", Reason::InvalidStartTime, description);
    if !cursor.is_empty() {
        return Err(refused("a cursor says where to begin; pass one of the two"));
    }
    let time = validate::timestamp(time).ok_or_else(|| refused("not a moment since 1970"))?;
    Ok(Some(time))
}

fn heartbeat(interval: Option<&pbjson_types::Duration>) -> Result<Duration, Violation> {
    let Some(interval) = interval else {
        return Ok(HEARTBEAT_DEFAULT);
    };
    validate::duration(interval)
        .filter(|interval| (HEARTBEAT_MIN..=HEARTBEAT_MAX).contains(interval))
        .ok_or_else(|| {
            Violation::new(
                "heartbeat_interval",
                Reason::InvalidHeartbeatInterval,
                "must be 1 s to 5 min; unset means 15 s",
            )
        })
}

fn state(verdict: Verdict) -> v1::DeliveryState {
    match verdict {
        Verdict::Delivered => v1::DeliveryState::Delivered,
        Verdict::Retry => v1::DeliveryState::Scheduled,
        Verdict::Dead => v1::DeliveryState::Dead,
        Verdict::Cancelled => v1::DeliveryState::Cancelled,
    }
}

fn change(change: &Change) -> v1::DeliveryChange {
    let error = change.error.clone().unwrap_or_default();
    let (attempt, state_reason) = match change.attempt {
        Some(made) => (Some(attempt(change, made, error)), String::new()),
        None => (None, error),
    };
    v1::DeliveryChange {
        delivery_id: change.delivery.to_string(),
        event_id: change.delivery.event.to_string(),
        event_type: change.event_type.clone(),
        webhook_id: change.delivery.webhook.to_string(),
        state: state(change.verdict).into(),
        change_time: Some(convert::timestamp(change.at)),
        attempt,
        state_reason,
    }
}

fn attempt(change: &Change, made: AttemptMade, error: String) -> v1::Attempt {
    v1::Attempt {
        number: change.number.into(),
        outcome: convert::outcome(made.outcome).into(),
        http_status: made.http_status.unwrap_or(0).into(),
        start_time: Some(convert::timestamp(made.started_at)),
        duration: Some(convert::duration(made.latency)),
        error,
        next_attempt_time: change.next_at.map(convert::timestamp),
        ..v1::Attempt::default()
    }
}
