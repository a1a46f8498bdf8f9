//! The command line.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    all::AllArgs, front_door::FrontDoorArgs, memory::MemoryArgs, nodes::NodesArgs, payload::Payloads,
    plot::PlotArgs, prepared::PreparedArgs, soak::SoakArgs, watchers::WatchersArgs,
};

/// Load, crash and takeover tests of hookwright, with everything they need started by themselves.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure latency, throughput and cost under a given load
    Run(RunArgs),
    /// Kill the service again and again under load; nothing that it acknowledged may be missing
    Crash(CrashArgs),
    /// Kill one of two services on one PostgreSQL; the other takes over
    Takeover(TakeoverArgs),
    /// One webhook hangs with a long queue; the others must not notice, not even when it comes back
    Poison(PoisonArgs),
    /// Resident memory of the service: idle, at saturation, and with a million deliveries due in the store
    Memory(MemoryArgs),
    /// Several services on one PostgreSQL beside one alone, and which share each of them delivers
    Nodes(NodesArgs),
    /// A good client beside slow-loris clients, huge messages, bad keys and thousands of idle connections
    FrontDoor(FrontDoorArgs),
    /// A long run below capacity with good, slow, failing and dead webhooks: does anything grow?
    Soak(SoakArgs),
    /// Every figure that docs/performance.md shows, several times each, and the document's table and charts from them
    All(AllArgs),
    /// Draws charts (SVG) of results that other commands have written
    Plot(PlotArgs),
    /// The receiver alone (the other commands start it themselves)
    Receiver(ReceiverArgs),
    /// The publisher alone: reads its plan as JSON from standard input (the other commands start it themselves)
    #[command(hide = true)]
    Publisher,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Open loop: events per second, sent on schedule whatever the answers do
    #[arg(long, value_name = "EVENTS_PER_SECOND", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Closed loop: this many publishers, each waiting for its answer before it publishes again
    #[arg(
        long,
        value_name = "PUBLISHERS",
        conflicts_with = "rate",
        required_unless_present = "rate"
    )]
    pub(crate) concurrency: Option<u32>,
    /// How long to measure
    #[arg(long, default_value = "20s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// How long to load before measuring
    #[arg(long, default_value = "5s", value_parser = duration)]
    pub(crate) warmup: Duration,
    /// How often to repeat, each time with a new store and new processes
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) runs: u32,
    #[command(flatten)]
    pub(crate) prepared: PreparedArgs,
    #[command(flatten)]
    pub(crate) watchers: WatchersArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CrashArgs {
    /// How often to kill the service
    #[arg(long, default_value_t = 20)]
    pub(crate) kills: u32,
    /// How many events to have acknowledged
    #[arg(long, default_value_t = 20_000)]
    pub(crate) events: u32,
    /// Events per second
    #[arg(long, default_value = "500", value_parser = rate)]
    pub(crate) rate: f64,
    /// Decides the moments of the kills; random unless given
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// A repeated request is explained by a kill when its predecessor arrived at most this long before one
    #[arg(long, default_value = "2s", value_parser = duration)]
    pub(crate) explain_window: Duration,
    /// When nothing is missing any more, wait until this long nothing has arrived: late duplicates are counted too.
    /// Longer than the lease of a dead node
    #[arg(long, default_value = "8s", value_parser = duration)]
    pub(crate) settle: Duration,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct TakeoverArgs {
    /// How many events to publish, to both services in turn
    #[arg(long, default_value_t = 5_000)]
    pub(crate) events: u32,
    /// Events per second; few enough for one service alone, or its queue is measured instead
    #[arg(long, default_value = "250", value_parser = rate)]
    pub(crate) rate: f64,
    /// How long the last delivery of the killed service may take to arrive, from the kill on: the services' lease
    #[arg(long, default_value = "5s", value_parser = duration)]
    pub(crate) limit: Duration,
    /// When nothing is missing any more, wait until this long nothing has arrived: late duplicates are counted too.
    /// Longer than the lease of a dead node
    #[arg(long, default_value = "8s", value_parser = duration)]
    pub(crate) settle: Duration,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PoisonArgs {
    /// Deliveries per second to the others, all together: every event goes to each of them
    #[arg(long, default_value = "500", value_parser = rate)]
    pub(crate) rate: f64,
    /// How many others there are
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) others: u16,
    /// Events for the webhook that hangs, published as fast as possible before the second phase
    #[arg(long, default_value_t = 50_000)]
    pub(crate) queued: u32,
    /// How long each of its requests hangs
    #[arg(long, default_value = "30s", value_parser = duration)]
    pub(crate) hang: Duration,
    /// How long to measure each phase: without, with, and after it has come back
    #[arg(long, default_value = "40s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// How many times the p99 without it the others' p99 may be
    #[arg(long, default_value_t = 1.5)]
    pub(crate) limit: f64,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// What every test has.
#[derive(Clone, Debug, Args)]
pub(crate) struct CommonArgs {
    /// What the service stores in: a new database on the server that `HOOKWRIGHT_TEST_POSTGRES` names, or a new file
    #[arg(long, value_enum, default_value_t = StoreKind::Postgres)]
    pub(crate) store: StoreKind,
    /// The service's executable
    #[arg(long, value_name = "FILE", default_value = "target/release/hookwright")]
    pub(crate) service_binary: PathBuf,
    /// A further argument of `hookwright serve`; may be repeated
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) service_arg: Vec<String>,
    /// Keeps the service's log
    #[arg(long, value_name = "FILE")]
    pub(crate) service_log: Option<PathBuf>,
    /// Where the SQLite file and the records go. On a real disk, or writing costs nothing
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    pub(crate) data_dir: PathBuf,
    /// Keeps a store that was filled before the load, and copies it for later runs of the same sizes instead of filling
    /// anew: seconds instead of minutes. What is kept of PostgreSQL is a database of the same server
    #[arg(long, value_name = "DIR")]
    pub(crate) filled_dir: Option<PathBuf>,
    /// Profile of the registered webhooks
    #[arg(long, default_value = "standard-webhooks")]
    pub(crate) profile: String,
    /// How many webhooks each event goes to
    #[arg(long, value_name = "WEBHOOKS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) fan_out: u16,
    /// Delays between attempts, such as `100ms,1s,5s`; the profile's schedule unless given
    #[arg(long, value_name = "DELAYS", value_delimiter = ',', value_parser = duration)]
    pub(crate) retry_delays: Vec<Duration>,
    #[command(flatten)]
    pub(crate) publishing: Publishing,
    #[command(flatten)]
    pub(crate) behaviour: Behaviour,
    /// Give missing events up after this long without any request at the receiver
    #[arg(long, default_value = "60s", value_parser = duration)]
    pub(crate) give_up: Duration,
    /// Keeps the records of the last run: files `publications` and `arrivals`, see records.rs
    #[arg(long, value_name = "DIR")]
    pub(crate) keep_records: Option<PathBuf>,
    /// Writes the results as JSON too
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// How the publisher publishes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Publishing {
    /// Size of each published payload
    #[arg(long, value_name = "BYTES", default_value = "1024", value_parser = payload_bytes)]
    pub(crate) payload_bytes: usize,
    /// gRPC connections to each service
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) connections: u16,
    /// Threads of the publisher
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) publisher_threads: u16,
    /// Gives each publish an idempotency key, which a repetition of it shares
    #[arg(long)]
    pub(crate) idempotency_keys: bool,
    /// Publishes over one `PublishStream` for each connection, and not with a call for each event
    #[arg(long)]
    pub(crate) stream: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReceiverArgs {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) behaviour: Behaviour,
    /// Decides which requests are refused
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

/// How the receiver treats requests.
#[derive(Clone, Debug, Args)]
pub(crate) struct Behaviour {
    /// How long the receiver takes to answer
    #[arg(long = "receiver-latency", value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub(crate) latency: Duration,
    /// Share of the requests that are answered with 500
    #[arg(long = "receiver-fail-share", value_name = "SHARE", default_value = "0", value_parser = share)]
    pub(crate) fail_share: f64,
    /// Answer the first request of each delivery with 500
    #[arg(long = "receiver-fail-first")]
    pub(crate) fail_first: bool,
    /// Deliveries that the receiver has room for from the start: growing would show as slow answers
    #[arg(long = "receiver-expects", value_name = "DELIVERIES", default_value_t = 1 << 20)]
    pub(crate) expects: usize,
}

impl Behaviour {
    /// The same on a receiver's command line.
    pub(crate) fn to_args(&self) -> Vec<String> {
        let mut args = vec![
            format!("--receiver-latency={}us", self.latency.as_micros()),
            format!("--receiver-fail-share={}", self.fail_share),
            format!("--receiver-expects={}", self.expects),
        ];
        if self.fail_first {
            args.push("--receiver-fail-first".into());
        }
        args
    }

    /// Whether it refuses requests on purpose.
    pub(crate) fn refuses(&self) -> bool {
        self.fail_first || self.fail_share > 0.0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreKind {
    Postgres,
    Sqlite,
}

/// A number and one of `us`, `ms`, `s`, `m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let unit_at = text
        .find(|c: char| c.is_ascii_alphabetic())
        .ok_or("the unit is missing: us, ms, s or m")?;
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err(format!("unknown unit `{unit}`: us, ms, s or m")),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| format!("`{number}` is not a number"))?;
    Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())
}

pub(crate) fn rate(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|rate| (0.01..=1e6).contains(rate))
        .ok_or_else(|| "0.01 to 1000000".into())
}

fn share(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|share| (0.0..1.0).contains(share))
        .ok_or_else(|| "0 to less than 1".into())
}

fn payload_bytes(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|bytes| (Payloads::MIN_SIZE..=PAYLOAD_BYTES_MAX).contains(bytes))
        .ok_or_else(|| format!("{} to {PAYLOAD_BYTES_MAX}", Payloads::MIN_SIZE))
}

/// Far beyond what the service accepts, so that its limit can be met too.
const PAYLOAD_BYTES_MAX: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        for wrong in ["", "5", "s", "5h", "-1s", "1e300s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn one_kind_of_load_is_required() {
        let parse = |args: &str| Cli::try_parse_from(args.split(' ')).is_ok();
        assert!(parse("hookwright-bench run --rate 100"));
        assert!(parse("hookwright-bench run --concurrency 10"));
        assert!(!parse("hookwright-bench run"));
        assert!(!parse("hookwright-bench run --rate 100 --concurrency 10"));
    }

    #[test]
    fn a_receiver_is_started_with_what_the_test_was_given() {
        let parse = |args: Vec<String>| match Cli::try_parse_from(args).unwrap().command {
            Command::Receiver(args) => args.behaviour,
            other => panic!("{other:?}"),
        };
        let given = [
            "--receiver-latency=1.5ms",
            "--receiver-fail-share=0.25",
            "--receiver-fail-first",
        ];
        let start = ["hookwright-bench".to_owned(), "receiver".to_owned()];
        let behaviour = parse(start.iter().cloned().chain(given.map(String::from)).collect());
        let passed_on = parse(start.iter().cloned().chain(behaviour.to_args()).collect());
        assert_eq!(passed_on.latency, Duration::from_micros(1500));
        assert_eq!(passed_on.fail_share.to_bits(), 0.25_f64.to_bits());
        assert!(passed_on.fail_first);
    }
}
