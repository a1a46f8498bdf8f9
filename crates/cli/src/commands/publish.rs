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
    terminal::{FAINT, STRONG},
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

    #[command(flatten)]
    client: ClientArgs,
}

pub(crate) async fn run(args: PublishArgs) -> Result<(), Failure> {
    let payload = read_bytes(&args.data)?.into();
    let mut client = client::connect(&args.client.server).await?;
    let request = v1::PublishRequest {
        event_type: args.event_type,
        payload,
        idempotency_key: args.idempotency_key,
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
