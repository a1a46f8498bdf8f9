//! Watchers beside a load: many that wait, and one that does not read.

use std::{collections::HashSet, time::Duration};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use hookwright_proto::v1::{
    DeliveryState, WatchDeliveriesRequest, WatchDeliveriesResponse,
    webhook_service_client::WebhookServiceClient,
};
use serde::Serialize;
use tokio::{task::JoinSet, time::Instant};
use tonic::{Streaming, transport::Endpoint};

use crate::{
    report::{Figure, megabytes, per},
    service::{Service, ServiceSpec},
    usage::memory,
};

/// Watchers that share a connection. What an HTTP/2 server lets a connection have by itself is more.
const PER_CONNECTION: u32 = 100;
/// A type that is never published.
const NOTHING: &str = "bench.nothing";
/// Only a broken service says nothing for so long.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Clone, Copy, Debug, Default, Args, Serialize)]
pub(crate) struct WatchersArgs {
    /// Watchers that wait for what never happens, from before the load to its end
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub(crate) watchers: u32,
    /// A watcher of everything that reads nothing before the load has ended, and then all of it
    #[arg(long)]
    pub(crate) slow_watcher: bool,
}

/// Open streams.
pub(crate) struct Watchers {
    waiting: JoinSet<Result<()>>,
    slow: Option<Streaming<WatchDeliveriesResponse>>,
    /// Resident memory of the service that one of the waiting costs.
    cost: Option<Figure>,
}

impl Watchers {
    pub(crate) async fn start(args: WatchersArgs, spec: &ServiceSpec, service: &Service) -> Result<Self> {
        let before = memory(service.pid())?;
        let mut waiting = JoinSet::new();
        let mut client = None;
        for number in 0..args.watchers {
            if number % PER_CONNECTION == 0 {
                client = Some(connect(spec).await?);
            }
            let request = WatchDeliveriesRequest {
                event_types: vec![NOTHING.to_owned()],
                ..WatchDeliveriesRequest::default()
            };
            let client = client.as_mut().context("a connection")?;
            let mut answers = open(client, request).await?;
            waiting.spawn(async move {
                while let Some(answer) = answers.message().await? {
                    ensure!(
                        answer.change.is_none(),
                        "a watcher heard of what it did not ask for"
                    );
                }
                Ok(())
            });
        }
        let grown = memory(service.pid())?.saturating_sub(before);
        let cost = (args.watchers > 0).then(|| {
            Figure::new(
                "memory of a waiting watcher",
                "KiB",
                per(grown / 1_024, args.watchers.into()),
            )
        });
        let slow = if args.slow_watcher {
            Some(open(&mut connect(spec).await?, WatchDeliveriesRequest::default()).await?)
        } else {
            None
        };
        Ok(Self { waiting, slow, cost })
    }

    /// What they cost, once the slow one has read that so many deliveries were made; says in `faults` what must not be so.
    pub(crate) async fn end(
        mut self,
        service: &Service,
        delivered: u64,
        faults: &mut Vec<String>,
    ) -> Result<Vec<Figure>> {
        let mut figures: Vec<Figure> = self.cost.take().into_iter().collect();
        if let Some(slow) = &mut self.slow {
            figures.push(Figure::new(
                "memory service, before the slow watcher reads",
                "MiB",
                megabytes(memory(service.pid())?),
            ));
            let began = Instant::now();
            let mut seen = HashSet::new();
            while (seen.len() as u64) < delivered {
                let answer = tokio::time::timeout(PATIENCE, slow.message())
                    .await
                    .context("the slow watcher hears nothing more")??
                    .context("the slow watcher's stream has ended")?;
                let Some(change) = answer.change else { continue };
                if change.state() == DeliveryState::Delivered && !seen.insert(change.delivery_id.clone()) {
                    faults.push(format!("{} was told twice", change.delivery_id));
                }
            }
            figures.push(Figure::new(
                "slow watcher catches up",
                "changes/s",
                per(delivered * 1_000, u64::try_from(began.elapsed().as_millis())?),
            ));
        }
        if let Some(ended) = self.waiting.try_join_next() {
            faults.push(format!("a waiting watcher has ended: {ended:?}"));
        }
        self.waiting.abort_all();
        Ok(figures)
    }
}

async fn connect(spec: &ServiceSpec) -> Result<WebhookServiceClient<tonic::transport::Channel>> {
    Ok(WebhookServiceClient::new(
        Endpoint::from_shared(spec.url())?.connect().await?,
    ))
}

/// A watcher that is there: it has said so.
async fn open(
    client: &mut WebhookServiceClient<tonic::transport::Channel>,
    request: WatchDeliveriesRequest,
) -> Result<Streaming<WatchDeliveriesResponse>> {
    let mut answers = client.watch_deliveries(request).await?.into_inner();
    answers.message().await?.context("a first answer")?;
    Ok(answers)
}
