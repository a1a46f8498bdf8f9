//! `hookwright register`.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anstream::println;
use clap::{Args, ValueEnum};
use hookwright_core::jwe::EncryptionKey;
use hookwright_proto::v1;

use crate::{
    args::ClientArgs,
    client,
    failure::Failure,
    input::{parse_attribute, parse_duration, parse_header},
    settings::Settings,
    terminal::{FAINT, STRONG},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Example: hookwright register https://example.com/hooks --profile filedgr --events 'vault.*'"
)]
pub(crate) struct RegisterArgs {
    /// Where to deliver to.
    url: String,

    /// The platform dialect: filedgr, digivault, aetherflow, contractai, generic, standard-webhooks, or one that the
    /// service was given with --profiles. standard-webhooks when not given.
    #[arg(long)]
    profile: Option<String>,

    /// Event types, separated by commas: vault.created, vault.* or *. All when not given.
    #[arg(long, value_delimiter = ',', value_name = "TYPES")]
    events: Vec<String>,

    /// Only events for which this expression (CEL) is true, such as 'data.amount > 100'. docs/matching.md has the rules.
    #[arg(long, value_name = "EXPRESSION")]
    filter: Option<String>,

    /// Only events with this value in an attribute of the profile, such as `vaultIds=vault_1`. Given again with the same
    /// name, any of the values will do; with another name, both have to fit.
    #[arg(long = "attribute", value_parser = parse_attribute, value_name = "NAME=VALUE")]
    attributes: Vec<(String, String)>,

    /// Registering again with the same key, and everything else the same, makes no second webhook.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "KEY")]
    idempotency_key: String,

    /// A name for people.
    #[arg(long)]
    name: Option<String>,

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

    /// A file with the key to encrypt deliveries to: a JWK (EC P-256, X25519 or oct), or a shared key in base64url.
    #[arg(long, value_name = "FILE")]
    encrypt_to: Option<PathBuf>,

    /// Deadline of one attempt. The profile's when not given.
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    timeout: Option<Duration>,

    /// Waits before each retry, separated by commas: 30s,5m,2h. The profile's schedule when not given.
    #[arg(long, value_delimiter = ',', value_parser = parse_duration, value_name = "DURATIONS")]
    retry: Vec<Duration>,

    /// Who gets an e-mail when deliveries are given up. Can be given several times.
    #[arg(long = "alert-email", value_name = "ADDRESS")]
    alert_emails: Vec<String>,

    /// Which deliveries wait for each other: all of the webhook, or those with the same ordering key.
    #[arg(long, value_enum)]
    ordering: Option<OrderingArg>,

    /// Everything that has no option of its own, as JSON, `@file` or - for standard input: fields of `Webhook` in
    /// proto/hookwright/v1/webhook.proto, such as '{"rateLimit": {"perSecond": 10}}'. Options count more.
    #[arg(long, value_name = "JSON")]
    settings: Option<String>,

    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OrderingArg {
    None,
    Webhook,
    Key,
}

impl From<OrderingArg> for i32 {
    fn from(ordering: OrderingArg) -> Self {
        match ordering {
            OrderingArg::None => v1::Ordering::None,
            OrderingArg::Webhook => v1::Ordering::Webhook,
            OrderingArg::Key => v1::Ordering::Key,
        }
        .into()
    }
}

impl RegisterArgs {
    /// The settings, and the options over them.
    fn webhook(&self) -> Result<v1::Webhook, Failure> {
        let mut webhook = match &self.settings {
            Some(settings) => Settings::read(settings)?.webhook,
            None => v1::Webhook::default(),
        };
        webhook.url.clone_from(&self.url);
        if let Some(profile) = &self.profile {
            webhook.profile.clone_from(profile);
        }
        if let Some(name) = &self.name {
            webhook.name.clone_from(name);
        }
        if let Some(filter) = &self.filter {
            webhook.filter.clone_from(filter);
        }
        if let Some(ordering) = self.ordering {
            webhook.ordering = ordering.into();
        }
        if let Some(path) = &self.encrypt_to {
            webhook.encryption = Some(encryption(path)?);
        }
        if let Some(timeout) = self.timeout {
            webhook.timeout = Some(timeout.into());
        }
        if !self.retry.is_empty() {
            let limits = webhook.retry_policy.unwrap_or_default();
            webhook.retry_policy = Some(v1::RetryPolicy {
                schedule: list_policy(&self.retry).schedule,
                ..limits
            });
        }
        webhook.event_types.extend_from_slice(&self.events);
        webhook.alert_emails.extend_from_slice(&self.alert_emails);
        webhook.headers.extend(self.headers.iter().cloned());
        for (name, value) in &self.attributes {
            let attribute = webhook.attributes.entry(name.clone()).or_default();
            attribute.values.push(value.clone());
        }
        Ok(webhook)
    }
}

pub(crate) async fn run(args: RegisterArgs) -> Result<(), Failure> {
    let webhook = args.webhook()?;
    let request = v1::RegisterRequest {
        webhook: Some(webhook),
        secret: args.secret,
        idempotency_key: args.idempotency_key,
    };
    let mut client = client::connect(&args.client).await?;
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
    if let Some(encryption) = &webhook.encryption {
        let to = match encryption.key_id.as_str() {
            "" => String::new(),
            key_id => format!(" to key {key_id}"),
        };
        println!(
            "encrypted{to}: {STRONG}{}{STRONG:#} with A256GCM",
            encryption.algorithm
        );
    }
    if registered.secret.is_empty() {
        println!("{FAINT}It was registered before, and its secret has been rotated since.{FAINT:#}");
    } else {
        println!("secret: {STRONG}{}{STRONG:#}", registered.secret);
        println!("{FAINT}Give the secret to the receiver. It is not shown again.{FAINT:#}");
    }
    Ok(())
}

/// Reads a key. It is looked at here already, so that a private key does not leave this machine.
fn encryption(path: &Path) -> Result<v1::Encryption, Failure> {
    let refused = |error: &dyn std::fmt::Display| Failure::Usage(format!("{}: {error}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| refused(&error))?;
    let key = EncryptionKey::parse(&text).map_err(|error| refused(&error))?;
    let key = if key.is_shared() {
        v1::encryption::Key::SharedKey(text)
    } else {
        v1::encryption::Key::PublicKey(text)
    };
    Ok(v1::Encryption {
        key: Some(key),
        ..v1::Encryption::default()
    })
}

pub(crate) fn list_policy(delays: &[Duration]) -> v1::RetryPolicy {
    let delays = delays.iter().map(|delay| (*delay).into()).collect();
    v1::RetryPolicy {
        schedule: Some(v1::retry_policy::Schedule::List(v1::ListSchedule { delays })),
        ..v1::RetryPolicy::default()
    }
}

pub(super) fn types(patterns: &[String]) -> String {
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
