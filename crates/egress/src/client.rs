//! One HTTP exchange with a receiver that may be slow, broken or hostile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use tokio::sync::Notify;
use url::Url;

use crate::{
    ExchangeError, Guard, Policy, PolicyError, ProxyAddress,
    connector::{Connector, late_refusal},
    tls::Trust,
};

/// How much of an answer's body is read. More says nothing about whether the delivery was accepted.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How many headers an answer may have. Common servers send about ten.
pub const ANSWER_HEADERS_MAX: usize = 100;
/// How long the headers of an answer may be together. Twice what common proxies let pass.
pub const ANSWER_HEADER_BYTES_MAX: usize = 32 * 1024;
/// How many interim answers (1xx) are let pass. Honest receivers send none to a request without `Expect`, or one.
pub const INTERIM_ANSWERS_MAX: usize = 16;
/// Idle connections kept per receiver, so that a burst does not reconnect for every request.
const IDLE_PER_HOST: usize = 64;
/// Shorter than the keep-alive of common servers, so that a connection is rarely closed under a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// One request. `Debug` shows no credentials where the header values are marked sensitive.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// What is sent beside `Host`, `Content-Length`, `User-Agent` and the policy's credentials.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// One deadline over resolving, connecting, TLS, sending, and reading the answer. A token that has to be fetched
    /// first counts too.
    pub timeout: Duration,
}

/// What a receiver answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The final status, never 1xx.
    pub status: StatusCode,
    /// At most 100 and 32 KiB. Values are bytes and need not be text.
    pub headers: HeaderMap,
    /// At most 64 KiB, as they came: nothing is decompressed.
    pub body: Bytes,
    /// Whether there was more.
    pub truncated: bool,
}

/// The connections of all who have the same policy.
#[derive(Debug)]
pub(crate) struct Transport {
    http: Client<Connector, Full<Bytes>>,
    /// For plain http through a proxy, which reads each request.
    proxy_authorization: Option<HeaderValue>,
    #[cfg(feature = "scripted")]
    script: Option<crate::Script>,
}

impl Transport {
    pub(crate) fn new(policy: &Policy, guard: &Guard, trust: &Trust) -> Result<Self, PolicyError> {
        let proxy = match &policy.proxy {
            None => None,
            Some(proxy) => Some((proxy, trust.proxy_config()?)),
        };
        let connector = Connector::new(guard.clone(), trust.config(policy)?, proxy)
            .map_err(|error| PolicyError::Proxy(error.to_string()))?;
        let http = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .http1_title_case_headers(true)
            .http1_max_headers(ANSWER_HEADERS_MAX)
            .http1_max_buf_size(ANSWER_HEADER_BYTES_MAX)
            .http2_max_header_list_size(u32::try_from(ANSWER_HEADER_BYTES_MAX).unwrap_or(u32::MAX))
            .build(connector);
        Ok(Self {
            http,
            proxy_authorization: policy.proxy.as_ref().and_then(ProxyAddress::authorization),
            #[cfg(feature = "scripted")]
            script: None,
        })
    }

    /// The same with a script in place of the network.
    #[cfg(feature = "scripted")]
    pub(crate) fn scripted(self, script: Option<crate::Script>) -> Self {
        Self { script, ..self }
    }

    /// Sends, and reads the answer to its end or to the cap. The deadline is the caller's.
    pub(crate) async fn send(&self, exchange: Exchange) -> Result<Answer, ExchangeError> {
        #[cfg(feature = "scripted")]
        if let Some(script) = &self.script {
            return script.answer(exchange).await;
        }
        let is_plain = exchange.url.scheme() == "http";
        let uri: Uri = exchange
            .url
            .as_str()
            .parse()
            .map_err(|error: http::uri::InvalidUri| ExchangeError::Unreachable(error.to_string()))?;
        let mut request = Request::new(Full::new(exchange.body));
        *request.method_mut() = exchange.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = exchange.headers;
        let headers = request.headers_mut();
        headers.entry(header::USER_AGENT).or_insert(USER_AGENT);
        headers
            .entry(header::ACCEPT)
            .or_insert(HeaderValue::from_static("*/*"));
        if let Some(authorization) = self.proxy_authorization.as_ref().filter(|_| is_plain) {
            headers.insert(header::PROXY_AUTHORIZATION, authorization.clone());
        }
        let flooded = count_interim_answers(&mut request);
        let mut response = tokio::select! {
            response = self.http.request(request) => response.map_err(|error| failure(&error))?,
            () = flooded.notified() => return Err(ExchangeError::TooManyInterimAnswers),
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            // Nobody asked for it, so what follows is in a language that nobody speaks.
            return Err(ExchangeError::Unreachable(String::from(
                "the receiver switched to another protocol (101) without being asked",
            )));
        }
        let (body, truncated) = read(response.body_mut()).await?;
        let (head, _) = response.into_parts();
        if head.headers.len() > ANSWER_HEADERS_MAX {
            // HTTP/2 limits their size and not their number.
            return Err(ExchangeError::HeadersTooLarge);
        }
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
            truncated,
        })
    }
}

fn failure(error: &hyper_util::client::legacy::Error) -> ExchangeError {
    match (ExchangeError::of(error), late_refusal(error)) {
        (ExchangeError::Unreachable(_), Some(refusal)) => ExchangeError::Tls(refusal),
        (failure, _) => failure,
    }
}

/// Reads to the end or to the cap. A body that is dropped before its end takes its connection with it, so an endless
/// one costs no more than this.
async fn read(body: &mut Incoming) -> Result<(Bytes, bool), ExchangeError> {
    let mut kept = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ExchangeError::of(&error))?;
        // Trailers say nothing that we want to know.
        let Ok(data) = frame.into_data() else { continue };
        let room = ANSWER_BYTES_MAX - kept.len();
        kept.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            return Ok((kept.freeze(), true));
        }
    }
    Ok((kept.freeze(), false))
}

/// Is notified when there have been too many.
fn count_interim_answers(request: &mut Request<Full<Bytes>>) -> Arc<Notify> {
    let flooded = Arc::new(Notify::new());
    let (count, notify) = (AtomicUsize::new(0), Arc::clone(&flooded));
    hyper::ext::on_informational(request, move |_| {
        if count.fetch_add(1, Ordering::Relaxed) == INTERIM_ANSWERS_MAX {
            notify.notify_one();
        }
    });
    flooded
}

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("hookwright/", env!("CARGO_PKG_VERSION")));
