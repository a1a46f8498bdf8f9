//! `hookwright pause` and `hookwright resume`.

use anstream::println;
use clap::Args;
use hookwright_proto::v1;

use super::{register::print_json, webhooks::state};
use crate::{args::ClientArgs, client, failure::Failure, terminal::STRONG};

#[derive(Debug, Args)]
pub(crate) struct WebhookStateArgs {
    /// Which webhook (whk_…).
    id: String,

    #[command(flatten)]
    client: ClientArgs,
}

pub(crate) async fn pause(args: WebhookStateArgs) -> Result<(), Failure> {
    let mut client = client::connect(&args.client).await?;
    let request = v1::PauseWebhookRequest { id: args.id };
    let answer = client.pause_webhook(request).await?.into_inner();
    if args.client.json {
        return print_json(&answer);
    }
    show(&answer.webhook.unwrap_or_default());
    Ok(())
}

pub(crate) async fn resume(args: WebhookStateArgs) -> Result<(), Failure> {
    let mut client = client::connect(&args.client).await?;
    let request = v1::ResumeWebhookRequest { id: args.id };
    let answer = client.resume_webhook(request).await?.into_inner();
    if args.client.json {
        return print_json(&answer);
    }
    show(&answer.webhook.unwrap_or_default());
    Ok(())
}

fn show(webhook: &v1::Webhook) {
    println!("{STRONG}{}{STRONG:#} is {}", webhook.id, state(webhook));
    if let Some(status) = &webhook.status {
        let more = if status.held_count_exceeded {
            "more than "
        } else {
            ""
        };
        println!("{}; {more}{} deliveries are held", status.text, status.held_count);
    }
}
