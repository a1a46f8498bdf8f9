//! Bytes on the port that are no HTTP/2, or are for a while.

use std::{io, net::SocketAddr};

use rand::{Rng as _, RngExt as _, rngs::StdRng, seq::IndexedRandom as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::harness::PATIENCE;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// More than a server has reason to say to one connection that asks for nothing.
const SAID_BYTES_MAX: u64 = 16 * 1024 * 1024;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// What is sent to the port on one connection.
pub(super) fn generate(random: &mut StdRng) -> Vec<u8> {
    let mut sent = Vec::new();
    match random.random_range(0..12) {
        0 => return noise(random, 2_000),
        1 => return b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        // A TLS handshake, to a port without TLS.
        2 => return [&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01][..], &noise(random, 600)].concat(),
        3 => return PREFACE[..random.random_range(1..PREFACE.len())].to_vec(),
        _ => sent.extend_from_slice(PREFACE),
    }
    frame(&mut sent, SETTINGS, 0, 0, &[]);
    match random.random_range(0..7) {
        // Streams that are opened and taken back at once.
        0 => {
            for number in 0..random.random_range(1..600) {
                let stream = 2 * number + 1;
                frame(&mut sent, HEADERS, END_HEADERS, stream, &request());
                frame(&mut sent, RESET, 0, stream, &8_u32.to_be_bytes());
            }
        }
        // Headers without an end.
        1 => {
            frame(&mut sent, HEADERS, 0, 1, &request());
            for _ in 0..random.random_range(1..2_000) {
                frame(&mut sent, CONTINUATION, 0, 1, b"\x00\x01a\x01b");
            }
        }
        2 => {
            for _ in 0..random.random_range(1..3_000) {
                frame(&mut sent, SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 1]);
                frame(&mut sent, PING, 0, 0, b"12345678");
            }
        }
        // Credit beyond what can be counted, and a header table of all memory.
        3 => {
            frame(&mut sent, WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes());
            frame(&mut sent, WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes());
            frame(
                &mut sent,
                SETTINGS,
                0,
                0,
                &[0, 1, 0xff, 0xff, 0xff, 0xff, 0, 4, 0xff, 0xff, 0xff, 0xff],
            );
        }
        // Data of a stream that nobody opened, or that lies about its length.
        4 => {
            frame(&mut sent, HEADERS, END_HEADERS, 1, &request());
            frame(&mut sent, DATA, 8, 1, &[0xff, 1, 2]);
            frame(
                &mut sent,
                DATA,
                0,
                random.random_range(0..9),
                &noise(random, 20_000),
            );
        }
        _ => {
            for _ in 0..random.random_range(1..40) {
                let (kind, flags) = (random.random_range(0..12), random.random());
                let stream = *[0, 1, 2, 3, 5, u32::MAX].choose(random).unwrap();
                let payload = if random.random() {
                    request()
                } else {
                    noise(random, 100)
                };
                frame(&mut sent, kind, flags, stream, &payload);
            }
        }
    }
    if random.random_range(0..4) == 0 {
        let place = random.random_range(0..sent.len());
        sent[place] = random.random();
    }
    sent
}

/// Sends it, says that there is no more, and reads until the server has no more to say either.
pub(super) async fn send(address: SocketAddr, bytes: &[u8]) {
    let exchange = async {
        let (read, mut write) = TcpStream::connect(address).await?.into_split();
        let mut read = read.take(SAID_BYTES_MAX);
        let mut said = Vec::new();
        // Both at a time: a server that does not get its answers away stops listening.
        let writing = async {
            write.write_all(bytes).await?;
            write.shutdown().await
        };
        let (written, said) = tokio::join!(writing, read.read_to_end(&mut said));
        // The server may have hung up in the middle, as it should.
        let _ = written;
        said
    };
    let said: io::Result<usize> = tokio::time::timeout(PATIENCE, exchange)
        .await
        .expect("the connection is kept for ever");
    assert!(
        said.is_err() || said.is_ok_and(|said| (said as u64) < SAID_BYTES_MAX),
        "the server talks and talks"
    );
}

fn frame(to: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    to.extend_from_slice(&length[1..]);
    to.extend_from_slice(&[kind, flags]);
    to.extend_from_slice(&stream.to_be_bytes());
    to.extend_from_slice(payload);
}

/// `POST` to a method, in HPACK without compression.
fn request() -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    for (index, value) in [
        (0x04_u8, "/hookwright.v1.WebhookService/ListWebhooks"),
        (0x01, "localhost"),
    ] {
        block.push(index);
        block.push(u8::try_from(value.len()).unwrap());
        block.extend_from_slice(value.as_bytes());
    }
    block.extend_from_slice(b"\x00\x0ccontent-type\x10application/grpc\x00\x02te\x08trailers");
    block
}

fn noise(random: &mut StdRng, bytes_max: usize) -> Vec<u8> {
    let mut bytes = vec![0; random.random_range(0..bytes_max)];
    random.fill_bytes(&mut bytes);
    bytes
}
