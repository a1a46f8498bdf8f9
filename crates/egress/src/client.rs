//! One HTTP exchange with a receiver that may be slow, broken or hostile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header, uri::PathAndQuery};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Notify;
use url::{Position, Url};

use crate::{
    ExchangeError, Guard, Policy, PolicyError, ProxyAddress,
    connector::{Connector, LateRefusal},
    http1::Http1,
    pool::{Http2, Pool, Pooled},
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
    connector: Connector,
    pool: Pool,
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
        Ok(Self {
            connector,
            pool: Pool::default(),
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
        let flooded = Arc::new(Notify::new());
        let sent = self.send_once(exchange, &flooded);
        tokio::select! {
            answer = sent => answer,
            () = flooded.notified() => Err(ExchangeError::TooManyInterimAnswers),
        }
    }

    async fn send_once(&self, exchange: Exchange, flooded: &Arc<Notify>) -> Result<Answer, ExchangeError> {
        let url = exchange.url.clone();
        let origin = &url[..Position::BeforePath];
        let mut request = self.request(exchange)?;
        count_interim_answers(&mut request, Arc::clone(flooded));
        // Where there is one, there are no others.
        while let Some(shared) = self.pool.http2(origin) {
            match Box::pin(over_http2(shared, request)).await {
                Ok(answer) => return Ok(answer),
                // It was closed before the request was on its way.
                Err(NotSent::Returned(unsent)) => request = *unsent,
                Err(NotSent::Failed(error)) => return Err(error),
            }
        }
        if let Some(idle) = self.pool.take_http1(origin) {
            return self.over_http1(origin, idle, request).await;
        }
        // Connecting is rare, and has much to remember: in a box, so that no other exchange makes room for it.
        match Box::pin(self.open(origin, request.uri())).await? {
            Opened::Http1(connection) => self.over_http1(origin, connection, request).await,
            Opened::Http2(shared) => Box::pin(over_http2(shared, request))
                .await
                .map_err(NotSent::into_error),
        }
    }

    async fn open(&self, origin: &str, uri: &Uri) -> Result<Opened, ExchangeError> {
        let stream = self
            .connector
            .connect(uri)
            .await
            .map_err(|error| ExchangeError::of(&*error))?;
        let refusal = stream.refusal();
        if !stream.is_h2() {
            let connection = Http1::open(stream)
                .await
                .map_err(|error| failure(&error, &refusal))?;
            return Ok(Opened::Http1(Pooled {
                connection: Box::new(connection),
                refusal,
            }));
        }
        let (connection, work) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(ANSWER_HEADER_BYTES_MAX).unwrap_or(u32::MAX))
            .handshake(stream)
            .await
            .map_err(|error| failure(&error, &refusal))?;
        tokio::spawn(work);
        Ok(Opened::Http2(
            self.pool.share_http2(origin, Pooled { connection, refusal }),
        ))
    }

    /// The request with its whole URL.
    fn request(&self, exchange: Exchange) -> Result<Request<Full<Bytes>>, ExchangeError> {
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
        Ok(request)
    }

    async fn over_http1(
        &self,
        origin: &str,
        mut pooled: Pooled<Box<Http1>>,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Answer, ExchangeError> {
        let host = request
            .uri()
            .authority()
            .map_or("", |authority| authority.as_str());
        let host =
            HeaderValue::from_str(host).map_err(|error| ExchangeError::Unreachable(error.to_string()))?;
        request.headers_mut().entry(header::HOST).or_insert(host);
        if !pooled.connection.is_proxied() {
            let path = request.uri().path_and_query().cloned();
            *request.uri_mut() = path.unwrap_or(PathAndQuery::from_static("/")).into();
        }
        let answer = pooled
            .connection
            .exchange(request, read)
            .await
            .map_err(|error| failure(&error, &pooled.refusal))??;
        self.pool.put_http1(origin, pooled);
        Ok(answer)
    }
}

/// A new connection.
enum Opened {
    Http1(Pooled<Box<Http1>>),
    Http2(Pooled<Http2>),
}

/// Why there is no answer over a shared connection.
enum NotSent {
    /// The connection is closed, and the request was not sent.
    Returned(Box<Request<Full<Bytes>>>),
    Failed(ExchangeError),
}

impl NotSent {
    fn into_error(self) -> ExchangeError {
        match self {
            Self::Returned(_) => ExchangeError::Unreachable(String::from(
                "the receiver closed the connection before the request could be sent",
            )),
            Self::Failed(error) => error,
        }
    }
}

async fn over_http2(mut shared: Pooled<Http2>, request: Request<Full<Bytes>>) -> Result<Answer, NotSent> {
    match shared.connection.try_send_request(request).await {
        Ok(response) => read(response).await.map_err(NotSent::Failed),
        Err(mut error) => match error.take_message() {
            Some(request) if shared.refusal.get().is_none() => Err(NotSent::Returned(Box::new(request))),
            _ => Err(NotSent::Failed(failure(error.error(), &shared.refusal))),
        },
    }
}

fn failure(error: &hyper::Error, refusal: &LateRefusal) -> ExchangeError {
    match (ExchangeError::of(error), refusal.get()) {
        (ExchangeError::Unreachable(_), Some(refusal)) => ExchangeError::Tls(refusal.clone()),
        (failure, _) => failure,
    }
}

async fn read(mut response: Response<Incoming>) -> Result<Answer, ExchangeError> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        // Nobody asked for it, so what follows is in a language that nobody speaks.
        return Err(ExchangeError::Unreachable(String::from(
            "the receiver switched to another protocol (101) without being asked",
        )));
    }
    let (body, truncated) = read_body(response.body_mut()).await?;
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

/// Reads to the end or to the cap. A body that is dropped before its end takes its connection with it, so an endless
/// one costs no more than this.
async fn read_body(body: &mut Incoming) -> Result<(Bytes, bool), ExchangeError> {
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

/// Notifies when there have been too many.
fn count_interim_answers(request: &mut Request<Full<Bytes>>, flooded: Arc<Notify>) {
    let count = AtomicUsize::new(0);
    hyper::ext::on_informational(request, move |_| {
        if count.fetch_add(1, Ordering::Relaxed) == INTERIM_ANSWERS_MAX {
            flooded.notify_one();
        }
    });
}

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("hookwright/", env!("CARGO_PKG_VERSION")));
