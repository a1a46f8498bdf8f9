//! `published = delivered + dead + missing`, per delivery.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use anyhow::Result;
use hookwright_proto::v1::{
    DeliveryState, ListDeliveriesRequest, webhook_service_client::WebhookServiceClient,
};
use serde::Serialize;
use tonic::{Code, transport::Channel};

use crate::{
    key::EventKey,
    records::{Arrival, Publication},
};

/// What was promised and what became of it. A delivery is one event for one webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Ledger {
    /// Events that the service acknowledged.
    pub(crate) acknowledged_events: u64,
    /// Events that it refused, or did not answer in time. It owes nothing for them.
    pub(crate) unacknowledged_events: u64,
    /// The last gRPC status code of each of those.
    pub(crate) refusals: BTreeMap<String, u64>,
    /// Deliveries of the acknowledged events, as the acknowledgements count them.
    pub(crate) published: u64,
    /// Those that the receiver accepted at least once.
    pub(crate) delivered: u64,
    /// Those that the service has given up and says so.
    pub(crate) dead: u64,
    /// Those that are neither. Above zero, a promise is broken, or the test did not wait long enough.
    pub(crate) missing: u64,
    /// What the service says about the missing ones.
    pub(crate) missing_states: BTreeMap<String, u64>,
    /// Deliveries of events that were never acknowledged: committed, but the answer was lost.
    pub(crate) unacknowledged_delivered: u64,
    /// Accepted requests beyond the first of each delivery.
    pub(crate) duplicates: u64,
    /// Acknowledgements with an event id that another publish was acknowledged with too.
    pub(crate) repeated_ids: u64,
    /// Events whose deliveries have not all arrived, and how many of them have not.
    #[serde(skip)]
    absent: Vec<(EventKey, u64)>,
}

impl Ledger {
    /// Every absent delivery counts as missing, until the service has been asked about it.
    pub(crate) fn of(publications: &[Publication], arrivals: &[Arrival]) -> Self {
        let mut ledger = Self::default();
        let mut promised: HashMap<EventKey, u64> = HashMap::with_capacity(publications.len());
        for publication in publications {
            if !publication.acknowledged() {
                ledger.unacknowledged_events += 1;
                let code = format!("{:?}", Code::from_i32(publication.code.into()));
                *ledger.refusals.entry(code).or_default() += 1;
            } else if promised
                .insert(publication.event, publication.deliveries.into())
                .is_some()
            {
                ledger.repeated_ids += 1;
            } else {
                ledger.acknowledged_events += 1;
                ledger.published += u64::from(publication.deliveries);
            }
        }

        let mut requests: HashMap<(EventKey, u16), u64> = HashMap::with_capacity(arrivals.len());
        for arrival in arrivals.iter().filter(|arrival| arrival.accepted()) {
            *requests.entry((arrival.event, arrival.webhook)).or_default() += 1;
        }
        let mut arrived: HashMap<EventKey, u64> = HashMap::with_capacity(promised.len());
        for ((event, _), count) in requests {
            ledger.duplicates += count - 1;
            if promised.contains_key(&event) {
                *arrived.entry(event).or_default() += 1;
            } else {
                ledger.unacknowledged_delivered += 1;
            }
        }

        for (event, promised) in promised {
            let arrived = arrived.get(&event).copied().unwrap_or_default();
            ledger.delivered += arrived.min(promised);
            if arrived < promised {
                ledger.absent.push((event, promised - arrived));
                ledger.missing += promised - arrived;
            }
        }
        ledger
    }

    /// Asks the service what became of the absent deliveries.
    pub(crate) async fn ask(&mut self, client: &mut WebhookServiceClient<Channel>) -> Result<()> {
        for (event, absent) in std::mem::take(&mut self.absent) {
            let request = ListDeliveriesRequest {
                event_id: event.to_string(),
                page_size: 200,
                ..ListDeliveriesRequest::default()
            };
            let mut states: BTreeMap<DeliveryState, u64> = BTreeMap::new();
            for delivery in client.list_deliveries(request).await?.into_inner().deliveries {
                *states.entry(delivery.state()).or_default() += 1;
            }
            self.settle(absent, states);
        }
        Ok(())
    }

    /// Books the `absent` deliveries of one event, given the states of all its deliveries.
    fn settle(&mut self, mut absent: u64, mut states: BTreeMap<DeliveryState, u64>) {
        let dead = states
            .remove(&DeliveryState::Dead)
            .unwrap_or_default()
            .min(absent);
        self.dead += dead;
        self.missing -= dead;
        absent -= dead;
        // Those that arrived are the ones in state DELIVERED first of all; so that state explains the rest.
        let delivered = states.remove(&DeliveryState::Delivered).unwrap_or_default();
        for (state, count) in states.into_iter().chain([(DeliveryState::Delivered, delivered)]) {
            let count = count.min(absent);
            absent -= count;
            if count > 0 {
                *self
                    .missing_states
                    .entry(state.as_str_name().to_owned())
                    .or_default() += count;
            }
        }
        if absent > 0 {
            *self.missing_states.entry("not in the log".into()).or_default() += absent;
        }
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            acknowledged_events,
            unacknowledged_events,
            published,
            delivered,
            dead,
            missing,
            ..
        } = self;
        writeln!(
            f,
            "events      {acknowledged_events} acknowledged, {unacknowledged_events} not"
        )?;
        writeln!(
            f,
            "ledger      {published} published = {delivered} delivered + {dead} dead + {missing} missing"
        )?;
        for (state, count) in &self.missing_states {
            writeln!(f, "            missing, and the service says {state}: {count}")?;
        }
        if self.repeated_ids > 0 {
            writeln!(
                f,
                "            {} acknowledgements repeat an event id",
                self.repeated_ids
            )?;
        }
        writeln!(
            f,
            "            {} deliveries of unacknowledged events",
            self.unacknowledged_delivered
        )?;
        writeln!(f, "            {} duplicates", self.duplicates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Moment;

    fn publication(event: u128, deliveries: u32, code: u16) -> Publication {
        Publication {
            scheduled: Moment::from_nanos(1),
            sent: Moment::from_nanos(1),
            answered: Moment::from_nanos(1),
            event: EventKey(event),
            deliveries,
            target: 0,
            tries: 1,
            code,
        }
    }

    fn arrival(event: u128, webhook: u16, status: u16) -> Arrival {
        Arrival {
            event: EventKey(event),
            at: Moment::from_nanos(2),
            webhook,
            peer: 1,
            status,
        }
    }

    #[test]
    fn the_sides_of_the_ledger_are_equal() {
        let publications = [
            publication(1, 2, 0),
            publication(2, 2, 0),
            publication(3, 1, 0),
            publication(0, 0, 14),
        ];
        let arrivals = [
            arrival(1, 0, 200),
            arrival(1, 1, 500),
            arrival(1, 1, 200),
            arrival(2, 0, 200),
            arrival(2, 0, 200),
            arrival(3, 0, 500),
            arrival(9, 0, 200),
        ];
        let ledger = Ledger::of(&publications, &arrivals);
        assert_eq!((ledger.acknowledged_events, ledger.unacknowledged_events), (3, 1));
        assert_eq!(ledger.refusals, [("Unavailable".to_owned(), 1)].into());
        assert_eq!((ledger.published, ledger.delivered, ledger.missing), (5, 3, 2));
        assert_eq!((ledger.duplicates, ledger.unacknowledged_delivered), (1, 1));
        assert_eq!(ledger.published, ledger.delivered + ledger.dead + ledger.missing);
    }

    #[test]
    fn two_events_with_one_id_are_noticed() {
        let ledger = Ledger::of(
            &[publication(1, 1, 0), publication(1, 1, 0)],
            &[arrival(1, 0, 200)],
        );
        assert_eq!(
            (ledger.repeated_ids, ledger.acknowledged_events, ledger.missing),
            (1, 1, 0)
        );
    }

    #[test]
    fn dead_deliveries_are_not_missing() {
        let mut ledger = Ledger::of(&[publication(1, 4, 0)], &[arrival(1, 0, 200)]);
        let states = [
            (DeliveryState::Delivered, 1),
            (DeliveryState::Dead, 2),
            (DeliveryState::Scheduled, 1),
        ];
        ledger.settle(3, states.into());
        assert_eq!(
            (ledger.published, ledger.delivered, ledger.dead, ledger.missing),
            (4, 1, 2, 1)
        );
        assert_eq!(
            ledger.missing_states,
            [("DELIVERY_STATE_SCHEDULED".to_owned(), 1)].into()
        );
    }

    #[test]
    fn deliveries_that_the_service_does_not_know_are_the_worst() {
        let mut ledger = Ledger::of(&[publication(1, 1, 0)], &[]);
        ledger.settle(1, BTreeMap::new());
        assert_eq!(ledger.missing, 1);
        assert_eq!(ledger.missing_states, [("not in the log".to_owned(), 1)].into());
    }
}
