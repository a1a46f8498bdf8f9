//! The audit log.

use sqlx::SqliteConnection;

use super::{Sqlite, blob, read_uuid, sql_limit};
use crate::{AuditEntry, AuditId, KeyId, StoreError, TenantId, Timestamp};

/// id, key, actor, peer, action, resource, fields
type Row = (
    Vec<u8>,
    Option<Vec<u8>>,
    String,
    Option<String>,
    String,
    String,
    String,
);

impl Sqlite {
    pub(crate) async fn audit_before(
        &self,
        tenant: TenantId,
        resource: Option<&str>,
        before: AuditId,
        limit: usize,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "select id, key_id, actor, peer, action, resource, fields
            from audit_entry
            where tenant_id = ?1 and id < ?2 and (?3 is null or resource = ?3)
            order by id desc
            limit ?4",
        )
        .bind(tenant.0)
        .bind(blob(before.0))
        .bind(resource)
        .bind(sql_limit(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(|row| read_entry(tenant, row)).collect()
    }

    /// What has outlived the log.
    pub(crate) async fn remove_access_before(
        &self,
        bound: AuditId,
        moment: Timestamp,
    ) -> Result<(), StoreError> {
        let mut writer = self.writer().await?;
        sqlx::query("delete from audit_entry where id < ?")
            .bind(blob(bound.0))
            .execute(&mut *writer)
            .await?;
        sqlx::query("delete from api_key where revoked_at < ?1 or expires_at < ?1")
            .bind(moment.unix_micros())
            .execute(&mut *writer)
            .await?;
        Ok(())
    }
}

fn read_entry(
    tenant: TenantId,
    (id, key, actor, peer, action, resource, fields): Row,
) -> Result<AuditEntry, StoreError> {
    let id = AuditId(read_uuid("audit_entry", &id)?);
    Ok(AuditEntry {
        id,
        tenant,
        key: key
            .map(|key| read_uuid("audit_entry", &key).map(KeyId))
            .transpose()?,
        actor,
        peer,
        action,
        resource,
        fields: serde_json::from_str(&fields).map_err(|error| inconsistent(id, &error))?,
    })
}

/// Notes a change, in its transaction.
pub(super) async fn record(tx: &mut SqliteConnection, entry: &AuditEntry) -> Result<(), StoreError> {
    let fields = serde_json::to_string(&entry.fields).map_err(|error| inconsistent(entry.id, &error))?;
    sqlx::query(
        "insert into audit_entry (tenant_id, id, key_id, actor, peer, action, resource, fields)
        values (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(entry.tenant.0)
    .bind(blob(entry.id.0))
    .bind(entry.key.map(|key| blob(key.0)))
    .bind(&entry.actor)
    .bind(&entry.peer)
    .bind(&entry.action)
    .bind(&entry.resource)
    .bind(fields)
    .execute(tx)
    .await?;
    Ok(())
}

fn inconsistent(id: AuditId, error: &serde_json::Error) -> StoreError {
    StoreError::Inconsistent {
        table: "audit_entry",
        row: id.to_string(),
        problem: error.to_string(),
    }
}
