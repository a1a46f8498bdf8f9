//! `run`: one load, measured.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::{
    args::RunArgs,
    bed::{Bed, client},
    clock::{Moment, sleep_until},
    drain::{Patience, drain},
    helpers::PublisherProcess,
    ledger::Ledger,
    measurement::{Measurement, Window, delivered_in},
    plan::{Load, Plan},
    postgres::{Database, Statement},
    prepared::{self, PreparedArgs},
    receiver::Progress,
    report::{Figure, Header, Spread, megabytes, per, summarise, table, write_json},
    sample::Sample,
    service::Service,
    usage::peak_memory,
    watchers::{Watchers, WatchersArgs},
};

#[derive(Debug, Serialize)]
struct Document {
    header: Header,
    /// Events per second of an open loop; none in a closed one.
    rate: Option<f64>,
    prepared: PreparedArgs,
    watchers: WatchersArgs,
    duration_s: f64,
    warmup_s: f64,
    summary: Vec<Spread>,
    runs: Vec<RunResult>,
}

#[derive(Debug, Serialize)]
pub(crate) struct RunResult {
    pub(crate) figures: Vec<Figure>,
    ledger: Ledger,
    receiver: Progress,
    /// Why this run says nothing, if anything.
    pub(crate) void: Vec<String>,
    /// What to keep in mind with its figures.
    notes: Vec<String>,
    /// The most expensive first.
    statements: Vec<Statement>,
}

/// Returns whether every run counts.
pub(crate) async fn run(args: &RunArgs) -> Result<bool> {
    let mut runs = Vec::new();
    let mut header = None;
    for number in 1..=args.runs {
        let mut bed = Bed::set_up(&args.common, args.common.store).await?;
        if header.is_none() {
            let description = Header::new("run", describe(args), &args.common, &bed.store).await?;
            print!("{description}");
            println!(
                "window      {:?} after {:?} of warm-up\n",
                args.duration, args.warmup
            );
            header = Some(description);
        }
        let result = one_run(args, &mut bed).await;
        bed.store.remove().await?;
        let result = result?;
        if args.runs > 1 {
            println!("run {number} of {}: {}", args.runs, brief(&result));
        }
        runs.push(result);
    }

    // A void run would spoil the figures of the others. When all are void, their figures show why.
    let valid: Vec<&RunResult> = runs.iter().filter(|run| run.void.is_empty()).collect();
    let counted = if valid.is_empty() {
        runs.iter().collect()
    } else {
        valid
    };
    let figures: Vec<&[Figure]> = counted.iter().map(|run| run.figures.as_slice()).collect();
    let summary = summarise(&figures);
    if counted.len() < runs.len() {
        println!(
            "\n{} of {} runs are void and left out",
            runs.len() - counted.len(),
            runs.len()
        );
    }
    print!("\n{}", table(&summary, counted.len()));
    for (number, run) in (1..).zip(&runs) {
        println!("\nrun {number}\n{}", run.ledger.to_string().trim_end());
        for note in &run.notes {
            println!("note        {note}");
        }
        for reason in &run.void {
            println!("VOID        {reason}");
        }
    }
    let all_count = runs.iter().all(|run| run.void.is_empty());
    let document = Document {
        header: header.context("there was no run")?,
        rate: args.rate,
        prepared: args.prepared,
        watchers: args.watchers,
        duration_s: args.duration.as_secs_f64(),
        warmup_s: args.warmup.as_secs_f64(),
        summary,
        runs,
    };
    write_json(args.common.json.as_deref(), &document)?;
    Ok(all_count)
}

pub(crate) async fn one_run(args: &RunArgs, bed: &mut Bed) -> Result<RunResult> {
    let common = &args.common;
    let spec = bed.service_spec(common)?;
    let filled = prepared::fill(&args.prepared, common, bed, &spec).await?;
    let mut service = Service::start(&spec)?;
    service.ready().await?;
    if let Some(filled) = &filled {
        filled.check(&spec).await?;
    }
    bed.register(common, &spec).await?;
    let size_before = bed.store.size().await?;
    let watchers = Watchers::start(args.watchers, &spec, &service).await?;

    let start = Moment::now().after(HEAD_START);
    let window = Window {
        start: start.after(args.warmup),
        end: start.after(args.warmup + args.duration),
    };
    let plan = Plan::new(
        &common.publishing,
        vec![spec.url()],
        start,
        load(args, window.end.after(TAIL)),
        bed.publications_file(),
    );
    let publisher = PublisherProcess::start(&plan).await?;

    sleep_until(window.start).await;
    if let Some(database) = bed.store.postgres() {
        database.reset_statements().await?;
    }
    let before = Sample::take(bed, service.pid(), publisher.pid()).await?;
    sleep_until(window.end).await;
    let after = Sample::take(bed, service.pid(), publisher.pid()).await?;
    let statements = match bed.store.postgres() {
        Some(database) => database.statements().await?,
        None => None,
    };

    let publications = publisher.finish(&plan, PUBLISHER_ENDS_WITHIN).await?;
    let file = bed.arrivals_file();
    let patience = Patience {
        settle: SETTLE,
        give_up: common.give_up,
    };
    let arrivals = drain(&mut bed.receiver, &publications, &file, patience).await?;
    bed.keep_records(common)?;
    let mut ledger = Ledger::of(&publications, &arrivals);
    ledger.ask(&mut client(&spec)?).await?;
    let progress = bed.receiver.progress().await?;

    let measurement = Measurement::new(window, &publications, &arrivals);
    let sampled = delivered_in(
        Window {
            start: before.at,
            end: after.at,
        },
        &arrivals,
    );
    let mut figures = measurement.figures();
    figures.extend(cost(&before, &after, sampled));
    if let Some(statements) = &statements {
        figures.extend(statement_counts(statements, sampled));
    }
    let grown = bed.store.size().await?.saturating_sub(size_before);
    figures.extend(size(bed, &service, grown, ledger.delivered)?);
    figures.push(Figure::new(
        "connections at the receiver",
        "",
        per(progress.connections, 1),
    ));

    let mut notes = measurement.notes(args.rate);
    notes.extend(disturbance(&before, &after));
    let mut void = measurement.void(args.rate);
    if let Some(filled) = &filled {
        figures.extend(filled.figures.iter().cloned());
        notes.push(filled.note());
        void.extend(filled.lost(&bed.store).await?);
    }
    void.extend(failures(args, &ledger, &progress));
    figures.extend(watchers.end(&service, ledger.delivered, &mut void).await?);
    void.extend(service.stop().await?);
    Ok(RunResult {
        figures,
        ledger,
        receiver: progress,
        void,
        notes,
        statements: statements.unwrap_or_default(),
    })
}

/// Memory and disk.
fn size(bed: &Bed, service: &Service, grown: u64, deliveries: u64) -> Result<Vec<Figure>> {
    let mut figures = vec![Figure::new(
        "memory service, peak",
        "MiB",
        megabytes(peak_memory(service.pid())?),
    )];
    if let Some(memory) = bed.store.postgres().map(Database::memory).transpose()?.flatten() {
        figures.push(Figure::new(
            "memory PostgreSQL, at the end",
            "MiB",
            megabytes(memory),
        ));
    }
    figures.push(Figure::new("stored", "bytes/delivery", per(grown, deliveries)));
    Ok(figures)
}

/// What makes a run void apart from its timing.
fn failures(args: &RunArgs, ledger: &Ledger, receiver: &Progress) -> Vec<String> {
    let mut failures = Vec::new();
    if ledger.unacknowledged_events > 0 {
        failures.push(format!(
            "{} publishes failed: {:?}",
            ledger.unacknowledged_events, ledger.refusals
        ));
    }
    if ledger.missing > 0 {
        failures.push(format!("{} deliveries are missing", ledger.missing));
    }
    if ledger.published != ledger.acknowledged_events * u64::from(args.common.fan_out) {
        failures.push("not every event went to every webhook".into());
    }
    if receiver.invalid > 0 {
        failures.push(format!("the receiver got {} invalid requests", receiver.invalid));
    }
    if receiver.broken > 0 {
        failures.push(format!("{} requests broke off", receiver.broken));
    }
    if ledger.duplicates > 0 && !args.common.behaviour.refuses() {
        failures.push(format!(
            "{} duplicates, and nothing failed that explains them",
            ledger.duplicates
        ));
    }
    failures
}

/// CPU and write-ahead log per delivery.
fn cost(before: &Sample, after: &Sample, deliveries: u64) -> Vec<Figure> {
    let cpu = |name, micros| Figure::new(format!("CPU {name}"), "µs/delivery", per(micros, deliveries));
    let mut figures = vec![cpu("service", after.service - before.service)];
    let mut together = after.service - before.service;
    if let (Some(before), Some(after)) = (before.postgres, after.postgres) {
        figures.push(cpu("PostgreSQL", after - before));
        together += after - before;
    }
    figures.push(cpu("service and store", together));
    figures.push(cpu("receiver", after.receiver - before.receiver));
    figures.push(cpu("publisher", after.publisher - before.publisher));
    figures.push(cpu(
        "interrupts",
        after.machine.interrupts - before.machine.interrupts,
    ));
    let cores = strangers(before, after);
    figures.push(Figure::new("CPU of other processes", "cores", cores));
    if let (Some(before), Some(after)) = (before.log_position, after.log_position) {
        figures.push(Figure::new(
            "write-ahead log",
            "bytes/delivery",
            per(after - before, deliveries),
        ));
    }
    figures
}

fn statement_counts(statements: &[Statement], deliveries: u64) -> [Figure; 2] {
    let calls = |counted: fn(&Statement) -> bool| {
        statements
            .iter()
            .filter(|statement| counted(statement))
            .map(|statement| statement.calls.unsigned_abs())
            .sum()
    };
    [
        Figure::new("SQL statements", "per delivery", per(calls(|_| true), deliveries)),
        Figure::new(
            "of them BEGIN, COMMIT, ROLLBACK",
            "per delivery",
            per(calls(is_bracket), deliveries),
        ),
    ]
}

/// Whether it only starts or ends a transaction.
fn is_bracket(statement: &Statement) -> bool {
    ["BEGIN", "COMMIT", "ROLLBACK", "START TRANSACTION"]
        .iter()
        .any(|bracket| {
            statement
                .text
                .trim_start()
                .to_ascii_uppercase()
                .starts_with(bracket)
        })
}

/// Cores that processes outside of the test kept busy.
fn strangers(before: &Sample, after: &Sample) -> f64 {
    Duration::from_micros(after.strangers_since(before)).as_secs_f64()
        / after.at.since(before.at).as_secs_f64()
}

fn disturbance(before: &Sample, after: &Sample) -> Vec<String> {
    let mut notes = Vec::new();
    let strangers = strangers(before, after);
    if strangers > STRANGERS_MAX {
        notes.push(format!(
            "other processes kept {strangers:.2} cores busy: the machine was not ours alone"
        ));
    }
    let stolen = after.machine.stolen - before.machine.stolen;
    let cores = Duration::from_micros(stolen).as_secs_f64() / after.at.since(before.at).as_secs_f64();
    if cores > STOLEN_MAX {
        notes.push(format!("the hypervisor took {cores:.2} cores away"));
    }
    notes
}

fn load(args: &RunArgs, end: Moment) -> Load {
    match (args.rate, args.concurrency) {
        (Some(rate), _) => {
            let seconds = (args.warmup + args.duration + TAIL).as_secs_f64();
            Load::open(rate, event_count(rate * seconds))
        }
        (None, concurrency) => Load::Closed {
            // The command line requires one of the two.
            publishers: concurrency.unwrap_or(1),
            end,
        },
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

fn describe(args: &RunArgs) -> String {
    let load = match (args.rate, args.concurrency) {
        (Some(rate), _) => format!("open loop, {rate} events/s"),
        (None, concurrency) => format!("closed loop, {} publishers", concurrency.unwrap_or(1)),
    };
    if args.common.publishing.stream {
        format!("{load}, streamed")
    } else {
        load
    }
}

/// The few figures that one looks at while the runs go on.
fn brief(run: &RunResult) -> String {
    let shown = [
        "delivered",
        "publish p50",
        "end to end p50",
        "end to end p99",
        "CPU service",
    ];
    let figures: Vec<String> = run
        .figures
        .iter()
        .filter(|figure| shown.contains(&figure.name.as_str()))
        .map(|figure| format!("{} {:.1} {}", figure.name, figure.value, figure.unit))
        .collect();
    let void = if run.void.is_empty() { "" } else { "  VOID" };
    figures.join(", ") + void
}

/// From the plan to the first publish: time to start a process in.
const HEAD_START: Duration = Duration::from_millis(500);
/// The load goes on after the window, so that the window's last events meet the same load as its first.
const TAIL: Duration = Duration::from_secs(1);
/// Beyond the plan's end: answers that are still due, each at most for the publisher's timeout.
const PUBLISHER_ENDS_WITHIN: Duration = Duration::from_mins(2);
/// How long nothing may arrive once nothing is missing: long enough for a duplicate of the last ones to show.
const SETTLE: Duration = Duration::from_millis(500);
/// Above this many cores taken by the hypervisor the figures are disturbed.
const STOLEN_MAX: f64 = 0.02;
/// Above this many cores kept busy by others the figures are disturbed.
const STRANGERS_MAX: f64 = 0.1;
