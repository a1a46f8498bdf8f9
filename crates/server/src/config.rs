//! What a server is started with. Every default is meant for production on one machine.

use std::{net::SocketAddr, num::NonZeroU32, sync::Arc, time::Duration};

use hookwright_core::Registry;
use hookwright_egress::{EgressRules, Resolve, SystemResolver};
use hookwright_store::{Clock, EncryptionKeys, NodeOptions, Quotas, Retention, StoreAddress};

use crate::{AlertSettings, Auth, CorsOrigin, ListenerLimits, TlsFiles, engine::EngineLimits};

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where gRPC is served. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// TLS on the port; none is plain TCP.
    pub tls: Option<TlsFiles>,
    /// How much strangers can make this node hold.
    pub listener: ListenerLimits,
    /// Whose pages may call from a browser. None: those of no other site.
    pub cors_origins: Vec<CorsOrigin>,
    /// Where the data is.
    pub store: StoreAddress,
    /// Who may call. None decides by who can reach it: everybody on loopback or with mutual TLS, else whoever has a key.
    pub auth: Option<Auth>,
    /// How much tenants may have that have no quotas of their own.
    pub quotas: Quotas,
    /// What secrets are sealed with in the store; none leaves them in the clear.
    pub encryption_keys: Option<EncryptionKeys>,
    /// Time.
    pub clock: Clock,
    /// Name of this node, and how long after its death at the latest others have taken its deliveries over.
    pub node: NodeOptions,
    /// How much is taken on at a time.
    pub engine: EngineLimits,
    /// Where deliveries may go.
    pub egress: EgressRules,
    /// The DNS name by which receivers know this service, in handshakes that ask for one.
    pub origin: String,
    /// Where the addresses of receivers come from. Tests bring their own.
    pub resolver: Arc<dyn Resolve>,
    /// The profiles that webhooks can be registered with, and the schemes that requests can be verified by.
    pub registry: Arc<Registry>,
    /// Largest payload of an event, in bytes.
    pub payload_bytes_max: usize,
    /// Largest body that is verified for a caller, in bytes.
    pub verify_bytes_max: usize,
    /// How many requests are verified for callers in a second; as many can come at once. None is no limit.
    pub verify_per_second_max: Option<NonZeroU32>,
    /// Callers that watch deliveries at the same time.
    pub watchers_max: usize,
    /// Who is told when deliveries fail.
    pub alerts: AlertSettings,
    /// How long the log is kept.
    pub retention: Retention,
    /// How long requests are still taken after health says that this node is not serving any more.
    pub drain_delay: Duration,
    /// How long attempts under way may take to end when the server is stopped.
    pub grace: Duration,
}

impl Config {
    /// Defaults for this store.
    pub fn new(store: StoreAddress) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4300)),
            tls: None,
            listener: ListenerLimits::default(),
            cors_origins: Vec::new(),
            store,
            auth: None,
            quotas: Quotas::default(),
            encryption_keys: None,
            clock: Clock::system(),
            node: NodeOptions::default(),
            engine: EngineLimits::default(),
            egress: EgressRules::default(),
            origin: String::from("hookwright.localhost"),
            resolver: Arc::new(SystemResolver::default()),
            registry: Arc::new(Registry::builtin()),
            payload_bytes_max: 256 * 1024,
            verify_bytes_max: 1024 * 1024,
            verify_per_second_max: NonZeroU32::new(2_000),
            watchers_max: 4_096,
            alerts: AlertSettings::default(),
            retention: Retention::default(),
            drain_delay: Duration::ZERO,
            grace: Duration::from_secs(10),
        }
    }
}
