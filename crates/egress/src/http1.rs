//! An HTTP/1 connection that its user drives.
//!
//! The usual way is a task for each connection, which the task of a request talks to through channels: two threads wake each
//! other several times for each exchange, and that costs more than the exchange itself. Here the task that wants the answer
//! does the connection's work too. Between exchanges nobody does, so [`Http1::is_alive`] has to be asked.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::http1::{Builder, Connection, SendRequest},
};

use crate::{
    client::{ANSWER_HEADER_BYTES_MAX, ANSWER_HEADERS_MAX},
    connector::Stream,
};

/// A body comes in steps, each of which the other side of the connection has to be asked for: the first bytes, the next
/// ones, the end. Those of a small one are all there at once.
const BODY_STEPS: usize = 3;

/// An open connection.
pub(crate) struct Http1 {
    sender: SendRequest<Full<Bytes>>,
    connection: Connection<Stream, Full<Bytes>>,
    is_proxied: bool,
}

impl Http1 {
    pub(crate) async fn open(stream: Stream) -> hyper::Result<Self> {
        let is_proxied = stream.is_proxied();
        let (sender, connection) = Builder::new()
            .title_case_headers(true)
            .max_headers(ANSWER_HEADERS_MAX)
            .max_buf_size(ANSWER_HEADER_BYTES_MAX)
            .handshake(stream)
            .await?;
        Ok(Self {
            sender,
            connection,
            is_proxied,
        })
    }

    /// Whether requests carry the whole URL, because a proxy reads them.
    pub(crate) fn is_proxied(&self) -> bool {
        self.is_proxied
    }

    /// Sends a request and gives its answer to `read`.
    pub(crate) async fn exchange<T>(
        &mut self,
        request: Request<Full<Bytes>>,
        read: impl AsyncFnOnce(Response<Incoming>) -> T,
    ) -> hyper::Result<T> {
        let Self {
            sender, connection, ..
        } = self;
        let is_answered = AtomicBool::new(false);
        let mut exchange = pin!(async {
            let answer = sender.send_request(request).await?;
            is_answered.store(true, Ordering::Relaxed);
            Ok(read(answer).await)
        });
        let mut is_open = true;
        poll_fn(|context| {
            for step in 0.. {
                if let Poll::Ready(result) = exchange.as_mut().poll(context) {
                    return Poll::Ready(result);
                }
                // What has been asked for in the last step is seen to the next time at the latest: asking wakes this task.
                let is_enough = step == BODY_STEPS || (step > 0 && !is_answered.load(Ordering::Relaxed));
                if !is_open || is_enough {
                    break;
                }
                // Why it ended is told by the exchange.
                is_open = Pin::new(&mut *connection).poll(context).is_pending();
            }
            Poll::Pending
        })
        .await
    }

    /// Whether another request can be sent: the receiver has not closed it, and nothing is left of the last exchange.
    pub(crate) fn is_alive(&mut self) -> bool {
        // Nobody waits: whoever uses it next asks again.
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(&mut self.connection).poll(&mut context).is_pending() && self.sender.is_ready()
    }

    /// Says good-bye, as TLS wants it.
    pub(crate) async fn close(self: Box<Self>) {
        let Self {
            sender, connection, ..
        } = *self;
        drop(sender);
        let _ = connection.await;
    }
}

impl fmt::Debug for Http1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1").finish_non_exhaustive()
    }
}
