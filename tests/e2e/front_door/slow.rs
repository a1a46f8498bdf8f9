//! Clients that take their time.

use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use hookwright_proto::v1;
use http::Request;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Status;
use tonic_types::StatusExt as _;

use super::{
    assert_served, impatient,
    raw::{PREFACE, say, until_closed, write_until_closed},
};
use crate::harness::{Client, Database, PATIENCE, connect, start_with};

/// A connection of HTTP/2, and the task that drives it.
pub(super) async fn http2(
    address: std::net::SocketAddr,
) -> (SendRequest<Bytes>, tokio::task::JoinHandle<()>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    (
        requests.ready().await.unwrap(),
        tokio::spawn(async { drop(connection.await) }),
    )
}

/// `Publish`, as the head of a request.
pub(super) fn publish_head() -> Request<()> {
    Request::post("http://localhost/hookwright.v1.WebhookService/Publish")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap()
}

/// The status of an answer without a message.
pub(super) fn status(headers: &http::HeaderMap) -> Status {
    Status::from_header_map(headers).expect("gRPC is answered in gRPC")
}

pub(super) fn reason(status: &Status) -> String {
    status.get_error_details().error_info().unwrap().reason.clone()
}

/// Whoever opens connections and says nothing, or a little, would hold them for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_does_not_come_ends_the_connection() {
    let database = Database::sqlite();
    let (server, mut client) = start_with(impatient(&database)).await;
    for said in [
        &b""[..],
        b"P",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx-long: and so it goes on and on",
        PREFACE,
    ] {
        say(server.local_addr(), said).await;
        assert_served(&mut client).await;
    }
    // The second request of a connection is no better than the first.
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    assert!(stream.read(&mut [0; 4_096]).await.unwrap() > 0);
    stream.write_all(b"GET / HT").await.unwrap();
    until_closed(&mut stream).await;

    // Nor is a head of which a little comes all the time.
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    write_until_closed(&mut stream, |_| vec![b'x']).await;
    assert_served(&mut client).await;
    server.stop().await.unwrap();
    database.remove().await;
}

/// A request of one message could be held open for ever, with all that was set aside for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_does_not_come_is_refused() {
    let database = Database::sqlite();
    let (server, mut client) = start_with(impatient(&database)).await;
    let (mut requests, _driver) = http2(server.local_addr()).await;
    let (answer, mut body) = requests.send_request(publish_head(), false).unwrap();
    body.send_data(Bytes::from_static(b"\0\0\0"), false).unwrap();
    let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
    let refused = status(answer.headers());
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (tonic::Code::DeadlineExceeded, "REQUEST_TOO_SLOW")
    );
    // The connection and its other calls have nothing to do with it.
    let (answer, mut body) = requests.send_request(publish_head(), false).unwrap();
    body.send_data(Bytes::from_static(b"\0\0\0\0\0"), true).unwrap();
    assert_eq!(reason(&status(answer.await.unwrap().headers())), "MISSING_FIELD");

    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let head = "POST /v1/events HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                content-length: 100\r\n\r\n{\"e";
    stream.write_all(head.as_bytes()).await.unwrap();
    let said = String::from_utf8(until_closed(&mut stream).await).unwrap();
    assert!(
        said.starts_with("HTTP/1.1 408 ") && said.contains("REQUEST_TOO_SLOW"),
        "{said}"
    );
    assert_served(&mut client).await;
    server.stop().await.unwrap();
    database.remove().await;
}

/// A stream that is silent for a while would be cut, as if it were a slow request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_stream_is_left_alone() {
    let database = Database::sqlite();
    let mut config = impatient(&database);
    config.listener.request_timeout = Duration::from_millis(300);
    config.listener.idle_timeout = Duration::from_millis(300);
    let (server, mut client) = start_with(config).await;
    let (events, sent) = mpsc::unbounded_channel();
    let event = v1::PublishRequest {
        event_type: "user.created".to_owned(),
        payload: "{}".to_owned().into(),
        ..v1::PublishRequest::default()
    };
    let event = v1::PublishStreamRequest {
        event: Some(event),
        sequence: 1,
    };
    events.send(event.clone()).unwrap();
    let answers = client
        .publish_stream(UnboundedReceiverStream::new(sent))
        .await
        .unwrap();
    let mut answers = answers.into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().sequence, 1);

    // Until others were given up, twice: a request for its time, and a connection for its silence.
    for _ in 0..2 {
        let (mut requests, _driver) = http2(server.local_addr()).await;
        let (answer, _body) = requests.send_request(publish_head(), false).unwrap();
        assert!(status(answer.await.unwrap().headers()).code() == tonic::Code::DeadlineExceeded);
        let (_requests, driver) = http2(server.local_addr()).await;
        tokio::time::timeout(PATIENCE, driver)
            .await
            .expect("an idle connection is kept")
            .unwrap();
    }
    events
        .send(v1::PublishStreamRequest { sequence: 2, ..event })
        .unwrap();
    assert_eq!(answers.message().await.unwrap().unwrap().sequence, 2);
    drop(events);
    server.stop().await.unwrap();
    database.remove().await;
}

/// Answers that nobody reads would fill the memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_is_hung_up_on() {
    let database = Database::sqlite();
    let (server, mut client) = start_with(impatient(&database)).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(server.local_addr()).await.unwrap();
    let asked = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(100);
    let asking = async { while stream.write_all(asked.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, asking)
        .await
        .expect("the connection is kept for ever");
    assert_served(&mut client).await;
    server.stop().await.unwrap();
    database.remove().await;
}

/// A caller would wait longer than it said, or for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callers_deadline_is_kept() {
    let database = Database::sqlite();
    let mut config = impatient(&database);
    config.listener.body_timeout = PATIENCE;
    let (server, _client) = start_with(config).await;
    let (mut requests, _driver) = http2(server.local_addr()).await;
    let mut head = publish_head();
    head.headers_mut().insert("grpc-timeout", "50m".parse().unwrap());
    let (answer, _body) = requests.send_request(head, false).unwrap();
    let refused = status(
        tokio::time::timeout(PATIENCE, answer)
            .await
            .unwrap()
            .unwrap()
            .headers(),
    );
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (tonic::Code::DeadlineExceeded, "DEADLINE_EXCEEDED")
    );
    let mut another: Client = connect(&server).await;
    assert_served(&mut another).await;
    server.stop().await.unwrap();
    database.remove().await;
}
