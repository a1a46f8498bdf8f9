//! `hookwright register`.

use std::time::Duration;

use anstream::println;
use clap::Args;
use hookwright_proto::v1;

use crate::{
    args::ClientArgs,
    client,
    failure::Failure,
    input::{parse_duration, parse_header},
    terminal::{FAINT, STRONG},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Example: hookwright register https://example.com/hooks --profile filedgr --events 'vault.*'"
)]
pub(crate) struct RegisterArgs {
    /// Where to deliver to.
    url: String,

    /// The platform dialect: filedgr, digivault, aetherflow, contractai, generic or standard-webhooks.
    #[arg(long, default_value = "standard-webhooks")]
    profile: String,

    /// Event types, separated by commas: vault.created, vault.* or *. All when not given.
    #[arg(long, value_delimiter = ',', value_name = "TYPES")]
    events: Vec<String>,

    /// A name for people.
    #[arg(long, default_value = "")]
    name: String,

    /// The signing secret. One is generated when none is given. Better set in the environment than typed.
    #[arg(
        long,
        env = "HOOKWRIGHT_SECRET",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    secret: String,

    /// A header to send with every delivery, `Name: value`. Can be given several times.
    #[arg(long = "header", value_parser = parse_header, value_name = "HEADER")]
    headers: Vec<(String, String)>,

    /// Deadline of one attempt. The profile's when not given.
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    timeout: Option<Duration>,

    /// Waits before each retry, separated by commas: 30s,5m,2h. The profile's schedule when not given.
    #[arg(long, value_delimiter = ',', value_parser = parse_duration, value_name = "DURATIONS")]
    retry: Vec<Duration>,

    #[command(flatten)]
    client: ClientArgs,
}

pub(crate) async fn run(args: RegisterArgs) -> Result<(), Failure> {
    let mut client = client::connect(&args.client.server).await?;
    let retry_policy = (!args.retry.is_empty()).then(|| list_policy(&args.retry));
    let webhook = v1::Webhook {
        name: args.name,
        url: args.url,
        profile: args.profile,
        event_types: args.events,
        headers: args.headers.into_iter().collect(),
        retry_policy,
        timeout: args.timeout.map(Into::into),
        ..v1::Webhook::default()
    };
    let request = v1::RegisterRequest {
        webhook: Some(webhook),
        secret: args.secret,
    };
    let registered = client.register(request).await?.into_inner();
    if args.client.json {
        return print_json(&registered);
    }
    let webhook = registered.webhook.unwrap_or_default();
    println!(
        "{STRONG}{}{STRONG:#} delivers {} to {}",
        webhook.id,
        types(&webhook.event_types),
        webhook.url
    );
    println!("secret: {STRONG}{}{STRONG:#}", registered.secret);
    println!("{FAINT}Give the secret to the receiver. It is not shown again.{FAINT:#}");
    Ok(())
}

pub(crate) fn list_policy(delays: &[Duration]) -> v1::RetryPolicy {
    let delays = delays.iter().map(|delay| (*delay).into()).collect();
    v1::RetryPolicy {
        schedule: Some(v1::retry_policy::Schedule::List(v1::ListSchedule { delays })),
    }
}

fn types(patterns: &[String]) -> String {
    if patterns.is_empty() {
        String::from("all events")
    } else {
        patterns.join(", ")
    }
}

/// Prints an answer of the service as it defines it.
pub(crate) fn print_json(answer: &impl serde::Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(answer).map_err(|error| Failure::Failed(error.to_string()))?;
    println!("{json}");
    Ok(())
}
