//! Which requests share a connection, over real sockets.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::time::Duration;

use bytes::Bytes;
use hookwright_egress::{
    AddressRules, Answer, Connection, Credentials, Egress, EgressRules, Exchange, ExchangeError, Guard,
    Policy,
};
use http::{HeaderMap, Method};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
    sync::mpsc,
};
use url::Url;

const PATIENCE: Duration = Duration::from_secs(30);

fn connection() -> Connection {
    let rules = EgressRules {
        addresses: AddressRules::Any,
        allow_http: true,
        ..EgressRules::default()
    };
    let egress = Egress::new(Guard::new(rules)).unwrap();
    egress.connection(&Policy::default(), &Credentials::None).unwrap()
}

/// A receiver that answers every request with the number of the connection that it came over.
struct Receiver {
    url: Url,
    /// Told when a connection has ended.
    ended: mpsc::UnboundedReceiver<usize>,
}

/// What a receiver does with a connection.
#[derive(Clone, Copy)]
enum Habit {
    KeepsItOpen,
    /// Without saying so in the answer, as servers do when they restart.
    ClosesItAfterTheAnswer,
    /// In chunks, with trailers: the end is not known from the head.
    AnswersInChunks,
    /// And closes: more than is read.
    AnswersWithoutEnd,
    /// Before the body of the request has been read.
    AnswersEarly,
}

impl Receiver {
    async fn start(habit: Habit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks?a=b", listener.local_addr().unwrap());
        let (end, ended) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            for number in 1.. {
                let (stream, _) = listener.accept().await.unwrap();
                let end = end.clone();
                tokio::spawn(async move {
                    serve(stream, number, habit).await;
                    let _ = end.send(number);
                });
            }
        });
        Self {
            url: url.parse().unwrap(),
            ended,
        }
    }
}

async fn serve(mut stream: TcpStream, number: usize, habit: Habit) {
    let mut received = Vec::new();
    loop {
        let Some(head_end) = read_until(&mut stream, &mut received, |bytes| {
            bytes.windows(4).position(|window| window == b"\r\n\r\n")
        })
        .await
        else {
            return;
        };
        let head = str::from_utf8(&received[..head_end]).unwrap().to_owned();
        assert!(head.starts_with("POST /hooks?a=b HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nHost: 127.0.0.1:"), "{head}");
        if !matches!(habit, Habit::AnswersEarly) {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("Content-Length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            let end = head_end + 4 + length;
            read_until(&mut stream, &mut received, |bytes| {
                (bytes.len() >= end).then_some(end)
            })
            .await
            .unwrap();
            received.drain(..end);
        }
        let answer = match habit {
            Habit::AnswersInChunks => format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{number}\r\n0\r\nX-Trailer: 1\r\n\r\n"
            ),
            Habit::AnswersWithoutEnd => {
                format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{}",
                    "x".repeat(100_000)
                )
            }
            _ => {
                let body = number.to_string();
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            }
        };
        if stream.write_all(answer.as_bytes()).await.is_err()
            || matches!(habit, Habit::ClosesItAfterTheAnswer)
        {
            return;
        }
    }
}

/// `None` when the sender has closed the connection.
async fn read_until(
    stream: &mut TcpStream,
    received: &mut Vec<u8>,
    find: impl Fn(&[u8]) -> Option<usize>,
) -> Option<usize> {
    loop {
        if let Some(found) = find(received) {
            return Some(found);
        }
        if stream.read_buf(received).await.ok()? == 0 {
            return None;
        }
    }
}

/// What arrived on other sockets before is known once something that arrives now is.
async fn take_note_of_what_has_arrived() {
    let (mut ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"x").await.unwrap();
    ours.read_u8().await.unwrap();
}

async fn send(connection: &Connection, url: &Url, body: usize) -> Result<Answer, ExchangeError> {
    connection
        .exchange(Exchange {
            method: Method::POST,
            url: url.clone(),
            headers: HeaderMap::new(),
            body: Bytes::from(vec![b'x'; body]),
            timeout: PATIENCE,
        })
        .await
}

#[tokio::test]
async fn one_request_after_another_shares_a_connection() {
    for habit in [Habit::KeepsItOpen, Habit::AnswersInChunks] {
        let (connection, receiver) = (connection(), Receiver::start(habit).await);
        for body in [0, 1, 100, 1_000_000] {
            let answer = send(&connection, &receiver.url, body).await.unwrap();
            assert_eq!((answer.status.as_u16(), &*answer.body), (200, &b"1"[..]));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_at_the_same_time_have_a_connection_each_and_later_ones_use_them_again() {
    let (connection, receiver) = (connection(), Receiver::start(Habit::KeepsItOpen).await);
    for _ in 0..5 {
        let sent: Vec<_> = (0..8)
            .map(|_| {
                let (connection, url) = (connection.clone(), receiver.url.clone());
                tokio::spawn(async move { send(&connection, &url, 1_000).await.unwrap().body })
            })
            .collect();
        for sent in sent {
            let number = sent.await.unwrap();
            assert!((b"1"..=b"8").contains(&&[number[0]]), "{number:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_the_receiver_has_closed_is_not_used_again() {
    let (connection, mut receiver) = (connection(), Receiver::start(Habit::ClosesItAfterTheAnswer).await);
    for number in 1..=20 {
        let answer = send(&connection, &receiver.url, 10).await.unwrap();
        assert_eq!(answer.body, number.to_string());
        assert_eq!(receiver.ended.recv().await, Some(number));
        take_note_of_what_has_arrived().await;
    }
}

#[tokio::test]
async fn an_answer_that_is_not_read_to_its_end_takes_its_connection_with_it() {
    let (connection, mut receiver) = (connection(), Receiver::start(Habit::AnswersWithoutEnd).await);
    let answer = send(&connection, &receiver.url, 10).await.unwrap();
    assert!(answer.truncated);
    assert_eq!(answer.body.len(), 64 * 1024);
    assert_eq!(receiver.ended.recv().await, Some(1));
}

#[tokio::test]
async fn an_answer_that_comes_before_all_of_the_request_is_sent_counts() {
    let (connection, mut receiver) = (connection(), Receiver::start(Habit::AnswersEarly).await);
    // More than the buffers of both sides hold.
    let answer = send(&connection, &receiver.url, 50_000_000).await.unwrap();
    assert_eq!(&*answer.body, b"1");
    assert_eq!(receiver.ended.recv().await, Some(1));
}

#[tokio::test]
async fn an_exchange_that_is_given_up_takes_its_connection_with_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let connection = connection();
    let sent = tokio::spawn(async move { send(&connection, &url, 10).await });
    let (mut stream, _) = listener.accept().await.unwrap();
    assert!(stream.read_u8().await.is_ok());
    sent.abort();
    // Reads what was sent, then the end.
    stream.read_to_end(&mut Vec::new()).await.unwrap();
}
