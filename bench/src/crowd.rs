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
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
    task::JoinSet,
};
use tonic::{Request, transport::Endpoint};

/// What they do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Begin a request over HTTP/1 and go on with it a byte at a time. When they are hung up on, they come again.
    SlowHeads,
    /// Publish far more than the service takes.
    LargeMessages,
    /// Publish what is no event, with a key that is none.
    BadRequests,
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
    /// Returns when all of them have begun.
    pub(crate) fn gather(kind: Kind, size: u32, address: SocketAddr) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let done = Arc::new(AtomicU64::new(0));
        let mut members = JoinSet::new();
        for _ in 0..size {
            members.spawn_on(act(kind, address, Arc::clone(&done)), runtime.handle());
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

async fn act(kind: Kind, address: SocketAddr, done: Arc<AtomicU64>) {
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
        Kind::LargeMessages | Kind::BadRequests => publish(kind, address, &count).await,
    }
}

async fn publish(kind: Kind, address: SocketAddr, count: &impl Fn()) {
    // An address is a URL.
    let Ok(endpoint) = Endpoint::from_shared(format!("http://{address}")) else {
        return;
    };
    let mut client = WebhookServiceClient::new(endpoint.connect_lazy());
    let event = PublishRequest {
        event_type: "not an event type".to_owned(),
        payload: match kind {
            Kind::LargeMessages => vec![b' '; LARGE_BYTES].into(),
            Kind::BadRequests | Kind::SlowHeads | Kind::Idle => Vec::new().into(),
        },
        ..PublishRequest::default()
    };
    loop {
        let mut request = Request::new(event.clone());
        request.metadata_mut().insert(
            "authorization",
            tonic::metadata::MetadataValue::from_static(BAD_KEY),
        );
        let _ = client.publish(request).await;
        count();
    }
}

const LARGE_BYTES: usize = 8 << 20;
const BAD_KEY: &str = "Bearer hwk_of_nobody";
const GATHERED_WITHIN: Duration = Duration::from_mins(1);
