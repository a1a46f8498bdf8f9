//! Too much of everything.

use std::num::NonZeroU32;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use hookwright_proto::v1;
use sqlx::{Connection as _, PgConnection};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt as _;

use super::{
    assert_served,
    raw::{PREFACE, SETTINGS, frame, say, until_closed, write_until_closed},
    slow::{http2, publish_head, reason, status},
};
use crate::{
    errors::assert_refused,
    harness::{Database, PATIENCE, config, connect, start, start_with, until, url_of},
};

const HEADERS: u8 = 1;
const RESET: u8 = 3;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Whoever opens thousands of connections would lock everybody else out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_silent_connections_hold_nobody_up() {
    let database = Database::sqlite();
    let mut config = config(database.address());
    config.listener.header_timeout = PATIENCE;
    let (server, mut client) = start_with(config).await;
    let address = server.local_addr();
    let silent: Vec<_> = stream::iter(0..2_000)
        .map(|_| TcpStream::connect(address))
        .buffer_unordered(100)
        .collect()
        .await;
    assert!(silent.iter().all(Result::is_ok));
    assert_served(&mut client).await;
    assert_served(&mut connect(&server).await).await;
    drop(silent);
    server.stop().await.unwrap();
    database.remove().await;
}

/// There would be no end to them, or places would never come free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_limited_and_places_come_free() {
    for of_one_peer in [false, true] {
        let database = Database::sqlite();
        let mut config = config(database.address());
        if of_one_peer {
            config.listener.connections_per_peer_max = NonZeroU32::new(3);
        } else {
            config.listener.connections_max = 3;
        }
        let (server, mut client) = start_with(config).await;
        let one = http2(server.local_addr()).await;
        let _another = http2(server.local_addr()).await;
        assert_eq!(say(server.local_addr(), b"").await, b"");
        assert_served(&mut client).await;
        drop(one.0);
        one.1.await.unwrap();
        until("the place is free again", async || {
            let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
            let asked = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
            stream.write_all(asked).await.is_ok() && !until_closed(&mut stream).await.is_empty()
        })
        .await;
        server.stop().await.unwrap();
        database.remove().await;
    }
}

/// Heads without an end, or of any size, would be kept in memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_heads_are_refused() {
    let database = Database::sqlite();
    let (server, mut client) = start(&database).await;
    let large = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(20_000));
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(200));
    for head in [large, many] {
        let said = String::from_utf8(say(server.local_addr(), head.as_bytes()).await).unwrap();
        assert!(said.starts_with("HTTP/1.1 431 "), "{said}");
    }
    for head in [
        vec![("x-long", "x".repeat(20_000))],
        vec![("x-many", "y".to_owned()); 600],
    ] {
        let (mut requests, _driver) = http2(server.local_addr()).await;
        let mut request = publish_head();
        for (name, value) in head {
            request.headers_mut().append(name, value.parse().unwrap());
        }
        let (answer, _body) = requests.send_request(request, true).unwrap();
        let refused = match tokio::time::timeout(PATIENCE, answer).await.unwrap() {
            Ok(answer) => answer.status() == 431,
            Err(error) => error.is_reset() || error.is_go_away(),
        };
        assert!(refused);
    }
    // A head that goes on in frame after frame.
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let start = [PREFACE, SETTINGS, &frame(HEADERS, 0, 1, &[0x83])].concat();
    stream.write_all(&start).await.unwrap();
    write_until_closed(&mut stream, |_| frame(CONTINUATION, 0, 1, b"\x00\x01a\x01b")).await;
    assert_served(&mut client).await;
    server.stop().await.unwrap();
    database.remove().await;
}

/// A connection could make the server begin calls without end, by taking each back at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rapid_resets_end_the_connection() {
    let database = Database::sqlite();
    let (server, mut client) = start(&database).await;
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(&[PREFACE, SETTINGS].concat()).await.unwrap();
    // GET http://a/
    let head = [0x82, 0x86, 0x84, 0x01, 1, b'a'];
    write_until_closed(&mut stream, |number| {
        let calls = (number * 50..(number + 1) * 50).map(|call| 2 * call + 1);
        calls
            .flat_map(|call| {
                [
                    frame(HEADERS, END_HEADERS | 1, call, &head),
                    frame(RESET, 0, call, &8_u32.to_be_bytes()),
                ]
            })
            .flatten()
            .collect()
    })
    .await;
    assert_served(&mut client).await;
    server.stop().await.unwrap();
    database.remove().await;
}

/// Requests would pile up until the process is killed for its memory; or health checks would fail, and send the load of
/// this node to others that have enough of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_requests_than_can_be_are_told_to_come_back() {
    let database = Database::sqlite();
    let mut config = config(database.address());
    config.listener.requests_max = 1;
    let (server, mut client) = start_with(config).await;
    let (mut requests, _driver) = http2(server.local_addr()).await;
    let (answer, mut body) = requests.send_request(publish_head(), false).unwrap();
    // Requests of one connection take their places in order, and this one needs none.
    let mut check = publish_head();
    *check.uri_mut() = "http://localhost/grpc.health.v1.Health/Check".parse().unwrap();
    let (healthy, mut empty) = requests.send_request(check, false).unwrap();
    empty.send_data(Bytes::from_static(b"\0\0\0\0\0"), true).unwrap();
    drop(healthy.await.unwrap());
    let refused = client
        .list_webhooks(v1::ListWebhooksRequest::default())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(
        refused
            .get_error_details()
            .retry_info()
            .unwrap()
            .retry_delay
            .is_some()
    );
    let asked = b"GET /v1/webhooks HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let said = String::from_utf8(say(server.local_addr(), asked).await).unwrap();
    assert!(
        said.starts_with("HTTP/1.1 503 ") && said.contains("retry-after: 1\r\n"),
        "{said}"
    );
    assert!(
        said.ends_with('}') && said.contains(r#""reason":"OVERLOADED""#),
        "{said}"
    );
    let endpoint = tonic::transport::Endpoint::from_shared(server.url()).unwrap();
    let mut health = HealthClient::new(endpoint.connect().await.unwrap());
    health.check(HealthCheckRequest::default()).await.unwrap();

    body.send_data(Bytes::from_static(b"\0\0\0\0\0"), true).unwrap();
    assert_eq!(reason(&status(answer.await.unwrap().headers())), "MISSING_FIELD");
    assert_served(&mut client).await;
    server.stop().await.unwrap();
    database.remove().await;
}

/// A disk that stalls for a moment would have publishes refused; or one that stalls for longer would have all of them wait
/// that anybody makes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_publishes_as_may_wait_for_a_store_that_stalls() {
    const WAITING: usize = 40;
    const TOO_MANY: usize = 5;
    let database = Database::postgresql().await;
    let mut config = config(database.address());
    config.engine.publishes_max = WAITING;
    let (server, client) = start_with(config).await;
    let mut intruder = PgConnection::connect(&url_of(database.address())).await.unwrap();
    let mut stall = intruder.begin().await.unwrap();
    sqlx::query("lock table event in exclusive mode")
        .execute(&mut *stall)
        .await
        .unwrap();

    let mut publishes = JoinSet::new();
    for _ in 0..WAITING + TOO_MANY {
        let mut client = client.clone();
        publishes.spawn(async move {
            let event = v1::PublishRequest {
                event_type: "user.created".to_owned(),
                payload: "{}".into(),
                ..v1::PublishRequest::default()
            };
            client.publish(event).await
        });
    }
    let mut answer = async || timeout(PATIENCE, publishes.join_next()).await.expect("no answer");
    for _ in 0..TOO_MANY {
        let refused = answer().await.unwrap().unwrap().unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::ResourceExhausted, "OVERLOADED")
        );
    }
    stall.rollback().await.unwrap();
    for _ in 0..WAITING {
        answer().await.unwrap().unwrap().unwrap();
    }
    assert!(answer().await.is_none());
    server.stop().await.unwrap();
    database.remove().await;
}

/// A few requests with large bodies would do the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_bytes_than_there_is_memory_for_are_refused() {
    let database = Database::sqlite();
    let mut config = config(database.address());
    config.listener.request_bytes_max = 10_000;
    let (server, mut client) = start_with(config).await;
    let event = |bytes: usize| v1::PublishRequest {
        event_type: "user.created".to_owned(),
        payload: format!("\"{}\"", "x".repeat(bytes)).into(),
        ..v1::PublishRequest::default()
    };
    for _ in 0..3 {
        client.publish(event(8_000)).await.unwrap();
        let refused = client.publish(event(20_000)).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::ResourceExhausted, "OVERLOADED")
        );
    }
    server.stop().await.unwrap();

    // A message far beyond what any can be is not even read.
    let (server, mut client) = start(&database).await;
    let refused = client.publish(event(8 * 1_024 * 1_024)).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    assert_refused(
        client.publish(event(300 * 1_024)).await,
        Code::InvalidArgument,
        "PAYLOAD_TOO_LARGE",
        "payload",
    );
    assert_served(&mut client).await;
    server.stop().await.unwrap();
    database.remove().await;
}

/// Somebody who speaks something else would hold a connection, or bring the server down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_on_a_plain_port_is_refused() {
    let database = Database::sqlite();
    let (server, mut client) = start(&database).await;
    let hello = [&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01][..], &[7; 600]].concat();
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(&hello).await.unwrap();
    let mut first = [0];
    let _ = tokio::time::timeout(PATIENCE, stream.read(&mut first))
        .await
        .unwrap();
    assert_served(&mut client).await;
    server.stop().await.unwrap();
    database.remove().await;
}
