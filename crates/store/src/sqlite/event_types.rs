//! The event catalogue.

use super::{Sqlite, sql_limit};
use crate::{Catalogue, EventType, ImportOutcome, StoreError, TenantId, Timestamp};

/// name, description, schema, sample, `updated_at`
type Row = (String, String, Option<String>, Option<String>, i64);

impl Sqlite {
    pub(crate) async fn event_types_after(
        &self,
        tenant: TenantId,
        after: &str,
        limit: usize,
    ) -> Result<Vec<EventType>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "select name, description, schema, sample, updated_at
            from event_type
            where tenant_id = ? and name > ?
            order by name
            limit ?",
        )
        .bind(tenant.0)
        .bind(after)
        .bind(sql_limit(limit))
        .fetch_all(&self.readers)
        .await?;
        Ok(rows.into_iter().map(read).collect())
    }

    pub(crate) async fn catalogue_version(&self, tenant: TenantId) -> Result<i64, StoreError> {
        let version = sqlx::query_scalar("select catalogue_version from tenant where id = ?").bind(tenant.0);
        Ok(version.fetch_optional(&self.readers).await?.unwrap_or(0))
    }

    pub(crate) async fn catalogue(&self, tenant: TenantId) -> Result<Catalogue, StoreError> {
        let mut tx = self.readers.begin().await?;
        let version: Option<i64> = sqlx::query_scalar("select catalogue_version from tenant where id = ?")
            .bind(tenant.0)
            .fetch_optional(&mut *tx)
            .await?;
        let rows: Vec<Row> = sqlx::query_as(
            "select name, description, schema, sample, updated_at from event_type where tenant_id = ? order by name",
        )
        .bind(tenant.0)
        .fetch_all(&mut *tx)
        .await?;
        Ok(Catalogue {
            version: version.unwrap_or(0),
            event_types: rows.into_iter().map(read).collect(),
        })
    }

    pub(crate) async fn import_event_types(
        &self,
        tenant: TenantId,
        event_types: &[EventType],
        max: usize,
        now: Timestamp,
    ) -> Result<ImportOutcome, StoreError> {
        use sqlx::Connection as _;
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        let count = "select count(*) from event_type where tenant_id = ?";
        let before: i64 = sqlx::query_scalar(count)
            .bind(tenant.0)
            .fetch_one(&mut *tx)
            .await?;
        for event_type in event_types {
            sqlx::query(
                "insert into event_type (tenant_id, name, description, schema, sample, updated_at)
                values (?, ?, ?, ?, ?, ?)
                on conflict (tenant_id, name) do update
                set description = excluded.description,
                    schema = excluded.schema,
                    sample = excluded.sample,
                    updated_at = excluded.updated_at",
            )
            .bind(tenant.0)
            .bind(&event_type.name)
            .bind(&event_type.description)
            .bind(&event_type.schema)
            .bind(&event_type.sample)
            .bind(now.unix_micros())
            .execute(&mut *tx)
            .await?;
        }
        let after: i64 = sqlx::query_scalar(count)
            .bind(tenant.0)
            .fetch_one(&mut *tx)
            .await?;
        if usize::try_from(after).unwrap_or(usize::MAX) > max {
            tx.rollback().await?;
            return Ok(ImportOutcome::TooMany);
        }
        sqlx::query("update tenant set catalogue_version = catalogue_version + 1 where id = ?")
            .bind(tenant.0)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        let created = usize::try_from(after - before).unwrap_or(0);
        Ok(ImportOutcome::Imported {
            created,
            updated: event_types.len() - created,
        })
    }

    pub(crate) async fn delete_event_type(&self, tenant: TenantId, name: &str) -> Result<bool, StoreError> {
        use sqlx::Connection as _;
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        let deleted = sqlx::query("delete from event_type where tenant_id = ? and name = ?")
            .bind(tenant.0)
            .bind(name)
            .execute(&mut *tx)
            .await?;
        if deleted.rows_affected() == 0 {
            tx.rollback().await?;
            return Ok(false);
        }
        sqlx::query("update tenant set catalogue_version = catalogue_version + 1 where id = ?")
            .bind(tenant.0)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(true)
    }
}

fn read((name, description, schema, sample, updated_at): Row) -> EventType {
    EventType {
        name,
        description,
        schema,
        sample,
        updated_at: Timestamp::from_unix_micros(updated_at),
    }
}
