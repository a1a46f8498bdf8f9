//! The store under test: new for each run, removed afterwards.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::{args::StoreKind, machine, postgres::Database, scratch::Scratch};

#[derive(Debug)]
pub(crate) enum Store {
    Postgres(Database),
    Sqlite(Scratch),
}

impl Store {
    pub(crate) async fn create(kind: StoreKind, data_dir: &Path) -> Result<Self> {
        Ok(match kind {
            StoreKind::Postgres => Self::Postgres(Box::pin(Database::create()).await?),
            StoreKind::Sqlite => Self::Sqlite(Scratch::create(data_dir)?),
        })
    }

    /// The file that the embedded engine stores in.
    pub(crate) fn sqlite_file(folder: &Scratch) -> PathBuf {
        folder.file(SQLITE_FILE)
    }

    pub(crate) async fn description(&self) -> Result<String> {
        match self {
            Self::Postgres(database) => database.description().await,
            Self::Sqlite(_) => Ok("SQLite".into()),
        }
    }

    /// Why figures taken here say nothing about durable storage, if so.
    pub(crate) fn not_durable(&self) -> Option<String> {
        match self {
            Self::Postgres(database) => machine::not_durable(database.folder()?),
            Self::Sqlite(folder) => machine::not_durable(folder.path()),
        }
    }

    /// Bytes on disk.
    pub(crate) async fn size(&self) -> Result<u64> {
        match self {
            Self::Postgres(database) => database.size().await,
            // With its log and index, whose names only add to the file's.
            Self::Sqlite(folder) => folder.size(SQLITE_FILE),
        }
    }

    pub(crate) fn postgres(&self) -> Option<&Database> {
        match self {
            Self::Postgres(database) => Some(database),
            Self::Sqlite(_) => None,
        }
    }

    pub(crate) async fn remove(&self) -> Result<()> {
        match self {
            Self::Postgres(database) => database.drop().await,
            // Goes with the value.
            Self::Sqlite(_) => Ok(()),
        }
    }
}

const SQLITE_FILE: &str = "hookwright.db";
