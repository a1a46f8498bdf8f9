//! Events in: one transaction and a few multi-row statements for each batch.

use std::collections::{HashMap, HashSet};

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use super::{
    Sqlite, batches, blob, fill, pack, read_event_id,
    retries::{RetryRow, upsert_retries},
    sql_limit, values,
};
use crate::{
    EventId, FailPoint, Incarnation, StoreError, TenantId, Timestamp,
    node::{EventRow, Stored},
};

impl Sqlite {
    pub(crate) async fn publish(
        &self,
        node: Incarnation,
        rows: &[EventRow],
    ) -> Result<Vec<Stored>, StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        let enlisted: Option<i64> = sqlx::query_scalar("select incarnation from node where incarnation = ?")
            .bind(node.0)
            .fetch_optional(&mut *tx)
            .await?;
        if enlisted.is_none() {
            return Err(StoreError::Fenced);
        }
        let versions = versions_of(&mut tx, rows).await?;
        let mut stored = Vec::with_capacity(rows.len());
        for row in rows {
            let current = versions.get(&row.event.tenant) == Some(&row.tenant_version);
            stored.push(if current {
                claim_key(&mut tx, row).await?
            } else {
                Stored::Stale
            });
        }
        let accepted: Vec<&EventRow> = rows
            .iter()
            .zip(&stored)
            .filter(|(_, stored)| **stored == Stored::Yes)
            .map(|(row, _)| row)
            .collect();
        insert_events(&mut tx, node, &accepted).await?;
        for test in accepted.iter().filter(|row| row.is_test) {
            sqlx::query("update event set test = 1 where lane = ? and tenant_id = ? and id = ?")
                .bind(test.lane.0)
                .bind(test.event.tenant.0)
                .bind(blob(test.event.id.0))
                .execute(&mut *tx)
                .await?;
        }
        let spilled: Vec<RetryRow> = accepted
            .iter()
            .flat_map(|row| {
                row.cold()
                    .map(|(webhook, queue)| RetryRow::first(row, webhook, queue))
            })
            .collect();
        upsert_retries(&mut tx, &spilled).await?;
        FailPoint::PublishStoring.pass();
        tx.commit().await?;
        Ok(stored)
    }

    pub(crate) async fn stored_events(&self, ids: &[EventId]) -> Result<HashSet<EventId>, StoreError> {
        let mut stored = HashSet::new();
        for id in ids {
            let found: Option<i64> = sqlx::query_scalar("select 1 from event where id = ?")
                .bind(blob(id.0))
                .fetch_optional(&self.readers)
                .await?;
            if found.is_some() {
                stored.insert(*id);
            }
        }
        Ok(stored)
    }

    #[expect(clippy::unused_async, reason = "the other engine has something to do")]
    pub(crate) async fn heal(
        &self,
        _holder: Incarnation,
        _tenant: TenantId,
        _event: EventId,
        _now: Timestamp,
    ) -> Result<(), StoreError> {
        // No connection can break between a commit and the news of it.
        Ok(())
    }
}

async fn versions_of(
    tx: &mut SqliteConnection,
    rows: &[EventRow],
) -> Result<HashMap<TenantId, i64>, StoreError> {
    let mut versions = HashMap::new();
    for row in rows {
        let tenant = row.event.tenant;
        if let std::collections::hash_map::Entry::Vacant(entry) = versions.entry(tenant) {
            let version = sqlx::query_scalar("select version from tenant where id = ?").bind(tenant.0);
            if let Some(version) = version.fetch_optional(&mut *tx).await? {
                entry.insert(version);
            }
        }
    }
    Ok(versions)
}

async fn claim_key(tx: &mut SqliteConnection, row: &EventRow) -> Result<Stored, StoreError> {
    let Some(key) = &row.key else {
        return Ok(Stored::Yes);
    };
    let claimed = sqlx::query(
        "insert into idempotency_key (tenant_id, key, event_id, fingerprint, created_at) values (?, ?, ?, ?, ?)
        on conflict do nothing",
    )
    .bind(row.event.tenant.0)
    .bind(&key.key)
    .bind(blob(row.event.id.0))
    .bind(key.fingerprint.as_slice())
    .bind(row.event.id.created_at().unix_micros())
    .execute(&mut *tx)
    .await?;
    if claimed.rows_affected() == 1 {
        return Ok(Stored::Yes);
    }
    let (event, fingerprint): (Vec<u8>, Vec<u8>) =
        sqlx::query_as("select event_id, fingerprint from idempotency_key where tenant_id = ? and key = ?")
            .bind(row.event.tenant.0)
            .bind(&key.key)
            .fetch_one(&mut *tx)
            .await?;
    let count: Option<i64> = sqlx::query_scalar(
        "select length(webhook_ids) / 16 from event where lane = ? and tenant_id = ? and id = ?",
    )
    .bind(row.lane.0)
    .bind(row.event.tenant.0)
    .bind(&event)
    .fetch_optional(&mut *tx)
    .await?;
    Ok(Stored::KeyTaken {
        event: read_event_id(&event)?,
        same: fingerprint == key.fingerprint,
        // Within one batch the first event with the key is not inserted yet; its webhooks are the same as this one's.
        delivery_count: count.map_or(row.webhooks.len(), |count| usize::try_from(count).unwrap_or(0)),
    })
}

async fn insert_events(
    tx: &mut SqliteConnection,
    node: Incarnation,
    rows: &[&EventRow],
) -> Result<(), StoreError> {
    for batch in batches(rows) {
        let statement = format!(
            "insert into event (lane, hot, tenant_id, owner, id, type, webhook_ids, payload, ordering_key) {}",
            values(batch.len(), 9)
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for row in batch {
            query = query
                .bind(row.lane.0)
                .bind(sql_limit(row.hot))
                .bind(row.event.tenant.0)
                .bind(node.0)
                .bind(blob(row.event.id.0))
                .bind(&row.event.event_type)
                .bind(pack(&row.webhooks))
                .bind(row.event.payload.as_ref())
                .bind(row.ordering_key.as_deref());
        }
        fill(query, batch.len(), 9).execute(&mut *tx).await?;
    }
    Ok(())
}
