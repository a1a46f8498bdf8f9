//! `memory`: what the service keeps resident: idle, at saturation, and with a store full of what is due.

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use serde::Serialize;

use crate::{
    args::{self, CommonArgs},
    bed::{Bed, client},
    clock::{Moment, sleep_until},
    drain::{Patience, drain},
    helpers::PublisherProcess,
    ledger::Ledger,
    measurement::{Window, delivered_in},
    plan::{Load, Plan},
    prepared::{self, Death, PreparedArgs},
    report::{Figure, Header, megabytes, per, summarise, table, write_json},
    series::{Mark, Series},
    service::Service,
    usage::{memory, own_memory, peak_memory},
};

#[derive(Debug, Args)]
pub(crate) struct MemoryArgs {
    /// How long to rest before each look at a service that has nothing to do
    #[arg(long, default_value = "15s", value_parser = args::duration)]
    pub(crate) rest: Duration,
    /// How long to load it
    #[arg(long, default_value = "20s", value_parser = args::duration)]
    pub(crate) duration: Duration,
    /// Publishers that load it, each waiting for its answer before it publishes again
    #[arg(long, value_name = "PUBLISHERS", default_value_t = 128)]
    pub(crate) concurrency: u32,
    /// Deliveries that are due in the store, on one webhook whose receiver is dead
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) due: u64,
    /// How that receiver is dead
    #[arg(long, value_enum, default_value_t = Death::Hangs)]
    pub(crate) dead_webhook: Death,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Serialize)]
struct Document {
    header: Header,
    figures: Vec<Figure>,
    /// Of both loads.
    ledgers: Vec<Ledger>,
    series: Series,
    marks: Vec<Mark>,
    /// What must not be so.
    faults: Vec<String>,
}

/// Returns whether what was published has arrived.
pub(crate) async fn run(args: &MemoryArgs) -> Result<bool> {
    let mut watch = Watch::new();
    let mut figures = Vec::new();
    let mut ledgers = Vec::new();
    let mut header = None;
    for due in [0, args.due] {
        let mut bed = Bed::set_up(&args.common, args.common.store).await?;
        if header.is_none() {
            let load = format!(
                "idle; closed loop, {} publishers; both again with {} due in the store",
                args.concurrency, args.due
            );
            let made = Header::new("memory", load, &args.common, &bed.store).await?;
            println!("{made}");
            header = Some(made);
        }
        let measured = measure(args, due, &mut bed, &mut watch).await;
        bed.store.remove().await?;
        let (more, ledger) = measured?;
        figures.extend(more);
        ledgers.push(ledger);
    }

    let missing: u64 = ledgers.iter().map(|ledger| ledger.missing).sum();
    let faults: Vec<String> = (missing > 0)
        .then(|| format!("{missing} acknowledged deliveries are missing"))
        .into_iter()
        .collect();
    println!("{}", table(&summarise(&[&figures]), 1));
    for ledger in &ledgers {
        print!("{ledger}");
    }
    for fault in &faults {
        println!("FAULT       {fault}");
    }
    let Some(header) = header else { return Ok(false) };
    let passed = faults.is_empty();
    let document = Document {
        header,
        figures,
        ledgers,
        series: watch.series,
        marks: watch.marks,
        faults,
    };
    write_json(args.common.json.as_deref(), &document)?;
    Ok(passed)
}

/// Rest, load, and rest again, of one service on one store.
async fn measure(
    args: &MemoryArgs,
    due: u64,
    bed: &mut Bed,
    watch: &mut Watch,
) -> Result<(Vec<Figure>, Ledger)> {
    let common = &args.common;
    let spec = bed.service_spec(common)?;
    let wanted = PreparedArgs {
        due_on_dead_webhook: due,
        dead_webhook: args.dead_webhook,
        ..PreparedArgs::NOTHING
    };
    let filled = prepared::fill(&wanted, common, bed, &spec).await?;
    let with = if due == 0 { "" } else { " with due" };
    let mut service = Service::start(&spec)?;
    service.ready().await?;
    if let Some(filled) = &filled {
        filled.check(&spec).await?;
    }
    let mut figures = Vec::new();
    let mut figure = |name: &str, bytes: u64| {
        figures.push(Figure::new(
            format!("memory {name}{with}"),
            "MiB",
            megabytes(bytes),
        ));
    };

    let resting = watch.during(&service, args.rest, &format!("idle{with}")).await?;
    figure("idle", resting.last);
    figure("idle, own", own_memory(service.pid())?);
    figure("idle, peak", peak_memory(service.pid())?);

    bed.register(common, &spec).await?;
    let start = Moment::now().after(HEAD_START);
    let window = Window {
        start,
        end: start.after(args.duration),
    };
    let plan = Plan::new(
        &common.publishing,
        vec![spec.url()],
        start,
        Load::Closed {
            publishers: args.concurrency,
            end: window.end,
        },
        bed.publications_file(),
    );
    let publisher = PublisherProcess::start(&plan).await?;
    let loaded = watch
        .during(&service, HEAD_START + args.duration, &format!("load{with}"))
        .await?;
    figure("at saturation", loaded.median());
    let publications = publisher.finish(&plan, PUBLISHER_ENDS_WITHIN).await?;
    let file = bed.arrivals_file();
    let patience = Patience {
        settle: SETTLE,
        give_up: common.give_up,
    };
    let arrivals = drain(&mut bed.receiver, &publications, &file, patience).await?;
    figure("at saturation, peak", peak_memory(service.pid())?);
    let resting = watch.during(&service, args.rest, &format!("rest{with}")).await?;
    figure("after saturation", resting.last);
    let mut ledger = Ledger::of(&publications, &arrivals);
    ledger.ask(&mut client(&spec)?).await?;
    figures.push(Figure::new(
        format!("delivered{with}"),
        "deliveries/s",
        per(delivered_in(window, &arrivals), 1) / args.duration.as_secs_f64(),
    ));
    let problem = service.stop().await?;
    ensure!(problem.is_none(), "{}", problem.unwrap_or_default());
    Ok((figures, ledger))
}

/// The service's memory over the time that it was looked at; what lies between is left out.
#[derive(Debug)]
struct Watch {
    series: Series,
    marks: Vec<Mark>,
}

/// What was seen in one stretch.
#[derive(Debug)]
struct Stretch {
    seen: Vec<u64>,
    last: u64,
}

impl Stretch {
    /// The middle one of what was seen.
    fn median(&self) -> u64 {
        let mut sorted = self.seen.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or(self.last)
    }
}

impl Watch {
    fn new() -> Self {
        let mut series = Series::new(Vec::new());
        series.add(COLUMN, []);
        Self {
            series,
            marks: Vec::new(),
        }
    }

    async fn during(&mut self, service: &Service, duration: Duration, what: &str) -> Result<Stretch> {
        let offset = self
            .series
            .t_s
            .last()
            .map_or(0.0, |last| last + LOOK_EVERY.as_secs_f64());
        self.marks.push(Mark {
            t_s: offset,
            what: what.into(),
        });
        let start = Moment::now();
        let end = start.after(duration);
        let mut seen = Vec::new();
        loop {
            let now = Moment::now();
            let resident = memory(service.pid())?;
            seen.push(resident);
            self.series.t_s.push(offset + now.since(start).as_secs_f64());
            self.series
                .columns
                .entry(COLUMN.into())
                .or_default()
                .push(Some(megabytes(resident)));
            if now >= end {
                return Ok(Stretch { seen, last: resident });
            }
            sleep_until(end.min(now.after(LOOK_EVERY))).await;
        }
    }
}

const COLUMN: &str = "memory_service_mib";
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// From the plan to the first publish: time to start a process in.
const HEAD_START: Duration = Duration::from_millis(500);
const PUBLISHER_ENDS_WITHIN: Duration = Duration::from_mins(2);
const SETTLE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_says_what_was_usual() {
        let stretch = |seen: &[u64]| Stretch {
            seen: seen.to_vec(),
            last: 7,
        };
        assert_eq!(stretch(&[5, 1, 900]).median(), 5);
        assert_eq!(stretch(&[]).median(), 7);
    }
}
