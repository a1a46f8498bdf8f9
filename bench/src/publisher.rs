//! The publisher process: publishes as its plan says and writes down what became of each publish.

use std::{
    io::{self, Read as _},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use hookwright_proto::v1::{PublishRequest, PublishResponse, webhook_service_client::WebhookServiceClient};
use tonic::{
    Code, Request, Status,
    transport::{Channel, Endpoint},
};

use crate::{
    clock::Moment,
    closed_loop,
    key::EventKey,
    open_loop,
    payload::Payloads,
    plan::{Load, Plan},
    records::{self, Publication},
    stream::StreamClient,
};

/// Reads a plan from standard input and carries it out.
pub(crate) fn run() -> Result<()> {
    let mut plan = String::new();
    io::stdin().read_to_string(&mut plan)?;
    let plan: Plan = serde_json::from_str(&plan).context("reading the plan")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(plan.threads.into())
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let publisher = Arc::new(Publisher::new(&plan)?);
        match plan.load {
            Load::Open {
                interval_nanos,
                count,
            } => {
                open_loop::run(&publisher, plan.start, interval_nanos, count).await?;
            }
            Load::Closed { publishers, end } => {
                closed_loop::run(&publisher, plan.start, publishers, end).await?;
            }
        }
        let done = publisher.done.lock().unwrap_or_else(PoisonError::into_inner);
        records::write(&plan.output, &done)
    })
}

/// What all publishes share.
#[derive(Debug)]
pub(crate) struct Publisher {
    /// Targets in turn, so that consecutive publishes go to different ones.
    clients: Vec<Client>,
    payloads: Payloads,
    event_type: String,
    idempotency_keys: bool,
    retry: bool,
    seed: u64,
    failures: AtomicUsize,
    done: Mutex<Vec<Publication>>,
}

#[derive(Debug)]
struct Client {
    how: How,
    target: u16,
}

/// How events go over a connection.
#[derive(Debug)]
enum How {
    OneByOne(WebhookServiceClient<Channel>),
    Streamed(StreamClient),
}

impl Publisher {
    fn new(plan: &Plan) -> Result<Self> {
        let mut clients = Vec::new();
        for _ in 0..plan.connections {
            for (target, address) in (0..).zip(&plan.targets) {
                let channel = Endpoint::from_shared(address.clone())?
                    .connect_timeout(CONNECT_TIMEOUT)
                    .connect_lazy();
                let client = WebhookServiceClient::new(channel);
                let how = if plan.stream {
                    How::Streamed(StreamClient::new(client))
                } else {
                    How::OneByOne(client)
                };
                clients.push(Client { how, target });
            }
        }
        Ok(Self {
            clients,
            payloads: Payloads::new(plan.payload_bytes, plan.seed),
            event_type: plan.event_type.clone(),
            idempotency_keys: plan.idempotency_keys,
            retry: plan.retry,
            seed: plan.seed,
            failures: AtomicUsize::new(0),
            done: Mutex::new(Vec::new()),
        })
    }

    /// Publishes event number `sequence` and notes how that went.
    pub(crate) async fn publish(&self, sequence: u64, scheduled: Moment) {
        let sent = Moment::now();
        let give_up = sent.after(RETRY_FOR);
        let mut tries = 0;
        let (target, answer) = loop {
            let (target, answer) = self.attempt(sequence, tries).await;
            tries += 1;
            match &answer {
                Err(status) if self.retry && may_pass(status.code()) && Moment::now() < give_up => {
                    tokio::time::sleep(RETRY_DELAY).await;
                }
                Ok(_) | Err(_) => break (target, answer),
            }
        };
        let answered = Moment::now();
        let (event, deliveries, code) = match answer {
            Ok(response) => match EventKey::parse(response.event_id.as_bytes()) {
                Some(event) => (event, response.delivery_count, Code::Ok),
                // An answer without an event id acknowledges nothing.
                None => (EventKey(0), 0, Code::DataLoss),
            },
            Err(status) => {
                self.explain(&status);
                (EventKey(0), 0, status.code())
            }
        };
        self.done
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Publication {
                scheduled,
                sent,
                answered,
                event,
                deliveries,
                target,
                tries,
                code: code as u16,
            });
    }

    async fn attempt(&self, sequence: u64, tries: u16) -> (u16, Result<PublishResponse, Status>) {
        // A repetition goes to the next connection, and with that to the next target.
        let turn = sequence.wrapping_add(tries.into()) % self.clients.len() as u64;
        let client = &self.clients[usize::try_from(turn).unwrap_or_default()];
        let idempotency_key = if self.idempotency_keys {
            format!("{:016x}-{sequence}", self.seed)
        } else {
            String::new()
        };
        let event = PublishRequest {
            event_type: self.event_type.clone(),
            payload: self.payloads.payload(sequence),
            idempotency_key,
            ..PublishRequest::default()
        };
        let answer = match &client.how {
            How::OneByOne(client) => {
                let mut request = Request::new(event);
                request.set_timeout(ATTEMPT_TIMEOUT);
                client
                    .clone()
                    .publish(request)
                    .await
                    .map(tonic::Response::into_inner)
            }
            How::Streamed(client) => tokio::time::timeout(ATTEMPT_TIMEOUT, client.publish(sequence, event))
                .await
                .unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer on the stream"))),
        };
        (client.target, answer)
    }

    /// Shows the first failures; the records hold only their codes.
    fn explain(&self, status: &Status) {
        if self.failures.fetch_add(1, Ordering::Relaxed) < EXPLAINED_FAILURES {
            eprintln!("publisher: {:?}: {}", status.code(), status.message());
        }
    }
}

/// Whether the same publish can succeed later, as far as the code tells.
fn may_pass(code: Code) -> bool {
    match code {
        // A killed service shows as any of these, depending on how far the request had come.
        Code::Aborted
        | Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Internal
        | Code::ResourceExhausted
        | Code::Unavailable
        | Code::Unknown => true,
        Code::AlreadyExists
        | Code::DataLoss
        | Code::FailedPrecondition
        | Code::InvalidArgument
        | Code::NotFound
        | Code::Ok
        | Code::OutOfRange
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::Unimplemented => false,
    }
}

pub(crate) const EVENT_TYPE: &str = "bench.published";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest that one attempt may take; what takes longer is a failure to report, not a latency.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than any restart or takeover that is worth a report.
const RETRY_FOR: Duration = Duration::from_mins(2);
/// Short against the time a restart takes, so that the client adds little of its own to it.
const RETRY_DELAY: Duration = Duration::from_millis(25);
const EXPLAINED_FAILURES: usize = 5;
