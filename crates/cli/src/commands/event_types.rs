//! `hookwright event-types`.

use anstream::println;
use clap::{Args, Subcommand};
use hookwright_proto::v1::{self, import_event_types_request::Source};

use super::register::print_json;
use crate::{
    args::ClientArgs,
    client::{self, Client},
    failure::Failure,
    input::read_bytes,
    terminal::{Cell, STRONG, print_table},
};

#[derive(Debug, Args)]
#[command(after_help = "Example: hookwright event-types import --profile filedgr")]
pub(crate) struct EventTypesArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what the catalogue has.
    List {
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Add event types, and replace those of the same name: all of them, or none.
    Import(ImportArgs),
    /// Take an event type out of the catalogue.
    Delete {
        /// Its name.
        name: String,

        #[command(flatten)]
        client: ClientArgs,
    },
}

#[derive(Debug, Args)]
struct ImportArgs {
    /// A list of event types as JSON, or an OpenAPI 3.1 document with webhooks; - reads standard input.
    #[arg(required_unless_present = "profile", conflicts_with = "profile")]
    file: Option<String>,

    /// The catalogue of this profile, such as filedgr.
    #[arg(long)]
    profile: Option<String>,

    /// Where the payload is in each schema of an OpenAPI document: /properties/data when they describe the envelope too.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "POINTER")]
    schema_pointer: String,

    #[command(flatten)]
    client: ClientArgs,
}

pub(crate) async fn run(args: EventTypesArgs) -> Result<(), Failure> {
    match args.action {
        Action::List { client: args } => list(&mut client::connect(&args).await?, args.json).await,
        Action::Import(args) => import(args).await,
        Action::Delete { name, client: args } => {
            let mut client = client::connect(&args).await?;
            let request = v1::DeleteEventTypeRequest { name: name.clone() };
            let answer = client.delete_event_type(request).await?.into_inner();
            if args.json {
                return print_json(&answer);
            }
            println!("{STRONG}{name}{STRONG:#} is no longer in the catalogue");
            Ok(())
        }
    }
}

async fn list(client: &mut Client, json: bool) -> Result<(), Failure> {
    let mut request = v1::ListEventTypesRequest {
        page_size: 200,
        page_token: String::new(),
    };
    let mut event_types = Vec::new();
    loop {
        let page = client.list_event_types(request.clone()).await?.into_inner();
        event_types.extend(page.event_types);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    if json {
        return print_json(&v1::ListEventTypesResponse {
            event_types,
            next_page_token: String::new(),
        });
    }
    if event_types.is_empty() {
        println!("no event types; import some: hookwright event-types import --profile filedgr");
        return Ok(());
    }
    let rows: Vec<[Cell; 3]> = event_types
        .into_iter()
        .map(|event_type| {
            let schema = if event_type.schema.is_empty() { "" } else { "yes" };
            [
                event_type.name.into(),
                schema.into(),
                event_type.description.into(),
            ]
        })
        .collect();
    print_table(["EVENT TYPE", "SCHEMA", "DESCRIPTION"], &rows);
    Ok(())
}

async fn import(args: ImportArgs) -> Result<(), Failure> {
    let source = match (args.profile, args.file) {
        (Some(profile), _) => Some(Source::Profile(profile)),
        (None, Some(file)) if file == "-" => Some(Source::Document(read_bytes("-")?.into())),
        (None, Some(file)) => Some(Source::Document(read_bytes(&format!("@{file}"))?.into())),
        (None, None) => None,
    };
    let mut client = client::connect(&args.client).await?;
    let request = v1::ImportEventTypesRequest {
        source,
        schema_pointer: args.schema_pointer,
    };
    let imported = client.import_event_types(request).await?.into_inner();
    if args.client.json {
        return print_json(&imported);
    }
    println!(
        "{STRONG}{}{STRONG:#} new, {} replaced: {}",
        imported.created_count,
        imported.updated_count,
        imported.names.join(", ")
    );
    Ok(())
}
