//! `hookwright stats`.

use std::time::Duration;

use anstream::println;
use clap::{Args, ValueEnum};
use hookwright_proto::v1;

use super::{
    deliveries::{rfc3339, took},
    register::print_json,
    replay::ago,
};
use crate::{
    args::ClientArgs,
    client,
    failure::Failure,
    input::parse_duration,
    terminal::{BAD, Cell, FAINT, GOOD, STRONG, print_table},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples: hookwright stats --webhook whk_…\n          hookwright stats --since 7d --resolution hour"
)]
pub(crate) struct StatsArgs {
    /// Only what is about this webhook (whk_…).
    #[arg(long, value_name = "ID")]
    webhook: Option<String>,

    /// From so long ago until now: up to 25h by the minute, 90d by the hour.
    #[arg(long, value_parser = parse_duration, default_value = "1h", value_name = "DURATION")]
    since: Duration,

    /// A line for each minute or hour. Minutes for up to 6h when not given.
    #[arg(long, value_enum)]
    resolution: Option<Resolution>,

    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Resolution {
    Minute,
    Hour,
}

impl From<Resolution> for v1::StatsResolution {
    fn from(resolution: Resolution) -> Self {
        match resolution {
            Resolution::Minute => Self::Minute,
            Resolution::Hour => Self::Hour,
        }
    }
}

pub(crate) async fn run(args: StatsArgs) -> Result<(), Failure> {
    let request = v1::GetStatsRequest {
        webhook_id: args.webhook.unwrap_or_default(),
        start_time: Some(ago(args.since)),
        end_time: None,
        resolution: args
            .resolution
            .map_or(v1::StatsResolution::Unspecified, Into::into)
            .into(),
    };
    let mut client = client::connect(&args.client).await?;
    let stats = client.get_stats(request).await?.into_inner();
    if args.client.json {
        return print_json(&stats);
    }
    let total = stats.total.unwrap_or_default();
    let mut rows: Vec<_> = stats
        .points
        .iter()
        .filter(|point| !is_empty(point))
        .map(|point| row(start(point).into(), point))
        .collect();
    if rows.is_empty() {
        println!("nothing since {}", start(&total));
        return Ok(());
    }
    let whole = format!("all since {}", start(&total));
    rows.push(row(Cell::styled(whole, STRONG), &total));
    let heading = match v1::StatsResolution::try_from(stats.resolution) {
        Ok(v1::StatsResolution::Hour) => "HOUR",
        _ => "MINUTE",
    };
    print_table(
        [
            heading,
            "PUBLISHED",
            "ATTEMPTS",
            "FAILED",
            "DELIVERED",
            "DEAD",
            "P50",
            "P95",
            "P99",
        ],
        &rows,
    );
    Ok(())
}

fn row(when: Cell, point: &v1::StatsPoint) -> [Cell; 9] {
    let bad = |count: u64| Cell::styled(count.to_string(), if count > 0 { BAD } else { FAINT });
    let percentile = |duration: Option<pbjson_types::Duration>| duration.map(took).unwrap_or_default().into();
    let delivered = if point.delivered_count > 0 { GOOD } else { FAINT };
    [
        when,
        point.published_count.to_string().into(),
        point.attempt_count.to_string().into(),
        bad(point.failed_attempt_count),
        Cell::styled(point.delivered_count.to_string(), delivered),
        bad(point.dead_count),
        percentile(point.duration_p50),
        percentile(point.duration_p95),
        percentile(point.duration_p99),
    ]
}

fn start(point: &v1::StatsPoint) -> String {
    point.start_time.as_ref().map(rfc3339).unwrap_or_default()
}

/// Whether there is nothing to show.
fn is_empty(point: &v1::StatsPoint) -> bool {
    point.published_count == 0 && point.attempt_count == 0 && point.dead_count == 0
}
