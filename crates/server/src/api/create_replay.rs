//! `CreateReplay`: a job over many deliveries, or how many they would be.

use hookwright_proto::v1;
use hookwright_store::{
    Delivery, DeliveryId, NewReplay, ReplayFilter, ReplayFrom, ReplayId, ReplayState, Timestamp,
};

use super::{
    Caller, Service, convert,
    error::{ApiError, Reason, Violation},
    get_replay,
    validate::{self, Violations},
};

const RATE_DEFAULT: u32 = 100;
const RATE_MAX: u32 = 10_000;
const SAMPLE: usize = 10;

/// What is to be replayed, and what of it was before.
struct Wanted {
    filter: ReplayFilter,
    rate: u32,
    deliveries_max: Option<u64>,
    resumed_from: Option<(ReplayId, Option<DeliveryId>)>,
}

impl Service {
    pub(super) async fn create_replay(
        &self,
        caller: &Caller,
        request: v1::CreateReplayRequest,
    ) -> Result<v1::CreateReplayResponse, ApiError> {
        let dry_run = request.dry_run;
        let wanted = if request.resume_from.is_empty() {
            self.wanted(request)?
        } else {
            self.resumed(caller, request).await?
        };
        let tenant = caller.tenant;
        let after = wanted.resumed_from.and_then(|(_, cursor)| cursor);
        let (matched, sample): (u64, Vec<Delivery>) = self
            .store
            .count_replayable(tenant, &wanted.filter, after, SAMPLE)
            .await?;
        let replay = if dry_run {
            None
        } else {
            let new = NewReplay {
                filter: wanted.filter,
                rate: wanted.rate,
                deliveries_max: wanted.deliveries_max,
                matched,
                resumed_from: wanted.resumed_from,
            };
            Some(get_replay::to_wire(self.store.create_replay(tenant, &new).await?))
        };
        Ok(v1::CreateReplayResponse {
            replay,
            matched_count: matched,
            sample: sample.into_iter().map(convert::delivery).collect(),
        })
    }

    fn wanted(&self, request: v1::CreateReplayRequest) -> Result<Wanted, ApiError> {
        let now = self.store.clock().now();
        let mut violations = Violations::default();
        let filter = filter(request.filter.unwrap_or_default(), now, &mut violations);
        let rate = violations.check(rate(request.rate, RATE_DEFAULT));
        match (filter, rate, violations.into_vec()) {
            (Some(filter), Some(rate), violations) if violations.is_empty() => Ok(Wanted {
                filter,
                rate,
                deliveries_max: Some(request.max_deliveries).filter(|max| *max > 0),
                resumed_from: None,
            }),
            (.., violations) => Err(ApiError::Invalid(violations)),
        }
    }

    /// The rest of a job that ended early.
    async fn resumed(&self, caller: &Caller, request: v1::CreateReplayRequest) -> Result<Wanted, ApiError> {
        let id: ReplayId = validate::id("resume_from", &request.resume_from)?;
        if request.filter.is_some() {
            return Err(Violation::new(
                "filter",
                Reason::InvalidReplayFilter,
                "a job that is resumed keeps its filter; leave this one out",
            )
            .into());
        }
        let from = self
            .store
            .replay(caller.tenant, id)
            .await?
            .ok_or(ApiError::ReplayNotFound(request.resume_from))?;
        let rate = rate(request.rate, from.rate)?;
        let left = from.deliveries_max.map(|max| max.saturating_sub(from.scheduled));
        let is_over = matches!(from.state, ReplayState::Cancelled | ReplayState::Failed);
        if !is_over || left == Some(0) {
            return Err(ApiError::ReplayNotResumable(id.to_string()));
        }
        Ok(Wanted {
            filter: from.filter,
            rate,
            deliveries_max: Some(request.max_deliveries).filter(|max| *max > 0).or(left),
            resumed_from: Some((id, from.cursor)),
        })
    }
}

fn rate(rate: u32, default: u32) -> Result<u32, Violation> {
    match rate {
        0 => Ok(default),
        1..=RATE_MAX => Ok(rate),
        _ => Err(Violation::new(
            "rate",
            Reason::InvalidRate,
            format!("at most {RATE_MAX} deliveries a second"),
        )),
    }
}

fn filter(filter: v1::ReplayFilter, now: Timestamp, violations: &mut Violations) -> Option<ReplayFilter> {
    let webhook = violations.check(
        (!filter.webhook_id.is_empty())
            .then(|| validate::id("filter.webhook_id", &filter.webhook_id))
            .transpose(),
    );
    let event_types = violations.check(validate::event_type_patterns(
        "filter.event_types",
        filter.event_types,
    ));
    let states = violations.check(states(&filter.states));
    let since = violations.check(moment("filter.since_time", filter.since_time.as_ref()));
    let until = violations.check(moment("filter.until_time", filter.until_time.as_ref()));
    // What is published from now on is not replayed: the job would never be through.
    let until = until?.map_or(now, |until| until.min(now));
    Some(ReplayFilter {
        webhook: webhook?,
        event_types: event_types?,
        states: states?,
        since: since?,
        until,
    })
}

fn states(numbers: &[i32]) -> Result<Vec<ReplayFrom>, Violation> {
    let mut states = Vec::with_capacity(3);
    for number in numbers {
        let state = match v1::DeliveryState::try_from(*number) {
            Ok(v1::DeliveryState::Delivered) => ReplayFrom::Delivered,
            Ok(v1::DeliveryState::Dead) => ReplayFrom::Dead,
            Ok(v1::DeliveryState::Cancelled) => ReplayFrom::Cancelled,
            _ => {
                return Err(Violation::new(
                    "filter.states",
                    Reason::UnknownState,
                    "only DELIVERED, DEAD and CANCELLED deliveries are over, and can be replayed",
                ));
            }
        };
        if !states.contains(&state) {
            states.push(state);
        }
    }
    if states.is_empty() {
        states.push(ReplayFrom::Dead);
    }
    Ok(states)
}

pub(super) fn moment(
    field: &str,
    moment: Option<&pbjson_types::Timestamp>,
) -> Result<Option<Timestamp>, Violation> {
    let Some(moment) = moment else { return Ok(None) };
    match validate::timestamp(moment) {
        Some(moment) => Ok(Some(moment)),
        None => Err(Violation::new(
            field,
            Reason::InvalidReplayFilter,
            "not a moment since 1970",
        )),
    }
}
