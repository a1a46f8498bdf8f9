//! A process that may not have many files open.

use std::{fs, process::Stdio};

use futures_util::{StreamExt as _, stream};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpStream,
    process::{Child, ChildStderr, Command},
};

use super::assert_served;
use crate::{
    command_line::binary,
    harness::{Client, PATIENCE, until},
};

/// A `hookwright serve` that was started with few files.
struct Served {
    child: Child,
    url: String,
    log: BufReader<ChildStderr>,
}

impl Served {
    async fn start(data: &str, files_max: usize) -> Self {
        let serve = format!("ulimit -n {files_max} && exec \"$0\" serve --listen 127.0.0.1:0 --data \"$1\"");
        let mut child = Command::new("bash")
            .args(["-c", &serve])
            .arg(binary())
            .arg(data)
            .env_remove("DATABASE_URL")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, told.next_line()).await.unwrap();
        let line = line.unwrap().expect("a first line");
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        Self { child, url, log }
    }

    fn id(&self) -> u32 {
        self.child.id().expect("it has ended")
    }

    fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }

    /// From now on it gets this many more files.
    async fn leave(&self, files: usize) {
        let (id, limit) = (self.id().to_string(), (self.open_files() + files).to_string());
        let arguments = ["--pid", id.as_str(), &format!("--nofile={limit}:{limit}")].map(str::to_owned);
        let set = Command::new("prlimit").args(arguments).status().await.unwrap();
        assert!(set.success());
    }

    async fn until_told(&mut self, text: &str) {
        let mut line = String::new();
        let telling = async {
            while !line.contains(text) {
                line.clear();
                assert_ne!(
                    self.log.read_line(&mut line).await.unwrap(),
                    0,
                    "the log ends without {text:?}"
                );
            }
        };
        tokio::time::timeout(PATIENCE, telling)
            .await
            .unwrap_or_else(|_| panic!("never told: {text}"));
    }

    /// Whether no thread has anything to do.
    fn rests(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.id())).unwrap();
        threads.flatten().all(|thread| {
            // One that has ended meanwhile does nothing either. The name in parentheses may have anything in it.
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ")
                .is_none_or(|(_, rest)| !rest.starts_with('R'))
        })
    }
}

/// Whoever opens more connections than the system gives us files for would end the service, or have it use up a processor
/// with trying; or it would not come back when they are gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_out_of_files_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let mut served = Served::start(folder.path().join("data.db").to_str().unwrap(), 256).await;
    let address = served.url.strip_prefix("http://").unwrap().to_owned();
    let mut good = Client::connect(served.url.clone()).await.unwrap();
    assert_served(&mut good).await;

    served.leave(4).await;
    // The system takes them for us, and keeps those in line that we cannot have.
    let many: Vec<_> = stream::iter(0..40)
        .map(|_| TcpStream::connect(&address))
        .buffer_unordered(40)
        .collect()
        .await;
    assert!(many.iter().all(Result::is_ok));
    served.until_told("no connection can be accepted").await;
    // A loop without end would never be found asleep.
    for _ in 0..50 {
        until("it rests", async || served.rests()).await;
    }
    assert_served(&mut good).await;

    drop(many);
    until("others are served again", async || {
        match Client::connect(served.url.clone()).await {
            Ok(mut client) => client
                .list_webhooks(hookwright_proto::v1::ListWebhooksRequest::default())
                .await
                .is_ok(),
            Err(_) => false,
        }
    })
    .await;
    assert_served(&mut good).await;
    assert!(served.child.try_wait().unwrap().is_none());
}
