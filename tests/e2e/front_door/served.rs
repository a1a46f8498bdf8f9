//! A process whose log is read.

use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStderr, Command},
};

use crate::harness::PATIENCE;

/// A `hookwright serve`, killed when dropped.
pub(super) struct Served {
    pub(super) child: Child,
    pub(super) url: String,
    log: Lines<BufReader<ChildStderr>>,
}

impl Served {
    /// Starts what runs it, and waits until it serves.
    pub(super) async fn start(serve: &mut Command) -> Self {
        let mut child = serve
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

    pub(super) fn id(&self) -> u32 {
        self.child.id().expect("a running process")
    }

    /// Reads the log until this is told.
    pub(super) async fn until_told(&mut self, text: &str) {
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
}
