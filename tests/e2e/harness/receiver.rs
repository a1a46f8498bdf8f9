//! A receiver that answers as it is told and shows what it got.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc},
    task::JoinHandle,
};

use super::PATIENCE;

/// What a request is answered with.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Status(u16),
    With {
        status: u16,
        header: (&'static str, String),
        body: Bytes,
    },
    /// 200 with these headers.
    Headers(Vec<(&'static str, String)>),
    /// 200 with a body made from the request.
    From(fn(&Request) -> Bytes),
    /// Nothing, until somebody notifies one; then 200, to this request and to all others that are held by it.
    Held(Arc<Notify>),
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .unwrap_or_else(|| panic!("no header {name} in {:?}", self.headers))
            .to_str()
            .unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// As `Verify` takes them.
    pub(crate) fn wire_headers(&self) -> Vec<hookwright_proto::v1::Header> {
        self.headers
            .iter()
            .map(|(name, value)| hookwright_proto::v1::Header {
                name: name.to_string(),
                value: Bytes::copy_from_slice(value.as_bytes()),
            })
            .collect()
    }
}

pub(crate) struct Receiver {
    address: SocketAddr,
    /// Taken from the front; 200 when there are none left.
    script: Arc<Mutex<VecDeque<Answer>>>,
    arrived: mpsc::UnboundedReceiver<Request>,
    task: JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(VecDeque::new()));
        let (sender, arrived) = mpsc::unbounded_channel();
        let task = tokio::spawn(serve(listener, Arc::clone(&script), sender));
        Self {
            address,
            script,
            arrived,
            task,
        }
    }

    /// Answers to come, in this order.
    pub(crate) fn will_answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.script.lock().unwrap().extend(answers);
    }

    /// The next answer is the body of the request.
    pub(crate) fn will_echo(&self) {
        self.will_answer_with(|request| request.body.clone());
    }

    /// The next answer is made from the request.
    pub(crate) fn will_answer_with(&self, make: fn(&Request) -> Bytes) {
        self.will_answer([Answer::From(make)]);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    /// The next request.
    pub(crate) async fn next(&mut self) -> Request {
        tokio::time::timeout(PATIENCE, self.arrived.recv())
            .await
            .expect("nothing arrived")
            .unwrap()
    }

    /// What has arrived and was not looked at.
    pub(crate) fn rest(&mut self) -> Vec<Request> {
        std::iter::from_fn(|| self.arrived.try_recv().ok()).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: TcpListener,
    script: Arc<Mutex<VecDeque<Answer>>>,
    arrived: mpsc::UnboundedSender<Request>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (script, arrived) = (Arc::clone(&script), arrived.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, &script, &arrived));
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    script: &Mutex<VecDeque<Answer>>,
    arrived: &mpsc::UnboundedSender<Request>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let answer = script.lock().unwrap().pop_front().unwrap_or(Answer::Status(200));
    let request = Request {
        method: head.method,
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body,
    };
    let _ = arrived.send(request.clone());
    let plain = |status: u16| {
        let mut response = Response::new(Full::new(Bytes::new()));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response
    };
    Ok(match answer {
        Answer::Status(status) => plain(status),
        Answer::With {
            status,
            header: (name, value),
            body,
        } => {
            let mut response = plain(status);
            response.headers_mut().insert(name, value.parse().unwrap());
            *response.body_mut() = Full::new(body);
            response
        }
        Answer::Headers(headers) => {
            let mut response = plain(200);
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
        Answer::From(make) => {
            let mut response = plain(200);
            *response.body_mut() = Full::new(make(&request));
            response
        }
        Answer::Held(release) => {
            release.notified().await;
            // Also to one that comes later.
            release.notify_one();
            plain(200)
        }
    })
}
