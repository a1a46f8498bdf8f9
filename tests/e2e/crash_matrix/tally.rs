//! What was promised, what became of it, and how often it came twice.

use std::collections::{HashMap, HashSet};

use super::{
    log::{Account, Name},
    publishers::Acknowledged,
    receivers::{Arrival, Kind},
};

/// In deliveries: one event for one receiver.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Of acknowledged events.
    pub(super) published: usize,
    pub(super) delivered: usize,
    /// The service says that it has given them up.
    pub(super) dead: usize,
    pub(super) missing: usize,
    /// Accepted requests beyond the first of each delivery, those of events that nobody was told of included.
    pub(super) duplicates: usize,
    /// Those with no fault between them and the one before: there is no good reason for these.
    pub(super) unexplained: usize,
}

/// What receivers are owed for the events that publishers were told of.
pub(super) fn owed(acknowledged: &[Acknowledged]) -> HashSet<(Kind, String)> {
    let kinds = |event: &Acknowledged| Kind::OF_ALL.map(|kind| (kind, event.event.clone()));
    acknowledged.iter().flat_map(kinds).collect()
}

impl Tally {
    pub(super) fn of(acknowledged: &[Acknowledged], arrivals: &[Arrival], account: &Account) -> Self {
        let accepted: HashSet<(Kind, &str)> = arrivals
            .iter()
            .map(|arrival| (arrival.kind, arrival.event.as_str()))
            .collect();
        let mut tally = Self::default();
        for event in acknowledged {
            let owed = Kind::OF_ALL.len() + usize::from(event.is_doomed);
            let arrived = Kind::OF_ALL
                .into_iter()
                .filter(|kind| accepted.contains(&(*kind, &event.event)))
                .count();
            let name = Name {
                publisher: event.publisher,
                number: event.number,
            };
            let dead = account.dead(name).min(owed - arrived);
            tally.published += owed;
            tally.delivered += arrived;
            tally.dead += dead;
            tally.missing += owed - arrived - dead;
        }
        let mut phases: HashMap<(Kind, &str), Vec<u32>> = HashMap::new();
        for arrival in arrivals {
            let phases = phases.entry((arrival.kind, &arrival.event)).or_default();
            phases.push(arrival.phase);
        }
        for phases in phases.values() {
            tally.duplicates += phases.len() - 1;
            tally.unexplained += phases.windows(2).filter(|pair| pair[0] == pair[1]).count();
        }
        tally
    }

    pub(super) fn add(&mut self, other: Self) {
        self.published += other.published;
        self.delivered += other.delivered;
        self.dead += other.dead;
        self.missing += other.missing;
        self.duplicates += other.duplicates;
        self.unexplained += other.unexplained;
    }

    /// A row of the table: fault, store, rounds, published, delivered, dead, missing, duplicates.
    pub(super) fn print(&self, fault: &str, store: &str, rounds: usize) {
        let Self {
            published,
            delivered,
            dead,
            missing,
            duplicates,
            unexplained: _,
        } = self;
        println!(
            "| {fault} | {store} | {rounds} | {published} | {delivered} | {dead} | {missing} | {duplicates} |"
        );
    }
}

/// What the ordered receiver accepts for the first time comes in the order in which its publisher published it.
pub(super) fn check_order(acknowledged: &[Acknowledged], arrivals: &[Arrival]) {
    let names: HashMap<&str, &Acknowledged> = acknowledged
        .iter()
        .map(|event| (event.event.as_str(), event))
        .collect();
    let mut seen = HashSet::new();
    let mut latest: HashMap<u32, u32> = HashMap::new();
    for arrival in arrivals.iter().filter(|arrival| arrival.kind == Kind::Ordered) {
        let Some(event) = names.get(arrival.event.as_str()) else {
            continue;
        };
        if seen.insert(&arrival.event) {
            let latest = latest.entry(event.publisher).or_default();
            assert!(
                event.number > *latest,
                "publisher {}: event {} came after {latest}",
                event.publisher,
                event.number
            );
            *latest = event.number;
        }
    }
}

/// Every delivery that was given up was told about, each once.
pub(super) fn check_alerts(account: &Account, arrivals: &[Arrival]) {
    let told: HashSet<(String, u64)> = arrivals
        .iter()
        .filter(|arrival| arrival.kind == Kind::Alerts)
        .map(|arrival| {
            let envelope: serde_json::Value = serde_json::from_slice(&arrival.body).unwrap();
            let delivery = &envelope["data"]["delivery"];
            (
                delivery["id"].as_str().unwrap().to_owned(),
                delivery["attempts"].as_u64().unwrap(),
            )
        })
        .collect();
    let events: HashSet<&str> = arrivals
        .iter()
        .filter(|arrival| arrival.kind == Kind::Alerts)
        .map(|arrival| arrival.event.as_str())
        .collect();
    assert_eq!(told.len(), account.dead_attempts(), "given up, and told");
    assert_eq!(events.len(), told.len(), "told in more than one event");
}
