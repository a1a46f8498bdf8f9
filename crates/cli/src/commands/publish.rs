//! `hookwright publish`.

use anstream::println;
use clap::Args;
use hookwright_proto::v1;

use super::register::print_json;
use crate::{
    args::ClientArgs,
    client,
    failure::Failure,
    input::read_bytes,
    terminal::{Cell, FAINT, GOOD, STRONG, WAITING, print_table},
};

#[derive(Debug, Args)]
#[command(after_help = "Example: hookwright publish vault.created '{\"vaultId\": \"vault_1\"}'")]
pub(crate) struct PublishArgs {
    /// What happened: a dotted name.
    event_type: String,

    /// The event's data as JSON; @FILE reads a file, - reads standard input.
    #[arg(default_value = "{}")]
    data: String,

    /// Publishing again with the same key changes nothing.
    #[arg(long, default_value = "", hide_default_value = true)]
    idempotency_key: String,

    /// Check type and payload against the event catalogue first, and store nothing if they do not fit.
    #[arg(long)]
    validate: bool,

    /// Store nothing; show which webhooks would get the event, and why the others would not.
    #[arg(long, conflicts_with = "idempotency_key")]
    dry_run: bool,
    /// Webhooks registered with `--ordering key` get events with the same key one after the other.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "KEY")]
    ordering_key: String,

    #[command(flatten)]
    client: ClientArgs,
}

pub(crate) async fn run(args: PublishArgs) -> Result<(), Failure> {
    let payload = read_bytes(&args.data)?.into();
    let mut client = client::connect(&args.client).await?;
    if args.dry_run {
        let request = v1::DryRunPublishRequest {
            event_type: args.event_type,
            payload,
            validate_payload: args.validate,
        };
        let answer = client.dry_run_publish(request).await?.into_inner();
        return show_dry_run(&answer, args.client.json);
    }
    let request = v1::PublishRequest {
        event_type: args.event_type,
        payload,
        idempotency_key: args.idempotency_key,
        validate_payload: args.validate,
        ordering_key: args.ordering_key,
    };
    let published = client.publish(request).await?.into_inner();
    if args.client.json {
        return print_json(&published);
    }
    let webhooks = match published.delivery_count {
        0 => String::from("no webhook wants this type"),
        1 => String::from("1 webhook"),
        count => format!("{count} webhooks"),
    };
    let duplicate = if published.duplicate {
        " (published before with this key)"
    } else {
        ""
    };
    println!(
        "{STRONG}{}{STRONG:#} stored; {webhooks}{duplicate}",
        published.event_id
    );
    println!(
        "{FAINT}See what became of it: hookwright deliveries --event {}{FAINT:#}",
        published.event_id
    );
    Ok(())
}

fn show_dry_run(answer: &v1::DryRunPublishResponse, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(answer);
    }
    println!(
        "{STRONG}{} of {}{STRONG:#} webhooks would get it; nothing was stored",
        answer.matched_count, answer.webhook_count
    );
    let rows: Vec<[Cell; 4]> = answer
        .webhooks
        .iter()
        .map(|webhook| {
            let (gets_it, style) = if webhook.matched {
                ("yes", GOOD)
            } else {
                ("no", WAITING)
            };
            [
                webhook.webhook_id.clone().into(),
                webhook.webhook_name.clone().into(),
                Cell::styled(gets_it, style),
                webhook.text.clone().into(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        print_table(["WEBHOOK", "NAME", "GETS IT", "WHY"], &rows);
    }
    Ok(())
}
