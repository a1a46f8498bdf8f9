//! `hookwright dev`: a server to try things on, and a receiver that shows what arrives.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use anstream::println;
use clap::Args;
use hookwright_core::Secret;
use hookwright_proto::v1;
use hookwright_server::{AddressRules, Config, EgressRules, Server};
use hookwright_store::StoreAddress;
use tokio::sync::mpsc;

use crate::{
    client,
    failure::Failure,
    keys::KeysArgs,
    profiles::{ProfilesArgs, find_profile},
    receiver::{Arrival, Receiver},
    stop::StopSignal,
    terminal::{BAD, FAINT, GOOD, STRONG},
};

/// Arrivals that may wait to be printed.
const ARRIVALS_MAX: usize = 1_024;

#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// Where to serve gRPC; port 0 takes a free one.
    #[arg(
        long,
        env = "HOOKWRIGHT_LISTEN",
        default_value = "127.0.0.1:4300",
        value_name = "ADDRESS"
    )]
    listen: SocketAddr,

    /// Keep the data in this file. Without it everything is forgotten at the end.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,

    /// The dialect that the local receiver is sent. Can be given several times.
    #[arg(long = "profile", default_value = "standard-webhooks", value_name = "PROFILE")]
    profiles: Vec<String>,

    #[command(flatten)]
    keys: KeysArgs,

    #[command(flatten)]
    folder: ProfilesArgs,
}

pub(crate) async fn run(args: DevArgs) -> Result<(), Failure> {
    let failed = |error: &dyn ToString| Failure::Failed(error.to_string());
    let registry = args.folder.registry()?;
    let profiles = args
        .profiles
        .iter()
        .map(|name| find_profile(&registry, name))
        .collect::<Result<Vec<_>, _>>()?;
    let folder = tempfile::tempdir().map_err(|error| failed(&error))?;
    let file = args.data.unwrap_or_else(|| folder.path().join("dev.db"));
    let mut config = Config::new(StoreAddress::Sqlite(file.clone()));
    config.encryption_keys = args.keys.find(&config.store)?;
    config.listen = args.listen;
    config.registry = Arc::new(registry);
    config.egress = EgressRules {
        addresses: AddressRules::Any,
        allow_http: true,
        allow_proxies: true,
        ..EgressRules::default()
    };
    let stop = StopSignal::listen()?;
    let server = Server::start(config).await.map_err(|error| failed(&error))?;
    let (arrivals, arrived) = mpsc::channel(ARRIVALS_MAX);
    let receiver = Receiver::start(arrivals).await.map_err(|error| failed(&error))?;

    println!("listening on http://{}", server.local_addr());
    println!("{FAINT}data in {}{FAINT:#}", file.display());
    let server_url = format!("http://{}", server.local_addr());
    let mut client = client::connect_locally(&server_url).await?;
    for profile in profiles {
        let webhook = v1::Webhook {
            name: String::from("hookwright dev"),
            url: receiver.url(&profile.name),
            profile: profile.name.clone(),
            ..v1::Webhook::default()
        };
        let request = v1::RegisterRequest {
            webhook: Some(webhook),
            ..v1::RegisterRequest::default()
        };
        let registered = client.register(request).await?.into_inner();
        let secret = Secret::parse(&registered.secret).map_err(|error| failed(&error))?;
        let webhook = registered.webhook.unwrap_or_default();
        println!(
            "{} delivers everything to {} as {}",
            webhook.id, webhook.url, profile.title
        );
        receiver
            .expect(&profile.name, Arc::clone(&profile), &secret, 0)
            .map_err(Failure::Failed)?;
    }
    let port = if server.local_addr().port() == 4300 {
        String::new()
    } else {
        format!(" --server {server_url}")
    };
    println!(
        "\nIn another terminal: {STRONG}hookwright publish vault.created '{{\"vaultId\": \"vault_1\"}}'{port}{STRONG:#}\n"
    );

    let printer = tokio::spawn(print_arrivals(arrived));
    stop.received().await?;
    printer.abort();
    drop(client);
    drop(receiver);
    server.stop().await.map_err(|error| failed(&error))
}

async fn print_arrivals(mut arrived: mpsc::Receiver<Arrival>) {
    while let Some(arrival) = arrived.recv().await {
        let id = arrival.id.as_deref().unwrap_or_default();
        match &arrival.verdict {
            Ok(event_type) => {
                let verified = if arrival.repeated { "repeated" } else { "verified" };
                println!(
                    "{GOOD}{verified}{GOOD:#} {event_type} {id} {FAINT}{} in {} us, answered {}{FAINT:#}",
                    arrival.profile.name,
                    arrival.took.as_micros(),
                    arrival.answered.as_u16()
                );
            }
            Err(refusal) => println!("{BAD}refused{BAD:#} {id} {refusal} ({})", refusal.code()),
        }
        println!(
            "  {}",
            String::from_utf8_lossy(&arrival.body).replace(|c: char| c.is_control(), " ")
        );
    }
}
