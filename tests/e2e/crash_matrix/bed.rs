//! A store, receivers and publishers, and the nodes that come and go between them.

use std::{collections::HashSet, os::unix::process::ExitStatusExt as _, time::Duration};

use hookwright_proto::v1;
use hookwright_store::StoreAddress;

use super::{
    PATIENCE,
    log::{Log, Name},
    publishers::Publishers,
    receivers::{Kind, Receivers},
    tally::{Tally, check_alerts, check_order, owed},
};
use crate::{
    harness::{register, webhook},
    nodes::Process,
};

/// More attempts than any fault here costs: what ends dead is what its receiver refuses for good.
const WAITS: [Duration; 40] = [Duration::from_millis(20); 40];

pub(super) struct Bed {
    pub(super) store: StoreAddress,
    pub(super) receivers: Receivers,
    pub(super) publishers: Publishers,
    /// The webhook whose deliveries are replayed.
    doomed: String,
}

impl Bed {
    /// With webhooks of every kind, registered through a node that runs from then on.
    pub(super) async fn set_up(store: &StoreAddress, environment: &[(&str, &str)]) -> (Self, Process) {
        let receivers = Receivers::start().await;
        let node = Process::start_at(store, &[], environment)
            .await
            .expect("it starts");
        let mut client = node.client().await;
        for kind in Kind::OF_ALL {
            let mut webhook = webhook(receivers.url(kind), "generic", &WAITS);
            if kind == Kind::Ordered {
                webhook.ordering = v1::Ordering::Key.into();
            }
            register(&mut client, webhook).await;
        }
        let mut webhook = webhook(receivers.url(Kind::Doomed), "generic", &WAITS);
        webhook.event_types = vec!["user.deleted".to_owned()];
        let policy = webhook.retry_policy.as_mut().expect("it has one");
        policy.permanent_statuses = vec!["404".to_owned()];
        let (doomed, _) = register(&mut client, webhook).await;
        let mut webhook = crate::harness::webhook(receivers.url(Kind::Alerts), "generic", &WAITS);
        webhook.event_types = vec!["hookwright.delivery.dead".to_owned()];
        register(&mut client, webhook).await;
        let bed = Self {
            store: store.clone(),
            receivers,
            publishers: Publishers::start(),
            doomed,
        };
        bed.publish_to(&[&node]).await;
        (bed, node)
    }

    pub(super) async fn publish_to(&self, nodes: &[&Process]) {
        let mut clients = Vec::new();
        for node in nodes {
            clients.push(node.client().await);
        }
        self.publishers.publish_to(clients);
    }

    /// A node that publishers use from then on; none if it died before it served.
    pub(super) async fn start(&self, environment: &[(&str, &str)]) -> Option<Process> {
        let node = match Process::start_at(&self.store, &[], environment).await {
            Ok(node) => node,
            Err(status) => {
                assert_eq!(status.signal(), Some(9), "it does not start: {status}");
                return None;
            }
        };
        // One that is to die may do so now. The next one can start when it is gone for good.
        let Some(client) = node.try_client().await else {
            node.kill().await;
            return None;
        };
        self.publishers.publish_to(vec![client]);
        Some(node)
    }

    /// A few dead deliveries are replayed, if anybody is there to do it.
    pub(super) async fn replay(&self, node: &Process) {
        let Some(mut client) = node.try_client().await else {
            return;
        };
        let request = v1::CreateReplayRequest {
            filter: Some(v1::ReplayFilter {
                webhook_id: self.doomed.clone(),
                ..v1::ReplayFilter::default()
            }),
            rate: 20,
            max_deliveries: 6,
            ..v1::CreateReplayRequest::default()
        };
        // A node that is to die may do so now.
        let _ = client.create_replay(request).await;
    }

    /// Kills a node in the middle of whatever it does.
    pub(super) async fn kill(&self, node: Process) {
        node.kill().await;
        self.nobody_serves().await;
    }

    /// After the death of the only node: what it had sent is read, and what comes from now on has another sender.
    pub(super) async fn nobody_serves(&self) {
        self.publishers.publish_to(Vec::new());
        self.receivers.drain().await;
        self.receivers.next_phase();
    }

    /// Lets everything come to its end on the nodes that run, and compares what was promised with what became of it.
    pub(super) async fn close(mut self) -> Tally {
        self.receivers.hold(false);
        self.publishers.end().await;
        let acknowledged = self.publishers.acknowledged();
        for event in &acknowledged {
            let owed = Kind::OF_ALL.len() + usize::from(event.is_doomed);
            assert_eq!(event.deliveries as usize, owed, "{event:?}");
        }
        let ids: HashSet<&str> = acknowledged.iter().map(|event| event.event.as_str()).collect();
        assert_eq!(ids.len(), acknowledged.len(), "two events have one id");
        self.receivers.accept_all(&owed(&acknowledged)).await;
        let mut log = Log::open(&self.store).await;
        let settled = async {
            while !log.is_settled().await {
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, settled).await.is_ok();
        assert!(in_time, "not every delivery ends: {}", log.left_over().await);
        let account = log.account().await;
        for event in &acknowledged {
            let name = Name {
                publisher: event.publisher,
                number: event.number,
            };
            assert!(account.has(name), "{event:?} is not in the log");
        }
        account.check_histories();
        account.check_keys();
        let arrivals = self.receivers.arrivals();
        check_order(&acknowledged, &arrivals);
        check_alerts(&account, &arrivals);
        let tally = Tally::of(&acknowledged, &arrivals, &account);
        assert_eq!(tally.missing, 0, "{tally:?}");
        assert_eq!(tally.unexplained, 0, "duplicates without a cause: {tally:?}");
        tally
    }
}
