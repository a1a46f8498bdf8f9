//! A process that may not have many files open.

use std::fs;

use futures_util::{StreamExt as _, stream};
use tokio::{net::TcpStream, process::Command};

use super::{assert_served, served::Served};
use crate::{
    command_line::binary,
    harness::{Client, until},
};

/// A service that was started with so many files.
async fn serve(data: &str, files_max: usize) -> Served {
    let serve = format!("ulimit -n {files_max} && exec \"$0\" serve --listen 127.0.0.1:0 --data \"$1\"");
    let mut bash = Command::new("bash");
    Served::start(bash.args(["-c", &serve]).arg(binary()).arg(data)).await
}

/// From now on it gets this many more files.
async fn leave(served: &Served, files: usize) {
    let open = fs::read_dir(format!("/proc/{}/fd", served.id())).unwrap().count();
    let limit = open + files;
    let arguments = [
        format!("--pid={}", served.id()),
        format!("--nofile={limit}:{limit}"),
    ];
    let set = Command::new("prlimit").args(arguments).status().await.unwrap();
    assert!(set.success());
}

/// Whether no thread has anything to do.
fn rests(served: &Served) -> bool {
    let threads = fs::read_dir(format!("/proc/{}/task", served.id())).unwrap();
    threads.flatten().all(|thread| {
        // One that has ended meanwhile does nothing either. The name in parentheses may have anything in it.
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ")
            .is_none_or(|(_, rest)| !rest.starts_with('R'))
    })
}

/// Whoever opens more connections than the system gives us files for would end the service, or have it use up a processor
/// with trying; or it would not come back when they are gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_out_of_files_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let mut served = serve(folder.path().join("data.db").to_str().unwrap(), 256).await;
    let address = served.url.strip_prefix("http://").unwrap().to_owned();
    let mut good = Client::connect(served.url.clone()).await.unwrap();
    assert_served(&mut good).await;

    leave(&served, 4).await;
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
        until("it rests", async || rests(&served)).await;
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
