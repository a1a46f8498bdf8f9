//! Keys, tenants and the audit log: methods of [`Store`].

use std::fmt;

use super::{Actor, AuditEntry, Key, KeyCreation, KeyHash, KeyText, NewKey, Quotas, Tenant, TenantDeletion};
use crate::{AuditId, EventId, KeyId, Page, PageSize, Store, StoreError, TenantId, Timestamp};

/// Keys of one tenant that are good at the same time. Every node has all of them in memory.
pub const KEYS_MAX: usize = 1_000;

/// Where changes of tenants are told: in the log of the default one, which is the operator's. A tenant's own log goes with
/// it.
const OPERATORS_LOG: TenantId = TenantId::DEFAULT;

/// How far somebody has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccessCursor {
    pub(crate) keys: i64,
    pub(crate) tenants: i64,
}

/// What has changed.
#[derive(Debug)]
pub struct AccessChanges {
    /// Keys that were made or revoked, with their hashes.
    pub keys: Vec<(Key, KeyHash)>,
    /// Tenants that were made, changed or deleted.
    pub tenants: Vec<Tenant>,
    /// Where to go on.
    pub cursor: AccessCursor,
}

impl Store {
    /// The same store for somebody: what is changed through it is theirs in the audit log.
    #[must_use]
    pub fn acting_as(&self, actor: Actor) -> Self {
        self.with_actor(actor)
    }

    /// An entry for what is done now.
    pub(crate) fn entry(&self, tenant: TenantId, resource: &dyn fmt::Display) -> AuditEntry {
        let id = AuditId(self.mint(self.clock().now()));
        AuditEntry::new(id, self.actor(), tenant, resource.to_string())
    }

    /// Makes a key.
    pub async fn create_key(&self, tenant: TenantId, new: NewKey) -> Result<KeyCreation, StoreError> {
        let now = self.clock().now();
        let id = KeyId(self.mint(now));
        let text = KeyText::generate(id);
        let key = Key {
            id,
            tenant,
            name: new.name.into(),
            scopes: new.scopes,
            profile: new.profile.map(Into::into),
            created_at: now,
            expires_at: new.expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        let entry = self.entry(tenant, &id);
        let Some(live) = self
            .engine()
            .insert_key(&key, &text.hash(), KEYS_MAX, &entry)
            .await?
        else {
            return Ok(KeyCreation::NoTenant);
        };
        if live >= KEYS_MAX {
            return Ok(KeyCreation::TooMany);
        }
        Ok(KeyCreation::Created {
            key: Box::new(key),
            text,
        })
    }

    /// Keys of a tenant older than `before`, newest first; revoked ones too, as long as the log goes back.
    pub async fn keys(
        &self,
        tenant: TenantId,
        before: Option<KeyId>,
        size: PageSize,
    ) -> Result<Page<Key, KeyId>, StoreError> {
        let before = before.unwrap_or(KeyId(uuid::Uuid::max()));
        let rows = self.engine().keys_before(tenant, before, size.rows() + 1).await?;
        Ok(page(rows, size, |key| key.id))
    }

    /// Revokes a key, and returns it. `None` when there is no such key. One that was revoked stays as it was.
    pub async fn revoke_key(&self, tenant: TenantId, id: KeyId) -> Result<Option<Key>, StoreError> {
        let entry = self.entry(tenant, &id);
        self.engine()
            .revoke_key(tenant, id, self.clock().now(), &entry)
            .await
    }

    /// Whether anybody can come in with a key now.
    pub async fn has_live_key(&self) -> Result<bool, StoreError> {
        self.engine().has_live_key(self.clock().now()).await
    }

    /// Keys and tenants that changed since.
    pub async fn access_changes(&self, since: AccessCursor) -> Result<AccessChanges, StoreError> {
        self.engine().access_changes(since).await
    }

    /// Notes when keys were last used.
    pub async fn note_keys_used(&self, used: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        if used.is_empty() {
            return Ok(());
        }
        self.engine().note_keys_used(used).await
    }

    /// Makes a tenant. `None` when the name is taken.
    pub async fn create_tenant(&self, name: &str, quotas: Quotas) -> Result<Option<Tenant>, StoreError> {
        let now = self.clock().now();
        let entry = self.entry(OPERATORS_LOG, &name);
        self.engine().insert_tenant(name, quotas, now, &entry).await
    }

    /// A tenant by its name, if there is one.
    pub async fn tenant_named(&self, name: &str) -> Result<Option<Tenant>, StoreError> {
        self.engine().tenant_named(name).await
    }

    /// Tenants by name, after this one.
    pub async fn tenants(
        &self,
        after: Option<&str>,
        size: PageSize,
    ) -> Result<Page<Tenant, String>, StoreError> {
        let rows = self
            .engine()
            .tenants_after(after.unwrap_or(""), size.rows() + 1)
            .await?;
        Ok(page(rows, size, |tenant| tenant.name.clone()))
    }

    /// Changes a tenant's quotas with nobody in between: `change` is given those that are stored then. `None` when the
    /// tenant is gone.
    pub async fn change_quotas(
        &self,
        tenant: &Tenant,
        change: impl Fn(&mut Quotas) + Send + Sync,
        fields: Vec<String>,
    ) -> Result<Option<Tenant>, StoreError> {
        let entry = self.entry(OPERATORS_LOG, &tenant.name).with_fields(fields);
        self.engine().change_quotas(tenant.id, &change, &entry).await
    }

    /// Deletes a tenant that has no webhooks, with its keys and its catalogue.
    pub async fn delete_tenant(&self, tenant: &Tenant) -> Result<TenantDeletion, StoreError> {
        let entry = self.entry(OPERATORS_LOG, &tenant.name);
        self.engine()
            .delete_tenant(tenant.id, self.clock().now(), &entry)
            .await
    }

    /// How many events of a tenant are in the log, counted up to a limit.
    pub async fn count_events(&self, tenant: TenantId, limit: u64) -> Result<u64, StoreError> {
        self.engine().count_events(tenant, limit).await
    }

    /// Changes in a tenant before `before`, newest first; all, or those of one thing.
    pub async fn audit_entries(
        &self,
        tenant: TenantId,
        resource: Option<&str>,
        before: Option<AuditId>,
        size: PageSize,
    ) -> Result<Page<AuditEntry, AuditId>, StoreError> {
        let before = before.unwrap_or(AuditId(uuid::Uuid::max()));
        let rows = self
            .engine()
            .audit_before(tenant, resource, before, size.rows() + 1)
            .await?;
        Ok(page(rows, size, |entry| entry.id))
    }

    /// Removes what has outlived the log: audit entries, and keys that have been no good for as long.
    pub(crate) async fn remove_access_before(&self, bound: EventId) -> Result<(), StoreError> {
        self.engine()
            .remove_access_before(AuditId(bound.0), bound.created_at())
            .await
    }
}

fn page<T, C>(mut rows: Vec<T>, size: PageSize, place: impl Fn(&T) -> C) -> Page<T, C> {
    let more = rows.len() > size.rows();
    rows.truncate(size.rows());
    let next = rows.last().filter(|_| more).map(place);
    Page { rows, next }
}
