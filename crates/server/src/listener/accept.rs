//! The loop that accepts connections.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    connection::{self, Serving},
    gate::Gate,
    handshake::shake,
    limits::ListenerLimits,
    places::{Full, Places},
    reload::Tls,
    tls::{Contents, TlsError, TlsFiles},
};

/// How long nothing is accepted after the system could not give us a connection. Connections that end meanwhile make room.
const BACK_OFF: Duration = Duration::from_millis(100);
/// The same trouble is not told again for so long.
const SILENCE: Duration = Duration::from_mins(1);

/// A port that is listened on.
#[derive(Debug)]
pub(crate) struct Listener {
    port: TcpListener,
    limits: Arc<ListenerLimits>,
    tls: Option<LoadedTls>,
}

/// TLS, and the contents of the files that it was made of.
type LoadedTls = (Arc<Tls>, Arc<Contents>);

/// Why a port cannot be served.
#[derive(Debug)]
pub(crate) enum ListenError {
    Tls(TlsError),
    Port(io::Error),
}

impl Listener {
    /// Takes the port, when the files that TLS needs are good.
    pub(crate) async fn bind(
        address: SocketAddr,
        limits: ListenerLimits,
        tls: Option<TlsFiles>,
    ) -> Result<Self, ListenError> {
        let tls = tls.map(Tls::load).transpose().map_err(ListenError::Tls)?;
        let port = TcpListener::bind(address).await.map_err(ListenError::Port)?;
        Ok(Self {
            port,
            limits: Arc::new(limits),
            tls,
        })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.port.local_addr()
    }

    /// Serves until `stop`, and then until the last connection has ended. Dropping it ends them at once.
    ///
    /// `descriptors` are those of the gRPC services in the router.
    pub(crate) fn serve(
        self,
        router: Router,
        descriptors: &[&[u8]],
        stop: CancellationToken,
    ) -> Result<impl Future<Output = ()> + Send + use<>, prost::DecodeError> {
        let serving = Serving {
            // Now, not with each connection: it puts the routes into the form in which they are looked up.
            router: router.with_state(()),
            gate: Arc::new(Gate::new(&self.limits, descriptors)?),
            http: Arc::new(connection::http(&self.limits)),
            limits: self.limits,
            stop,
        };
        Ok(accept(self.port, self.tls, serving))
    }
}

async fn accept(listener: TcpListener, tls: Option<LoadedTls>, serving: Serving) {
    let mut connections = JoinSet::new();
    let tls = tls.map(|(tls, contents)| {
        connections.spawn(Arc::clone(&tls).watch(contents, serving.stop.clone()));
        tls
    });
    let places = Places::new(
        serving.limits.connections_max,
        serving.limits.connections_per_peer_max,
    );
    let mut trouble = Trouble::default();
    loop {
        let accepted = tokio::select! {
            () = serving.stop.cancelled() => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            // The client was gone before we came.
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                // Out of file descriptors or memory. The connection is still there, so that trying again at once would
                // be a loop without end.
                trouble.tell(|| tracing::error!(%error, "no connection can be accepted; trying on"));
                tokio::time::sleep(BACK_OFF).await;
                continue;
            }
        };
        match places.take(address.ip()) {
            Ok(place) => {
                let (serving, tls) = (serving.clone(), tls.clone());
                connections.spawn(async move {
                    open(serving, tls, stream, address).await;
                    drop(place);
                });
            }
            Err(full) => trouble.tell(|| refuse(full, address)),
        }
    }
    // From here on new connections are refused by the system.
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn open(serving: Serving, tls: Option<Arc<Tls>>, stream: TcpStream, address: SocketAddr) {
    let shaking = shake(tls.as_deref(), stream, address, &serving.limits);
    let shaken = serving.stop.run_until_cancelled(shaking).await;
    match shaken {
        Some(Ok((stream, peer))) => connection::serve(serving, stream, peer).await,
        Some(Err(error)) => tracing::debug!(%address, %error, "a connection did not come about"),
        // Nothing was asked on it yet.
        None => {}
    }
}

fn refuse(full: Full, address: SocketAddr) {
    match full {
        Full::Total => tracing::warn!("all places for connections are taken; more are refused"),
        Full::Peer => {
            tracing::warn!(%address, "one address has all connections that it may have; more are refused");
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// Trouble that may come thousands of times a second, and is told once in a while.
#[derive(Debug, Default)]
struct Trouble {
    told: Option<Instant>,
}

impl Trouble {
    fn tell(&mut self, tell: impl FnOnce()) {
        if self.told.is_none_or(|told| told.elapsed() >= SILENCE) {
            self.told = Some(Instant::now());
            tell();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The log would fill the disk while the node is flooded.
    #[tokio::test(start_paused = true)]
    async fn trouble_is_told_once_a_minute() {
        let mut trouble = Trouble::default();
        let mut told = 0;
        for _ in 0..120 {
            trouble.tell(|| told += 1);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(told, 2);
    }
}
