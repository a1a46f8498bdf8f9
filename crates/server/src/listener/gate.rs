//! What every request passes on its way to the router: is there room for it, and is it in time?

use std::{
    collections::HashSet,
    convert::Infallible,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body};
use http::{Request, Response};
use hyper::body::Incoming;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tokio::time::Instant;
use tower_service::Service as _;

use super::{
    deadline::grpc_timeout,
    limits::ListenerLimits,
    metered_body::{Budget, Meter, MeteredBody},
    refusal::{Dialect, Refusal, is_grpc_without_http2},
};

/// Answered however much else there is to do: a node that is taken for dead because it is busy makes others busier.
const HEALTH: &str = "/grpc.health.v1.Health/";

/// Where requests pass.
#[derive(Debug)]
pub(super) struct Gate {
    requests: AtomicUsize,
    requests_max: usize,
    budget: Arc<Budget>,
    body_timeout: Duration,
    request_timeout: Duration,
    /// The methods whose callers send as long as they like.
    streaming: HashSet<String>,
}

impl Gate {
    /// `descriptors` tell which methods are streams.
    pub(super) fn new(limits: &ListenerLimits, descriptors: &[&[u8]]) -> Result<Self, prost::DecodeError> {
        let mut streaming = HashSet::new();
        for descriptor in descriptors {
            streaming.extend(client_streaming_methods(descriptor)?);
        }
        Ok(Self {
            requests: AtomicUsize::new(0),
            requests_max: limits.requests_max,
            budget: Budget::new(limits.request_bytes_max),
            body_timeout: limits.body_timeout,
            request_timeout: limits.request_timeout,
            streaming,
        })
    }

    /// Lets a request through, or answers it.
    ///
    /// A request takes its place now and not when the answer is first asked for, so that those of a connection take theirs
    /// in order.
    pub(super) fn pass(
        self: &Arc<Self>,
        router: Router,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Body>> + Send + use<> {
        let gate = Arc::clone(self);
        let is_unanswerable = is_grpc_without_http2(&request);
        let path = request.uri().path();
        let is_stream = gate.streaming.contains(path);
        let place = gate.enter(is_stream || path.starts_with(HEALTH));
        async move {
            if is_unanswerable {
                return Refusal::GrpcNeedsHttp2.answer(&Dialect::Http);
            }
            if is_stream {
                drop(place);
                return stream(router, request).await;
            }
            let dialect = Dialect::of(request.headers());
            let answered = match place {
                Some(_) => gate.answer(router, request).await,
                None => Err(Refusal::Overloaded),
            };
            answered.unwrap_or_else(|refusal| refusal.answer(&dialect))
        }
    }

    /// A request of one message.
    async fn answer(
        &self,
        mut router: Router,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        let began = Instant::now();
        let wait = match grpc_timeout(request.headers()) {
            Some(timeout) => timeout.min(self.request_timeout),
            None => self.request_timeout,
        };
        let meter = Meter::new(&self.budget, request.body());
        let body = Arc::clone(&meter);
        let answering = router.call(request.map(|incoming| Body::new(MeteredBody::new(incoming, body))));
        tokio::pin!(answering);
        let first = wait.min(self.body_timeout);
        let answered = match tokio::time::timeout_at(began + first, &mut answering).await {
            Ok(answered) => Ok(answered),
            Err(_) if first < wait && !meter.is_complete() => return Err(Refusal::BodyTooSlow),
            Err(_) => tokio::time::timeout_at(began + wait, &mut answering).await,
        };
        if meter.is_refused() {
            return Err(Refusal::Overloaded);
        }
        match answered {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(never)) => match never {},
            Err(_) => Err(Refusal::DeadlineExceeded),
        }
    }

    fn enter(self: &Arc<Self>, is_exempt: bool) -> Option<Place> {
        let others = self.requests.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(self));
        (is_exempt || others < self.requests_max).then_some(place)
    }
}

/// A call that lasts: its memory is counted by what answers it, and whether its caller is still there by the connection.
/// The caller's deadline is for the beginning of the answer.
async fn stream(mut router: Router, request: Request<Incoming>) -> Response<Body> {
    let timeout = grpc_timeout(request.headers());
    let dialect = Dialect::of(request.headers());
    let answering = router.call(request.map(Body::new));
    let answered: Result<Response<Body>, Infallible> = match timeout {
        None => answering.await,
        Some(timeout) => match tokio::time::timeout(timeout, answering).await {
            Ok(answered) => answered,
            Err(_) => return Refusal::DeadlineExceeded.answer(&dialect),
        },
    };
    match answered {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

/// One request under way.
struct Place(Arc<Gate>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Paths of the methods to which a caller sends a stream.
fn client_streaming_methods(descriptor: &[u8]) -> Result<Vec<String>, prost::DecodeError> {
    let files = FileDescriptorSet::decode(descriptor)?;
    let mut paths = Vec::new();
    for file in &files.file {
        for service in &file.service {
            let streaming = service.method.iter().filter(|method| method.client_streaming());
            paths.extend(
                streaming.map(|method| format!("/{}.{}/{}", file.package(), service.name(), method.name())),
            );
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_known_by_their_descriptors() {
        let ours = client_streaming_methods(hookwright_proto::FILE_DESCRIPTOR_SET).unwrap();
        assert!(
            ours.contains(&String::from("/hookwright.v1.WebhookService/PublishStream")),
            "{ours:?}"
        );
        assert!(!ours.iter().any(|path| path.ends_with("/Publish")), "{ours:?}");
    }

    #[test]
    fn health_checks_pass_where_others_do_not() {
        let limits = ListenerLimits {
            requests_max: 1,
            ..ListenerLimits::default()
        };
        let gate = Arc::new(Gate::new(&limits, &[]).unwrap());
        let first = gate.enter(false).unwrap();
        assert!(gate.enter(false).is_none());
        assert!(gate.enter(true).is_some());
        drop(first);
        assert!(gate.enter(false).is_some());
    }
}
