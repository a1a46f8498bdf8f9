//! Servers, databases and receivers for tests. Everything waits on facts; the patience is for what is broken.

mod database;
mod receiver;
mod smtp;

use std::{collections::HashSet, time::Duration};

use hookwright_proto::v1::{self, webhook_service_client::WebhookServiceClient};
use hookwright_server::{AddressRules, Config, EgressRules, Server};
use hookwright_store::{Clock, StoreAddress};
use tonic::transport::Channel;

pub(crate) use self::{
    database::{Database, url_of},
    receiver::{Answer, Receiver, Request},
    smtp::{Door, SENDER, SmtpServer},
};

/// Only a broken test or product waits this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) type Client = WebhookServiceClient<Channel>;

/// Runs a test on both stores: `postgresql::name` and `sqlite::name`.
macro_rules! on_both_stores {
    ($($(#[doc = $doc:literal])+ async fn $name:ident($database:ident: &Database) $body:block)+) => {
        $($(#[doc = $doc])+ async fn $name($database: &Database) $body)+

        mod postgresql {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let database = crate::harness::Database::postgresql().await;
                super::$name(&database).await;
                database.remove().await;
            })+
        }

        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let database = crate::harness::Database::sqlite();
                super::$name(&database).await;
                database.remove().await;
            })+
        }
    };
}
pub(crate) use on_both_stores;

/// A server that may deliver to this machine.
pub(crate) fn config(address: &StoreAddress) -> Config {
    let mut config = Config::new(address.clone());
    config.listen = ([127, 0, 0, 1], 0).into();
    config.egress = EgressRules {
        addresses: AddressRules::Any,
        allow_http: true,
        ..EgressRules::default()
    };
    config
}

/// A running server and a client of it.
pub(crate) async fn start(database: &Database) -> (Server, Client) {
    start_with(config(database.address())).await
}

pub(crate) async fn start_with_clock(database: &Database, clock: &Clock) -> (Server, Client) {
    let mut config = config(database.address());
    config.clock = clock.clone();
    start_with(config).await
}

pub(crate) async fn start_with(config: Config) -> (Server, Client) {
    let server = Server::start(config).await.unwrap();
    let client = connect(&server).await;
    (server, client)
}

pub(crate) async fn connect(server: &Server) -> Client {
    WebhookServiceClient::connect(format!("http://{}", server.local_addr()))
        .await
        .unwrap()
}

/// A webhook with the given waits before its retries.
pub(crate) fn webhook(url: String, profile: &str, waits: &[Duration]) -> v1::Webhook {
    let delays = waits.iter().map(|wait| (*wait).into()).collect();
    let schedule = v1::retry_policy::Schedule::List(v1::ListSchedule { delays });
    v1::Webhook {
        url,
        profile: profile.to_owned(),
        retry_policy: Some(v1::RetryPolicy {
            schedule: Some(schedule),
            ..v1::RetryPolicy::default()
        }),
        ..v1::Webhook::default()
    }
}

/// Registers and returns the webhook's id and secret.
pub(crate) async fn register(client: &mut Client, webhook: v1::Webhook) -> (String, String) {
    let request = v1::RegisterRequest {
        webhook: Some(webhook),
        ..v1::RegisterRequest::default()
    };
    let registered = client.register(request).await.unwrap().into_inner();
    (registered.webhook.unwrap().id, registered.secret)
}

/// Publishes and returns the event's id.
pub(crate) async fn publish(client: &mut Client, event_type: &str, payload: &str) -> String {
    let request = v1::PublishRequest {
        event_type: event_type.to_owned(),
        payload: payload.to_owned().into(),
        idempotency_key: String::new(),
        ..v1::PublishRequest::default()
    };
    client.publish(request).await.unwrap().into_inner().event_id
}

/// A webhook as `GetWebhook` shows it.
pub(crate) async fn get_webhook(client: &mut Client, id: &str) -> v1::Webhook {
    let request = v1::GetWebhookRequest { id: id.to_owned() };
    let answer = client.get_webhook(request).await.unwrap().into_inner();
    answer.webhook.unwrap()
}

/// Changes the named fields, and returns the webhook as it is then.
pub(crate) async fn update(client: &mut Client, webhook: v1::Webhook, paths: &[&str]) -> v1::Webhook {
    let paths = paths.iter().map(ToString::to_string).collect();
    let request = v1::UpdateWebhookRequest {
        webhook: Some(webhook),
        update_mask: Some(pbjson_types::FieldMask { paths }),
    };
    let answer = client.update_webhook(request).await.unwrap().into_inner();
    answer.webhook.unwrap()
}

/// Pauses a webhook, and returns it as it is then.
pub(crate) async fn pause(client: &mut Client, id: &str) -> v1::Webhook {
    let request = v1::PauseWebhookRequest { id: id.to_owned() };
    let answer = client.pause_webhook(request).await.unwrap().into_inner();
    answer.webhook.unwrap()
}

/// Resumes a webhook, and returns it as it is then.
pub(crate) async fn resume(client: &mut Client, id: &str) -> v1::Webhook {
    let request = v1::ResumeWebhookRequest { id: id.to_owned() };
    let answer = client.resume_webhook(request).await.unwrap().into_inner();
    answer.webhook.unwrap()
}

/// The deliveries of an event, once all of them are in a state that `settled` accepts.
pub(crate) async fn deliveries_when(
    client: &mut Client,
    event: &str,
    settled: impl Fn(&v1::Delivery) -> bool,
) -> Vec<v1::Delivery> {
    let request = v1::ListDeliveriesRequest {
        event_id: event.to_owned(),
        ..v1::ListDeliveriesRequest::default()
    };
    let wait = async {
        loop {
            let found = client
                .list_deliveries(request.clone())
                .await
                .unwrap()
                .into_inner()
                .deliveries;
            if !found.is_empty() && found.iter().all(&settled) {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("the deliveries did not get there")
}

/// The only delivery of an event, once it is in this state, with its attempts.
pub(crate) async fn delivery_when(
    client: &mut Client,
    event: &str,
    state: v1::DeliveryState,
) -> v1::GetDeliveryResponse {
    let found = deliveries_when(client, event, |delivery| delivery.state() == state).await;
    assert_eq!(found.len(), 1);
    let request = v1::GetDeliveryRequest {
        id: found[0].id.clone(),
    };
    client.get_delivery(request).await.unwrap().into_inner()
}

/// Everything that a request lists, page by page.
pub(crate) async fn list_all(
    client: &mut Client,
    mut request: v1::ListDeliveriesRequest,
) -> Vec<v1::Delivery> {
    request.page_size = 200;
    let mut found = Vec::new();
    loop {
        let page = client
            .list_deliveries(request.clone())
            .await
            .unwrap()
            .into_inner();
        found.extend(page.deliveries);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return found;
        }
    }
}

/// The deliveries of many events, which all are stored, once every one is delivered.
pub(crate) async fn all_delivered(client: &mut Client, events: &HashSet<String>) -> Vec<v1::Delivery> {
    let wait = async {
        loop {
            let mut found = list_all(client, v1::ListDeliveriesRequest::default()).await;
            found.retain(|delivery| events.contains(&delivery.event_id));
            let stored: HashSet<&str> = found.iter().map(|delivery| delivery.event_id.as_str()).collect();
            assert_eq!(stored.len(), events.len(), "some events are not stored");
            if found
                .iter()
                .all(|delivery| delivery.state() == v1::DeliveryState::Delivered)
            {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("some deliveries are not delivered")
}

/// Asks until it is so.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .unwrap_or_else(|_| panic!("never happens: {what}"));
}
