//! One attempt: render, sign, POST, read, classify, decide, report.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use hookwright_core::{EventFields, Message, Profile, jwe::JweError};
use hookwright_store::{
    AttemptEnd, Clock, DeliveryId, End, Event, Finish, Finisher, Next, Origin, Outcome, Slot, WebhookId,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio_util::sync::CancellationToken;

use super::retry::decide;
use crate::{
    directory::{Directory, LiveWebhook},
    egress::{Answer, EgressClient, Exchange, ExchangeError},
};

/// An attempt that takes longer gets a retry row, so that it does not hold the node's low-water mark back: a recovery
/// has to look at everything above the mark.
const PARK_AFTER: Duration = Duration::from_secs(5);
/// How long after its deadline a parked attempt may need until its result is stored.
const PARK_MARGIN: Duration = Duration::from_secs(10);
/// How much of a response body is kept.
const RESPONSE_KEPT_BYTES_MAX: usize = 4 * 1024;
/// How much of an error text is kept.
const ERROR_KEPT_CHARS_MAX: usize = 500;

/// A delivery in this node's memory.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) event: Arc<Event>,
    pub(super) webhook: WebhookId,
    pub(super) number: u16,
    pub(super) origin: Origin,
    pub(super) slot: Slot,
    pub(super) queued_at: Instant,
}

/// What every attempt needs.
#[derive(Debug)]
pub(super) struct AttemptContext {
    pub(super) clock: Clock,
    pub(super) directory: Arc<Directory>,
    pub(super) egress: EgressClient,
    pub(super) finisher: Finisher,
    /// Ends attempts under way.
    pub(super) interrupt: CancellationToken,
}

impl AttemptContext {
    /// Attempts a delivery and reports what came of it.
    pub(super) async fn attempt(&self, mut job: Job) {
        let end = match self.directory.webhook(job.webhook) {
            Some(live) => self.make(&live, &mut job).await,
            None => End::Cancelled,
        };
        self.finish(&job, end).await;
        // The memory is free once the result is queued, not before.
        drop(job.slot);
    }

    /// Gives a delivery back that was not attempted.
    pub(super) async fn release(&self, job: Job) {
        self.finish(&job, End::Released(self.clock.now())).await;
    }

    async fn finish(&self, job: &Job, end: End) {
        let delivery = DeliveryId {
            event: job.event.id,
            webhook: job.webhook,
        };
        let finish = Finish {
            tenant: job.event.tenant,
            delivery,
            number: job.number,
            origin: job.origin,
            end,
        };
        self.finisher.finish(finish).await;
    }

    async fn make(&self, live: &LiveWebhook, job: &mut Job) -> End {
        let started_at = self.clock.now();
        let clock_start = Instant::now();
        let result = match exchange(live, &job.event, started_at.unix_seconds()) {
            Ok(exchange) => self.run_or_park(live, job, exchange).await,
            // It is too long to be encrypted, so there is nothing that could be sent.
            Err(error) => Some(Err(ExchangeError::Unreachable(error.to_string()))),
        };
        let Some(result) = result else {
            // Our own shutdown is not the receiver's fault: the attempt does not count.
            return End::Released(self.clock.now());
        };
        let latency = clock_start.elapsed();
        let report = Report::of(result, &live.profile);
        let random = rand::random();
        let ended_at = self.clock.now();
        let next = match decide(report.outcome, job.number, ended_at, &live.schedule, random) {
            Next::Retry(_) if self.directory.webhook(job.webhook).is_none() => Next::Cancelled,
            next => next,
        };
        tracing::debug!(
            delivery = %DeliveryId { event: job.event.id, webhook: job.webhook },
            number = job.number,
            outcome = ?report.outcome,
            http_status = report.http_status,
            latency_us = latency.as_micros(),
            ?next,
            "attempt"
        );
        End::Attempted(AttemptEnd {
            outcome: report.outcome,
            http_status: report.http_status,
            started_at,
            latency,
            error: report.error,
            response: report.response,
            next,
        })
    }

    /// `None` when interrupted.
    async fn run_or_park(
        &self,
        live: &LiveWebhook,
        job: &mut Job,
        exchange: Exchange,
    ) -> Option<Result<Answer, ExchangeError>> {
        let deadline = exchange.timeout;
        let mut running = std::pin::pin!(self.egress.exchange(exchange));
        if job.origin == Origin::Publish && deadline > PARK_AFTER {
            tokio::select! {
                result = &mut running => return Some(result),
                () = self.interrupt.cancelled() => return None,
                () = tokio::time::sleep(PARK_AFTER) => {
                    let due_at = self.clock.now().plus(live.timeout.saturating_sub(PARK_AFTER) + PARK_MARGIN);
                    self.finish(job, End::Parked(due_at)).await;
                    job.origin = Origin::Retry;
                }
            }
        }
        tokio::select! {
            result = running => Some(result),
            () = self.interrupt.cancelled() => None,
        }
    }
}

fn exchange(live: &LiveWebhook, event: &Event, timestamp: i64) -> Result<Exchange, JweError> {
    let id = event.id.with_prefix(&live.profile.event_id_prefix);
    let fields = EventFields {
        id: &id,
        event_type: &event.event_type,
        occurred_at_ms: event.id.created_at().unix_millis(),
        data: &event.payload,
        extras: &[],
    };
    // Serialised once: what is signed is what is sent. Encryption comes before the signature, so that receivers
    // decrypt only what the signature vouches for; each attempt encrypts anew, so that nothing has to be kept.
    let envelope = live.profile.render(&fields);
    let body = match &live.webhook.settings.encryption {
        None => Bytes::from(envelope),
        Some(key) => Bytes::from(key.encrypt(&envelope, &mut rand::rng())?),
    };
    let message = Message {
        id: &id,
        event_type: &event.event_type,
        timestamp,
        body: &body,
        method: "POST",
        url: live.url.as_str(),
    };
    let mut headers = live.headers.clone();
    // Computed headers come last, so that nothing an owner configured can stand in their place.
    insert_all(&mut headers, live.profile.extra_headers(&fields));
    insert_all(&mut headers, live.signer.sign(&message));
    Ok(Exchange {
        method: Method::POST,
        url: live.url.clone(),
        headers,
        body,
        timeout: live.timeout,
    })
}

fn insert_all(headers: &mut HeaderMap, computed: Vec<(hookwright_core::HeaderName, String)>) {
    for (name, value) in computed {
        // Both are ASCII by construction: a scheme's header names are parsed, its values are encodings.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
}

/// An exchange, classified.
struct Report {
    outcome: Outcome,
    http_status: Option<u16>,
    error: Option<String>,
    response: Option<Bytes>,
}

impl Report {
    fn of(result: Result<Answer, ExchangeError>, profile: &Profile) -> Self {
        match result {
            Ok(answer) => Self::of_answer(&answer, profile),
            Err(error) => {
                let outcome = match error {
                    ExchangeError::TimedOut(_) => Outcome::TimedOut,
                    ExchangeError::BlockedAddress(_) => Outcome::BlockedAddress,
                    ExchangeError::Tls(_) => Outcome::TlsFailed,
                    ExchangeError::Unreachable(_) => Outcome::Unreachable,
                };
                let error: String = error.to_string().chars().take(ERROR_KEPT_CHARS_MAX).collect();
                Self {
                    outcome,
                    http_status: None,
                    error: Some(error),
                    response: None,
                }
            }
        }
    }

    fn of_answer(answer: &Answer, profile: &Profile) -> Self {
        let status = answer.status;
        let (outcome, error) = if profile.is_success(status.as_u16()) {
            (Outcome::Accepted, None)
        } else if status.is_redirection() {
            (
                Outcome::Redirected,
                Some(format!("answered {status}; redirects are not followed")),
            )
        } else if answer.truncated {
            (
                Outcome::ResponseTooLarge,
                Some(format!("answered {status} with more than is read")),
            )
        } else {
            (Outcome::Rejected, Some(format!("answered {status}")))
        };
        // A copy of the part that is kept, or the slice would hold on to all of the response.
        let kept = &answer.body[..answer.body.len().min(RESPONSE_KEPT_BYTES_MAX)];
        let response = (!kept.is_empty()).then(|| Bytes::copy_from_slice(kept));
        Self {
            outcome,
            http_status: Some(status.as_u16()),
            error,
            response,
        }
    }
}
