//! Stopping, as those notice it who are connected.

use std::time::Duration;

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{
    assert_served,
    raw::until_closed,
    slow::{http2, publish_head, reason, status},
};
use crate::harness::{Database, PATIENCE, config, start, start_with, until};

/// A load balancer would send requests to a port that is closed already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_turns_before_the_port_closes() {
    let database = Database::sqlite();
    let mut config = config(database.address());
    config.drain_delay = Duration::from_secs(3);
    let (server, mut client) = start_with(config).await;
    let endpoint = tonic::transport::Endpoint::from_shared(server.url()).unwrap();
    let mut health = HealthClient::new(endpoint.connect().await.unwrap());
    let request = HealthCheckRequest {
        service: "hookwright.v1.WebhookService".to_owned(),
    };
    let mut watch = health.watch(request).await.unwrap().into_inner();
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::Serving
    );
    let address = server.local_addr();
    let stopped = tokio::spawn(server.stop());
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );
    // Over a connection that was there, and over a new one.
    assert_served(&mut client).await;
    drop(TcpStream::connect(address).await.unwrap());
    drop((client, health, watch));
    stopped.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    database.remove().await;
}

/// A deployment would break requests under way, or idle connections would hold it up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_is_answered_and_what_is_idle_is_closed() {
    let database = Database::sqlite();
    let mut config = config(database.address());
    config.grace = PATIENCE;
    let (server, client) = start_with(config).await;
    drop(client);
    let address = server.local_addr();
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    assert!(idle.read(&mut [0; 4_096]).await.unwrap() > 0);
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut slow = TcpStream::connect(address).await.unwrap();
    let head = "POST /v1/events HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                content-length: 2\r\nexpect: 100-continue\r\n\r\n";
    slow.write_all(head.as_bytes()).await.unwrap();
    // It has been read, and its body is waited for.
    assert!(slow.read(&mut [0; 4_096]).await.unwrap() > 0);
    let (mut requests, driver) = http2(address).await;
    let (answer, mut body) = requests.send_request(publish_head(), false).unwrap();
    // What is answered on a connection was read after what came before it.
    let (ping, mut rest) = requests.send_request(publish_head(), false).unwrap();
    rest.send_data(Bytes::from_static(b"\0\0\0\0\0"), true).unwrap();
    drop(ping.await.unwrap());

    let stopped = tokio::spawn(server.stop());
    assert!(until_closed(&mut idle).await.is_empty());
    assert!(until_closed(&mut silent).await.is_empty());
    until("new connections are refused", async || {
        TcpStream::connect(address).await.is_err()
    })
    .await;
    body.send_data(Bytes::from_static(b"\0\0\0\0\0"), true).unwrap();
    assert_eq!(reason(&status(answer.await.unwrap().headers())), "MISSING_FIELD");
    slow.write_all(b"{}").await.unwrap();
    let said = String::from_utf8(until_closed(&mut slow).await).unwrap();
    assert!(said.contains("connection: close\r\n"), "{said}");
    drop(requests);
    driver.await.unwrap();
    stopped.await.unwrap().unwrap();
    database.remove().await;
}

/// A client that never ends would keep the service from ending.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_end_is_cut_off_after_the_grace() {
    let database = Database::sqlite();
    let mut config = config(database.address());
    config.grace = Duration::from_millis(200);
    let (server, _client) = start_with(config).await;
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let head = "POST /v1/events HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                content-length: 5\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    server.stop().await.unwrap();
    until_closed(&mut stream).await;
    // The port is free at once.
    let (server, mut client) = start(&database).await;
    assert_served(&mut client).await;
    server.stop().await.unwrap();
    database.remove().await;
}
