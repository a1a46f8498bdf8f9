//! Receivers that need not speak HTTP.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use hookwright_proto::v1;

use crate::harness::{Database, delivery_when, publish, register, start, webhook};

/// Bytes that are written again and again, and the pause between them.
pub(crate) type Drip = Option<(&'static [u8], Duration)>;

/// Serves raw bytes to each connection once it has said something: the beginning at once, then `drip` again and again.
pub(crate) fn raw_server(beginning: impl Into<Vec<u8>>, drip: Drip) -> String {
    counting_server(beginning, drip).0
}

/// Tells how many bytes could be written to all connections that have ended, too.
pub(crate) fn counting_server(beginning: impl Into<Vec<u8>>, drip: Drip) -> (String, Arc<AtomicUsize>) {
    let beginning: Arc<[u8]> = beginning.into().into();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    let written = Arc::new(AtomicUsize::new(0));
    let total = Arc::clone(&written);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            let (beginning, total) = (Arc::clone(&beginning), Arc::clone(&total));
            thread::spawn(move || drop(talk(stream, &beginning, drip, &total)));
        }
    });
    (url, written)
}

fn talk(mut stream: TcpStream, beginning: &[u8], drip: Drip, total: &AtomicUsize) -> std::io::Result<()> {
    let mut buffer = [0; 8_192];
    let _ = stream.read(&mut buffer)?;
    stream.write_all(beginning)?;
    while let Some((bytes, pause)) = drip {
        let written = stream.write(bytes)?;
        total.fetch_add(written, Ordering::Relaxed);
        thread::park_timeout(pause);
    }
    stream.shutdown(Shutdown::Write)?;
    // Closing with unread bytes would reset the connection and might take back what was written.
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

/// Delivers one event to this URL; no retries.
pub(crate) async fn only_attempt(database: &Database, url: String, timeout: Duration) -> v1::Attempt {
    attempt_with(database, url, timeout, |_| {}).await
}

/// Like [`only_attempt`], with further settings.
pub(crate) async fn attempt_with(
    database: &Database,
    url: String,
    timeout: Duration,
    set: impl FnOnce(&mut v1::Webhook),
) -> v1::Attempt {
    let (server, mut client) = start(database).await;
    let mut wanted = v1::Webhook {
        timeout: Some(timeout.into()),
        ..webhook(url, "generic", &[])
    };
    set(&mut wanted);
    let (id, _) = register(&mut client, wanted).await;
    let event = publish(&mut client, "user.created", "{}").await;
    let found = crate::harness::deliveries_when(&mut client, &event, |delivery| {
        matches!(
            delivery.state(),
            v1::DeliveryState::Dead | v1::DeliveryState::Delivered
        )
    })
    .await;
    let found = delivery_when(&mut client, &event, found[0].state()).await;
    client
        .delete_webhook(v1::DeleteWebhookRequest {
            id,
            ..v1::DeleteWebhookRequest::default()
        })
        .await
        .unwrap();
    server.stop().await.unwrap();
    assert_eq!(found.attempts.len(), 1);
    found.attempts[0].clone()
}
