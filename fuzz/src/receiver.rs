//! Receivers on this machine that answer whatever an input says.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// Names below this one have the receiver's certificate.
pub const DOMAIN: &str = "receiver.example";
/// As much as is sent by a repetition at most: far more than a client should read.
const REPEATED_BYTES_MAX: usize = 4 * 1024 * 1024;
const PAUSE: Duration = Duration::from_millis(1);

/// What ends a piece of an answer. None of these bytes is in UTF-8.
mod mark {
    /// The next piece is written apart from this one.
    pub(super) const CUT: u8 = 0xf8;
    /// And not at once.
    pub(super) const PAUSE: u8 = 0xf9;
    /// This piece is written again and again.
    pub(super) const REPEAT: u8 = 0xfa;
    /// There is no more, and the connection stays as it is.
    pub(super) const HOLD: u8 = 0xfb;
    /// The connection is reset.
    pub(super) const RESET: u8 = 0xfc;
}

/// What is spoken before the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Nothing: the answer is what the socket carries.
    Plain,
    /// TLS, with HTTP/2 agreed on.
    Http2,
}

/// The certificate of all receivers.
pub struct Identity {
    /// Who vouches for it, as PEM.
    pub authority: String,
    acceptor: TlsAcceptor,
}

/// A receiver for one input, so that no connection of another input comes to it.
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    script: Arc<Script>,
    listener: JoinHandle<()>,
}

struct Script {
    layer: Layer,
    answer: Vec<u8>,
    acceptor: TlsAcceptor,
    /// The beginnings of what came in, one for each connection.
    asked: Mutex<Vec<Vec<u8>>>,
}

impl Receiver {
    /// Listens, and answers every connection like this.
    ///
    /// # Panics
    ///
    /// When this machine cannot be listened on.
    pub async fn start(identity: &Identity, layer: Layer, answer: &[u8]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let script = Arc::new(Script {
            layer,
            answer: answer.to_vec(),
            acceptor: identity.acceptor.clone(),
            asked: Mutex::default(),
        });
        let shared = Arc::clone(&script);
        let listener = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(serve(tcp, Arc::clone(&shared)));
            }
        });
        Self {
            address,
            script,
            listener,
        }
    }

    /// What was asked, on each connection that asked for anything.
    pub fn asked(&self) -> Vec<Vec<u8>> {
        let asked = self.script.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn serve(tcp: TcpStream, script: Arc<Script>) {
    if script.answer.contains(&mark::RESET) {
        // Closing then throws away what was not read or sent.
        let _ = tcp.set_zero_linger();
    }
    match script.layer {
        Layer::Plain => talk(tcp, &script).await,
        Layer::Http2 => {
            if let Ok(tls) = script.acceptor.accept(tcp).await {
                talk(tls, &script).await;
            }
        }
    }
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, script: &Script) {
    let mut buffer = vec![0; 4_096];
    match stream.read(&mut buffer).await {
        // Its deadline may have come before it could ask.
        Ok(0) | Err(_) => return,
        Ok(length) => {
            let mut asked = script.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.push(buffer[..length].to_vec());
        }
    }
    let is_mark = |byte: &u8| (mark::CUT..=mark::RESET).contains(byte);
    let mut rest = script.answer.as_slice();
    while !rest.is_empty() {
        let end = rest.iter().position(is_mark).unwrap_or(rest.len());
        let (piece, ending) = (&rest[..end], rest.get(end).copied());
        rest = rest.get(end + 1..).unwrap_or_default();
        let times = match ending {
            Some(mark::REPEAT) if !piece.is_empty() => REPEATED_BYTES_MAX / piece.len(),
            _ => 1,
        };
        for _ in 0..times {
            if stream.write_all(piece).await.is_err() {
                return;
            }
        }
        let _ = stream.flush().await;
        match ending {
            Some(mark::PAUSE) => tokio::time::sleep(PAUSE).await,
            Some(mark::RESET) => return,
            Some(mark::HOLD) => {
                // Until the other side has had enough.
                while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
                return;
            }
            _ => tokio::task::yield_now().await,
        }
    }
    let _ = stream.shutdown().await;
}

impl Identity {
    /// A new one.
    ///
    /// # Panics
    ///
    /// Never: everything is made here.
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(vec![format!("*.{DOMAIN}")])
            .and_then(|params| params.signed_by(&key, &issuer))
            .expect("a certificate");
        let private = PrivateKeyDer::try_from(key.serialize_der()).expect("a key that was just made");
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .expect("a certificate and its key");
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self {
            authority,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        }
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self::new()
    }
}
