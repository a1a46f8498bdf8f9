//! Tenants as operators manage them.

use sqlx::types::Json;
use time::OffsetDateTime;

use super::{Postgres, audit::record, sql_limit};
use crate::{
    AuditEntry, Quotas, StoreError, Tenant, TenantDeletion, TenantId, Timestamp, access::QuotasChange,
};

pub(super) struct TenantRow {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) quotas: Json<Quotas>,
    pub(super) created_at: OffsetDateTime,
    pub(super) deleted_at: Option<OffsetDateTime>,
    pub(super) access_version: i64,
}

impl Postgres {
    pub(crate) async fn insert_tenant(
        &self,
        name: &str,
        quotas: Quotas,
        now: Timestamp,
        entry: &AuditEntry,
    ) -> Result<Option<Tenant>, StoreError> {
        let mut tx = self.begin_config_change().await?;
        let next = sqlx::query_scalar!(r#"select nextval(pg_get_serial_sequence('tenant', 'id')) as "id!""#);
        let id = TenantId(next.fetch_one(&mut *tx).await?);
        let inserted = sqlx::query!(
            "insert into tenant (id, lane, name, quotas, created_at) values ($1, $2, $3, $4, $5)
            on conflict (name) do nothing",
            id.0,
            id.lane().0,
            name,
            Json(quotas) as _,
            now.to_sql()
        )
        .execute(&mut *tx)
        .await?;
        if inserted.rows_affected() == 0 {
            return Ok(None);
        }
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
        let row = sqlx::query_as!(
            TenantRow,
            r#"select id, name, quotas as "quotas: Json<Quotas>", created_at, deleted_at, access_version
            from tenant
            where name = $1 and deleted_at is null"#,
            name
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(TenantRow::read))
    }

    pub(crate) async fn tenants_after(&self, after: &str, limit: usize) -> Result<Vec<Tenant>, StoreError> {
        let rows = sqlx::query_as!(
            TenantRow,
            r#"select id, name, quotas as "quotas: Json<Quotas>", created_at, deleted_at, access_version
            from tenant
            where name collate "C" > $1 and deleted_at is null
            order by name collate "C"
            limit $2"#,
            after,
            sql_limit(limit)
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(TenantRow::read).collect())
    }

    pub(crate) async fn change_quotas(
        &self,
        tenant: TenantId,
        change: QuotasChange<'_>,
        entry: &AuditEntry,
    ) -> Result<Option<Tenant>, StoreError> {
        // Under the lock that every change takes: nobody writes between the read and the write.
        let mut tx = self.begin_config_change().await?;
        let current = sqlx::query_scalar!(
            r#"select quotas as "quotas: Json<Quotas>" from tenant where id = $1 and deleted_at is null"#,
            tenant.0
        );
        let Some(Json(mut quotas)) = current.fetch_optional(&mut *tx).await? else {
            return Ok(None);
        };
        change(&mut quotas);
        let row = sqlx::query_as!(
            TenantRow,
            r#"-- store: change_quotas
            update tenant
            set quotas = $2, access_version = nextval('config_version')
            where id = $1 and deleted_at is null
            returning id, name, quotas as "quotas: Json<Quotas>", created_at, deleted_at, access_version"#,
            tenant.0,
            Json(quotas) as _
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        record(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(Some(row.read()))
    }

    pub(crate) async fn delete_tenant(
        &self,
        tenant: TenantId,
        now: Timestamp,
        entry: &AuditEntry,
    ) -> Result<TenantDeletion, StoreError> {
        let mut tx = self.begin_config_change().await?;
        let has_webhooks = sqlx::query_scalar!(
            r#"select exists(select from webhook where tenant_id = $1) as "exists!""#,
            tenant.0
        );
        if has_webhooks.fetch_one(&mut *tx).await? {
            return Ok(TenantDeletion::NotEmpty);
        }
        // No name that is asked for has a space in it.
        let deleted = sqlx::query!(
            "-- store: delete_tenant
            update tenant
            set name = name || ' ' || id, deleted_at = $2, access_version = nextval('config_version')
            where id = $1 and deleted_at is null",
            tenant.0,
            now.to_sql()
        )
        .execute(&mut *tx)
        .await?;
        if deleted.rows_affected() == 0 {
            return Ok(TenantDeletion::NotFound);
        }
        sqlx::query!(
            "update api_key
            set revoked_at = $2, version = nextval('config_version')
            where tenant_id = $1 and revoked_at is null",
            tenant.0,
            now.to_sql()
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!("delete from event_type where tenant_id = $1", tenant.0)
            .execute(&mut *tx)
            .await?;
        record(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(TenantDeletion::Deleted)
    }

    pub(crate) async fn count_events(&self, tenant: TenantId, limit: u64) -> Result<u64, StoreError> {
        let count = sqlx::query_scalar!(
            r#"-- store: count_events
            select count(*) as "count!"
            from (select 1 as one from event where lane = $1 and tenant_id = $2 limit $3) counted"#,
            tenant.lane().0,
            tenant.0,
            i64::try_from(limit).unwrap_or(i64::MAX)
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(count.unsigned_abs())
    }
}

impl TenantRow {
    pub(super) fn read(self) -> Tenant {
        Tenant {
            id: TenantId(self.id),
            name: self.name,
            quotas: self.quotas.0,
            created_at: Some(Timestamp::from_sql(self.created_at)),
            is_deleted: self.deleted_at.is_some(),
        }
    }
}
