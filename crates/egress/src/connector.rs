//! From a URL to a connection: look up, vet, dial, perhaps through a proxy, perhaps with TLS.

use std::{
    error::Error,
    fmt,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{HttpConnector, dns::Name},
    rt::TokioIo,
};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;
use tower_service::Service;
use url::Url;

use crate::{Guard, LookupError, ProxyAddress, TlsFailure, guard::server_name};

/// Waiting longer for a connection is pointless, whatever deadline a request has.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// When a name has addresses of both families, how long the first one has before the other is tried beside it.
const HAPPY_EYEBALLS: Duration = Duration::from_millis(300);
/// More than any proxy says to a CONNECT.
const PROXY_ANSWER_BYTES_MAX: usize = 8 * 1024;

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// Makes connections for one policy. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Connector(Arc<Shared>);

struct Shared {
    guard: Guard,
    tcp: HttpConnector<Vetting>,
    tls: TlsConnector,
    proxy: Option<ProxyHop>,
}

struct ProxyHop {
    address: Uri,
    url: Url,
    authorization: Option<HeaderValue>,
    tls: TlsConnector,
}

/// The proxy did not let us through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyRefusal {
    #[error("the proxy answered {0} to CONNECT")]
    Status(u16),
    #[error("the proxy wants other credentials (407); look at the webhook's proxy_url")]
    Credentials,
    #[error("the proxy does not answer as an HTTP proxy does")]
    NotHttp,
}

/// Connecting took too long.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {} s", .0.as_secs())]
pub(crate) struct ConnectTimedOut(pub(crate) Duration);

impl Connector {
    pub(crate) fn new(
        guard: Guard,
        tls: rustls::ClientConfig,
        proxy: Option<(&ProxyAddress, rustls::ClientConfig)>,
    ) -> Result<Self, http::uri::InvalidUri> {
        let mut tcp = HttpConnector::new_with_resolver(Vetting(guard.clone()));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_happy_eyeballs_timeout(Some(HAPPY_EYEBALLS));
        let proxy = match proxy {
            None => None,
            Some((proxy, tls)) => Some(ProxyHop {
                address: proxy.url().as_str().parse()?,
                url: proxy.url().clone(),
                authorization: proxy.authorization(),
                tls: TlsConnector::from(Arc::new(tls)),
            }),
        };
        Ok(Self(Arc::new(Shared {
            guard,
            tcp,
            tls: TlsConnector::from(Arc::new(tls)),
            proxy,
        })))
    }

    /// A new connection to where this URL is served.
    pub(crate) async fn connect(&self, target: &Uri) -> Result<Stream, BoxError> {
        tokio::time::timeout(CONNECT_TIMEOUT, self.0.connect(target))
            .await
            .map_err(|_| ConnectTimedOut(CONNECT_TIMEOUT))?
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl Shared {
    async fn connect(&self, target: &Uri) -> Result<Stream, BoxError> {
        let is_https = target.scheme_str() == Some("https");
        let Some(proxy) = &self.proxy else {
            let tcp = self.dial(target).await?;
            return if is_https {
                self.secure(target, tcp).await
            } else {
                Ok(Stream::plain(tcp, false))
            };
        };
        self.guard.vet_literal(&proxy.url)?;
        let tcp = self.dial(&proxy.address).await?;
        let mut hop: Box<dyn Duplex> = if proxy.url.scheme() == "https" {
            Box::new(proxy.tls.connect(name_of(&proxy.address)?, tcp).await?)
        } else {
            Box::new(tcp)
        };
        if !is_https {
            return Ok(Stream::plain(hop, true));
        }
        tunnel(&mut hop, target, proxy.authorization.as_ref()).await?;
        self.secure(target, hop).await
    }

    async fn dial(&self, target: &Uri) -> Result<tokio::net::TcpStream, BoxError> {
        // The address that a URL names does not go through the resolver.
        if let Some(Ok(address)) = target.host().map(|host| server_name(host).parse::<IpAddr>()) {
            self.guard.rules().vet(&address.to_string(), [address])?;
        }
        Ok(self.tcp.clone().call(target.clone()).await?.into_inner())
    }

    async fn secure(&self, target: &Uri, tcp: impl Duplex + 'static) -> Result<Stream, BoxError> {
        let stream = self.tls.connect(name_of(target)?, tcp).await?;
        let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Stream {
            io: TokioIo::new(Box::new(stream)),
            is_h2,
            is_proxied: false,
            refusal: LateRefusal::default(),
        })
    }
}

fn name_of(target: &Uri) -> Result<ServerName<'static>, BoxError> {
    let host = target.host().unwrap_or_default();
    Ok(ServerName::try_from(server_name(host).to_owned())?)
}

/// Asks the proxy for a way through. The name goes to the proxy, which resolves it.
async fn tunnel(
    proxy: &mut (impl Duplex + ?Sized),
    target: &Uri,
    authorization: Option<&HeaderValue>,
) -> Result<(), BoxError> {
    let host = target.host().unwrap_or_default();
    let port = target.port_u16().unwrap_or(443);
    let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
    if let Some(authorization) = authorization {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(authorization.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    proxy.write_all(&request).await?;
    proxy.flush().await?;
    let mut answer = Vec::with_capacity(512);
    while !answer.ends_with(b"\r\n\r\n") {
        // Byte by byte: what follows the head belongs to the receiver.
        match proxy.read_u8().await {
            Ok(byte) if answer.len() < PROXY_ANSWER_BYTES_MAX => answer.push(byte),
            Ok(_) => return Err(ProxyRefusal::NotHttp.into()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(ProxyRefusal::NotHttp.into());
            }
            Err(error) => return Err(error.into()),
        }
    }
    match status_of(&answer) {
        Some(200..=299) => Ok(()),
        Some(407) => Err(ProxyRefusal::Credentials.into()),
        Some(status) => Err(ProxyRefusal::Status(status).into()),
        None => Err(ProxyRefusal::NotHttp.into()),
    }
}

/// Of `HTTP/1.1 200 OK`.
fn status_of(answer: &[u8]) -> Option<u16> {
    let rest = answer.strip_prefix(b"HTTP/1.")?;
    let status = rest.get(2..5)?;
    str::from_utf8(status).ok()?.parse().ok()
}

/// Looks names up and hands out addresses that were vetted.
#[derive(Clone)]
pub(crate) struct Vetting(Guard);

impl Service<Name> for Vetting {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = LookupError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, LookupError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), LookupError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let guard = self.0.clone();
        Box::pin(async move {
            let addresses = guard.addresses(name.as_str()).await?;
            let with_port: Vec<_> = addresses
                .into_iter()
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            Ok(with_port.into_iter())
        })
    }
}

/// Bytes both ways.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + ?Sized> Duplex for T {}

/// A connection, ready for HTTP.
pub(crate) struct Stream {
    io: TokioIo<Box<dyn Duplex>>,
    is_h2: bool,
    is_proxied: bool,
    refusal: LateRefusal,
}

/// What a receiver with TLS 1.3 said after our side of the handshake was done: it refuses our certificate then, and the
/// alert may be read before the first request is on its way. That request only learns that there is no connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct LateRefusal(Arc<OnceLock<TlsFailure>>);

impl LateRefusal {
    /// Why the connection was given up, if TLS is why.
    pub(crate) fn get(&self) -> Option<&TlsFailure> {
        self.0.get()
    }
}

impl Stream {
    pub(crate) fn plain(io: impl Duplex + 'static, is_proxied: bool) -> Self {
        Self {
            io: TokioIo::new(Box::new(io)),
            is_h2: false,
            is_proxied,
            refusal: LateRefusal::default(),
        }
    }

    /// Whether both sides have agreed to speak HTTP/2.
    pub(crate) fn is_h2(&self) -> bool {
        self.is_h2
    }

    /// Whether requests carry the whole URL, because a proxy reads them.
    pub(crate) fn is_proxied(&self) -> bool {
        self.is_proxied
    }

    /// Where it leaves word of a refusal that comes after the handshake.
    pub(crate) fn refusal(&self) -> LateRefusal {
        self.refusal.clone()
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        if let Poll::Ready(Err(error)) = &read {
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
            // The first error says why; what comes after it follows from it.
            cause.map(|cause| self.refusal.0.set(TlsFailure::of(cause)));
        }
        read
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, bytes)
    }
}

#[cfg(test)]
mod tests {
    use hyper::rt::ReadBuf;
    use rustls::AlertDescription;

    use super::*;

    /// TLS whose other side refuses us after the handshake.
    struct Refused;

    impl AsyncRead for Refused {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let alert = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
            Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, alert)))
        }
    }

    impl AsyncWrite for Refused {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn a_refusal_that_no_request_has_seen_is_kept_for_the_one_that_finds_no_connection() {
        let mut stream = Stream::plain(Refused, false);
        let refusal = stream.refusal();
        let (mut buffer, mut context) = ([0; 16], Context::from_waker(std::task::Waker::noop()));
        let read = Pin::new(&mut stream).poll_read(&mut context, ReadBuf::new(&mut buffer).unfilled());
        assert!(matches!(read, Poll::Ready(Err(_))));
        let seen = refusal.get();
        assert!(matches!(seen, Some(TlsFailure::ClientCertificate(_))), "{seen:?}");
    }
}
