//! Our own processes: receiver and publisher, apart from us so that their CPU time is theirs alone.

use std::{env, net::SocketAddr, path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::{
    args::Behaviour,
    plan::Plan,
    receiver::{Hello, Progress},
    records::{self, Arrival, Publication},
};

/// A running receiver; killed on drop.
#[derive(Debug)]
pub(crate) struct ReceiverProcess {
    pid: u32,
    address: SocketAddr,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    /// Kills the process when it goes.
    _child: Child,
}

impl ReceiverProcess {
    pub(crate) async fn start(behaviour: &Behaviour) -> Result<Self> {
        let mut child = ourselves("receiver")?
            .args(behaviour.to_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the receiver")?;
        let commands = child.stdin.take().context("the receiver has no input")?;
        let answers = BufReader::new(child.stdout.take().context("the receiver has no output")?).lines();
        let mut receiver = Self {
            pid: child.id().context("the receiver ended at once")?,
            address: ([127, 0, 0, 1], 0).into(),
            commands,
            answers,
            _child: child,
        };
        let hello: Hello = serde_json::from_str(&receiver.answer().await?)?;
        receiver.address = hello.address;
        Ok(receiver)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn progress(&mut self) -> Result<Progress> {
        Ok(serde_json::from_str(&self.ask("progress").await?)?)
    }

    /// Everything that has arrived so far, in order. `file` is overwritten.
    pub(crate) async fn arrivals(&mut self, file: &Path) -> Result<Vec<Arrival>> {
        let count = self.ask(&format!("dump {}", file.display())).await?;
        let arrivals = records::read(file)?;
        ensure!(
            count == arrivals.len().to_string(),
            "the receiver wrote {count} records, we read {}",
            arrivals.len()
        );
        Ok(arrivals)
    }

    async fn ask(&mut self, command: &str) -> Result<String> {
        self.commands
            .write_all(format!("{command}\n").as_bytes())
            .await
            .context("the receiver is gone")?;
        self.answer().await
    }

    async fn answer(&mut self) -> Result<String> {
        let line = timeout(ANSWER_WITHIN, self.answers.next_line())
            .await
            .context("the receiver does not answer")??;
        line.context("the receiver ended")
    }
}

/// A running publisher; killed on drop.
#[derive(Debug)]
pub(crate) struct PublisherProcess {
    child: Child,
    pid: u32,
}

impl PublisherProcess {
    pub(crate) async fn start(plan: &Plan) -> Result<Self> {
        let mut child = ourselves("publisher")?
            .stdin(Stdio::piped())
            .spawn()
            .context("starting the publisher")?;
        let pid = child.id().context("the publisher ended at once")?;
        let mut input = child.stdin.take().context("the publisher has no input")?;
        input.write_all(&serde_json::to_vec(plan)?).await?;
        // The end of the input ends the plan.
        drop(input);
        Ok(Self { child, pid })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until every publish has been answered or given up, at most for `limit`.
    pub(crate) async fn finish(mut self, plan: &Plan, limit: Duration) -> Result<Vec<Publication>> {
        let status = timeout(limit, self.child.wait())
            .await
            .context("the publisher does not end")??;
        if !status.success() {
            bail!("the publisher ended with {status}");
        }
        records::read(&plan.output)
    }
}

fn ourselves(subcommand: &str) -> Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.arg(subcommand).kill_on_drop(true);
    Ok(command)
}

/// Writing some millions of records takes seconds.
const ANSWER_WITHIN: Duration = Duration::from_mins(1);
