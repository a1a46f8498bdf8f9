//! `hookwright tenants`.

use anstream::println;
use clap::{Args, Subcommand};
use hookwright_proto::v1;

use super::register::print_json;
use crate::{
    args::ClientArgs,
    client,
    failure::Failure,
    terminal::{Cell, STRONG, print_table},
};

#[derive(Debug, Args)]
#[command(after_help = "Example: hookwright tenants create acme --webhooks-max 100")]
pub(crate) struct TenantsArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a tenant.
    Create {
        /// 1 to 63 of a-z, 0-9, `.`, `_` and `-`.
        name: String,

        #[command(flatten)]
        quotas: QuotaArgs,

        #[command(flatten)]
        client: ClientArgs,
    },
    /// Show tenants.
    List {
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Change quotas of a tenant: those that are given.
    Update {
        /// Which tenant.
        name: String,

        #[command(flatten)]
        quotas: QuotaArgs,

        #[command(flatten)]
        client: ClientArgs,
    },
    /// Delete a tenant that has no webhooks; its keys are no good any more.
    Delete {
        /// Which tenant.
        name: String,

        #[command(flatten)]
        client: ClientArgs,
    },
}

/// 0 is no limit; what is not given is as the service is set.
#[derive(Debug, Args)]
struct QuotaArgs {
    /// Events published in a second, through one node.
    #[arg(long, value_name = "NUMBER")]
    publish_rate: Option<u32>,

    /// Bytes of an event's payload.
    #[arg(long, value_name = "BYTES")]
    payload_bytes_max: Option<u32>,

    /// Webhooks.
    #[arg(long, value_name = "NUMBER")]
    webhooks_max: Option<u32>,

    /// Events in the log.
    #[arg(long, value_name = "NUMBER")]
    events_max: Option<u64>,
}

impl QuotaArgs {
    fn to_wire(&self) -> v1::Quotas {
        v1::Quotas {
            publish_per_second: self.publish_rate,
            payload_bytes: self.payload_bytes_max,
            webhooks: self.webhooks_max,
            events: self.events_max,
        }
    }

    /// Of those that are given.
    fn paths(&self) -> Vec<String> {
        let given = [
            ("quotas.publish_per_second", self.publish_rate.is_some()),
            ("quotas.payload_bytes", self.payload_bytes_max.is_some()),
            ("quotas.webhooks", self.webhooks_max.is_some()),
            ("quotas.events", self.events_max.is_some()),
        ];
        let named = given.into_iter().filter(|(_, is_given)| *is_given);
        named.map(|(name, _)| name.to_owned()).collect()
    }
}

pub(crate) async fn run(args: TenantsArgs) -> Result<(), Failure> {
    match args.action {
        Action::Create { name, quotas, client } => {
            let request = v1::CreateTenantRequest {
                tenant: Some(tenant(&name, &quotas)),
            };
            let answer = client::connect(&client).await?.create_tenant(request).await?;
            tell(&client, answer.get_ref(), &name, "is a tenant now")
        }
        Action::List { client } => list(client).await,
        Action::Update { name, quotas, client } => {
            let request = v1::UpdateTenantRequest {
                tenant: Some(tenant(&name, &quotas)),
                update_mask: Some(pbjson_types::FieldMask {
                    paths: quotas.paths(),
                }),
            };
            let answer = client::connect(&client).await?.update_tenant(request).await?;
            tell(&client, answer.get_ref(), &name, "has changed")
        }
        Action::Delete { name, client } => {
            let request = v1::DeleteTenantRequest { name: name.clone() };
            let answer = client::connect(&client).await?.delete_tenant(request).await?;
            tell(&client, answer.get_ref(), &name, "is deleted")
        }
    }
}

fn tenant(name: &str, quotas: &QuotaArgs) -> v1::Tenant {
    v1::Tenant {
        name: name.to_owned(),
        quotas: Some(quotas.to_wire()),
        create_time: None,
    }
}

fn tell(args: &ClientArgs, answer: &impl serde::Serialize, name: &str, what: &str) -> Result<(), Failure> {
    if args.json {
        return print_json(answer);
    }
    println!("{STRONG}{name}{STRONG:#} {what}");
    Ok(())
}

async fn list(args: ClientArgs) -> Result<(), Failure> {
    let mut client = client::connect(&args).await?;
    let mut request = v1::ListTenantsRequest {
        page_size: 200,
        page_token: String::new(),
    };
    let mut tenants = Vec::new();
    loop {
        let page = client.list_tenants(request.clone()).await?.into_inner();
        tenants.extend(page.tenants);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    if args.json {
        return print_json(&tenants);
    }
    let rows: Vec<[Cell; 5]> = tenants.iter().map(row).collect();
    print_table(["TENANT", "EVENTS/S", "PAYLOAD", "WEBHOOKS", "EVENTS"], &rows);
    Ok(())
}

fn row(tenant: &v1::Tenant) -> [Cell; 5] {
    let quotas = tenant.quotas.unwrap_or_default();
    let shown = |number: Option<u64>| match number {
        None => String::from("default"),
        Some(0) => String::from("no limit"),
        Some(number) => number.to_string(),
    };
    [
        Cell::styled(tenant.name.clone(), STRONG),
        Cell::from(shown(quotas.publish_per_second.map(u64::from))),
        Cell::from(shown(quotas.payload_bytes.map(u64::from))),
        Cell::from(shown(quotas.webhooks.map(u64::from))),
        Cell::from(shown(quotas.events)),
    ]
}
