//! `PublishStream`: many events over one call, each answered on its own.
//!
//! ```text
//!   requests ──► admitted ──► under way ──► answered ──► answers
//!             memory set aside   stored                 as fast as they are read
//! ```
//!
//! One task for each stream. What is under way goes on whether the caller reads or not, and gives its memory back when it
//! is stored: a caller that does not read holds up nobody but itself.

use std::{
    collections::VecDeque,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Stream, StreamExt as _, stream::FuturesUnordered};
use hookwright_proto::v1::{self, publish_stream_response::Result as Answered};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tonic::{Status, Streaming};

use super::{
    Caller, Service,
    error::{Reason, Violation},
    status,
};

/// Memory for the events of all streams that are being stored, in KiB.
pub(super) const STREAMED_KIB_MAX: usize = 64 * 1_024;
/// What an event counts at least: at most 2,048 small ones are under way, so that half of the places for publishes are
/// left for those that come one by one.
const EVENT_KIB_MIN: usize = 32;
/// Events of one stream that were read and whose answers were not. Enough for a few full batches.
const UNANSWERED_MAX: usize = 1_024;
/// Answers that wait for the connection.
const ANSWERS_MAX: usize = 128;

/// How long a caller has for taking note that this node stops.
const LINGER: Duration = Duration::from_secs(1);

/// The answers to a stream.
#[derive(Debug)]
pub(crate) struct Answers(mpsc::Receiver<Result<v1::PublishStreamResponse, Status>>);

impl Stream for Answers {
    type Item = Result<v1::PublishStreamResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// Begins to read events.
pub(super) fn start(
    service: Arc<Service>,
    caller: Caller,
    requests: Streaming<v1::PublishStreamRequest>,
) -> Answers {
    let (answers, answered) = mpsc::channel(ANSWERS_MAX);
    let calls = service.calls.clone();
    calls.spawn(run(service, caller, requests, answers));
    Answers(answered)
}

async fn run(
    service: Arc<Service>,
    caller: Caller,
    requests: Streaming<v1::PublishStreamRequest>,
    answers: mpsc::Sender<Result<v1::PublishStreamResponse, Status>>,
) {
    let mut admitted = pin!(requests.then(|request| admit(&service, &caller, request)));
    let mut ended = pin!(caller.ended(service.store.clock()));
    let mut under_way = FuturesUnordered::new();
    let mut answered = VecDeque::new();
    let mut is_open = true;
    // What it ends with, if not well.
    let mut end = None;
    while is_open || !under_way.is_empty() || !answered.is_empty() {
        let has_room = under_way.len() + answered.len() < UNANSWERED_MAX;
        tokio::select! {
            biased;
            Some(answer) = under_way.next(), if !under_way.is_empty() => answered.push_back(answer),
            place = answers.reserve(), if !answered.is_empty() => match (place, answered.pop_front()) {
                (Ok(place), Some(answer)) => place.send(Ok(answer)),
                // Nobody is there any more. What is under way is stored all the same.
                _ => return,
            },
            () = service.stop.cancelled(), if is_open => {
                is_open = false;
                end = Some(status::shutting_down());
            }
            refusal = &mut ended, if is_open => {
                is_open = false;
                end = Some(refusal.into());
            }
            next = admitted.next(), if is_open && has_room => match next {
                Some(Ok(event)) => under_way.push(publish(&service, &caller, event)),
                Some(Err(status)) => {
                    is_open = false;
                    end = Some(status);
                }
                None => is_open = false,
            },
            () = answers.closed() => return,
        }
    }
    if let Some(status) = end {
        // The caller may be gone.
        let _ = answers.send(Err(status)).await;
    }
    drop(answers);
    if service.stop.is_cancelled() {
        // A connection that is closed under a caller who still sends takes the last answers with it.
        let until_it_stops = async { while let Some(Ok(_)) = admitted.next().await {} };
        let _ = tokio::time::timeout(LINGER, until_it_stops).await;
    }
}

/// An event with memory set aside for it.
struct Admitted {
    request: v1::PublishStreamRequest,
    _memory: Option<OwnedSemaphorePermit>,
}

/// Waits for the tenant's turn and for memory; what comes after it on the stream is not read meanwhile.
async fn admit(
    service: &Service,
    caller: &Caller,
    request: Result<v1::PublishStreamRequest, Status>,
) -> Result<Admitted, Status> {
    let request = request?;
    // A refusal would only come back with the next try, and everything after it would overtake it.
    while let Err(wait) = caller.limits.admit_publish() {
        tokio::time::sleep(wait).await;
    }
    let bytes = request.event.as_ref().map_or(0, |event| event.payload.len());
    let kib = bytes.div_ceil(1_024).clamp(EVENT_KIB_MIN, STREAMED_KIB_MAX);
    let memory = Arc::clone(&service.streamed).acquire_many_owned(u32::try_from(kib).unwrap_or(u32::MAX));
    Ok(Admitted {
        request,
        // Never closed.
        _memory: memory.await.ok(),
    })
}

async fn publish(service: &Service, caller: &Caller, admitted: Admitted) -> v1::PublishStreamResponse {
    let sequence = admitted.request.sequence;
    let published = match admitted.request.event {
        Some(event) => service.publish_admitted(caller, event).await,
        None => {
            Err(Violation::new("event", Reason::MissingField, "there is no event in this request").into())
        }
    };
    let result = match published {
        Ok(published) => Answered::Published(published),
        Err(error) => Answered::Error(status::publish_error(error)),
    };
    v1::PublishStreamResponse {
        sequence,
        result: Some(result),
    }
}
