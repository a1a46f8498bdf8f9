//! The connection to a server.

use std::{error::Error as _, fs, path::PathBuf};

use clap::Args;
use hookwright_proto::v1::webhook_service_client::WebhookServiceClient;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::{args::ClientArgs, failure::Failure};

pub(crate) type Client = WebhookServiceClient<Channel>;

/// TLS towards the server, when its URL begins with https.
#[derive(Debug, Default, Args)]
pub(crate) struct TlsArgs {
    /// Trust the server if one of these authorities vouches for it, in PEM, instead of those that this machine trusts.
    #[arg(long, env = "HOOKWRIGHT_CA", value_name = "FILE")]
    ca: Option<PathBuf>,

    /// The certificate to show to the server, in PEM.
    #[arg(
        long,
        env = "HOOKWRIGHT_CLIENT_CERT",
        value_name = "FILE",
        requires = "client_key"
    )]
    client_cert: Option<PathBuf>,

    /// The private key of --client-cert, in PEM.
    #[arg(
        long,
        env = "HOOKWRIGHT_CLIENT_KEY",
        value_name = "FILE",
        requires = "client_cert"
    )]
    client_key: Option<PathBuf>,
}

/// Connects to the server that the arguments name.
pub(crate) async fn connect(args: &ClientArgs) -> Result<Client, Failure> {
    open(&args.server, &args.tls).await
}

/// Connects to a server of this process.
pub(crate) async fn connect_locally(server: &str) -> Result<Client, Failure> {
    open(server, &TlsArgs::default()).await
}

async fn open(server: &str, tls: &TlsArgs) -> Result<Client, Failure> {
    let mut endpoint =
        Endpoint::from_shared(server.to_owned()).map_err(|error| wrong(server, &error.to_string()))?;
    if endpoint.uri().scheme_str() == Some("https") {
        endpoint = endpoint.tls_config(tls.config()?).map_err(|error| {
            Failure::Usage(format!("--ca, --client-cert or --client-key: {}", causes(&error)))
        })?;
    } else if tls.is_given() {
        return Err(wrong(server, "TLS needs a URL that begins with https"));
    }
    let channel = endpoint.connect().await.map_err(|error| {
        let why = if endpoint.uri().scheme_str() == Some("https") {
            causes(&error)
        } else {
            String::from("start one with `hookwright dev`, or name one with --server")
        };
        Failure::Unreachable(format!("no server answers at {server}; {why}"))
    })?;
    Ok(WebhookServiceClient::new(channel))
}

impl TlsArgs {
    fn is_given(&self) -> bool {
        self.ca.is_some() || self.client_cert.is_some()
    }

    fn config(&self) -> Result<ClientTlsConfig, Failure> {
        let config = ClientTlsConfig::new();
        let config = match &self.ca {
            Some(file) => config.ca_certificate(Certificate::from_pem(read(file)?)),
            None => config.with_native_roots(),
        };
        Ok(match (&self.client_cert, &self.client_key) {
            (Some(certificate), Some(key)) => {
                config.identity(Identity::from_pem(read(certificate)?, read(key)?))
            }
            _ => config,
        })
    }
}

fn read(file: &PathBuf) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| Failure::Usage(format!("cannot read {}: {error}", file.display())))
}

fn wrong(server: &str, problem: &str) -> Failure {
    Failure::Usage(format!("--server {server}: {problem}"))
}

/// What the library says of a connection is "transport error"; the reason is further down.
fn causes(error: &tonic::transport::Error) -> String {
    let mut cause = error.source();
    let mut told = error.to_string();
    while let Some(error) = cause {
        told = error.to_string();
        cause = error.source();
    }
    told
}
