//! `GetReplay`: a job and how far it is.

use std::time::Duration;

use hookwright_proto::v1;
use hookwright_store::{Replay, ReplayFilter, ReplayFrom, ReplayState};

use super::{Caller, Service, convert, error::ApiError, validate};

impl Service {
    pub(super) async fn get_replay(
        &self,
        caller: &Caller,
        request: v1::GetReplayRequest,
    ) -> Result<v1::GetReplayResponse, ApiError> {
        let id = validate::id("id", &request.id)?;
        let replay = self
            .store
            .replay(caller.tenant, id)
            .await?
            .ok_or(ApiError::ReplayNotFound(request.id))?;
        Ok(v1::GetReplayResponse {
            replay: Some(to_wire(replay)),
        })
    }
}

/// A job as the wire has it.
pub(super) fn to_wire(replay: Replay) -> v1::Replay {
    let state = match replay.state {
        ReplayState::Running => v1::ReplayState::Running,
        ReplayState::Done => v1::ReplayState::Done,
        ReplayState::Cancelled => v1::ReplayState::Cancelled,
        ReplayState::Failed => v1::ReplayState::Failed,
    };
    let running = replay.state == ReplayState::Running;
    let left = replay
        .matched
        .min(replay.deliveries_max.unwrap_or(u64::MAX))
        .saturating_sub(replay.scheduled);
    let estimated = replay.updated_at.plus(Duration::from_millis(
        left.saturating_mul(1_000) / u64::from(replay.rate.max(1)),
    ));
    v1::Replay {
        id: replay.id.to_string(),
        state: state.into(),
        rate: replay.rate,
        max_deliveries: replay.deliveries_max.unwrap_or(0),
        matched_count: replay.matched,
        scheduled_count: replay.scheduled,
        measured_rate: measured_rate(&replay),
        estimated_end_time: running.then(|| convert::timestamp(estimated)),
        resumed_from: replay.resumed_from.map(|id| id.to_string()).unwrap_or_default(),
        error: replay.error.unwrap_or_default(),
        create_time: Some(convert::timestamp(replay.created_at)),
        update_time: Some(convert::timestamp(replay.updated_at)),
        filter: Some(filter(replay.filter)),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a rate for people; counts are far below 2^52"
)]
fn measured_rate(replay: &Replay) -> f64 {
    let took = replay.updated_at.since(replay.created_at).as_secs_f64();
    if took > 0.0 {
        replay.scheduled as f64 / took
    } else {
        0.0
    }
}

fn filter(filter: ReplayFilter) -> v1::ReplayFilter {
    let state = |from: ReplayFrom| match from {
        ReplayFrom::Delivered => v1::DeliveryState::Delivered,
        ReplayFrom::Dead => v1::DeliveryState::Dead,
        ReplayFrom::Cancelled => v1::DeliveryState::Cancelled,
    };
    v1::ReplayFilter {
        webhook_id: filter.webhook.map(|id| id.to_string()).unwrap_or_default(),
        event_types: filter.event_types,
        states: filter.states.into_iter().map(|from| state(from).into()).collect(),
        since_time: filter.since.map(convert::timestamp),
        until_time: Some(convert::timestamp(filter.until)),
    }
}
