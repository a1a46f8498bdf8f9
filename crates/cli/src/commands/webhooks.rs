//! `hookwright webhooks` and `hookwright update`.

use anstream::println;
use clap::Args;
use hookwright_proto::v1;

use super::register::{print_json, types};
use crate::{
    args::ClientArgs,
    client,
    failure::Failure,
    settings::Settings,
    terminal::{Cell, STRONG, print_table},
};

#[derive(Debug, Args)]
pub(crate) struct WebhooksArgs {
    /// Show this webhook (whk_…) with all its settings, as JSON.
    id: Option<String>,

    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples: hookwright update whk_… '{\"url\": \"https://example.com/new\"}'\n          \
                  hookwright update whk_… '{\"rateLimit\": {\"perSecond\": 10}, \"timeout\": null}'"
)]
pub(crate) struct UpdateArgs {
    /// Which webhook (whk_…).
    id: String,

    /// What to change, as JSON, `@file` or - for standard input: fields of `Webhook` in
    /// proto/hookwright/v1/webhook.proto. `null` goes back to the default; what is not named stays.
    settings: String,

    #[command(flatten)]
    client: ClientArgs,
}

pub(crate) async fn run(args: WebhooksArgs) -> Result<(), Failure> {
    let mut client = client::connect(&args.client).await?;
    if let Some(id) = args.id {
        let answer = client
            .get_webhook(v1::GetWebhookRequest { id })
            .await?
            .into_inner();
        return print_json(&answer.webhook.unwrap_or_default());
    }
    let mut webhooks = Vec::new();
    let mut request = v1::ListWebhooksRequest::default();
    loop {
        let page = client.list_webhooks(request.clone()).await?.into_inner();
        webhooks.extend(page.webhooks);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    if args.client.json {
        return print_json(&webhooks);
    }
    let rows = webhooks.iter().map(|webhook| {
        [
            Cell::styled(webhook.id.clone(), STRONG),
            Cell::from(webhook.name.clone()),
            Cell::from(state(webhook)),
            Cell::from(webhook.profile.clone()),
            Cell::from(types(&webhook.event_types)),
            Cell::from(webhook.url.clone()),
        ]
    });
    print_table(
        ["WEBHOOK", "NAME", "STATE", "PROFILE", "EVENTS", "URL"],
        &rows.collect::<Vec<_>>(),
    );
    Ok(())
}

pub(crate) async fn update(args: UpdateArgs) -> Result<(), Failure> {
    let Settings { mut webhook, paths } = Settings::read(&args.settings)?;
    let changed = paths.join(", ");
    webhook.id.clone_from(&args.id);
    let request = v1::UpdateWebhookRequest {
        webhook: Some(webhook),
        update_mask: Some(pbjson_types::FieldMask { paths }),
    };
    let mut client = client::connect(&args.client).await?;
    let answer = client.update_webhook(request).await?.into_inner();
    if args.client.json {
        return print_json(&answer);
    }
    println!("{STRONG}{}{STRONG:#} has changed: {changed}", args.id);
    Ok(())
}

/// In small letters.
pub(super) fn state(webhook: &v1::Webhook) -> String {
    let name = webhook.state().as_str_name();
    name.trim_start_matches("WEBHOOK_STATE_").to_lowercase()
}
