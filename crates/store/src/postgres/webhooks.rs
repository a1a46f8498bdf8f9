//! Tenants, webhooks and their secrets.

use hookwright_core::Secret;
use sqlx::PgTransaction;

use super::{
    CONFIG_LOCK, Postgres, alerts::note_standing, audit::record, registrations::claim_key, sql_limit,
};
use crate::{
    AuditEntry, Removal, SigningWebhook, StoreError, TenantId, TenantWebhooks, Timestamp, Webhook, WebhookId,
    access::changed_fields,
    alert::{changed_standing, state_of},
    registration::Inserted,
    sealing::Owner,
    webhook::Change,
};

impl Postgres {
    pub(crate) async fn tenant(&self, name: &str) -> Result<TenantId, StoreError> {
        loop {
            let found = sqlx::query_scalar!("select id from tenant where name = $1", name);
            if let Some(id) = found.fetch_optional(&self.pool).await? {
                return Ok(TenantId(id));
            }
            let next =
                sqlx::query_scalar!(r#"select nextval(pg_get_serial_sequence('tenant', 'id')) as "id!""#);
            let id = TenantId(next.fetch_one(&self.pool).await?);
            // Somebody else may have made it meanwhile; then the next round finds theirs.
            sqlx::query!(
                "insert into tenant (id, lane, name) values ($1, $2, $3) on conflict (name) do nothing",
                id.0,
                id.lane().0,
                name
            )
            .execute(&self.pool)
            .await?;
        }
    }

    pub(crate) async fn tenants_changed_since(
        &self,
        version: i64,
    ) -> Result<Vec<(TenantId, i64)>, StoreError> {
        let rows = sqlx::query!("select id, version from tenant where version > $1", version);
        Ok(rows
            .fetch_all(&self.pool)
            .await?
            .into_iter()
            .map(|row| (TenantId(row.id), row.version))
            .collect())
    }

    pub(crate) async fn tenant_webhooks(
        &self,
        tenant: TenantId,
        since: i64,
        now: Timestamp,
    ) -> Result<TenantWebhooks, StoreError> {
        // One statement, so that version and webhooks are of one snapshot.
        let rows = sqlx::query!(
            r#"-- store: tenant_webhooks
            select t.version,
                   (select count(*) from webhook w where w.tenant_id = t.id) as "count!",
                   w.id as "id?",
                   w.settings as "settings?",
                   w.created_at as "created_at?",
                   w.updated_at as "updated_at?",
                   array(
                       select s.value
                       from webhook_secret s
                       where s.tenant_id = w.tenant_id and s.webhook_id = w.id
                         and (s.expires_at is null or s.expires_at > $2)
                       order by s.position
                   ) as "secrets!",
                   (select min(s.expires_at)
                    from webhook_secret s
                    where s.tenant_id = w.tenant_id and s.webhook_id = w.id and s.expires_at > $2) as secret_expires_at
            from tenant t
            left join webhook w on w.tenant_id = t.id and w.version > $3
            where t.id = $1
            order by w.id"#,
            tenant.0,
            now.to_sql(),
            since
        )
        .fetch_all(&self.pool)
        .await?;
        let (version, count) = rows.first().map_or((0, 0), |row| (row.version, row.count));
        let webhooks = rows
            .into_iter()
            .filter_map(|row| {
                let (id, settings) = (WebhookId(row.id?), row.settings?);
                let (created_at, updated_at) = (row.created_at?, row.updated_at?);
                let secret_expires_at = row.secret_expires_at.map(Timestamp::from_sql);
                let read = |secrets| {
                    let owner = Owner { tenant, webhook: id };
                    let webhook = Webhook {
                        tenant,
                        id,
                        settings: self.sealer.read_settings(owner, settings)?,
                        created_at: Timestamp::from_sql(created_at),
                        updated_at: Timestamp::from_sql(updated_at),
                    };
                    let secrets = self.sealer.read_secrets(owner, secrets)?;
                    Ok::<_, StoreError>(SigningWebhook {
                        webhook,
                        secrets,
                        secret_expires_at,
                    })
                };
                Some(read(row.secrets))
            })
            .collect::<Result<_, _>>()?;
        Ok(TenantWebhooks {
            version,
            count: usize::try_from(count).unwrap_or(usize::MAX),
            webhooks,
        })
    }

    pub(crate) async fn insert_webhook(
        &self,
        webhook: &Webhook,
        secrets: &[Secret],
        key: Option<&str>,
        max: Option<u32>,
        entry: &AuditEntry,
    ) -> Result<Inserted, StoreError> {
        let owner = Owner {
            tenant: webhook.tenant,
            webhook: webhook.id,
        };
        let mut tx = self.begin_config_change().await?;
        // First: a repetition is answered even if there is no room for another webhook.
        if let Some(key) = key
            && !claim_key(&mut tx, webhook, key).await?
        {
            return Ok(Inserted::KeyTaken);
        }
        if let Some(max) = max {
            // Under the lock that every registration takes.
            let count = sqlx::query_scalar!(
                r#"select count(*) as "count!" from webhook where tenant_id = $1"#,
                webhook.tenant.0
            );
            if count.fetch_one(&mut *tx).await? >= i64::from(max) {
                return Ok(Inserted::TooMany);
            }
        }
        sqlx::query!(
            "insert into webhook (tenant_id, id, settings, created_at, updated_at) values ($1, $2, $3, $4, $5)",
            webhook.tenant.0,
            webhook.id.0,
            self.sealer.write_settings(owner, &webhook.settings)?,
            webhook.created_at.to_sql(),
            webhook.updated_at.to_sql()
        )
        .execute(&mut *tx)
        .await?;
        for (position, secret) in (0_i16..).zip(secrets) {
            sqlx::query!(
                "insert into webhook_secret (tenant_id, webhook_id, position, value) values ($1, $2, $3, $4)",
                webhook.tenant.0,
                webhook.id.0,
                position,
                self.sealer.write_secret(owner, secret)?
            )
            .execute(&mut *tx)
            .await?;
        }
        record(&mut tx, entry).await?;
        commit_config_change(tx, webhook.tenant).await?;
        Ok(Inserted::Done)
    }

    pub(crate) async fn webhook(
        &self,
        tenant: TenantId,
        id: WebhookId,
    ) -> Result<Option<Webhook>, StoreError> {
        let row = sqlx::query!(
            "select settings, created_at, updated_at from webhook where tenant_id = $1 and id = $2",
            tenant.0,
            id.0
        )
        .fetch_optional(&self.pool)
        .await?;
        let owner = Owner { tenant, webhook: id };
        row.map(|row| {
            Ok(Webhook {
                tenant,
                id,
                settings: self.sealer.read_settings(owner, row.settings)?,
                created_at: Timestamp::from_sql(row.created_at),
                updated_at: Timestamp::from_sql(row.updated_at),
            })
        })
        .transpose()
    }

    pub(crate) async fn webhooks_before(
        &self,
        tenant: TenantId,
        before: WebhookId,
        limit: usize,
    ) -> Result<Vec<Webhook>, StoreError> {
        let rows = sqlx::query!(
            "select id, settings, created_at, updated_at
            from webhook
            where tenant_id = $1 and id < $2
            order by id desc
            limit $3",
            tenant.0,
            before.0,
            sql_limit(limit)
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let id = WebhookId(row.id);
                let owner = Owner { tenant, webhook: id };
                Ok(Webhook {
                    tenant,
                    id,
                    settings: self.sealer.read_settings(owner, row.settings)?,
                    created_at: Timestamp::from_sql(row.created_at),
                    updated_at: Timestamp::from_sql(row.updated_at),
                })
            })
            .collect()
    }

    pub(crate) async fn change_webhook(
        &self,
        tenant: TenantId,
        id: WebhookId,
        change: Change<'_>,
        now: Timestamp,
        entry: AuditEntry,
    ) -> Result<Option<Webhook>, StoreError> {
        // Under the lock that every change takes: nobody writes between the read and the write.
        let mut tx = self.begin_config_change().await?;
        let Some(mut webhook) = self.locked_webhook(&mut tx, tenant, id).await? else {
            return Ok(None);
        };
        let (before, settings_before) = (state_of(&webhook.settings), webhook.settings.clone());
        if !change(&mut webhook.settings, webhook.updated_at) {
            return Ok(Some(webhook));
        }
        webhook.updated_at = webhook.next_update(now);
        let fields = changed_fields(&settings_before, &webhook.settings);
        record(&mut tx, &entry.with_fields(fields)).await?;
        if let Some(standing) = changed_standing(&before, &webhook.settings) {
            note_standing(&mut tx, tenant, id, &standing, now).await?;
        }
        let owner = Owner { tenant, webhook: id };
        sqlx::query!(
            "update webhook set settings = $3, updated_at = $4 where tenant_id = $1 and id = $2",
            tenant.0,
            id.0,
            self.sealer.write_settings(owner, &webhook.settings)?,
            webhook.updated_at.to_sql()
        )
        .execute(&mut *tx)
        .await?;
        commit_config_change(tx, tenant).await?;
        Ok(Some(webhook))
    }

    async fn locked_webhook(
        &self,
        tx: &mut PgTransaction<'static>,
        tenant: TenantId,
        id: WebhookId,
    ) -> Result<Option<Webhook>, StoreError> {
        let row = sqlx::query!(
            r#"-- store: change_webhook
            select settings, created_at, updated_at
            from webhook
            where tenant_id = $1 and id = $2
            for update"#,
            tenant.0,
            id.0
        )
        .fetch_optional(&mut **tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let owner = Owner { tenant, webhook: id };
        Ok(Some(Webhook {
            tenant,
            id,
            settings: self.sealer.read_settings(owner, row.settings)?,
            created_at: Timestamp::from_sql(row.created_at),
            updated_at: Timestamp::from_sql(row.updated_at),
        }))
    }

    pub(crate) async fn delete_webhook(
        &self,
        tenant: TenantId,
        id: WebhookId,
        version: Option<Timestamp>,
        entry: &AuditEntry,
    ) -> Result<Removal, StoreError> {
        let mut tx = self.begin_config_change().await?;
        if let Some(version) = version {
            let current = self.locked_webhook(&mut tx, tenant, id).await?;
            if current.is_some_and(|webhook| webhook.updated_at != version) {
                return Ok(Removal::Changed);
            }
        }
        let deleted = sqlx::query!(
            "delete from webhook where tenant_id = $1 and id = $2",
            tenant.0,
            id.0
        );
        if deleted.execute(&mut *tx).await?.rows_affected() == 0 {
            return Ok(Removal::NotFound);
        }
        record(&mut tx, entry).await?;
        commit_config_change(tx, tenant).await?;
        Ok(Removal::Removed)
    }

    pub(super) async fn begin_config_change(&self) -> Result<PgTransaction<'static>, StoreError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query!(
            r#"select pg_advisory_xact_lock($1) as "locked!: ()""#,
            CONFIG_LOCK
        )
        .execute(&mut *tx)
        .await?;
        Ok(tx)
    }
}

pub(super) async fn commit_config_change(
    mut tx: PgTransaction<'static>,
    tenant: TenantId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update tenant set version = nextval('config_version') where id = $1",
        tenant.0
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}
