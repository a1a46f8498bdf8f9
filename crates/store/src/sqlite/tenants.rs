//! Tenants as operators manage them.

use sqlx::{Connection as _, FromRow};

use super::{Sqlite, audit::record, keys::next_version, sql_limit};
use crate::{
    AuditEntry, Quotas, StoreError, Tenant, TenantDeletion, TenantId, Timestamp, access::QuotasChange,
};

#[derive(FromRow)]
pub(super) struct TenantRow {
    id: i64,
    name: String,
    quotas: String,
    created_at: i64,
    deleted_at: Option<i64>,
    pub(super) access_version: i64,
}

macro_rules! tenants {
    ($rest:literal) => {
        concat!(
            "select id, name, quotas, created_at, deleted_at, access_version from tenant ",
            $rest
        )
    };
}

pub(super) const TENANTS_CHANGED: &str = tenants!("where access_version > ?");

impl Sqlite {
    pub(crate) async fn insert_tenant(
        &self,
        name: &str,
        quotas: Quotas,
        now: Timestamp,
        entry: &AuditEntry,
    ) -> Result<Option<Tenant>, StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        let is_taken: bool = sqlx::query_scalar("select exists(select 1 from tenant where name = ?)")
            .bind(name)
            .fetch_one(&mut *tx)
            .await?;
        if is_taken {
            return Ok(None);
        }
        let id = sqlx::query_scalar("select max(id) + 1 from tenant")
            .fetch_one(&mut *tx)
            .await?;
        let id = TenantId(id);
        sqlx::query(
            "insert into tenant (id, lane, name, quotas, created_at, version, access_version)
            values (?, ?, ?, ?, ?, (select max(version) + 1 from tenant), (select max(access_version) + 1 from tenant))",
        )
        .bind(id.0)
        .bind(id.lane().0)
        .bind(name)
        .bind(document(quotas)?)
        .bind(now.unix_micros())
        .execute(&mut *tx)
        .await?;
        record(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(Some(Tenant {
            id,
            name: name.to_owned(),
            quotas,
            created_at: Some(now),
            is_deleted: false,
        }))
    }

    pub(crate) async fn tenant_named(&self, name: &str) -> Result<Option<Tenant>, StoreError> {
        let row: Option<TenantRow> = sqlx::query_as(tenants!("where name = ? and deleted_at is null"))
            .bind(name)
            .fetch_optional(&self.readers)
            .await?;
        row.map(TenantRow::read).transpose()
    }

    pub(crate) async fn tenants_after(&self, after: &str, limit: usize) -> Result<Vec<Tenant>, StoreError> {
        let rows: Vec<TenantRow> = sqlx::query_as(tenants!(
            "where name > ? and deleted_at is null order by name limit ?"
        ))
        .bind(after)
        .bind(sql_limit(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(TenantRow::read).collect()
    }

    pub(crate) async fn change_quotas(
        &self,
        tenant: TenantId,
        change: QuotasChange<'_>,
        entry: &AuditEntry,
    ) -> Result<Option<Tenant>, StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        let row: Option<TenantRow> = sqlx::query_as(tenants!("where id = ? and deleted_at is null"))
            .bind(tenant.0)
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let mut tenant = row.read()?;
        change(&mut tenant.quotas);
        sqlx::query(
            "update tenant
            set quotas = ?, access_version = (select max(access_version) + 1 from tenant)
            where id = ?",
        )
        .bind(document(tenant.quotas)?)
        .bind(tenant.id.0)
        .execute(&mut *tx)
        .await?;
        record(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(Some(tenant))
    }

    pub(crate) async fn delete_tenant(
        &self,
        tenant: TenantId,
        now: Timestamp,
        entry: &AuditEntry,
    ) -> Result<TenantDeletion, StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        let has_webhooks: bool =
            sqlx::query_scalar("select exists(select 1 from webhook where tenant_id = ?)")
                .bind(tenant.0)
                .fetch_one(&mut *tx)
                .await?;
        if has_webhooks {
            return Ok(TenantDeletion::NotEmpty);
        }
        // No name that is asked for has a space in it.
        let deleted = sqlx::query(
            "update tenant set name = name || ' ' || id, deleted_at = ? where id = ? and deleted_at is null",
        )
        .bind(now.unix_micros())
        .bind(tenant.0)
        .execute(&mut *tx)
        .await?;
        if deleted.rows_affected() == 0 {
            return Ok(TenantDeletion::NotFound);
        }
        let version = next_version(&mut tx, tenant).await?;
        sqlx::query(
            "update api_key set revoked_at = ?, version = ? where tenant_id = ? and revoked_at is null",
        )
        .bind(now.unix_micros())
        .bind(version)
        .bind(tenant.0)
        .execute(&mut *tx)
        .await?;
        sqlx::query("delete from event_type where tenant_id = ?")
            .bind(tenant.0)
            .execute(&mut *tx)
            .await?;
        record(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(TenantDeletion::Deleted)
    }

    pub(crate) async fn count_events(&self, tenant: TenantId, limit: u64) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "select count(*) from (select 1 from event where lane = ? and tenant_id = ? limit ?)",
        )
        .bind(tenant.lane().0)
        .bind(tenant.0)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_one(&self.readers)
        .await?;
        Ok(count.unsigned_abs())
    }
}

fn document(quotas: Quotas) -> Result<String, StoreError> {
    serde_json::to_string(&quotas).map_err(|error| inconsistent("a new one", &error))
}

fn inconsistent(row: &str, error: &serde_json::Error) -> StoreError {
    StoreError::Inconsistent {
        table: "tenant",
        row: row.to_owned(),
        problem: error.to_string(),
    }
}

impl TenantRow {
    pub(super) fn read(self) -> Result<Tenant, StoreError> {
        Ok(Tenant {
            id: TenantId(self.id),
            quotas: serde_json::from_str(&self.quotas).map_err(|error| inconsistent(&self.name, &error))?,
            name: self.name,
            created_at: (self.created_at > 0).then(|| Timestamp::from_unix_micros(self.created_at)),
            is_deleted: self.deleted_at.is_some(),
        })
    }
}
