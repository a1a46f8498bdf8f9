//! The commands with which a guide's reader tries an endpoint by hand. Their signature is none, and says so.

use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use super::{commands::Place, guide::Guide};
use crate::{command_line::binary, harness::PATIENCE};

/// A receiver that verifies: that of `hookwright dev`.
struct Endpoint {
    child: Child,
    url: String,
}

impl Endpoint {
    async fn start(profile: &str) -> Self {
        let mut child = Command::new(binary())
            .args(["dev", "--listen", "127.0.0.1:0", "--profile", profile])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let found = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                let told = line.split_once(" delivers everything to ");
                if let Some((_, rest)) = told {
                    return rest.split_once(" as ").unwrap().0.to_owned();
                }
            }
            panic!("`hookwright dev` ended before it said where it delivers to");
        };
        let url = tokio::time::timeout(PATIENCE, found).await.unwrap();
        // What it goes on to print has to go somewhere.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { child, url }
    }

    async fn stop(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// The receivers in the guides end with a 500 here, which has a platform send the same thing again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_that_is_none_is_refused_and_breaks_nothing() {
    for (profile, endpoint) in [
        ("filedgr", "https://yourapp.com/webhooks/filedgr"),
        ("generic", "http://localhost:3000/webhook"),
        ("aetherflow", "http://your-endpoint.com/webhook"),
    ] {
        let receiver = Endpoint::start(profile).await;
        let mut place = Place::new(String::new(), None);
        place.replace(endpoint, &receiver.url);
        let guide = Guide::read(profile);
        let answered = place
            .run(&guide.section("Trying the endpoint by hand").command)
            .await;
        assert_eq!(answered.status, 401, "{profile}: {}", answered.body);
        receiver.stop().await;
    }
}
