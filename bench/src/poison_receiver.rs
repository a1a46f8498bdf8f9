//! A receiver that hangs until it is cured, and counts how many requests it has at once.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{clock::Moment, key::EventKey};

/// What one request met.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit {
    pub(crate) event: EventKey,
    pub(crate) at: Moment,
    /// Requests at once, this one included.
    pub(crate) in_flight: usize,
    /// Whether it was answered at once.
    pub(crate) cured: bool,
}

#[derive(Debug, Default)]
struct Book {
    visits: Vec<Visit>,
    in_flight: usize,
}

#[derive(Debug)]
pub(crate) struct PoisonReceiver {
    address: SocketAddr,
    book: Arc<Mutex<Book>>,
    cured: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl PoisonReceiver {
    /// Requests hang for `hang`, or until it is cured.
    pub(crate) async fn start(hang: Duration) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let book = Arc::new(Mutex::new(Book::default()));
        let (cured, is_cured) = watch::channel(false);
        let task = tokio::spawn(accept(listener, Arc::clone(&book), is_cured, hang));
        Ok(Self {
            address,
            book,
            cured,
            task,
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/poison", self.address)
    }

    /// From now on requests are answered at once; those that hang are refused.
    pub(crate) fn cure(&self) {
        self.cured.send_replace(true);
    }

    pub(crate) fn visits(&self) -> Vec<Visit> {
        lock(&self.book).visits.clone()
    }
}

impl Drop for PoisonReceiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, book: Arc<Mutex<Book>>, cured: watch::Receiver<bool>, hang: Duration) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let (book, cured) = (Arc::clone(&book), cured.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, &book, &cured, hang));
            // A connection that breaks is no news: the service gives up what hangs.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// Counts a request out, also when its connection ends first.
struct InFlight<'a>(&'a Mutex<Book>);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        lock(self.0).in_flight -= 1;
    }
}

async fn answer(
    request: Request<Incoming>,
    book: &Mutex<Book>,
    cured: &watch::Receiver<bool>,
    hang: Duration,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let event = request
        .headers()
        .get("webhook-id")
        .and_then(|id| EventKey::parse(id.as_bytes()))
        .unwrap_or(EventKey(0));
    // What breaks off here shows in the ledger.
    let _ = request.into_body().collect().await;
    let is_cured = *cured.borrow();
    {
        let mut book = lock(book);
        book.in_flight += 1;
        let in_flight = book.in_flight;
        book.visits.push(Visit {
            event,
            at: Moment::now(),
            in_flight,
            cured: is_cured,
        });
    }
    let _in_flight = InFlight(book);
    if is_cured {
        sleep(WORK).await;
    } else {
        let mut cured = cured.clone();
        // The error is a receiver of ours that is gone.
        let _ = timeout(hang, cured.wait_for(|cured| *cured)).await;
    }
    let mut response = Response::new(Full::default());
    if !is_cured {
        *response.status_mut() = hyper::StatusCode::GATEWAY_TIMEOUT;
    }
    Ok(response)
}

/// How long a healthy answer takes.
const WORK: Duration = Duration::from_millis(5);
