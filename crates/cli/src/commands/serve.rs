//! `hookwright serve`.

use std::{io::IsTerminal as _, net::SocketAddr, num::NonZeroU32, path::PathBuf, sync::Arc, time::Duration};

use clap::{Args, ValueEnum};
use hookwright_server::{AddressRules, AllowedTarget, Config, EgressRules, Server};
use hookwright_store::{NodeOptions, StoreAddress};
use tracing_subscriber::EnvFilter;

use crate::{
    alerts::AlertArgs, failure::Failure, input::parse_duration, keys::KeysArgs, profiles::ProfilesArgs,
    stop::StopSignal,
};

const DEFAULT_FILE: &str = "hookwright.db";

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to serve gRPC; port 0 takes a free one. The address is printed on standard output.
    #[arg(
        long,
        env = "HOOKWRIGHT_LISTEN",
        default_value = "127.0.0.1:4300",
        value_name = "ADDRESS"
    )]
    listen: SocketAddr,

    /// Where the data is: `postgres://user@host/database` or `sqlite:FILE`. Without it `DATABASE_URL` is used if it is set,
    /// else the file hookwright.db in this folder.
    #[arg(long, env = "HOOKWRIGHT_STORE", hide_env_values = true, value_name = "URL")]
    store: Option<String>,

    /// The file of the embedded store; the same as --store sqlite:FILE.
    #[arg(long, value_name = "FILE", conflicts_with = "store")]
    data: Option<PathBuf>,

    /// Name of this node, for logs.
    #[arg(long, env = "HOOKWRIGHT_NODE", default_value = "node", value_name = "NAME")]
    node: String,

    /// When this node dies, others have taken its deliveries over by then.
    #[arg(long, default_value = "5s", value_parser = parse_lease, value_name = "DURATION")]
    lease: Duration,

    #[command(flatten)]
    keys: KeysArgs,

    #[command(flatten)]
    egress: EgressArgs,

    #[command(flatten)]
    profiles: ProfilesArgs,

    #[command(flatten)]
    alerts: AlertArgs,

    /// HTTP requests to receivers at the same time.
    #[arg(long, default_value_t = 1_024, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    attempts_max: u32,

    /// HTTP requests to one webhook at the same time.
    #[arg(long, default_value_t = 64, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    attempts_per_webhook_max: u32,

    /// Largest payload of an event, in KiB.
    #[arg(long, default_value_t = 256, value_name = "KIB", value_parser = clap::value_parser!(u32).range(1..=16_384))]
    payload_kib_max: u32,

    /// Largest body that Verify checks, in KiB.
    #[arg(long, default_value_t = 1_024, value_name = "KIB", value_parser = clap::value_parser!(u32).range(1..=16_384))]
    verify_kib_max: u32,

    /// Requests that Verify checks in a second, and at once; 0 is no limit.
    #[arg(long, default_value_t = 2_000, value_name = "NUMBER")]
    verify_rate: u32,

    /// Callers that watch deliveries at the same time.
    #[arg(long, default_value_t = 4_096, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    watchers_max: u32,

    /// Days that events, deliveries and attempts are kept.
    #[arg(long, default_value_t = 30, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3_650))]
    retention_days: u32,

    /// How long attempts under way may take to end when the service is stopped (SIGTERM, Ctrl-C).
    #[arg(long, default_value = "10s", value_parser = parse_duration, value_name = "DURATION")]
    grace: Duration,

    /// How to write the log, on standard error. `RUST_LOG` chooses what is in it.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

/// Where deliveries may go.
#[derive(Debug, Args)]
pub(crate) struct EgressArgs {
    /// Allow webhooks with plain http URLs.
    #[arg(long = "allow-http", env = "HOOKWRIGHT_ALLOW_HTTP")]
    http: bool,

    /// Allow webhooks on this machine and in private networks. Do not do this where strangers register webhooks.
    #[arg(long = "allow-private-targets", env = "HOOKWRIGHT_ALLOW_PRIVATE_TARGETS")]
    private_targets: bool,

    /// Allow webhooks in this network (10.1.0.0/16) or on this host (hooks.internal, whatever it resolves to). Can be
    /// given several times.
    #[arg(
        long = "allow-target",
        env = "HOOKWRIGHT_ALLOW_TARGETS",
        value_delimiter = ',',
        value_name = "NETWORK|HOST"
    )]
    targets: Vec<AllowedTarget>,

    /// Allow webhooks that are reached through a forward proxy, which resolves names by itself.
    #[arg(long = "allow-proxies", env = "HOOKWRIGHT_ALLOW_PROXIES")]
    proxies: bool,

    /// The DNS name by which receivers know this service, for handshakes that ask for one.
    #[arg(
        long,
        env = "HOOKWRIGHT_ORIGIN",
        default_value = "hookwright.localhost",
        value_name = "NAME"
    )]
    origin: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object per line.
    Json,
}

pub(crate) async fn run(args: ServeArgs) -> Result<(), Failure> {
    log_to_stderr(args.log_format);
    let mut config = Config::new(store_address(args.store.as_deref(), args.data)?);
    config.listen = args.listen;
    config.node = NodeOptions {
        name: args.node,
        lease: args.lease,
    };
    config.origin.clone_from(&args.egress.origin);
    config.egress = args.egress.into_rules();
    config.engine.attempts_max = args.attempts_max as usize;
    config.engine.attempts_per_webhook_max = args.attempts_per_webhook_max as usize;
    config.registry = Arc::new(args.profiles.registry()?);
    config.alerts = args.alerts.settings()?;
    // After everything that can be wrong with the arguments: it may make a file.
    config.encryption_keys = args.keys.find(&config.store)?;
    config.payload_bytes_max = args.payload_kib_max as usize * 1_024;
    config.verify_bytes_max = args.verify_kib_max as usize * 1_024;
    config.verify_per_second_max = NonZeroU32::new(args.verify_rate);
    config.watchers_max = usize::try_from(args.watchers_max).unwrap_or(usize::MAX);
    config.retention.events = Duration::from_secs(u64::from(args.retention_days) * 86_400);
    config.grace = args.grace;

    let store = config.store.to_string();
    let stop = StopSignal::listen()?;
    let server = Server::start(config)
        .await
        .map_err(|error| Failure::Failed(error.to_string()))?;
    println!("listening on http://{}", server.local_addr());
    tracing::info!(address = %server.local_addr(), store, "serving");
    stop.received().await?;
    tracing::info!("stopping; attempts under way may end");
    server
        .stop()
        .await
        .map_err(|error| Failure::Failed(error.to_string()))?;
    tracing::info!("stopped");
    Ok(())
}

impl EgressArgs {
    fn into_rules(self) -> EgressRules {
        let addresses = if self.private_targets {
            AddressRules::Any
        } else {
            AddressRules::Public
        };
        EgressRules {
            addresses,
            allowed: self.targets,
            allow_http: self.http,
            allow_proxies: self.proxies,
        }
    }
}

pub(crate) fn store_address(store: Option<&str>, data: Option<PathBuf>) -> Result<StoreAddress, Failure> {
    let from = |text: &str| {
        text.parse()
            .map_err(|error: hookwright_store::StoreError| Failure::Usage(error.to_string()))
    };
    match (store, data, std::env::var("DATABASE_URL")) {
        (Some(store), ..) => from(store),
        (None, Some(file), _) => Ok(StoreAddress::Sqlite(file)),
        (None, None, Ok(url)) if !url.is_empty() => from(&url),
        (None, None, _) => Ok(StoreAddress::Sqlite(PathBuf::from(DEFAULT_FILE))),
    }
}

fn parse_lease(text: &str) -> Result<Duration, String> {
    let lease = parse_duration(text)?;
    if !(Duration::from_secs(3)..=Duration::from_mins(1)).contains(&lease) {
        return Err(String::from("3s to 60s"));
    }
    Ok(lease)
}

fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}
