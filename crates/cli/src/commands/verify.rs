//! `hookwright verify`.

use anstream::println;
use clap::Args;
use hookwright_core::{Profile, Request, Secret, Tolerance, Verifier};
use hookwright_proto::v1::{self, verify_request::Key};
use hookwright_store::Clock;

use super::register::print_json;
use crate::{
    args::ClientArgs,
    client,
    failure::Failure,
    input::{parse_header, read_bytes},
    terminal::{BAD, FAINT, GOOD},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Example: hookwright verify --profile filedgr --secret \"$SECRET\" \
                        -H \"X-Filedgr-Signature: 5ff1…\" --body @request.json\n\n\
                        Exit codes: 0 valid, 1 not valid, 2 wrong usage."
)]
pub(crate) struct VerifyArgs {
    /// The platform that signed.
    #[arg(long, required_unless_present = "webhook", conflicts_with = "webhook")]
    profile: Option<String>,

    /// Its secret. Can be given several times; better set in the environment than typed.
    #[arg(
        long = "secret",
        env = "HOOKWRIGHT_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    secrets: Vec<String>,

    /// Ask the service to check against this webhook's secrets instead (whk_…).
    #[arg(long, value_name = "ID")]
    webhook: Option<String>,

    /// A received header, `Name: value`. Can be given several times.
    #[arg(short = 'H', long = "header", value_parser = parse_header, value_name = "HEADER")]
    headers: Vec<(String, String)>,

    /// The body exactly as received; @FILE reads a file, - reads standard input.
    #[arg(long)]
    body: String,

    /// Accept any age of the signed timestamp.
    #[arg(long)]
    any_age: bool,

    #[command(flatten)]
    client: ClientArgs,
}

pub(crate) async fn run(args: VerifyArgs) -> Result<(), Failure> {
    let body = read_bytes(&args.body)?;
    let answer = match &args.webhook {
        Some(id) => ask(&args, id.clone(), body).await?,
        None => check(&args, &body)?,
    };
    if args.client.json {
        print_json(&answer)?;
    } else if answer.valid {
        println!("{GOOD}valid{GOOD:#} {} {}", answer.event_type, answer.event_id);
    } else {
        println!(
            "{BAD}not valid{BAD:#} {} {FAINT}({}){FAINT:#}",
            answer.message, answer.reason
        );
    }
    if answer.valid {
        Ok(())
    } else {
        Err(Failure::Silent)
    }
}

async fn ask(args: &VerifyArgs, webhook_id: String, body: Vec<u8>) -> Result<v1::VerifyResponse, Failure> {
    let mut client = client::connect(&args.client.server).await?;
    let headers = args
        .headers
        .iter()
        .map(|(name, value)| v1::Header {
            name: name.clone(),
            value: value.clone().into(),
        })
        .collect();
    // As far as the service goes: a hundred years.
    let tolerance = args
        .any_age
        .then(|| std::time::Duration::from_hours(876_000).into());
    let request = v1::VerifyRequest {
        key: Some(Key::WebhookId(webhook_id)),
        body: body.into(),
        headers,
        tolerance,
    };
    Ok(client.verify(request).await?.into_inner())
}

/// The same check without a service.
fn check(args: &VerifyArgs, body: &[u8]) -> Result<v1::VerifyResponse, Failure> {
    let profile = find_profile(args.profile.as_deref().unwrap_or_default())?;
    let secrets = args
        .secrets
        .iter()
        .map(|text| Secret::parse(text))
        .collect::<Result<Vec<_>, _>>();
    let verifier = secrets
        .and_then(|secrets| Verifier::for_profile(&profile, &secrets))
        .map_err(|error| Failure::Usage(format!("--secret: {error}")))?;
    let tolerance = if args.any_age {
        Tolerance::Off
    } else {
        Tolerance::SchemeDefault
    };
    let headers: Vec<(&str, &[u8])> = args
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let request = Request {
        method: "POST",
        url: "",
        headers: &headers,
        body,
    };
    let now = Clock::system().now().unix_seconds();
    let refused = |code: &str, message: String| v1::VerifyResponse {
        reason: code.to_owned(),
        message,
        ..v1::VerifyResponse::default()
    };
    let verified = match verifier.with_tolerance(tolerance).verify(&request, now) {
        Ok(verified) => verified,
        Err(error) => return Ok(refused(error.code(), error.to_string())),
    };
    let envelope = match profile.parse_request(&request) {
        Ok(envelope) => envelope,
        Err(error) => return Ok(refused(error.code(), error.to_string())),
    };
    Ok(v1::VerifyResponse {
        valid: true,
        event_id: envelope
            .id
            .or_else(|| verified.id.map(ToOwned::to_owned))
            .unwrap_or_default(),
        event_type: envelope.event_type.unwrap_or_default(),
        timestamp: verified
            .timestamp
            .map(|seconds| pbjson_types::Timestamp { seconds, nanos: 0 }),
        secret_index: u32::try_from(verified.secret_index).unwrap_or(u32::MAX),
        ..v1::VerifyResponse::default()
    })
}

pub(crate) fn find_profile(name: &str) -> Result<std::sync::Arc<Profile>, Failure> {
    Profile::builtin(name).ok_or_else(|| {
        Failure::Usage(format!(
            "no profile {name:?}; there are {}",
            Profile::builtin_names().join(", ")
        ))
    })
}
