//! `hookwright deliveries`.

use std::time::Duration;

use anstream::println;
use clap::{Args, ValueEnum};
use hookwright_proto::v1;

use super::{register::print_json, watch_deliveries};
use crate::{
    args::ClientArgs,
    client::{self, Client},
    failure::Failure,
    terminal::{BAD, Cell, FAINT, GOOD, STRONG, WAITING, print_table},
};

#[derive(Debug, Args)]
pub(crate) struct DeliveriesArgs {
    /// Show this delivery with its attempts (dlv_…).
    #[arg(conflicts_with_all = ["webhook", "event", "state", "limit", "watch"])]
    id: Option<String>,

    /// Follow what happens from now on, until interrupted. With --json, a document a line.
    #[arg(long, conflicts_with_all = ["event", "limit"])]
    watch: bool,

    /// Follow from behind this cursor, which --watch --json prints with everything.
    #[arg(long, requires = "watch")]
    cursor: Option<String>,

    /// Follow events of this type only, such as vault.created or vault.*; can be repeated.
    #[arg(long = "event-type", requires = "watch", value_name = "TYPE")]
    event_types: Vec<String>,

    /// Only those to this webhook (whk_…).
    #[arg(long, value_name = "ID")]
    webhook: Option<String>,

    /// Only those of this event (evt_…).
    #[arg(long, value_name = "ID")]
    event: Option<String>,

    /// Only those in this state.
    #[arg(long, value_enum)]
    state: Option<State>,

    /// How many at most, newest first.
    #[arg(long, default_value_t = 20, value_name = "NUMBER")]
    limit: usize,

    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum State {
    Scheduled,
    Leased,
    Delivered,
    Dead,
    Cancelled,
    Held,
}

impl From<State> for v1::DeliveryState {
    fn from(state: State) -> Self {
        match state {
            State::Scheduled => Self::Scheduled,
            State::Leased => Self::Leased,
            State::Delivered => Self::Delivered,
            State::Dead => Self::Dead,
            State::Cancelled => Self::Cancelled,
            State::Held => Self::Held,
        }
    }
}

pub(crate) async fn run(args: DeliveriesArgs) -> Result<(), Failure> {
    if args.watch {
        let request = v1::WatchDeliveriesRequest {
            webhook_id: args.webhook.unwrap_or_default(),
            event_types: args.event_types,
            states: args
                .state
                .map(v1::DeliveryState::from)
                .map(Into::into)
                .into_iter()
                .collect(),
            cursor: args.cursor.unwrap_or_default(),
            ..v1::WatchDeliveriesRequest::default()
        };
        return watch_deliveries::follow(&args.client, request).await;
    }
    let mut client = client::connect(&args.client).await?;
    match args.id {
        Some(id) => show(&mut client, id, args.client.json).await,
        None => list(&mut client, args).await,
    }
}

async fn list(client: &mut Client, args: DeliveriesArgs) -> Result<(), Failure> {
    let mut request = v1::ListDeliveriesRequest {
        webhook_id: args.webhook.unwrap_or_default(),
        event_id: args.event.unwrap_or_default(),
        state: args
            .state
            .map_or(v1::DeliveryState::Unspecified, Into::into)
            .into(),
        page_size: i32::try_from(args.limit.clamp(1, 200)).unwrap_or(200),
        page_token: String::new(),
    };
    let mut deliveries = Vec::new();
    loop {
        let page = client.list_deliveries(request.clone()).await?.into_inner();
        deliveries.extend(page.deliveries);
        request.page_token = page.next_page_token;
        if deliveries.len() >= args.limit || request.page_token.is_empty() {
            break;
        }
    }
    deliveries.truncate(args.limit);
    if args.client.json {
        let next_page_token = request.page_token;
        return print_json(&v1::ListDeliveriesResponse {
            deliveries,
            next_page_token,
        });
    }
    if deliveries.is_empty() {
        println!("no deliveries");
        return Ok(());
    }
    let rows: Vec<_> = deliveries.iter().map(row).collect();
    print_table(
        [
            "DELIVERY",
            "EVENT TYPE",
            "STATE",
            "ATTEMPTS",
            "LAST",
            "TOOK",
            "NEXT",
        ],
        &rows,
    );
    Ok(())
}

fn row(delivery: &v1::Delivery) -> [Cell; 7] {
    [
        delivery.id.clone().into(),
        delivery.event_type.clone().into(),
        state_cell(delivery.state()),
        delivery.attempt_count.to_string().into(),
        last(delivery.last_outcome(), delivery.last_http_status).into(),
        delivery
            .last_attempt_duration
            .map(took)
            .unwrap_or_default()
            .into(),
        delivery
            .next_attempt_time
            .as_ref()
            .map(rfc3339)
            .unwrap_or_default()
            .into(),
    ]
}

pub(crate) fn state_cell(state: v1::DeliveryState) -> Cell {
    let name = state
        .as_str_name()
        .trim_start_matches("DELIVERY_STATE_")
        .to_lowercase();
    let style = match state {
        v1::DeliveryState::Delivered => GOOD,
        v1::DeliveryState::Dead => BAD,
        v1::DeliveryState::Scheduled | v1::DeliveryState::Leased | v1::DeliveryState::Held => WAITING,
        v1::DeliveryState::Cancelled | v1::DeliveryState::Unspecified => FAINT,
    };
    Cell::styled(name, style)
}

/// `200`, `timed_out`, or nothing before the first attempt.
pub(crate) fn last(outcome: v1::Outcome, http_status: u32) -> String {
    match (outcome, http_status) {
        (v1::Outcome::Unspecified, _) => String::new(),
        (outcome, 0) => outcome
            .as_str_name()
            .trim_start_matches("OUTCOME_")
            .to_lowercase(),
        (_, status) => status.to_string(),
    }
}

async fn show(client: &mut Client, id: String, json: bool) -> Result<(), Failure> {
    let found = client
        .get_delivery(v1::GetDeliveryRequest { id })
        .await?
        .into_inner();
    if json {
        return print_json(&found);
    }
    let (delivery, event) = (
        found.delivery.unwrap_or_default(),
        found.event.unwrap_or_default(),
    );
    println!("{STRONG}{}{STRONG:#}", delivery.id);
    println!("event    {} {}", event.id, event.r#type);
    println!("webhook  {}", delivery.webhook_id);
    if let Some(explanation) = &found.match_explanation {
        let matches = if explanation.matched {
            "matches"
        } else {
            "no match"
        };
        println!(
            "{matches:<8} {} {FAINT}(by the webhook's settings of now){FAINT:#}",
            explanation.text
        );
    }
    let rows: Vec<_> = found
        .attempts
        .iter()
        .map(|attempt| {
            let ok = attempt.outcome() == v1::Outcome::Accepted;
            [
                attempt.number.to_string().into(),
                attempt
                    .start_time
                    .as_ref()
                    .map(rfc3339)
                    .unwrap_or_default()
                    .into(),
                attempt.duration.map(took).unwrap_or_default().into(),
                Cell::styled(
                    last(attempt.outcome(), attempt.http_status),
                    if ok { GOOD } else { BAD },
                ),
                attempt.error.clone().into(),
            ]
        })
        .collect();
    print_table(["ATTEMPT", "STARTED", "TOOK", "RESULT", "ERROR"], &rows);
    if let Some(hold) = &found.hold {
        let since = hold.start_time.as_ref().map(rfc3339).unwrap_or_default();
        println!("held since {since}: {}; freed by {}", hold.reason, hold.release);
    } else if !delivery.state_reason.is_empty() {
        println!("{}", delivery.state_reason);
    }
    if let Some(next) = &delivery.next_attempt_time {
        println!("next attempt {}", rfc3339(next));
    }
    Ok(())
}

pub(crate) fn took(duration: pbjson_types::Duration) -> String {
    let took = Duration::try_from(duration).unwrap_or_default();
    format!("{:.1} ms", took.as_secs_f64() * 1e3)
}

pub(crate) fn rfc3339(moment: &pbjson_types::Timestamp) -> String {
    let micros = moment
        .seconds
        .saturating_mul(1_000_000)
        .saturating_add(i64::from(moment.nanos / 1_000));
    hookwright_store::Timestamp::from_unix_micros(micros).to_string()
}
