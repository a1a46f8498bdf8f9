//! Starting and stopping a server, in the order that loses nothing.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hookwright_egress::{Egress, Guard, SetupError};
use hookwright_proto::{FILE_DESCRIPTOR_SET, v1::webhook_service_server::WebhookServiceServer};
use hookwright_store::{Store, StoreError};
use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::service::Routes;
use tonic_health::server::HealthReporter;

use crate::{
    Config,
    access::{Auth, Gate, Keyring, upkeep},
    alerts::Alerts,
    api::{Handshaker, Limits, Service, SharedService},
    directory::Directory,
    engine::{Engine, Pace},
    http::{self, CorsOrigin, HttpError, Sites},
    listener::{ListenError, Listener, ListenerLimits, Reload, TlsError, TlsFiles},
    maintenance, stats,
    watch::Watches,
};

/// Room for what surrounds a payload or a body in a request: the headers of a `Verify` are the most.
const REQUEST_OVERHEAD_BYTES: usize = 2 * 1024 * 1024;
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
    /// The files for TLS on the port cannot be used.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    /// The HTTP client cannot be set up.
    #[error("cannot set up the HTTP client: {0}")]
    Egress(#[from] SetupError),
    /// Keys are wanted, and there is none.
    #[error(
        "{address} wants API keys, and none is good yet: make the first one with `hookwright keys create NAME --scope admin \
         --scope operator` and this --store or --data; or let in everybody who can reach it with --auth none"
    )]
    NoKey {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// Pages of all sites may call, and nobody needs a key.
    #[error(
        "--cors-origin * lets every page that anybody here looks at call, and without API keys each of them may do \
         everything: name the origins, or ask for keys with --auth keys"
    )]
    OpenToAllSites,
    /// gRPC cannot be set up.
    #[error("cannot set up gRPC reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// HTTP/JSON cannot be set up.
    #[error("cannot set up HTTP: {0}")]
    Http(#[from] HttpError),
    /// The description of the service that is built in cannot be read.
    #[error("the description of the service cannot be read: {0}")]
    Descriptor(#[from] prost::DecodeError),
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    local_addr: SocketAddr,
    store: Store,
    engine: Engine,
    alerts: Alerts,
    health: HealthReporter,
    stop_listening: CancellationToken,
    calls: TaskTracker,
    listener: JoinHandle<()>,
    /// They end by the same token as the listener.
    background: [JoinHandle<()>; 5],
    reload: Option<Reload>,
    drain_delay: Duration,
    grace: Duration,
}

impl Server {
    /// Opens the store, starts delivering, and serves the API. Answers are given as soon as this returns.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        install_tls_provider();
        let store = Store::open_sealed(
            &config.store,
            config.clock.clone(),
            config.encryption_keys.clone(),
        )
        .await?;
        let (keyring, gate) = admission(&config, &store).await?;
        // Bound before the node joins: a taken port must not leave a lease behind.
        let (listener, local_addr) = bind(config.listen, config.listener, config.tls).await?;
        let reload = listener.reload();

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
        let background = [
            tokio::spawn(watches.clone().run(stop_listening.clone())),
            tokio::spawn(upkeep::run(keyring.clone(), config.clock, stop_listening.clone())),
            tokio::spawn(maintenance::limit_holds(
                store.clone(),
                Arc::clone(&registry),
                stop_listening.clone(),
            )),
            tokio::spawn(stats::run(store.clone(), stop_listening.clone())),
            tokio::spawn(maintenance::run(
                store.clone(),
                config.retention,
                stop_listening.clone(),
            )),
        ];
        let service = Service::new(
            keyring,
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
        let calls = service.calls();
        // What is a little too large is refused with the name of the field. What is far too large is not even read.
        let largest = config.payload_bytes_max.max(config.verify_bytes_max);
        let request_bytes_max = largest * 2 + REQUEST_OVERHEAD_BYTES;
        let service = gate
            .guard(WebhookServiceServer::new(service.shared()).max_decoding_message_size(request_bytes_max));
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_serving::<WebhookServiceServer<SharedService>>().await;
        let grpc = Routes::new(health_service).add_service(service);
        let router = http::router(
            with_reflection(grpc, &gate)?,
            request_bytes_max,
            registry,
            gate,
            &Sites::new(&config.cors_origins),
        )?;
        let descriptors = [
            FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let listener =
            tokio::spawn(listener.serve(router, &descriptors, calls.clone(), stop_listening.clone())?);

        Ok(Self {
            local_addr,
            store,
            engine,
            alerts,
            health,
            stop_listening,
            calls,
            listener,
            background,
            reload,
            drain_delay: config.drain_delay,
            grace: config.grace,
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Where it is reached, as clients are told: `http://127.0.0.1:4300`, or with https.
    pub fn url(&self) -> String {
        let scheme = if self.reload.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.local_addr)
    }

    /// Reads the TLS files again now, and not within seconds. False without TLS: then there is nothing to be read again.
    pub fn reload(&self) -> bool {
        self.reload.as_ref().inspect(|reload| reload.now()).is_some()
    }

    /// `postgresql` or `sqlite`.
    pub fn engine_name(&self) -> &'static str {
        self.store.engine_name()
    }

    /// Stops: says so to health checks, answers the requests that are under way, ends attempts or gives them back, and
    /// leaves the store so that other nodes take over at once.
    pub async fn stop(self) -> Result<(), StoreError> {
        self.health
            .set_not_serving::<WebhookServiceServer<SharedService>>()
            .await;
        // Load balancers ask now and then, and send requests here until they have.
        tokio::time::sleep(self.drain_delay).await;
        self.stop_listening.cancel();
        let mut listener = self.listener;
        if tokio::time::timeout(self.grace, &mut listener).await.is_err() {
            // A client that keeps a stream open must not keep the service from ending.
            listener.abort();
            let _ = listener.await;
        }
        // They end with their connections, or a little later: streams that a caller still sends on without taking note of the
        // end, and tasks that have answered and not yet let go of the store, which the next start may want to itself.
        self.calls.close();
        let _ = tokio::time::timeout(self.grace, self.calls.wait()).await;
        // Before the engine, which they publish through.
        self.alerts.stop(self.grace).await;
        // A step of retention that is under way is let finish.
        for task in self.background {
            let _ = task.await;
        }
        let stopped = self.engine.stop(self.grace).await;
        // Nothing is counted any more.
        stats::flush(&self.store).await;
        stopped
    }
}

/// What clients ask who do not have the proto files.
fn with_reflection(grpc: Routes, gate: &Gate) -> Result<Routes, tonic_reflection::server::Error> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    Ok(grpc
        .add_service(gate.guard(reflection().build_v1()?))
        // What most command-line clients still speak.
        .add_service(gate.guard(reflection().build_v1alpha()?)))
}

async fn bind(
    address: SocketAddr,
    limits: ListenerLimits,
    tls: Option<TlsFiles>,
) -> Result<(Listener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = match Listener::bind(address, limits, tls).await {
        Ok(listener) => listener,
        Err(ListenError::Tls(error)) => return Err(StartError::Tls(error)),
        Err(ListenError::Port(source)) => return Err(failed(source)),
    };
    let local_addr = listener.local_addr().map_err(failed)?;
    Ok((listener, local_addr))
}

/// Who may call. Refused when nobody could.
async fn admission(config: &Config, store: &Store) -> Result<(Keyring, Gate), StartError> {
    let lets_few_in = config.listen.ip().is_loopback()
        || config
            .tls
            .as_ref()
            .is_some_and(|tls| tls.client_authorities.is_some());
    let auth = config
        .auth
        .unwrap_or(if lets_few_in { Auth::None } else { Auth::Keys });
    if auth == Auth::None && config.cors_origins.contains(&CorsOrigin::Any) {
        return Err(StartError::OpenToAllSites);
    }
    if auth == Auth::Keys && !store.has_live_key().await? {
        return Err(StartError::NoKey {
            address: config.listen,
        });
    }
    let keyring = Keyring::open(store.clone(), config.quotas).await?;
    let gate = Gate::new(keyring.clone(), auth);
    Ok((keyring, gate))
}

/// TLS towards receivers and databases: one implementation for the whole process.
pub(crate) fn install_tls_provider() {
    // Fails when it is installed already, by an earlier server in the same process.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
