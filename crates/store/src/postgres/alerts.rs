//! Notices: written with what they tell, gone once it is told.

use sqlx::{PgConnection, types::Json};

use super::{Postgres, lane_numbers, sql_limit};
use crate::{
    Digest, EventId, FailPoint, Lane, Notice, Recovery, Standing, StoreError, TenantId, Timestamp, WebhookId,
    alert::{EXAMPLES_MAX, KIND_DEAD, KIND_RECOVERED, KIND_STANDING, NoticeRow},
};

/// Attempts of a failing webhook that are looked at for a success: those for its newest events.
const RECOVERY_ATTEMPTS: i64 = 1_000;

/// A notice out of a row that has all its columns.
macro_rules! notice {
    ($row:ident) => {
        Notice::try_from(NoticeRow {
            id: $row.id,
            tenant: TenantId($row.tenant_id),
            webhook: WebhookId($row.webhook_id),
            kind: $row.kind,
            event: $row.event_id.map(EventId),
            number: $row.number.map(i16::unsigned_abs),
            change: $row.change.map(|change| change.0),
            happened_at: Timestamp::from_sql($row.happened_at),
        })
    };
}

impl Postgres {
    pub(crate) async fn new_notices(&self, lanes: &[Lane], limit: usize) -> Result<Vec<Notice>, StoreError> {
        let rows = sqlx::query!(
            r#"-- store: new_notices
            select id, tenant_id, webhook_id, kind, event_id, number, change as "change: Json<Standing>", happened_at
            from notice
            where lane = any($1) and mail is null
            order by id
            limit $2"#,
            &lane_numbers(lanes),
            sql_limit(limit)
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(|row| notice!(row)).collect()
    }

    pub(crate) async fn notice_published(
        &self,
        notice: &Notice,
        is_failure: bool,
        to_mail: bool,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        // The webhook's row comes first, as everywhere: two nodes would otherwise wait for each other.
        sqlx::query!(
            "-- store: notice_published
            insert into alert (lane, tenant_id, webhook_id, failed_at, waiting)
            select $1, w.tenant_id, w.id, $4, $5
            from webhook w
            where w.tenant_id = $2 and w.id = $3
            on conflict (lane, webhook_id) do update
            set failed_at = greatest(alert.failed_at, excluded.failed_at),
                waiting = alert.waiting or excluded.waiting",
            notice.tenant.lane().0,
            notice.tenant.0,
            notice.webhook.0,
            is_failure.then(|| notice.happened_at.to_sql()),
            to_mail
        )
        .execute(&mut *tx)
        .await?;
        FailPoint::NoticeMarked.pass();
        if to_mail {
            sqlx::query!(
                "update notice set mail = 0 where lane = $1 and id = $2 and mail is null",
                notice.tenant.lane().0,
                notice.id
            )
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
        let mut connection = self.pool.acquire().await?;
        forget(&mut connection, notice).await
    }

    pub(crate) async fn recoveries(&self, lanes: &[Lane], limit: usize) -> Result<Vec<Recovery>, StoreError> {
        let rows = sqlx::query!(
            r#"-- store: recoveries
            select a.tenant_id, a.webhook_id, a.failed_at as "failed_at!", success.started_at
            from alert a
            cross join lateral (
                -- Not all there is: while nothing succeeds the look must stay cheap.
                select newest.started_at
                from (
                    select verdict, started_at
                    from attempt
                    where lane = a.lane and webhook_id = a.webhook_id
                    order by event_id desc
                    limit $2
                ) newest
                where newest.verdict = 0 and newest.started_at > a.failed_at
                order by newest.started_at
                limit 1
            ) success
            where a.lane = any($1) and a.failed_at is not null
            limit $3"#,
            &lane_numbers(lanes),
            RECOVERY_ATTEMPTS,
            sql_limit(limit)
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Recovery {
                tenant: TenantId(row.tenant_id),
                webhook: WebhookId(row.webhook_id),
                failed_at: Timestamp::from_sql(row.failed_at),
                recovered_at: Timestamp::from_sql(row.started_at),
            })
            .collect())
    }

    pub(crate) async fn note_recovery(&self, recovery: &Recovery) -> Result<(), StoreError> {
        sqlx::query!(
            "-- store: note_recovery
            with over as (
                update alert
                set failed_at = null
                where lane = $1 and webhook_id = $3 and failed_at = $4
                returning 1
            )
            insert into notice (lane, tenant_id, webhook_id, kind, happened_at)
            select $1, $2, $3, $5, $6 from over",
            recovery.tenant.lane().0,
            recovery.tenant.0,
            recovery.webhook.0,
            recovery.failed_at.to_sql(),
            KIND_RECOVERED,
            recovery.recovered_at.to_sql()
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub(crate) async fn webhooks_to_mail(
        &self,
        lanes: &[Lane],
        mailed_before: Timestamp,
        limit: usize,
    ) -> Result<Vec<(TenantId, WebhookId)>, StoreError> {
        let rows = sqlx::query!(
            "-- store: webhooks_to_mail
            select tenant_id, webhook_id
            from alert
            where lane = any($1) and (mail_open or waiting and coalesce(mailed_at <= $2, true))
            order by mailed_at nulls first
            limit $3",
            &lane_numbers(lanes),
            mailed_before.to_sql(),
            sql_limit(limit)
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| (TenantId(row.tenant_id), WebhookId(row.webhook_id)))
            .collect())
    }

    pub(crate) async fn digest(
        &self,
        tenant: TenantId,
        webhook: WebhookId,
        mailed_before: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Digest>, StoreError> {
        let lane = tenant.lane().0;
        let mut tx = self.pool.begin().await?;
        let Some(alert) = sqlx::query!(
            r#"-- store: digest
            select mail_number, mail_open, mailed_at, waiting and coalesce(mailed_at <= $3, true) as "due!"
            from alert
            where lane = $1 and webhook_id = $2
            for update"#,
            lane,
            webhook.0,
            mailed_before.to_sql()
        )
        .fetch_optional(&mut *tx)
        .await?
        else {
            return Ok(None);
        };
        let (number, made_at) = match alert.mailed_at {
            Some(mailed_at) if alert.mail_open => (alert.mail_number, Timestamp::from_sql(mailed_at)),
            _ if alert.due => (alert.mail_number + 1, now),
            _ => return Ok(None),
        };
        if !alert.mail_open {
            sqlx::query!(
                "update notice set mail = $3 where lane = $1 and webhook_id = $2 and mail = 0",
                lane,
                webhook.0,
                number
            )
            .execute(&mut *tx)
            .await?;
            sqlx::query!(
                "update alert set waiting = false, mail_open = true, mail_number = $3, mailed_at = $4
                where lane = $1 and webhook_id = $2",
                lane,
                webhook.0,
                number,
                made_at.to_sql()
            )
            .execute(&mut *tx)
            .await?;
        }
        let facts = sqlx::query!(
            r#"select count(*) filter (where kind = $4) as "dead_count!", min(happened_at) as first_at
            from notice
            where lane = $1 and webhook_id = $2 and mail = $3"#,
            lane,
            webhook.0,
            number,
            KIND_DEAD
        )
        .fetch_one(&mut *tx)
        .await?;
        let rows = sqlx::query!(
            r#"select id, tenant_id, webhook_id, kind, event_id, number, change as "change: Json<Standing>", happened_at
            from notice
            where lane = $1 and webhook_id = $2 and mail = $3
            order by id desc
            limit $4"#,
            lane,
            webhook.0,
            number,
            sql_limit(EXAMPLES_MAX)
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Some(Digest {
            tenant,
            webhook,
            number,
            made_at,
            dead_count: facts.dead_count.unsigned_abs(),
            first_at: facts.first_at.map_or(made_at, Timestamp::from_sql),
            newest: rows
                .into_iter()
                .map(|row| notice!(row))
                .collect::<Result<_, _>>()?,
        }))
    }

    pub(crate) async fn digest_sent(&self, digest: &Digest) -> Result<(), StoreError> {
        let lane = digest.tenant.lane().0;
        let mut tx = self.pool.begin().await?;
        sqlx::query!(
            "update alert set mail_open = false where lane = $1 and webhook_id = $2 and mail_number = $3",
            lane,
            digest.webhook.0,
            digest.number
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "delete from notice where lane = $1 and webhook_id = $2 and mail = $3",
            lane,
            digest.webhook.0,
            digest.number
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Writes the notice of a change of settings, in the transaction of the change.
pub(super) async fn note_standing(
    tx: &mut PgConnection,
    tenant: TenantId,
    webhook: WebhookId,
    standing: &Standing,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into notice (lane, tenant_id, webhook_id, kind, change, happened_at) values ($1, $2, $3, $4, $5, $6)",
        tenant.lane().0,
        tenant.0,
        webhook.0,
        KIND_STANDING,
        Json(standing) as _,
        now.to_sql()
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn forget(connection: &mut PgConnection, notice: &Notice) -> Result<(), StoreError> {
    sqlx::query!(
        "delete from notice where lane = $1 and id = $2",
        notice.tenant.lane().0,
        notice.id
    )
    .execute(connection)
    .await?;
    Ok(())
}
