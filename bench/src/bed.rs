//! What every test stands on: a store, a receiver, and a folder for what they write.

use std::{fs, net::SocketAddr, path::PathBuf};

use anyhow::{Context as _, Result};
use hookwright_proto::v1::{
    ListSchedule, RegisterRequest, RetryPolicy, Webhook, retry_policy::Schedule,
    webhook_service_client::WebhookServiceClient,
};
use pbjson_types::Duration as ProtoDuration;
use tonic::transport::{Channel, Endpoint};

use crate::{
    args::{CommonArgs, StoreKind},
    helpers::ReceiverProcess,
    key::EventKey,
    manner::Manner,
    publisher::EVENT_TYPE,
    scratch::Scratch,
    service::ServiceSpec,
    store::Store,
};

#[derive(Debug)]
pub(crate) struct Bed {
    pub(crate) store: Store,
    pub(crate) receiver: ReceiverProcess,
    pub(crate) scratch: Scratch,
}

impl Bed {
    pub(crate) async fn set_up(common: &CommonArgs, kind: StoreKind) -> Result<Self> {
        Ok(Self {
            receiver: ReceiverProcess::start(&common.behaviour).await?,
            scratch: Scratch::create(&common.data_dir)?,
            // Last: nothing after it may fail and leave a database behind.
            store: Store::create(kind, &common.data_dir).await?,
        })
    }

    pub(crate) fn service_spec(&self, common: &CommonArgs) -> Result<ServiceSpec> {
        let log = common
            .service_log
            .clone()
            .unwrap_or_else(|| self.scratch.file("service.log"));
        ServiceSpec::new(common, &self.store, log)
    }

    /// Copies what publisher and receiver have written, if that is asked for.
    pub(crate) fn keep_records(&self, common: &CommonArgs) -> Result<()> {
        let Some(folder) = &common.keep_records else {
            return Ok(());
        };
        fs::create_dir_all(folder)?;
        for file in [self.publications_file(), self.arrivals_file()] {
            let name = file.file_name().context("records have names")?;
            fs::copy(&file, folder.join(name)).with_context(|| format!("keeping {}", file.display()))?;
        }
        Ok(())
    }

    pub(crate) fn publications_file(&self) -> PathBuf {
        self.scratch.file("publications")
    }

    pub(crate) fn arrivals_file(&self) -> PathBuf {
        self.scratch.file("arrivals")
    }

    /// Registers the webhooks that every event goes to.
    pub(crate) async fn register(&self, common: &CommonArgs, service: &ServiceSpec) -> Result<()> {
        let mut client = client(service)?;
        for number in 0..common.fan_out {
            let webhook = webhook(common, self.receiver.address(), number);
            register(&mut client, webhook).await?;
        }
        Ok(())
    }
}

/// Returns the webhook's id.
pub(crate) async fn register(
    client: &mut WebhookServiceClient<Channel>,
    webhook: Webhook,
) -> Result<EventKey> {
    let request = RegisterRequest {
        webhook: Some(webhook),
        ..RegisterRequest::default()
    };
    let registered = client.register(request).await.context("registering a webhook")?;
    let id = registered
        .into_inner()
        .webhook
        .context("the service registered nothing")?
        .id;
    EventKey::parse(id.as_bytes()).context("a webhook's id is no id")
}

pub(crate) fn client(service: &ServiceSpec) -> Result<WebhookServiceClient<Channel>> {
    Ok(WebhookServiceClient::new(
        Endpoint::from_shared(service.url())?.connect_lazy(),
    ))
}

fn webhook(common: &CommonArgs, receiver: SocketAddr, number: u16) -> Webhook {
    let delays: Vec<ProtoDuration> = common.retry_delays.iter().map(|&delay| delay.into()).collect();
    let retry_policy = (!delays.is_empty()).then_some(RetryPolicy {
        schedule: Some(Schedule::List(ListSchedule { delays })),
        ..RetryPolicy::default()
    });
    Webhook {
        name: format!("bench {number}"),
        url: format!("http://{receiver}{}", Manner::Good.path_of(number)),
        profile: common.profile.clone(),
        event_types: vec![EVENT_TYPE.into()],
        retry_policy,
        ..Webhook::default()
    }
}
