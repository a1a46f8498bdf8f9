//! `hookwright audit`.

use clap::Args;
use hookwright_proto::v1;

use super::register::print_json;
use crate::{
    args::ClientArgs,
    client,
    failure::Failure,
    terminal::{Cell, STRONG, print_table},
};

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// Only changes of this webhook (whk_…), key (key_…) or tenant.
    #[arg(default_value = "", hide_default_value = true)]
    resource: String,

    /// Whose log; without it that of the key's own tenant. Changes of tenants are in that of `default`.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    tenant: String,

    /// How many to show, the newest ones.
    #[arg(long, default_value_t = 50, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,

    #[command(flatten)]
    client: ClientArgs,
}

pub(crate) async fn run(args: AuditArgs) -> Result<(), Failure> {
    let mut client = client::connect(&args.client).await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let mut request = v1::ListAuditEntriesRequest {
        page_size: i32::try_from(limit.min(200)).unwrap_or(200),
        page_token: String::new(),
        resource: args.resource,
        tenant: args.tenant,
    };
    let mut entries = Vec::new();
    while entries.len() < limit {
        let page = client.list_audit_entries(request.clone()).await?.into_inner();
        entries.extend(page.entries);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    entries.truncate(limit);
    if args.client.json {
        return print_json(&entries);
    }
    let rows: Vec<_> = entries.iter().map(row).collect();
    print_table(["TIME", "WHO", "FROM", "WHAT", "OF", "CHANGED"], &rows);
    Ok(())
}

fn row(entry: &v1::AuditEntry) -> [Cell; 6] {
    let time = serde_json::to_value(entry.create_time).ok();
    let time = time
        .as_ref()
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    [
        Cell::from(time),
        Cell::from(entry.actor.clone()),
        Cell::from(entry.peer.clone()),
        Cell::styled(entry.action.clone(), STRONG),
        Cell::from(entry.resource.clone()),
        Cell::from(entry.fields.join(", ")),
    ]
}
