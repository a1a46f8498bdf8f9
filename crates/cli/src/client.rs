//! The connection to a server.

use hookwright_proto::v1::webhook_service_client::WebhookServiceClient;
use tonic::transport::{Channel, Endpoint};

use crate::failure::Failure;

pub(crate) type Client = WebhookServiceClient<Channel>;

pub(crate) async fn connect(server: &str) -> Result<Client, Failure> {
    let endpoint = Endpoint::from_shared(server.to_owned())
        .map_err(|error| Failure::Usage(format!("--server {server}: {error}")))?;
    let channel = endpoint.connect().await.map_err(|_| {
        Failure::Unreachable(format!(
            "no server answers at {server}; start one with `hookwright dev`, or name one with --server"
        ))
    })?;
    Ok(WebhookServiceClient::new(channel))
}
