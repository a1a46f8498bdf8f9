//! The service under test, as a process of its own.

use std::{
    fs::{self, OpenOptions},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rand::RngExt as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{args::CommonArgs, store::Store};

/// How to start the service, once or again.
#[derive(Clone, Debug)]
pub(crate) struct ServiceSpec {
    binary: PathBuf,
    args: Vec<String>,
    /// `None`: the store is in the arguments.
    database_url: Option<String>,
    address: SocketAddr,
    log: PathBuf,
}

impl ServiceSpec {
    /// A service at an address of its own. `log` is appended to.
    pub(crate) fn new(common: &CommonArgs, store: &Store, log: PathBuf) -> Result<Self> {
        let address = free_address()?;
        let mut args: Vec<String> = [
            "serve",
            "--listen",
            &address.to_string(),
            "--allow-http",
            "--allow-private-targets",
        ]
        .map(Into::into)
        .into();
        let database_url = match store {
            Store::Postgres(database) => Some(database.url().to_owned()),
            Store::Sqlite(folder) => {
                args.extend([
                    "--store".into(),
                    format!("sqlite:{}", Store::sqlite_file(folder).display()),
                ]);
                None
            }
        };
        args.extend(common.service_arg.iter().cloned());
        Ok(Self {
            binary: common.service_binary.clone(),
            args,
            database_url,
            address,
            log,
        })
    }

    /// The same, where every call needs a key.
    pub(crate) fn asking_for_keys(mut self) -> Self {
        self.args.extend(["--auth".into(), "keys".into()]);
        self
    }

    /// Makes a key in the store, as an operator does before the first start.
    pub(crate) async fn make_key(&self, scope: &str) -> Result<String> {
        let mut command = Command::new(&self.binary);
        command.args(["keys", "create", "bench", "--scope", scope, "--store"]);
        if self.database_url.is_none() {
            let store = self.args.iter().position(|arg| arg == "--store");
            command.args(store.and_then(|place| self.args.get(place + 1)));
        }
        let made = self.with_database(&mut command).output().await?;
        if !made.status.success() {
            bail!("no key was made: {}", String::from_utf8_lossy(&made.stderr));
        }
        Ok(String::from_utf8(made.stdout)?.trim().to_owned())
    }

    fn with_database<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        // It would win over what the test has chosen.
        command.env_remove("HOOKWRIGHT_STORE");
        match &self.database_url {
            Some(url) => command.env("DATABASE_URL", url),
            None => command.env_remove("DATABASE_URL"),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://host:port`, for gRPC clients.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A running service; killed on drop.
#[derive(Debug)]
pub(crate) struct Service {
    spec: ServiceSpec,
    child: Child,
    pid: u32,
}

impl Service {
    pub(crate) fn start(spec: &ServiceSpec) -> Result<Self> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&spec.log)
            .with_context(|| format!("opening {}", spec.log.display()))?;
        let mut command = Command::new(&spec.binary);
        command
            .args(&spec.args)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        let child = spec
            .with_database(&mut command)
            .spawn()
            .with_context(|| format!("starting {}", spec.binary.display()))?;
        let pid = child.id().context("the service ended at once")?;
        Ok(Self {
            spec: spec.clone(),
            child,
            pid,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until the service says that it serves.
    pub(crate) async fn ready(&mut self) -> Result<()> {
        let channel = Endpoint::from_shared(self.spec.url())?
            .connect_timeout(Duration::from_secs(1))
            .connect_lazy();
        let mut health = HealthClient::new(channel);
        let serving = async {
            loop {
                if let Some(status) = self.child.try_wait()? {
                    bail!("the service ended with {status}:\n{}", tail(&self.spec.log));
                }
                let answer = health.check(HealthCheckRequest::default()).await;
                if answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving) {
                    return Ok(());
                }
                sleep(POLL).await;
            }
        };
        let Ok(served) = timeout(READY_WITHIN, serving).await else {
            bail!(
                "the service does not serve after {READY_WITHIN:?}:\n{}",
                tail(&self.spec.log)
            );
        };
        served
    }

    /// SIGKILL: no destructor, no flush, no goodbye.
    pub(crate) async fn kill(mut self) -> Result<()> {
        self.child.kill().await.context("killing the service")
    }

    /// SIGTERM. Returns what is wrong with how it ended, if anything.
    pub(crate) async fn stop(mut self) -> Result<Option<String>> {
        let pid = i32::try_from(self.pid)
            .ok()
            .and_then(Pid::from_raw)
            .context("the service has no process id")?;
        kill_process(pid, Signal::TERM)?;
        if let Ok(status) = timeout(STOPPED_WITHIN, self.child.wait()).await {
            let status = status?;
            return Ok((!status.success()).then(|| format!("after SIGTERM the service ended with {status}")));
        }
        self.child.kill().await?;
        Ok(Some(format!(
            "the service was still running {STOPPED_WITHIN:?} after SIGTERM"
        )))
    }
}

/// A port that nothing listens on and no outgoing connection is given.
///
/// Systems hand out ports from 32768 (Linux) or 49152 on to outgoing connections. Below, nobody can take the service's
/// port between its death and its restart, and no client that tries to reconnect can end up connected to itself.
fn free_address() -> Result<SocketAddr> {
    for _ in 0..100 {
        let address = SocketAddr::from(([127, 0, 0, 1], rand::rng().random_range(20_000..32_000)));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no free port from 20000 to 31999")
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// Fine enough to time a restart with.
const POLL: Duration = Duration::from_millis(5);
const READY_WITHIN: Duration = Duration::from_mins(1);
/// Longer than the service gives attempts that are under way.
const STOPPED_WITHIN: Duration = Duration::from_mins(1);
