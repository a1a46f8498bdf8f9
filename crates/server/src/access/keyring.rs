//! All keys that are good, and the limits of all tenants, in memory.
//!
//! ```text
//!   request ──► in memory? ── yes ──► compare
//!                   │ no, and it may be new
//!                   ▼
//!              read what has changed: one for all who wait, a few times a second at most
//! ```
//!
//! Every node has all keys, about 400 bytes each, and reads once a second what has changed. So a key that is not there
//! does not exist, unless it was made on another node within that second: a flood of keys that nobody made costs the store
//! a few small reads a second, and memory nothing. While the store does not answer, keys are believed that were good
//! when it last did.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use hookwright_store::{
    AccessCursor, Key, KeyHash, KeyId, KeyText, Quotas, Store, StoreError, Tenant, TenantId, Timestamp,
};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::{Refusal, TenantLimits};

/// Reads for keys that are not known, in a second.
const LOOKS_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).expect("not zero");
/// A key that claims to be older than this, and is not known, does not exist. More than clocks of nodes differ.
const NEW: Duration = Duration::from_mins(1);
/// How long an expired key is told from an unknown one.
const EXPIRED_KEPT: Duration = Duration::from_hours(24);

/// All keys that are good. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Keyring {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    /// Of tenants that have none of their own.
    quotas: Quotas,
    grants: RwLock<HashMap<KeyId, Arc<Grant>>>,
    tenants: RwLock<HashMap<TenantId, Arc<TenantLimits>>>,
    /// Held while reading.
    cursor: Mutex<AccessCursor>,
    /// How often everything that had changed was read.
    rounds: AtomicU64,
    looks: DefaultDirectRateLimiter,
}

/// A key that was good when it was last looked at.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(super) key: Key,
    pub(super) limits: Arc<TenantLimits>,
    /// Cancelled when it is revoked.
    pub(super) revoked: CancellationToken,
    hash: KeyHash,
    /// In microseconds since 1970; 0 when it was not used here yet.
    used_at: AtomicI64,
    /// The use that the store knows of.
    noted_at: AtomicI64,
}

impl Keyring {
    /// Reads all keys and tenants.
    pub(crate) async fn open(store: Store, quotas: Quotas) -> Result<Self, StoreError> {
        let inner = Inner {
            store,
            quotas,
            grants: RwLock::default(),
            tenants: RwLock::default(),
            cursor: Mutex::default(),
            rounds: AtomicU64::new(0),
            looks: RateLimiter::direct(Quota::per_second(LOOKS_PER_SECOND)),
        };
        let keyring = Self {
            inner: Arc::new(inner),
        };
        keyring.refresh().await?;
        keyring.count_events().await;
        Ok(keyring)
    }

    /// Where they are stored.
    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The limits of the default tenant, whose are all who need no key.
    pub(super) fn default_limits(&self) -> Arc<TenantLimits> {
        self.limits(TenantId::DEFAULT, "default", Quotas::default())
    }

    /// What the key permits, if that can be told at once.
    pub(super) fn check(&self, text: &KeyText) -> Option<Result<Arc<Grant>, Refusal>> {
        let grant = self.grant(text.id());
        if grant.is_none() && self.may_be_new(text.id()) {
            return None;
        }
        Some(self.compare(grant, text))
    }

    /// The same for one that may have been made on another node a moment ago.
    pub(super) async fn look_for(&self, text: &KeyText) -> Result<Arc<Grant>, Refusal> {
        if self.inner.looks.check().is_ok() {
            self.read_after(self.inner.rounds.load(Ordering::Acquire))
                .await
                .map_err(Refusal::Store)?;
        }
        self.compare(self.grant(text.id()), text)
    }

    /// As much work for a key that there is as for one that there is not.
    fn compare(&self, grant: Option<Arc<Grant>>, text: &KeyText) -> Result<Arc<Grant>, Refusal> {
        let hash = grant.as_ref().map_or(KeyHash::NONE, |grant| grant.hash);
        let is_right = hash.is(&text.hash());
        let grant = grant.filter(|_| is_right).ok_or(Refusal::KeyInvalid)?;
        let now = self.inner.store.clock().now();
        if grant.key.expires_at.is_some_and(|end| end <= now) {
            return Err(Refusal::KeyExpired);
        }
        grant.used_at.store(now.unix_micros(), Ordering::Relaxed);
        Ok(grant)
    }

    fn grant(&self, id: KeyId) -> Option<Arc<Grant>> {
        let grants = self.inner.grants.read().unwrap_or_else(PoisonError::into_inner);
        grants.get(&id).cloned()
    }

    fn may_be_new(&self, id: KeyId) -> bool {
        id.created_at() > self.inner.store.clock().now().minus(NEW)
    }

    /// Reads what has changed. Everything that was stored before this is called is known when it returns.
    pub(crate) async fn refresh(&self) -> Result<(), StoreError> {
        self.read_after(self.inner.rounds.load(Ordering::Acquire)).await
    }

    /// Reads what has changed, unless somebody else has begun to do so after this many rounds were complete.
    async fn read_after(&self, asked: u64) -> Result<(), StoreError> {
        let mut cursor = self.inner.cursor.lock().await;
        // The first one may have been under way when it was asked for.
        if self.inner.rounds.load(Ordering::Acquire) >= asked + 2 {
            return Ok(());
        }
        let changes = self.inner.store.access_changes(*cursor).await?;
        for tenant in &changes.tenants {
            self.take_tenant(tenant);
        }
        for (key, hash) in changes.keys {
            self.take_key(key, hash);
        }
        *cursor = changes.cursor;
        self.inner.rounds.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn take_tenant(&self, tenant: &Tenant) {
        if tenant.is_deleted {
            let mut tenants = self.inner.tenants.write().unwrap_or_else(PoisonError::into_inner);
            tenants.remove(&tenant.id);
            return;
        }
        let limits = self.limits(tenant.id, &tenant.name, tenant.quotas);
        limits.set(tenant.quotas.or(self.inner.quotas));
    }

    /// Of this tenant; made when missing.
    fn limits(&self, id: TenantId, name: &str, quotas: Quotas) -> Arc<TenantLimits> {
        let known = self.inner.tenants.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(limits) = known.get(&id) {
            return Arc::clone(limits);
        }
        drop(known);
        let mut tenants = self.inner.tenants.write().unwrap_or_else(PoisonError::into_inner);
        let limits = tenants
            .entry(id)
            .or_insert_with(|| Arc::new(TenantLimits::new(id, name, quotas.or(self.inner.quotas))));
        Arc::clone(limits)
    }

    fn take_key(&self, key: Key, hash: KeyHash) {
        let now = self.inner.store.clock().now();
        let is_over = key.revoked_at.is_some() || is_long_over(&key, now);
        let mut grants = self.inner.grants.write().unwrap_or_else(PoisonError::into_inner);
        if is_over {
            if let Some(grant) = grants.remove(&key.id) {
                grant.revoked.cancel();
            }
            return;
        }
        let limits = {
            let tenants = self.inner.tenants.read().unwrap_or_else(PoisonError::into_inner);
            tenants.get(&key.tenant).cloned()
        };
        // Its tenant is deleted, and so it is as good as revoked.
        let Some(limits) = limits else { return };
        let noted = key.last_used_at.map_or(0, Timestamp::unix_micros);
        grants.entry(key.id).or_insert_with(|| {
            Arc::new(Grant {
                limits,
                revoked: CancellationToken::new(),
                hash,
                used_at: AtomicI64::new(noted),
                noted_at: AtomicI64::new(noted),
                key,
            })
        });
    }

    /// Counts the events of tenants that may have so many only.
    pub(super) async fn count_events(&self) {
        let tenants: Vec<_> = {
            let tenants = self.inner.tenants.read().unwrap_or_else(PoisonError::into_inner);
            tenants.values().cloned().collect()
        };
        for tenant in tenants {
            if let Err(error) = tenant.count_events(&self.inner.store).await {
                tracing::warn!(%error, tenant = tenant.name, "a tenant's events could not be counted");
            }
        }
    }

    /// Tells the store when keys were used, and forgets those that have long expired.
    pub(super) async fn note_uses(&self) {
        let now = self.inner.store.clock().now();
        let used: Vec<(Arc<Grant>, i64)> = {
            let mut grants = self.inner.grants.write().unwrap_or_else(PoisonError::into_inner);
            grants.retain(|_, grant| !is_long_over(&grant.key, now));
            let used = grants.values().filter_map(|grant| {
                let used_at = grant.used_at.load(Ordering::Relaxed);
                (used_at > grant.noted_at.load(Ordering::Relaxed)).then(|| (Arc::clone(grant), used_at))
            });
            used.collect()
        };
        for batch in used.chunks(1_000) {
            let rows: Vec<_> = batch
                .iter()
                .map(|(grant, used_at)| (grant.key.id, Timestamp::from_unix_micros(*used_at)))
                .collect();
            match self.inner.store.note_keys_used(&rows).await {
                Ok(()) => {
                    for (grant, used_at) in batch {
                        grant.noted_at.store(*used_at, Ordering::Relaxed);
                    }
                }
                Err(error) => tracing::warn!(%error, "when keys were last used could not be noted"),
            }
        }
    }
}

fn is_long_over(key: &Key, now: Timestamp) -> bool {
    key.expires_at.is_some_and(|end| end.plus(EXPIRED_KEPT) <= now)
}
