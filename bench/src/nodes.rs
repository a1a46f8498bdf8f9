//! `nodes`: several services on one PostgreSQL, beside one alone in the same run.
//!
//! Publishes go to all services in turn. A first attempt is made by the service that accepted the event; retries belong to
//! the lanes of tenants, and lanes to services.

use std::{collections::HashMap, time::Duration};

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::{
    args::{self, CommonArgs, StoreKind},
    bed::{Bed, client},
    clock::{Moment, sleep_until},
    connections::senders,
    drain::{Patience, drain},
    helpers::PublisherProcess,
    ledger::Ledger,
    measurement::{Measurement, Window},
    plan::{Load, Plan},
    records::Arrival,
    report::{Figure, Header, per, summarise, table, write_json},
    service::{Service, ServiceSpec},
};

#[derive(Debug, Args)]
pub(crate) struct NodesArgs {
    /// How many services, one number after the other; the first one is what the others are compared with
    #[arg(long, value_delimiter = ',', default_value = "1,2,4", value_parser = clap::value_parser!(u16).range(1..=16))]
    pub(crate) counts: Vec<u16>,
    /// Publishers of all services together, each waiting for its answer before it publishes again
    #[arg(long, value_name = "PUBLISHERS", default_value_t = 128)]
    pub(crate) concurrency: u32,
    /// How long to measure each number of services
    #[arg(long, default_value = "20s", value_parser = args::duration)]
    pub(crate) duration: Duration,
    /// How long to load before measuring
    #[arg(long, default_value = "5s", value_parser = args::duration)]
    pub(crate) warmup: Duration,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Serialize)]
struct Document {
    header: Header,
    figures: Vec<Figure>,
    clusters: Vec<Cluster>,
    /// What must not be so.
    faults: Vec<String>,
}

/// So many services together.
#[derive(Debug, Serialize)]
struct Cluster {
    nodes: Vec<Node>,
    /// Requests in the window from connections whose owner was not seen.
    unknown: u64,
    delivered_per_s: f64,
    ledger: Ledger,
    void: Vec<String>,
}

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Node {
    /// Events that it acknowledged in the whole run.
    accepted: u64,
    /// Requests that it made in the window, the first ones of their deliveries…
    first: u64,
    /// …and the others.
    repeated: u64,
    /// Lanes of retries that it owned at the end of the window.
    lanes: u64,
}

/// Returns whether nothing was lost and every run counts.
pub(crate) async fn run(args: &NodesArgs) -> Result<bool> {
    let mut header = None;
    let mut clusters = Vec::new();
    for &count in &args.counts {
        let mut bed = Bed::set_up(&args.common, StoreKind::Postgres).await?;
        if header.is_none() {
            let load = format!(
                "closed loop, {} publishers, to {:?} services",
                args.concurrency, args.counts
            );
            let made = Header::new("nodes", load, &args.common, &bed.store).await?;
            println!("{made}");
            header = Some(made);
        }
        let cluster = measure(args, count, &mut bed).await;
        bed.store.remove().await?;
        clusters.push(cluster?);
    }
    let figures: Vec<Figure> = clusters
        .iter()
        .flat_map(|cluster| figures(cluster, clusters.first()))
        .collect();
    let faults: Vec<String> = clusters.iter().flat_map(faults).collect();
    println!("{}", table(&summarise(&[&figures]), 1));
    for cluster in &clusters {
        println!("{} nodes", cluster.nodes.len());
        print!("{}", cluster.ledger);
        for (number, node) in (1..).zip(&cluster.nodes) {
            println!(
                "node {number}      {} events accepted, {} first requests, {} repeated ones, {} lanes",
                node.accepted, node.first, node.repeated, node.lanes
            );
        }
    }
    for fault in &faults {
        println!("FAULT       {fault}");
    }
    let Some(header) = header else { return Ok(false) };
    let passed = faults.is_empty();
    let document = Document {
        header,
        figures,
        clusters,
        faults,
    };
    write_json(args.common.json.as_deref(), &document)?;
    Ok(passed)
}

async fn measure(args: &NodesArgs, count: u16, bed: &mut Bed) -> Result<Cluster> {
    let common = &args.common;
    let mut services: Vec<(Service, ServiceSpec)> = Vec::new();
    // One after the other: which of them migrates the database is not what is tested.
    for _ in 0..count {
        let spec = bed.service_spec(common)?;
        let mut service = Service::start(&spec)?;
        service.ready().await?;
        services.push((service, spec));
    }
    bed.register(common, &services[0].1).await?;
    let pids: Vec<u32> = services.iter().map(|(service, _)| service.pid()).collect();

    let start = Moment::now().after(HEAD_START);
    let window = Window {
        start: start.after(args.warmup),
        end: start.after(args.warmup + args.duration),
    };
    let plan = Plan::new(
        &common.publishing,
        services.iter().map(|(_, spec)| spec.url()).collect(),
        start,
        Load::Closed {
            publishers: args.concurrency,
            end: window.end.after(TAIL),
        },
        bed.publications_file(),
    );
    let publisher = PublisherProcess::start(&plan).await?;
    let receiver_port = bed.receiver.address().port();
    let mut node_by_port = HashMap::new();
    while Moment::now() < window.end {
        node_by_port.extend(senders(&pids, receiver_port));
        sleep_until(window.end.min(Moment::now().after(LOOK_EVERY))).await;
    }
    node_by_port.extend(senders(&pids, receiver_port));
    let lanes = match bed.store.postgres() {
        Some(database) => database.lanes_of_nodes().await?,
        None => Vec::new(),
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
    ledger.ask(&mut client(&services[0].1)?).await?;

    let mut nodes = vec![Node::default(); services.len()];
    for publication in publications
        .iter()
        .filter(|publication| publication.acknowledged())
    {
        if let Some(node) = nodes.get_mut(usize::from(publication.target)) {
            node.accepted += 1;
        }
    }
    for (node, lanes) in nodes.iter_mut().zip(lanes) {
        node.lanes = lanes;
    }
    let unknown = attribute(&mut nodes, &arrivals, &node_by_port, window);
    let measurement = Measurement::new(window, &publications, &arrivals);
    let delivered = measurement
        .figures()
        .into_iter()
        .find(|figure| figure.name == "delivered");
    let mut void = measurement.void(None);
    for (service, _) in services {
        void.extend(service.stop().await?);
    }
    Ok(Cluster {
        nodes,
        unknown,
        delivered_per_s: delivered.map_or(0.0, |figure| figure.value),
        ledger,
        void,
    })
}

/// Counts the requests of the window for their nodes; returns how many have none. `arrivals` are in order of time.
fn attribute(
    nodes: &mut [Node],
    arrivals: &[Arrival],
    node_by_port: &HashMap<u16, usize>,
    window: Window,
) -> u64 {
    let mut seen = std::collections::HashSet::with_capacity(arrivals.len());
    let mut unknown = 0;
    for arrival in arrivals {
        let is_first = seen.insert((arrival.event, arrival.webhook));
        if !window.holds(arrival.at) {
            continue;
        }
        let node = node_by_port
            .get(&arrival.peer)
            .and_then(|&node| nodes.get_mut(node));
        match node {
            Some(node) if is_first => node.first += 1,
            Some(node) => node.repeated += 1,
            None => unknown += 1,
        }
    }
    unknown
}

fn figures(cluster: &Cluster, alone: Option<&Cluster>) -> Vec<Figure> {
    let count = cluster.nodes.len();
    let named = |what: &str| format!("{count} nodes: {what}");
    let mut figures = vec![Figure::new(
        named("delivered"),
        "deliveries/s",
        cluster.delivered_per_s,
    )];
    if count == 1 {
        return figures;
    }
    if let Some(alone) = alone {
        let ratio = cluster.delivered_per_s / alone.delivered_per_s;
        figures.push(Figure::new(named("of what one delivers"), "", ratio));
    }
    let (least, most) = shares(cluster.nodes.iter().map(|node| node.first));
    figures.push(Figure::new(named("least share"), "of equal", least));
    figures.push(Figure::new(named("largest share"), "of equal", most));
    let repeated: u64 = cluster.nodes.iter().map(|node| node.repeated).sum();
    if repeated > 0 {
        let (least, most) = shares(cluster.nodes.iter().map(|node| node.repeated));
        figures.push(Figure::new(named("least share of retries"), "of equal", least));
        figures.push(Figure::new(named("largest share of retries"), "of equal", most));
    }
    let (least, most) = shares(cluster.nodes.iter().map(|node| node.lanes));
    figures.push(Figure::new(named("least share of lanes"), "of equal", least));
    figures.push(Figure::new(named("largest share of lanes"), "of equal", most));
    figures.push(Figure::new(
        named("requests of unknown origin"),
        "",
        per(cluster.unknown, 1),
    ));
    figures
}

/// The least and the largest of some counts, as multiples of what each had if all were equal.
fn shares(counts: impl Iterator<Item = u64>) -> (f64, f64) {
    let counts: Vec<u64> = counts.collect();
    let total: u64 = counts.iter().sum();
    let share = |count: Option<&u64>| per(count.copied().unwrap_or_default() * counts.len() as u64, total);
    (share(counts.iter().min()), share(counts.iter().max()))
}

fn faults(cluster: &Cluster) -> Vec<String> {
    let mut faults = cluster.void.clone();
    if cluster.ledger.missing > 0 {
        faults.push(format!(
            "{} acknowledged deliveries are missing",
            cluster.ledger.missing
        ));
    }
    if cluster.ledger.unacknowledged_events > 0 {
        faults.push(format!(
            "{} publishes failed",
            cluster.ledger.unacknowledged_events
        ));
    }
    faults
        .into_iter()
        .map(|fault| format!("{} nodes: {fault}", cluster.nodes.len()))
        .collect()
}

/// From the plan to the first publish: time to start a process in.
const HEAD_START: Duration = Duration::from_millis(500);
/// The load goes on after the window, so that the window's last events meet the same load as its first.
const TAIL: Duration = Duration::from_secs(1);
/// Short against how long a connection is kept.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const PUBLISHER_ENDS_WITHIN: Duration = Duration::from_mins(2);
const SETTLE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::EventKey;

    #[test]
    fn shares_are_multiples_of_an_equal_part() {
        assert_eq!(shares([30, 10, 20, 20].into_iter()), (0.5, 1.5));
        assert_eq!(shares([7].into_iter()), (1.0, 1.0));
        assert_eq!(shares([0, 0].into_iter()), (0.0, 0.0));
    }

    #[test]
    fn requests_are_told_apart_by_their_connection() {
        let arrival = |event, at, peer| Arrival {
            event: EventKey(event),
            at: Moment::from_nanos(at),
            webhook: 0,
            peer,
            status: 200,
        };
        let window = Window {
            start: Moment::from_nanos(10),
            end: Moment::from_nanos(20),
        };
        let arrivals = [
            arrival(1, 5, 100),
            arrival(1, 11, 200),
            arrival(2, 12, 100),
            arrival(3, 13, 200),
            arrival(4, 14, 300),
            arrival(5, 20, 100),
        ];
        let mut nodes = vec![Node::default(); 2];
        let unknown = attribute(&mut nodes, &arrivals, &[(100, 0), (200, 1)].into(), window);
        let counts: Vec<_> = nodes.iter().map(|node| (node.first, node.repeated)).collect();
        assert_eq!((counts, unknown), (vec![(1, 0), (1, 1)], 1));
    }
}
