//! What can be typed.

use clap::{Args, Parser, Subcommand};

use crate::{
    client::{ApiKey, TlsArgs},
    commands::{
        api_keys::ApiKeysArgs,
        audit::AuditArgs,
        config::ConfigArgs,
        conformance::ConformanceArgs,
        deliveries::DeliveriesArgs,
        demo::DemoArgs,
        dev::DevArgs,
        encryption_key::{GenerateArgs, RotateArgs},
        event_types::EventTypesArgs,
        publish::PublishArgs,
        register::RegisterArgs,
        replay::{CancelArgs, ReplayArgs, ReplaysArgs},
        rotate_secret::RotateSecretArgs,
        send_test::SendTestArgs,
        serve::ServeArgs,
        sign::SignArgs,
        stats::StatsArgs,
        tenants::TenantsArgs,
        verify::VerifyArgs,
        webhook_state::WebhookStateArgs,
        webhooks::{UpdateArgs, WebhooksArgs},
    },
};

/// Webhook delivery: publish an event once, and every customer that asked for it gets a signed POST, retried until it
/// arrives.
#[derive(Debug, Parser)]
#[command(
    name = "hookwright",
    version,
    max_term_width = 100,
    after_help = "First time here? `hookwright demo` shows everything at work and needs nothing else; \
                  `hookwright dev` starts a server to try things on.\n\n\
                  Exit codes: 0 done, 1 failed or not valid, 2 wrong usage, 3 the server cannot be reached."
)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the service.
    Serve(ServeArgs),
    /// Check and show the settings of the service; a file to start from.
    Config(ConfigArgs),
    /// Run the service with a local receiver that verifies and prints what arrives.
    Dev(DevArgs),
    /// Show deliveries to five platforms from publish to verified signature, then exit.
    Demo(DemoArgs),
    /// Register a webhook.
    Register(RegisterArgs),
    /// List webhooks, or show one with all its settings and how it is doing.
    Webhooks(WebhooksArgs),
    /// Change settings of a webhook.
    Update(UpdateArgs),
    /// Publish an event.
    Publish(PublishArgs),
    /// List, import and delete the event types of the catalogue.
    EventTypes(EventTypesArgs),
    /// List deliveries, or show one with its attempts.
    Deliveries(DeliveriesArgs),
    /// Show how many deliveries arrived and failed, and how long receivers took, by minute or hour.
    Stats(StatsArgs),
    /// Hold the deliveries of a webhook until it is resumed.
    Pause(WebhookStateArgs),
    /// Deliver again to a webhook that was paused or disabled, first of all what is held for it.
    Resume(WebhookStateArgs),
    /// Give a webhook a new secret; the old one signs beside it for a while.
    RotateSecret(RotateSecretArgs),
    /// Send a test event to one webhook and show the answer.
    SendTest(SendTestArgs),
    /// Deliver again: one delivery, or all that match.
    Replay(ReplayArgs),
    /// List replay jobs, or show one.
    Replays(ReplaysArgs),
    /// Cancel a delivery that waits, or a replay job.
    Cancel(CancelArgs),
    /// Make, list and revoke API keys.
    Keys(ApiKeysArgs),
    /// Make, list, change and delete tenants.
    Tenants(TenantsArgs),
    /// Show who changed what.
    Audit(AuditArgs),
    /// Check the signature of a received request.
    Verify(VerifyArgs),
    /// Sign a body as a platform would, to test a receiver.
    Sign(SignArgs),
    /// Replay files of test vectors, to test schemes: the built-in ones, or your own.
    Conformance(ConformanceArgs),
    /// Print the HTTP API as an OpenAPI document. A running server has it at /openapi.json, and shows it at /docs.
    Openapi,
    /// Print a new key for secrets at rest.
    GenerateEncryptionKey(GenerateArgs),
    /// Seal all secrets in the store with the newest key.
    RotateEncryptionKey(RotateArgs),
}

/// Where the service is, and how its answers are shown.
#[derive(Debug, Args)]
pub(crate) struct ClientArgs {
    /// The service to talk to.
    #[arg(
        long,
        env = "HOOKWRIGHT_SERVER",
        default_value = "http://127.0.0.1:4300",
        value_name = "URL"
    )]
    pub(crate) server: String,

    /// The API key to call it with, `hwk_…`. Better in the variable: arguments are seen by everybody on the machine.
    #[arg(long, env = "HOOKWRIGHT_KEY", hide_env_values = true, value_name = "KEY")]
    pub(crate) key: Option<ApiKey>,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,

    /// Print the answer as JSON (proto3 JSON, one document).
    #[arg(long)]
    pub(crate) json: bool,
}
