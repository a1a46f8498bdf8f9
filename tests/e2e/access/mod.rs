//! Keys, tenants, scopes, quotas and the audit log.

mod audit;
mod call;
mod command_line;
mod keys;
mod matrix;
mod quotas;
mod routes;
mod scopes;

use hookwright_proto::v1::{self, webhook_service_client::WebhookServiceClient};
use hookwright_server::{Auth, Config, Server};
use hookwright_store::{Clock, KeyCreation, NewKey, Scopes, Store, StoreAddress, StoreError, TenantId};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

use crate::harness::{Database, config};

/// A client with a key.
pub(crate) type KeyedClient = WebhookServiceClient<InterceptedService<Channel, Bearer>>;

#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

fn bearer(key: &str) -> MetadataValue<Ascii> {
    format!("Bearer {key}").parse().unwrap()
}

async fn channel(server: &Server) -> Channel {
    Channel::from_shared(format!("http://{}", server.local_addr()))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

pub(crate) async fn client(server: &Server, key: &str) -> KeyedClient {
    WebhookServiceClient::with_interceptor(channel(server).await, Bearer(bearer(key)))
}

/// Opens a store that a server may just be closing.
async fn open(address: &StoreAddress) -> Store {
    loop {
        match Store::open(address, Clock::system()).await {
            Err(StoreError::Address { .. }) if matches!(address, StoreAddress::Sqlite(_)) => {
                tokio::task::yield_now().await;
            }
            opened => return opened.unwrap(),
        }
    }
}

/// The first key, as the command line makes it: in the store, of the default tenant, for everything.
pub(crate) async fn first_key(database: &Database) -> String {
    let store = open(database.address()).await;
    let new = NewKey {
        name: String::from("first"),
        scopes: Scopes::ALL,
        profile: None,
        expires_at: None,
    };
    match store.create_key(TenantId::DEFAULT, new).await.unwrap() {
        KeyCreation::Created { text, .. } => text.expose().to_owned(),
        refused => panic!("{refused:?}"),
    }
}

pub(crate) fn with_keys(database: &Database) -> Config {
    let mut config = config(database.address());
    config.auth = Some(Auth::Keys);
    config
}

/// A server that wants keys, and the first one.
async fn start(database: &Database) -> (Server, String) {
    let key = first_key(database).await;
    (Server::start(with_keys(database)).await.unwrap(), key)
}

fn key(name: &str, scopes: &[v1::Scope], tenant: &str) -> v1::CreateKeyRequest {
    v1::CreateKeyRequest {
        key: Some(v1::Key {
            name: name.to_owned(),
            scopes: scopes.iter().map(|scope| (*scope).into()).collect(),
            tenant: tenant.to_owned(),
            ..v1::Key::default()
        }),
        time_to_live: None,
    }
}

async fn create_key(
    operator: &mut KeyedClient,
    name: &str,
    scopes: &[v1::Scope],
    tenant: &str,
) -> (String, String) {
    let answer = operator
        .create_key(key(name, scopes, tenant))
        .await
        .unwrap()
        .into_inner();
    (answer.key.unwrap().id, answer.text)
}

async fn create_tenant(operator: &mut KeyedClient, name: &str, quotas: v1::Quotas) {
    let request = v1::CreateTenantRequest {
        tenant: Some(v1::Tenant {
            name: name.to_owned(),
            quotas: Some(quotas),
            create_time: None,
        }),
    };
    operator.create_tenant(request).await.unwrap();
}

/// The reason of a refusal.
fn reason(status: &Status) -> String {
    use tonic_types::StatusExt as _;
    let details = status.get_error_details();
    details
        .error_info()
        .map_or_else(|| format!("{status:?}"), |info| info.reason.clone())
}
