//! `hookwright replay`, `replays` and `cancel`.

use std::time::Duration;

use anstream::println;
use clap::Args;
use hookwright_proto::v1;
use hookwright_store::Clock;

use super::{
    deliveries::{State, rfc3339, state_cell},
    register::print_json,
};
use crate::{
    args::ClientArgs,
    client::{self, Client},
    failure::Failure,
    input::parse_duration,
    terminal::{Cell, STRONG, print_table},
};

/// How often `--watch` asks.
const WATCH_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
#[command(
    after_help = "Examples: hookwright replay dlv_…\n          hookwright replay --since 3h --state dead --dry-run"
)]
pub(crate) struct ReplayArgs {
    /// Replay this delivery alone (dlv_…).
    #[arg(conflicts_with_all = ["webhook", "types", "state", "since", "until", "dry_run", "rate", "max", "resume", "watch"])]
    id: Option<String>,

    /// Only deliveries to this webhook (whk_…).
    #[arg(long, value_name = "ID", conflicts_with = "resume")]
    webhook: Option<String>,

    /// Only these event types, separated by commas: vault.created, vault.* or *.
    #[arg(
        long = "events",
        value_delimiter = ',',
        value_name = "TYPES",
        conflicts_with = "resume"
    )]
    types: Vec<String>,

    /// Only deliveries in these states, separated by commas: dead, cancelled, delivered.
    #[arg(long, value_enum, value_delimiter = ',', conflicts_with = "resume")]
    state: Vec<State>,

    /// Events that were accepted at most this long ago. Needed, so that nobody replays everything by accident.
    #[arg(long, value_parser = parse_duration, value_name = "DURATION", required_unless_present_any = ["id", "resume"], conflicts_with = "resume")]
    since: Option<Duration>,

    /// Events that were accepted at least this long ago.
    #[arg(long, value_parser = parse_duration, value_name = "DURATION", conflicts_with = "resume")]
    until: Option<Duration>,

    /// Only count.
    #[arg(long)]
    dry_run: bool,

    /// Deliveries a second: 1 to 10000. 100 when not given.
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "NUMBER")]
    rate: u32,

    /// Stop after this many.
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "NUMBER")]
    max: u64,

    /// Go on with a job that was cancelled (rpl_…).
    #[arg(long, value_name = "ID")]
    resume: Option<String>,

    /// Show the progress until the job is over.
    #[arg(long)]
    watch: bool,

    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReplaysArgs {
    /// Show this job (rpl_…).
    id: Option<String>,

    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// A delivery that waits for an attempt (dlv_…), or a replay job (rpl_…).
    id: String,

    #[command(flatten)]
    client: ClientArgs,
}

pub(crate) async fn run(args: ReplayArgs) -> Result<(), Failure> {
    let mut client = client::connect(&args.client).await?;
    if let Some(id) = args.id {
        let request = v1::ReplayDeliveryRequest { id };
        let replayed = client.replay_delivery(request).await?.into_inner();
        if args.client.json {
            return print_json(&replayed);
        }
        println!("{STRONG}scheduled{STRONG:#}, due now");
        return Ok(());
    }
    let filter = v1::ReplayFilter {
        webhook_id: args.webhook.unwrap_or_default(),
        event_types: args.types,
        states: args
            .state
            .into_iter()
            .map(|state| v1::DeliveryState::from(state).into())
            .collect(),
        since_time: args.since.map(ago),
        until_time: args.until.map(ago),
    };
    let request = v1::CreateReplayRequest {
        filter: args.resume.is_none().then_some(filter),
        dry_run: args.dry_run,
        rate: args.rate,
        max_deliveries: args.max,
        resume_from: args.resume.unwrap_or_default(),
    };
    let created = client.create_replay(request).await?.into_inner();
    if args.client.json && !args.watch {
        return print_json(&created);
    }
    let noun = if created.matched_count == 1 {
        "delivery matches"
    } else {
        "deliveries match"
    };
    println!("{STRONG}{}{STRONG:#} {noun}", created.matched_count);
    let Some(replay) = created.replay else {
        let rows: Vec<_> = created
            .sample
            .iter()
            .map(|delivery| {
                [
                    Cell::from(delivery.id.clone()),
                    delivery.event_type.clone().into(),
                    state_cell(delivery.state()),
                ]
            })
            .collect();
        if !rows.is_empty() {
            print_table(["FOR EXAMPLE", "EVENT TYPE", "STATE"], &rows);
        }
        return Ok(());
    };
    println!(
        "{STRONG}{}{STRONG:#} replays them, {} a second",
        replay.id, replay.rate
    );
    if args.watch {
        watch(&mut client, replay.id).await
    } else {
        Ok(())
    }
}

pub(crate) async fn list(args: ReplaysArgs) -> Result<(), Failure> {
    let mut client = client::connect(&args.client).await?;
    let replays = match args.id {
        Some(id) => vec![get(&mut client, id).await?],
        None => {
            let request = v1::ListReplaysRequest::default();
            client.list_replays(request).await?.into_inner().replays
        }
    };
    if args.client.json {
        return print_json(&v1::ListReplaysResponse {
            replays,
            next_page_token: String::new(),
        });
    }
    let rows: Vec<_> = replays.iter().map(row).collect();
    print_table(["REPLAY", "STATE", "SCHEDULED", "RATE", "CREATED", "ENDS"], &rows);
    Ok(())
}

pub(crate) async fn cancel(args: CancelArgs) -> Result<(), Failure> {
    let mut client = client::connect(&args.client).await?;
    if args.id.starts_with("rpl_") {
        let request = v1::CancelReplayRequest { id: args.id };
        let cancelled = client.cancel_replay(request).await?.into_inner();
        if args.client.json {
            return print_json(&cancelled);
        }
        println!("{}", progress(&cancelled.replay.unwrap_or_default()));
        return Ok(());
    }
    let request = v1::CancelDeliveryRequest { id: args.id };
    let cancelled = client.cancel_delivery(request).await?.into_inner();
    if args.client.json {
        return print_json(&cancelled);
    }
    println!("{STRONG}cancelled{STRONG:#}");
    Ok(())
}

async fn watch(client: &mut Client, id: String) -> Result<(), Failure> {
    loop {
        let replay = get(client, id.clone()).await?;
        println!("{}", progress(&replay));
        if replay.state() != v1::ReplayState::Running {
            return Ok(());
        }
        tokio::time::sleep(WATCH_EVERY).await;
    }
}

async fn get(client: &mut Client, id: String) -> Result<v1::Replay, Failure> {
    let request = v1::GetReplayRequest { id };
    Ok(client
        .get_replay(request)
        .await?
        .into_inner()
        .replay
        .unwrap_or_default())
}

fn progress(replay: &v1::Replay) -> String {
    format!(
        "{}: {} of {} scheduled, {:.1} a second",
        state_name(replay),
        replay.scheduled_count,
        replay.matched_count,
        replay.measured_rate
    )
}

fn row(replay: &v1::Replay) -> [Cell; 6] {
    let moment = |moment: &Option<pbjson_types::Timestamp>| moment.as_ref().map(rfc3339).unwrap_or_default();
    [
        replay.id.clone().into(),
        state_name(replay).into(),
        format!("{} of {}", replay.scheduled_count, replay.matched_count).into(),
        format!("{}/s", replay.rate).into(),
        moment(&replay.create_time).into(),
        moment(&replay.estimated_end_time).into(),
    ]
}

fn state_name(replay: &v1::Replay) -> String {
    let name = replay.state().as_str_name();
    name.trim_start_matches("REPLAY_STATE_").to_lowercase()
}

/// The moment that is this long ago, or 1970 when that is later.
pub(super) fn ago(age: Duration) -> pbjson_types::Timestamp {
    let moment = Clock::system().now().minus(age).unix_micros().max(0);
    pbjson_types::Timestamp {
        seconds: moment / 1_000_000,
        // Less than a second.
        nanos: i32::try_from(moment % 1_000_000 * 1_000).unwrap_or(0),
    }
}
