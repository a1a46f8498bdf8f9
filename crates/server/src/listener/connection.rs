//! One connection, from its first byte to its last.

use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc, time::Duration};

use axum::Router;
use http::{Request, Response};
use hyper::{body::Incoming, service::Service};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio_util::sync::CancellationToken;

use super::{
    activity::{Activity, Verdict},
    gate::Gate,
    limits::ListenerLimits,
    metered_body::AnswerBody,
    peer::Peer,
    transport::{Stream, Transport},
};

/// A connection that says nothing is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// How long it has to answer. This also ends a head that stops half-way: nothing else may come between its parts.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// How much a caller may send on one call before it is read: enough for a few megabytes a second to the other side of the
/// world.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// The same for all calls of a connection. Half of it is what the HTTP/2 library lets the overhead of small frames come to
/// (256 bytes less their length) before it takes their sender for an attacker and closes the connection: a
/// `PublishStream` of tiny events that is held up may fill its window with frames of 30 bytes, which is a quarter of this.
const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;

/// Calls that were taken back before anybody looked at them ("rapid reset"): with more, the connection is told to calm
/// down and closed.
const PENDING_RESETS_MAX: usize = 20;
/// Calls that ended because of the client's mistakes: with more, the same.
const ERROR_RESETS_MAX: usize = 256;
/// The least that the HTTP/1 library reads with.
const HTTP1_BUFFER_BYTES_MIN: usize = 8 * 1024;

/// What all connections have in common.
#[derive(Clone)]
pub(super) struct Serving {
    pub(super) router: Router,
    pub(super) gate: Arc<Gate>,
    pub(super) limits: Arc<ListenerLimits>,
    pub(super) http: Arc<Builder<TokioExecutor>>,
    pub(super) stop: CancellationToken,
}

/// How HTTP is spoken within these limits.
pub(super) fn http(limits: &ListenerLimits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        // Ours ends heads that come too slowly, and lets connections be idle for longer than that.
        .header_read_timeout(None)
        .max_headers(limits.headers_max)
        .max_buf_size((limits.header_bytes_max as usize).max(HTTP1_BUFFER_BYTES_MIN));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(limits.streams_per_connection_max)
        // CONTINUATION frames are counted against it too, so a head without an end ends the connection.
        .max_header_list_size(limits.header_bytes_max)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_local_error_reset_streams(ERROR_RESETS_MAX);
    builder
}

/// Serves until either side has had enough.
pub(super) async fn serve(serving: Serving, stream: Stream, peer: Peer) {
    let activity = Activity::new();
    let io = TokioIo::new(Transport::new(stream, Arc::clone(&activity)));
    let service = Calls {
        router: serving.router,
        gate: serving.gate,
        activity: Arc::clone(&activity),
        peer,
    };
    let address = service.peer.address;
    let mut connection = std::pin::pin!(serving.http.serve_connection(io, service));
    let mut next_look = serving.limits.header_timeout;
    let mut is_stopping = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%address, error, "a connection ended badly");
                }
                return;
            }
            () = serving.stop.cancelled(), if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = tokio::time::sleep(next_look) => match activity.judge(&serving.limits) {
                Verdict::Keep(wait) => next_look = wait,
                Verdict::Farewell => {
                    activity.farewell();
                    connection.as_mut().graceful_shutdown();
                }
                Verdict::Close(cause) => {
                    tracing::debug!(%address, ?cause, "a connection is closed");
                    return;
                }
            }
        }
    }
}

/// Hands the requests of a connection on.
struct Calls {
    router: Router,
    gate: Arc<Gate>,
    activity: Arc<Activity>,
    peer: Peer,
}

impl Service<Request<Incoming>> for Calls {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let call = self.activity.call();
        request.extensions_mut().insert(self.peer.clone());
        let answering = self.gate.pass(self.router.clone(), request);
        Box::pin(async move {
            let answer = answering.await;
            Ok(answer.map(|body| AnswerBody::new(body, call)))
        })
    }
}
