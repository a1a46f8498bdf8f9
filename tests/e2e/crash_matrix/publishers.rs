//! Callers that publish, and what they were told.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use hookwright_proto::v1;
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};

use super::{bare, within_patience};
use crate::harness::Client;

const PUBLISHERS: u32 = 6;
/// How long a caller waits for an answer. While the store is away the service waits for the truth, which nobody has to.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Every so many events of a publisher go to the receiver that refuses for good, too.
const DOOMED_EVERY: u32 = 5;

/// An event whose publish was answered.
#[derive(Clone, Debug)]
pub(super) struct Acknowledged {
    /// Its id, without the prefix.
    pub(super) event: String,
    pub(super) publisher: u32,
    /// Which one of this publisher, from 1.
    pub(super) number: u32,
    pub(super) is_doomed: bool,
    pub(super) deliveries: u32,
}

pub(super) struct Publishers {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

struct Shared {
    /// Where to publish; nowhere while nobody serves.
    nodes: watch::Sender<Vec<Client>>,
    /// A permit for each event that may still be published.
    budget: Semaphore,
    acknowledged: Mutex<Vec<Acknowledged>>,
    acknowledgements: watch::Sender<usize>,
    refusals: watch::Sender<usize>,
}

/// Whether a publisher repeats, with an idempotency key, what was not acknowledged.
pub(super) fn uses_keys(publisher: u32) -> bool {
    publisher.is_multiple_of(2)
}

impl Publishers {
    pub(super) fn start() -> Self {
        let shared = Arc::new(Shared {
            nodes: watch::Sender::new(Vec::new()),
            budget: Semaphore::new(0),
            acknowledged: Mutex::default(),
            acknowledgements: watch::Sender::new(0),
            refusals: watch::Sender::new(0),
        });
        let mut tasks = JoinSet::new();
        for publisher in 0..PUBLISHERS {
            tasks.spawn(publish_all(Arc::clone(&shared), publisher));
        }
        Self { shared, tasks }
    }

    pub(super) fn publish_to(&self, nodes: Vec<Client>) {
        self.shared.nodes.send_replace(nodes);
    }

    /// At least so many events may be published from now on.
    pub(super) fn allow(&self, events: usize) {
        let missing = events.saturating_sub(self.shared.budget.available_permits());
        self.shared.budget.add_permits(missing);
    }

    /// Waits until so many more events are acknowledged.
    pub(super) async fn acknowledge(&self, more: usize) {
        let mut count = self.shared.acknowledgements.subscribe();
        let wanted = *count.borrow() + more;
        let enough = count.wait_for(|count| *count >= wanted);
        within_patience("events are acknowledged", enough).await.unwrap();
    }

    /// Waits until so many more publishes are refused or not answered in time.
    pub(super) async fn refuse(&self, more: usize) {
        let mut count = self.shared.refusals.subscribe();
        let wanted = *count.borrow() + more;
        let enough = count.wait_for(|count| *count >= wanted);
        within_patience("publishes are refused", enough).await.unwrap();
    }

    pub(super) fn acknowledged(&self) -> Vec<Acknowledged> {
        self.shared.acknowledged.lock().unwrap().clone()
    }

    /// Ends them, those that repeat something when it is acknowledged.
    pub(super) async fn end(&mut self) {
        self.shared.budget.close();
        let ended = async {
            while let Some(ended) = self.tasks.join_next().await {
                ended.unwrap();
            }
        };
        within_patience("what is repeated is acknowledged", ended).await;
    }
}

async fn publish_all(shared: Arc<Shared>, publisher: u32) {
    let mut nodes = shared.nodes.subscribe();
    // Which of several nodes: the next one when one does not answer.
    let mut turn = publisher as usize;
    for number in 1.. {
        let Ok(permit) = shared.budget.acquire().await else {
            return;
        };
        permit.forget();
        let event = event(publisher, number);
        loop {
            let Some(mut client) = client(&mut nodes, turn).await else {
                return;
            };
            let mut request = tonic::Request::new(event.clone());
            request.set_timeout(TIMEOUT);
            let Ok(answer) = client.publish(request).await else {
                shared.refusals.send_modify(|count| *count += 1);
                turn += 1;
                if uses_keys(publisher) {
                    continue;
                }
                // Perhaps it is stored, perhaps not: nobody is owed anything for it.
                break;
            };
            let answer = answer.into_inner();
            shared.acknowledged.lock().unwrap().push(Acknowledged {
                event: bare(&answer.event_id),
                publisher,
                number,
                is_doomed: number.is_multiple_of(DOOMED_EVERY),
                deliveries: answer.delivery_count,
            });
            shared.acknowledgements.send_modify(|count| *count += 1);
            break;
        }
    }
}

/// One of the nodes that serve, once there are any; none when the test is over.
async fn client(nodes: &mut watch::Receiver<Vec<Client>>, turn: usize) -> Option<Client> {
    let serving = nodes.wait_for(|nodes| !nodes.is_empty()).await.ok()?;
    Some(serving[turn % serving.len()].clone())
}

fn event(publisher: u32, number: u32) -> v1::PublishRequest {
    let is_doomed = number.is_multiple_of(DOOMED_EVERY);
    let payload = format!(r#"{{"publisher":{publisher},"number":{number}}}"#);
    let key = if uses_keys(publisher) {
        format!("{publisher}-{number}")
    } else {
        String::new()
    };
    v1::PublishRequest {
        event_type: if is_doomed { "user.deleted" } else { "user.created" }.to_owned(),
        payload: payload.into(),
        idempotency_key: key,
        // Each waits for its answer, so its own events have an order.
        ordering_key: format!("publisher-{publisher}"),
        ..v1::PublishRequest::default()
    }
}
