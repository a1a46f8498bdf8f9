//! `hookwright serve`.

use std::{io::IsTerminal as _, net::SocketAddr, num::NonZeroU32, path::PathBuf, sync::Arc, time::Duration};

use clap::{Args, ValueEnum};
use hookwright_server::{AddressRules, AllowedTarget, Auth, Config, EgressRules, Server};
use hookwright_store::{NodeOptions, Quotas, StoreAddress};
use tracing_subscriber::EnvFilter;

use crate::{
    alerts::AlertArgs,
    configuration::{PLATFORM_STORE_VARIABLE, Settings},
    failure::{Failure, Problems},
    front_door::FrontDoorArgs,
    hang_up::HangUp,
    input::parse_duration,
    keys::KeysArgs,
    profiles::ProfilesArgs,
    stop::StopSignal,
};

const DEFAULT_FILE: &str = "hookwright.db";

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// A TOML file with settings, named like these flags; flags and the environment overrule it. Without it the file
    /// hookwright.toml in this folder is read if there is one. `hookwright config example` prints one to start from.
    #[arg(long, env = "HOOKWRIGHT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Every setting with where it comes from, for the log and for `config show`.
    #[arg(skip)]
    pub(crate) settings: Settings,

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

    /// Who may call: whoever has an API key, or everybody. Without it `none` where only this machine can reach the service
    /// (loopback), and `keys` everywhere else.
    #[arg(long, value_enum, env = "HOOKWRIGHT_AUTH")]
    auth: Option<AuthArg>,

    #[command(flatten)]
    quotas: QuotaArgs,

    #[command(flatten)]
    front_door: FrontDoorArgs,

    #[command(flatten)]
    keys: KeysArgs,

    #[command(flatten)]
    egress: EgressArgs,

    #[command(flatten)]
    profiles: ProfilesArgs,

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

    /// What is in the log: a level, or several for parts of the program, such as `info,hookwright_server=debug`.
    #[arg(long, env = "RUST_LOG", default_value = "info", value_parser = parse_log, value_name = "FILTER")]
    log: String,

    /// How to write the log, on standard error.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,

    // The last one: what follows in the help would be below its heading.
    #[command(flatten)]
    alerts: AlertArgs,
}

/// How much a tenant may have that has no quotas of its own.
#[derive(Debug, Args)]
struct QuotaArgs {
    /// Events that a tenant may publish in a second, through one node; 0 is no limit.
    #[arg(long = "tenant-publish-rate", default_value_t = 0, value_name = "NUMBER")]
    publish_rate: u32,

    /// Webhooks that a tenant may have; 0 is no limit.
    #[arg(long = "tenant-webhooks-max", default_value_t = 0, value_name = "NUMBER")]
    webhooks_max: u32,

    /// Events that a tenant may have in the log; 0 is no limit.
    #[arg(long = "tenant-events-max", default_value_t = 0, value_name = "NUMBER")]
    events_max: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AuthArg {
    /// Whoever has an API key; docs/access.md.
    Keys,
    /// Everybody who reaches it may do everything.
    None,
}

impl From<AuthArg> for Auth {
    fn from(auth: AuthArg) -> Self {
        match auth {
            AuthArg::Keys => Self::Keys,
            AuthArg::None => Self::None,
        }
    }
}

impl From<QuotaArgs> for Quotas {
    fn from(args: QuotaArgs) -> Self {
        Self {
            publish_per_second: Some(args.publish_rate),
            payload_bytes: None,
            webhooks: Some(args.webhooks_max),
            events: Some(args.events_max),
        }
    }
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

/// Whether a server could be started with this, as far as can be said without starting it. Nothing is made.
pub(crate) fn check(args: ServeArgs) -> Result<(), Failure> {
    config(args).map(|_| ())
}

/// The settings of the server, without the keys for its secrets; or everything that is wrong with what they lead to.
fn config(args: ServeArgs) -> Result<Config, Failure> {
    let mut problems = Problems::default();
    let store = problems.check(store_address(args.store.as_deref(), args.data));
    let registry = problems.check(args.profiles.registry());
    let alerts = problems.check(args.alerts.settings());
    problems.check(args.front_door.check());
    if let Some(store) = &store {
        problems.check(args.keys.check(store));
    }
    let (Some(store), Some(registry), Some(alerts), true) = (store, registry, alerts, problems.is_empty())
    else {
        return Err(problems.into_failure());
    };
    let mut config = Config::new(store);
    config.listen = args.listen;
    config.auth = args.auth.map(Auth::from);
    config.quotas = args.quotas.into();
    config.node = NodeOptions {
        name: args.node,
        lease: args.lease,
    };
    config.origin.clone_from(&args.egress.origin);
    config.egress = args.egress.into_rules();
    args.front_door.apply(&mut config, args.attempts_max);
    config.engine.attempts_max = args.attempts_max as usize;
    config.engine.attempts_per_webhook_max = args.attempts_per_webhook_max as usize;
    config.registry = Arc::new(registry);
    config.alerts = alerts;
    config.payload_bytes_max = args.payload_kib_max as usize * 1_024;
    config.verify_bytes_max = args.verify_kib_max as usize * 1_024;
    config.verify_per_second_max = NonZeroU32::new(args.verify_rate);
    config.watchers_max = usize::try_from(args.watchers_max).unwrap_or(usize::MAX);
    config.retention.events = Duration::from_secs(u64::from(args.retention_days) * 86_400);
    config.grace = args.grace;
    Ok(config)
}

pub(crate) async fn run(args: ServeArgs) -> Result<(), Failure> {
    log_to_stderr(&args.log, args.log_format)?;
    args.settings.log();
    let keys = args.keys.clone();
    let mut config = config(args)?;
    // After everything that can be wrong with the arguments: it may make a file.
    config.encryption_keys = keys.find(&config.store)?;

    let store = config.store.to_string();
    let stop = StopSignal::listen()?;
    let hang_up = HangUp::listen()?;
    let server = Server::start(config)
        .await
        .map_err(|error| Failure::Failed(error.to_string()))?;
    println!("listening on {}", server.url());
    tracing::info!(address = %server.local_addr(), store, "serving");
    until_stopped(&server, stop, hang_up).await?;
    tracing::info!("stopping; attempts under way may end");
    server
        .stop()
        .await
        .map_err(|error| Failure::Failed(error.to_string()))?;
    tracing::info!("stopped");
    Ok(())
}

async fn until_stopped(server: &Server, stop: StopSignal, mut hang_up: HangUp) -> Result<(), Failure> {
    let mut stopped = std::pin::pin!(stop.received());
    loop {
        tokio::select! {
            stopped = stopped.as_mut() => return stopped,
            () = hang_up.received() => {
                if server.reload() {
                    tracing::info!("SIGHUP: the TLS files are read again");
                } else {
                    tracing::info!("SIGHUP: there is nothing to be read again; other settings want a restart");
                }
            }
        }
    }
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
    match (store, data, std::env::var(PLATFORM_STORE_VARIABLE)) {
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

fn parse_log(text: &str) -> Result<String, String> {
    match EnvFilter::builder().parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn log_to_stderr(filter: &str, format: LogFormat) -> Result<(), Failure> {
    let filter = EnvFilter::builder().parse(filter);
    let filter = filter.map_err(|error| Failure::Usage(format!("log: {error}")))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}
