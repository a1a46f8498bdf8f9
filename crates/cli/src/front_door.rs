//! Settings of the port: TLS, and how much strangers can make the service hold.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use clap::Args;
use hookwright_server::{Config, CorsOrigin, ListenerLimits, TlsFiles};

use crate::{descriptors, failure::Failure, input::parse_duration};

/// How often the TLS files are looked at. Reading three small files costs nothing, and a new certificate is not urgent.
const RELOAD_INTERVAL: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
#[command(next_help_heading = "The port")]
pub(crate) struct FrontDoorArgs {
    /// Serve with TLS: the certificate in PEM, followed by those between it and the authority. Read again when it changes.
    #[arg(long, env = "HOOKWRIGHT_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The private key of --tls-cert, in PEM.
    #[arg(long, env = "HOOKWRIGHT_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Let only clients in that have a certificate of one of these authorities, in PEM (mutual TLS).
    #[arg(
        long,
        env = "HOOKWRIGHT_CLIENT_CA",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    client_ca: Option<PathBuf>,

    /// Let pages of this origin call from a browser, such as `https://dashboard.example`; `*` is every page, and wants API
    /// keys. Can be given several times. None when not given.
    #[arg(
        long = "cors-origin",
        env = "HOOKWRIGHT_CORS_ORIGINS",
        value_delimiter = ',',
        value_name = "ORIGIN"
    )]
    cors_origins: Vec<CorsOrigin>,

    /// Connections at the same time. Fewer if the process may not have so many files open.
    #[arg(long, default_value_t = 16_384, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    connections_max: u32,

    /// Connections from one address at the same time; 0 is no limit, as it has to be behind a load balancer.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    connections_per_address_max: u32,

    /// Requests of one message under way at the same time, and events that wait to be stored; more are answered OVERLOADED.
    #[arg(long, default_value_t = 8_192, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    requests_max: u32,

    /// Memory for the bodies of these requests, in MiB; more are answered OVERLOADED.
    #[arg(long, default_value_t = 256, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    request_mib_max: u32,

    /// How long a request may take, whatever its caller would wait.
    #[arg(long, default_value = "150s", value_parser = parse_duration, value_name = "DURATION")]
    request_timeout: Duration,

    /// How long a connection is kept on which nothing is asked. Longer than the load balancer before it keeps it.
    #[arg(long, default_value = "6m", value_parser = parse_duration, value_name = "DURATION")]
    idle_timeout: Duration,

    /// How long requests are still taken after health has turned to `NOT_SERVING`, for load balancers to notice.
    #[arg(long, default_value = "0s", value_parser = parse_duration, value_name = "DURATION")]
    drain_delay: Duration,
}

impl FrontDoorArgs {
    /// Whether the TLS files can be used now.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let Some(files) = self.tls() else { return Ok(()) };
        files
            .check()
            .map_err(|error| Failure::Usage(format!("TLS: {error}")))
    }

    fn tls(&self) -> Option<TlsFiles> {
        Some(TlsFiles {
            certificate: self.tls_cert.clone()?,
            key: self.tls_key.clone()?,
            client_authorities: self.client_ca.clone(),
            reload_interval: RELOAD_INTERVAL,
        })
    }

    /// Sets them. `attempts_max` are the requests to receivers at the same time, which need files too.
    pub(crate) fn apply(self, config: &mut Config, attempts_max: u32) {
        config.tls = self.tls();
        config.listener = ListenerLimits {
            connections_max: descriptors::connections_max(self.connections_max, attempts_max),
            connections_per_peer_max: NonZeroU32::new(self.connections_per_address_max),
            requests_max: self.requests_max as usize,
            request_bytes_max: self.request_mib_max as usize * 1_024 * 1_024,
            request_timeout: self.request_timeout,
            idle_timeout: self.idle_timeout,
            ..ListenerLimits::default()
        };
        // One number for both: a call that publishes is a request. Events over streams count here, too.
        config.engine.publishes_max = self.requests_max as usize;
        config.cors_origins = self.cors_origins;
        config.drain_delay = self.drain_delay;
    }
}
