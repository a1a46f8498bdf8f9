//! `hookwright rotate-secret`.

use std::time::Duration;

use anstream::println;
use clap::Args;
use hookwright_proto::v1;

use super::{deliveries::rfc3339, register::print_json};
use crate::{
    args::ClientArgs,
    client,
    failure::Failure,
    input::parse_duration,
    terminal::{FAINT, STRONG},
};

#[derive(Debug, Args)]
pub(crate) struct RotateSecretArgs {
    /// The webhook (whk_…).
    id: String,

    /// The new secret. One is generated when none is given. Better set in the environment than typed.
    #[arg(
        long,
        env = "HOOKWRIGHT_SECRET",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    secret: String,

    /// How long the old secrets go on signing beside the new one, up to 7 days; 0s stops them at once.
    #[arg(long, value_parser = parse_duration, default_value = "24h", value_name = "DURATION")]
    overlap: Duration,

    #[command(flatten)]
    client: ClientArgs,
}

pub(crate) async fn run(args: RotateSecretArgs) -> Result<(), Failure> {
    let mut client = client::connect(&args.client).await?;
    let request = v1::RotateSecretRequest {
        id: args.id,
        secret: args.secret,
        overlap: Some(args.overlap.into()),
    };
    let rotated = client.rotate_secret(request).await?.into_inner();
    if args.client.json {
        return print_json(&rotated);
    }
    println!("secret: {STRONG}{}{STRONG:#}", rotated.secret);
    println!("{FAINT}Give the secret to the receiver. It is not shown again.{FAINT:#}");
    if rotated.live_secret_count > 1
        && let Some(expiry) = &rotated.old_secrets_expire_time
    {
        println!("the old ones sign until {}", rfc3339(expiry));
    }
    Ok(())
}
