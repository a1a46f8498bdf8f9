//! `hookwright send-test`.

use std::{fs, path::PathBuf, time::Duration};

use anstream::println;
use clap::Args;
use hookwright_proto::v1;

use super::{deliveries::last, register::print_json};
use crate::{
    args::ClientArgs,
    client,
    failure::Failure,
    input::parse_duration,
    terminal::{BAD, GOOD, STRONG},
};

#[derive(Debug, Args)]
pub(crate) struct SendTestArgs {
    /// The webhook (whk_…).
    id: String,

    /// The event type. One that the webhook asked for when not given.
    #[arg(
        long = "type",
        default_value = "",
        hide_default_value = true,
        value_name = "TYPE"
    )]
    event_type: String,

    /// A file with the payload. The profile's sample when not given.
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,

    /// How long to wait for the receiver's answer, up to 60s.
    #[arg(long, value_parser = parse_duration, default_value = "30s", value_name = "DURATION")]
    wait: Duration,

    #[command(flatten)]
    client: ClientArgs,
}

pub(crate) async fn run(args: SendTestArgs) -> Result<(), Failure> {
    let payload = match &args.payload {
        Some(path) => {
            fs::read(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?
        }
        None => Vec::new(),
    };
    let mut client = client::connect(&args.client).await?;
    let request = v1::SendTestRequest {
        id: args.id,
        event_type: args.event_type,
        payload: payload.into(),
        wait: Some(args.wait.into()),
    };
    let sent = client.send_test(request).await?.into_inner();
    let is_accepted = sent
        .attempt
        .as_ref()
        .is_some_and(|attempt| attempt.outcome() == v1::Outcome::Accepted);
    if args.client.json {
        print_json(&sent)?;
    } else {
        let delivery = sent.delivery.unwrap_or_default();
        println!("{STRONG}{}{STRONG:#} {}", delivery.id, delivery.event_type);
        match &sent.attempt {
            Some(attempt) => {
                let style = if is_accepted { GOOD } else { BAD };
                let result = last(attempt.outcome(), attempt.http_status);
                println!("{style}{result}{style:#} {}", printable(&attempt.error));
            }
            None => println!("no answer within {:?}", args.wait),
        }
    }
    if is_accepted { Ok(()) } else { Err(Failure::Silent) }
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
