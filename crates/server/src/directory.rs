//! The webhooks of each tenant, loaded and ready to match and to deliver to.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use hookwright_core::{Profile, Registry, Secret, Signer, StatusSet, Verifier, jwe};
use hookwright_egress::{Answer, Connection, Egress, Exchange, ExchangeError, PolicyError};
use hookwright_store::{
    SigningWebhook, Store, StoreError, TenantId, TenantWebhooks, Timestamp, Webhook, WebhookId,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tokio::sync::Semaphore;
use url::Url;

use crate::{
    connection,
    engine::{FlowLimits, Gauge, Rate, RetryPolicy, WEBHOOK_KIB_MAX},
    matching::{Matcher, TenantIndex},
};

/// How long a webhook may fail before it is disabled, unless its owner or its profile says otherwise.
const DISABLE_AFTER: Duration = Duration::from_hours(120);

/// Copies of the tenants' webhooks, read when first needed and again when they have changed.
#[derive(Debug)]
pub(crate) struct Directory {
    store: Store,
    registry: Arc<Registry>,
    egress: Egress,
    tenants: RwLock<HashMap<TenantId, Arc<TenantIndex>>>,
    /// Held while webhooks are made ready: of two that did so for the same webhook at once, each would give it a gauge and a
    /// share of the memory of its own.
    enlivening: Mutex<()>,
    /// Of all tenants read so far.
    webhooks: RwLock<HashMap<WebhookId, Arc<LiveWebhook>>>,
}

/// A webhook with all that an attempt needs worked out.
#[derive(Debug)]
pub(crate) struct LiveWebhook {
    pub(crate) webhook: Webhook,
    pub(crate) profile: Arc<Profile>,
    /// Which events it gets.
    pub(crate) matcher: Matcher,
    pub(crate) signer: Signer,
    pub(crate) verifier: Verifier,
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// The owner's own headers and the content type.
    pub(crate) headers: HeaderMap,
    pub(crate) retry: RetryPolicy,
    /// The answers that its owner takes for a success; `None` is the profile's rule.
    success: Option<StatusSet>,
    pub(crate) timeout: Duration,
    /// An error when the operator allows less than when the webhook was registered. Its deliveries fail then, and are not
    /// lost.
    connection: Result<Connection, PolicyError>,
    secrets: Vec<Secret>,
    /// When the first of its secrets stops signing: then it is read again.
    pub(crate) secret_expires_at: Option<Timestamp>,
    /// Counts its part of this node's memory, in KiB.
    pub(crate) slots: Arc<Semaphore>,
    /// How fast it is attempted.
    pub(crate) gauge: Arc<Gauge>,
}

impl LiveWebhook {
    pub(crate) fn id(&self) -> WebhookId {
        self.webhook.id
    }

    /// Whether nothing has changed since it was read.
    fn is_as_stored(&self, stored: &SigningWebhook) -> bool {
        self.webhook == stored.webhook
            && self.secrets == stored.secrets
            && self.secret_expires_at == stored.secret_expires_at
    }

    /// Whether no attempts are made for now.
    pub(crate) fn is_stopped(&self) -> bool {
        self.webhook.settings.stop.is_some()
    }

    /// Whether an answer with this status means that the receiver has taken the delivery.
    pub(crate) fn is_success(&self, status: u16) -> bool {
        match &self.success {
            Some(success) => success.includes(status),
            None => self.profile.is_success(status),
        }
    }

    /// Sends one request the way that this webhook's owner chose.
    pub(crate) async fn send(&self, exchange: Exchange) -> Result<Answer, ExchangeError> {
        match &self.connection {
            Ok(connection) => connection.exchange(exchange).await,
            Err(error) => Err(ExchangeError::Unreachable(error.to_string())),
        }
    }
}

impl Directory {
    pub(crate) fn new(store: Store, registry: Arc<Registry>, egress: Egress) -> Self {
        Self {
            store,
            registry,
            egress,
            tenants: RwLock::default(),
            enlivening: Mutex::default(),
            webhooks: RwLock::default(),
        }
    }

    /// The profiles that webhooks can have, and every scheme.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The store's time, which filters can ask for.
    pub(crate) fn now(&self) -> Timestamp {
        self.store.clock().now()
    }

    /// A tenant's webhooks, as of the last reading.
    pub(crate) async fn tenant(&self, tenant: TenantId) -> Result<Arc<TenantIndex>, StoreError> {
        match self.known(tenant) {
            Some(index) => Ok(index),
            None => self.reload(tenant).await,
        }
    }

    fn known(&self, tenant: TenantId) -> Option<Arc<TenantIndex>> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenants.get(&tenant).cloned()
    }

    /// A webhook of any tenant read so far.
    pub(crate) fn webhook(&self, id: WebhookId) -> Option<Arc<LiveWebhook>> {
        self.webhooks
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    /// Reads what has changed of a tenant's webhooks; all of them the first time, and when one has gone.
    pub(crate) async fn reload(&self, tenant: TenantId) -> Result<Arc<TenantIndex>, StoreError> {
        if let Some(known) = self.known(tenant) {
            let changed = self.store.tenant_webhooks_since(tenant, known.version).await?;
            if let Some(index) = self.add(tenant, changed) {
                return Ok(index);
            }
        }
        self.reload_all(tenant).await
    }

    /// `None` when a webhook that is known has gone.
    fn add(&self, tenant: TenantId, changed: TenantWebhooks) -> Option<Arc<TenantIndex>> {
        let _alone = self.enlivening.lock().unwrap_or_else(PoisonError::into_inner);
        // What others have read meanwhile has some of these changes, or more of them.
        let known = self.known(tenant)?;
        if known.version >= changed.version {
            return Some(known);
        }
        let (live, unusable) = self.enliven_all(changed.webhooks);
        let index = Arc::new(known.with(changed.version, &live, &unusable));
        if index.count() != changed.count {
            return None;
        }
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        tenants.insert(tenant, Arc::clone(&index));
        let mut webhooks = self.webhooks.write().unwrap_or_else(PoisonError::into_inner);
        for id in unusable {
            webhooks.remove(&id);
        }
        webhooks.extend(live.into_iter().map(|live| (live.id(), live)));
        Some(index)
    }

    async fn reload_all(&self, tenant: TenantId) -> Result<Arc<TenantIndex>, StoreError> {
        let read = self.store.tenant_webhooks(tenant).await?;
        let _alone = self.enlivening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(newer) = self.known(tenant).filter(|known| known.version > read.version) {
            // Two readings overtook each other. Nothing of this one may be used, its limits neither.
            return Ok(newer);
        }
        let (live, unusable) = self.enliven_all(read.webhooks);
        let index = Arc::new(TenantIndex::build(read.version, live, unusable));
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        tenants.insert(tenant, Arc::clone(&index));
        let mut webhooks = self.webhooks.write().unwrap_or_else(PoisonError::into_inner);
        webhooks.retain(|_, live| live.webhook.tenant != tenant);
        webhooks.extend(index.all().iter().map(|live| (live.id(), Arc::clone(live))));
        Ok(index)
    }

    /// The second value has those that this node does not know how to deliver to.
    fn enliven_all(&self, webhooks: Vec<SigningWebhook>) -> (Vec<Arc<LiveWebhook>>, HashSet<WebhookId>) {
        let mut live = Vec::with_capacity(webhooks.len());
        let mut unusable = HashSet::new();
        for webhook in webhooks {
            let id = webhook.webhook.id;
            match self.enliven(webhook) {
                Some(webhook) => live.push(webhook),
                None => {
                    unusable.insert(id);
                }
            }
        }
        (live, unusable)
    }

    /// Reads the tenants again whose webhooks changed on other nodes, or have a secret that has expired.
    pub(crate) async fn refresh(&self) -> Result<(), StoreError> {
        for tenant in self.with_expired_secrets() {
            self.reload_all(tenant).await?;
        }
        let known: HashMap<TenantId, i64> = {
            let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
            tenants
                .iter()
                .map(|(tenant, index)| (*tenant, index.version))
                .collect()
        };
        let Some(oldest) = known.values().min() else {
            return Ok(());
        };
        for (tenant, version) in self.store.tenants_changed_since(*oldest).await? {
            if known.get(&tenant).is_some_and(|known| *known < version) {
                self.reload(tenant).await?;
            }
        }
        Ok(())
    }

    fn with_expired_secrets(&self) -> Vec<TenantId> {
        let now = self.store.clock().now();
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        let expired = tenants
            .iter()
            .filter(|(_, index)| index.secret_expires_at().is_some_and(|expiry| expiry <= now));
        let mut expired: Vec<TenantId> = expired.map(|(tenant, _)| *tenant).collect();
        expired.sort_unstable();
        expired
    }

    fn enliven(&self, webhook: SigningWebhook) -> Option<Arc<LiveWebhook>> {
        let id = webhook.webhook.id;
        let known = self.webhook(id);
        // All of a tenant's are read again when one has gone. The others stay as they are, with their filters compiled and
        // their connections open.
        if let Some(known) = known.as_ref().filter(|known| known.is_as_stored(&webhook)) {
            return Some(Arc::clone(known));
        }
        let slots = known.as_ref().map(|known| Arc::clone(&known.slots));
        let gauge = known.map(|known| Arc::clone(&known.gauge)).unwrap_or_default();
        match enliven(
            webhook,
            &self.registry,
            &self.egress,
            slots.unwrap_or_else(|| Arc::new(Semaphore::new(WEBHOOK_KIB_MAX))),
            gauge,
        ) {
            Ok(live) => Some(Arc::new(live)),
            Err(problem) => {
                // It was checked when it was registered: its profile is of a newer version, say, or no longer in the
                // folder that this node was started with.
                tracing::error!(webhook = %id, problem, "this webhook cannot be delivered to");
                None
            }
        }
    }
}

fn enliven(
    webhook: SigningWebhook,
    registry: &Registry,
    egress: &Egress,
    slots: Arc<Semaphore>,
    gauge: Arc<Gauge>,
) -> Result<LiveWebhook, String> {
    let SigningWebhook {
        webhook,
        secrets,
        secret_expires_at,
    } = webhook;
    let settings = &webhook.settings;
    let profile = registry
        .find_profile(&settings.profile)
        .map_err(|error| error.to_string())?;
    let signer = Signer::for_profile(&profile, &secrets).map_err(|error| error.to_string())?;
    let verifier = Verifier::for_profile(&profile, &secrets).map_err(|error| error.to_string())?;
    let matcher = Matcher::build(settings, &profile)?;
    let url = Url::parse(&settings.url).map_err(|error| error.to_string())?;
    let mut headers = HeaderMap::new();
    for (name, value) in &settings.headers.0 {
        let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
        let mut value = HeaderValue::try_from(value).map_err(|error| error.to_string())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    let content_type = match settings.encryption {
        Some(_) => jwe::CONTENT_TYPE,
        None => (settings.connection.content_type.as_deref()).unwrap_or(profile.content_type()),
    };
    let content_type = HeaderValue::try_from(content_type).map_err(|error| error.to_string())?;
    headers.insert(header::CONTENT_TYPE, content_type);
    let statuses = |texts: &[String]| {
        StatusSet::parse(texts).map_err(|text| format!("{text:?} is not a status from 200 to 599"))
    };
    let own = |texts: &[String]| (!texts.is_empty()).then(|| statuses(texts)).transpose();
    let limits = &settings.retry_limits;
    let retry = RetryPolicy {
        schedule: settings
            .schedule
            .clone()
            .unwrap_or_else(|| profile.schedule.clone()),
        max_attempts: limits.max_attempts,
        max_age: limits.max_age.or(profile.max_age),
        permanent: own(&limits.permanent_statuses)?.unwrap_or_else(|| profile.permanent.clone()),
    };
    gauge.set_limits(flow_limits(&webhook, &profile));
    Ok(LiveWebhook {
        success: own(&settings.success_statuses)?,
        retry,
        matcher,
        signer,
        verifier,
        method: connection::method(settings.connection.method),
        connection: connection::connection(&settings.connection, &profile, egress),
        url,
        headers,
        timeout: settings.timeout.unwrap_or(profile.timeout),
        secrets,
        secret_expires_at,
        slots,
        gauge,
        profile,
        webhook,
    })
}

fn flow_limits(webhook: &Webhook, profile: &Profile) -> FlowLimits {
    let settings = &webhook.settings;
    FlowLimits {
        in_flight_max: settings.max_in_flight,
        rate: settings.rate_limit.map(|limit| Rate {
            per_second: limit.per_second,
            burst: limit.burst,
        }),
        disable_after: Some(
            settings
                .disable_after
                .or(profile.disable_after)
                .unwrap_or(DISABLE_AFTER),
        )
        // Never.
        .filter(|after| !after.is_zero()),
        changed_at: Some(webhook.updated_at),
    }
}
