//! `hookwright demo`: the main job, from publish to verified signature, with nothing to set up.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use anstream::println;
use clap::Args;
use hookwright_core::{EventType, Profile, SampleOrigin, Secret};
use hookwright_proto::v1;
use hookwright_server::{AddressRules, Config, EgressRules, Server};
use hookwright_store::StoreAddress;
use tokio::sync::mpsc;

use super::{deliveries::state_cell, register::print_json};
use crate::{
    client::{self, Client},
    failure::Failure,
    receiver::{Arrival, Receiver},
    terminal::{BAD, Cell, FAINT, GOOD, STRONG, print_table},
};

/// The platforms whose documents shaped the built-in profiles.
const PLATFORMS: [&str; 5] = ["filedgr", "digivault", "aetherflow", "contractai", "generic"];
/// The platform whose receiver fails first: its own schedule tries again after two seconds.
const FAILS_FIRST: &str = "filedgr";
/// Far more than the demo takes; only a broken one gets here.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Print the deliveries as JSON instead of a table.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: DemoArgs) -> Result<(), Failure> {
    let failed = |error: &dyn ToString| Failure::Failed(error.to_string());
    let folder = tempfile::tempdir().map_err(|error| failed(&error))?;
    let mut config = Config::new(StoreAddress::Sqlite(folder.path().join("demo.db")));
    config.listen = ([127, 0, 0, 1], 0).into();
    config.egress = EgressRules {
        addresses: AddressRules::Any,
        allow_http: true,
        allow_proxies: true,
        ..EgressRules::default()
    };
    let server = Server::start(config).await.map_err(|error| failed(&error))?;
    let (arrivals, arrived) = mpsc::channel(1_024);
    let receiver = Receiver::start(arrivals).await.map_err(|error| failed(&error))?;
    let mut client = client::connect_locally(&format!("http://{}", server.local_addr())).await?;

    let mut demo = Demo {
        quiet: args.json,
        arrived,
        verified: HashMap::new(),
        refused: Vec::new(),
        failed_first: None,
    };
    demo.say(&format!(
        "{STRONG}hookwright{STRONG:#} serves on {} with the embedded store",
        server.local_addr()
    ));
    for platform in PLATFORMS {
        demo.register(&mut client, &receiver, platform).await?;
    }
    let published = demo.publish_all(&mut client).await?;
    demo.watch(published.len()).await?;
    let deliveries = settled_deliveries(&mut client, published.len()).await?;
    let verdict = demo.report(&deliveries, args.json);
    drop(client);
    drop(receiver);
    server.stop().await.map_err(|error| failed(&error))?;
    verdict
}

struct Demo {
    quiet: bool,
    arrived: mpsc::Receiver<Arrival>,
    /// By event id as the log has it: how often it arrived, and whether the accepted time verified.
    verified: HashMap<String, Vec<u16>>,
    refused: Vec<String>,
    failed_first: Option<String>,
}

impl Demo {
    fn say(&self, line: &str) {
        if !self.quiet {
            println!("{line}");
        }
    }

    async fn register(
        &self,
        client: &mut Client,
        receiver: &Receiver,
        platform: &str,
    ) -> Result<(), Failure> {
        let profile = Profile::builtin(platform)
            .ok_or_else(|| Failure::Failed(format!("the profile {platform} is not built in")))?;
        let webhook = v1::Webhook {
            name: profile.title.clone(),
            url: receiver.url(platform),
            profile: platform.to_owned(),
            event_types: profile
                .event_types()
                .iter()
                .map(|event_type| event_type.name.clone())
                .collect(),
            ..v1::Webhook::default()
        };
        let request = v1::RegisterRequest {
            webhook: Some(webhook),
            ..v1::RegisterRequest::default()
        };
        let registered = client.register(request).await?.into_inner();
        let secret = Secret::parse(&registered.secret).map_err(|error| Failure::Failed(error.to_string()))?;
        let failures = u32::from(platform == FAILS_FIRST);
        let webhook = registered.webhook.unwrap_or_default();
        self.say(&format!(
            "  {} receives {} event types of {} at {}{}",
            webhook.id,
            profile.event_types().len(),
            profile.title,
            webhook.url,
            if failures > 0 {
                " and will answer 503 the first time"
            } else {
                ""
            }
        ));
        receiver
            .expect(platform, Arc::clone(&profile), &secret, failures)
            .map_err(Failure::Failed)
    }

    /// Publishes the documents' own sample events; for a platform without any, our sample of its first event type.
    async fn publish_all(&self, client: &mut Client) -> Result<Vec<String>, Failure> {
        let mut published = Vec::new();
        for platform in PLATFORMS {
            let Some(profile) = Profile::builtin(platform) else {
                continue;
            };
            let types = profile.event_types();
            let mut events: Vec<(&str, &str)> = types
                .iter()
                .filter(|event_type| event_type.sample_origin == SampleOrigin::Document)
                .filter_map(sample)
                .collect();
            if events.is_empty() {
                events.extend(types.first().and_then(sample));
            }
            for (event_type, sample) in events {
                let request = v1::PublishRequest {
                    event_type: event_type.to_owned(),
                    payload: sample.as_bytes().to_vec().into(),
                    idempotency_key: String::new(),
                    ..v1::PublishRequest::default()
                };
                published.push(client.publish(request).await?.into_inner().event_id);
            }
        }
        self.say(&format!("{} sample events published\n", published.len()));
        Ok(published)
    }

    /// Until every event has been accepted by its receiver.
    async fn watch(&mut self, events: usize) -> Result<(), Failure> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let started = Instant::now();
        let mut accepted = BTreeSet::new();
        while accepted.len() < events {
            let Ok(Some(arrival)) = tokio::time::timeout_at(deadline, self.arrived.recv()).await else {
                return Err(Failure::Failed(format!(
                    "only {} of {events} events arrived within {} s",
                    accepted.len(),
                    PATIENCE.as_secs()
                )));
            };
            let id = arrival.id.clone().unwrap_or_default();
            let status = arrival.answered.as_u16();
            match &arrival.verdict {
                Ok(event_type) => {
                    let style = if arrival.answered.is_success() { GOOD } else { BAD };
                    self.say(&format!(
                        "{FAINT}{:>7.3} s{FAINT:#}  {:<10} {:<28} signature {GOOD}verified{GOOD:#}, answered {style}{status}{style:#}",
                        started.elapsed().as_secs_f64(),
                        arrival.profile.name,
                        event_type,
                    ));
                    self.verified.entry(key(&id)).or_default().push(status);
                    if arrival.answered.is_success() {
                        accepted.insert(id);
                    } else {
                        self.failed_first = Some(id);
                    }
                }
                Err(refusal) => {
                    let line = format!("{}: {refusal} ({})", arrival.endpoint, refusal.code());
                    self.say(&format!("{BAD}refused{BAD:#} {line}"));
                    self.refused.push(line);
                }
            }
        }
        Ok(())
    }

    /// The table, and whether everything in it is as it should be.
    fn report(&self, deliveries: &[v1::Delivery], json: bool) -> Result<(), Failure> {
        let statuses = |delivery: &v1::Delivery| {
            self.verified
                .get(&key(&delivery.event_id))
                .cloned()
                .unwrap_or_default()
        };
        let is_good = |delivery: &v1::Delivery| {
            delivery.state() == v1::DeliveryState::Delivered
                && statuses(delivery).len() == delivery.attempt_count as usize
                && statuses(delivery).last() == Some(&200)
        };
        if json {
            print_json(&v1::ListDeliveriesResponse {
                deliveries: deliveries.to_vec(),
                next_page_token: String::new(),
            })?;
        } else {
            let rows: Vec<_> = deliveries
                .iter()
                .map(|delivery| {
                    let verified = if is_good(delivery) {
                        Cell::styled("verified", GOOD)
                    } else {
                        Cell::styled("NO", BAD)
                    };
                    let answers: Vec<String> = statuses(delivery).iter().map(ToString::to_string).collect();
                    [
                        delivery.event_id.clone().into(),
                        delivery.event_type.clone().into(),
                        state_cell(delivery.state()),
                        delivery.attempt_count.to_string().into(),
                        answers.join(", ").into(),
                        verified,
                    ]
                })
                .collect();
            println!();
            print_table(
                ["EVENT", "TYPE", "STATE", "ATTEMPTS", "ANSWERS", "SIGNATURE"],
                &rows,
            );
            println!();
        }
        if let Some(refused) = self.refused.first() {
            return Err(Failure::Failed(format!(
                "a receiver refused a delivery: {refused}"
            )));
        }
        if self.failed_first.is_none() {
            return Err(Failure::Failed(String::from(
                "no attempt failed first, so no retry was shown",
            )));
        }
        match deliveries.iter().find(|delivery| !is_good(delivery)) {
            Some(delivery) => Err(Failure::Failed(format!(
                "{} was not delivered and verified",
                delivery.id
            ))),
            None => {
                self.say(&format!(
                    "{GOOD}All {} deliveries to {} platforms arrived and verified, one of them on its second attempt.{GOOD:#}",
                    deliveries.len(),
                    PLATFORMS.len()
                ));
                self.say(&format!(
                    "{FAINT}Next: `hookwright dev`, then `hookwright publish vault.created '{{}}'`{FAINT:#}"
                ));
                Ok(())
            }
        }
    }
}

fn sample(event_type: &EventType) -> Option<(&str, &str)> {
    Some((&event_type.name, event_type.sample.as_deref()?))
}

/// The part of an event id that does not depend on the platform's prefix.
fn key(id: &str) -> String {
    id.rsplit_once('_').map_or(id, |(_, digits)| digits).to_owned()
}

/// The log, once it shows every delivery at its end: a receiver's answer is there a moment before its entry in the log.
async fn settled_deliveries(client: &mut Client, count: usize) -> Result<Vec<v1::Delivery>, Failure> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let request = v1::ListDeliveriesRequest {
            page_size: 200,
            ..v1::ListDeliveriesRequest::default()
        };
        let mut deliveries = client.list_deliveries(request).await?.into_inner().deliveries;
        let settled = deliveries
            .iter()
            .all(|delivery| delivery.state() == v1::DeliveryState::Delivered);
        if (settled && deliveries.len() == count) || tokio::time::Instant::now() > deadline {
            deliveries.reverse();
            return Ok(deliveries);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
