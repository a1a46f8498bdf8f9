//! Rows that wait for each other: heads of queues are claimed, the others wait in line.

use sqlx::{Connection as _, SqliteConnection};

use super::{
    Sqlite, blob,
    retries::{DueRow, read_due},
    sql_limit,
};
use crate::{Due, FailPoint, Lane, StoreError, TenantId, Timestamp, Want, WebhookId, ordering::IN_LINE_MAX};

/// Due rows of a webhook that are not the head of their queue.
const BEHIND: &str = "select r.event_id
    from (select lane, webhook_id, event_id, order_key from retry
          where lane = ?1 and webhook_id = ?2 and due_at <= ?3 and order_key is not null order by due_at limit ?4) r
    where exists (select 1 from retry h
                  where h.lane = r.lane and h.webhook_id = r.webhook_id and h.order_key = r.order_key
                    and h.event_id < r.event_id)";

impl Sqlite {
    pub(crate) async fn due_in_order(
        &self,
        wants: &[Want],
        now: Timestamp,
    ) -> Result<(Vec<Due>, bool), StoreError> {
        let mut due = Vec::new();
        let mut sent = false;
        for want in wants {
            if self.send_in_line(*want, now).await? {
                FailPoint::ClaimSentInLine.pass();
                sent = true;
            }
            let rows: Vec<DueRow> = sqlx::query_as(
                "select r.number, r.due_at, r.replayed_after, r.replayed_at, e.tenant_id, e.id, e.type, e.payload
                from retry r
                join event e on e.lane = r.lane and e.tenant_id = r.tenant_id and e.id = r.event_id
                where r.lane = ? and r.webhook_id = ? and r.due_at <= ?
                  and (r.order_key is null
                       or not exists (select 1 from retry h
                                      where h.lane = r.lane and h.webhook_id = r.webhook_id
                                        and h.order_key = r.order_key and h.event_id < r.event_id))
                order by r.due_at, r.event_id
                limit ?",
            )
            .bind(want.lane.0)
            .bind(blob(want.webhook.0))
            .bind(now.unix_micros())
            .bind(sql_limit(want.limit))
            .fetch_all(&self.readers)
            .await?;
            for row in rows {
                due.push(read_due(want.webhook, row)?);
            }
        }
        Ok((due, sent))
    }

    /// Whether any had to be.
    async fn send_in_line(&self, want: Want, now: Timestamp) -> Result<bool, StoreError> {
        // Asked first, because the only writer has better things to do.
        let behind: Option<Vec<u8>> = sqlx::query_scalar(BEHIND)
            .bind(want.lane.0)
            .bind(blob(want.webhook.0))
            .bind(now.unix_micros())
            .bind(sql_limit(IN_LINE_MAX))
            .fetch_optional(&self.readers)
            .await?;
        if behind.is_none() {
            return Ok(false);
        }
        let statement = format!(
            "update retry set due_at = ?5 where lane = ?1 and webhook_id = ?2 and event_id in ({BEHIND})"
        );
        let mut writer = self.writer().await?;
        let sent = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(want.lane.0)
            .bind(blob(want.webhook.0))
            .bind(now.unix_micros())
            .bind(sql_limit(IN_LINE_MAX))
            .bind(Timestamp::IN_LINE.unix_micros())
            .execute(&mut *writer)
            .await?;
        Ok(sent.rows_affected() > 0)
    }

    pub(crate) async fn unstick(&self, _lanes: &[Lane], now: Timestamp) -> Result<u64, StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        let moved = sqlx::query(
            "update retry
            set due_at = ?1
            where due_at = ?2 and order_key is not null
              and not exists (select 1 from retry h
                              where h.lane = retry.lane and h.webhook_id = retry.webhook_id
                                and h.order_key = retry.order_key and h.event_id < retry.event_id)",
        )
        .bind(now.unix_micros())
        .bind(Timestamp::IN_LINE.unix_micros())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(moved.rows_affected())
    }

    pub(crate) async fn set_free(
        &self,
        tenant: TenantId,
        webhook: WebhookId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut writer = self.writer().await?;
        sqlx::query(
            "update retry
            set order_key = null, due_at = case when due_at = ?4 then ?3 else due_at end
            where lane = ?1 and webhook_id = ?2 and order_key is not null",
        )
        .bind(tenant.lane().0)
        .bind(blob(webhook.0))
        .bind(now.unix_micros())
        .bind(Timestamp::IN_LINE.unix_micros())
        .execute(&mut *writer)
        .await?;
        Ok(())
    }
}

/// Makes the next of a queue due whose head is gone.
pub(super) async fn promote(
    tx: &mut SqliteConnection,
    lane: Lane,
    webhook: WebhookId,
    key: Vec<u8>,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "update retry
        set due_at = ?4
        where lane = ?1 and webhook_id = ?2 and due_at = ?5
          and event_id = (select h.event_id from retry h
                          where h.lane = ?1 and h.webhook_id = ?2 and h.order_key = ?3
                          order by h.event_id limit 1)",
    )
    .bind(lane.0)
    .bind(blob(webhook.0))
    .bind(key)
    .bind(now.unix_micros())
    .bind(Timestamp::IN_LINE.unix_micros())
    .execute(tx)
    .await?;
    Ok(())
}
