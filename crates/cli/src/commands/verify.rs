//! `hookwright verify`.

use anstream::println;
use clap::{ArgGroup, Args};
use hookwright_core::{
    Refusal, Registry, Request, Secret, SecretError, Tolerance, Verified, Verifier,
    explain::{Explanation, explain, explain_profile},
    receive,
};
use hookwright_proto::v1::{self, verify_request::Key};
use hookwright_store::Clock;

use super::register::print_json;
use crate::{
    args::ClientArgs,
    client,
    failure::Failure,
    input::{parse_header, read_bytes},
    profiles::{ProfilesArgs, find_profile, find_scheme},
    terminal::{BAD, FAINT, GOOD},
};

#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("signed_by").required(true).args(["profile", "scheme", "webhook"]),
    after_help = "Examples:\n  \
                  hookwright verify --profile filedgr --secret \"$SECRET\" -H \"X-Filedgr-Signature: 5ff1…\" \\\n      --body @request.json\n  \
                  hookwright verify --scheme stripe --secret \"$SECRET\" -H \"Stripe-Signature: t=…,v1=…\" \\\n      --body @request.json\n  \
                  hookwright verify --explain --scheme github --secret \"$SECRET\" \\\n      -H \"X-Hub-Signature-256: sha256=…\" --body @request.json\n\n\
                  Exit codes: 0 valid, 1 not valid, 2 wrong usage."
)]
pub(crate) struct VerifyArgs {
    /// The platform that signed: signature and envelope are checked.
    #[arg(long)]
    profile: Option<String>,

    /// The signature scheme, such as stripe, for a platform without a profile: only the signature is checked.
    #[arg(long)]
    scheme: Option<String>,

    /// Ask the service to check against this webhook's secrets instead (whk_…).
    #[arg(long, value_name = "ID")]
    webhook: Option<String>,

    /// The platform's secret. Can be given several times; better set in the environment than typed.
    #[arg(
        long = "secret",
        env = "HOOKWRIGHT_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    secrets: Vec<String>,

    /// A received header, `Name: value`. Can be given several times.
    #[arg(short = 'H', long = "header", value_parser = parse_header, value_name = "HEADER")]
    headers: Vec<(String, String)>,

    /// The body exactly as received; @FILE reads a file, - reads standard input.
    #[arg(long)]
    body: String,

    /// The method of the request. Some schemes sign it.
    #[arg(long, default_value = "POST")]
    method: String,

    /// The URL that the platform was told to call, exactly as it was told. Some schemes sign it: square, hubspot-v3, twilio.
    #[arg(long)]
    url: Option<String>,

    /// Accept any age of the signed timestamp.
    #[arg(long)]
    any_age: bool,

    /// When it is not valid, try what commonly goes wrong and say what would have matched. For development: the
    /// answer tells more than the sender of a request may know.
    #[arg(long, conflicts_with = "webhook")]
    explain: bool,

    #[command(flatten)]
    profiles: ProfilesArgs,

    #[command(flatten)]
    client: ClientArgs,
}

pub(crate) async fn run(args: VerifyArgs) -> Result<(), Failure> {
    let body = read_bytes(&args.body)?;
    if args.explain {
        let explanation = explained(&args, &body)?;
        if !explanation.is_valid() {
            print_explanation(&explanation, args.client.json)?;
            return Err(Failure::Silent);
        }
    }
    let answer = match &args.webhook {
        Some(id) => ask(&args, id.clone(), body).await?,
        None => check(&args, &body)?,
    };
    if args.client.json {
        print_json(&answer)?;
    } else if answer.valid {
        // A scheme knows no types, and perhaps no ids.
        let vouched = [answer.event_type.as_str(), &answer.event_id, "signed by"];
        let vouched: Vec<&str> = vouched.into_iter().filter(|text| !text.is_empty()).collect();
        println!("{GOOD}valid{GOOD:#} {} {}", vouched.join(" "), answer.scheme);
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
    let mut client = client::connect(&args.client).await?;
    let headers = args
        .headers
        .iter()
        .map(|(name, value)| v1::Header {
            name: name.clone(),
            value: value.clone().into(),
        })
        .collect();
    let request = v1::VerifyRequest {
        key: Some(Key::WebhookId(webhook_id)),
        body: body.into(),
        headers,
        tolerance: None,
        any_age: args.any_age,
        method: args.method.clone(),
        url: args.url.clone().unwrap_or_default(),
    };
    Ok(client.verify(request).await?.into_inner())
}

/// What would have matched. The secrets are texts here, because a bad one is among the things to explain.
fn explained(args: &VerifyArgs, body: &[u8]) -> Result<Explanation, Failure> {
    let registry = args.profiles.registry()?;
    let headers = headers(args);
    let request = request(args, &headers, body);
    let secrets: Vec<&str> = args.secrets.iter().map(String::as_str).collect();
    let now = Clock::system().now().unix_seconds();
    match &args.scheme {
        Some(name) => {
            let scheme = find_scheme(&registry, name)?;
            require_url(args, scheme.signs_url())?;
            Ok(explain(&scheme, &secrets, &request, now))
        }
        None => {
            let profile = find_profile(&registry, args.profile.as_deref().unwrap_or_default())?;
            require_url(args, profile.signs_url())?;
            Ok(explain_profile(&profile, &secrets, &request, now))
        }
    }
}

fn print_explanation(explanation: &Explanation, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return print_json(explanation);
    }
    println!("{BAD}not valid{BAD:#} {explanation}");
    Ok(())
}

fn headers(args: &VerifyArgs) -> Vec<(&str, &[u8])> {
    args.headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect()
}

fn request<'a>(args: &'a VerifyArgs, headers: &'a [(&'a str, &'a [u8])], body: &'a [u8]) -> Request<'a> {
    Request {
        method: &args.method,
        url: args.url.as_deref().unwrap_or_default(),
        headers,
        body,
    }
}

/// The same check without a service.
fn check(args: &VerifyArgs, body: &[u8]) -> Result<v1::VerifyResponse, Failure> {
    let registry = args.profiles.registry()?;
    let headers = headers(args);
    let request = request(args, &headers, body);
    let now = Clock::system().now().unix_seconds();
    match &args.scheme {
        Some(name) => by_scheme(args, &registry, name, &request, now),
        None => by_profile(args, &registry, &request, now),
    }
}

fn by_profile(
    args: &VerifyArgs,
    registry: &Registry,
    request: &Request<'_>,
    now: i64,
) -> Result<v1::VerifyResponse, Failure> {
    let profile = find_profile(registry, args.profile.as_deref().unwrap_or_default())?;
    require_url(args, profile.signs_url())?;
    let verifier = verifier(args, Verifier::for_profile(&profile, &secrets(args)?))?;
    Ok(match receive(&verifier, &profile, request, now) {
        Ok(received) => accepted(received.event_id(), received.event_type(), &received.verified),
        Err(refusal) => refused(&refusal),
    })
}

fn by_scheme(
    args: &VerifyArgs,
    registry: &Registry,
    name: &str,
    request: &Request<'_>,
    now: i64,
) -> Result<v1::VerifyResponse, Failure> {
    let scheme = find_scheme(registry, name)?;
    require_url(args, scheme.signs_url())?;
    let verifier = verifier(args, Verifier::for_scheme(&scheme, &secrets(args)?))?;
    Ok(match verifier.verify(request, now) {
        Ok(verified) => accepted(verified.id, None, &verified),
        Err(error) => refused(&Refusal::from(error)),
    })
}

fn require_url(args: &VerifyArgs, is_signed: bool) -> Result<(), Failure> {
    if is_signed && args.url.is_none() {
        return Err(Failure::Usage(String::from(
            "this scheme signs the URL: give --url, exactly as the platform was told to call it",
        )));
    }
    Ok(())
}

fn secrets(args: &VerifyArgs) -> Result<Vec<Secret>, Failure> {
    let secrets: Result<_, _> = args.secrets.iter().map(|text| Secret::parse(text)).collect();
    secrets.map_err(|error| bad_secret(&error))
}

fn verifier(args: &VerifyArgs, made: Result<Verifier, SecretError>) -> Result<Verifier, Failure> {
    let tolerance = if args.any_age {
        Tolerance::Off
    } else {
        Tolerance::SchemeDefault
    };
    made.map(|verifier| verifier.with_tolerance(tolerance))
        .map_err(|error| bad_secret(&error))
}

fn bad_secret(error: &SecretError) -> Failure {
    Failure::Usage(format!("--secret: {error}"))
}

fn accepted(event_id: Option<&str>, event_type: Option<&str>, verified: &Verified<'_>) -> v1::VerifyResponse {
    v1::VerifyResponse {
        valid: true,
        event_id: event_id.unwrap_or_default().to_owned(),
        event_type: event_type.unwrap_or_default().to_owned(),
        timestamp: verified
            .timestamp
            .map(|seconds| pbjson_types::Timestamp { seconds, nanos: 0 }),
        secret_index: u32::try_from(verified.secret_index).unwrap_or(u32::MAX),
        scheme: verified.scheme.to_string(),
        ..v1::VerifyResponse::default()
    }
}

fn refused(refusal: &Refusal) -> v1::VerifyResponse {
    v1::VerifyResponse {
        reason: refusal.code().to_owned(),
        message: refusal.to_string(),
        ..v1::VerifyResponse::default()
    }
}
