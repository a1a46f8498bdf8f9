//! A local receiver that verifies what arrives, as any receiver should: raw bytes first, then the signature, then the rest.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use bytes::Bytes;
use hookwright_core::{Profile, Refusal, Request as SignedRequest, Secret, Tolerance, Verifier, receive};
use hookwright_store::Clock;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::mpsc};

const BODY_BYTES_MAX: usize = 1024 * 1024;

/// A running receiver. Stops when dropped.
#[derive(Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    endpoints: Endpoints,
    task: tokio::task::JoinHandle<()>,
}

/// By path.
type Endpoints = Arc<RwLock<HashMap<String, Endpoint>>>;

#[derive(Debug)]
struct Endpoint {
    profile: Arc<Profile>,
    verifier: Verifier,
    /// As it was registered, which is how it is signed where a scheme signs it.
    url: String,
    /// Requests still to be answered with 503, whatever they hold.
    failures_left: u32,
}

/// A request that arrived.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// The name of the endpoint it came to.
    pub(crate) endpoint: String,
    pub(crate) profile: Arc<Profile>,
    /// The event's type, or why the request was refused.
    pub(crate) verdict: Result<String, Refusal>,
    /// The id that the request is known by in the delivery log.
    pub(crate) id: Option<String>,
    pub(crate) body: Bytes,
    pub(crate) answered: StatusCode,
    pub(crate) took: Duration,
}

impl Receiver {
    /// Listens on a free port of this machine. What arrives is sent to `arrivals`.
    pub(crate) async fn start(arrivals: mpsc::UnboundedSender<Arrival>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let endpoints = Endpoints::default();
        let task = tokio::spawn(accept(listener, Arc::clone(&endpoints), arrivals));
        Ok(Self {
            address,
            endpoints,
            task,
        })
    }

    /// The URL of an endpoint.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// Expects deliveries of this profile, signed with this secret, and answers the first `failures` with 503.
    pub(crate) fn expect(
        &self,
        name: &str,
        profile: Arc<Profile>,
        secret: &Secret,
        failures: u32,
    ) -> Result<(), String> {
        let verifier = Verifier::for_profile(&profile, std::slice::from_ref(secret))
            .map_err(|error| error.to_string())?;
        let verifier = verifier.with_tolerance(Tolerance::SchemeDefault);
        let endpoint = Endpoint {
            profile,
            verifier,
            url: self.url(name),
            failures_left: failures,
        };
        self.endpoints
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), endpoint);
        Ok(())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, endpoints: Endpoints, arrivals: mpsc::UnboundedSender<Arrival>) {
    let clock = Clock::system();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let (endpoints, arrivals, clock) = (Arc::clone(&endpoints), arrivals.clone(), clock.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, &endpoints, &arrivals, &clock));
            // A connection that breaks is the sender's business.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    endpoints: &Endpoints,
    arrivals: &mpsc::UnboundedSender<Arrival>,
    clock: &Clock,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let started = Instant::now();
    let (head, body) = request.into_parts();
    let respond = |status: StatusCode, text: &'static str| {
        let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
        *response.status_mut() = status;
        Ok(response)
    };
    let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
        return respond(StatusCode::PAYLOAD_TOO_LARGE, "too large\n");
    };
    let body = body.to_bytes();
    let name = head.uri.path().trim_start_matches('/').to_owned();
    let headers: Vec<(&str, &[u8])> = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let (profile, verdict, status) = {
        let mut endpoints = endpoints.write().unwrap_or_else(PoisonError::into_inner);
        let Some(endpoint) = endpoints.get_mut(&name) else {
            return respond(StatusCode::NOT_FOUND, "no such endpoint\n");
        };
        let signed = SignedRequest {
            method: head.method.as_str(),
            url: &endpoint.url,
            headers: &headers,
            body: &body,
        };
        let now = clock.now().unix_seconds();
        let verdict = receive(&endpoint.verifier, &endpoint.profile, &signed, now)
            .map(|received| received.event_type().unwrap_or_default().to_owned());
        let status = match &verdict {
            Ok(_) if endpoint.failures_left > 0 => {
                endpoint.failures_left -= 1;
                StatusCode::SERVICE_UNAVAILABLE
            }
            Ok(_) => StatusCode::OK,
            Err(_) => StatusCode::UNAUTHORIZED,
        };
        (Arc::clone(&endpoint.profile), verdict, status)
    };
    let id = head
        .headers
        .get("webhook-id")
        .and_then(|id| id.to_str().ok())
        .map(ToOwned::to_owned);
    let took = started.elapsed();
    // Nobody listens any more when the program is ending.
    let _ = arrivals.send(Arrival {
        endpoint: name,
        profile,
        verdict,
        id,
        body: body.clone(),
        answered: status,
        took,
    });
    respond(
        status,
        if status.is_success() {
            "ok\n"
        } else {
            "not accepted\n"
        },
    )
}
