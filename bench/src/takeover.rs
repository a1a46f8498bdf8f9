//! `takeover`: two services share one PostgreSQL; one is killed, the other one delivers what it had accepted.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use anyhow::Result;
use serde::Serialize;

use crate::{
    args::{StoreKind, TakeoverArgs},
    bed::{Bed, client},
    clock::{Moment, sleep_until},
    connections::senders,
    drain::{Patience, drain},
    helpers::PublisherProcess,
    key::EventKey,
    ledger::Ledger,
    measurement::first_accepted,
    plan::{Load, Plan},
    records::{Arrival, Publication},
    report::{Figure, Header, per, summarise, table, write_json},
    series::{Mark, Series},
    service::Service,
    timeline::Timeline,
};

#[derive(Debug, Serialize)]
struct Document {
    header: Header,
    figures: Vec<Figure>,
    ledger: Ledger,
    notes: Vec<String>,
    /// What must not be so.
    faults: Vec<String>,
    series: Series,
    marks: Vec<Mark>,
}

/// Returns whether everything was taken over in time.
pub(crate) async fn run(args: &TakeoverArgs) -> Result<bool> {
    let mut bed = Bed::set_up(&args.common, StoreKind::Postgres).await?;
    let document = takeover(args, &mut bed).await;
    bed.store.remove().await?;
    let document = document?;

    println!("{}", table(&summarise(&[&document.figures]), 1));
    print!("{}", document.ledger);
    for note in &document.notes {
        println!("note        {note}");
    }
    for fault in &document.faults {
        println!("FAULT       {fault}");
    }
    write_json(args.common.json.as_deref(), &document)?;
    Ok(document.faults.is_empty())
}

async fn takeover(args: &TakeoverArgs, bed: &mut Bed) -> Result<Document> {
    let common = &args.common;
    let load = format!("open loop, {} events/s to two services in turn", args.rate);
    let header = Header::new("takeover", load, common, &bed.store).await?;
    println!("{header}");

    // One after the other: which of them migrates the database is not what is tested.
    let doomed_spec = bed.service_spec(common)?;
    let mut doomed = Service::start(&doomed_spec)?;
    doomed.ready().await?;
    let heir_spec = bed.service_spec(common)?;
    let mut heir = Service::start(&heir_spec)?;
    heir.ready().await?;
    bed.register(common, &doomed_spec).await?;

    let start = Moment::now().after(HEAD_START);
    let publishing = Duration::from_secs_f64(f64::from(args.events) / args.rate);
    let plan = Plan {
        retry: true,
        ..Plan::new(
            &common.publishing,
            vec![doomed_spec.url(), heir_spec.url()],
            start,
            Load::open(args.rate, args.events.into()),
            bed.publications_file(),
        )
    };
    let pids = [doomed.pid(), heir.pid()];
    let publisher = PublisherProcess::start(&plan).await?;

    let mut node_by_port = HashMap::new();
    let kill_due = start.after(publishing / 2);
    while Moment::now() < kill_due {
        node_by_port.extend(senders(&pids, bed.receiver.address().port()));
        sleep_until(kill_due.min(Moment::now().after(LOOK_EVERY))).await;
    }
    node_by_port.extend(senders(&pids, bed.receiver.address().port()));
    let killed = Moment::now();
    doomed.kill().await?;
    let end = start.after(publishing);
    while Moment::now() < end {
        node_by_port.extend(senders(&pids, bed.receiver.address().port()));
        sleep_until(end.min(Moment::now().after(LOOK_EVERY))).await;
    }
    let publications = publisher.finish(&plan, PUBLISHER_ENDS_WITHIN).await?;

    let file = bed.arrivals_file();
    let patience = Patience {
        settle: args.settle,
        give_up: common.give_up,
    };
    let arrivals = drain(&mut bed.receiver, &publications, &file, patience).await?;
    bed.keep_records(common)?;
    node_by_port.extend(senders(&pids, bed.receiver.address().port()));
    let mut ledger = Ledger::of(&publications, &arrivals);
    ledger.ask(&mut client(&heir_spec)?).await?;

    let inheritance = Inheritance::new(&publications, &arrivals, killed);
    let mut faults = faults(args, &ledger, &inheritance);
    faults.extend(heir.stop().await?);
    let mut notes = Vec::new();
    if inheritance.first.len() + inheritance.repeated.len() == 0 {
        notes.push(
            "the killed service had nothing left to deliver: try --receiver-latency or --receiver-fail-first"
                .into(),
        );
    }
    let timeline = Timeline::new(start, publishing + AFTERWARDS, SLICE);
    Ok(Document {
        header,
        series: timeline.series(
            &publications,
            &publications,
            &arrivals,
            &first_accepted(&arrivals),
        ),
        marks: vec![timeline.mark(killed, "kill")],
        figures: figures(&publications, &arrivals, &node_by_port, &inheritance),
        ledger,
        notes,
        faults,
    })
}

/// What the killed service had accepted and the other one delivered.
#[derive(Debug)]
struct Inheritance {
    /// For deliveries that had not arrived before the kill: from the kill to their arrival.
    first: Vec<Duration>,
    /// For deliveries that had arrived, which the killed service had not recorded: from the kill to their repetition.
    repeated: Vec<Duration>,
}

impl Inheritance {
    fn new(publications: &[Publication], arrivals: &[Arrival], killed: Moment) -> Self {
        let accepted: HashSet<EventKey> = publications
            .iter()
            .filter(|publication| publication.acknowledged() && publication.target == DOOMED)
            .map(|publication| publication.event)
            .collect();
        let mut seen: HashSet<(EventKey, u16)> = HashSet::new();
        let mut inheritance = Self {
            first: Vec::new(),
            repeated: Vec::new(),
        };
        // In order of arrival, as the receiver wrote them.
        for arrival in arrivals
            .iter()
            .filter(|arrival| arrival.accepted() && accepted.contains(&arrival.event))
        {
            let new = seen.insert((arrival.event, arrival.webhook));
            if arrival.at > killed {
                let late = arrival.at.since(killed);
                if new {
                    inheritance.first.push(late);
                } else {
                    inheritance.repeated.push(late);
                }
            }
        }
        inheritance
    }

    /// From the kill to the last of them.
    fn completed(&self) -> Duration {
        self.first
            .iter()
            .chain(&self.repeated)
            .max()
            .copied()
            .unwrap_or_default()
    }
}

fn faults(args: &TakeoverArgs, ledger: &Ledger, inheritance: &Inheritance) -> Vec<String> {
    let mut faults = Vec::new();
    if ledger.missing > 0 {
        faults.push(format!("{} acknowledged deliveries are missing", ledger.missing));
    }
    if ledger.unacknowledged_events > 0 {
        faults.push(format!(
            "{} events were acknowledged by neither service",
            ledger.unacknowledged_events
        ));
    }
    if inheritance.completed() > args.limit {
        faults.push(format!(
            "the takeover lasted {:.1?}, longer than {:?}",
            inheritance.completed(),
            args.limit
        ));
    }
    faults
}

fn figures(
    publications: &[Publication],
    arrivals: &[Arrival],
    node_by_port: &HashMap<u16, usize>,
    inheritance: &Inheritance,
) -> Vec<Figure> {
    let accepted_by = |target| {
        publications
            .iter()
            .filter(|publication| publication.acknowledged() && publication.target == target)
            .count()
    };
    let delivered_by = |node: Option<usize>| {
        arrivals
            .iter()
            .filter(|arrival| node_by_port.get(&arrival.peer).copied() == node)
            .count()
    };
    let count = |name, count: usize| Figure::new(name, "", per(count as u64, 1));
    vec![
        count("accepted by the killed service", accepted_by(DOOMED)),
        count("accepted by the other service", accepted_by(HEIR)),
        count(
            "requests of the killed service",
            delivered_by(Some(DOOMED.into())),
        ),
        count("requests of the other service", delivered_by(Some(HEIR.into()))),
        count("requests of unknown origin", delivered_by(None)),
        count("inherited, not delivered before", inheritance.first.len()),
        count("inherited, delivered again", inheritance.repeated.len()),
        Figure::new(
            "from the kill to the last of them",
            "s",
            inheritance.completed().as_secs_f64(),
        ),
    ]
}

const DOOMED: u16 = 0;
const HEIR: u16 = 1;
/// From the plan to the first publish: time to start a process in.
const HEAD_START: Duration = Duration::from_millis(500);
/// Short against how long a connection is kept.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Slices of the timeline: short enough to show the gap until what was inherited arrives.
const SLICE: Duration = Duration::from_millis(200);
/// How long the timeline goes on after the last publish.
const AFTERWARDS: Duration = Duration::from_secs(5);
/// Longer than a publisher repeats a publish.
const PUBLISHER_ENDS_WITHIN: Duration = Duration::from_mins(3);

#[cfg(test)]
mod tests {
    use super::*;

    fn publication(event: u128, target: u16) -> Publication {
        Publication {
            scheduled: Moment::from_nanos(1),
            sent: Moment::from_nanos(1),
            answered: Moment::from_nanos(1),
            event: EventKey(event),
            deliveries: 1,
            target,
            tries: 1,
            code: 0,
        }
    }

    fn arrival(event: u128, at: u64) -> Arrival {
        Arrival {
            event: EventKey(event),
            at: Moment::from_nanos(at),
            webhook: 0,
            peer: 1,
            status: 200,
        }
    }

    #[test]
    fn only_what_the_killed_service_accepted_is_inherited() {
        let publications = [
            publication(1, DOOMED),
            publication(2, DOOMED),
            publication(3, DOOMED),
            publication(4, HEIR),
        ];
        let arrivals = [
            arrival(1, 5),
            arrival(2, 8),
            arrival(2, 14),
            arrival(3, 13),
            arrival(4, 20),
        ];
        let inheritance = Inheritance::new(&publications, &arrivals, Moment::from_nanos(10));
        assert_eq!(inheritance.first, [Duration::from_nanos(3)]);
        assert_eq!(inheritance.repeated, [Duration::from_nanos(4)]);
        assert_eq!(inheritance.completed(), Duration::from_nanos(4));
    }
}
