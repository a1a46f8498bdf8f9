//! The receiver process: an HTTP/1.1 server that remembers who called when.
//!
//! It is steered through its standard streams. It first writes one line with its address. Then it answers each line
//! it reads with one line of JSON: `progress` with [`Progress`], `dump PATH` with the number of records written to
//! PATH. It ends with its input.

use std::{cell::RefCell, collections::HashMap, net::SocketAddr, path::Path, rc::Rc, time::Duration};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response, StatusCode, body::Incoming, header::RETRY_AFTER, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    task::{LocalSet, spawn_local},
};

use crate::{
    args::ReceiverArgs,
    clock::Moment,
    key::EventKey,
    manner::Manner,
    records::{self, Arrival},
};

/// The receiver's first line.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) address: SocketAddr,
}

/// What the receiver has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Requests that were answered with a success status.
    pub(crate) accepted: u64,
    /// How many different (event, webhook) these are.
    pub(crate) distinct: u64,
    /// Requests that were refused on purpose.
    pub(crate) refused: u64,
    /// Requests whose body broke off, as it does when the service is killed.
    pub(crate) broken: u64,
    /// Requests without an event id or to an unknown path. A fault, always.
    pub(crate) invalid: u64,
    /// Connections accepted so far.
    pub(crate) connections: u64,
}

/// Runs until standard input ends.
pub(crate) fn run(args: &ReceiverArgs) -> Result<()> {
    // One thread: a second one would take the core that the service needs, and one answers tens of thousands a second.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind(args.listen)
            .await
            .context("binding the receiver's address")?;
        let address = listener.local_addr()?;
        let book = Rc::new(RefCell::new(Book::new(args)));
        spawn_local(accept(listener, Rc::clone(&book), args.behaviour.latency));
        obey(address, &book).await
    })
}

/// Answers commands until the input ends.
async fn obey(address: SocketAddr, book: &RefCell<Book>) -> Result<()> {
    let mut output = tokio::io::stdout();
    let mut answer = serde_json::to_string(&Hello { address })?;
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    loop {
        answer.push('\n');
        output.write_all(answer.as_bytes()).await?;
        output.flush().await?;
        let Some(command) = input.next_line().await? else {
            return Ok(());
        };
        answer = match command.split_once(' ') {
            None if command == "progress" => serde_json::to_string(&book.borrow().progress)?,
            Some(("dump", path)) => {
                let arrivals = &book.borrow().arrivals;
                records::write(Path::new(path), arrivals)?;
                arrivals.len().to_string()
            }
            _ => bail!("unknown command `{command}`"),
        };
    }
}

async fn accept(listener: TcpListener, book: Rc<RefCell<Book>>, latency: Duration) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: the run is worth nothing, but is to end with a report.
                eprintln!("receiver: accept: {error}");
                book.borrow_mut().progress.invalid += 1;
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Small answers must not wait for an acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        book.borrow_mut().progress.connections += 1;
        let book = Rc::clone(&book);
        spawn_local(async move {
            let service = service_fn(|request| answer(request, peer.port(), &book, latency));
            // A connection that breaks is no news: the service may have been killed on purpose.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    peer: u16,
    book: &RefCell<Book>,
    latency: Duration,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let target = Manner::of(request.uri().path());
    let event = request
        .headers()
        .get("webhook-id")
        .and_then(|id| EventKey::parse(id.as_bytes()));
    if let Err(error) = request.into_body().collect().await {
        book.borrow_mut().progress.broken += 1;
        return Err(error);
    }
    let at = Moment::now();
    let mut response = Response::new(Full::default());
    if let Some((event, (manner, webhook))) = event.zip(target) {
        *response.status_mut() = book.borrow_mut().enter(event, manner, webhook, peer, at);
        let latency = latency + manner.latency();
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
    } else {
        book.borrow_mut().progress.invalid += 1;
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    if response.status() == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(RETRY_AFTER, Manner::RETRY_AFTER);
    }
    Ok(response)
}

/// Everything that has arrived.
struct Book {
    arrivals: Vec<Arrival>,
    requests: HashMap<(EventKey, u16), Requests>,
    progress: Progress,
    fail_share: f64,
    fail_first: bool,
    random: SmallRng,
}

/// What has arrived of one delivery.
#[derive(Clone, Copy, Default)]
struct Requests {
    any: bool,
    accepted: bool,
}

impl Book {
    fn new(args: &ReceiverArgs) -> Self {
        Self {
            // Growing means moving everything, which would show as a slow answer.
            arrivals: Vec::with_capacity(args.behaviour.expects),
            requests: HashMap::with_capacity(args.behaviour.expects),
            progress: Progress::default(),
            fail_share: args.behaviour.fail_share,
            fail_first: args.behaviour.fail_first,
            random: SmallRng::seed_from_u64(args.seed),
        }
    }

    /// Notes a request and decides its answer.
    fn enter(&mut self, event: EventKey, manner: Manner, webhook: u16, peer: u16, at: Moment) -> StatusCode {
        let seen = self.requests.entry((event, webhook)).or_default();
        let refused = (self.fail_first && !seen.any)
            || (self.fail_share > 0.0 && self.random.random_bool(self.fail_share));
        seen.any = true;
        let refusal = if refused {
            Some(StatusCode::INTERNAL_SERVER_ERROR)
        } else {
            manner.refusal(&mut self.random)
        };
        let status = if let Some(refusal) = refusal {
            self.progress.refused += 1;
            refusal
        } else {
            self.progress.accepted += 1;
            self.progress.distinct += u64::from(!seen.accepted);
            seen.accepted = true;
            StatusCode::OK
        };
        self.arrivals.push(Arrival {
            event,
            at,
            webhook,
            peer,
            status: status.as_u16(),
        });
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Behaviour;

    fn book(fail_share: f64, fail_first: bool) -> Book {
        Book::new(&ReceiverArgs {
            listen: ([127, 0, 0, 1], 0).into(),
            behaviour: Behaviour {
                latency: Duration::ZERO,
                fail_share,
                fail_first,
                expects: 1_000,
            },
            seed: 1,
        })
    }

    #[test]
    fn repeated_requests_are_accepted_and_not_distinct() {
        let mut book = book(0.0, false);
        for webhook in [0, 1, 0] {
            assert_eq!(
                book.enter(EventKey(1), Manner::Good, webhook, 9, Moment::from_nanos(1)),
                StatusCode::OK
            );
        }
        let expected = Progress {
            accepted: 3,
            distinct: 2,
            ..Progress::default()
        };
        assert_eq!(book.progress, expected);
        assert_eq!(book.arrivals.len(), 3);
    }

    #[test]
    fn the_first_request_of_each_delivery_can_be_refused() {
        let mut book = book(0.0, true);
        let at = Moment::from_nanos(1);
        assert_eq!(
            book.enter(EventKey(1), Manner::Good, 0, 9, at),
            StatusCode::INTERNAL_SERVER_ERROR
        );
        assert_eq!(
            book.enter(EventKey(1), Manner::Good, 1, 9, at),
            StatusCode::INTERNAL_SERVER_ERROR
        );
        assert_eq!(book.enter(EventKey(1), Manner::Good, 0, 9, at), StatusCode::OK);
        assert_eq!(
            (
                book.progress.accepted,
                book.progress.distinct,
                book.progress.refused
            ),
            (1, 1, 2)
        );
    }

    #[test]
    fn a_share_of_the_requests_can_be_refused() {
        let mut book = book(0.25, false);
        for event in 0..10_000 {
            book.enter(EventKey(event), Manner::Good, 0, 9, Moment::from_nanos(1));
        }
        assert!(
            (2_300..2_700).contains(&book.progress.refused),
            "{}",
            book.progress.refused
        );
    }
}
