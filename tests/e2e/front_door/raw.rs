//! Connections on which anything can be said.

use std::{io, net::SocketAddr, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    adversarial::tls_server::{Authority, Identity},
    harness::PATIENCE,
};

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

/// Says this and reads until the server hangs up, which it has to.
pub(super) async fn say(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may hang up in the middle.
    let _ = stream.write_all(bytes).await;
    until_closed(&mut stream).await
}

/// What the server says before it hangs up.
pub(super) async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    let reading = async {
        let mut buffer = [0; 4_096];
        // An end and a reset are the same to us: the connection is gone.
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            said.extend_from_slice(&buffer[..read]);
        }
    };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("the connection is kept for ever");
    said
}

/// Writes until the server has hung up.
pub(super) async fn write_until_closed(stream: &mut TcpStream, bytes: impl Fn(u32) -> Vec<u8>) {
    let writing = async {
        for number in 0.. {
            if stream.write_all(&bytes(number)).await.is_err() {
                return;
            }
            // What it says is not our concern here, but a full buffer would be its.
            let _ = stream.try_read(&mut [0; 4_096]);
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, writing)
        .await
        .expect("the connection is kept for ever");
}

/// A frame of HTTP/2.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A TLS connection as this client makes it.
pub(super) async fn secure(
    address: SocketAddr,
    trusted: &Authority,
    identity: Option<&Identity>,
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(trusted.pem().as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let certificate = CertificateDer::from_pem_slice(identity.certificate_pem().as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(identity.key_pem().as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let stream = TcpStream::connect(address).await?;
    let name = address.ip().into();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// What is answered to a small request over HTTP/1.1. Under TLS 1.3 a client learns only from this whether its
/// certificate was accepted.
pub(super) async fn get(stream: &mut TlsStream<TcpStream>) -> io::Result<String> {
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await?;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .expect("there is no answer");
    match read {
        // Ours sends a proper end; what matters is what came before.
        Err(_) if !answer.is_empty() => {}
        read => drop(read?),
    }
    Ok(String::from_utf8(answer).unwrap())
}
