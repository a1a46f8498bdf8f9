//! The event catalogue.

use super::{Postgres, sql_limit};
use crate::{Catalogue, EventType, ImportOutcome, StoreError, TenantId, Timestamp};

impl Postgres {
    pub(crate) async fn event_types_after(
        &self,
        tenant: TenantId,
        after: &str,
        limit: usize,
    ) -> Result<Vec<EventType>, StoreError> {
        let rows = sqlx::query!(
            r#"-- store: event_types
            select name, description, schema, sample, updated_at
            from event_type
            where tenant_id = $1 and name > $2
            order by name
            limit $3"#,
            tenant.0,
            after,
            sql_limit(limit)
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| EventType {
                name: row.name,
                description: row.description,
                schema: row.schema,
                sample: row.sample,
                updated_at: Timestamp::from_sql(row.updated_at),
            })
            .collect())
    }

    pub(crate) async fn catalogue_version(&self, tenant: TenantId) -> Result<i64, StoreError> {
        let version = sqlx::query_scalar!("select catalogue_version from tenant where id = $1", tenant.0);
        Ok(version.fetch_optional(&self.pool).await?.unwrap_or(0))
    }

    pub(crate) async fn catalogue(&self, tenant: TenantId) -> Result<Catalogue, StoreError> {
        // One statement, so that version and event types are of one snapshot.
        let rows = sqlx::query!(
            r#"-- store: catalogue
            select t.catalogue_version,
                   e.name as "name?",
                   e.description as "description?",
                   e.schema,
                   e.sample,
                   e.updated_at as "updated_at?"
            from tenant t
            left join event_type e on e.tenant_id = t.id
            where t.id = $1
            order by e.name"#,
            tenant.0
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(Catalogue {
            version: rows.first().map_or(0, |row| row.catalogue_version),
            event_types: rows
                .into_iter()
                .filter_map(|row| {
                    Some(EventType {
                        name: row.name?,
                        description: row.description?,
                        schema: row.schema,
                        sample: row.sample,
                        updated_at: Timestamp::from_sql(row.updated_at?),
                    })
                })
                .collect(),
        })
    }

    pub(crate) async fn import_event_types(
        &self,
        tenant: TenantId,
        event_types: &[EventType],
        max: usize,
        now: Timestamp,
    ) -> Result<ImportOutcome, StoreError> {
        let mut tx = self.pool.begin().await?;
        // Locks the tenant's row, so that imports follow one another and the count below holds.
        sqlx::query!(
            "update tenant set catalogue_version = catalogue_version + 1 where id = $1",
            tenant.0
        )
        .execute(&mut *tx)
        .await?;
        let names: Vec<&str> = event_types
            .iter()
            .map(|event_type| event_type.name.as_str())
            .collect();
        let descriptions: Vec<&str> = event_types
            .iter()
            .map(|event_type| event_type.description.as_str())
            .collect();
        let schemas: Vec<Option<&str>> = event_types
            .iter()
            .map(|event_type| event_type.schema.as_deref())
            .collect();
        let samples: Vec<Option<&str>> = event_types
            .iter()
            .map(|event_type| event_type.sample.as_deref())
            .collect();
        let updated = sqlx::query_scalar!(
            r#"select count(*) as "count!" from event_type where tenant_id = $1 and name = any($2::text[])"#,
            tenant.0,
            &names as &[&str]
        )
        .fetch_one(&mut *tx)
        .await?;
        sqlx::query!(
            "-- store: import_event_types
            insert into event_type (tenant_id, name, description, schema, sample, updated_at)
            select $1, name, description, schema, sample, $6
            from unnest($2::text[], $3::text[], $4::text[], $5::text[]) as new (name, description, schema, sample)
            on conflict (tenant_id, name) do update
            set description = excluded.description,
                schema = excluded.schema,
                sample = excluded.sample,
                updated_at = excluded.updated_at",
            tenant.0,
            &names as &[&str],
            &descriptions as &[&str],
            &schemas as &[Option<&str>],
            &samples as &[Option<&str>],
            now.to_sql()
        )
        .execute(&mut *tx)
        .await?;
        let count = sqlx::query_scalar!(
            r#"select count(*) as "count!" from event_type where tenant_id = $1"#,
            tenant.0
        )
        .fetch_one(&mut *tx)
        .await?;
        if usize::try_from(count).unwrap_or(usize::MAX) > max {
            tx.rollback().await?;
            return Ok(ImportOutcome::TooMany);
        }
        tx.commit().await?;
        let updated = usize::try_from(updated).unwrap_or(0);
        Ok(ImportOutcome::Imported {
            created: event_types.len() - updated,
            updated,
        })
    }

    pub(crate) async fn delete_event_type(&self, tenant: TenantId, name: &str) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        // In the order of an import: the tenant's row first.
        sqlx::query!(
            "update tenant set catalogue_version = catalogue_version + 1 where id = $1",
            tenant.0
        )
        .execute(&mut *tx)
        .await?;
        let deleted = sqlx::query!(
            "delete from event_type where tenant_id = $1 and name = $2",
            tenant.0,
            name
        )
        .execute(&mut *tx)
        .await?;
        if deleted.rows_affected() == 0 {
            tx.rollback().await?;
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }
}
