//! `poison`: what others notice of a webhook that hangs with a long queue, and how that one comes back.

use std::{collections::HashSet, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use hookwright_proto::v1::{
    ExponentialSchedule, PublishRequest, RegisterRequest, RetryPolicy, Webhook, retry_policy::Schedule,
};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::{
    args::{CommonArgs, PoisonArgs},
    bed::{Bed, client},
    clock::{Moment, sleep_until},
    drain::{Patience, drain},
    helpers::PublisherProcess,
    ledger::Ledger,
    measurement::{Measurement, Window},
    plan::{Load, Plan},
    poison_receiver::{PoisonReceiver, Visit},
    records::{Arrival, Publication},
    report::{Figure, Header, summarise, table, write_json},
    service::{Service, ServiceSpec},
};

#[derive(Debug, Serialize)]
struct Document {
    header: Header,
    figures: Vec<Figure>,
    others: Ledger,
    poison_published: usize,
    poison_delivered: usize,
    /// Requests of each second after the cure.
    ramp: Vec<u64>,
    passed: bool,
}

/// Returns whether nothing is missing and the others' p99 is within the limit.
pub(crate) async fn run(args: &PoisonArgs) -> Result<bool> {
    let common = CommonArgs {
        fan_out: args.others,
        ..args.common.clone()
    };
    let mut bed = Bed::set_up(&common, common.store).await?;
    let load = format!(
        "{} deliveries/s to {} webhooks; another one hangs {:?} with {} queued",
        args.rate, args.others, args.hang, args.queued
    );
    let header = Header::new("poison", load, &common, &bed.store).await?;
    print!("{header}");
    let result = measure(args, &common, &mut bed, header).await;
    bed.store.remove().await?;
    let document = result?;
    write_json(common.json.as_deref(), &document)?;
    Ok(document.passed)
}

async fn measure(args: &PoisonArgs, common: &CommonArgs, bed: &mut Bed, header: Header) -> Result<Document> {
    let spec = bed.service_spec(common)?;
    let mut service = Service::start(&spec)?;
    service.ready().await?;
    bed.register(common, &spec).await?;
    let poison = PoisonReceiver::start(args.hang).await?;
    register_poison(common, &spec, &poison, args.hang).await?;

    let mut phases = vec![Phase::run("without", args, common, bed, &spec).await?];
    let queued_at = Moment::now();
    publish_poison(&spec, common, args.queued).await?;
    println!(
        "poison      {} events queued within {:.1} s",
        args.queued,
        Moment::now().since(queued_at).as_secs_f64()
    );
    phases.push(Phase::run("with", args, common, bed, &spec).await?);
    poison.cure();
    let cured_at = Moment::now();
    phases.push(Phase::run("recovery", args, common, bed, &spec).await?);

    let publications: Vec<Publication> = phases
        .iter()
        .flat_map(|phase| &phase.publications)
        .copied()
        .collect();
    let file = bed.arrivals_file();
    let patience = Patience {
        settle: SETTLE,
        give_up: common.give_up,
    };
    let arrivals = drain(&mut bed.receiver, &publications, &file, patience).await?;
    let visits = delivered_visits(&poison, args.queued, cured_at, common.give_up).await;
    let mut ledger = Ledger::of(&publications, &arrivals);
    ledger.ask(&mut client(&spec)?).await?;
    let void = service.stop().await?;

    let (document_figures, ratio) = figures(&phases, &arrivals);
    let delivered = distinct(&visits);
    let ramp = per_second(&visits, cured_at);
    print!("\n{}", table(&summarise(&[&document_figures]), 1));
    println!(
        "\nothers      p99 with / without = {ratio:.2} (limit {})",
        args.limit
    );
    println!("{}", ledger.to_string().trim_end());
    println!("poison      {} published, {delivered} delivered", args.queued);
    println!("ramp        requests in each second after the cure: {ramp:?}");
    println!(
        "in flight   at most, of each tenth of a second: {:?}",
        in_flight(&visits, cured_at)
    );
    if let Some(reason) = &void {
        println!("VOID        {reason}");
    }
    Ok(Document {
        header,
        passed: void.is_none()
            && ledger.missing + ledger.dead == 0
            && delivered == args.queued as usize
            && ratio <= args.limit,
        figures: document_figures,
        others: ledger,
        poison_published: args.queued as usize,
        poison_delivered: delivered,
        ramp,
    })
}

/// One stretch of the same load.
struct Phase {
    name: &'static str,
    window: Window,
    publications: Vec<Publication>,
}

impl Phase {
    async fn run(
        name: &'static str,
        args: &PoisonArgs,
        common: &CommonArgs,
        bed: &Bed,
        spec: &ServiceSpec,
    ) -> Result<Self> {
        let start = Moment::now().after(HEAD_START);
        let window = Window {
            start: start.after(WARM_UP),
            end: start.after(WARM_UP + args.duration),
        };
        let events = args.rate / f64::from(args.others);
        let seconds = (WARM_UP + args.duration).as_secs_f64();
        let output: PathBuf = bed.scratch.file(&format!("publications-{name}"));
        let plan = Plan::new(
            &common.publishing,
            vec![spec.url()],
            start,
            Load::open(events, event_count(events * seconds)),
            output,
        );
        let publisher = PublisherProcess::start(&plan).await?;
        sleep_until(window.end).await;
        let publications = publisher.finish(&plan, PUBLISHER_ENDS_WITHIN).await?;
        Ok(Self {
            name,
            window,
            publications,
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most a million events a second, and a count is not negative"
)]
fn event_count(events: f64) -> u64 {
    events.round() as u64
}

/// Latencies of every phase, and how many times the p99 without the poison that with it is.
fn figures(phases: &[Phase], arrivals: &[Arrival]) -> (Vec<Figure>, f64) {
    let mut figures = Vec::new();
    let mut p99 = Vec::new();
    for phase in phases {
        let measurement = Measurement::new(phase.window, &phase.publications, arrivals);
        let latency = measurement.end_to_end();
        figures.extend(Figure::latency(&format!("{}: end to end", phase.name), latency));
        p99.push(latency.p99_ms);
    }
    let ratio = match p99[..] {
        [without, with, ..] if without > 0.0 => with / without,
        _ => f64::INFINITY,
    };
    (figures, ratio)
}

async fn register_poison(
    common: &CommonArgs,
    spec: &ServiceSpec,
    poison: &PoisonReceiver,
    hang: Duration,
) -> Result<()> {
    // Attempts enough to outlast the hanging, so that nothing is given up.
    let schedule = Schedule::Exponential(ExponentialSchedule {
        base: Some(Duration::from_secs(1).into()),
        factor: 2.0,
        max_delay: Some(Duration::from_secs(10).into()),
        max_attempts: 100,
        jitter: 0,
    });
    let webhook = Webhook {
        name: "poison".into(),
        url: poison.url(),
        profile: common.profile.clone(),
        event_types: vec![POISON_TYPE.into()],
        retry_policy: Some(RetryPolicy {
            schedule: Some(schedule),
            ..RetryPolicy::default()
        }),
        timeout: Some(hang.into()),
        ..Webhook::default()
    };
    let request = RegisterRequest {
        webhook: Some(webhook),
        ..RegisterRequest::default()
    };
    client(spec)?
        .register(request)
        .await
        .context("registering the poison")?;
    Ok(())
}

async fn publish_poison(spec: &ServiceSpec, common: &CommonArgs, count: u32) -> Result<()> {
    let client = client(spec)?;
    let payload = format!(
        "{{\"poison\":\"{}\"}}",
        "x".repeat(common.publishing.payload_bytes.saturating_sub(13))
    );
    let mut publishers = JoinSet::new();
    for publisher in 0..POISON_PUBLISHERS {
        let (mut client, payload) = (client.clone(), payload.clone());
        let own = count / POISON_PUBLISHERS + u32::from(publisher < count % POISON_PUBLISHERS);
        publishers.spawn(async move {
            for _ in 0..own {
                let request = PublishRequest {
                    event_type: POISON_TYPE.into(),
                    payload: payload.clone().into(),
                    ..PublishRequest::default()
                };
                client.publish(request).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = publishers.join_next().await {
        done??;
    }
    Ok(())
}

/// The visits once everything was delivered, or nothing has come for a while.
async fn delivered_visits(
    poison: &PoisonReceiver,
    count: u32,
    since: Moment,
    give_up: Duration,
) -> Vec<Visit> {
    loop {
        let visits = poison.visits();
        let last = visits.last().map_or(since, |visit| visit.at.max(since));
        if distinct(&visits) >= count as usize || Moment::now().since(last) > give_up {
            return visits;
        }
        tokio::time::sleep(POLL).await;
    }
}

fn distinct(visits: &[Visit]) -> usize {
    let accepted = visits.iter().filter(|visit| visit.cured);
    accepted.map(|visit| visit.event).collect::<HashSet<_>>().len()
}

fn per_second(visits: &[Visit], since: Moment) -> Vec<u64> {
    let mut seconds = Vec::new();
    for visit in visits.iter().filter(|visit| visit.at >= since) {
        let second = usize::try_from(visit.at.since(since).as_secs()).unwrap_or(usize::MAX);
        if seconds.len() <= second {
            seconds.resize(second + 1, 0);
        }
        seconds[second] += 1;
    }
    seconds
}

/// The most requests at once, in each tenth of a second from the first one that was answered, for two seconds.
fn in_flight(visits: &[Visit], since: Moment) -> Vec<usize> {
    let Some(first) = visits.iter().find(|visit| visit.cured && visit.at >= since) else {
        return Vec::new();
    };
    let mut tenths = vec![0; 20];
    for visit in visits.iter().filter(|visit| visit.at >= first.at) {
        let tenth = usize::try_from(visit.at.since(first.at).as_millis() / 100).unwrap_or(usize::MAX);
        if let Some(most) = tenths.get_mut(tenth) {
            *most = visit.in_flight.max(*most);
        }
    }
    tenths
}

const POISON_TYPE: &str = "poison.published";
const POISON_PUBLISHERS: u32 = 64;
const HEAD_START: Duration = Duration::from_millis(500);
const WARM_UP: Duration = Duration::from_secs(2);
const PUBLISHER_ENDS_WITHIN: Duration = Duration::from_mins(2);
const SETTLE: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(100);
