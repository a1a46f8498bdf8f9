//! Receivers of every kind, which write down what they accepted and in which phase of the test.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, Full};
use hyper::{Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use super::within_patience;

/// How many requests the slow one keeps waiting at once: fewer than a new webhook's window, so that others get through.
const HELD_MAX: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Accepts at once.
    Good,
    /// Keeps some waiting until the test goes on: they are under way when something breaks.
    Slow,
    /// Refuses every other event the first time.
    Flaky,
    /// Asked for order; refuses some the first time, which holds their queue.
    Ordered,
    /// Refuses for good.
    Doomed,
    /// Is told what was given up.
    Alerts,
}

impl Kind {
    /// Those that every event goes to.
    pub(super) const OF_ALL: [Self; 4] = [Self::Good, Self::Slow, Self::Flaky, Self::Ordered];
    const ALL: [Self; 6] = [
        Self::Good,
        Self::Slow,
        Self::Flaky,
        Self::Ordered,
        Self::Doomed,
        Self::Alerts,
    ];

    fn path(self) -> &'static str {
        match self {
            Self::Good => "/good",
            Self::Slow => "/slow",
            Self::Flaky => "/flaky",
            Self::Ordered => "/ordered",
            Self::Doomed => "/doomed",
            Self::Alerts => "/alerts",
        }
    }
}

/// A request that was accepted.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) kind: Kind,
    /// Without its prefix.
    pub(super) event: String,
    /// When its request was read. Faults end a phase: between two of them nothing explains a duplicate.
    pub(super) phase: u32,
    pub(super) body: Bytes,
}

pub(super) struct Receivers {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    book: Mutex<Book>,
    phase: AtomicU32,
    /// While something is broken every request has a phase of its own.
    is_broken: AtomicBool,
    /// Accepted requests so far.
    accepted: watch::Sender<usize>,
    holding: watch::Sender<bool>,
    held: AtomicUsize,
    connections: watch::Sender<usize>,
    up: watch::Sender<bool>,
}

#[derive(Default)]
struct Book {
    arrivals: Vec<Arrival>,
    accepted: HashSet<(Kind, String)>,
    accepted_by: HashMap<Kind, usize>,
    /// Requests of each event, and which event of its kind it is.
    seen: HashMap<(Kind, String), (u32, u32)>,
    events: HashMap<Kind, u32>,
}

/// What a request is answered with.
enum Answer {
    Accept,
    AcceptLater,
    Refuse(u16),
}

impl Receivers {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            book: Mutex::new(Book::default()),
            phase: AtomicU32::new(0),
            is_broken: AtomicBool::new(false),
            accepted: watch::Sender::new(0),
            holding: watch::Sender::new(true),
            held: AtomicUsize::new(0),
            connections: watch::Sender::new(0),
            up: watch::Sender::new(true),
        });
        let task = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            task,
        }
    }

    pub(super) fn url(&self, kind: Kind) -> String {
        format!("http://{}{}", self.address, kind.path())
    }

    /// What was accepted, in order.
    pub(super) fn arrivals(&self) -> Vec<Arrival> {
        self.shared.book().arrivals.clone()
    }

    /// Something broke: from now on it explains that what came before comes again.
    pub(super) fn next_phase(&self) {
        self.shared.phase.fetch_add(1, Ordering::SeqCst);
    }

    /// Until this is over nothing that comes twice needs another explanation.
    pub(super) fn something_is_broken(&self, is_so: bool) {
        self.shared.is_broken.store(is_so, Ordering::SeqCst);
        self.next_phase();
    }

    /// Waits until so many more requests are accepted.
    pub(super) async fn accept(&self, more: usize) {
        let mut accepted = self.shared.accepted.subscribe();
        let wanted = *accepted.borrow() + more;
        let enough = accepted.wait_for(|accepted| *accepted >= wanted);
        within_patience("deliveries arrive", enough).await.unwrap();
    }

    /// Waits, however long, until one of them has accepted so many more.
    pub(super) async fn accept_of(&self, kind: Kind, more: usize) {
        let count = || {
            self.shared
                .book()
                .accepted_by
                .get(&kind)
                .copied()
                .unwrap_or_default()
        };
        let mut accepted = self.shared.accepted.subscribe();
        let wanted = count() + more;
        let _ = accepted.wait_for(|_| count() >= wanted).await;
    }

    /// Waits until all of these are accepted.
    pub(super) async fn accept_all(&self, owed: &HashSet<(Kind, String)>) {
        let mut accepted = self.shared.accepted.subscribe();
        let all = accepted.wait_for(|_| owed.is_subset(&self.shared.book().accepted));
        let waited = tokio::time::timeout(super::PATIENCE, all).await.is_ok();
        if !waited {
            let book = self.shared.book();
            let missing: Vec<_> = owed.difference(&book.accepted).collect();
            panic!(
                "{} deliveries of acknowledged events are missing: {missing:?}",
                missing.len()
            );
        }
    }

    /// Whether the slow one keeps some waiting; if not, those that wait are accepted.
    pub(super) fn hold(&self, holds: bool) {
        self.shared.holding.send_replace(holds);
    }

    /// Waits until everything that a dead process had sent is read.
    pub(super) async fn drain(&self) {
        // Accepted after all connections that were made before it.
        let mut last = TcpStream::connect(self.address).await.unwrap();
        let request = b"GET /last HTTP/1.1\r\nhost: receiver\r\nconnection: close\r\n\r\n";
        last.write_all(request).await.unwrap();
        last.read_to_end(&mut Vec::new()).await.unwrap();
        drop(last);
        let mut connections = self.shared.connections.subscribe();
        let none = connections.wait_for(|connections| *connections == 0);
        within_patience("the connections of a dead process end", none)
            .await
            .unwrap();
    }

    /// Breaks all connections off and takes no new ones.
    pub(super) async fn go_down(&self) {
        self.shared.up.send_replace(false);
        let mut connections = self.shared.connections.subscribe();
        let none = connections.wait_for(|connections| *connections == 0);
        within_patience("the receiver goes down", none).await.unwrap();
        self.next_phase();
    }

    pub(super) fn come_back(&self) {
        self.shared.up.send_replace(true);
    }
}

impl Drop for Receivers {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    /// Keeps a request waiting. When its connection ends first, it was never accepted.
    async fn hold(&self) {
        struct Held<'a>(&'a AtomicUsize);
        impl Drop for Held<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        if self.held.fetch_add(1, Ordering::SeqCst) < HELD_MAX {
            let _held = Held(&self.held);
            let _ = self.holding.subscribe().wait_for(|holding| !holding).await;
        } else {
            self.held.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Of a request that is read now.
    fn phase(&self) -> u32 {
        if self.is_broken.load(Ordering::SeqCst) {
            self.phase.fetch_add(1, Ordering::SeqCst)
        } else {
            self.phase.load(Ordering::SeqCst)
        }
    }

    fn accept(&self, kind: Kind, event: String, phase: u32, body: Bytes) {
        let mut book = self.book();
        book.accepted.insert((kind, event.clone()));
        *book.accepted_by.entry(kind).or_default() += 1;
        book.arrivals.push(Arrival {
            kind,
            event,
            phase,
            body,
        });
        drop(book);
        self.accepted.send_modify(|accepted| *accepted += 1);
    }
}

impl Book {
    fn decide(&mut self, kind: Kind, event: &str) -> Answer {
        let events = self.events.entry(kind).or_default();
        let (requests, number) = self.seen.entry((kind, event.to_owned())).or_insert_with(|| {
            *events += 1;
            (0, *events)
        });
        *requests += 1;
        match kind {
            Kind::Slow if *requests == 1 && number.is_multiple_of(4) => Answer::AcceptLater,
            Kind::Flaky if *requests == 1 && number.is_multiple_of(2) => Answer::Refuse(503),
            Kind::Ordered if *requests == 1 && number.is_multiple_of(5) => Answer::Refuse(503),
            // The webhook says that this is for good.
            Kind::Doomed => Answer::Refuse(404),
            Kind::Good | Kind::Slow | Kind::Flaky | Kind::Ordered | Kind::Alerts => Answer::Accept,
        }
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut up = shared.up.subscribe();
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.unwrap();
                if *up.borrow() {
                    open.spawn(connection(stream, Arc::clone(&shared)));
                }
            }
            _ = up.changed() => open.shutdown().await,
            Some(_) = open.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    struct Open<'a>(&'a watch::Sender<usize>);
    impl Drop for Open<'_> {
        fn drop(&mut self) {
            self.0.send_modify(|connections| *connections -= 1);
        }
    }
    shared.connections.send_modify(|connections| *connections += 1);
    let _open = Open(&shared.connections);
    let service = service_fn(|request| answer(request, &shared));
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    request: hyper::Request<Incoming>,
    shared: &Shared,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let mut response = Response::new(Full::new(Bytes::new()));
    let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.path() == head.uri.path()) else {
        return Ok(response);
    };
    let id = head.headers["webhook-id"].to_str().unwrap();
    let event = super::bare(id);
    let phase = shared.phase();
    let decision = shared.book().decide(kind, &event);
    match decision {
        Answer::Refuse(status) => *response.status_mut() = StatusCode::from_u16(status).unwrap(),
        Answer::Accept => shared.accept(kind, event, phase, body),
        Answer::AcceptLater => {
            shared.hold().await;
            shared.accept(kind, event, phase, body);
        }
    }
    Ok(response)
}
