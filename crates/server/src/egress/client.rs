//! One HTTP exchange with a receiver that may be slow, broken or hostile.

use std::{error::Error, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use super::{
    EgressRules, TargetError,
    resolver::{BlockedAddress, VettingResolver},
};

/// How much of a response is read. More says nothing about whether the delivery was accepted.
const RESPONSE_BYTES_MAX: usize = 64 * 1024;
/// Idle connections kept per receiver, so that a burst does not reconnect for every request.
const IDLE_PER_HOST: usize = 64;
/// Shorter than the keep-alive of common servers, so that a connection is rarely closed under a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// Sends deliveries. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub(crate) struct EgressClient {
    http: reqwest::Client,
    rules: EgressRules,
}

/// One request.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// One deadline over resolving, connecting, TLS, sending, and reading the response.
    pub(crate) timeout: Duration,
}

/// What a receiver answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// At most 64 KiB.
    pub(crate) body: Bytes,
    /// Whether there was more.
    pub(crate) truncated: bool,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    #[error("no complete answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    #[error("{0}")]
    BlockedAddress(String),
    #[error("TLS: {0}")]
    Tls(String),
    #[error("{0}")]
    Unreachable(String),
}

impl EgressClient {
    pub(crate) fn new(rules: EgressRules) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .dns_resolver(VettingResolver {
                rules: rules.addresses,
            })
            // A redirect could point at an address that was never vetted, and every exchange is one logged attempt.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            // The environment's proxy is for this machine's own traffic.
            .no_proxy()
            .user_agent(concat!("hookwright/", env!("CARGO_PKG_VERSION")))
            .tcp_nodelay(true)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .http1_title_case_headers()
            .build()?;
        Ok(Self { http, rules })
    }

    pub(crate) async fn exchange(&self, exchange: Exchange) -> Result<Answer, ExchangeError> {
        // Addresses in URLs do not go through the resolver.
        self.rules
            .check_parsed(&exchange.url)
            .map_err(|error| match error {
                TargetError::BlockedAddress(_) => ExchangeError::BlockedAddress(error.to_string()),
                error => ExchangeError::Unreachable(error.to_string()),
            })?;
        let timeout = exchange.timeout;
        tokio::time::timeout(timeout, self.send(exchange))
            .await
            .map_err(|_| ExchangeError::TimedOut(timeout))?
    }

    async fn send(&self, exchange: Exchange) -> Result<Answer, ExchangeError> {
        let request = self
            .http
            .request(exchange.method, exchange.url)
            .headers(exchange.headers)
            .body(exchange.body);
        let mut response = request.send().await.map_err(|error| classify(&error))?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let mut body = BytesMut::new();
        let mut truncated = false;
        while let Some(chunk) = response.chunk().await.map_err(|error| classify(&error))? {
            let room = RESPONSE_BYTES_MAX - body.len();
            truncated = chunk.len() > room;
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if truncated {
                // Dropping the response closes the connection: an endless body costs no more than this.
                break;
            }
        }
        Ok(Answer {
            status,
            headers,
            body: body.freeze(),
            truncated,
        })
    }
}

/// The cause is found by type in the chain of errors; what people read is the innermost one, which says most.
fn classify(error: &reqwest::Error) -> ExchangeError {
    let mut cause: &(dyn Error + 'static) = error;
    loop {
        if cause.is::<BlockedAddress>() {
            return ExchangeError::BlockedAddress(cause.to_string());
        }
        if cause.is::<rustls::Error>() {
            return ExchangeError::Tls(cause.to_string());
        }
        // An io::Error hides what it was made from.
        let inner = cause
            .downcast_ref::<std::io::Error>()
            .and_then(|io| io.get_ref())
            .map(|inner| inner as &(dyn Error + 'static));
        match inner.or_else(|| cause.source()) {
            Some(source) => cause = source,
            None => return ExchangeError::Unreachable(cause.to_string()),
        }
    }
}
