//! From a TCP connection to one that HTTP can be spoken on.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;

use super::{
    limits::ListenerLimits,
    peer::{ClientCertificate, Peer},
    reload::Tls,
    transport::Stream,
};

/// What somebody gets who speaks HTTP/1 to a port with TLS, as other servers say it.
const WRONG_PORT: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 42\r\nconnection: close\r\n\r\n\
    This port speaks TLS: use an https:// URL\n";

/// Shakes hands, if there is TLS. An error is one of this connection only.
pub(super) async fn shake(
    tls: Option<&Tls>,
    stream: TcpStream,
    address: SocketAddr,
    limits: &ListenerLimits,
) -> io::Result<(Stream, Peer)> {
    // Answers are written whole, so waiting for more to send with them only makes them late.
    stream.set_nodelay(true)?;
    let Some(tls) = tls else {
        let peer = Peer {
            address,
            certificate: None,
        };
        return Ok((Stream::Plain(stream), peer));
    };
    tokio::time::timeout(limits.handshake_timeout, secure(tls, stream, address))
        .await
        .unwrap_or_else(|_| {
            Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the TLS handshake takes too long",
            ))
        })
}

async fn secure(tls: &Tls, mut stream: TcpStream, address: SocketAddr) -> io::Result<(Stream, Peer)> {
    if is_http(&stream).await? {
        // Read first: a connection that is closed with unread bytes is reset, and the answer may be lost.
        let _ = stream.read(&mut [0; 4_096]).await?;
        stream.write_all(WRONG_PORT).await?;
        stream.shutdown().await?;
        return Err(io::Error::other("plain HTTP on a port with TLS"));
    }
    let stream = TlsAcceptor::from(tls.current()).accept(stream).await?;
    let (_, session) = stream.get_ref();
    let certificate = session
        .peer_certificates()
        .and_then(<[_]>::first)
        .map(|certificate| Arc::new(ClientCertificate::read(certificate)));
    let peer = Peer { address, certificate };
    Ok((Stream::Tls(Box::new(stream)), peer))
}

/// Methods begin with a capital letter, and TLS with a byte that is none.
async fn is_http(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    Ok(stream.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_as_long_as_it_says() {
        let text = std::str::from_utf8(WRONG_PORT).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("content-length: {}\r\n", body.len())),
            "{}",
            body.len()
        );
    }
}
