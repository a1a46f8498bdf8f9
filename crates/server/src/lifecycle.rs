//! Starting and stopping a server, in the order that loses nothing.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hookwright_egress::{Egress, Guard, SetupError};
use hookwright_proto::{FILE_DESCRIPTOR_SET, v1::webhook_service_server::WebhookServiceServer};
use hookwright_store::{Store, StoreError};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::transport::server::TcpIncoming;
use tonic_health::server::HealthReporter;

use crate::{
    Config,
    alerts::Alerts,
    api::{Handshaker, Limits, Service, SharedService},
    directory::Directory,
    engine::{Engine, Pace},
    maintenance,
    watch::Watches,
};

/// Room for what surrounds a payload or a body in a request: the headers of a `Verify` are the most.
const REQUEST_OVERHEAD_BYTES: usize = 2 * 1024 * 1024;
/// A connection that says nothing is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How much a caller may send on one call before it is read: enough for a few megabytes a second to the other side of the
/// world.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// The same for all calls of a connection. Half of it is what the HTTP/2 library lets the overhead of small frames come to
/// (256 bytes less their length) before it takes their sender for an attacker and closes the connection: a
/// `PublishStream` of tiny events that is held up may fill its window with frames of 30 bytes, which is a quarter of this.
const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The wanted address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The HTTP client cannot be set up.
    #[error("cannot set up the HTTP client: {0}")]
    Egress(#[from] SetupError),
    /// gRPC cannot be set up.
    #[error("cannot set up gRPC reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    local_addr: SocketAddr,
    engine_name: &'static str,
    engine: Engine,
    alerts: Alerts,
    health: HealthReporter,
    stop_listening: CancellationToken,
    streams: TaskTracker,
    listener: JoinHandle<Result<(), tonic::transport::Error>>,
    maintenance: JoinHandle<()>,
    holds: JoinHandle<()>,
    tailer: JoinHandle<()>,
    grace: Duration,
}

impl Server {
    /// Opens the store, starts delivering, and serves the API. Answers are given as soon as this returns.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        install_tls_provider();
        let store = Store::open_sealed(&config.store, config.clock, config.encryption_keys).await?;
        // Bound before the node joins: a taken port must not leave a lease behind.
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|source| StartError::Listen {
                address: config.listen,
                source,
            })?;
        let local_addr = listener.local_addr().map_err(|source| StartError::Listen {
            address: config.listen,
            source,
        })?;

        let registry = Arc::clone(&config.registry);
        let egress = Egress::new(Guard::with_resolver(config.egress, config.resolver))?;
        let directory = Arc::new(Directory::new(store.clone(), config.registry, egress.clone()));
        let engine = Engine::start(
            store.clone(),
            config.node,
            config.engine,
            Pace::default(),
            Arc::clone(&directory),
        )
        .await?;

        let alerts = Alerts::start(&store, engine.node(), &directory, engine.intake(), &config.alerts);

        let stop_listening = CancellationToken::new();
        let watches = Watches::new(store.clone(), config.watchers_max);
        let tailer = tokio::spawn(watches.clone().run(stop_listening.clone()));
        let service = Service::new(
            store.clone(),
            engine.intake(),
            directory,
            egress,
            Handshaker::new(config.origin),
            watches,
            Limits {
                payload_bytes: config.payload_bytes_max,
                verify_bytes: config.verify_bytes_max,
                verify_per_second: config.verify_per_second_max,
            },
            stop_listening.clone(),
        );
        let streams = service.streams();
        // What is a little too large is refused with the name of the field. What is far too large is not even read.
        let largest = config.payload_bytes_max.max(config.verify_bytes_max);
        let service = WebhookServiceServer::new(service.shared())
            .max_decoding_message_size(largest * 2 + REQUEST_OVERHEAD_BYTES);
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_serving::<WebhookServiceServer<SharedService>>().await;
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };

        let router = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE))
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .add_service(health_service)
            .add_service(reflection().build_v1()?)
            // What most command-line clients still speak.
            .add_service(reflection().build_v1alpha()?)
            .add_service(service);
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let listener = tokio::spawn(
            router.serve_with_incoming_shutdown(incoming, stop_listening.clone().cancelled_owned()),
        );
        let engine_name = store.engine_name();
        let holds = tokio::spawn(maintenance::limit_holds(
            store.clone(),
            registry,
            stop_listening.clone(),
        ));
        let maintenance = tokio::spawn(maintenance::run(store, config.retention, stop_listening.clone()));

        Ok(Self {
            local_addr,
            engine_name,
            engine,
            alerts,
            health,
            stop_listening,
            streams,
            listener,
            maintenance,
            holds,
            tailer,
            grace: config.grace,
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// `postgresql` or `sqlite`.
    pub fn engine_name(&self) -> &'static str {
        self.engine_name
    }

    /// Stops: says so to health checks, answers the requests that are under way, ends attempts or gives them back, and
    /// leaves the store so that other nodes take over at once.
    pub async fn stop(self) -> Result<(), StoreError> {
        self.health
            .set_not_serving::<WebhookServiceServer<SharedService>>()
            .await;
        self.stop_listening.cancel();
        let mut listener = self.listener;
        if tokio::time::timeout(self.grace, &mut listener).await.is_err() {
            // A client that keeps a stream open must not keep the service from ending.
            listener.abort();
            let _ = listener.await;
        }
        // They have ended with their connections, but for what a caller still sends that takes no note of the end.
        self.streams.close();
        let _ = tokio::time::timeout(self.grace, self.streams.wait()).await;
        // Before the engine, which they publish through.
        self.alerts.stop(self.grace).await;
        // Ends by the same token; a step of retention that is under way is let finish.
        let _ = self.maintenance.await;
        let _ = self.holds.await;
        let _ = self.tailer.await;
        self.engine.stop(self.grace).await
    }
}

/// TLS towards receivers and databases: one implementation for the whole process.
fn install_tls_provider() {
    // Fails when it is installed already, by an earlier server in the same process.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
