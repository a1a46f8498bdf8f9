//! The connection to a server.

use std::{fmt, str::FromStr};

use hookwright_proto::v1::webhook_service_client::WebhookServiceClient;
use hookwright_store::KeyText;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

use crate::{args::ClientArgs, failure::Failure};

pub(crate) type Client = WebhookServiceClient<InterceptedService<Channel, Bearer>>;

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

/// A client of the server that was named, with the key that was given.
pub(crate) async fn connect(args: &ClientArgs) -> Result<Client, Failure> {
    connect_to(&args.server, args.key.as_ref()).await
}

pub(crate) async fn connect_to(server: &str, key: Option<&ApiKey>) -> Result<Client, Failure> {
    let bearer = Bearer::new(key)?;
    let endpoint = Endpoint::from_shared(server.to_owned())
        .map_err(|error| Failure::Usage(format!("--server {server}: {error}")))?;
    let channel = endpoint.connect().await.map_err(|_| {
        Failure::Unreachable(format!(
            "no server answers at {server}; start one with `hookwright dev`, or name one with --server"
        ))
    })?;
    Ok(WebhookServiceClient::with_interceptor(channel, bearer))
}
