//! `hookwright keys`.

use std::{path::PathBuf, time::Duration};

use anstream::{eprintln, println};
use clap::{Args, Subcommand, ValueEnum};
use hookwright_proto::v1;
use hookwright_store::{Actor, Clock, KeyCreation, NewKey, Scope, Store, StoreError};

use super::{register::print_json, serve::store_address};
use crate::{
    args::ClientArgs,
    client,
    failure::Failure,
    input::parse_duration,
    keys::KeysArgs,
    terminal::{Cell, FAINT, GOOD, STRONG, print_table},
};

#[derive(Debug, Args)]
#[command(after_help = "Example: hookwright keys create billing --scope publish --ttl 90d")]
pub(crate) struct ApiKeysArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key. It is shown once.
    Create(CreateArgs),
    /// Show keys, newest first, without their texts.
    List {
        /// Whose keys; without it those of the key's own tenant.
        #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
        tenant: String,

        #[command(flatten)]
        client: ClientArgs,
    },
    /// Make a key no good any more, for good.
    Revoke {
        /// Which key (key_…).
        id: String,

        /// Whose key it is; without it one of the key's own tenant.
        #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
        tenant: String,

        #[command(flatten)]
        client: ClientArgs,
    },
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// Who will use it.
    name: String,

    /// What it permits. Can be given several times.
    #[arg(long = "scope", value_enum, required = true, value_name = "SCOPE")]
    scopes: Vec<ScopeArg>,

    /// How long it is good for; for ever without it.
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    ttl: Option<Duration>,

    /// The profile of whoever uses it, such as filedgr: the shape of answers, and what webhooks are registered with.
    #[arg(long, default_value = "", hide_default_value = true)]
    profile: String,

    /// Which tenant it gives access to; without it that of the key it is made with, or the default one.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    tenant: String,

    /// Make it in this store and not through a server: for the first key. Without a value it is the store that `serve`
    /// would use.
    #[arg(long, num_args = 0..=1, default_missing_value = "", value_name = "URL")]
    store: Option<String>,

    /// The file of the embedded store; the same as --store sqlite:FILE.
    #[arg(long, value_name = "FILE", conflicts_with = "store")]
    data: Option<PathBuf>,

    #[command(flatten)]
    encryption: KeysArgs,

    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ScopeArg {
    /// Everything within the tenant.
    Admin,
    /// Publishing events.
    Publish,
    /// Reading everything but secrets.
    Read,
    /// Verifying signatures.
    Verify,
    /// Managing tenants, and the keys of all of them.
    Operator,
}

pub(crate) async fn run(args: ApiKeysArgs) -> Result<(), Failure> {
    match args.action {
        Action::Create(args) if args.store.is_some() || args.data.is_some() => create_in_store(args).await,
        Action::Create(args) => create(args).await,
        Action::List { tenant, client } => list(tenant, client).await,
        Action::Revoke { id, tenant, client } => {
            let request = v1::RevokeKeyRequest {
                id: id.clone(),
                tenant,
            };
            let answer = client::connect(&client).await?.revoke_key(request).await?;
            if client.json {
                return print_json(answer.get_ref());
            }
            println!("{STRONG}{id}{STRONG:#} is revoked; within a few seconds no node takes it any more");
            Ok(())
        }
    }
}

async fn create(args: CreateArgs) -> Result<(), Failure> {
    let request = v1::CreateKeyRequest {
        key: Some(v1::Key {
            name: args.name,
            scopes: args.scopes.iter().map(|scope| scope.to_wire().into()).collect(),
            profile: args.profile,
            tenant: args.tenant,
            ..v1::Key::default()
        }),
        time_to_live: args.ttl.map(Into::into),
    };
    let mut client = client::connect(&args.client).await?;
    let answer = client.create_key(request).await?.into_inner();
    if args.client.json {
        return print_json(&answer);
    }
    show_once(&answer.key.unwrap_or_default().id, &answer.text);
    Ok(())
}

/// Whoever may open the store may do everything anyway.
async fn create_in_store(args: CreateArgs) -> Result<(), Failure> {
    let failed = |error: StoreError| Failure::Failed(error.to_string());
    let given = args.store.filter(|store| !store.is_empty());
    let variable = || {
        std::env::var("HOOKWRIGHT_STORE")
            .ok()
            .filter(|store| !store.is_empty())
    };
    let store = if args.data.is_some() {
        given
    } else {
        given.or_else(variable)
    };
    let address = store_address(store.as_deref(), args.data)?;
    let encryption = args.encryption.find(&address)?;
    let store = Store::open_sealed(&address, Clock::system(), encryption)
        .await
        .map_err(failed)?
        .acting_as(Actor::named("command line", "CreateKey"));
    let tenant_name = if args.tenant.is_empty() {
        "default"
    } else {
        &args.tenant
    };
    let no_tenant = || Failure::Failed(format!("there is no tenant {tenant_name}"));
    let tenant = store
        .tenant_named(tenant_name)
        .await
        .map_err(failed)?
        .ok_or_else(no_tenant)?;
    let new = NewKey {
        name: args.name,
        scopes: args.scopes.iter().map(|scope| scope.to_store()).collect(),
        profile: Some(args.profile).filter(|profile| !profile.is_empty()),
        expires_at: args.ttl.map(|ttl| store.clock().now().plus(ttl)),
    };
    match store.create_key(tenant.id, new).await.map_err(failed)? {
        KeyCreation::Created { key, text } => {
            if args.client.json {
                return print_json(
                    &serde_json::json!({ "key": { "id": key.id.to_string() }, "text": text.expose() }),
                );
            }
            show_once(&key.id.to_string(), text.expose());
            Ok(())
        }
        KeyCreation::TooMany => Err(Failure::Failed(String::from(
            "the tenant has as many keys as it may have; revoke one that nobody uses",
        ))),
        KeyCreation::NoTenant => Err(no_tenant()),
    }
}

/// The key alone is the output, for scripts.
fn show_once(id: &str, text: &str) {
    println!("{GOOD}{text}{GOOD:#}");
    eprintln!(
        "{FAINT}{id}; the key is not shown again. Use it with HOOKWRIGHT_KEY, or as `authorization: Bearer`{FAINT:#}"
    );
}

async fn list(tenant: String, args: ClientArgs) -> Result<(), Failure> {
    let mut client = client::connect(&args).await?;
    let mut request = v1::ListKeysRequest {
        page_size: 200,
        page_token: String::new(),
        tenant,
    };
    let mut keys = Vec::new();
    loop {
        let page = client.list_keys(request.clone()).await?.into_inner();
        keys.extend(page.keys);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    if args.json {
        return print_json(&keys);
    }
    let rows: Vec<_> = keys.iter().map(row).collect();
    print_table(["KEY", "NAME", "SCOPES", "STATE", "LAST USED"], &rows);
    Ok(())
}

fn row(key: &v1::Key) -> [Cell; 5] {
    let shown = |time: &pbjson_types::Timestamp| {
        serde_json::to_value(time)
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    };
    let scopes: Vec<String> = key.scopes().map(name_of).collect();
    let state = match (&key.revoke_time, &key.expire_time) {
        (Some(at), _) => format!("revoked {}", shown(at)),
        (None, Some(at)) => format!("until {}", shown(at)),
        (None, None) => String::from("good"),
    };
    [
        Cell::styled(key.id.clone(), STRONG),
        Cell::from(key.name.clone()),
        Cell::from(scopes.join(", ")),
        Cell::from(state),
        Cell::from(
            key.last_used_time
                .as_ref()
                .map_or_else(|| String::from("never"), shown),
        ),
    ]
}

fn name_of(scope: v1::Scope) -> String {
    scope.as_str_name().trim_start_matches("SCOPE_").to_lowercase()
}

impl ScopeArg {
    fn to_wire(self) -> v1::Scope {
        match self {
            Self::Admin => v1::Scope::Admin,
            Self::Publish => v1::Scope::Publish,
            Self::Read => v1::Scope::Read,
            Self::Verify => v1::Scope::Verify,
            Self::Operator => v1::Scope::Operator,
        }
    }

    fn to_store(self) -> Scope {
        match self {
            Self::Admin => Scope::Admin,
            Self::Publish => Scope::Publish,
            Self::Read => Scope::Read,
            Self::Verify => Scope::Verify,
            Self::Operator => Scope::Operator,
        }
    }
}
