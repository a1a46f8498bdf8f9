//! The one node there is, and what its predecessor left.

use sqlx::{Connection as _, SqliteConnection};

use super::{
    Sqlite, blob, read_event_id,
    retries::{RetryRow, upsert_retries},
    unpack,
};
use crate::{
    EventId, FailPoint, Incarnation, Lane, StoreError, TenantId, Timestamp,
    clock::wall_clock,
    node::{LaneMap, Pulse},
};

impl Sqlite {
    pub(crate) async fn enlist(
        &self,
        name: &str,
        lease_until: Timestamp,
        low_water: EventId,
    ) -> Result<Incarnation, StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        // The lock file says that nobody else lives: whatever is enlisted here has died, however long its lease.
        sqlx::query("update node set lease_until = 0")
            .execute(&mut *tx)
            .await?;
        let incarnation = sqlx::query_scalar(
            "insert into node (name, lease_until, low_water) values (?, ?, ?) returning incarnation",
        )
        .bind(name)
        .bind(lease_until.unix_micros())
        .bind(blob(low_water.0))
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Incarnation(incarnation))
    }

    pub(crate) async fn renew(
        &self,
        node: Incarnation,
        low_water: EventId,
        _now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<Pulse>, StoreError> {
        let mut writer = self.writer().await?;
        let renewed = sqlx::query("update node set lease_until = ?, low_water = ? where incarnation = ?")
            .bind(lease_until.unix_micros())
            .bind(blob(low_water.0))
            .bind(node.0)
            .execute(&mut *writer)
            .await?;
        Ok((renewed.rows_affected() == 1).then(|| Pulse {
            nodes: 1,
            store_now: wall_clock(),
        }))
    }

    pub(crate) async fn expired_nodes(&self, now: Timestamp) -> Result<Vec<Incarnation>, StoreError> {
        let expired: Vec<i64> = sqlx::query_scalar("select incarnation from node where lease_until < ?")
            .bind(now.unix_micros())
            .fetch_all(&self.readers)
            .await?;
        Ok(expired.into_iter().map(Incarnation).collect())
    }

    pub(crate) async fn recover(&self, node: Incarnation, now: Timestamp) -> Result<Option<u64>, StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        let low_water: Option<Vec<u8>> = sqlx::query_scalar(
            "delete from node where incarnation = ? and lease_until < ? returning low_water",
        )
        .bind(node.0)
        .bind(now.unix_micros())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(low_water) = low_water else {
            return Ok(None);
        };
        FailPoint::RecoverBegun.pass();
        let recovered = hand_over(&mut tx, node, read_event_id(&low_water)?, now).await?;
        FailPoint::RecoverWritten.pass();
        tx.commit().await?;
        Ok(Some(recovered))
    }

    pub(crate) async fn leave(
        &self,
        node: Incarnation,
        low_water: EventId,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        sqlx::query("delete from node where incarnation = ?")
            .bind(node.0)
            .execute(&mut *tx)
            .await?;
        let handed_over = hand_over(&mut tx, node, low_water, now).await?;
        tx.commit().await?;
        Ok(handed_over)
    }

    #[expect(clippy::unused_async, reason = "the other engine has to ask its server")]
    pub(crate) async fn lanes(&self, _node: Incarnation, _now: Timestamp) -> Result<LaneMap, StoreError> {
        // Every lane belongs to the only node; it has not claimed them yet if it does not know.
        Ok(LaneMap {
            own: all_lanes().collect(),
            free: Lane::COUNT,
        })
    }

    #[expect(clippy::unused_async, reason = "the other engine has to ask its server")]
    pub(crate) async fn claim_lanes(
        &self,
        _node: Incarnation,
        _limit: usize,
        _now: Timestamp,
    ) -> Result<Vec<Lane>, StoreError> {
        // There are none to be claimed.
        Ok(Vec::new())
    }

    #[expect(clippy::unused_async, reason = "the other engine has to tell its server")]
    pub(crate) async fn release_lanes(&self, _node: Incarnation, _lanes: &[Lane]) -> Result<(), StoreError> {
        Ok(())
    }
}

fn all_lanes() -> impl Iterator<Item = Lane> {
    (0..).map(Lane).take(Lane::COUNT)
}

/// Turns what a node held in memory into retry rows, due now.
async fn hand_over(
    tx: &mut SqliteConnection,
    node: Incarnation,
    low_water: EventId,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let events: Vec<(i64, Vec<u8>, i64, Vec<u8>)> =
        sqlx::query_as("select tenant_id, id, hot, webhook_ids from event where id >= ? and owner = ?")
            .bind(blob(low_water.0))
            .bind(node.0)
            .fetch_all(&mut *tx)
            .await?;
    FailPoint::RecoverFreed.pass();
    let mut rows = Vec::new();
    for (tenant, id, hot, webhooks) in events {
        let (tenant, event) = (TenantId(tenant), read_event_id(&id)?);
        for webhook in unpack(&webhooks)
            .into_iter()
            .take(usize::try_from(hot).unwrap_or(0))
        {
            let settled: bool = sqlx::query_scalar(
                "select exists (select 1 from attempt where lane = ?1 and webhook_id = ?2 and event_id = ?3)
                     or exists (select 1 from retry where lane = ?1 and webhook_id = ?2 and event_id = ?3)",
            )
            .bind(tenant.lane().0)
            .bind(blob(webhook.0))
            .bind(blob(event.0))
            .fetch_one(&mut *tx)
            .await?;
            if !settled {
                rows.push(RetryRow {
                    tenant,
                    webhook,
                    event,
                    number: 1,
                    due_at: now,
                    order_key: None,
                });
            }
        }
    }
    upsert_retries(tx, &rows).await?;
    Ok(rows.len() as u64)
}
