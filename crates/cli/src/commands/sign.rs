//! `hookwright sign`.

use anstream::println;
use clap::Args;
use hookwright_core::{EventFields, Message, Secret, Signer, is_message_id};
use hookwright_store::Clock;

use crate::{
    failure::Failure,
    input::read_bytes,
    profiles::{ProfilesArgs, find_profile},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Example: hookwright sign --profile filedgr --secret \"$SECRET\" --event-type vault.created \
                        --data '{\"vaultId\": \"vault_1\"}' --curl http://localhost:5000/hooks"
)]
pub(crate) struct SignArgs {
    /// The platform to sign as.
    #[arg(long)]
    profile: String,

    /// Its secret. Better set in the environment than typed.
    #[arg(long, env = "HOOKWRIGHT_SECRET", hide_env_values = true)]
    secret: String,

    /// The event's data as JSON, to be put into the platform's envelope; @FILE reads a file, - standard input.
    #[arg(long, default_value = "{}", conflicts_with = "body")]
    data: String,

    /// A whole body to sign as it is, instead of --data.
    #[arg(long)]
    body: Option<String>,

    /// The event's type.
    #[arg(long, default_value = "test.event")]
    event_type: String,

    /// The event's id. One for tests when not given.
    #[arg(long)]
    id: Option<String>,

    /// Seconds since 1970 to sign. Now when not given.
    #[arg(long, value_name = "SECONDS")]
    timestamp: Option<i64>,

    /// Print a curl command that sends the request to this URL.
    #[arg(long, value_name = "URL", conflicts_with = "json")]
    curl: Option<String>,

    /// Print headers and body as JSON.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    profiles: ProfilesArgs,
}

pub(crate) fn run(args: SignArgs) -> Result<(), Failure> {
    let profile = find_profile(&args.profiles.registry()?, &args.profile)?;
    let signer = Secret::parse(&args.secret)
        .and_then(|secret| Signer::for_profile(&profile, &[secret]))
        .map_err(|error| Failure::Usage(format!("--secret: {error}")))?;
    let now = Clock::system().now();
    let id = args
        .id
        .unwrap_or_else(|| format!("{}_test", profile.event_id_prefix));
    if !is_message_id(&id) {
        return Err(Failure::Usage(String::from(
            "--id: at most 256 letters, digits and _:@/+=~-",
        )));
    }
    let data = read_bytes(&args.data)?;
    let fields = EventFields {
        id: &id,
        event_type: &args.event_type,
        occurred_at_ms: now.unix_millis(),
        data: &data,
        extras: &[],
    };
    let body = match &args.body {
        Some(body) => read_bytes(body)?,
        None => {
            serde_json::from_slice::<serde::de::IgnoredAny>(&data)
                .map_err(|error| Failure::Usage(format!("--data is not JSON: {error}")))?;
            profile.render(&fields)
        }
    };
    let message = Message {
        id: &id,
        event_type: &args.event_type,
        timestamp: args.timestamp.unwrap_or_else(|| now.unix_seconds()),
        body: &body,
        method: "POST",
        url: args.curl.as_deref().unwrap_or_default(),
    };
    let mut headers = vec![(String::from("Content-Type"), profile.content_type().to_owned())];
    let computed = profile
        .extra_headers(&fields)
        .into_iter()
        .chain(signer.sign(&message));
    headers.extend(computed.map(|(name, value)| (name.to_string(), value)));
    print(
        &headers,
        &String::from_utf8_lossy(&body),
        args.curl.as_deref(),
        args.json,
    );
    Ok(())
}

fn print(headers: &[(String, String)], body: &str, curl: Option<&str>, json: bool) {
    if json {
        let headers: serde_json::Map<String, serde_json::Value> = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone().into()))
            .collect();
        println!("{}", serde_json::json!({ "headers": headers, "body": body }));
    } else if let Some(url) = curl {
        println!("curl -i -X POST {} \\", shell_quote(url));
        for (name, value) in headers {
            println!("  -H {} \\", shell_quote(&format!("{name}: {value}")));
        }
        println!("  --data-binary {}", shell_quote(body));
    } else {
        for (name, value) in headers {
            println!("{name}: {value}");
        }
        println!("\n{body}");
    }
}

fn shell_quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_survives_quotes() {
        assert_eq!(shell_quote("it's"), r"'it'\''s'");
    }
}
