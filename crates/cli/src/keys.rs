//! Where the keys for secrets at rest come from.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::Args;
use hookwright_store::{EncryptionKeys, StoreAddress};

use crate::failure::Failure;

/// Not an argument: those can be seen by everybody on the machine.
const VARIABLE: &str = "HOOKWRIGHT_ENCRYPTION_KEYS";

/// The keys for secrets at rest.
#[derive(Clone, Debug, Args)]
pub(crate) struct KeysArgs {
    /// The file with the keys that secrets are sealed with in the store: ID:BASE64, the newest first. The environment
    /// variable `HOOKWRIGHT_ENCRYPTION_KEYS` can hold them instead. Without either the embedded store makes a file of its own
    /// beside it, and PostgreSQL has secrets in the clear.
    #[arg(long, env = "HOOKWRIGHT_ENCRYPTION_KEY_FILE", value_name = "FILE")]
    encryption_key_file: Option<PathBuf>,
}

impl KeysArgs {
    /// Whether keys would be found, or made, for this store.
    pub(crate) fn check(&self, store: &StoreAddress) -> Result<(), Failure> {
        let is_made_or_missed = match store {
            StoreAddress::Sqlite(database) => !key_file_of(database).exists(),
            StoreAddress::Postgres(_) => true,
        };
        if !self.is_given() && is_made_or_missed {
            return Ok(());
        }
        self.find(store).map(|_| ())
    }

    fn is_given(&self) -> bool {
        self.encryption_key_file.is_some() || std::env::var(VARIABLE).is_ok_and(|text| !text.is_empty())
    }

    /// The keys for this store; `None` when its secrets are to be in the clear.
    pub(crate) fn find(&self, store: &StoreAddress) -> Result<Option<EncryptionKeys>, Failure> {
        let variable = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty());
        match (&self.encryption_key_file, variable, store) {
            (Some(_), Some(_), _) => Err(Failure::Usage(format!(
                "both {VARIABLE} and --encryption-key-file are given; which one counts?"
            ))),
            (Some(file), None, _) => read(file).map(Some),
            (None, Some(text), _) => EncryptionKeys::parse(&text)
                .map(Some)
                .map_err(|error| Failure::Usage(format!("{VARIABLE}: {error}"))),
            (None, None, StoreAddress::Sqlite(database)) => beside(database).map(Some),
            (None, None, StoreAddress::Postgres(_)) => {
                tracing::warn!(
                    "no encryption key is given: secrets are stored in the clear, and whoever can read the database or a \
                     backup of it can sign in your name; see docs/secrets.md"
                );
                Ok(None)
            }
        }
    }
}

fn read(file: &Path) -> Result<EncryptionKeys, Failure> {
    let refused = |problem: &dyn std::fmt::Display| {
        Failure::Usage(format!("encryption key file {}: {problem}", file.display()))
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(file)
            .map_err(|error| refused(&error))?
            .permissions()
            .mode();
        // A group may read it, as it does where secrets are mounted into containers.
        if mode & 0o027 != 0 {
            return Err(refused(&format_args!(
                "its permissions are {:03o}: others could read or replace it; chmod 600 it",
                mode & 0o777
            )));
        }
    }
    let text = fs::read_to_string(file).map_err(|error| refused(&error))?;
    EncryptionKeys::parse(&text).map_err(|error| refused(&error))
}

fn key_file_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".key");
    PathBuf::from(name)
}

/// The key file of an embedded store, made when missing.
fn beside(database: &Path) -> Result<EncryptionKeys, Failure> {
    let file = key_file_of(database);
    if file.exists() {
        return read(&file);
    }
    // An id that no other key has: a store whose key was lost says so, instead of that its values are broken.
    let key =
        EncryptionKeys::generate(&new_id("local")).map_err(|error| Failure::Failed(error.to_string()))?;
    let failed = |error: std::io::Error| {
        Failure::Failed(format!(
            "cannot make the encryption key file {}: {error}",
            file.display()
        ))
    };
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut new = options.open(&file).map_err(failed)?;
    new.write_all(key.as_bytes())
        .and_then(|()| new.write_all(b"\n"))
        .and_then(|()| new.sync_all())
        .map_err(failed)?;
    tracing::info!(file = %file.display(), "made an encryption key for the secrets in the store; back it up, and not beside the store");
    read(&file)
}

/// An id with this beginning.
pub(crate) fn new_id(prefix: &str) -> String {
    format!("{prefix}-{:08x}", rand::random::<u32>())
}
