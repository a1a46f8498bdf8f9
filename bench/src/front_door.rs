//! `front-door`: what a good client notices of those who mean ill, and what they cost the service in memory.

use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use hookwright_proto::v1::PublishRequest;
use serde::Serialize;
use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
};

use crate::{
    args::{CommonArgs, duration},
    bed::client,
    clock::{Moment, sleep_until},
    crowd::{Crowd, Kind},
    percentiles::Percentiles,
    publisher::EVENT_TYPE,
    report::{Header, write_json},
    scratch::Scratch,
    service::{Service, ServiceSpec},
    store::Store,
    usage,
};

#[derive(Debug, Args)]
pub(crate) struct FrontDoorArgs {
    /// How long to measure with each crowd
    #[arg(long, default_value = "15s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// The good client publishes so often
    #[arg(long, default_value = "10ms", value_parser = duration)]
    pub(crate) every: Duration,
    /// Connections that send a byte of a head now and then
    #[arg(long, default_value_t = 1_000)]
    pub(crate) slow: u32,
    /// Connections that send messages of 8 MiB
    #[arg(long, default_value_t = 4)]
    pub(crate) large: u32,
    /// Connections that send requests with keys that nobody has made, one after the other
    #[arg(long, default_value_t = 16)]
    pub(crate) bad: u32,
    /// Connections on which nothing is asked
    #[arg(long, default_value_t = 10_000)]
    pub(crate) idle: u32,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// What was measured beside one crowd.
#[derive(Debug, Serialize)]
struct Phase {
    crowd: String,
    publish: Percentiles,
    /// Publishes of the good client that were not answered with an id.
    failed: usize,
    /// Of the service, at the end.
    memory_bytes: u64,
    /// What the crowd got done: requests answered or refused, or connections opened.
    crowd_done: u64,
}

#[derive(Debug, Serialize)]
struct Document {
    header: Header,
    phases: Vec<Phase>,
    passed: bool,
}

/// Returns whether the good client was always served.
pub(crate) async fn run(args: &FrontDoorArgs) -> Result<bool> {
    let common = &args.common;
    let scratch = Scratch::create(&common.data_dir)?;
    let store = Store::create(common.store, &common.data_dir).await?;
    let load = format!(
        "one good client that publishes every {:?}, beside crowds",
        args.every
    );
    let header = Header::new("front-door", load, common, &store).await?;
    print!("{header}");
    let log = common
        .service_log
        .clone()
        .unwrap_or_else(|| scratch.file("service.log"));
    let spec = ServiceSpec::new(common, &store, log)?.asking_for_keys();
    let result = measure(args, &spec).await;
    store.remove().await?;
    let phases = result?;
    let document = Document {
        header,
        passed: phases.iter().all(|phase| phase.failed == 0),
        phases,
    };
    write_json(common.json.as_deref(), &document)?;
    Ok(document.passed)
}

async fn measure(args: &FrontDoorArgs, spec: &ServiceSpec) -> Result<Vec<Phase>> {
    let key = format!("Bearer {}", spec.make_key("publish").await?);
    let key: MetadataValue<Ascii> = key.parse().context("the text of a key")?;
    let mut service = Service::start(spec)?;
    service.ready().await?;
    println!("\n| beside | p50 | p99 | max | failed | memory |\n| --- | --- | --- | --- | --- | --- |");
    let mut phases = Vec::new();
    for (name, kind, size) in [
        ("nobody", None, 0),
        ("slow heads", Some(Kind::SlowHeads), args.slow),
        ("messages of 8 MiB", Some(Kind::LargeMessages), args.large),
        ("callers with bad keys", Some(Kind::BadKeys), args.bad),
        ("idle connections", Some(Kind::Idle), args.idle),
    ] {
        let crowd = match kind {
            Some(kind) => Some(Crowd::gather(kind, size, spec.address(), &key)?),
            None => None,
        };
        let (publish, failed) = good_client(args, spec, &key).await?;
        let phase = Phase {
            crowd: crowd
                .as_ref()
                .map_or_else(|| name.to_owned(), |_| format!("{size} {name}")),
            publish,
            failed,
            memory_bytes: usage::memory(service.pid())?,
            crowd_done: crowd.map_or(0, Crowd::disperse),
        };
        println!(
            "| {} ({} done) | {:.1} ms | {:.1} ms | {:.1} ms | {} of {} | {} MiB |",
            phase.crowd,
            phase.crowd_done,
            phase.publish.p50_ms,
            phase.publish.p99_ms,
            phase.publish.max_ms,
            phase.failed,
            phase.publish.count + phase.failed,
            phase.memory_bytes >> 20
        );
        phases.push(phase);
    }
    if let Some(wrong) = service.stop().await? {
        anyhow::bail!(wrong);
    }
    Ok(phases)
}

/// Publishes on schedule, one at a time; a late answer makes the next ones late, and counts for them too.
async fn good_client(
    args: &FrontDoorArgs,
    spec: &ServiceSpec,
    key: &MetadataValue<Ascii>,
) -> Result<(Percentiles, usize)> {
    let mut client = client(spec)?;
    let payload = "x".repeat(args.common.publishing.payload_bytes.saturating_sub(2));
    let event = PublishRequest {
        event_type: EVENT_TYPE.into(),
        payload: format!("\"{payload}\"").into(),
        ..PublishRequest::default()
    };
    let request = || {
        let mut request = Request::new(event.clone());
        request.metadata_mut().insert("authorization", key.clone());
        request
    };
    // Connects, and fills caches.
    client.publish(request()).await.context("the first publish")?;
    let mut latencies = Vec::new();
    let mut failed = 0;
    let mut due = Moment::now();
    let end = due.after(args.duration);
    while due < end {
        sleep_until(due).await;
        match client.publish(request()).await {
            Ok(_) => latencies.push(Moment::now().since(due)),
            Err(status) => {
                eprintln!("failed: {status}");
                failed += 1;
            }
        }
        due = due.after(args.every);
    }
    Ok((Percentiles::of(latencies), failed))
}
