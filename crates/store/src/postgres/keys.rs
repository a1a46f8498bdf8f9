//! API keys, and what nodes read of keys and tenants.

use sqlx::types::{Json, Uuid};
use time::OffsetDateTime;

use super::{Postgres, audit::record, sql_limit, tenants::TenantRow};
use crate::{
    AccessChanges, AccessCursor, AuditEntry, Key, KeyHash, KeyId, Quotas, Scopes, StoreError, TenantId,
    Timestamp,
};

struct KeyRow {
    id: Uuid,
    tenant_id: i64,
    name: String,
    hash: Vec<u8>,
    scopes: i16,
    profile: Option<String>,
    created_at: OffsetDateTime,
    expires_at: Option<OffsetDateTime>,
    revoked_at: Option<OffsetDateTime>,
    last_used_at: Option<OffsetDateTime>,
    version: i64,
}

impl Postgres {
    pub(crate) async fn insert_key(
        &self,
        key: &Key,
        hash: &KeyHash,
        max: usize,
        entry: &AuditEntry,
    ) -> Result<Option<usize>, StoreError> {
        let mut tx = self.begin_config_change().await?;
        let live = sqlx::query_scalar!(
            r#"-- store: insert_key
            select (select count(*)
                    from api_key k
                    where k.tenant_id = t.id and k.revoked_at is null and (k.expires_at is null or k.expires_at > $2))
                   as "count!"
            from tenant t
            where t.id = $1 and t.deleted_at is null"#,
            key.tenant.0,
            key.created_at.to_sql()
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(live) = live else { return Ok(None) };
        let live = usize::try_from(live).unwrap_or(usize::MAX);
        if live >= max {
            return Ok(Some(live));
        }
        sqlx::query!(
            "insert into api_key (id, tenant_id, name, hash, scopes, profile, created_at, expires_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8)",
            key.id.0,
            key.tenant.0,
            &*key.name,
            &hash.0,
            key.scopes.to_sql(),
            key.profile.as_deref(),
            key.created_at.to_sql(),
            key.expires_at.map(Timestamp::to_sql)
        )
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
        let rows = sqlx::query_as!(
            KeyRow,
            "select id, tenant_id, name, hash, scopes, profile, created_at, expires_at, revoked_at, last_used_at, version
            from api_key
            where tenant_id = $1 and id < $2
            order by id desc
            limit $3",
            tenant.0,
            before.0,
            sql_limit(limit)
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| row.read().0).collect())
    }

    pub(crate) async fn revoke_key(
        &self,
        tenant: TenantId,
        id: KeyId,
        now: Timestamp,
        entry: &AuditEntry,
    ) -> Result<Option<Key>, StoreError> {
        let mut tx = self.begin_config_change().await?;
        let revoked = sqlx::query!(
            "-- store: revoke_key
            update api_key
            set revoked_at = $3, version = nextval('config_version')
            where tenant_id = $1 and id = $2 and revoked_at is null",
            tenant.0,
            id.0,
            now.to_sql()
        )
        .execute(&mut *tx)
        .await?;
        if revoked.rows_affected() > 0 {
            record(&mut tx, entry).await?;
        }
        let row = sqlx::query_as!(
            KeyRow,
            "select id, tenant_id, name, hash, scopes, profile, created_at, expires_at, revoked_at, last_used_at, version
            from api_key
            where tenant_id = $1 and id = $2",
            tenant.0,
            id.0
        )
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(row.map(|row| row.read().0))
    }

    pub(crate) async fn has_live_key(&self, now: Timestamp) -> Result<bool, StoreError> {
        let found = sqlx::query_scalar!(
            r#"select exists(
                select from api_key where revoked_at is null and (expires_at is null or expires_at > $1)) as "exists!""#,
            now.to_sql()
        );
        Ok(found.fetch_one(&self.pool).await?)
    }

    pub(crate) async fn access_changes(&self, since: AccessCursor) -> Result<AccessChanges, StoreError> {
        let mut cursor = since;
        // Tenants second: a key that was just made may be of one that was just made.
        let keys = sqlx::query_as!(
            KeyRow,
            "-- store: access_changes, keys
            select id, tenant_id, name, hash, scopes, profile, created_at, expires_at, revoked_at, last_used_at, version
            from api_key
            where version > $1",
            since.keys
        )
        .fetch_all(&self.pool)
        .await?;
        let tenants = sqlx::query_as!(
            TenantRow,
            r#"-- store: access_changes, tenants
            select id, name, quotas as "quotas: Json<Quotas>", created_at, deleted_at, access_version
            from tenant
            where access_version > $1"#,
            since.tenants
        )
        .fetch_all(&self.pool)
        .await?;
        for row in &keys {
            cursor.keys = cursor.keys.max(row.version);
        }
        for row in &tenants {
            cursor.tenants = cursor.tenants.max(row.access_version);
        }
        Ok(AccessChanges {
            keys: keys.into_iter().map(KeyRow::read).collect(),
            tenants: tenants.into_iter().map(TenantRow::read).collect(),
            cursor,
        })
    }

    pub(crate) async fn note_keys_used(&self, used: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = used.iter().map(|(id, _)| id.0).collect();
        let moments: Vec<OffsetDateTime> = used.iter().map(|(_, moment)| moment.to_sql()).collect();
        // Several nodes may note the same keys: rows are locked in one order.
        sqlx::query!(
            "-- store: note_keys_used
            with used as (
                select k.id, u.moment
                from unnest($1::uuid[], $2::timestamptz[]) u(id, moment)
                join api_key k on k.id = u.id
                order by k.id
                for update of k
            )
            update api_key k
            set last_used_at = greatest(k.last_used_at, used.moment)
            from used
            where k.id = used.id",
            &ids,
            &moments
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

impl KeyRow {
    fn read(self) -> (Key, KeyHash) {
        let key = Key {
            id: KeyId(self.id),
            tenant: TenantId(self.tenant_id),
            name: self.name.into(),
            scopes: Scopes::from_sql(self.scopes.into()),
            profile: self.profile.map(Into::into),
            created_at: Timestamp::from_sql(self.created_at),
            expires_at: self.expires_at.map(Timestamp::from_sql),
            revoked_at: self.revoked_at.map(Timestamp::from_sql),
            last_used_at: self.last_used_at.map(Timestamp::from_sql),
        };
        (key, KeyHash::read(&self.hash))
    }
}
