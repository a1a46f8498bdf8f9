//! Filled stores that are kept for further runs: copying the files of one takes seconds, filling it takes minutes.
//!
//! A database of PostgreSQL is kept as another database of the same server, a file of SQLite next to its description.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::{Contents, DeadReceiver, Death, Filled, PreparedArgs};
use crate::{
    args::{CommonArgs, StoreKind},
    bed::Bed,
    clock::Moment,
    postgres::Database,
    report::{Figure, megabytes},
    store::Store,
};

/// Where a store with certain contents is kept, if it is.
#[derive(Debug)]
pub(super) struct Place {
    folder: PathBuf,
    /// Says the store's kind and all that its rows depend on.
    name: String,
}

/// Written last: where it is, a whole store is.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    contents: Contents,
    receiver: SocketAddr,
    /// The database's name; a file has that of its place.
    database: Option<String>,
}

impl Place {
    pub(super) fn new(folder: &Path, wanted: &PreparedArgs, common: &CommonArgs) -> Self {
        let store = match common.store {
            StoreKind::Postgres => "postgres",
            StoreKind::Sqlite => "sqlite",
        };
        let PreparedArgs {
            future_retries,
            due_on_dead_webhook,
            dead_webhook,
        } = wanted;
        Self {
            folder: folder.to_owned(),
            name: format!(
                "{store}-{future_retries}-{due_on_dead_webhook}-{dead_webhook:?}-{}-{}",
                common.publishing.payload_bytes, common.profile
            ),
        }
    }

    /// Replaces the store of `bed` by a copy of what is kept here. `None` when nothing is.
    pub(super) async fn copy_to(&self, bed: &Bed, death: Death) -> Result<Option<Filled>> {
        let description = self.description();
        if !description.exists() {
            return Ok(None);
        }
        let kept = Description::read(&description)?;
        let started = Moment::now();
        match (&bed.store, &kept.database) {
            (Store::Postgres(database), Some(name)) => database.replace_by(name).await?,
            (Store::Postgres(_), None) => {
                anyhow::bail!("{} names no database", description.display());
            }
            (Store::Sqlite(folder), _) => {
                copy(&self.sqlite_file(), &Store::sqlite_file(folder))?;
                copy(&key_of(&self.sqlite_file()), &key_of(&Store::sqlite_file(folder)))?;
            }
        }
        let seconds = Moment::now().since(started).as_secs_f64();
        let size = megabytes(bed.store.size().await?);
        println!("filled      with a copy of an earlier run's store, {size:.0} MiB within {seconds:.1} s");
        Ok(Some(Filled {
            contents: kept.contents,
            figures: vec![
                Figure::new("copying the filled store", "s", seconds),
                Figure::new("store when filled", "MiB", size),
            ],
            receiver: DeadReceiver::again(death, kept.receiver)?,
        }))
    }

    /// Copies `store`, which nothing uses at the moment, to here.
    pub(super) async fn keep(&self, filled: &Filled, store: &Store) -> Result<()> {
        fs::create_dir_all(&self.folder).with_context(|| format!("creating {}", self.folder.display()))?;
        let database = match store {
            Store::Postgres(database) => Some(database.keep().await?),
            Store::Sqlite(folder) => {
                copy(&Store::sqlite_file(folder), &self.sqlite_file())?;
                copy(&key_of(&Store::sqlite_file(folder)), &key_of(&self.sqlite_file()))?;
                None
            }
        };
        let description = Description {
            contents: filled.contents,
            receiver: filled.receiver.address(),
            database,
        };
        let file = self.description();
        fs::write(&file, serde_json::to_vec(&description)?)
            .with_context(|| format!("writing {}", file.display()))
    }

    fn description(&self) -> PathBuf {
        self.folder.join(format!("{}.json", self.name))
    }

    fn sqlite_file(&self) -> PathBuf {
        self.folder.join(format!("{}.db", self.name))
    }
}

impl Description {
    fn read(file: &Path) -> Result<Self> {
        let reading = || format!("reading {}", file.display());
        serde_json::from_slice(&fs::read(file).with_context(reading)?).with_context(reading)
    }
}

/// Removes the databases that are kept in the name of `folder`; files go with the folder itself.
pub(crate) async fn forget(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "json")
            && let Some(database) = Description::read(&file)?.database
        {
            Database::remove(&database).await?;
        }
    }
    Ok(())
}

/// The key that the service has made for a file, and keeps beside it.
fn key_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".key");
    name.into()
}

/// Copies a file to disk: what is written later would be written while somebody measures.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let copying = || format!("copying {} to {}", from.display(), to.display());
    fs::copy(from, to).with_context(copying)?;
    File::open(to)?.sync_all().with_context(copying)
}
