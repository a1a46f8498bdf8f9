//! `soak`: a long run below capacity with webhooks of every kind. Memory, store and latency must not grow.
//!
//! ```text
//!  publisher ── nearly all events ──► good     answers at once; latencies are these
//!  publisher ── 5 events/s ─────────► slow     4 webhooks that take a second
//!  publisher ── 20 events/s ────────► failing  4 webhooks: 5 % of requests 503, 0.5 % 429 with Retry-After
//!  publisher ── 1 % of the rate ────► dead     one hangs, one refuses; what is for them waits in the store
//! ```

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use clap::Args;
use hookwright_proto::v1::{ListSchedule, RetryPolicy, Webhook, retry_policy::Schedule};
use serde::Serialize;

use self::sampler::{Look, Watcher, add_looks};
pub(crate) use self::verdict::Trend;
use crate::{
    args::{self, CommonArgs, RunArgs},
    bed::{self, Bed, client},
    clock::{Moment, sleep_until},
    drain::{Patience, drain},
    helpers::PublisherProcess,
    key::EventKey,
    ledger::Ledger,
    manner::Manner,
    measurement::{Measurement, Window, first_accepted},
    plan::{Load, Plan},
    prepared::{DeadReceiver, Death, PreparedArgs},
    publisher::EVENT_TYPE,
    receiver::Progress,
    records::Publication,
    report::{Figure, Header, per, summarise, table, write_json},
    run,
    series::Series,
    service::{Service, ServiceSpec},
    timeline::Timeline,
    watchers::WatchersArgs,
};

mod sampler;
mod verdict;

#[derive(Debug, Args)]
pub(crate) struct SoakArgs {
    /// How long
    #[arg(long, default_value = "30m", value_parser = args::duration)]
    pub(crate) duration: Duration,
    /// Share of the capacity to offer; the capacity is found by a closed loop before
    #[arg(long, default_value_t = 0.7)]
    pub(crate) load: f64,
    /// Events per second to the good webhooks, instead of a share of the capacity
    #[arg(long, value_name = "EVENTS_PER_SECOND", value_parser = args::rate, conflicts_with = "load")]
    pub(crate) rate: Option<f64>,
    /// Publishers of the closed loop that finds the capacity
    #[arg(long, default_value_t = 128)]
    pub(crate) concurrency: u32,
    /// How long to look for the capacity
    #[arg(long, default_value = "20s", value_parser = args::duration)]
    pub(crate) capacity_duration: Duration,
    /// By what share the last fifth of the run may exceed the second and still be flat
    #[arg(long, default_value_t = 0.2)]
    pub(crate) tolerance: f64,
    /// Writes the figures of each second as CSV; beside the JSON unless given
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Serialize)]
struct Document {
    header: Header,
    duration_s: f64,
    /// Events per second to the good webhooks.
    offered: f64,
    /// What the closed loop reached, in events per second.
    capacity: Option<f64>,
    figures: Vec<Figure>,
    /// Of all webhooks but the dead ones.
    ledger: Ledger,
    dead_webhooks: DeadLedger,
    receiver: Progress,
    tolerance: f64,
    trends: Vec<Trend>,
    /// What must not be so.
    faults: Vec<String>,
}

/// What became of the deliveries that nobody takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct DeadLedger {
    published: u64,
    /// Rows in the store.
    waiting: u64,
    given_up: u64,
}

impl DeadLedger {
    /// More than published may wait: an event whose answer was lost is stored all the same.
    fn missing(&self) -> u64 {
        self.published.saturating_sub(self.waiting + self.given_up)
    }
}

/// Returns whether nothing is missing and nothing grows.
pub(crate) async fn run(args: &SoakArgs) -> Result<bool> {
    let capacity = match args.rate {
        Some(_) => None,
        None => Some(capacity(args).await?),
    };
    let rate = args.rate.unwrap_or(capacity.unwrap_or_default() * args.load);
    let mut common = args.common.clone();
    common.behaviour.expects = expected_deliveries(rate, args.duration, common.fan_out);
    let mut bed = Bed::set_up(&common, common.store).await?;
    let soaked = soak(args, &common, capacity, rate, &mut bed).await;
    bed.store.remove().await?;
    let (document, series) = soaked?;

    println!("{}", table(&summarise(&[&document.figures]), 1));
    print!("{}", document.ledger);
    let dead = document.dead_webhooks;
    println!(
        "dead        {} published = {} waiting in the store + {} given up + {} missing",
        dead.published,
        dead.waiting,
        dead.given_up,
        dead.missing()
    );
    for trend in &document.trends {
        println!("{trend}");
    }
    for fault in &document.faults {
        println!("FAULT       {fault}");
    }
    write_json(common.json.as_deref(), &document)?;
    let csv = args
        .csv
        .clone()
        .or(common.json.map(|json| json.with_extension("csv")));
    if let Some(csv) = csv {
        series.write_csv(&csv)?;
    }
    Ok(document.faults.is_empty())
}

/// Events per second that a closed loop gets through to the good webhooks, delivered and not only accepted.
async fn capacity(args: &SoakArgs) -> Result<f64> {
    let run_args = RunArgs {
        rate: None,
        concurrency: Some(args.concurrency),
        duration: args.capacity_duration,
        warmup: WARM_UP,
        runs: 1,
        prepared: PreparedArgs::NOTHING,
        watchers: WatchersArgs::default(),
        common: args.common.clone(),
    };
    let mut bed = Bed::set_up(&args.common, args.common.store).await?;
    let result = run::one_run(&run_args, &mut bed).await;
    bed.store.remove().await?;
    let result = result?;
    let figure = |name: &str| {
        let found = result.figures.iter().find(|figure| figure.name == name);
        found
            .map(|figure| figure.value)
            .context("the run has no such figure")
    };
    let capacity = figure("published")?.min(figure("delivered")? / f64::from(args.common.fan_out));
    println!("capacity    {capacity:.0} events/s");
    for reason in &result.void {
        println!("note        while looking for the capacity: {reason}");
    }
    Ok(capacity)
}

async fn soak(
    args: &SoakArgs,
    common: &CommonArgs,
    capacity: Option<f64>,
    rate: f64,
    bed: &mut Bed,
) -> Result<(Document, Series)> {
    let load = format!(
        "open loop, {rate:.0} events/s to good webhooks for {:?}, and some to slow, failing and dead ones",
        args.duration
    );
    let header = Header::new("soak", load, common, &bed.store).await?;
    println!("{header}");
    let spec = bed.service_spec(common)?;
    let mut service = Service::start(&spec)?;
    service.ready().await?;
    let dead_receivers = [
        DeadReceiver::new(Death::Hangs)?,
        DeadReceiver::new(Death::Refuses)?,
    ];
    let dead_webhooks = register(common, bed, &spec, &dead_receivers).await?;
    let mut watcher = Watcher::connect(&bed.store).await?;

    let start = Moment::now().after(HEAD_START);
    let mut publishers = Vec::new();
    for (number, (event_type, rate)) in loads(rate).into_iter().enumerate() {
        let seconds = args.duration.as_secs_f64();
        let mut plan = Plan::new(
            &common.publishing,
            vec![spec.url()],
            start,
            Load::open(rate, event_count(rate * seconds)),
            bed.scratch.file(&format!("publications-{number}")),
        );
        plan.event_type = event_type.into();
        plan.seed += number as u64;
        if number > 0 {
            // Hardly anything goes to the others.
            (plan.connections, plan.threads) = (1, 1);
        }
        publishers.push((PublisherProcess::start(&plan).await?, plan));
    }
    let end = start.after(args.duration);
    let looks = watch(bed, &mut watcher, service.pid(), start, end).await?;
    let mut publications: Vec<Vec<Publication>> = Vec::new();
    for (publisher, plan) in publishers {
        publications.push(publisher.finish(&plan, PUBLISHER_ENDS_WITHIN).await?);
    }
    let for_dead = publications.pop().context("the dead have a publisher")?;
    let good = publications
        .first()
        .cloned()
        .context("the good have a publisher")?;
    let owed = publications.concat();

    let file = bed.arrivals_file();
    let patience = Patience {
        settle: SETTLE,
        give_up: common.give_up,
    };
    let arrivals = drain(&mut bed.receiver, &owed, &file, patience).await?;
    let mut ledger = Ledger::of(&owed, &arrivals);
    ledger.ask(&mut client(&spec)?).await?;
    let dead_ledger = settle_dead(&mut watcher, &for_dead, &dead_webhooks, common.give_up).await?;
    let receiver = bed.receiver.progress().await?;

    let timeline = Timeline::new(start, args.duration, Duration::from_secs(1));
    let mut series = timeline.series(&owed, &good, &arrivals, &first_accepted(&arrivals));
    add_looks(&mut series, &timeline, &looks);
    let trends = trends(&series, args.tolerance);
    let window = Window { start, end };
    let measurement = Measurement::new(window, &good, &arrivals);
    let mut figures = measurement.figures();
    figures.push(Figure::new(
        "refused by the receiver",
        "requests",
        per(receiver.refused, 1),
    ));
    let mut faults = faults(&ledger, &dead_ledger, &receiver, &trends);
    faults.extend(measurement.void(Some(rate)));
    faults.extend(service.stop().await?);
    let document = Document {
        header,
        duration_s: args.duration.as_secs_f64(),
        offered: rate,
        capacity,
        figures,
        ledger,
        dead_webhooks: dead_ledger,
        receiver,
        tolerance: args.tolerance,
        trends,
        faults,
    };
    Ok((document, series))
}

/// Looks once in each second.
async fn watch(
    bed: &Bed,
    watcher: &mut Watcher,
    service: u32,
    start: Moment,
    end: Moment,
) -> Result<Vec<Look>> {
    let mut looks = Vec::new();
    // In the middle of a second, so that none is missed or met twice when a look takes a little longer.
    let mut next = start.after(Duration::from_millis(500));
    while next < end {
        sleep_until(next).await;
        looks.push(watcher.look(bed, service).await?);
        let now = Moment::now();
        while next <= now {
            next = next.after(Duration::from_secs(1));
        }
    }
    sleep_until(end).await;
    Ok(looks)
}

/// Event types and their rates; the good ones first, those that nobody takes last.
fn loads(rate: f64) -> [(&'static str, f64); 4] {
    [
        (EVENT_TYPE, rate),
        (SLOW_TYPE, 5.0),
        (FAILING_TYPE, 20.0),
        (DEAD_TYPE, rate * 0.01),
    ]
}

/// Returns the webhooks of the dead receivers.
async fn register(
    common: &CommonArgs,
    bed: &Bed,
    spec: &ServiceSpec,
    dead: &[DeadReceiver],
) -> Result<Vec<EventKey>> {
    bed.register(common, spec).await?;
    let mut client = client(spec)?;
    let webhook = |name: String, url: String, event_type: &str| Webhook {
        name,
        url,
        profile: common.profile.clone(),
        event_types: vec![event_type.into()],
        ..Webhook::default()
    };
    let mut number = common.fan_out;
    for (manner, event_type) in [(Manner::Slow, SLOW_TYPE), (Manner::Failing, FAILING_TYPE)] {
        for _ in 0..OF_EACH_KIND {
            let url = format!("http://{}{}", bed.receiver.address(), manner.path_of(number));
            let mut webhook = webhook(format!("{manner:?} {number}"), url, event_type);
            webhook.retry_policy = Some(quick_retries());
            bed::register(&mut client, webhook).await?;
            number += 1;
        }
    }
    let mut ids = Vec::new();
    for (number, receiver) in dead.iter().enumerate() {
        let webhook = webhook(format!("dead {number}"), receiver.url(), DEAD_TYPE);
        ids.push(bed::register(&mut client, webhook).await?);
    }
    Ok(ids)
}

/// Short enough that what was refused arrives during the test, and often enough that nothing is given up.
fn quick_retries() -> RetryPolicy {
    let delays = [1, 2, 5, 5, 10, 10, 10, 10, 10, 10].map(|seconds| Duration::from_secs(seconds).into());
    RetryPolicy {
        schedule: Some(Schedule::List(ListSchedule {
            delays: delays.into(),
        })),
        ..RetryPolicy::default()
    }
}

/// Waits until the store has a row for each delivery that nobody takes, or nothing changes any more.
async fn settle_dead(
    watcher: &mut Watcher,
    publications: &[Publication],
    webhooks: &[EventKey],
    give_up: Duration,
) -> Result<DeadLedger> {
    let acknowledged = publications
        .iter()
        .filter(|publication| publication.acknowledged());
    let published = acknowledged
        .map(|publication| u64::from(publication.deliveries))
        .sum();
    let mut before = None;
    let mut changed = Moment::now();
    loop {
        let (waiting, given_up) = watcher.waiting_and_dead(webhooks).await?;
        let ledger = DeadLedger {
            published,
            waiting,
            given_up,
        };
        if before != Some((waiting, given_up)) {
            before = Some((waiting, given_up));
            changed = Moment::now();
        }
        if ledger.missing() == 0 || Moment::now().since(changed) > give_up {
            return Ok(ledger);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The figures that must stay as they are, and differences of each that are noise.
fn trends(series: &Series, tolerance: f64) -> Vec<Trend> {
    let judged = [
        ("memory_service_mib", 8.0),
        ("memory_postgresql_mib", 16.0),
        ("dead_rows_or_pages", 10_000.0),
        ("retry_table_bytes_per_row", 64.0),
        ("publish_p50_ms", 1.0),
        ("publish_p99_ms", 2.0),
        ("end_to_end_p50_ms", 1.0),
        ("end_to_end_p99_ms", 2.0),
    ];
    let trend = |(name, slack): (&str, f64)| Trend::of(name, series.columns.get(name)?, tolerance, slack);
    judged.into_iter().filter_map(trend).collect()
}

fn faults(ledger: &Ledger, dead: &DeadLedger, receiver: &Progress, trends: &[Trend]) -> Vec<String> {
    let mut faults = Vec::new();
    if ledger.missing > 0 {
        faults.push(format!("{} acknowledged deliveries are missing", ledger.missing));
    }
    if ledger.dead > 0 {
        faults.push(format!("{} deliveries were given up", ledger.dead));
    }
    if ledger.unacknowledged_events > 0 {
        faults.push(format!(
            "{} publishes failed: {:?}",
            ledger.unacknowledged_events, ledger.refusals
        ));
    }
    if dead.missing() > 0 {
        faults.push(format!(
            "{} deliveries to dead webhooks are missing",
            dead.missing()
        ));
    }
    if receiver.invalid > 0 {
        faults.push(format!("the receiver got {} invalid requests", receiver.invalid));
    }
    for trend in trends.iter().filter(|trend| !trend.is_flat) {
        faults.push(format!("{} grows", trend.name));
    }
    faults
}

/// Room for everything that may arrive: a third more than what is published, for repetitions.
fn expected_deliveries(rate: f64, duration: Duration, fan_out: u16) -> usize {
    let deliveries = event_count(rate * duration.as_secs_f64() * f64::from(fan_out) * 1.33);
    usize::try_from(deliveries).unwrap_or(usize::MAX).max(1 << 20)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most a million events a second, and a count is not negative"
)]
fn event_count(events: f64) -> u64 {
    events.round() as u64
}

const SLOW_TYPE: &str = "soak.slow";
const FAILING_TYPE: &str = "soak.failing";
const DEAD_TYPE: &str = "soak.dead";
/// Slow webhooks, and failing ones.
const OF_EACH_KIND: u16 = 4;
const WARM_UP: Duration = Duration::from_secs(5);
/// From the plan to the first publish: time to start four processes in.
const HEAD_START: Duration = Duration::from_secs(1);
const PUBLISHER_ENDS_WITHIN: Duration = Duration::from_mins(5);
const SETTLE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_or_was_given_up_is_not_missing() {
        let ledger = |waiting, given_up| DeadLedger {
            published: 10,
            waiting,
            given_up,
        };
        assert_eq!(ledger(7, 2).missing(), 1);
        assert_eq!(ledger(8, 2).missing(), 0);
        assert_eq!(ledger(12, 0).missing(), 0);
    }

    #[test]
    fn what_is_judged_is_in_the_series() {
        let timeline = Timeline::new(
            Moment::from_nanos(0),
            Duration::from_secs(50),
            Duration::from_secs(1),
        );
        let mut series = timeline.series(&[], &[], &[], &std::collections::HashMap::new());
        add_looks(&mut series, &timeline, &[]);
        for name in [
            "memory_service_mib",
            "memory_postgresql_mib",
            "dead_rows_or_pages",
            "retry_table_bytes_per_row",
            "publish_p50_ms",
            "end_to_end_p99_ms",
        ] {
            assert!(series.columns.contains_key(name), "{name}");
        }
        assert_eq!(trends(&series, 0.2), [], "there is nothing to judge");
    }
}
