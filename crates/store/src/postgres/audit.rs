//! The audit log.

use sqlx::{PgConnection, types::Json};

use super::{Postgres, sql_limit};
use crate::{AuditEntry, AuditId, KeyId, StoreError, TenantId, Timestamp};

impl Postgres {
    pub(crate) async fn audit_before(
        &self,
        tenant: TenantId,
        resource: Option<&str>,
        before: AuditId,
        limit: usize,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let rows = sqlx::query!(
            r#"select id, key_id, actor, peer, action, resource, fields as "fields: Json<Vec<String>>"
            from audit_entry
            where tenant_id = $1 and id < $2 and ($3::text is null or resource = $3)
            order by id desc
            limit $4"#,
            tenant.0,
            before.0,
            resource,
            sql_limit(limit)
        )
        .fetch_all(&self.pool)
        .await?;
        let entries = rows.into_iter().map(|row| AuditEntry {
            id: AuditId(row.id),
            tenant,
            key: row.key_id.map(KeyId),
            actor: row.actor,
            peer: row.peer,
            action: row.action,
            resource: row.resource,
            fields: row.fields.0,
        });
        Ok(entries.collect())
    }

    /// What has outlived the log.
    pub(crate) async fn remove_access_before(
        &self,
        bound: AuditId,
        moment: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query!("delete from audit_entry where id < $1", bound.0)
            .execute(&self.pool)
            .await?;
        // Every node has long read that they are no good.
        sqlx::query!(
            "delete from api_key where revoked_at < $1 or expires_at < $1",
            moment.to_sql()
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

/// Notes a change, in its transaction.
pub(super) async fn record(tx: &mut PgConnection, entry: &AuditEntry) -> Result<(), StoreError> {
    sqlx::query!(
        "-- store: record
        insert into audit_entry (tenant_id, id, key_id, actor, peer, action, resource, fields)
        values ($1, $2, $3, $4, $5, $6, $7, $8)",
        entry.tenant.0,
        entry.id.0,
        entry.key.map(|key| key.0),
        entry.actor,
        entry.peer,
        entry.action,
        entry.resource,
        Json(&entry.fields) as _
    )
    .execute(tx)
    .await?;
    Ok(())
}
