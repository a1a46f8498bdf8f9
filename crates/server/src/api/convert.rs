//! Domain values as the wire has them.

use std::time::Duration;

use hookwright_core::{Jitter, Schedule, jwe::EncryptionKey};
use hookwright_proto::v1;
use hookwright_store::{
    Attempt, Delivery, DeliveryState, DisabledReason, Event, HoldLimits, Outcome, RetryLimits, Stop,
    StopCause, Timestamp, Webhook,
};

use super::connection;

use super::ordering;

pub(super) fn webhook(webhook: Webhook) -> v1::Webhook {
    let settings = webhook.settings;
    let how = settings.connection;
    let state = match settings.stop.map(|stop| stop.cause) {
        None => v1::WebhookState::Active,
        Some(StopCause::Paused) => v1::WebhookState::Paused,
        Some(StopCause::Disabled(_)) => v1::WebhookState::Disabled,
    };
    v1::Webhook {
        id: webhook.id.to_string(),
        name: settings.name,
        url: settings.url,
        profile: settings.profile,
        event_types: settings.event_types,
        headers: settings.headers.0.into_iter().collect(),
        retry_policy: retry_policy(settings.schedule, settings.retry_limits),
        timeout: settings.timeout.map(duration),
        state: state.into(),
        create_time: Some(timestamp(webhook.created_at)),
        update_time: Some(timestamp(webhook.updated_at)),
        etag: etag(webhook.updated_at),
        encryption: settings.encryption.as_ref().map(encryption),
        handshake: settings.handshake.as_ref().map(super::handshake::to_wire),
        method: how.method.as_str().to_owned(),
        content_type: how.content_type.unwrap_or_default(),
        tls: connection::tls_shown(how.tls),
        authentication: how.authentication.map(connection::authentication_shown),
        proxy_url: how
            .proxy_url
            .map(|url| connection::proxy_shown(url.expose()))
            .unwrap_or_default(),
        ordering: ordering::write(settings.ordering).into(),
        alert_emails: settings.alert_emails,
        success_statuses: settings.success_statuses,
        hold: hold_policy(settings.hold),
        status: settings.stop.map(status),
        rate_limit: settings.rate_limit.map(|limit| v1::RateLimit {
            per_second: limit.per_second,
            burst: limit.burst,
        }),
        max_in_flight: settings.max_in_flight.unwrap_or(0),
        disable_after: settings.disable_after.map(duration),
        filter: settings.filter.unwrap_or_default(),
        attributes: settings
            .attributes
            .into_iter()
            .map(|(name, values)| (name, v1::AttributeValues { values }))
            .collect(),
    }
}

/// Names a version of a webhook. No two have the same moment.
pub(super) fn etag(updated_at: Timestamp) -> String {
    format!("{:x}", updated_at.unix_micros())
}

/// The moment that an etag names; none when no version can have it.
pub(super) fn version(etag: &str) -> Option<Timestamp> {
    let micros = i64::from_str_radix(etag, 16).ok()?;
    let version = Timestamp::from_unix_micros(micros);
    (self::etag(version) == etag).then_some(version)
}

/// Without the number of held deliveries.
fn status(stop: Stop) -> v1::WebhookStatus {
    let reason = match stop.cause {
        StopCause::Paused | StopCause::Disabled(DisabledReason::Owner) => v1::StopReason::Owner,
        StopCause::Disabled(DisabledReason::Gone) => v1::StopReason::Gone,
        StopCause::Disabled(DisabledReason::Failing) => v1::StopReason::Failing,
    };
    v1::WebhookStatus {
        reason: reason.into(),
        text: stop.cause.text().to_owned(),
        time: Some(timestamp(stop.since)),
        ..v1::WebhookStatus::default()
    }
}

fn hold_policy(limits: HoldLimits) -> Option<v1::HoldPolicy> {
    (limits != HoldLimits::default()).then(|| v1::HoldPolicy {
        max_deliveries: limits.max_deliveries.unwrap_or(0),
        max_age: limits.max_age.map(duration),
    })
}

fn encryption(key: &EncryptionKey) -> v1::Encryption {
    v1::Encryption {
        algorithm: key.algorithm().to_owned(),
        key_id: key.key_id().unwrap_or_default().to_owned(),
        // A shared key is a secret, and stays here.
        key: (!key.is_shared()).then(|| v1::encryption::Key::PublicKey(key.expose_jwk().as_str().to_owned())),
    }
}

fn retry_policy(schedule: Option<Schedule>, limits: RetryLimits) -> Option<v1::RetryPolicy> {
    (schedule.is_some() || limits != RetryLimits::default()).then(|| v1::RetryPolicy {
        schedule: schedule.map(wire_schedule),
        max_age: limits.max_age.map(duration),
        max_attempts: limits.max_attempts.unwrap_or(0),
        permanent_statuses: limits.permanent_statuses,
    })
}

fn wire_schedule(schedule: Schedule) -> v1::retry_policy::Schedule {
    match schedule {
        Schedule::List(delays) => v1::retry_policy::Schedule::List(v1::ListSchedule {
            delays: delays.into_iter().map(duration).collect(),
        }),
        Schedule::Exponential {
            base,
            factor,
            max_delay,
            max_attempts,
            jitter,
        } => {
            let jitter = match jitter {
                Jitter::None => v1::Jitter::None,
                Jitter::Equal => v1::Jitter::Equal,
                Jitter::Full => v1::Jitter::Full,
            };
            v1::retry_policy::Schedule::Exponential(v1::ExponentialSchedule {
                base: Some(duration(base)),
                factor,
                max_delay: Some(duration(max_delay)),
                max_attempts,
                jitter: jitter.into(),
            })
        }
    }
}

pub(super) fn delivery_state(state: DeliveryState) -> v1::DeliveryState {
    match state {
        DeliveryState::Scheduled(_) => v1::DeliveryState::Scheduled,
        DeliveryState::Held { .. } => v1::DeliveryState::Held,
        DeliveryState::Leased => v1::DeliveryState::Leased,
        DeliveryState::Delivered => v1::DeliveryState::Delivered,
        DeliveryState::Dead => v1::DeliveryState::Dead,
        DeliveryState::Cancelled => v1::DeliveryState::Cancelled,
    }
}

pub(super) fn delivery(delivery: Delivery) -> v1::Delivery {
    let next_attempt_time = match delivery.state {
        // It is due when the one before it is over, which nobody knows.
        DeliveryState::Scheduled(Timestamp::IN_LINE)
        | DeliveryState::Held {
            due_at: Timestamp::IN_LINE,
            ..
        } => None,
        DeliveryState::Scheduled(due_at) | DeliveryState::Held { due_at, .. } => Some(timestamp(due_at)),
        DeliveryState::Leased | DeliveryState::Delivered | DeliveryState::Dead | DeliveryState::Cancelled => {
            None
        }
    };
    let state = delivery_state(delivery.state);
    let state_reason = match delivery.state {
        DeliveryState::Held { stop, .. } => stop.cause.text().to_owned(),
        _ => delivery.given_up.unwrap_or_default(),
    };
    let last = delivery.last.as_ref();
    v1::Delivery {
        id: delivery.id.to_string(),
        event_id: delivery.id.event.to_string(),
        event_type: delivery.event_type,
        webhook_id: delivery.id.webhook.to_string(),
        state: state.into(),
        attempt_count: delivery.attempt_count.into(),
        last_outcome: last
            .map_or(v1::Outcome::Unspecified, |last| outcome(last.outcome))
            .into(),
        last_http_status: last.and_then(|last| last.http_status).unwrap_or(0).into(),
        next_attempt_time,
        create_time: Some(timestamp(delivery.id.event.created_at())),
        last_attempt_time: last.map(|last| timestamp(last.ended_at)),
        state_reason,
        replay_id: delivery.replay.map(|id| id.to_string()).unwrap_or_default(),
        test: delivery.is_test,
        last_attempt_duration: last.map(|last| duration(last.latency)),
        last_error: last.and_then(|last| last.error.clone()).unwrap_or_default(),
    }
}

/// What holds a delivery, if it is held.
pub(super) fn hold(delivery: &Delivery, max_age: Duration) -> Option<v1::Hold> {
    let DeliveryState::Held { stop, .. } = delivery.state else {
        return None;
    };
    let since = stop.since.max(delivery.id.event.created_at());
    let release = match stop.cause {
        StopCause::Paused => "ResumeWebhook, or UpdateWebhook with the state ACTIVE",
        StopCause::Disabled(_) => {
            "ResumeWebhook, or UpdateWebhook with the state ACTIVE, once the receiver takes deliveries again"
        }
    };
    Some(v1::Hold {
        start_time: Some(timestamp(since)),
        reason: stop.cause.text().to_owned(),
        release: release.to_owned(),
        expire_time: Some(timestamp(since.plus(max_age))),
    })
}

pub(super) fn event(event: Event) -> v1::Event {
    v1::Event {
        id: event.id.to_string(),
        create_time: Some(timestamp(event.id.created_at())),
        r#type: event.event_type,
        payload: event.payload,
    }
}

pub(super) fn attempt(attempt: Attempt) -> v1::Attempt {
    v1::Attempt {
        number: attempt.number.into(),
        outcome: outcome(attempt.outcome).into(),
        http_status: attempt.http_status.unwrap_or(0).into(),
        start_time: Some(timestamp(attempt.started_at)),
        duration: Some(duration(attempt.latency)),
        error: attempt.error.unwrap_or_default(),
        response_body: attempt.response.unwrap_or_default(),
        next_attempt_time: attempt.next_at.map(timestamp),
        replay_id: attempt.replay.map(|id| id.to_string()).unwrap_or_default(),
    }
}

pub(super) fn outcome(outcome: Outcome) -> v1::Outcome {
    match outcome {
        Outcome::Accepted => v1::Outcome::Accepted,
        Outcome::Rejected => v1::Outcome::Rejected,
        Outcome::TimedOut => v1::Outcome::TimedOut,
        Outcome::Unreachable => v1::Outcome::Unreachable,
        Outcome::TlsFailed => v1::Outcome::TlsFailed,
        Outcome::BlockedAddress => v1::Outcome::BlockedAddress,
        Outcome::Redirected => v1::Outcome::Redirected,
        Outcome::ResponseTooLarge => v1::Outcome::ResponseTooLarge,
    }
}

pub(super) fn timestamp(moment: Timestamp) -> pbjson_types::Timestamp {
    let micros = moment.unix_micros();
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or(0);
    pbjson_types::Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos,
    }
}

pub(super) fn timestamp_of_seconds(seconds: i64) -> pbjson_types::Timestamp {
    pbjson_types::Timestamp { seconds, nanos: 0 }
}

pub(super) fn duration(duration: Duration) -> pbjson_types::Duration {
    pbjson_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}
