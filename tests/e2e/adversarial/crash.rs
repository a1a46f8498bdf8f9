//! Cases 18 to 20: workers that die, stores that go away, clocks that are wrong.

use std::{sync::Arc, time::Duration};

use hookwright_core::{Profile, Secret, Verifier};
use hookwright_proto::v1::{self, verify_request::Key};
use sqlx::{Connection as _, PgConnection};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use super::{
    ledger::{Ledger, Publishers, Refused, event},
    outage::BreakableStore,
    skewed_clock::SkewedClock,
};
use crate::{
    harness::{
        Answer, Client, Database, PATIENCE, Receiver, Request, config, connect, deliveries_when,
        delivery_when, on_both_stores, publish, register, start_with, webhook,
    },
    nodes::Process,
};

const PUBLISHERS: usize = 4;
const ROUNDS: usize = 3;
/// Requests of each round that are not answered: the worker dies in the middle of these attempts.
const HELD: usize = 3;

on_both_stores! {
    /// Kill -9 at any moment of an attempt would lose what was acknowledged.
    async fn case_18_a_worker_that_dies_in_the_middle_of_attempts_loses_nothing(database: &Database) {
        let mut receiver = Receiver::start().await;
        let mut process = Process::start_with(database, &[]).await;
        register(&mut process.client().await, webhook(receiver.url(), "generic", &[Duration::ZERO; 5])).await;
        let mut ledger = Ledger::default();
        for round in 1..=ROUNDS {
            let never = Arc::new(Notify::new());
            receiver.will_answer((0..HELD).map(|_| Answer::Held(Arc::clone(&never))));
            let mut clients = Vec::new();
            for _ in 0..PUBLISHERS {
                clients.push(process.client().await);
            }
            let publishers = Publishers::start(clients, Refused::GiveUp);
            ledger.note_next(&mut receiver, 60 * round).await;
            process.kill().await;
            ledger.enter(publishers).await;
            process = Process::start_with(database, &[]).await;
        }
        let acknowledged = ledger.close(&mut process.client().await, &mut receiver).await;
        assert!(acknowledged >= 60, "{acknowledged} acknowledged");
    }

    /// A store that is away would be answered for: yes to what is nowhere, or nothing at all ever after.
    async fn case_19_while_the_store_is_away_nothing_is_accepted_and_afterwards_nothing_is_missing(database: &Database) {
        let mut store = BreakableStore::like(database).await;
        let mut receiver = Receiver::start().await;
        let (server, mut client) = start_with(config(store.address())).await;
        register(&mut client, webhook(receiver.url(), "generic", &[Duration::ZERO; 5])).await;
        let mut ledger = Ledger::default();
        for _ in 0..ROUNDS {
            let mut clients = Vec::new();
            for _ in 0..PUBLISHERS {
                clients.push(connect(&server).await);
            }
            let publishers = Publishers::start(clients, Refused::GoOn);
            ledger.note_next(&mut receiver, 60).await;
            store.fail().await;
            let mut request = tonic::Request::new(event());
            // Who waits for the store's return is answered the truth then; nobody has to.
            request.set_timeout(Duration::from_secs(1));
            let refused = client.publish(request).await.unwrap_err();
            assert!(
                matches!(
                    refused.code(),
                    tonic::Code::Unavailable | tonic::Code::DeadlineExceeded | tonic::Code::Cancelled
                ),
                "{refused}"
            );
            store.come_back().await;
            // It goes on by itself, once each of its connections has found out.
            let again = async {
                loop {
                    if let Ok(published) = client.publish(event()).await {
                        return published.into_inner().event_id;
                    }
                }
            };
            let again = tokio::time::timeout(PATIENCE, again)
                .await
                .expect("nothing is accepted any more");
            ledger.note_until(&mut receiver, &again).await;
            ledger.enter(publishers).await;
        }
        let acknowledged = ledger.close(&mut client, &mut receiver).await;
        assert!(acknowledged >= 60, "{acknowledged} acknowledged");
        server.stop().await.unwrap();
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    let request = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut head).await.unwrap(), 0, "hung up");
        }
        stream
    };
    tokio::time::timeout(PATIENCE, request)
        .await
        .expect("nothing arrived")
}

async fn answer(stream: &mut TcpStream, status: &str) {
    let response = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(response.as_bytes()).await.unwrap();
}

/// A worker that was only slow would report over what its successor has settled, and send it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_was_frozen_and_replaced_changes_nothing_when_it_wakes() {
    let database = Database::postgresql().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    let frozen = Process::start_with(&database, &[]).await;
    let survivor = Process::start_with(&database, &[]).await;
    let mut client = survivor.client().await;
    register(&mut client, webhook(url, "generic", &[Duration::ZERO; 5])).await;
    let event = publish(&mut frozen.client().await, "user.created", "{}").await;
    let mut first = accept(&listener).await;
    frozen.signal("STOP").await;
    // Its lease runs out.
    let mut second = accept(&listener).await;
    answer(&mut second, "200 OK").await;
    delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
    answer(&mut first, "500 Internal Server Error").await;
    frozen.signal("CONT").await;
    frozen.signal("TERM").await;
    // It writes what it has to report before it ends.
    frozen.ended().await;

    let found = delivery_when(&mut client, &event, v1::DeliveryState::Delivered).await;
    let statuses: Vec<u32> = found.attempts.iter().map(|attempt| attempt.http_status).collect();
    assert_eq!(statuses, [200]);
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    let retries: i64 = sqlx::query_scalar("select count(*) from retry")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(retries, 0, "it would be sent again");
    drop((connection, survivor));
    database.remove().await;
}

const DAY: i64 = 24 * 60 * 60;
const HOUR: i64 = 60 * 60;
/// Between the clocks of a node and of the database there are milliseconds. That they are not a day apart is tested here.
const SLACK: i64 = 60;

/// A node with a wrong clock would try again at once or in a year, end the leases of others, and sign what no receiver takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "needs a C library that another one can be put before"
)]
async fn case_20_nodes_whose_clocks_are_days_off_go_by_the_clock_of_the_database() {
    let database = Database::postgresql().await;
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    let clock = SkewedClock::build();
    let fast = clock.start(&database, DAY).await;
    let slow = clock.start(&database, -DAY).await;
    let mut clients = [fast.client().await, slow.client().await];
    let mut receiver = Receiver::start().await;
    let waits = [Duration::from_secs(1), Duration::from_hours(1)];
    let (id, secret) = register(&mut clients[0], webhook(receiver.url(), "generic", &waits)).await;
    let leases = leases(&mut connection).await;

    for publisher in 0..2 {
        receiver.will_answer([Answer::Status(500), Answer::Status(500)]);
        let before = database_seconds(&mut connection).await;
        let published = clients[publisher].publish(event()).await.unwrap().into_inner();
        let requests = [receiver.next().await, receiver.next().await];
        let found = deliveries_when(&mut clients[1 - publisher], &published.event_id, |delivery| {
            delivery.attempt_count == 2
        })
        .await;
        let now = before - SLACK..=database_seconds(&mut connection).await + SLACK;
        assert!(now.contains(&seconds(published.create_time.as_ref())));
        for request in &requests {
            let signed: i64 = request.header("webhook-timestamp").parse().unwrap();
            assert!(
                now.contains(&signed),
                "signed at {signed}, the database says {now:?}"
            );
            for client in &mut clients {
                assert!(verify(client, &id, request).await.valid);
            }
            tolerates_five_minutes_both_ways(request, &secret, signed);
        }
        let due = seconds(found[0].next_attempt_time.as_ref());
        assert!(
            now.contains(&(due - HOUR)),
            "due at {due}, the database says {now:?}"
        );
    }
    renewed(&mut connection, &leases).await;
    assert!(
        receiver.rest().is_empty(),
        "both wait for an hour of the database's"
    );
    drop((connection, fast, slow));
    database.remove().await;
}

fn seconds(moment: Option<&pbjson_types::Timestamp>) -> i64 {
    moment.expect("a moment").seconds
}

async fn database_seconds(connection: &mut PgConnection) -> i64 {
    sqlx::query_scalar("select extract(epoch from clock_timestamp())::int8")
        .fetch_one(connection)
        .await
        .unwrap()
}

/// Nodes and until when they are believed to live, in microseconds.
async fn leases(connection: &mut PgConnection) -> Vec<(i64, i64)> {
    sqlx::query_as(
        "select incarnation, (extract(epoch from lease_until) * 1000000)::int8 from node order by 1",
    )
    .fetch_all(connection)
    .await
    .unwrap()
}

/// Waits until both nodes have renewed their leases since, so that each has looked whether the other one is gone.
async fn renewed(connection: &mut PgConnection, earlier: &[(i64, i64)]) {
    let nodes = |leases: &[(i64, i64)]| leases.iter().map(|(node, _)| *node).collect::<Vec<_>>();
    assert_eq!(earlier.len(), 2);
    let wait = async {
        loop {
            let now = leases(connection).await;
            assert_eq!(nodes(&now), nodes(earlier), "one has ended the other's lease");
            if now
                .iter()
                .zip(earlier)
                .all(|((_, now), (_, earlier))| now > earlier)
            {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("a lease was not renewed");
}

async fn verify(client: &mut Client, id: &str, request: &Request) -> v1::VerifyResponse {
    let received = v1::VerifyRequest {
        key: Some(Key::WebhookId(id.to_owned())),
        body: request.body.clone(),
        headers: request.wire_headers(),
        ..v1::VerifyRequest::default()
    };
    client.verify(received).await.unwrap().into_inner()
}

/// A receiver's clock may be wrong too, a little.
fn tolerates_five_minutes_both_ways(request: &Request, secret: &str, signed: i64) {
    let profile = Profile::builtin("generic").unwrap();
    let verifier = Verifier::for_profile(&profile, &[Secret::parse(secret).unwrap()]).unwrap();
    let headers: Vec<(&str, &[u8])> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let received = hookwright_core::Request {
        method: "POST",
        url: "",
        headers: &headers,
        body: &request.body,
    };
    for (off, valid) in [(-301, false), (-300, true), (300, true), (301, false)] {
        assert_eq!(verifier.verify(&received, signed + off).is_ok(), valid, "{off} s");
    }
}
