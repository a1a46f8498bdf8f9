//! The connection to a server.

use std::{error::Error as _, fmt, fs, path::PathBuf, str::FromStr};

use clap::Args;
use hookwright_proto::v1::webhook_service_client::WebhookServiceClient;
use hookwright_store::KeyText;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use crate::{args::ClientArgs, failure::Failure};

pub(crate) type Client = WebhookServiceClient<InterceptedService<Channel, Bearer>>;

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

/// An API key as it was typed. It cannot be printed, not even when it is none.
#[derive(Clone)]
pub(crate) struct ApiKey(String);

impl FromStr for ApiKey {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// Sends the key with every call.
#[derive(Clone, Debug)]
pub(crate) struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    fn new(key: Option<&ApiKey>) -> Result<Self, Failure> {
        let Some(ApiKey(text)) = key.filter(|key| !key.0.is_empty()) else {
            return Ok(Self(None));
        };
        let refused = || {
            Failure::Usage(String::from(
                "--key is not an API key: hwk_ and 78 letters and digits",
            ))
        };
        text.parse::<KeyText>().map_err(|_| refused())?;
        let mut value: MetadataValue<Ascii> = format!("Bearer {text}").parse().map_err(|_| refused())?;
        // Logs of what is underneath leave it out.
        value.set_sensitive(true);
        Ok(Self(Some(value)))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// Connects to the server that the arguments name.
pub(crate) async fn connect(args: &ClientArgs) -> Result<Client, Failure> {
    open(&args.server, &args.tls, args.key.as_ref()).await
}

/// Connects to a server of this process.
pub(crate) async fn connect_locally(server: &str) -> Result<Client, Failure> {
    open(server, &TlsArgs::default(), None).await
}

async fn open(server: &str, tls: &TlsArgs, key: Option<&ApiKey>) -> Result<Client, Failure> {
    let bearer = Bearer::new(key)?;
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
    Ok(WebhookServiceClient::with_interceptor(channel, bearer))
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
