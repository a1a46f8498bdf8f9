//! A plain HTTP/1.1 client.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?} ({})", self.body, self.status))
    }

    pub(super) fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).unwrap().to_str().unwrap()
    }

    /// The JSON of a request that was done.
    pub(crate) fn done(&self) -> Value {
        assert!(self.status.is_success(), "{} {:?}", self.status, self.body);
        self.json()
    }

    /// Checks that it is a problem, and returns its reason.
    pub(crate) fn reason(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.body);
        assert_eq!(self.header(header::CONTENT_TYPE), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        problem["reason"].as_str().unwrap().to_owned()
    }
}

/// Sends JSON; an empty text is no body.
pub(crate) async fn send(address: SocketAddr, method: &str, path: &str, json: &str) -> Answer {
    send_with(address, method, path, &[], json).await
}

pub(super) async fn send_with(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    json: &str,
) -> Answer {
    let mut request = http::Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(path)
        .header(header::HOST, address.to_string());
    if !json.is_empty() && !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(json.to_owned()))).unwrap();
    let connection = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(connection))
        .await
        .unwrap();
    // Ends with the sender.
    tokio::spawn(connection);
    let response = sender.send_request(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

/// Registers a webhook and returns its id.
pub(super) async fn register(address: SocketAddr, url: &str) -> String {
    let body = serde_json::json!({ "webhook": { "url": url, "profile": "generic" } });
    let answer = send(address, "POST", "/v1/webhooks", &body.to_string()).await;
    answer.done()["webhook"]["id"].as_str().unwrap().to_owned()
}
