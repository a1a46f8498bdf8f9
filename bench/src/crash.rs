//! `crash`: the service is killed again and again under load. What it acknowledged must arrive all the same.

use std::time::Duration;

use anyhow::Result;
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use serde::Serialize;

use crate::{
    args::CrashArgs,
    bed::{Bed, client},
    clock::{Moment, sleep_until},
    drain::{Patience, drain},
    duplicates::Duplicates,
    helpers::PublisherProcess,
    ledger::Ledger,
    measurement::first_accepted,
    percentiles::Percentiles,
    plan::{Load, Plan},
    receiver::Progress,
    records::{Arrival, Publication},
    report::{Figure, Header, per, summarise, table, write_json},
    series::{Mark, Series},
    service::{Service, ServiceSpec},
    timeline::Timeline,
};

#[derive(Debug, Serialize)]
struct Document {
    header: Header,
    seed: u64,
    /// On the clock of the records.
    kills: Vec<Moment>,
    /// Kills that hit the service before it served again.
    kills_while_starting: u64,
    figures: Vec<Figure>,
    ledger: Ledger,
    duplicates: Duplicates,
    receiver: Progress,
    /// What must not be so.
    faults: Vec<String>,
    series: Series,
    marks: Vec<Mark>,
}

/// Returns whether every promise was kept.
pub(crate) async fn run(args: &CrashArgs) -> Result<bool> {
    let mut bed = Bed::set_up(&args.common, args.common.store).await?;
    let document = crash(args, &mut bed).await;
    bed.store.remove().await?;
    let document = document?;

    println!("{}", table(&summarise(&[&document.figures]), 1));
    print!("{}", document.ledger);
    print!("{}", document.duplicates);
    for fault in &document.faults {
        println!("FAULT       {fault}");
    }
    write_json(args.common.json.as_deref(), &document)?;
    Ok(document.faults.is_empty())
}

async fn crash(args: &CrashArgs, bed: &mut Bed) -> Result<Document> {
    let common = &args.common;
    let seed = args.seed.unwrap_or_else(|| rand::rng().random());
    let load = format!(
        "open loop, {} events/s, {} kills, --seed {seed}",
        args.rate, args.kills
    );
    let header = Header::new("crash", load, common, &bed.store).await?;
    println!("{header}");

    let spec = bed.service_spec(common)?;
    let mut service = Service::start(&spec)?;
    service.ready().await?;
    bed.register(common, &spec).await?;

    let start = Moment::now().after(HEAD_START);
    let plan = Plan {
        seed,
        retry: true,
        ..Plan::new(
            &common.publishing,
            vec![spec.url()],
            start,
            Load::open(args.rate, args.events.into()),
            bed.publications_file(),
        )
    };
    let publishing = Duration::from_secs_f64(f64::from(args.events) / args.rate);
    let moments = kill_moments(start, publishing, args.kills, seed);
    let publisher = PublisherProcess::start(&plan).await?;
    let kills = kill_at(&moments, service, &spec).await?;
    let publications = publisher
        .finish(&plan, publishing + PUBLISHER_ENDS_WITHIN)
        .await?;

    let file = bed.arrivals_file();
    let patience = Patience {
        settle: args.settle,
        give_up: common.give_up,
    };
    let arrivals = drain(&mut bed.receiver, &publications, &file, patience).await?;
    bed.keep_records(common)?;
    let mut ledger = Ledger::of(&publications, &arrivals);
    ledger.ask(&mut client(&spec)?).await?;
    let receiver = bed.receiver.progress().await?;
    let duplicates = Duplicates::explain(&arrivals, &kills.moments, args.explain_window);
    let mut faults = faults(&ledger, &receiver, args.events);
    faults.extend(kills.service.stop().await?);
    let timeline = Timeline::new(start, publishing + AFTERWARDS, SLICE);
    let marks = kills.moments.iter().map(|&kill| timeline.mark(kill, "kill"));
    Ok(Document {
        header,
        seed,
        series: timeline.series(
            &publications,
            &publications,
            &arrivals,
            &first_accepted(&arrivals),
        ),
        marks: marks.collect(),
        kills_while_starting: kills.while_starting,
        figures: figures(&publications, &arrivals, &kills.restarts, kills.while_starting),
        ledger,
        duplicates,
        kills: kills.moments,
        receiver,
        faults,
    })
}

/// What a series of kills left.
struct Kills {
    moments: Vec<Moment>,
    /// From each kill to when the service served again.
    restarts: Vec<Duration>,
    while_starting: u64,
    service: Service,
}

/// Kills the service at each moment and starts it again at once.
async fn kill_at(moments: &[Moment], mut service: Service, spec: &ServiceSpec) -> Result<Kills> {
    let mut killed = Vec::with_capacity(moments.len());
    let mut restarts = Vec::new();
    let mut while_starting = 0;
    for (number, &moment) in moments.iter().enumerate() {
        sleep_until(moment).await;
        killed.push(Moment::now());
        let before = Moment::now();
        service.kill().await?;
        service = Service::start(spec)?;
        // The next kill does not wait for this start: to be killed while recovering is part of the test.
        let next = moments.get(number + 1);
        tokio::select! {
            ready = service.ready() => {
                ready?;
                restarts.push(Moment::now().since(before));
            }
            () = async { match next {
                Some(&next) => sleep_until(next).await,
                None => std::future::pending().await,
            } } => while_starting += 1,
        }
    }
    Ok(Kills {
        moments: killed,
        restarts,
        while_starting,
        service,
    })
}

/// Moments spread at random over the time of publishing.
fn kill_moments(start: Moment, publishing: Duration, kills: u32, seed: u64) -> Vec<Moment> {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut moments: Vec<Moment> = (0..kills)
        .map(|_| start.after(publishing.mul_f64(random.random_range(0.02..0.98))))
        .collect();
    moments.sort_unstable();
    moments
}

fn faults(ledger: &Ledger, receiver: &Progress, events: u32) -> Vec<String> {
    let mut faults = Vec::new();
    if ledger.missing > 0 {
        faults.push(format!("{} acknowledged deliveries are missing", ledger.missing));
    }
    if ledger.repeated_ids > 0 {
        faults.push("an event id was given to two publishes".into());
    }
    if ledger.acknowledged_events < u64::from(events) {
        faults.push(format!(
            "only {} of {events} events were acknowledged",
            ledger.acknowledged_events
        ));
    }
    if receiver.invalid > 0 {
        faults.push(format!("the receiver got {} invalid requests", receiver.invalid));
    }
    faults
}

fn figures(
    publications: &[Publication],
    arrivals: &[Arrival],
    restarts: &[Duration],
    while_starting: u64,
) -> Vec<Figure> {
    let scheduled: std::collections::HashMap<_, _> = publications
        .iter()
        .filter(|publication| publication.acknowledged())
        .map(|publication| (publication.event, publication.scheduled))
        .collect();
    let publish = publications
        .iter()
        .filter(|publication| publication.acknowledged())
        .map(|publication| publication.answered.since(publication.scheduled));
    let end_to_end = first_accepted(arrivals);
    let end_to_end = end_to_end
        .iter()
        .filter_map(|((event, _), at)| scheduled.get(event).map(|&scheduled| at.since(scheduled)));
    let restarted = Percentiles::of(restarts.iter().copied());
    let repeated = publications
        .iter()
        .filter(|publication| publication.tries > 1)
        .count() as u64;
    let mut figures = vec![
        Figure::new("restart p50", "ms", restarted.p50_ms),
        Figure::new("restart max", "ms", restarted.max_ms),
        Figure::new("kills while starting", "", per(while_starting, 1)),
        Figure::new("publishes sent again", "", per(repeated, 1)),
    ];
    figures.extend(Figure::latency("publish", &Percentiles::of(publish)));
    figures.extend(Figure::latency("end to end", &Percentiles::of(end_to_end)));
    figures
}

/// From the plan to the first publish: time to start a process in.
const HEAD_START: Duration = Duration::from_millis(500);
/// Slices of the timeline: short enough to show how long nothing arrives after a kill.
const SLICE: Duration = Duration::from_millis(200);
/// How long the timeline goes on after the last publish.
const AFTERWARDS: Duration = Duration::from_secs(5);
/// Longer than a publisher repeats a publish.
const PUBLISHER_ENDS_WITHIN: Duration = Duration::from_mins(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_the_moments() {
        let start = Moment::from_nanos(1_000_000_000);
        let moments = |seed| kill_moments(start, Duration::from_secs(40), 20, seed);
        assert_eq!(moments(7), moments(7));
        assert_ne!(moments(7), moments(8));
        assert_eq!(moments(7).len(), 20);
        assert!(moments(7).is_sorted());
        assert!(
            moments(7)
                .iter()
                .all(|&moment| moment > start && moment < start.after(Duration::from_secs(40)))
        );
    }
}
