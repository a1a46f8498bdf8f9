//! The webhooks of each tenant, ready to match and to deliver to.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use hookwright_core::{Profile, Registry, Signer, StatusSet, Verifier, jwe};
use hookwright_store::{SigningWebhook, Store, StoreError, TenantId, Webhook, WebhookId};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio::sync::Semaphore;
use url::Url;

use crate::{
    alerts::is_operational,
    engine::{FlowLimits, Gauge, Rate, RetryPolicy, WEBHOOK_KIB_MAX},
};

/// How long a webhook may fail before it is disabled, unless its owner or its profile says otherwise.
const DISABLE_AFTER: Duration = Duration::from_hours(120);

/// Copies of the tenants' webhooks, read when first needed and again when they have changed.
#[derive(Debug)]
pub(crate) struct Directory {
    store: Store,
    registry: Arc<Registry>,
    tenants: RwLock<HashMap<TenantId, Arc<TenantIndex>>>,
    /// Of all tenants read so far.
    webhooks: RwLock<HashMap<WebhookId, Arc<LiveWebhook>>>,
}

/// A tenant's webhooks by what they want.
#[derive(Debug, Default)]
pub(crate) struct TenantIndex {
    pub(crate) version: i64,
    all: Vec<Arc<LiveWebhook>>,
    /// Those that want everything.
    every_type: Vec<usize>,
    exact: HashMap<String, Vec<usize>>,
    /// By what stands before `.*`, the dot included.
    prefixes: HashMap<String, Vec<usize>>,
    /// Webhooks that this node does not know how to deliver to.
    unusable: HashSet<WebhookId>,
}

/// A webhook with all that an attempt needs worked out.
#[derive(Debug)]
pub(crate) struct LiveWebhook {
    pub(crate) webhook: Webhook,
    pub(crate) profile: Arc<Profile>,
    pub(crate) signer: Signer,
    pub(crate) verifier: Verifier,
    pub(crate) url: Url,
    /// The owner's own headers and the content type.
    pub(crate) headers: HeaderMap,
    pub(crate) retry: RetryPolicy,
    /// The answers that its owner takes for a success; `None` is the profile's rule.
    success: Option<StatusSet>,
    pub(crate) timeout: Duration,
    /// Counts its part of this node's memory, in KiB.
    pub(crate) slots: Arc<Semaphore>,
    /// How fast it is attempted.
    pub(crate) gauge: Arc<Gauge>,
}

impl LiveWebhook {
    pub(crate) fn id(&self) -> WebhookId {
        self.webhook.id
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
}

impl Directory {
    pub(crate) fn new(store: Store, registry: Arc<Registry>) -> Self {
        Self {
            store,
            registry,
            tenants: RwLock::default(),
            webhooks: RwLock::default(),
        }
    }

    /// The profiles that webhooks can have, and every scheme.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// A tenant's webhooks, as of the last reading.
    pub(crate) async fn tenant(&self, tenant: TenantId) -> Result<Arc<TenantIndex>, StoreError> {
        let known = self
            .tenants
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&tenant)
            .cloned();
        match known {
            Some(index) => Ok(index),
            None => self.reload(tenant).await,
        }
    }

    /// A webhook of any tenant read so far.
    pub(crate) fn webhook(&self, id: WebhookId) -> Option<Arc<LiveWebhook>> {
        self.webhooks
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    /// Reads a tenant's webhooks again.
    pub(crate) async fn reload(&self, tenant: TenantId) -> Result<Arc<TenantIndex>, StoreError> {
        let read = self.store.tenant_webhooks(tenant).await?;
        let mut live = Vec::with_capacity(read.webhooks.len());
        let mut unusable = HashSet::new();
        for webhook in read.webhooks {
            let id = webhook.webhook.id;
            match self.enliven(webhook) {
                Some(webhook) => live.push(webhook),
                None => {
                    unusable.insert(id);
                }
            }
        }
        let index = Arc::new(TenantIndex {
            unusable,
            ..TenantIndex::build(read.version, live)
        });
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(newer) = tenants.get(&tenant).filter(|known| known.version > index.version) {
            // Two readings overtook each other.
            return Ok(Arc::clone(newer));
        }
        tenants.insert(tenant, Arc::clone(&index));
        let mut webhooks = self.webhooks.write().unwrap_or_else(PoisonError::into_inner);
        webhooks.retain(|_, live| live.webhook.tenant != tenant);
        webhooks.extend(index.all.iter().map(|live| (live.id(), Arc::clone(live))));
        Ok(index)
    }

    /// Reads the tenants again whose webhooks changed on other nodes.
    pub(crate) async fn refresh(&self) -> Result<(), StoreError> {
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

    fn enliven(&self, webhook: SigningWebhook) -> Option<Arc<LiveWebhook>> {
        let id = webhook.webhook.id;
        let known = self.webhook(id);
        let slots = known.as_ref().map(|known| Arc::clone(&known.slots));
        let gauge = known.map(|known| Arc::clone(&known.gauge)).unwrap_or_default();
        match enliven(
            webhook,
            &self.registry,
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
    slots: Arc<Semaphore>,
    gauge: Arc<Gauge>,
) -> Result<LiveWebhook, String> {
    let SigningWebhook { webhook, secrets } = webhook;
    let settings = &webhook.settings;
    let profile = registry
        .find_profile(&settings.profile)
        .map_err(|error| error.to_string())?;
    let signer = Signer::for_profile(&profile, &secrets).map_err(|error| error.to_string())?;
    let verifier = Verifier::for_profile(&profile, &secrets).map_err(|error| error.to_string())?;
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
        None => profile.content_type(),
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
        signer,
        verifier,
        url,
        headers,
        timeout: settings.timeout.unwrap_or(profile.timeout),
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

impl TenantIndex {
    fn build(version: i64, all: Vec<Arc<LiveWebhook>>) -> Self {
        let mut index = Self {
            version,
            ..Self::default()
        };
        for (position, live) in all.iter().enumerate() {
            let settings = &live.webhook.settings;
            let wants_everything =
                settings.event_types.is_empty() || settings.event_types.iter().any(|pattern| pattern == "*");
            if wants_everything {
                index.every_type.push(position);
            }
            for pattern in &settings.event_types {
                // "*" has been seen to, and leaves nothing to the patterns beside it but what the service says of itself.
                if wants_everything && !is_operational(pattern) {
                    continue;
                }
                let (key, positions) = match pattern.strip_suffix('*') {
                    Some(prefix) => (prefix, &mut index.prefixes),
                    None => (pattern.as_str(), &mut index.exact),
                };
                positions.entry(key.to_owned()).or_default().push(position);
            }
        }
        index.all = all;
        index
    }

    /// Whether there is such a webhook and this node does not know how to deliver to it: its profile is not known here.
    pub(crate) fn is_unusable(&self, webhook: WebhookId) -> bool {
        self.unusable.contains(&webhook)
    }

    /// The webhooks that an event of this type goes to, oldest first, each once.
    pub(crate) fn matching(&self, event_type: &str) -> Vec<&Arc<LiveWebhook>> {
        // What the service says about itself goes to those that asked for it by name, not to customers who want "everything".
        let mut positions = if is_operational(event_type) {
            Vec::new()
        } else {
            self.every_type.clone()
        };
        positions.extend(self.exact.get(event_type).into_iter().flatten());
        if !self.prefixes.is_empty() {
            for (dot, _) in event_type.match_indices('.') {
                positions.extend(self.prefixes.get(&event_type[..=dot]).into_iter().flatten());
            }
        }
        positions.sort_unstable();
        positions.dedup();
        positions
            .into_iter()
            .filter_map(|position| self.all.get(position))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use hookwright_core::Secret;
    use hookwright_store::{Clock, StoreAddress, WebhookSettings};

    use super::*;

    async fn index_of(dir: &std::path::Path, patterns: &[&[&str]]) -> Arc<TenantIndex> {
        let store = Store::open(&StoreAddress::Sqlite(dir.join("hookwright.db")), Clock::system())
            .await
            .unwrap();
        for (number, patterns) in patterns.iter().enumerate() {
            let settings = WebhookSettings {
                name: number.to_string(),
                event_types: patterns.iter().map(ToString::to_string).collect(),
                ..WebhookSettings::new("generic", "https://example.com/")
            };
            let secret = Secret::parse("a secret of some length").unwrap();
            store
                .insert_webhook(TenantId::DEFAULT, settings, &[secret])
                .await
                .unwrap();
        }
        let directory = Directory::new(store, Arc::new(Registry::builtin()));
        directory.tenant(TenantId::DEFAULT).await.unwrap()
    }

    #[tokio::test]
    async fn an_event_goes_to_every_webhook_that_asked_for_it_and_to_each_once() {
        let dir = tempfile::tempdir().unwrap();
        let webhooks: [&[&str]; 6] = [
            &["vault.created"],
            &["vault.*", "vault.created"],
            &["*"],
            &[],
            &["stream.*"],
            &["vault.data.*"],
        ];
        let index = index_of(dir.path(), &webhooks).await;
        let names = |event_type| {
            let matching = index.matching(event_type);
            matching
                .iter()
                .map(|live| live.webhook.settings.name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(names("vault.created"), ["0", "1", "2", "3"]);
        assert_eq!(names("vault.data.updated"), ["1", "2", "3", "5"]);
        assert_eq!(
            names("vault"),
            ["2", "3"],
            "vault.* is what stands below vault, not vault itself"
        );
        assert_eq!(names("vaults.created"), ["2", "3"]);
        assert_eq!(names("stream.data"), ["2", "3", "4"]);
    }

    #[tokio::test]
    async fn operational_events_go_only_to_those_that_asked_for_them() {
        let dir = tempfile::tempdir().unwrap();
        let webhooks: [&[&str]; 6] = [
            &["*"],
            &[],
            &["*", "hookwright.*"],
            &["hookwright.delivery.dead"],
            &["hookwright.webhook.*"],
            &["hookwright"],
        ];
        let index = index_of(dir.path(), &webhooks).await;
        let names = |event_type| {
            let matching = index.matching(event_type);
            let names = matching.iter().map(|live| live.webhook.settings.name.clone());
            names.collect::<Vec<_>>()
        };
        assert_eq!(names("hookwright.delivery.dead"), ["2", "3"]);
        assert_eq!(names("hookwright.webhook.disabled"), ["2", "4"]);
        assert_eq!(names("hookwrights.x"), ["0", "1", "2"]);
    }
}
