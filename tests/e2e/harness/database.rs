//! A fresh database for each test.

use std::{env, path::PathBuf};

use hookwright_store::StoreAddress;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

pub(crate) struct Database {
    address: StoreAddress,
    kind: Kind,
}

enum Kind {
    Postgresql { server: String, name: String },
    Sqlite { folder: tempfile::TempDir },
}

impl Database {
    pub(crate) async fn postgresql() -> Self {
        let server = env::var("HOOKWRIGHT_TEST_POSTGRES").expect(
            "HOOKWRIGHT_TEST_POSTGRES is not set; run `make test`, or `scripts/with-postgres cargo test`",
        );
        let folder = tempfile::tempdir().unwrap();
        let suffix = folder
            .path()
            .file_name()
            .unwrap()
            .to_string_lossy()
            .replace('.', "")
            .to_lowercase();
        let name = format!("e2e_{suffix}");
        let mut connection = PgConnection::connect(&server).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("create database \"{name}\"")))
            .execute(&mut connection)
            .await
            .unwrap();
        let url = server.replacen("/postgres?", &format!("/{name}?"), 1);
        assert_ne!(
            url, server,
            "HOOKWRIGHT_TEST_POSTGRES must name the database postgres"
        );
        Self {
            address: url.parse().unwrap(),
            kind: Kind::Postgresql { server, name },
        }
    }

    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = StoreAddress::Sqlite(folder.path().join("hookwright.db"));
        Self {
            address,
            kind: Kind::Sqlite { folder },
        }
    }

    pub(crate) fn address(&self) -> &StoreAddress {
        &self.address
    }

    /// As `hookwright serve --store` takes it.
    pub(crate) fn url(&self) -> String {
        url_of(&self.address)
    }

    pub(crate) async fn remove(self) {
        match self.kind {
            Kind::Postgresql { server, name } => {
                let mut connection = PgConnection::connect(&server).await.unwrap();
                let drop = format!("drop database \"{name}\" with (force)");
                sqlx::raw_sql(AssertSqlSafe(drop))
                    .execute(&mut connection)
                    .await
                    .unwrap();
            }
            Kind::Sqlite { folder } => folder.close().unwrap(),
        }
    }
}

/// As `hookwright serve --store` takes it.
pub(crate) fn url_of(address: &StoreAddress) -> String {
    match address {
        StoreAddress::Postgres(url) => url.clone(),
        StoreAddress::Sqlite(path) => format!("sqlite:{}", PathBuf::from(path).display()),
    }
}
