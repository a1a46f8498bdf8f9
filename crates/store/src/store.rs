//! The store: configuration, reads and retention. Everything a living node does is in [`crate::node`].

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use hookwright_core::Secret;
use tokio::sync::Notify;

use crate::{
    Actor, Attempt, Clock, Delivery, DeliveryDetail, DeliveryId, EncryptionKeys, Event, EventId,
    FailingWebhook, Ordering, Page, PageSize, Removal, SigningWebhook, StoreError, TenantId, Timestamp,
    Webhook, WebhookId, WebhookSettings, delivery::Facts, engine::Engine, id::Minter, sealing::Sealer,
    stats::Tally,
};

/// Where the data is.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreAddress {
    /// A PostgreSQL server, `postgres://…`. Many nodes may share it.
    Postgres(String),
    /// A SQLite file, made when missing. One process at a time.
    Sqlite(PathBuf),
}

impl FromStr for StoreAddress {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let lower = text.to_ascii_lowercase();
        if lower.starts_with("postgres://") || lower.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        if let Some(path) = text.strip_prefix("sqlite:") {
            return Ok(Self::Sqlite(PathBuf::from(
                path.strip_prefix("//").unwrap_or(path),
            )));
        }
        Err(StoreError::Address {
            url: text
                .split_once("://")
                .map_or("…", |(scheme, _)| scheme)
                .to_owned(),
            problem: String::from("expected postgres://user@host/database or sqlite:path"),
        })
    }
}

impl fmt::Display for StoreAddress {
    /// Without user and password, which may be in the query too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
                let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
                write!(
                    f,
                    "{scheme}://{}",
                    rest.rsplit_once('@').map_or(rest, |(_, host)| host)
                )
            }
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

impl fmt::Debug for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The store. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
    /// Who changes what is changed through this clone.
    actor: Arc<Actor>,
}

#[derive(Debug)]
struct Inner {
    engine: Engine,
    clock: Clock,
    minter: std::sync::Mutex<Minter>,
    journaled: Notify,
    tally: Tally,
}

/// A tenant's webhooks at a version.
#[derive(Clone, Debug)]
pub struct TenantWebhooks {
    /// Changes with every change of a webhook.
    pub version: i64,
    /// How many the tenant has. Who adds what has changed to what there was, and has more, still has one that was deleted.
    pub count: usize,
    /// Those that were asked for, oldest first.
    pub webhooks: Vec<SigningWebhook>,
}

/// Which deliveries to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryFilter {
    /// Those of the whole tenant.
    All,
    /// Those to one webhook.
    Webhook(WebhookId),
    /// Those of one event.
    Event(EventId),
}

/// How long the log is kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Events older than this go, with their attempts.
    pub events: Duration,
    /// Idempotency keys older than this go.
    pub idempotency_keys: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            events: Duration::from_hours(720),
            idempotency_keys: Duration::from_hours(48),
        }
    }
}

impl Store {
    /// Connects, brings the schema up to date, and reads the store's time.
    /// Secrets are stored in the clear.
    pub async fn open(address: &StoreAddress, clock: Clock) -> Result<Self, StoreError> {
        Self::open_sealed(address, clock, None).await
    }

    /// The same with keys to seal secrets with. Refused when something is sealed with a key that is not among them.
    pub async fn open_sealed(
        address: &StoreAddress,
        clock: Clock,
        keys: Option<EncryptionKeys>,
    ) -> Result<Self, StoreError> {
        let sealer = Sealer::new(keys);
        let engine = Engine::open(address, sealer.clone()).await?;
        Self::start(engine, clock, &sealer).await
    }

    /// The embedded store as a script wants it, without its syncs to the disk.
    #[cfg(feature = "simulation")]
    pub async fn open_simulated(
        path: &std::path::Path,
        clock: Clock,
        script: crate::simulation::Script,
    ) -> Result<Self, StoreError> {
        let sealer = Sealer::new(None);
        let simulated = crate::simulation::Simulated::open(path, sealer.clone(), script)?;
        Self::start(Engine::Simulated(simulated), clock, &sealer).await
    }

    async fn start(engine: Engine, clock: Clock, sealer: &Sealer) -> Result<Self, StoreError> {
        sealer.check(&engine.encryption_keys_in_use().await?)?;
        clock.anchor(engine.now().await?, std::time::Instant::now());
        engine.prepare(clock.now()).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                minter: std::sync::Mutex::new(engine.minter()),
                engine,
                clock,
                journaled: Notify::new(),
                tally: Tally::default(),
            }),
            actor: Arc::new(Actor::service("Change")),
        })
    }

    /// The clock that everything is timed by.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// `postgresql` or `sqlite`, for people and reports.
    pub fn engine_name(&self) -> &'static str {
        self.inner.engine.name()
    }

    pub(crate) fn with_actor(&self, actor: Actor) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            actor: Arc::new(actor),
        }
    }

    pub(crate) fn actor(&self) -> &Actor {
        &self.actor
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// Told whenever this process has written to the journal.
    pub(crate) fn journal_notice(&self) -> &Notify {
        &self.inner.journaled
    }

    /// What this process has counted.
    pub(crate) fn tally(&self) -> &Tally {
        &self.inner.tally
    }

    /// A new id, larger than all that this store has minted before.
    pub(crate) fn mint(&self, now: Timestamp) -> uuid::Uuid {
        let minter = &self.inner.minter;
        let mut minter = minter.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        minter.mint(now)
    }

    /// A tenant by its name, made when missing.
    pub async fn tenant(&self, name: &str) -> Result<TenantId, StoreError> {
        self.engine().tenant(name).await
    }

    /// Tenants whose webhooks have a version above this one, with their versions.
    pub async fn tenants_changed_since(&self, version: i64) -> Result<Vec<(TenantId, i64)>, StoreError> {
        self.engine().tenants_changed_since(version).await
    }

    /// A tenant's webhooks with their secrets, consistent with the version that comes with them.
    pub async fn tenant_webhooks(&self, tenant: TenantId) -> Result<TenantWebhooks, StoreError> {
        self.tenant_webhooks_since(tenant, -1).await
    }

    /// Those that were registered or changed after this version. That a secret has expired is no change.
    pub async fn tenant_webhooks_since(
        &self,
        tenant: TenantId,
        version: i64,
    ) -> Result<TenantWebhooks, StoreError> {
        self.engine()
            .tenant_webhooks(tenant, version, self.clock().now())
            .await
    }

    /// Registers a webhook. `secrets`: newest first, at least one.
    pub async fn insert_webhook(
        &self,
        tenant: TenantId,
        settings: WebhookSettings,
        secrets: &[Secret],
    ) -> Result<Webhook, StoreError> {
        let webhook = self.new_webhook(tenant, settings);
        let entry = self.entry(tenant, &webhook.id);
        self.engine()
            .insert_webhook(&webhook, secrets, None, None, &entry)
            .await?;
        Ok(webhook)
    }

    pub(crate) fn new_webhook(&self, tenant: TenantId, settings: WebhookSettings) -> Webhook {
        let now = self.clock().now();
        Webhook {
            tenant,
            id: WebhookId(self.mint(now)),
            settings,
            created_at: now,
            updated_at: now,
        }
    }

    /// A webhook, if there is one.
    pub async fn webhook(&self, tenant: TenantId, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        self.engine().webhook(tenant, id).await
    }

    /// Webhooks older than `before`, newest first.
    pub async fn webhooks(
        &self,
        tenant: TenantId,
        before: Option<WebhookId>,
        size: PageSize,
    ) -> Result<Page<Webhook, WebhookId>, StoreError> {
        let before = before.unwrap_or(WebhookId(uuid::Uuid::max()));
        let mut rows = self
            .engine()
            .webhooks_before(tenant, before, size.rows() + 1)
            .await?;
        let more = rows.len() > size.rows();
        rows.truncate(size.rows());
        let next = rows.last().filter(|_| more).map(|webhook| webhook.id);
        Ok(Page { rows, next })
    }

    /// Replaces a webhook's settings. `None` when there is no such webhook.
    pub async fn update_webhook(
        &self,
        tenant: TenantId,
        id: WebhookId,
        settings: &WebhookSettings,
    ) -> Result<Option<Webhook>, StoreError> {
        self.change_webhook(tenant, id, |current| {
            current.clone_from(settings);
            true
        })
        .await
    }

    /// Changes a webhook's settings with nobody in between, and returns them as they are then. A `change` that says
    /// false leaves everything as it is. `None` when there is no such webhook.
    pub async fn change_webhook(
        &self,
        tenant: TenantId,
        id: WebhookId,
        change: impl Fn(&mut WebhookSettings) -> bool + Send + Sync,
    ) -> Result<Option<Webhook>, StoreError> {
        self.change_webhook_version(tenant, id, |settings, _| change(settings))
            .await
    }

    /// The same for a `change` that depends on when the webhook was last changed. Every change is noted at a later moment
    /// than the one before, so that moment names a version.
    pub async fn change_webhook_version(
        &self,
        tenant: TenantId,
        id: WebhookId,
        change: impl Fn(&mut WebhookSettings, Timestamp) -> bool + Send + Sync,
    ) -> Result<Option<Webhook>, StoreError> {
        let now = self.clock().now();
        let entry = self.entry(tenant, &id);
        let changed = self
            .engine()
            .change_webhook(tenant, id, &change, now, entry)
            .await?;
        if changed
            .as_ref()
            .is_some_and(|webhook| webhook.settings.ordering == Ordering::None)
        {
            self.engine().set_free(tenant, id, now).await?;
        }
        Ok(changed)
    }

    /// Deletes a webhook and its secrets. False when there was none. Its log stays.
    pub async fn delete_webhook(&self, tenant: TenantId, id: WebhookId) -> Result<bool, StoreError> {
        let removal = self.delete_webhook_version(tenant, id, None).await?;
        Ok(removal == Removal::Removed)
    }

    /// The same for a webhook that was last changed at `version`, if one is given.
    pub async fn delete_webhook_version(
        &self,
        tenant: TenantId,
        id: WebhookId,
        version: Option<Timestamp>,
    ) -> Result<Removal, StoreError> {
        let entry = self.entry(tenant, &id);
        let removal = self.engine().delete_webhook(tenant, id, version, &entry).await?;
        if removal == Removal::Removed {
            // What is cancelled need not be cancelled one after the other.
            self.engine().set_free(tenant, id, self.clock().now()).await?;
        }
        Ok(removal)
    }

    /// Notes since when a webhook has been failing, unless an earlier moment is noted or the webhook is gone.
    pub async fn note_failing(
        &self,
        tenant: TenantId,
        webhook: WebhookId,
        since: Timestamp,
    ) -> Result<(), StoreError> {
        self.engine().note_failing(tenant, webhook, since).await
    }

    /// A webhook fails no more.
    pub async fn forget_failing(&self, tenant: TenantId, webhook: WebhookId) -> Result<(), StoreError> {
        self.engine().forget_failing(tenant, webhook).await
    }

    /// All webhooks that are noted as failing, of all tenants.
    pub async fn failing(&self) -> Result<Vec<FailingWebhook>, StoreError> {
        self.engine().failing().await
    }

    /// An event, if it is (still) in the log.
    pub async fn event(&self, tenant: TenantId, id: EventId) -> Result<Option<Event>, StoreError> {
        self.engine().event(tenant, id).await
    }

    /// A delivery with its event and attempts, if the log has it.
    pub async fn delivery(
        &self,
        tenant: TenantId,
        id: DeliveryId,
    ) -> Result<Option<DeliveryDetail>, StoreError> {
        let Some(event) = self.event(tenant, id.event).await? else {
            return Ok(None);
        };
        let Some(facts) = self.engine().facts(tenant, &[id]).await?.pop() else {
            return Ok(None);
        };
        let attempts: Vec<Attempt> = self.engine().attempts(tenant, id).await?;
        let mut delivery = [facts.into()];
        self.mark_held(tenant, &mut delivery).await?;
        let [delivery] = delivery;
        Ok(Some(DeliveryDetail {
            delivery,
            event,
            attempts,
        }))
    }

    /// Deliveries that come after `after`: newest event first, and within an event in the order of its webhooks.
    pub async fn deliveries(
        &self,
        tenant: TenantId,
        filter: DeliveryFilter,
        after: Option<DeliveryId>,
        size: PageSize,
    ) -> Result<Page<Delivery, DeliveryId>, StoreError> {
        let rows = size.rows() + 1;
        let mut ids = match filter {
            DeliveryFilter::Webhook(webhook) => {
                let before = after.map_or(EventId::MAX, |after| after.event);
                let events = self
                    .engine()
                    .events_of_webhook(tenant, webhook, before, rows)
                    .await?;
                events
                    .into_iter()
                    .map(|event| DeliveryId { event, webhook })
                    .collect()
            }
            DeliveryFilter::Event(event) => {
                let destinations = self.engine().destinations_of_event(tenant, event).await?;
                rest_of_event(event, destinations, after)
            }
            DeliveryFilter::All => {
                let from = after.map_or(EventId::MAX, |after| after.event);
                // The event of `after` comes first again: some of its webhooks may still be to be listed.
                let events = self.engine().destinations_up_to(tenant, from, rows + 1).await?;
                let mut ids = Vec::with_capacity(rows);
                for (event, destinations) in events {
                    ids.extend(rest_of_event(event, destinations, after));
                    if ids.len() >= rows {
                        break;
                    }
                }
                ids
            }
        };
        let more = ids.len() > size.rows();
        ids.truncate(size.rows());
        let next = ids.last().filter(|_| more).copied();
        let facts = self.engine().facts(tenant, &ids).await?;
        let mut rows: Vec<Delivery> = facts.into_iter().map(Facts::into).collect();
        self.mark_held(tenant, &mut rows).await?;
        Ok(Page { rows, next })
    }

    /// Deliveries that ended badly, dead or cancelled, and came before `after`: newest event first. Some may have been
    /// replayed since, and be in another state now. Costs what it returns, however much was delivered.
    pub async fn ended_deliveries(
        &self,
        tenant: TenantId,
        webhook: Option<WebhookId>,
        after: Option<DeliveryId>,
        size: PageSize,
    ) -> Result<Page<Delivery, DeliveryId>, StoreError> {
        let before = after.unwrap_or(DeliveryId {
            event: EventId::MAX,
            webhook: WebhookId(uuid::Uuid::max()),
        });
        let mut ids = self
            .engine()
            .ended_before(tenant, webhook, before, size.rows() + 1)
            .await?;
        let more = ids.len() > size.rows();
        ids.truncate(size.rows());
        let next = ids.last().filter(|_| more).copied();
        let facts = self.engine().facts(tenant, &ids).await?;
        Ok(Page {
            rows: facts.into_iter().map(Facts::into).collect(),
            next,
        })
    }

    /// Makes room for what comes and removes what is older than kept. Returns how many events or days of them went.
    /// To be called about every hour, by any node.
    pub async fn maintain(&self, retention: Retention) -> Result<u64, StoreError> {
        let now = self.clock().now();
        self.engine().prepare(now).await?;
        self.engine()
            .remove_journal_before(now.minus(retention.events))
            .await?;
        let bound = EventId::floor(now.minus(retention.events));
        self.remove_access_before(bound).await?;
        self.remove_old_stats(now).await?;
        self.engine()
            .remove_before(bound, now.minus(retention.idempotency_keys))
            .await
    }
}

fn rest_of_event(event: EventId, destinations: Vec<WebhookId>, after: Option<DeliveryId>) -> Vec<DeliveryId> {
    let done = after
        .filter(|after| after.event == event)
        .and_then(|after| destinations.iter().position(|webhook| *webhook == after.webhook))
        .map_or(0, |position| position + 1);
    destinations
        .into_iter()
        .skip(done)
        .map(|webhook| DeliveryId { event, webhook })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_is_secret_in_it() {
        for (url, shown) in [
            ("postgres://me:s3cret@db:5432/hooks", "postgres://db:5432/hooks"),
            ("postgres:///hooks?host=/run&password=s3cret", "postgres:///hooks"),
            (
                "postgresql://me@db/hooks?password=s3c@ret",
                "postgresql://db/hooks",
            ),
        ] {
            let address: StoreAddress = url.parse().unwrap();
            assert_eq!(
                (address.to_string(), format!("{address:?}")),
                (shown.to_owned(), shown.to_owned())
            );
        }
    }
}
