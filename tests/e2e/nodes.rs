//! Several processes on one PostgreSQL, and processes that die. The real binary, killed for real.

use std::{
    collections::HashSet,
    os::unix::process::ExitStatusExt as _,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use hookwright_proto::v1;
use hookwright_store::StoreAddress;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::harness::{
    Answer, Client, Database, PATIENCE, Receiver, all_delivered, deliveries_when, on_both_stores, publish,
    register, start, url_of, webhook,
};

/// A `hookwright serve` of its own, killed when dropped.
pub(crate) struct Process {
    child: Child,
    url: String,
}

impl Process {
    async fn start(database: &Database) -> Self {
        Self::start_with(database, &[]).await
    }

    pub(crate) async fn start_with(database: &Database, more: &[&str]) -> Self {
        Self::start_in(database, more, &[]).await
    }

    pub(crate) async fn start_in(database: &Database, more: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_at(database.address(), more, environment)
            .await
            .expect("a first line")
    }

    /// How it ended, if it did before it served.
    pub(crate) async fn start_at(
        store: &StoreAddress,
        more: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Self, ExitStatus> {
        let mut child = Command::new(crate::command_line::binary())
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--allow-http",
                "--allow-private-targets",
                "--lease",
                "3s",
            ])
            .args(["--store", &url_of(store)])
            .args(more)
            .env_remove("HOOKWRIGHT_PROFILES")
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line())
            .await
            .unwrap()
            .unwrap();
        let Some(line) = line else {
            return Err(child.wait().await.unwrap());
        };
        let url = line
            .strip_prefix("listening on ")
            .expect("where it listens")
            .to_owned();
        Ok(Self { child, url })
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.url.clone()).await.unwrap()
    }

    /// None if it serves no more.
    pub(crate) async fn try_client(&self) -> Option<Client> {
        Client::connect(self.url.clone()).await.ok()
    }

    /// Waits until it has killed itself at the step that it was told.
    pub(crate) async fn killed_itself(mut self, step: &str) {
        let status = tokio::time::timeout(3 * PATIENCE, self.child.wait())
            .await
            .unwrap_or_else(|_| panic!("{step} is never passed; is the binary built with --all-features?"))
            .unwrap();
        assert_eq!(status.signal(), Some(9), "{step}: {status}");
    }

    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// By its name without SIG.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().expect("a running process");
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &id.to_string()])
            .status()
            .await
            .unwrap();
        assert!(sent.success());
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(mut self) {
        let status = tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .expect("it did not end")
            .unwrap();
        assert!(status.success(), "{status}");
    }
}

/// Where the log of a process goes: nowhere, or below the test's own output when somebody looks for what went wrong.
fn log() -> Stdio {
    match std::env::var_os("HOOKWRIGHT_TEST_LOG") {
        Some(_) => Stdio::inherit(),
        None => Stdio::null(),
    }
}

on_both_stores! {
    /// A crash would lose events that were acknowledged.
    async fn every_acknowledged_event_survives_kill_9(database: &Database) {
        let mut receiver = Receiver::start().await;
        let process = Process::start(database).await;
        let mut client = process.client().await;
        register(&mut client, webhook(receiver.url(), "generic", &[Duration::ZERO; 5])).await;
        let mut process = Some(process);
        let mut acknowledged = HashSet::new();
        for round in 0..3 {
            let running = process.take().expect("a running process");
            let mut publishers = tokio::task::JoinSet::new();
            for _ in 0..8 {
                let mut client = running.client().await;
                publishers.spawn(async move {
                    let mut ids = Vec::new();
                    loop {
                        let request = v1::PublishRequest {
                            event_type: "user.created".to_owned(),
                            payload: "{}".into(),
                            idempotency_key: String::new(),
                            ..v1::PublishRequest::default()
                        };
                        match client.publish(request).await {
                            Ok(published) => ids.push(published.into_inner().event_id),
                            Err(_) => return ids,
                        }
                    }
                });
            }
            // Killed in the middle of it: after so many requests have arrived.
            for _ in 0..200 * (round + 1) {
                receiver.next().await;
            }
            running.kill().await;
            while let Some(ids) = publishers.join_next().await {
                acknowledged.extend(ids.unwrap());
            }
            process = Some(Process::start(database).await);
        }
        let mut client = process.as_ref().expect("a running process").client().await;
        all_delivered(&mut client, &acknowledged).await;
        assert!(acknowledged.len() >= 600, "{} acknowledged", acknowledged.len());
    }
}

/// A second node would stand idle, or do the first one's work again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_registered_on_one_node_is_used_by_the_next_publish_on_another() {
    let database = Database::postgresql().await;
    let (first, mut on_first) = start(&database).await;
    let (second, mut on_second) = start(&database).await;
    let mut receiver = Receiver::start().await;
    // The second node has read the webhooks: there are none.
    publish(&mut on_second, "user.created", "{}").await;
    for number in 1..=5_u32 {
        register(&mut on_first, webhook(receiver.url(), "generic", &[])).await;
        let request = v1::PublishRequest {
            event_type: "user.created".to_owned(),
            payload: "{}".into(),
            idempotency_key: String::new(),
            ..v1::PublishRequest::default()
        };
        let published = on_second.publish(request).await.unwrap().into_inner();
        assert_eq!(published.delivery_count, number);
        for _ in 0..number {
            receiver.next().await;
        }
    }
    assert!(receiver.rest().is_empty());
    first.stop().await.unwrap();
    second.stop().await.unwrap();
    database.remove().await;
}

/// What a dead node held would wait until somebody notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deliveries_of_a_killed_node_are_taken_over_within_its_lease() {
    // Fewer than a new webhook may have under way at once.
    const EVENTS: usize = 12;
    let database = Database::postgresql().await;
    let mut receiver = Receiver::start().await;
    let held = std::sync::Arc::new(tokio::sync::Notify::new());
    receiver.will_answer((0..EVENTS).map(|_| Answer::Held(std::sync::Arc::clone(&held))));
    let doomed = Process::start(&database).await;
    let mut on_doomed = doomed.client().await;
    let survivor = Process::start(&database).await;
    let mut on_survivor = survivor.client().await;
    register(&mut on_doomed, webhook(receiver.url(), "generic", &[])).await;
    let mut events = Vec::new();
    for _ in 0..EVENTS {
        events.push(publish(&mut on_doomed, "user.created", "{}").await);
        receiver.next().await;
    }
    doomed.kill().await;
    for _ in 0..EVENTS {
        receiver.next().await;
    }
    for event in &events {
        let found = deliveries_when(&mut on_survivor, event, |delivery| {
            delivery.state() == v1::DeliveryState::Delivered
        })
        .await;
        assert_eq!(
            found[0].attempt_count, 1,
            "what the dead node began is not counted"
        );
    }
    drop(survivor);
    database.remove().await;
}
