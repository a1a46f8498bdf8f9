//! A fresh store for each test, processes that live and die on it, and short words for what tests do all the time.

use std::{
    collections::BTreeMap,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use hookwright_core::Secret;
use hookwright_store::{
    Accepted, AttemptEnd, Clock, CustomHeaders, Delivery, DeliveryDetail, DeliveryFilter, DeliveryId,
    DeliveryState, Destination, Due, End, EventId, Finish, Finisher, NewEvent, Next, Node, NodeOptions,
    Ordering as DeliveryOrdering, Origin, Outcome, PageSize, PublishError, Published, Publisher, Slot, Store,
    StoreAddress, StoreError, TenantId, Timestamp, Want, WebhookId, WebhookSettings,
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::sync::{Semaphore, mpsc};

/// How long a node of these tests is believed to be alive, on the test's clock.
pub(crate) const LEASE: Duration = Duration::from_secs(5);
/// Noon of a day like any other: a test that moves time by hours stays within it.
pub(crate) const START: Timestamp = Timestamp::from_unix_micros(1_800_014_400_000_000);
pub(crate) const DAY: Duration = Duration::from_hours(24);
/// Far longer than any test takes, even on a busy machine.
const TEST_MAX: Duration = Duration::from_mins(2);
const SERVER: &str = "HOOKWRIGHT_TEST_POSTGRES";

/// A store of its own, empty, and the clock it is used by.
#[derive(Clone)]
pub(crate) struct Harness {
    pub(crate) address: StoreAddress,
    pub(crate) clock: Clock,
}

/// Runs a test on a database of its own.
pub(crate) fn run_on_postgres<F: Future<Output = ()>>(test: fn(Harness) -> F) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let Ok(server) = std::env::var(SERVER) else {
        panic!("{SERVER} is not set: run make test, or scripts/with-postgres cargo test");
    };
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("conformance_{}_{number}", std::process::id());
    let (base, query) = server.split_once('?').unwrap_or((&server, ""));
    let (authority, _) = base.rsplit_once('/').unwrap();
    let url = format!("{authority}/{name}?{query}");
    // One thread: two calls without an await between them are in one batch, so that tests can say which.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let administrate = async |statement: String| {
        let mut connection = PgConnection::connect(&server).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    };
    runtime.block_on(administrate(format!("create database {name}")));
    let result = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(in_time(test(Harness::at(StoreAddress::Postgres(url)))));
    }));
    runtime.block_on(administrate(format!("drop database {name} with (force)")));
    result.unwrap_or_else(|panic| resume_unwind(panic));
}

/// Runs a test on a file of its own.
pub(crate) fn run_on_sqlite<F: Future<Output = ()>>(test: fn(Harness) -> F) {
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let path: PathBuf = directory.path().join("hookwright.db");
    runtime.block_on(in_time(test(Harness::at(StoreAddress::Sqlite(path)))));
}

async fn in_time(test: impl Future<Output = ()>) {
    tokio::time::timeout(TEST_MAX, test)
        .await
        .expect("the test waits for something that does not happen");
}

impl Harness {
    fn at(address: StoreAddress) -> Self {
        Self {
            address,
            clock: Clock::manual(START),
        }
    }

    fn is_postgres(&self) -> bool {
        matches!(self.address, StoreAddress::Postgres(_))
    }

    /// Opens the store as a process does that has just started. Waits for the file of a process that is just ending.
    pub(crate) async fn open(&self) -> Store {
        loop {
            match Store::open(&self.address, self.clock.clone()).await {
                Err(StoreError::Address { .. }) if !self.is_postgres() => tokio::task::yield_now().await,
                opened => return opened.unwrap(),
            }
        }
    }

    /// A process that has just started.
    pub(crate) async fn process(&self) -> Process {
        Process::join(self.open().await).await
    }

    /// As many processes as the engine allows, up to this number, with the lanes spread evenly.
    pub(crate) async fn processes(&self, up_to: usize) -> Vec<Process> {
        let mut processes = Vec::new();
        for _ in 0..if self.is_postgres() { up_to } else { 1 } {
            processes.push(self.process().await);
        }
        spread_lanes(&processes).await;
        processes
    }

    /// A second view of the store: through another process where the engine allows one.
    pub(crate) async fn other_view(&self, process: &Process) -> Store {
        if self.is_postgres() {
            self.open().await
        } else {
            process.store.clone()
        }
    }

    /// A process that joins beside this one where the engine allows it.
    pub(crate) async fn processes_beside(&self, _process: &Process) -> Option<Process> {
        match self.address {
            StoreAddress::Postgres(_) => Some(self.process().await),
            StoreAddress::Sqlite(_) => None,
        }
    }

    /// A node that has taken over everything this one had, although this one still runs and knows nothing of it.
    pub(crate) async fn usurper(&self, process: &Process) -> Process {
        // SQLite: a node that joins is the only one. PostgreSQL: the lease has to run out.
        self.clock.advance(LEASE + Duration::from_micros(1));
        Process::join(self.other_view(process).await).await
    }

    /// Kills a process without a word and returns the one that takes over after it.
    pub(crate) async fn crash(&self, process: Process) -> Process {
        drop(process);
        self.clock.advance(LEASE + Duration::from_micros(1));
        self.process().await
    }

    /// A connection to this test's database; `None` where there is no server.
    pub(crate) async fn server(&self) -> Option<PgConnection> {
        match &self.address {
            StoreAddress::Postgres(url) => Some(PgConnection::connect(url).await.unwrap()),
            StoreAddress::Sqlite(_) => None,
        }
    }

    /// Takes a retry row away behind every node's back.
    pub(crate) async fn remove_retry(&self, id: DeliveryId) {
        // An id is not to be read outside of the store; its text form is the 128 bits in base32.
        let event = uuid_of(&id.event.to_string());
        match &self.address {
            StoreAddress::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                let statement = format!("delete from retry where event_id = '{event:032x}'");
                sqlx::raw_sql(AssertSqlSafe(statement))
                    .execute(&mut connection)
                    .await
                    .unwrap();
            }
            StoreAddress::Sqlite(path) => {
                let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite:{}", path.display()))
                    .await
                    .unwrap();
                let statement = format!("delete from retry where event_id = x'{event:032x}'");
                sqlx::raw_sql(AssertSqlSafe(statement))
                    .execute(&mut connection)
                    .await
                    .unwrap();
            }
        }
    }

    /// Fails if statements of this test have locked each other out. To be called when all its processes are gone.
    pub(crate) async fn assert_no_deadlocks(&self) {
        let Some(mut server) = self.server().await else {
            return;
        };
        others_are_gone(&mut server).await;
        let deadlocks: i64 =
            sqlx::query_scalar("select deadlocks from pg_stat_database where datname = current_database()")
                .fetch_one(&mut server)
                .await
                .unwrap();
        assert_eq!(deadlocks, 0);
    }
}

/// Waits until all other connections to this test's database are closed: what each has counted is certain to be visible then.
pub(crate) async fn others_are_gone(server: &mut PgConnection) {
    eventually("all connections are closed", async || {
        let others: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
        )
        .fetch_one(&mut *server)
        .await
        .unwrap();
        (others == 0).then_some(())
    })
    .await;
}

/// Heartbeats until no lane moves any more.
pub(crate) async fn spread_lanes(processes: &[Process]) {
    // The first round gives lanes up, the second takes them; one more in case a node was asked before a lane was free.
    for _ in 0..3 {
        for process in processes {
            process.node.heartbeat().await.unwrap();
        }
    }
}

/// Asks until there is an answer.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    tokio::time::timeout(TEST_MAX / 4, async {
        loop {
            if let Some(answer) = Box::pin(ask()).await {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("never happens: {what}"))
}

/// A process: a store, a node on it, and its memory. Dropping it is a crash.
pub(crate) struct Process {
    pub(crate) store: Store,
    pub(crate) node: Node,
    pub(crate) publisher: Publisher,
    pub(crate) finisher: Finisher,
    accepted: mpsc::UnboundedReceiver<Accepted>,
}

/// A tenant with webhooks, as a process knows them.
#[derive(Clone)]
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) version: i64,
    pub(crate) webhooks: Vec<WebhookId>,
}

impl Process {
    async fn join(store: Store) -> Self {
        let (sender, accepted) = mpsc::unbounded_channel();
        let options = NodeOptions {
            name: String::from("test"),
            lease: LEASE,
        };
        let node = Node::join(store.clone(), options, sender).await.unwrap();
        Self {
            publisher: node.publisher(),
            finisher: node.finisher(),
            store,
            node,
            accepted,
        }
    }

    /// Ends as a process does that was asked to.
    pub(crate) async fn leave(self) {
        drop((self.publisher, self.finisher));
        self.node.leave().await.unwrap();
    }

    pub(crate) async fn tenant(&self, name: &str, webhooks: usize) -> Tenant {
        let id = self.store.tenant(name).await.unwrap();
        for number in 0..webhooks {
            self.store
                .insert_webhook(id, settings(number), &[secret(1)])
                .await
                .unwrap();
        }
        self.reread(id).await
    }

    pub(crate) async fn reread(&self, id: TenantId) -> Tenant {
        let live = self.store.tenant_webhooks(id).await.unwrap();
        Tenant {
            id,
            version: live.version,
            webhooks: live.webhooks.iter().map(|webhook| webhook.webhook.id).collect(),
        }
    }

    pub(crate) async fn publish(&self, event: NewEvent) -> Result<Published, PublishError> {
        self.publisher.publish(event).await
    }

    /// Publishes to memory, and takes it out of there at once.
    pub(crate) async fn publish_hot(&mut self, tenant: &Tenant, webhooks: &[WebhookId]) -> Vec<DeliveryId> {
        let event = self.publish(tenant.event(webhooks, &[])).await.unwrap().event;
        assert_eq!(self.handed_over().await.event.id, event);
        webhooks
            .iter()
            .map(|webhook| DeliveryId {
                event,
                webhook: *webhook,
            })
            .collect()
    }

    /// One such delivery, to the tenant's first webhook.
    pub(crate) async fn publish_one(&mut self, tenant: &Tenant) -> DeliveryId {
        self.publish_hot(tenant, &tenant.webhooks[..1]).await[0]
    }

    /// What publish hands to memory next.
    pub(crate) async fn handed_over(&mut self) -> Accepted {
        self.accepted.recv().await.unwrap()
    }

    /// All that was handed to memory so far.
    pub(crate) fn all_handed_over(&mut self) -> Vec<Accepted> {
        std::iter::from_fn(|| self.accepted.try_recv().ok()).collect()
    }

    pub(crate) async fn finish(
        &self,
        tenant: &Tenant,
        delivery: DeliveryId,
        number: u16,
        origin: Origin,
        end: End,
    ) {
        self.finisher
            .finish(Finish {
                tenant: tenant.id,
                delivery,
                event_type: String::from("order.paid"),
                number,
                origin,
                end,
            })
            .await;
    }

    pub(crate) async fn detail(&self, tenant: &Tenant, id: DeliveryId) -> DeliveryDetail {
        self.store.delivery(tenant.id, id).await.unwrap().unwrap()
    }

    pub(crate) async fn state(&self, tenant: &Tenant, id: DeliveryId) -> DeliveryState {
        self.detail(tenant, id).await.delivery.state
    }

    pub(crate) async fn until(&self, tenant: &Tenant, id: DeliveryId, state: DeliveryState) {
        eventually(&format!("{id} is {state:?}"), async || {
            (self.state(tenant, id).await == state).then_some(())
        })
        .await;
    }

    /// Waits until all results reported so far are stored, and the node has taken note of it.
    pub(crate) async fn until_written(&mut self, tenant: &Tenant) {
        // Results are written in order. When the first mark is seen, its batch is stored; when the second one is, the
        // batch before it has been dealt with altogether.
        for _ in 0..2 {
            let mark = self.publish_one(tenant).await;
            self.finish(tenant, mark, 1, Origin::Publish, attempted(Next::Dead))
                .await;
            self.until(tenant, mark, DeliveryState::Dead).await;
        }
    }

    /// Claims up to this many per webhook of whatever is due now.
    pub(crate) async fn claim(&self, limit: usize) -> Vec<Due> {
        let now = self.store.clock().now();
        let upcoming = self.node.upcoming().await.unwrap();
        let wants: Vec<Want> = upcoming
            .into_iter()
            .filter(|row| row.due_at <= now)
            .map(|row| Want {
                lane: row.lane,
                webhook: row.webhook,
                limit,
            })
            .collect();
        self.node.claim(&wants).await.unwrap()
    }

    /// The ids of whatever is due now, claimed; sorted.
    pub(crate) async fn claim_ids(&self, limit: usize) -> Vec<DeliveryId> {
        let mut ids: Vec<DeliveryId> = self.claim(limit).await.iter().map(Due::id).collect();
        ids.sort();
        ids
    }

    /// Everything a listing shows, page by page.
    pub(crate) async fn list(&self, tenant: &Tenant, filter: DeliveryFilter, size: i32) -> Vec<Delivery> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = self
                .store
                .deliveries(tenant.id, filter, after, PageSize::requested(size).unwrap())
                .await
                .unwrap();
            all.extend(page.rows);
            match page.next {
                Some(next) => after = Some(next),
                None => return all,
            }
        }
    }
}

impl Tenant {
    /// An event for these webhooks: room in memory for the first ones, none for the others.
    pub(crate) fn event(&self, hot: &[WebhookId], cold: &[WebhookId]) -> NewEvent {
        let with_slot = hot.iter().map(|webhook| Destination {
            webhook: *webhook,
            slot: Some(slot()),
            ordering: DeliveryOrdering::None,
        });
        let without = cold.iter().map(|webhook| Destination {
            webhook: *webhook,
            slot: None,
            ordering: DeliveryOrdering::None,
        });
        NewEvent {
            tenant: self.id,
            tenant_version: self.version,
            event_type: String::from("order.paid"),
            payload: Bytes::from_static(b"{\"total\": 4200}"),
            destinations: with_slot.chain(without).collect(),
            ordering_key: None,
            idempotency_key: None,
            is_test: false,
        }
    }

    /// The same with an idempotency key, for all webhooks at once.
    pub(crate) fn keyed(&self, key: &str) -> NewEvent {
        NewEvent {
            idempotency_key: Some(key.to_owned()),
            ..self.event(&self.webhooks, &[])
        }
    }

    pub(crate) fn deliveries(&self, event: EventId) -> Vec<DeliveryId> {
        self.webhooks
            .iter()
            .map(|webhook| DeliveryId {
                event,
                webhook: *webhook,
            })
            .collect()
    }
}

/// The bits of an id: lower-case Crockford base32, most significant first.
fn uuid_of(id: &str) -> u128 {
    const DIGITS: &str = "0123456789abcdefghjkmnpqrstvwxyz";
    let (_, digits) = id.split_once('_').unwrap();
    digits.chars().fold(0, |bits, digit| {
        bits << 5 | DIGITS.find(digit).map(|value| value as u128).unwrap()
    })
}

/// Memory for one delivery.
pub(crate) fn slot() -> Slot {
    let memory = Arc::new(Semaphore::new(2));
    let permit = || Arc::clone(&memory).try_acquire_owned().unwrap();
    Slot::new(permit(), permit())
}

pub(crate) fn settings(number: usize) -> WebhookSettings {
    WebhookSettings {
        name: format!("webhook {number}"),
        event_types: vec![String::from("order.*")],
        headers: CustomHeaders(BTreeMap::from([(String::from("x-shop"), String::from("7"))])),
        timeout: Some(Duration::from_secs(7)),
        ..WebhookSettings::new("generic", &format!("https://receiver.example/{number}"))
    }
}

pub(crate) fn secret(seed: u8) -> Secret {
    Secret::from_random([seed; 32])
}

/// An attempt with this result, made just when the tests start.
pub(crate) fn attempted(next: Next) -> End {
    let (outcome, http_status, error) = match next {
        Next::Delivered => (Outcome::Accepted, Some(200), None),
        Next::Retry(_) => (Outcome::Rejected, Some(503), Some("answered 503")),
        Next::Dead => (Outcome::Rejected, Some(410), Some("answered 410")),
        Next::Cancelled => (Outcome::TimedOut, None, Some("no answer")),
    };
    End::Attempted(AttemptEnd {
        outcome,
        http_status,
        started_at: START,
        latency: Duration::from_millis(12),
        error: error.map(str::to_owned),
        response: None,
        next,
    })
}
