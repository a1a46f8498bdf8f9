//! The two engines behind one set of methods. Which rules they must keep is in the conformance suite.

use std::collections::{HashMap, HashSet};

use hookwright_core::Secret;

use crate::{
    AccessChanges, AccessCursor, Attempt, AuditEntry, AuditId, Catalogue, Counts, DeliveryId, Digest, Due,
    Event, EventId, EventType, FailingWebhook, Finish, Granularity, ImportOutcome, Incarnation, Key, KeyHash,
    KeyId, Lane, NewReplay, Notice, Quotas, Recovery, Removal, Replay, ReplayFilter, ReplayId, ReplayState,
    ReplayStep, Rotated, Stop, StoreAddress, StoreError, Tenant, TenantDeletion, TenantId, TenantWebhooks,
    Timestamp, Upcoming, Want, Webhook, WebhookId,
    access::QuotasChange,
    delivery::Facts,
    id::Minter,
    journal::JournalRows,
    node::{EventRow, LaneMap, Pulse, Stored},
    postgres::Postgres,
    registration::{Inserted, Registered},
    replay::Batch,
    sealing::Sealer,
    sqlite::Sqlite,
    stats::{StatRow, Subject},
    webhook::Change,
};

#[derive(Debug)]
pub(crate) enum Engine {
    Postgres(Postgres),
    Sqlite(Sqlite),
    #[cfg(feature = "simulation")]
    Simulated(crate::simulation::Simulated),
}

/// Writes a method that both engines have.
macro_rules! both {
    ($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) -> $result:ty) => {
        $(#[$doc])*
        pub(crate) async fn $name(&self, $($arg: $type),*) -> Result<$result, StoreError> {
            match self {
                Self::Postgres(engine) => engine.$name($($arg),*).await,
                Self::Sqlite(engine) => engine.$name($($arg),*).await,
                #[cfg(feature = "simulation")]
                Self::Simulated(engine) => {
                    engine.run(stringify!($name), engine.sqlite.$name($($arg),*)).await
                }
            }
        }
    };
}

impl Engine {
    pub(crate) async fn open(address: &StoreAddress, sealer: Sealer) -> Result<Self, StoreError> {
        match address {
            StoreAddress::Postgres(url) => Postgres::open(url, sealer).await.map(Self::Postgres),
            StoreAddress::Sqlite(path) => Sqlite::open(path, sealer).await.map(Self::Sqlite),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgresql",
            Self::Sqlite(_) => "sqlite",
            #[cfg(feature = "simulation")]
            Self::Simulated(_) => "sqlite",
        }
    }

    /// Makes ids.
    pub(crate) fn minter(&self) -> Minter {
        match self {
            Self::Postgres(_) | Self::Sqlite(_) => Minter::new(),
            #[cfg(feature = "simulation")]
            Self::Simulated(engine) => engine.minter(),
        }
    }

    both!(now() -> Timestamp);
    both!(
        /// Makes room in the log for what comes after `now`.
        prepare(now: Timestamp) -> ());

    // Webhooks.
    both!(tenant(name: &str) -> TenantId);
    both!(tenants_changed_since(version: i64) -> Vec<(TenantId, i64)>);
    both!(
        /// Those that changed after this version.
        tenant_webhooks(tenant: TenantId, since: i64, now: Timestamp) -> TenantWebhooks);
    both!(
        /// `TooMany` when the tenant has `max` webhooks.
        insert_webhook(webhook: &Webhook, secrets: &[Secret], key: Option<&str>, max: Option<u32>, entry: &AuditEntry)
            -> Inserted);
    both!(
        /// What was registered with this key.
        registered(tenant: TenantId, key: &str) -> Option<Registered>);
    both!(webhook(tenant: TenantId, id: WebhookId) -> Option<Webhook>);
    both!(webhooks_before(tenant: TenantId, before: WebhookId, limit: usize) -> Vec<Webhook>);
    both!(
        /// Reads, changes and writes settings with nobody in between.
        change_webhook(tenant: TenantId, id: WebhookId, change: Change<'_>, now: Timestamp, entry: AuditEntry)
            -> Option<Webhook>);
    both!(
        /// `secret` becomes the newest one; the others expire at `old_expire_at` at the latest.
        rotate_secret(tenant: TenantId, id: WebhookId, secret: &Secret, old_expire_at: Timestamp, now: Timestamp,
            entry: &AuditEntry) -> Rotated);
    both!(
        /// Only if it was last changed at `version`, when one is given.
        delete_webhook(tenant: TenantId, id: WebhookId, version: Option<Timestamp>, entry: &AuditEntry) -> Removal);
    both!(
        /// Keeps the earliest moment.
        note_failing(tenant: TenantId, webhook: WebhookId, since: Timestamp) -> ());
    both!(forget_failing(tenant: TenantId, webhook: WebhookId) -> ());
    both!(failing() -> Vec<FailingWebhook>);

    // Access.
    both!(
        /// Says how many the tenant had that are good; nothing is stored when it is `max`. `None` when there is no tenant.
        insert_key(key: &Key, hash: &KeyHash, max: usize, entry: &AuditEntry) -> Option<usize>);
    both!(keys_before(tenant: TenantId, before: KeyId, limit: usize) -> Vec<Key>);
    both!(revoke_key(tenant: TenantId, id: KeyId, now: Timestamp, entry: &AuditEntry) -> Option<Key>);
    both!(has_live_key(now: Timestamp) -> bool);
    both!(access_changes(since: AccessCursor) -> AccessChanges);
    both!(note_keys_used(used: &[(KeyId, Timestamp)]) -> ());
    both!(insert_tenant(name: &str, quotas: Quotas, now: Timestamp, entry: &AuditEntry) -> Option<Tenant>);
    both!(tenant_named(name: &str) -> Option<Tenant>);
    both!(tenants_after(after: &str, limit: usize) -> Vec<Tenant>);
    both!(
        /// Reads, changes and writes quotas with nobody in between.
        change_quotas(tenant: TenantId, change: QuotasChange<'_>, entry: &AuditEntry) -> Option<Tenant>);
    both!(delete_tenant(tenant: TenantId, now: Timestamp, entry: &AuditEntry) -> TenantDeletion);
    both!(count_events(tenant: TenantId, limit: u64) -> u64);
    both!(audit_before(tenant: TenantId, resource: Option<&str>, before: AuditId, limit: usize) -> Vec<AuditEntry>);
    both!(remove_access_before(bound: AuditId, moment: Timestamp) -> ());

    // Holds.
    both!(
        /// Those of a tenant's webhooks that are stopped.
        stops(tenant: TenantId, ids: &[WebhookId]) -> HashMap<WebhookId, Stop>);
    both!(
        /// All stopped webhooks of all tenants.
        stopped_webhooks() -> Vec<Webhook>);
    both!(
        /// Retry rows of a webhook, counted up to a limit.
        count_waiting(tenant: TenantId, webhook: WebhookId, limit: usize) -> usize);
    both!(
        /// The newest of a webhook's waiting events that has this many newer ones.
        nth_newest_waiting(tenant: TenantId, webhook: WebhookId, newer: usize) -> Option<EventId>);
    both!(
        /// Gives deliveries up that wait for a webhook which is stopped, oldest first, up to and including this event.
        give_up_held(tenant: TenantId, webhook: WebhookId, up_to: EventId, limit: usize, reason: &str, now: Timestamp)
            -> usize);

    // The catalogue.
    both!(event_types_after(tenant: TenantId, after: &str, limit: usize) -> Vec<EventType>);
    both!(catalogue_version(tenant: TenantId) -> i64);
    both!(catalogue(tenant: TenantId) -> Catalogue);
    both!(import_event_types(tenant: TenantId, event_types: &[EventType], max: usize, now: Timestamp) -> ImportOutcome);
    both!(delete_event_type(tenant: TenantId, name: &str) -> bool);

    // Secrets at rest.
    both!(encryption_keys_in_use() -> Vec<String>);
    both!(webhooks_after(after: Option<(TenantId, WebhookId)>, limit: usize) -> Vec<(TenantId, WebhookId)>);
    both!(
        /// Whether anything of it was not sealed with the newest key.
        reseal(tenant: TenantId, webhook: WebhookId) -> bool);
    both!(wipe_free_space() -> ());

    // The log.
    both!(
        /// One result per row, in their order. `Fenced` when the node's row is gone.
        publish(node: Incarnation, rows: &[EventRow]) -> Vec<Stored>);
    both!(
        /// Which of these events are in the log.
        stored_events(ids: &[EventId]) -> HashSet<EventId>);
    both!(
        /// Gives an event's deliveries retry rows when neither `holder` nor any other living node has them.
        heal(holder: Incarnation, tenant: TenantId, event: EventId, now: Timestamp) -> ());
    both!(
        /// Each delivery at most once, in the order of lanes, webhooks and events.
        /// Says which webhooks have a new head of a queue. `in_order`: rows of theirs may be among these.
        finish(rows: &[&Finish], now: Timestamp, in_order: bool) -> Vec<(Lane, WebhookId)>);

    // Retries.
    both!(
        /// With each whether its webhook has ordered rows.
        upcoming(lanes: &[Lane]) -> Vec<(Upcoming, bool)>);
    both!(
        /// Rows due at `now` that wait for no other, earliest first per webhook.
        due(wants: &[Want], now: Timestamp) -> Vec<Due>);
    both!(
        /// Rows due at `now`, those of queues included whose head they are. Tells whether others were sent in line.
        due_in_order(wants: &[Want], now: Timestamp) -> (Vec<Due>, bool));
    both!(
        /// Makes heads of queues due that are still in line, however that came about. Returns how many.
        unstick(lanes: &[Lane], now: Timestamp) -> u64);
    both!(
        /// A webhook's rows wait for nobody any more.
        set_free(tenant: TenantId, webhook: WebhookId, now: Timestamp) -> ());

    // Nodes.
    both!(enlist(name: &str, lease_until: Timestamp, low_water: EventId) -> Incarnation);
    both!(
        /// `None` when the node's row is gone.
        renew(node: Incarnation, low_water: EventId, now: Timestamp, lease_until: Timestamp) -> Option<Pulse>);
    both!(expired_nodes(now: Timestamp) -> Vec<Incarnation>);
    both!(
        /// Ends an expired node and gives its unsettled deliveries retry rows. `None` when another node was faster.
        recover(node: Incarnation, now: Timestamp) -> Option<u64>);
    both!(leave(node: Incarnation, low_water: EventId, now: Timestamp) -> u64);
    both!(lanes(node: Incarnation, now: Timestamp) -> LaneMap);
    both!(claim_lanes(node: Incarnation, limit: usize, now: Timestamp) -> Vec<Lane>);
    both!(release_lanes(node: Incarnation, lanes: &[Lane]) -> ());

    // Reads.
    both!(event(tenant: TenantId, id: EventId) -> Option<Event>);
    both!(
        /// For those of the deliveries that are in the log, in the given order.
        facts(tenant: TenantId, ids: &[DeliveryId]) -> Vec<Facts>);
    both!(attempts(tenant: TenantId, id: DeliveryId) -> Vec<Attempt>);
    both!(
        /// Events before `before` with a delivery to this webhook, newest first.
        events_of_webhook(tenant: TenantId, webhook: WebhookId, before: EventId, limit: usize) -> Vec<EventId>);
    both!(destinations_of_event(tenant: TenantId, event: EventId) -> Vec<WebhookId>);
    both!(
        /// Events with deliveries, up to and including `from`, newest first, with their webhooks.
        destinations_up_to(tenant: TenantId, from: EventId, limit: usize) -> Vec<(EventId, Vec<WebhookId>)>);

    // Alerts.
    both!(new_notices(lanes: &[Lane], limit: usize) -> Vec<Notice>);
    both!(notice_published(notice: &Notice, is_failure: bool, to_mail: bool) -> ());
    both!(forget_notice(notice: &Notice) -> ());
    both!(recoveries(lanes: &[Lane], limit: usize) -> Vec<Recovery>);
    both!(note_recovery(recovery: &Recovery) -> ());
    both!(webhooks_to_mail(lanes: &[Lane], mailed_before: Timestamp, limit: usize) -> Vec<(TenantId, WebhookId)>);
    both!(
        /// The webhook's unsent e-mail, or a new one if it is time for one.
        digest(tenant: TenantId, webhook: WebhookId, mailed_before: Timestamp, now: Timestamp) -> Option<Digest>);
    both!(digest_sent(digest: &Digest) -> ());
    // Replays.
    both!(
        /// False when the delivery is not over, or its webhook is gone.
        schedule_replay(tenant: TenantId, id: DeliveryId, replay: ReplayId, filter: &ReplayFilter, now: Timestamp) -> bool);
    both!(
        /// False when nothing was scheduled.
        cancel_delivery(tenant: TenantId, id: DeliveryId, now: Timestamp) -> bool);
    both!(ended_after(tenant: TenantId, webhook: Option<WebhookId>, after: DeliveryId, before: EventId, limit: usize) -> Vec<DeliveryId>);
    both!(ended_before(tenant: TenantId, webhook: Option<WebhookId>, before: DeliveryId, limit: usize) -> Vec<DeliveryId>);
    both!(deliveries_after(tenant: TenantId, webhook: Option<WebhookId>, after: DeliveryId, before: EventId, limit: usize) -> Vec<DeliveryId>);
    both!(replayable(tenant: TenantId, ids: &[DeliveryId], filter: &ReplayFilter) -> Vec<DeliveryId>);
    both!(insert_replay(tenant: TenantId, id: ReplayId, new: &NewReplay, now: Timestamp) -> ());
    both!(replay(tenant: TenantId, id: ReplayId) -> Option<Replay>);
    both!(replays_before(tenant: TenantId, before: ReplayId, limit: usize) -> Vec<Replay>);
    both!(claim_replays(node: Incarnation, now: Timestamp) -> Vec<Replay>);
    both!(
        /// With it the number of deliveries that were scheduled.
        replay_batch(batch: &Batch<'_>) -> (ReplayStep, u64));
    both!(
        /// Does nothing to a job that is over.
        end_replay(tenant: TenantId, id: ReplayId, state: ReplayState, error: Option<&str>, now: Timestamp) -> ());

    // The journal.
    both!(
        /// Rows from here on are not to be read yet.
        journal_bound() -> i64);
    both!(
        /// From this row on, below the bound: at least one, and more until they have this many bytes.
        journal_rows(from: i64, bytes_max: i64) -> JournalRows);
    both!(
        /// The first row that was made at this time or later; the bound if there is none.
        journal_row_since(since: Timestamp) -> i64);

    // Figures.
    both!(
        /// Adds to what is stored. In the order of their keys, each at most once.
        add_stats(rows: &[StatRow]) -> ());
    both!(
        /// In no order.
        stats(subject: Subject, granularity: Granularity, from: Timestamp, until: Timestamp) -> Vec<(Timestamp, Counts)>);
    both!(remove_stats_before(granularity: Granularity, before: Timestamp) -> ());

    // Retention.
    both!(remove_journal_before(made_at: Timestamp) -> ());
    both!(remove_before(bound: EventId, keys_before: Timestamp) -> u64);
}
