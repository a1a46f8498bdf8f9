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
use hyper::{
    Request, Response, StatusCode,
    body::{Body as _, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::mpsc};

use crate::seen::Seen;

const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How much is shown of a body that nobody vouches for.
const REFUSED_BYTES_MAX: usize = 1024;

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
    /// Events that were accepted.
    seen: Seen,
}

/// A request that arrived.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// The name of the endpoint it came to.
    pub(crate) endpoint: String,
    pub(crate) profile: Arc<Profile>,
    /// The event's type, or why the request was refused.
    pub(crate) verdict: Result<String, Refusal>,
    /// Whether the event was accepted before. It is not to be handled again.
    pub(crate) repeated: bool,
    /// The id that the request is known by in the delivery log.
    pub(crate) id: Option<String>,
    pub(crate) body: Bytes,
    pub(crate) answered: StatusCode,
    pub(crate) took: Duration,
}

impl Receiver {
    /// Listens on a free port of this machine. What arrives is sent to `arrivals`.
    pub(crate) async fn start(arrivals: mpsc::Sender<Arrival>) -> io::Result<Self> {
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
            seen: Seen::default(),
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

async fn accept(listener: TcpListener, endpoints: Endpoints, arrivals: mpsc::Sender<Arrival>) {
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
    arrivals: &mpsc::Sender<Arrival>,
    clock: &Clock,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let started = Instant::now();
    let (head, body) = request.into_parts();
    let respond = |status: StatusCode, text: &'static str| {
        let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
        *response.status_mut() = status;
        Ok(response)
    };
    // A body that says it is too large is not even begun with.
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return respond(StatusCode::PAYLOAD_TOO_LARGE, "too large\n");
    }
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
    let (profile, verdict, status, repeated) = {
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
        let now = clock.now();
        let received = receive(&endpoint.verifier, &endpoint.profile, &signed, now.unix_seconds());
        let id = received
            .as_ref()
            .ok()
            .and_then(|received| received.event_id().map(ToOwned::to_owned));
        let verdict = received.map(|received| received.event_type().unwrap_or_default().to_owned());
        let status = match &verdict {
            Ok(_) if endpoint.failures_left > 0 => {
                endpoint.failures_left -= 1;
                StatusCode::SERVICE_UNAVAILABLE
            }
            Ok(_) => StatusCode::OK,
            Err(_) => StatusCode::UNAUTHORIZED,
        };
        // Only what was verified is remembered, and only what was accepted: a retry after a 503 is no repetition.
        let repeated = match id {
            Some(id) if status.is_success() => !endpoint.seen.is_new(&id, now),
            _ => false,
        };
        (Arc::clone(&endpoint.profile), verdict, status, repeated)
    };
    let id = head
        .headers
        .get("webhook-id")
        .and_then(|id| id.to_str().ok())
        .map(ToOwned::to_owned);
    let took = started.elapsed();
    let is_verified = verdict.is_ok();
    let arrival = Arrival {
        endpoint: name,
        profile,
        verdict,
        repeated,
        id,
        body: if is_verified {
            body.clone()
        } else {
            Bytes::copy_from_slice(&body[..body.len().min(REFUSED_BYTES_MAX)])
        },
        answered: status,
        took,
    };
    // Nobody listens any more when the program is ending. A flood of forgeries does not wait to be shown.
    if is_verified {
        let _ = arrivals.send(arrival).await;
    } else {
        let _ = arrivals.try_send(arrival);
    }
    respond(
        status,
        if status.is_success() {
            "ok\n"
        } else {
            "not accepted\n"
        },
    )
}

#[cfg(test)]
mod tests {
    use hookwright_core::{Message, Signer};
    use hyper::{client::conn::http1, header};
    use tokio::net::TcpStream;

    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1","type":"order.paid","timestamp":"2026-11-21T00:00:00Z","data":{}}"#;

    /// Sends over a real socket and returns the status.
    async fn post(receiver: &Receiver, headers: &[(String, String)], body: &'static [u8]) -> u16 {
        let stream = TcpStream::connect(receiver.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::post("/shop").header(header::HOST, "localhost");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from_static(body))).unwrap();
        sender.send_request(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn an_event_is_handled_once_and_forgeries_are_not_remembered() {
        let (arrivals, mut arrived) = mpsc::channel(4);
        let receiver = Receiver::start(arrivals).await.unwrap();
        let secret = Secret::from_random([7; 32]);
        let profile = Profile::builtin("standard-webhooks").unwrap();
        receiver.expect("shop", Arc::clone(&profile), &secret, 1).unwrap();
        let sign = |secret: &Secret| {
            let message = Message {
                id: "evt_1",
                event_type: "order.paid",
                timestamp: Clock::system().now().unix_seconds(),
                body: BODY,
                method: "POST",
                url: "",
            };
            let signer = Signer::for_profile(&profile, std::slice::from_ref(secret)).unwrap();
            let headers = signer.sign(&message).into_iter();
            headers
                .map(|(name, value)| (name.to_string(), value))
                .collect::<Vec<_>>()
        };
        let (good, forged) = (sign(&secret), sign(&Secret::from_random([8; 32])));
        // More than anybody shows: what does not fit is not kept.
        for _ in 0..20 {
            assert_eq!(post(&receiver, &forged, BODY).await, 401);
        }
        for _ in 0..4 {
            assert!(arrived.recv().await.unwrap().verdict.is_err());
        }
        for (status, repeated) in [(503, false), (200, false), (200, true), (200, true)] {
            assert_eq!(post(&receiver, &good, BODY).await, status);
            let arrival = arrived.recv().await.unwrap();
            assert_eq!(
                (arrival.verdict.as_deref(), arrival.repeated),
                (Ok("order.paid"), repeated)
            );
        }
        assert!(arrived.try_recv().is_err());
    }
}
