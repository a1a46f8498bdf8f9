//! SIGHUP, as service managers and people on call send it when files have changed.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStderr, Command},
};

use super::{
    raw::{get, secure},
    tls::{FOREVER, Files, connect},
};
use crate::{
    adversarial::tls_server::Authority,
    command_line::binary,
    harness::{Database, PATIENCE, config, until},
};

/// A `hookwright serve` of which the log is read.
struct Served {
    child: Child,
    url: String,
    log: Lines<BufReader<ChildStderr>>,
}

impl Served {
    async fn start(data: &str, more: &[&str]) -> Self {
        let mut child = Command::new(binary())
            .args(["serve", "--listen", "127.0.0.1:0", "--data", data])
            .args(more)
            .env_remove("DATABASE_URL")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, told.next_line()).await.unwrap();
        let line = line.unwrap().expect("a first line");
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        Self { child, url, log }
    }

    fn address(&self) -> SocketAddr {
        let (_, address) = self.url.split_once("://").unwrap();
        address.parse().unwrap()
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().expect("a running process").to_string();
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &id])
            .status()
            .await;
        assert!(sent.unwrap().success());
    }

    /// Reads the log until this is told.
    async fn until_told(&mut self, text: &str) {
        let telling = async {
            while let Some(line) = self.log.next_line().await.unwrap() {
                if line.contains(text) {
                    return;
                }
            }
            panic!("the log ends without {text:?}");
        };
        tokio::time::timeout(PATIENCE, telling)
            .await
            .unwrap_or_else(|_| panic!("never told: {text}"));
    }

    async fn stop(mut self) {
        self.signal("TERM").await;
        self.until_told("stopped").await;
        let status = tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .unwrap()
            .unwrap();
        assert!(status.success(), "{status}");
    }
}

/// `systemctl reload`, or a terminal that is closed, would end the service and every delivery under way with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_tls_it_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut served = Served::start(folder.path().join("data.db").to_str().unwrap(), &[]).await;
    for _ in 0..3 {
        served.signal("HUP").await;
        served
            .until_told("SIGHUP: there is nothing to be read again")
            .await;
    }
    crate::harness::Client::connect(served.url.clone()).await.unwrap();
    served.stop().await;
}

/// Who has replaced a certificate that is about to expire would not know whether it is in use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_tls_the_files_are_read_again() {
    let (first, second) = (Authority::new(), Authority::new());
    let files = Files::new(&first.issue("127.0.0.1", FOREVER), None);
    let (certificate, key) = (files.path("cert.pem"), files.path("key.pem"));
    let tls = ["--tls-cert", certificate.as_str(), "--tls-key", key.as_str()];
    let mut served = Served::start(&files.path("data.db"), &tls).await;
    served.signal("HUP").await;
    served.until_told("the TLS files are the ones in use").await;

    // The key of another one, as it is between two copies.
    std::fs::write(&key, second.issue("127.0.0.1", FOREVER).key_pem()).unwrap();
    served.signal("HUP").await;
    served.until_told("the new TLS files cannot be used").await;
    let mut stream = secure(served.address(), &first, None).await.unwrap();
    assert!(get(&mut stream).await.unwrap().starts_with("HTTP/1.1 "));

    files.write(&second.issue("127.0.0.1", FOREVER));
    served.signal("HUP").await;
    served.until_told("new TLS files are in use").await;
    let mut stream = secure(served.address(), &second, None).await.unwrap();
    assert!(get(&mut stream).await.unwrap().starts_with("HTTP/1.1 "));
    served.stop().await;
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
