//! A store that goes away for a while.

use std::{
    borrow::Cow,
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
};

use hookwright_store::StoreAddress;
use sqlx::{Connection as _, SqliteConnection};

use crate::harness::Database;

pub(crate) enum BreakableStore {
    Postgresql(PrivateServer),
    Sqlite {
        address: StoreAddress,
        /// Another process would do the same: an open write transaction keeps all others from writing.
        intruder: SqliteConnection,
    },
}

impl BreakableStore {
    /// Of the kind that this database is. PostgreSQL gets a server of its own, because others use that one.
    pub(crate) async fn like(database: &Database) -> Self {
        match database.address() {
            StoreAddress::Postgres(_) => Self::Postgresql(PrivateServer::start()),
            StoreAddress::Sqlite(path) => Self::Sqlite {
                address: database.address().clone(),
                intruder: SqliteConnection::connect(&format!("sqlite:{}?mode=rwc", path.display()))
                    .await
                    .unwrap(),
            },
        }
    }

    pub(crate) fn address(&self) -> &StoreAddress {
        match self {
            Self::Postgresql(server) => &server.address,
            Self::Sqlite { address, .. } => address,
        }
    }

    pub(crate) async fn fail(&mut self) {
        match self {
            Self::Postgresql(server) => server.stop("immediate"),
            Self::Sqlite { intruder, .. } => execute(intruder, "begin immediate").await,
        }
    }

    pub(crate) async fn come_back(&mut self) {
        match self {
            // `restart` takes the options of the last start; that it does not run is no error.
            Self::Postgresql(server) => assert!(server.pg_ctl(&["restart"])),
            Self::Sqlite { intruder, .. } => execute(intruder, "rollback").await,
        }
    }
}

async fn execute(connection: &mut SqliteConnection, statement: &'static str) {
    // Others write at the same time: their turns end.
    while let Err(error) = sqlx::query(statement).execute(&mut *connection).await {
        let code = error
            .as_database_error()
            .and_then(|error| error.code().map(Cow::into_owned));
        assert!(
            code.as_deref().is_some_and(|code| code.starts_with('5')),
            "{error}"
        );
    }
}

/// A PostgreSQL server that syncs to disk, gone when dropped.
pub(crate) struct PrivateServer {
    address: StoreAddress,
    data: PathBuf,
    programs: PathBuf,
    /// The script that started it stops and removes it when its command ends: when nothing can be read any more.
    script: Child,
    stdin: Option<ChildStdin>,
    environment: Vec<(String, String)>,
}

impl PrivateServer {
    fn start() -> Self {
        Self::start_in(&[])
    }

    /// With a server that has these variables in its environment, too.
    pub(crate) fn start_in(environment: &[(&str, &str)]) -> Self {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let print = r#"echo "$HOOKWRIGHT_TEST_POSTGRES"; echo "$HOOKWRIGHT_TEST_POSTGRES_DATA"; echo "$HOOKWRIGHT_TEST_POSTGRES_BIN"; exec cat"#;
        let mut script = Command::new(format!("{root}/scripts/with-postgres"))
            .args(["--durable", "sh", "-c", print])
            .env_remove("HOOKWRIGHT_TEST_POSTGRES")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = script.stdin.take();
        let mut lines = BufReader::new(script.stdout.take().unwrap()).lines();
        let mut line = || lines.next().expect("PostgreSQL did not start").unwrap();
        Self {
            address: line().parse().unwrap(),
            data: line().into(),
            programs: line().into(),
            script,
            stdin,
            environment: environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    pub(crate) fn address(&self) -> &StoreAddress {
        &self.address
    }

    /// `immediate`: nothing is flushed, as in a crash. `fast`: in order, but nobody is waited for.
    pub(crate) fn stop(&self, mode: &str) {
        assert!(self.pg_ctl(&["-m", mode, "stop"]));
    }

    /// A server that cannot write its log ends, and somebody has to start it again.
    pub(crate) fn start_again_if_down(&self) {
        if !self.pg_ctl(&["status"]) {
            assert!(self.pg_ctl(&["restart"]));
        }
    }

    /// As the user whose server it is: PostgreSQL's programs refuse to be run by root. Returns once it is done, whether it was.
    fn pg_ctl(&self, arguments: &[&str]) -> bool {
        let folder = self.data.parent().unwrap();
        let owner = fs::metadata(&self.data).unwrap();
        let myself = fs::metadata("/proc/self").map_or(owner.uid(), |myself| myself.uid());
        let program = self.programs.join("pg_ctl");
        let mut command = if owner.uid() == myself {
            Command::new(program)
        } else {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid", &owner.uid().to_string()])
                .args(["--regid", &owner.gid().to_string(), "--clear-groups"])
                .arg(program);
            command
        };
        let status = command
            .arg("-D")
            .arg(&self.data)
            .arg("-l")
            .arg(folder.join("server.log"))
            .arg("-w")
            .args(arguments)
            .current_dir(folder)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        status.success()
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.script.wait();
    }
}
