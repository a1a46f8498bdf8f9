//! What was acknowledged against what arrived.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use hookwright_proto::v1;
use tokio::task::JoinSet;

use crate::harness::{Client, PATIENCE, Receiver, Request};

#[derive(Default)]
pub(crate) struct Ledger {
    /// Event ids, without their prefix.
    acknowledged: HashSet<String>,
    arrived: HashSet<String>,
}

/// Callers that publish until they are told to stop or, if they mind, until they are refused.
pub(crate) struct Publishers {
    tasks: JoinSet<Vec<String>>,
    stop: Arc<AtomicBool>,
}

/// What a caller does that is refused.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    GiveUp,
    GoOn,
}

impl Publishers {
    pub(crate) fn start(clients: Vec<Client>, refused: Refused) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for mut client in clients {
            let stop = Arc::clone(&stop);
            tasks.spawn(async move {
                let mut ids = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    match client.publish(event()).await {
                        Ok(published) => ids.push(published.into_inner().event_id),
                        Err(_) if refused == Refused::GiveUp => break,
                        Err(_) => tokio::task::yield_now().await,
                    }
                }
                ids
            });
        }
        Self { tasks, stop }
    }
}

pub(crate) fn event() -> v1::PublishRequest {
    v1::PublishRequest {
        event_type: "user.created".to_owned(),
        payload: "{}".into(),
        ..v1::PublishRequest::default()
    }
}

impl Ledger {
    pub(crate) fn note(&mut self, request: &Request) {
        self.arrived.insert(bare(request.header("webhook-id")));
    }

    /// Waits until so many requests have arrived.
    pub(crate) async fn note_next(&mut self, receiver: &mut Receiver, count: usize) {
        for _ in 0..count {
            self.note(&receiver.next().await);
        }
    }

    /// Waits until this event has arrived.
    pub(crate) async fn note_until(&mut self, receiver: &mut Receiver, event_id: &str) {
        while !self.arrived.contains(&bare(event_id)) {
            self.note(&receiver.next().await);
        }
    }

    /// Ends the callers and takes down what they were told.
    pub(crate) async fn enter(&mut self, mut publishers: Publishers) {
        publishers.stop.store(true, Ordering::Relaxed);
        while let Some(ids) = publishers.tasks.join_next().await {
            self.acknowledged.extend(ids.unwrap().iter().map(|id| bare(id)));
        }
    }

    /// Every acknowledged event is delivered in the end, and did arrive. Returns how many there are.
    pub(crate) async fn close(mut self, client: &mut Client, receiver: &mut Receiver) -> usize {
        for id in &self.acknowledged {
            tokio::time::timeout(PATIENCE, delivered(client, format!("evt_{id}")))
                .await
                .unwrap_or_else(|_| panic!("{id} was acknowledged and is not delivered"));
        }
        for request in receiver.rest() {
            self.note(&request);
        }
        let missing: Vec<&String> = self.acknowledged.difference(&self.arrived).collect();
        assert!(missing.is_empty(), "acknowledged, and never arrived: {missing:?}");
        self.acknowledged.len()
    }
}

/// Waits until all deliveries of an event are delivered.
async fn delivered(client: &mut Client, event_id: String) {
    let request = v1::ListDeliveriesRequest {
        event_id,
        ..v1::ListDeliveriesRequest::default()
    };
    loop {
        match client.list_deliveries(request.clone()).await {
            Ok(found) => {
                let found = found.into_inner().deliveries;
                if !found.is_empty() && found.iter().all(|it| it.state() == v1::DeliveryState::Delivered) {
                    return;
                }
            }
            // After an outage each of the service's connections has to find out.
            Err(status) => assert_eq!(status.code(), tonic::Code::Unavailable, "{status}"),
        }
        tokio::task::yield_now().await;
    }
}

/// The part that the ids of an event and of its messages have in common.
fn bare(id: &str) -> String {
    id.rsplit('_').next().unwrap().to_owned()
}
