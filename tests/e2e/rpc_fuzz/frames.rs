//! gRPC that is not: good HTTP/2 that carries bad requests.

use std::future::poll_fn;

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::{Reason, client::SendRequest};
use http::{HeaderMap, HeaderName, HeaderValue, Method as Verb, Request};
use rand::{RngExt as _, rngs::StdRng, seq::IndexedRandom as _};
use tokio::{net::TcpStream, task::JoinHandle};
use tonic::{Code, Status};

use super::{methods::Method, mutation};
use crate::harness::PATIENCE;

/// A connection, and the task that drives it.
pub(super) struct Connection {
    requests: SendRequest<Bytes>,
    driver: JoinHandle<Result<(), h2::Error>>,
}

/// One bad request.
#[derive(Debug)]
pub(super) struct BadRequest {
    request: Request<()>,
    /// The body, in the pieces in which it is sent.
    pieces: Vec<Bytes>,
    end: End,
    /// Whether the mistake is in what wraps the message: then gRPC itself wants `INTERNAL`.
    is_framing: bool,
    /// Whether answers to a good request would go on.
    goes_on: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Proper,
    Trailers,
    Reset,
}

/// How it was answered.
#[derive(Debug)]
pub(super) enum Answer {
    Grpc(Status),
    /// Not as gRPC, which callers that do not speak it cannot ask for.
    Http(u16),
    /// The stream or the connection was ended.
    Ended(h2::Error),
}

impl Connection {
    pub(super) async fn open(address: std::net::SocketAddr) -> Self {
        let tcp = TcpStream::connect(address).await.unwrap();
        let (requests, connection) = h2::client::handshake(tcp).await.unwrap();
        Self {
            requests,
            driver: tokio::spawn(connection),
        }
    }

    /// The answer; `None` when the caller gave up by itself.
    pub(super) async fn send(&mut self, bad: BadRequest) -> Option<Answer> {
        let exchange = async {
            match self.exchange(bad).await {
                Ok(answer) => answer,
                Err(error) => Some(Answer::Ended(error)),
            }
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .expect("there is no answer")
    }

    async fn exchange(&mut self, bad: BadRequest) -> Result<Option<Answer>, h2::Error> {
        poll_fn(|context| self.requests.poll_ready(context)).await?;
        let ends_at_once = bad.pieces.is_empty() && bad.end == End::Proper;
        let (response, mut body) = self.requests.send_request(bad.request, ends_at_once)?;
        // The answer may come before all is said, and then the rest is not wanted.
        let mut is_wanted = true;
        for (number, piece) in bad.pieces.iter().enumerate() {
            let is_last = number + 1 == bad.pieces.len() && bad.end == End::Proper;
            is_wanted = is_wanted && body.send_data(piece.clone(), is_last).is_ok();
        }
        match bad.end {
            End::Reset => {
                body.send_reset(Reason::CANCEL);
                return Ok(None);
            }
            End::Trailers => drop(body.send_trailers(HeaderMap::new())),
            End::Proper => {}
        }
        let response = response.await?;
        let (head, mut body) = response.into_parts();
        let mut headers = head.headers;
        while let Some(data) = body.data().await {
            let data = data?;
            let _ = body.flow_control().release_capacity(data.len());
            if bad.goes_on {
                // It was none of the bad ones. An answer is all that is wanted.
                return Ok(None);
            }
        }
        headers.extend(body.trailers().await?.unwrap_or_default());
        Ok(Some(match Status::from_header_map(&headers) {
            Some(status) => Answer::Grpc(status),
            None => Answer::Http(head.status.as_u16()),
        }))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl BadRequest {
    /// A request with one mistake or a few, by chance.
    pub(super) fn generate(random: &mut StdRng, method: &Method, authority: std::net::SocketAddr) -> Self {
        let mut request = Request::new(());
        *request.version_mut() = http::Version::HTTP_2;
        *request.method_mut() = Verb::POST;
        let path = match random.random_range(0..8) {
            0 => "/hookwright.v1.WebhookService/Nothing",
            1 => "//",
            _ => method.path.as_str(),
        };
        *request.uri_mut() = format!("http://{authority}{path}").parse().unwrap();
        if random.random_range(0..8) == 0 {
            *request.method_mut() = [Verb::GET, Verb::PUT, Verb::OPTIONS]
                .choose(random)
                .unwrap()
                .clone();
        }
        let headers = request.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        headers.insert("te", HeaderValue::from_static("trailers"));
        let mut is_framing = false;
        for _ in 0..random.random_range(0..3) {
            is_framing |= spoil(random, headers);
        }
        let message = mutation::noise(random);
        let (body, is_bad) = framed(random, &message);
        let pieces = cut(random, &body);
        let end = *[End::Proper, End::Proper, End::Proper, End::Trailers, End::Reset]
            .choose(random)
            .unwrap();
        Self {
            request,
            pieces,
            end,
            is_framing: is_framing || is_bad,
            goes_on: method.goes_on,
        }
    }

    /// What its answer may be.
    pub(super) fn allows(&self) -> Allowed {
        Allowed {
            internal: self.is_framing,
            deadline: self.request.headers().contains_key("grpc-timeout"),
        }
    }
}

/// What a service may say that would be its fault otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    /// Of a broken envelope, and of a compression that is not there, gRPC itself wants `INTERNAL`.
    internal: bool,
    /// That the answer was not there in the time that the caller gives.
    deadline: bool,
}

pub(super) fn judge(answer: &Answer, allowed: Allowed) -> Result<(), String> {
    match answer {
        Answer::Grpc(status) => match status.code() {
            Code::Internal if allowed.internal => Ok(()),
            Code::DeadlineExceeded if !allowed.deadline => Err(format!("{status:?}")),
            Code::Unknown | Code::Internal | Code::DataLoss | Code::Unavailable => Err(format!("{status:?}")),
            _ => Ok(()),
        },
        Answer::Http(200) => Err(String::from("200 without a gRPC status")),
        Answer::Http(400..=499) => Ok(()),
        Answer::Http(504) if allowed.deadline => Ok(()),
        Answer::Http(status) => Err(format!("HTTP status {status}")),
        Answer::Ended(error) if error.reason() == Some(Reason::INTERNAL_ERROR) => Err(format!("{error:?}")),
        Answer::Ended(_) => Ok(()),
    }
}

/// Makes a header wrong. Tells whether what follows cannot be read as it is.
fn spoil(random: &mut StdRng, headers: &mut HeaderMap) -> bool {
    let long = "x".repeat(random.random_range(1..60_000));
    let mut set = |name: &'static str, value: &str| {
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    };
    match random.random_range(0..10) {
        0 => drop(headers.remove("te")),
        1 => drop(headers.remove("content-type")),
        2 => set(
            "content-type",
            [
                "",
                "application/json",
                "application/grpc-web",
                "application/grpc+json",
                "text/html",
            ]
            .choose(random)
            .unwrap(),
        ),
        3 => set(
            "grpc-timeout",
            ["0n", "1n", "99999999H", "-1S", "1", "S", "100000000000S", "1x"]
                .choose(random)
                .unwrap(),
        ),
        4 => {
            set(
                "grpc-encoding",
                ["gzip", "zstd", "identity", "", "x"].choose(random).unwrap(),
            );
            return true;
        }
        5 => set("grpc-accept-encoding", &long[..long.len().min(5_000)]),
        6 => set("x-token-bin", ["?", "AAAA", "=", ""].choose(random).unwrap()),
        7 => set(
            "content-length",
            ["0", "3", "99999999999999999999"].choose(random).unwrap(),
        ),
        8 => set("x-long", &long),
        _ => {
            for number in 0..random.random_range(1..300) {
                let name = HeaderName::try_from(format!("x-{number}")).unwrap();
                headers.insert(name, HeaderValue::from_static("y"));
            }
        }
    }
    false
}

/// The message in its envelope, perhaps a wrong one: then also true.
fn framed(random: &mut StdRng, message: &[u8]) -> (Bytes, bool) {
    let length = u32::try_from(message.len()).unwrap();
    let mut body = BytesMut::new();
    let (flag, stated) = match random.random_range(0..10) {
        0 => (1, length),
        1 => (random.random(), length),
        2 => (0, length.saturating_add(random.random_range(1..100))),
        3 => (0, length.saturating_sub(random.random_range(1..100))),
        4 => (0, u32::MAX),
        _ => (0, length),
    };
    let is_bad = (flag, stated) != (0, length);
    body.put_u8(flag);
    body.put_u32(stated);
    body.put_slice(message);
    match random.random_range(0..10) {
        // None at all, one too many, or a part of one.
        0 => (Bytes::new(), true),
        1 => {
            let again = body.clone();
            body.unsplit(again);
            (body.freeze(), true)
        }
        2 => {
            body.truncate(random.random_range(0..body.len()));
            (body.freeze(), true)
        }
        _ => (body.freeze(), is_bad),
    }
}

fn cut(random: &mut StdRng, body: &Bytes) -> Vec<Bytes> {
    let mut rest = body.clone();
    let mut pieces = Vec::new();
    while !rest.is_empty() && pieces.len() < 20 {
        pieces.push(rest.split_to(random.random_range(0..=rest.len())));
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}
