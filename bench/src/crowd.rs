//! Clients that mean ill, on a thread of their own.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context as _, Result};
use hookwright_proto::v1::{PublishRequest, webhook_service_client::WebhookServiceClient};
use time::OffsetDateTime;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
    task::JoinSet,
};
use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
    transport::Endpoint,
};

use crate::{key::EventKey, publisher::EVENT_TYPE};

/// What they do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Begin a request over HTTP/1 and go on with it a byte at a time. When they are hung up on, they come again.
    SlowHeads,
    /// Publish far more than the service takes, with a key that is good.
    LargeMessages,
    /// Publish with keys that look as if they had been made just now: the store has to be asked for those.
    BadKeys,
    /// Open HTTP/2, and that is all.
    Idle,
}

/// Some of them, until they are sent away.
#[derive(Debug)]
pub(crate) struct Crowd {
    done: Arc<AtomicU64>,
    over: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Crowd {
    /// Returns when all of them have begun. `key` is a good one.
    pub(crate) fn gather(
        kind: Kind,
        size: u32,
        address: SocketAddr,
        key: &MetadataValue<Ascii>,
    ) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let done = Arc::new(AtomicU64::new(0));
        let mut members = JoinSet::new();
        for _ in 0..size {
            members.spawn_on(
                act(kind, address, key.clone(), Arc::clone(&done)),
                runtime.handle(),
            );
        }
        let (over, is_over) = oneshot::channel();
        let (begun, has_begun) = std::sync::mpsc::channel();
        let counted = Arc::clone(&done);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                while counted.load(Ordering::Relaxed) < u64::from(size) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                // Whoever waits may be gone, and then so is the reason to go on.
                if begun.send(()).is_ok() {
                    let _ = is_over.await;
                }
                members.abort_all();
            });
        });
        has_begun
            .recv_timeout(GATHERED_WITHIN)
            .context("the crowd does not get through")?;
        Ok(Self { done, over, thread })
    }

    /// What they got done.
    pub(crate) fn disperse(self) -> u64 {
        let _ = self.over.send(());
        let _ = self.thread.join();
        self.done.load(Ordering::Relaxed)
    }
}

async fn act(kind: Kind, address: SocketAddr, key: MetadataValue<Ascii>, done: Arc<AtomicU64>) {
    let count = || {
        done.fetch_add(1, Ordering::Relaxed);
    };
    match kind {
        Kind::SlowHeads => loop {
            let Ok(mut stream) = TcpStream::connect(address).await else {
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            };
            let begun = stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nx-slow: ").await;
            count();
            if begun.is_ok() {
                while stream.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        },
        Kind::Idle => loop {
            let Ok(mut stream) = TcpStream::connect(address).await else {
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            };
            let _ = stream
                .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
                .await;
            count();
            // Until the service has had enough.
            while stream.read(&mut [0; 1_024]).await.is_ok_and(|read| read > 0) {}
        },
        Kind::LargeMessages => publish(address, vec![b' '; LARGE_BYTES], || Some(key.clone()), &count).await,
        Kind::BadKeys => publish(address, Vec::new(), key_of_nobody, &count).await,
    }
}

async fn publish(
    address: SocketAddr,
    payload: Vec<u8>,
    key: impl Fn() -> Option<MetadataValue<Ascii>>,
    count: &impl Fn(),
) {
    // An address is a URL.
    let Ok(endpoint) = Endpoint::from_shared(format!("http://{address}")) else {
        return;
    };
    let mut client = WebhookServiceClient::new(endpoint.connect_lazy());
    let event = PublishRequest {
        event_type: EVENT_TYPE.into(),
        payload: payload.into(),
        ..PublishRequest::default()
    };
    loop {
        let mut request = Request::new(event.clone());
        if let Some(key) = key() {
            request.metadata_mut().insert("authorization", key);
        }
        let _ = client.publish(request).await;
        count();
    }
}

/// As a key of this millisecond would be sent: its id, which is a `UUIDv7`, and 52 digits.
fn key_of_nobody() -> Option<MetadataValue<Ascii>> {
    let millis = u128::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).ok()?;
    let version_and_variant = (7 << 76) | (1 << 63);
    let random = u128::from(rand::random::<u32>());
    let id = EventKey((millis << 80) | version_and_variant | random);
    format!("Bearer {}{:052}", id.prefixed("hwk"), 0).parse().ok()
}

const LARGE_BYTES: usize = 8 << 20;
const GATHERED_WITHIN: Duration = Duration::from_mins(1);
