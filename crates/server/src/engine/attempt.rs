//! One attempt: render, sign, send, read, classify, decide, report.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use hookwright_core::{EventFields, Message, jwe::JweError};
use hookwright_egress::{Answer, Exchange, ExchangeError};
use hookwright_store::{
    AttemptEnd, Clock, CountedFrom, DeliveryId, End, Event, FailPoint, Finish, Finisher, Next, Origin,
    Outcome, Slot, Timestamp, WebhookId,
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    disable::{DisabledReason, Disabler},
    feedback::Feedback,
    retry::{Decision, Ended, decide},
    retry_after::wait_until,
};
use crate::directory::{Directory, LiveWebhook};

/// An attempt that takes longer is parked: it has a retry row that is due when it is over. So it does not hold the node's
/// low-water mark back, above which a recovery has to look at everything, nor its lane, which another node may wait for.
const PARK_AFTER: Duration = Duration::from_secs(5);
/// How long after its deadline a parked attempt may need until its result is stored.
const PARK_MARGIN: Duration = Duration::from_secs(10);
/// How much of a response body is kept.
const RESPONSE_KEPT_BYTES_MAX: usize = 4 * 1024;
/// How much later a delivery is due again that this node does not know how to make. Its webhook's profile is missing here,
/// and that is put right by a restart.
pub(super) const UNUSABLE_PAUSE: Duration = Duration::from_mins(5);
/// How much later a receiver that is gone is asked again when its webhook could not be disabled.
const DISABLE_PAUSE: Duration = Duration::from_mins(1);
/// How much of an error text is kept.
const ERROR_KEPT_CHARS_MAX: usize = 500;

/// A delivery in this node's memory.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) event: Arc<Event>,
    pub(super) webhook: WebhookId,
    pub(super) number: u16,
    pub(super) origin: Origin,
    /// When it was due.
    pub(super) due_at: Timestamp,
    /// What its attempts are counted from, if it was replayed: its schedule starts anew there.
    pub(super) replay: Option<CountedFrom>,
    pub(super) slot: Slot,
    pub(super) queued_at: Instant,
}

impl Job {
    /// Which attempt of its schedule this is, 1 for the first.
    fn number_in_schedule(&self) -> u16 {
        let before = self.replay.map_or(0, |replay| replay.after);
        self.number.saturating_sub(before).max(1)
    }

    /// When its event was published, or its replay asked for.
    fn wanted_at(&self) -> Timestamp {
        self.replay
            .map_or_else(|| self.event.id.created_at(), |replay| replay.at)
    }
}

/// What every attempt needs.
#[derive(Debug)]
pub(super) struct AttemptContext {
    pub(super) clock: Clock,
    pub(super) directory: Arc<Directory>,
    pub(super) finisher: Finisher,
    pub(super) disabler: Disabler,
    /// Ends attempts under way.
    pub(super) interrupt: CancellationToken,
}

impl AttemptContext {
    /// Attempts a delivery, reports what came of it, and says what it tells about the webhook.
    pub(super) async fn attempt(&self, mut job: Job) -> Feedback {
        let (end, feedback) = match self.directory.webhook(job.webhook) {
            // Held: in the store, with the place in the order that it had.
            Some(live) if live.is_stopped() => (End::Released(job.due_at), Feedback::default()),
            Some(live) => self.make_or_give_up(&live, &mut job).await,
            None => (Box::pin(self.without_webhook(&job)).await, Feedback::default()),
        };
        self.finish(&job, end).await;
        FailPoint::AttemptReported.pass();
        // The memory is free once the result is queued, not before.
        drop(job.slot);
        feedback
    }

    /// Gives a delivery back that was not attempted. It is due when it was, so that it keeps its place.
    pub(super) async fn release(&self, job: Job) {
        let due_at = job.due_at;
        self.release_until(job, due_at).await;
    }

    /// Gives a delivery back that was not attempted and is due again at this moment.
    pub(super) async fn release_until(&self, job: Job, due_at: Timestamp) {
        self.finish(&job, End::Released(due_at)).await;
    }

    async fn finish(&self, job: &Job, end: End) {
        let finish = Finish {
            tenant: job.event.tenant,
            delivery: delivery_of(job),
            event_type: job.event.event_type.clone(),
            number: job.number,
            origin: job.origin,
            end,
        };
        self.finisher.finish(finish).await;
    }

    /// A delivery that breaks its attempt would break every other one as well: it is given up, once.
    async fn make_or_give_up(&self, live: &LiveWebhook, job: &mut Job) -> (End, Feedback) {
        match unbroken(self.make(live, job)).await {
            Ok(made) => made,
            Err(problem) => {
                let delivery = delivery_of(job);
                tracing::error!(%delivery, problem, "an attempt broke down; the delivery is given up");
                let reason = format!("the attempt broke down, which is a fault of this service: {problem}");
                (End::GivenUp(shortened(&reason)), Feedback::default())
            }
        }
    }

    async fn make(&self, live: &LiveWebhook, job: &mut Job) -> (End, Feedback) {
        let started_at = self.clock.now();
        let clock_start = Instant::now();
        let exchange = match exchange(live, &job.event, started_at.unix_seconds()) {
            Ok(exchange) => exchange,
            // There is nothing that could be sent, now or later.
            Err(error) => {
                let reason = format!("it cannot be sent: {error}");
                return (End::GivenUp(shortened(&reason)), Feedback::default());
            }
        };
        FailPoint::AttemptRendered.pass();
        let Some(result) = self.run_or_park(live, job, exchange).await else {
            // Our own shutdown is not the receiver's fault: the attempt does not count.
            return (End::Released(job.due_at), Feedback::default());
        };
        FailPoint::AttemptAnswered.pass();
        let latency = clock_start.elapsed();
        let ended_at = self.clock.now();
        let report = Report::of(result, live, ended_at);
        let feedback = report.feedback();
        let ended = Ended {
            outcome: report.outcome,
            http_status: report.http_status,
            number: job.number_in_schedule(),
            wanted_at: job.wanted_at(),
            at: ended_at,
            wait_until: report.wait_until,
            random: chance(job),
        };
        let next = match decide(&ended, &live.retry) {
            Decision::Delivered => Next::Delivered,
            Decision::Dead => Next::Dead,
            // What is rare is in boxes, so that nothing else makes room for it.
            Decision::Retry(due_at) => Box::pin(self.retry_or_cancel(job, due_at)).await,
            Decision::Gone => Box::pin(self.disable_and_retry(job, ended_at)).await,
        };
        tracing::debug!(
            delivery = %delivery_of(job),
            number = job.number,
            outcome = ?report.outcome,
            http_status = report.http_status,
            latency_us = latency.as_micros(),
            ?next,
            "attempt"
        );
        let end = End::Attempted(AttemptEnd {
            outcome: report.outcome,
            http_status: report.http_status,
            started_at,
            latency,
            error: report.error,
            response: report.response,
            next,
        });
        (end, feedback)
    }

    async fn disable_and_retry(&self, job: &Job, now: Timestamp) -> Next {
        let due_at = self.disable(job, now).await;
        self.retry_or_cancel(job, due_at).await
    }

    /// Stops the webhook of a receiver that is gone, before its delivery is due again. Returns when that is.
    async fn disable(&self, job: &Job, now: Timestamp) -> Timestamp {
        let disabled = self
            .disabler
            .disable(job.event.tenant, job.webhook, DisabledReason::Gone, now)
            .await;
        match disabled {
            Ok(()) => now,
            Err(error) => {
                tracing::error!(webhook = %job.webhook, %error, "a webhook that is gone could not be disabled");
                now.plus(DISABLE_PAUSE)
            }
        }
    }

    async fn retry_or_cancel(&self, job: &Job, due_at: Timestamp) -> Next {
        if self.directory.webhook(job.webhook).is_some() {
            return Next::Retry(due_at);
        }
        match self.without_webhook(job).await {
            End::Cancelled => Next::Cancelled,
            _ => Next::Retry(due_at),
        }
    }

    /// What becomes of a delivery whose webhook this node does not have: it was deleted, or this node does not know how
    /// to deliver to it.
    async fn without_webhook(&self, job: &Job) -> End {
        match self.directory.tenant(job.event.tenant).await {
            Ok(index) if index.is_unusable(job.webhook) => {
                End::Released(self.clock.now().plus(UNUSABLE_PAUSE))
            }
            Ok(_) => End::Cancelled,
            Err(error) => {
                tracing::error!(%error, "the webhooks of a tenant could not be read");
                End::Released(job.due_at)
            }
        }
    }

    /// `None` when interrupted.
    async fn run_or_park(
        &self,
        live: &LiveWebhook,
        job: &mut Job,
        exchange: Exchange,
    ) -> Option<Result<Answer, ExchangeError>> {
        let deadline = exchange.timeout;
        // In a box: each function around it would move it, and it is large.
        let mut running = Box::pin(live.send(exchange));
        if deadline > PARK_AFTER {
            tokio::select! {
                biased;
                result = &mut running => return Some(result),
                () = self.interrupt.cancelled() => return None,
                () = tokio::time::sleep(PARK_AFTER) => {
                    let due_at = self.clock.now().plus(live.timeout.saturating_sub(PARK_AFTER) + PARK_MARGIN);
                    self.finish(job, End::Parked(due_at)).await;
                    FailPoint::AttemptParked.pass();
                    job.origin = Origin::Retry;
                }
            }
        }
        tokio::select! {
            biased;
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
        method: live.method.as_str(),
        url: live.url.as_str(),
    };
    let mut headers = live.headers.clone();
    // Computed headers come last, so that nothing an owner configured can stand in their place.
    insert_all(&mut headers, live.profile.extra_headers(&fields));
    insert_all(&mut headers, live.signer.sign(&message));
    Ok(Exchange {
        method: live.method.clone(),
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

fn delivery_of(job: &Job) -> DeliveryId {
    DeliveryId {
        event: job.event.id,
        webhook: job.webhook,
    }
}

/// A number from 0 to 1 that differs between the attempts of a delivery and between deliveries, and for one attempt is always
/// the same. Ids are random enough to spread what fails together.
fn chance(job: &Job) -> f64 {
    let mut hash = DefaultHasher::new();
    (job.event.id, job.webhook, job.number).hash(&mut hash);
    // As many bits as a number of this kind has exactly.
    let bits = u32::try_from(hash.finish() >> 32).unwrap_or(u32::MAX);
    f64::from(bits) / f64::from(u32::MAX)
}

/// What a future gives, or the message of its panic.
async fn unbroken<T>(future: impl Future<Output = T>) -> Result<T, String> {
    // What the future had borrowed is only read afterwards, to say which delivery it was.
    AssertUnwindSafe(future).catch_unwind().await.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        text.or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| String::from("no message"))
    })
}

fn shortened(text: &str) -> String {
    text.chars().take(ERROR_KEPT_CHARS_MAX).collect()
}

/// An exchange, classified.
struct Report {
    outcome: Outcome,
    http_status: Option<u16>,
    /// The receiver asked for no request before this moment.
    wait_until: Option<Timestamp>,
    error: Option<String>,
    response: Option<Bytes>,
}

impl Report {
    fn of(result: Result<Answer, ExchangeError>, live: &LiveWebhook, ended_at: Timestamp) -> Self {
        match result {
            Ok(answer) => Self::of_answer(&answer, live, ended_at),
            Err(error) => {
                let outcome = match error {
                    ExchangeError::TimedOut(_) => Outcome::TimedOut,
                    ExchangeError::BlockedAddress(_) => Outcome::BlockedAddress,
                    ExchangeError::Tls(_) => Outcome::TlsFailed,
                    ExchangeError::HeadersTooLarge | ExchangeError::TooManyInterimAnswers => {
                        Outcome::ResponseTooLarge
                    }
                    // A proxy or an authorization server that says no stands between us and the receiver.
                    _ => Outcome::Unreachable,
                };
                Self {
                    outcome,
                    http_status: None,
                    wait_until: None,
                    error: Some(shortened(&error.to_string())),
                    response: None,
                }
            }
        }
    }

    fn of_answer(answer: &Answer, live: &LiveWebhook, ended_at: Timestamp) -> Self {
        let status = answer.status;
        let (outcome, error) = if live.is_success(status.as_u16()) {
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
            wait_until: wait_until(status, answer.headers.get(header::RETRY_AFTER), ended_at),
            error,
            response,
        }
    }

    fn feedback(&self) -> Feedback {
        Feedback {
            outcome: Some(self.outcome),
            http_status: self.http_status,
            wait_until: self.wait_until,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_result_with_its_message() {
        assert_eq!(unbroken(async { 7 }).await, Ok(7));
        let field = String::from("data");
        let formatted = unbroken::<()>(async { panic!("no room for {field}") }).await;
        assert_eq!(formatted, Err(String::from("no room for data")));
        let later = async {
            tokio::task::yield_now().await;
            panic!("plain");
        };
        assert_eq!(unbroken::<()>(later).await, Err(String::from("plain")));
    }
}
