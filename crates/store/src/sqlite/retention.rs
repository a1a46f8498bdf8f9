//! Old rows go in small steps, so that no publish waits long for the writer. The file's pages are used again.

use sqlx::Connection as _;

use super::{Sqlite, blob, unpack};
use crate::{EventId, StoreError, Timestamp};

/// Events removed per transaction.
const STEP: i64 = 500;

impl Sqlite {
    #[expect(clippy::unused_async, reason = "the other engine makes partitions")]
    pub(crate) async fn prepare(&self, _now: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    pub(crate) async fn remove_before(
        &self,
        bound: EventId,
        keys_before: Timestamp,
    ) -> Result<u64, StoreError> {
        self.remove_keys(keys_before).await?;
        let mut removed = 0;
        loop {
            let step = self.remove_step(bound).await?;
            removed += step;
            if step == 0 {
                break;
            }
        }
        self.remove_retries(bound).await?;
        Ok(removed)
    }

    /// Those that a result has left which was reported when its event was gone already.
    async fn remove_retries(&self, bound: EventId) -> Result<(), StoreError> {
        let mut writer = self.writer().await?;
        sqlx::query("delete from retry where event_id < ?")
            .bind(blob(bound.0))
            .execute(&mut *writer)
            .await?;
        Ok(())
    }

    async fn remove_keys(&self, before: Timestamp) -> Result<(), StoreError> {
        let mut writer = self.writer().await?;
        for statement in [
            "delete from idempotency_key where created_at < ?",
            "delete from registration_key where created_at < ?",
        ] {
            sqlx::query(statement)
                .bind(before.unix_micros())
                .execute(&mut *writer)
                .await?;
        }
        Ok(())
    }

    async fn remove_step(&self, bound: EventId) -> Result<u64, StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        let events: Vec<(i16, i64, Vec<u8>, Vec<u8>)> = sqlx::query_as(
            "select lane, tenant_id, id, webhook_ids from event where id < ? order by id limit ?",
        )
        .bind(blob(bound.0))
        .bind(STEP)
        .fetch_all(&mut *tx)
        .await?;
        for (lane, tenant, event, webhooks) in &events {
            for webhook in unpack(webhooks) {
                // The key of these tables starts like this; there is no index on the event alone to keep up.
                for statement in [
                    "delete from attempt where lane = ? and webhook_id = ? and event_id = ?",
                    "delete from retry where lane = ? and webhook_id = ? and event_id = ?",
                    "delete from replayed where lane = ? and webhook_id = ? and event_id = ?",
                ] {
                    sqlx::query(statement)
                        .bind(lane)
                        .bind(blob(webhook.0))
                        .bind(event)
                        .execute(&mut *tx)
                        .await?;
                }
            }
            sqlx::query("delete from event where lane = ? and tenant_id = ? and id = ?")
                .bind(lane)
                .bind(tenant)
                .bind(event)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(events.len() as u64)
    }
}
