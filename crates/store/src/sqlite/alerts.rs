//! Notices: written with what they tell, gone once it is told. One process has all lanes.

use sqlx::{Connection as _, SqliteConnection};

use super::{Sqlite, blob, read_event_id, read_uuid, small, sql_limit};
use crate::{
    Digest, FailPoint, Finish, Lane, Notice, Recovery, Standing, StoreError, TenantId, Timestamp, WebhookId,
    alert::{EXAMPLES_MAX, KIND_DEAD, KIND_RECOVERED, KIND_STANDING, NoticeRow},
};

/// Attempts of a failing webhook that are looked at for a success: those for its newest events.
const RECOVERY_ATTEMPTS: i64 = 1_000;

/// id, tenant, webhook, kind, event, number, change, `happened_at`
type Row = (
    i64,
    i64,
    Vec<u8>,
    i16,
    Option<Vec<u8>>,
    Option<i64>,
    Option<String>,
    i64,
);

impl Sqlite {
    pub(crate) async fn new_notices(&self, _lanes: &[Lane], limit: usize) -> Result<Vec<Notice>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "select id, tenant_id, webhook_id, kind, event_id, number, change, happened_at
            from notice
            where mail is null
            order by id
            limit ?",
        )
        .bind(sql_limit(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(read_notice).collect()
    }

    pub(crate) async fn notice_published(
        &self,
        notice: &Notice,
        is_failure: bool,
        to_mail: bool,
    ) -> Result<(), StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        sqlx::query(
            "insert into alert (tenant_id, webhook_id, failed_at, waiting)
            select tenant_id, id, ?3, ?4 from webhook where tenant_id = ?1 and id = ?2
            on conflict (tenant_id, webhook_id) do update
            set failed_at = coalesce(max(failed_at, excluded.failed_at), failed_at, excluded.failed_at),
                waiting = waiting or excluded.waiting",
        )
        .bind(notice.tenant.0)
        .bind(blob(notice.webhook.0))
        .bind(is_failure.then(|| notice.happened_at.unix_micros()))
        .bind(to_mail)
        .execute(&mut *tx)
        .await?;
        FailPoint::NoticeMarked.pass();
        if to_mail {
            sqlx::query("update notice set mail = 0 where id = ? and mail is null")
                .bind(notice.id)
                .execute(&mut *tx)
                .await?;
        } else {
            forget(&mut tx, notice).await?;
        }
        tx.commit().await?;
        FailPoint::NoticeTold.pass();
        Ok(())
    }

    pub(crate) async fn forget_notice(&self, notice: &Notice) -> Result<(), StoreError> {
        let mut writer = self.writer().await?;
        forget(&mut writer, notice).await
    }

    pub(crate) async fn recoveries(
        &self,
        _lanes: &[Lane],
        limit: usize,
    ) -> Result<Vec<Recovery>, StoreError> {
        let failing: Vec<(i64, Vec<u8>, i64)> = sqlx::query_as(
            "select tenant_id, webhook_id, failed_at from alert where failed_at is not null limit ?",
        )
        .bind(sql_limit(limit))
        .fetch_all(&self.readers)
        .await?;
        let mut recoveries = Vec::new();
        for (tenant, webhook, failed_at) in failing {
            let tenant = TenantId(tenant);
            let recovered_at: Option<i64> = sqlx::query_scalar(
                "select min(started_at)
                from (select verdict, started_at from attempt where lane = ? and webhook_id = ?
                      order by event_id desc limit ?)
                where verdict = 0 and started_at > ?",
            )
            .bind(tenant.lane().0)
            .bind(&webhook)
            .bind(RECOVERY_ATTEMPTS)
            .bind(failed_at)
            .fetch_one(&self.readers)
            .await?;
            if let Some(recovered_at) = recovered_at {
                recoveries.push(Recovery {
                    tenant,
                    webhook: WebhookId(read_uuid("alert", &webhook)?),
                    failed_at: Timestamp::from_unix_micros(failed_at),
                    recovered_at: Timestamp::from_unix_micros(recovered_at),
                });
            }
        }
        Ok(recoveries)
    }

    pub(crate) async fn note_recovery(&self, recovery: &Recovery) -> Result<(), StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        let over = sqlx::query(
            "update alert set failed_at = null where tenant_id = ? and webhook_id = ? and failed_at = ?",
        )
        .bind(recovery.tenant.0)
        .bind(blob(recovery.webhook.0))
        .bind(recovery.failed_at.unix_micros())
        .execute(&mut *tx)
        .await?;
        if over.rows_affected() == 1 {
            sqlx::query(
                "insert into notice (lane, tenant_id, webhook_id, kind, happened_at) values (?, ?, ?, ?, ?)",
            )
            .bind(recovery.tenant.lane().0)
            .bind(recovery.tenant.0)
            .bind(blob(recovery.webhook.0))
            .bind(KIND_RECOVERED)
            .bind(recovery.recovered_at.unix_micros())
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    pub(crate) async fn webhooks_to_mail(
        &self,
        _lanes: &[Lane],
        mailed_before: Timestamp,
        limit: usize,
    ) -> Result<Vec<(TenantId, WebhookId)>, StoreError> {
        let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
            "select tenant_id, webhook_id
            from alert
            where mail_open or waiting and coalesce(mailed_at <= ?, true)
            order by mailed_at nulls first
            limit ?",
        )
        .bind(mailed_before.unix_micros())
        .bind(sql_limit(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter()
            .map(|(tenant, webhook)| Ok((TenantId(tenant), WebhookId(read_uuid("alert", &webhook)?))))
            .collect()
    }

    pub(crate) async fn digest(
        &self,
        tenant: TenantId,
        webhook: WebhookId,
        mailed_before: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Digest>, StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        let alert: Option<(i64, bool, Option<i64>, bool)> = sqlx::query_as(
            "select mail_number, mail_open, mailed_at, waiting and coalesce(mailed_at <= ?, true)
            from alert
            where tenant_id = ? and webhook_id = ?",
        )
        .bind(mailed_before.unix_micros())
        .bind(tenant.0)
        .bind(blob(webhook.0))
        .fetch_optional(&mut *tx)
        .await?;
        let Some((mail_number, is_open, mailed_at, is_due)) = alert else {
            return Ok(None);
        };
        let (number, made_at) = match mailed_at {
            Some(mailed_at) if is_open => (mail_number, Timestamp::from_unix_micros(mailed_at)),
            _ if is_due => (mail_number + 1, now),
            _ => return Ok(None),
        };
        if !is_open {
            sqlx::query("update notice set mail = ? where webhook_id = ? and mail = 0")
                .bind(number)
                .bind(blob(webhook.0))
                .execute(&mut *tx)
                .await?;
            sqlx::query(
                "update alert set waiting = 0, mail_open = 1, mail_number = ?, mailed_at = ?
                where tenant_id = ? and webhook_id = ?",
            )
            .bind(number)
            .bind(made_at.unix_micros())
            .bind(tenant.0)
            .bind(blob(webhook.0))
            .execute(&mut *tx)
            .await?;
        }
        let (dead_count, first_at): (i64, Option<i64>) = sqlx::query_as(
            "select count(*) filter (where kind = ?), min(happened_at)
            from notice
            where webhook_id = ? and mail = ?",
        )
        .bind(KIND_DEAD)
        .bind(blob(webhook.0))
        .bind(number)
        .fetch_one(&mut *tx)
        .await?;
        let rows: Vec<Row> = sqlx::query_as(
            "select id, tenant_id, webhook_id, kind, event_id, number, change, happened_at
            from notice
            where webhook_id = ? and mail = ?
            order by id desc
            limit ?",
        )
        .bind(blob(webhook.0))
        .bind(number)
        .bind(sql_limit(EXAMPLES_MAX))
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Some(Digest {
            tenant,
            webhook,
            number,
            made_at,
            dead_count: dead_count.unsigned_abs(),
            first_at: first_at.map_or(made_at, Timestamp::from_unix_micros),
            newest: rows.into_iter().map(read_notice).collect::<Result<_, _>>()?,
        }))
    }

    pub(crate) async fn digest_sent(&self, digest: &Digest) -> Result<(), StoreError> {
        let mut writer = self.writer().await?;
        let mut tx = writer.begin().await?;
        sqlx::query(
            "update alert set mail_open = 0 where tenant_id = ? and webhook_id = ? and mail_number = ?",
        )
        .bind(digest.tenant.0)
        .bind(blob(digest.webhook.0))
        .bind(digest.number)
        .execute(&mut *tx)
        .await?;
        sqlx::query("delete from notice where webhook_id = ? and mail = ?")
            .bind(blob(digest.webhook.0))
            .bind(digest.number)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Writes the notice of a delivery that is given up, in the transaction that gives it up and before its attempt is
/// appended: what is in the log already was told about by whoever wrote it.
pub(super) async fn note_dead(
    tx: &mut SqliteConnection,
    finish: &Finish,
    happened_at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into notice (lane, tenant_id, webhook_id, kind, event_id, number, happened_at)
        select ?1, ?2, ?3, ?4, ?5, ?6, ?7
        where not exists (
            select 1 from attempt where lane = ?1 and webhook_id = ?3 and event_id = ?5 and number = ?6)",
    )
    .bind(finish.tenant.lane().0)
    .bind(finish.tenant.0)
    .bind(blob(finish.delivery.webhook.0))
    .bind(KIND_DEAD)
    .bind(blob(finish.delivery.event.0))
    .bind(i64::from(finish.number))
    .bind(happened_at.unix_micros())
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes the notice of a change of settings, in the transaction of the change.
pub(super) async fn note_standing(
    tx: &mut SqliteConnection,
    tenant: TenantId,
    webhook: WebhookId,
    standing: &Standing,
    now: Timestamp,
) -> Result<(), StoreError> {
    let change = serde_json::to_string(standing).map_err(|error| inconsistent(&webhook, &error))?;
    sqlx::query(
        "insert into notice (lane, tenant_id, webhook_id, kind, change, happened_at) values (?, ?, ?, ?, ?, ?)",
    )
    .bind(tenant.lane().0)
    .bind(tenant.0)
    .bind(blob(webhook.0))
    .bind(KIND_STANDING)
    .bind(change)
    .bind(now.unix_micros())
    .execute(tx)
    .await?;
    Ok(())
}

async fn forget(connection: &mut SqliteConnection, notice: &Notice) -> Result<(), StoreError> {
    sqlx::query("delete from notice where id = ?")
        .bind(notice.id)
        .execute(connection)
        .await?;
    Ok(())
}

fn read_notice(
    (id, tenant, webhook, kind, event, number, change, happened_at): Row,
) -> Result<Notice, StoreError> {
    let change = change
        .map(|change| serde_json::from_str(&change).map_err(|error| inconsistent(&id, &error)))
        .transpose()?;
    Notice::try_from(NoticeRow {
        id,
        tenant: TenantId(tenant),
        webhook: WebhookId(read_uuid("notice", &webhook)?),
        kind,
        event: event.map(|event| read_event_id(&event)).transpose()?,
        number: number.map(small),
        change,
        happened_at: Timestamp::from_unix_micros(happened_at),
    })
}

fn inconsistent(row: &dyn std::fmt::Display, error: &serde_json::Error) -> StoreError {
    StoreError::Inconsistent {
        table: "notice",
        row: row.to_string(),
        problem: error.to_string(),
    }
}
