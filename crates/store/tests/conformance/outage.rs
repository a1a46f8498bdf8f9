//! The database goes away in the middle of things: what was acknowledged is there, and what is there is delivered.

use std::{
    collections::{HashMap, HashSet},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use hookwright_store::{
    DeliveryFilter, DeliveryId, DeliveryState, EventId, Next, Origin, PageSize, PublishError, StoreAddress,
};
use sqlx::{Connection as _, postgres::PgConnectOptions};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
    sync::{Notify, Semaphore},
};

use crate::harness::{Harness, Process, Tenant, attempted, eventually};

conformance! {
    postgres:
    the_ledger_closes_although_connections_are_cut_while_publishing,
    the_ledger_closes_although_answers_are_lost,
    an_event_that_was_refused_and_stored_after_all_is_delivered,
    results_are_kept_until_they_could_be_written,
}

const CUT_ALL: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity
    where datname = current_database() and application_name = 'hookwright' and pid <> pg_backend_pid()";
const CALLERS: usize = 16;
const EACH: usize = 60;
/// Events that may be published from one failure to the next: however fast a machine publishes, it is failed often.
const BETWEEN_FAILURES: usize = 40;

async fn the_ledger_closes_although_connections_are_cut_while_publishing(harness: Harness) {
    // A failover of the database would lose acknowledged events, or leave events behind that nobody delivers.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 2).await;
    let mut server = harness.server().await.unwrap();
    let acknowledged = publish_through(&process, &tenant, async || {
        sqlx::query(CUT_ALL).execute(&mut server).await.unwrap();
    })
    .await;
    assert_ledger_closes(&harness, &mut process, &tenant, &acknowledged).await;
}

async fn the_ledger_closes_although_answers_are_lost(harness: Harness) {
    // A network that fails just after a commit would leave events in the log that were not acknowledged, nor delivered.
    let wire = Wire::to(&harness.address).await;
    let through = Harness {
        address: wire.address.clone(),
        clock: harness.clock.clone(),
    };
    let mut process = through.process().await;
    let tenant = process.tenant("shop", 2).await;
    let acknowledged = publish_through(&process, &tenant, async || {
        wire.lose.fetch_add(1, Ordering::Relaxed);
    })
    .await;
    wire.lose.store(0, Ordering::Relaxed);
    assert_ledger_closes(&harness, &mut process, &tenant, &acknowledged).await;
}

async fn an_event_that_was_refused_and_stored_after_all_is_delivered(harness: Harness) {
    // A statement that outlives its connection would leave an event in the log that nobody delivers while its node lives.
    let wire = Wire::to(&harness.address).await;
    let through = Harness {
        address: wire.address.clone(),
        clock: harness.clock.clone(),
    };
    let process = through.process().await;
    let tenant = process.tenant("shop", 2).await;
    let (mut holder, mut watcher) = (harness.server().await.unwrap(), harness.server().await.unwrap());
    let mut held = holder.begin().await.unwrap();
    // What a publish looks at first: it waits for this row.
    sqlx::query("select from node for update")
        .execute(&mut *held)
        .await
        .unwrap();
    let publish = tokio::spawn({
        let (publisher, event) = (process.publisher.clone(), tenant.event(&tenant.webhooks, &[]));
        async move { publisher.publish(event).await }
    });
    eventually("the publish waits", async || {
        let waiting: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity
             where datname = current_database() and application_name = 'hookwright' and wait_event_type = 'Lock'",
        )
        .fetch_one(&mut watcher)
        .await
        .unwrap();
        (waiting > 0).then_some(())
    })
    .await;
    wire.cut.notify_waiters();
    let answer = publish.await.unwrap();
    assert!(matches!(answer, Err(PublishError::Store(_))), "{answer:?}");
    held.rollback().await.unwrap();
    eventually("the statement ends", async || {
        let stored: i64 = sqlx::query_scalar("select count(*) from event")
            .fetch_one(&mut watcher)
            .await
            .unwrap();
        (stored > 0).then_some(())
    })
    .await;
    use_up_broken_connections(&process, &tenant).await;
    let stored = process.list(&tenant, DeliveryFilter::All, 200).await;
    assert_eq!(stored.len(), 2);
    assert!(
        stored.iter().all(|row| row.state == DeliveryState::Leased),
        "{stored:?}"
    );
    // Lanes are there from the second one on.
    for _ in 0..2 {
        process.node.heartbeat().await.unwrap();
    }
    let mut claimed = process.claim_ids(10).await;
    claimed.sort_unstable();
    let mut expected: Vec<DeliveryId> = stored.iter().map(|row| row.id).collect();
    expected.sort_unstable();
    assert_eq!(claimed, expected, "nobody delivers them");
    // Once: the next heartbeat does not find them again.
    process.node.heartbeat().await.unwrap();
    assert_eq!(process.claim_ids(10).await, []);
}

/// Publishes as clients do that try again until they are told yes, with a key or without, while the database fails them
/// again and again. Returns what they were told.
async fn publish_through(process: &Process, tenant: &Tenant, mut fail: impl AsyncFnMut()) -> Vec<EventId> {
    let mut callers = tokio::task::JoinSet::new();
    let progress = Arc::new(AtomicUsize::new(0));
    let allowance = Arc::new(Semaphore::new(BETWEEN_FAILURES));
    for caller in 0..CALLERS {
        let (publisher, tenant) = (process.publisher.clone(), tenant.clone());
        let (progress, allowance) = (Arc::clone(&progress), Arc::clone(&allowance));
        callers.spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 0..EACH {
                allowance.acquire().await.unwrap().forget();
                loop {
                    let (hot, cold) = tenant.webhooks.split_at(1 + (number + caller) % 2);
                    let mut event = tenant.event(hot, cold);
                    event.idempotency_key = number.is_multiple_of(2).then(|| format!("{caller} {number}"));
                    match publisher.publish(event).await {
                        Ok(answer) => break acknowledged.push(answer.event),
                        Err(PublishError::Store(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                progress.fetch_add(1, Ordering::Relaxed);
            }
            acknowledged
        });
    }
    let (mut failures, mut failed_at) = (0, 0);
    let mut acknowledged = Vec::new();
    while !callers.is_empty() {
        // Not before there was some progress since the last time.
        let now = progress.load(Ordering::Relaxed);
        if now >= failed_at + 8 {
            fail().await;
            (failures, failed_at) = (failures + 1, now);
            allowance.add_permits(BETWEEN_FAILURES);
        }
        tokio::task::yield_now().await;
        while let Some(caller) = callers.try_join_next() {
            acknowledged.extend(caller.unwrap());
        }
    }
    assert!(failures >= 20, "it failed {failures} times only");
    acknowledged
}

/// Connections that are broken show themselves one by one.
async fn use_up_broken_connections(process: &Process, tenant: &Tenant) {
    for _ in 0..20 {
        let page = process
            .store
            .deliveries(tenant.id, DeliveryFilter::All, None, PageSize::MAX);
        let _ = page.await;
    }
}

/// Every acknowledged event is in the log, and every event in the log is in memory or has a retry row.
async fn assert_ledger_closes(
    harness: &Harness,
    process: &mut Process,
    tenant: &Tenant,
    acknowledged: &[EventId],
) {
    let mut in_memory = HashMap::new();
    for accepted in process.all_handed_over() {
        for (webhook, slot) in accepted.destinations {
            let id = DeliveryId {
                event: accepted.event.id,
                webhook,
            };
            assert!(in_memory.insert(id, slot).is_none(), "{id} was handed over twice");
        }
    }
    use_up_broken_connections(process, tenant).await;
    let listed = process.list(tenant, DeliveryFilter::All, 200).await;
    let in_log: HashSet<_> = listed.iter().map(|row| row.id.event).collect();
    assert_eq!(acknowledged.len(), CALLERS * EACH);
    for event in acknowledged {
        assert!(in_log.contains(event), "{event} was acknowledged and is gone");
    }
    for row in &listed {
        match row.state {
            DeliveryState::Leased => assert!(in_memory.contains_key(&row.id), "nobody delivers {}", row.id),
            DeliveryState::Scheduled(_) => assert!(!in_memory.contains_key(&row.id), "{} is in both", row.id),
            state => panic!("{} is {state:?}", row.id),
        }
    }
    // Keyed events are there once, however often they had to be tried.
    let mut server = harness.server().await.unwrap();
    let keyed: i64 = sqlx::query_scalar("select count(*) from idempotency_key")
        .fetch_one(&mut server)
        .await
        .unwrap();
    assert_eq!(usize::try_from(keyed).unwrap(), CALLERS * EACH / 2);
}

/// A way to the database that can lose an answer, and the connection with it, after the statement was executed.
struct Wire {
    address: StoreAddress,
    /// How many answers to lose.
    lose: Arc<AtomicUsize>,
    /// Closes every connection, whatever it waits for.
    cut: Arc<Notify>,
}

impl Wire {
    async fn to(address: &StoreAddress) -> Self {
        let StoreAddress::Postgres(url) = address else {
            unreachable!()
        };
        let database = PgConnectOptions::from_str(url).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (lose, cut) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        tokio::spawn({
            let (lose, cut) = (Arc::clone(&lose), Arc::clone(&cut));
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let port = database.get_port();
                    match database.get_socket() {
                        Some(folder) => {
                            let server = UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).await;
                            tokio::spawn(carry(
                                client,
                                server.unwrap(),
                                Arc::clone(&lose),
                                Arc::clone(&cut),
                            ));
                        }
                        None => {
                            let server = TcpStream::connect((database.get_host(), port)).await;
                            tokio::spawn(carry(
                                client,
                                server.unwrap(),
                                Arc::clone(&lose),
                                Arc::clone(&cut),
                            ));
                        }
                    }
                }
            }
        });
        // scheme://user:password@host/database?host=folder
        let (base, _) = url.split_once('?').unwrap_or((url, ""));
        let (before_host, rest) = base.rsplit_once('@').unwrap();
        let (_, name) = rest.split_once('/').unwrap();
        Self {
            address: StoreAddress::Postgres(format!("{before_host}@127.0.0.1:{port}/{name}")),
            lose,
            cut,
        }
    }
}

async fn carry(
    mut client: TcpStream,
    mut server: impl AsyncRead + AsyncWrite + Unpin,
    lose: Arc<AtomicUsize>,
    cut: Arc<Notify>,
) {
    let (mut request, mut answer) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            () = cut.notified() => return,
            length = client.read(&mut request) => {
                let length = length.unwrap_or(0);
                if length == 0 || server.write_all(&request[..length]).await.is_err() {
                    return;
                }
            }
            length = server.read(&mut answer) => {
                let length = length.unwrap_or(0);
                let lost = lose.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
                if length == 0 || lost || client.write_all(&answer[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn results_are_kept_until_they_could_be_written(harness: Harness) {
    // A failover of the database would have deliveries repeated that were made long ago.
    let mut process = harness.process().await;
    let tenant = process.tenant("shop", 1).await;
    let mut deliveries = Vec::new();
    for _ in 0..200 {
        deliveries.push(process.publish_one(&tenant).await);
    }
    let mut server = harness.server().await.unwrap();
    for batch in deliveries.chunks(20) {
        for id in batch {
            process
                .finish(&tenant, *id, 1, Origin::Publish, attempted(Next::Delivered))
                .await;
        }
        sqlx::query(CUT_ALL).execute(&mut server).await.unwrap();
    }
    let last = deliveries[199];
    eventually("the last one is written", async || {
        let found = process.store.delivery(tenant.id, last).await.ok()??;
        (found.delivery.state == DeliveryState::Delivered).then_some(())
    })
    .await;
    let heir = harness.crash(process).await;
    assert!(heir.claim(200).await.is_empty());
    for row in heir.list(&tenant, DeliveryFilter::All, 200).await {
        assert_eq!((row.state, row.attempt_count), (DeliveryState::Delivered, 1));
    }
}
