//! What a server is started with. Every default is meant for production on one machine.

use std::{net::SocketAddr, time::Duration};

use hookwright_store::{Clock, NodeOptions, Retention, StoreAddress};

use crate::{EgressRules, engine::EngineLimits};

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where gRPC is served. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the data is.
    pub store: StoreAddress,
    /// Time.
    pub clock: Clock,
    /// Name of this node, and how long after its death at the latest others have taken its deliveries over.
    pub node: NodeOptions,
    /// How much is taken on at a time.
    pub engine: EngineLimits,
    /// Where deliveries may go.
    pub egress: EgressRules,
    /// Largest payload of an event, in bytes.
    pub payload_bytes_max: usize,
    /// How long the log is kept.
    pub retention: Retention,
    /// How long attempts under way may take to end when the server is stopped.
    pub grace: Duration,
}

impl Config {
    /// Defaults for this store.
    pub fn new(store: StoreAddress) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4300)),
            store,
            clock: Clock::system(),
            node: NodeOptions::default(),
            engine: EngineLimits::default(),
            egress: EgressRules::default(),
            payload_bytes_max: 256 * 1024,
            retention: Retention::default(),
            grace: Duration::from_secs(10),
        }
    }
}
