//! SIGHUP, as service managers and people on call send it when files have changed.

use std::{net::SocketAddr, time::Duration};

use tokio::process::Command;

use super::{
    raw::{get, secure},
    served::Served,
    tls::{FOREVER, Files, connect},
};
use crate::{
    adversarial::tls_server::Authority,
    command_line::binary,
    harness::{Database, PATIENCE, config, until},
};

async fn serve(data: &str, more: &[&str]) -> Served {
    let mut serve = Command::new(binary());
    serve.args(["serve", "--listen", "127.0.0.1:0", "--data", data]);
    Served::start(serve.args(more)).await
}

fn address(served: &Served) -> SocketAddr {
    let (_, address) = served.url.split_once("://").unwrap();
    address.parse().unwrap()
}

async fn signal(served: &Served, name: &str) {
    let arguments = [format!("-{name}"), served.id().to_string()];
    let sent = Command::new("kill").args(arguments).status().await;
    assert!(sent.unwrap().success());
}

async fn stop(mut served: Served) {
    signal(&served, "TERM").await;
    served.until_told("stopped").await;
    let status = tokio::time::timeout(PATIENCE, served.child.wait())
        .await
        .unwrap()
        .unwrap();
    assert!(status.success(), "{status}");
}

/// `systemctl reload`, or a terminal that is closed, would end the service and every delivery under way with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_tls_it_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut served = serve(folder.path().join("data.db").to_str().unwrap(), &[]).await;
    for _ in 0..3 {
        signal(&served, "HUP").await;
        served
            .until_told("SIGHUP: there is nothing to be read again")
            .await;
    }
    crate::harness::Client::connect(served.url.clone()).await.unwrap();
    stop(served).await;
}

/// Who has replaced a certificate that is about to expire would not know whether it is in use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_tls_the_files_are_read_again() {
    let (first, second) = (Authority::new(), Authority::new());
    let files = Files::new(&first.issue("127.0.0.1", FOREVER), None);
    let (certificate, key) = (files.path("cert.pem"), files.path("key.pem"));
    let tls = ["--tls-cert", certificate.as_str(), "--tls-key", key.as_str()];
    let mut served = serve(&files.path("data.db"), &tls).await;
    signal(&served, "HUP").await;
    served.until_told("the TLS files are the ones in use").await;

    // The key of another one, as it is between two copies.
    std::fs::write(&key, second.issue("127.0.0.1", FOREVER).key_pem()).unwrap();
    signal(&served, "HUP").await;
    served.until_told("the new TLS files cannot be used").await;
    let mut stream = secure(address(&served), &first, None).await.unwrap();
    assert!(get(&mut stream).await.unwrap().starts_with("HTTP/1.1 "));

    files.write(&second.issue("127.0.0.1", FOREVER));
    signal(&served, "HUP").await;
    served.until_told("new TLS files are in use").await;
    let mut stream = secure(address(&served), &second, None).await.unwrap();
    assert!(get(&mut stream).await.unwrap().starts_with("HTTP/1.1 "));
    stop(served).await;
}

/// It would be the interval that reads the files, and asking would be of no use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_does_not_wait_for_the_interval() {
    let (first, second) = (Authority::new(), Authority::new());
    let files = Files::new(&first.issue("127.0.0.1", FOREVER), None);
    let database = Database::sqlite();
    let mut config = config(database.address());
    let mut tls = files.tls();
    tls.reload_interval = Duration::from_hours(1);
    config.tls = Some(tls);
    let server = hookwright_server::Server::start(config).await.unwrap();
    connect(&server, &first).await.unwrap();
    files.write(&second.issue("127.0.0.1", FOREVER));
    assert!(server.reload());
    until("the new certificate is shown", async || {
        connect(&server, &second).await.is_ok()
    })
    .await;
    server.stop().await.unwrap();
    database.remove().await;
}
