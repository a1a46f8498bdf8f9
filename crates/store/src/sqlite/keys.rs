//! API keys, and what the node reads of keys and tenants.

use sqlx::{Connection as _, FromRow, SqliteConnection};

use super::{
    Sqlite,
    audit::record,
    blob, read_uuid, sql_limit,
    tenants::{TENANTS_CHANGED, TenantRow},
};
use crate::{
    AccessChanges, AccessCursor, AuditEntry, Key, KeyHash, KeyId, Scopes, StoreError, TenantId, Timestamp,
};

macro_rules! key_columns {
    ($rest:literal) => {
        concat!(
            "select id, tenant_id, name, hash, scopes, profile, created_at, expires_at, revoked_at, last_used_at, version
            from api_key ",
            $rest
        )
    };
}

#[derive(FromRow)]
struct KeyRow {
    id: Vec<u8>,
    tenant_id: i64,
    name: String,
    hash: Vec<u8>,
    scopes: i64,
    profile: Option<String>,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    last_used_at: Option<i64>,
    version: i64,
}

impl Sqlite {
    pub(crate) async fn insert_key(
        &self,
        key: &Key,
        hash: &KeyHash,
        max: usize,
        entry: &AuditEntry,
    ) -> Result<Option<usize>, StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        let live: Option<i64> = sqlx::query_scalar(
            "select (select count(*)
                    from api_key k
                    where k.tenant_id = t.id and k.revoked_at is null and (k.expires_at is null or k.expires_at > ?2))
            from tenant t
            where t.id = ?1 and t.deleted_at is null",
        )
        .bind(key.tenant.0)
        .bind(key.created_at.unix_micros())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(live) = live else { return Ok(None) };
        let live = usize::try_from(live).unwrap_or(usize::MAX);
        if live >= max {
            return Ok(Some(live));
        }
        let version = next_version(&mut tx, key.tenant).await?;
        sqlx::query(
            "insert into api_key (id, tenant_id, name, hash, scopes, profile, created_at, expires_at, version)
            values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(blob(key.id.0))
        .bind(key.tenant.0)
        .bind(&*key.name)
        .bind(&hash.0[..])
        .bind(key.scopes.to_sql())
        .bind(key.profile.as_deref())
        .bind(key.created_at.unix_micros())
        .bind(key.expires_at.map(Timestamp::unix_micros))
        .bind(version)
        .execute(&mut *tx)
        .await?;
        record(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(Some(live))
    }

    pub(crate) async fn keys_before(
        &self,
        tenant: TenantId,
        before: KeyId,
        limit: usize,
    ) -> Result<Vec<Key>, StoreError> {
        let rows: Vec<KeyRow> = sqlx::query_as(key_columns!(
            "where tenant_id = ? and id < ? order by id desc limit ?"
        ))
        .bind(tenant.0)
        .bind(blob(before.0))
        .bind(sql_limit(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(|row| Ok(row.read()?.0)).collect()
    }

    pub(crate) async fn revoke_key(
        &self,
        tenant: TenantId,
        id: KeyId,
        now: Timestamp,
        entry: &AuditEntry,
    ) -> Result<Option<Key>, StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        let found: Option<KeyRow> = sqlx::query_as(key_columns!("where tenant_id = ? and id = ?"))
            .bind(tenant.0)
            .bind(blob(id.0))
            .fetch_optional(&mut *tx)
            .await?;
        let Some(found) = found else { return Ok(None) };
        let mut key = found.read()?.0;
        if key.revoked_at.is_none() {
            let version = next_version(&mut tx, tenant).await?;
            sqlx::query("update api_key set revoked_at = ?, version = ? where id = ?")
                .bind(now.unix_micros())
                .bind(version)
                .bind(blob(id.0))
                .execute(&mut *tx)
                .await?;
            record(&mut tx, entry).await?;
            key.revoked_at = Some(now);
        }
        tx.commit().await?;
        Ok(Some(key))
    }

    pub(crate) async fn has_live_key(&self, now: Timestamp) -> Result<bool, StoreError> {
        let found = sqlx::query_scalar(
            "select exists(
                select 1 from api_key where revoked_at is null and (expires_at is null or expires_at > ?))",
        );
        Ok(found.bind(now.unix_micros()).fetch_one(&self.readers).await?)
    }

    pub(crate) async fn access_changes(&self, since: AccessCursor) -> Result<AccessChanges, StoreError> {
        let mut cursor = since;
        let keys: Vec<KeyRow> = sqlx::query_as(key_columns!("where version > ?"))
            .bind(since.keys)
            .fetch_all(&self.readers)
            .await?;
        let tenants: Vec<TenantRow> = sqlx::query_as(TENANTS_CHANGED)
            .bind(since.tenants)
            .fetch_all(&self.readers)
            .await?;
        for row in &keys {
            cursor.keys = cursor.keys.max(row.version);
        }
        for row in &tenants {
            cursor.tenants = cursor.tenants.max(row.access_version);
        }
        Ok(AccessChanges {
            keys: keys.into_iter().map(KeyRow::read).collect::<Result<_, _>>()?,
            tenants: tenants
                .into_iter()
                .map(TenantRow::read)
                .collect::<Result<_, _>>()?,
            cursor,
        })
    }

    pub(crate) async fn note_keys_used(&self, used: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        for (id, moment) in used {
            sqlx::query("update api_key set last_used_at = max(ifnull(last_used_at, 0), ?) where id = ?")
                .bind(moment.unix_micros())
                .bind(blob(id.0))
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// Counted on the tenants: their rows stay, so that no number is used twice when the newest key goes.
pub(super) async fn next_version(tx: &mut SqliteConnection, tenant: TenantId) -> Result<i64, StoreError> {
    let version = sqlx::query_scalar(
        "update tenant
        set access_version = (select max(access_version) + 1 from tenant)
        where id = ?
        returning access_version",
    );
    Ok(version.bind(tenant.0).fetch_one(tx).await?)
}

impl KeyRow {
    fn read(self) -> Result<(Key, KeyHash), StoreError> {
        let key = Key {
            id: KeyId(read_uuid("api_key", &self.id)?),
            tenant: TenantId(self.tenant_id),
            name: self.name.into(),
            scopes: Scopes::from_sql(self.scopes),
            profile: self.profile.map(Into::into),
            created_at: Timestamp::from_unix_micros(self.created_at),
            expires_at: self.expires_at.map(Timestamp::from_unix_micros),
            revoked_at: self.revoked_at.map(Timestamp::from_unix_micros),
            last_used_at: self.last_used_at.map(Timestamp::from_unix_micros),
        };
        Ok((key, KeyHash::read(&self.hash)))
    }
}
