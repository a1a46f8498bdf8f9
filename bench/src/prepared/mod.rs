//! A store that is full before the load begins: what a long past costs.
//!
//! The service itself makes the schema and the webhooks; then it is stopped and the rows are written by set-based SQL, as
//! the service would have written them: events that one node accepted, whose first attempts failed, and a retry row for
//! each. That node is gone for good and has left nothing in memory, so nobody recovers anything.
//!
//! ```text
//!   event ──┬── 10 of 2,000 webhooks ──► attempt 1 "retry" ──► retry row, due in a day       --future-retries
//!           └── the dead webhook ──────► attempt 1 "retry" ──► retry row, due since a while  --due-on-dead-webhook
//! ```

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use hookwright_proto::v1::{DeliveryState, ListDeliveriesRequest, Webhook};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::{
    args::CommonArgs,
    bed::{self, Bed, client},
    clock::Moment,
    key::EventKey,
    report::{Figure, megabytes, per},
    service::{Service, ServiceSpec},
    store::Store,
};

mod dead_receiver;
mod kept;
mod postgres;
mod sqlite;

pub(crate) use dead_receiver::{DeadReceiver, Death};
pub(crate) use kept::forget;

/// What the store holds before the load begins.
#[derive(Clone, Copy, Debug, Args, Serialize)]
pub(crate) struct PreparedArgs {
    /// Fills the store with this many retries that are due in a day, spread over 2,000 webhooks, before the load begins
    #[arg(long, value_name = "ROWS", default_value_t = 0)]
    pub(crate) future_retries: u64,
    /// Fills the store with this many retries that are due now, all on one dead webhook, before the load begins
    #[arg(long, value_name = "ROWS", default_value_t = 0)]
    pub(crate) due_on_dead_webhook: u64,
    /// How the dead webhook's receiver is dead
    #[arg(long, value_enum, default_value_t = Death::Hangs)]
    pub(crate) dead_webhook: Death,
}

impl PreparedArgs {
    pub(crate) const NOTHING: Self = Self {
        future_retries: 0,
        due_on_dead_webhook: 0,
        dead_webhook: Death::Hangs,
    };

    pub(crate) fn is_nothing(&self) -> bool {
        self.future_retries + self.due_on_dead_webhook == 0
    }
}

/// Rows of one kind: every event goes to `webhooks_per_event` neighbours of `webhooks`, in turn.
#[derive(Debug)]
pub(super) struct Batch {
    /// Of the events; the number of the group of webhooks follows.
    event_type: String,
    /// Sorted, and a whole number of groups.
    webhooks: Vec<EventKey>,
    webhooks_per_event: usize,
    events: u64,
    payload_bytes: usize,
    /// From the acceptance of an event to when its retries are due.
    due_after_s: i64,
}

impl Batch {
    fn groups(&self) -> usize {
        self.webhooks.len() / self.webhooks_per_event
    }

    fn rows(&self) -> u64 {
        self.events * self.webhooks_per_event as u64
    }
}

/// A full store.
#[derive(Debug)]
pub(crate) struct Filled {
    contents: Contents,
    pub(crate) figures: Vec<Figure>,
    /// Dead for as long as the test lasts.
    receiver: DeadReceiver,
}

/// What a store is full of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Contents {
    future_retries: u64,
    due_on_dead_webhook: u64,
    /// One webhook of each kind, if there are any.
    future_webhook: Option<EventKey>,
    dead_webhook: Option<EventKey>,
}

impl Filled {
    /// What the ledger leaves out.
    pub(crate) fn note(&self) -> String {
        format!(
            "the ledger leaves out what the store was filled with: {} retries due in a day on {FUTURE_WEBHOOKS} webhooks, \
             {} due on one dead webhook",
            self.contents.future_retries, self.contents.due_on_dead_webhook
        )
    }

    /// Whether the service sees the rows as its own: asks it about a delivery of each kind.
    pub(crate) async fn check(&self, spec: &ServiceSpec) -> Result<()> {
        let mut client = client(spec)?;
        for webhook in [self.contents.future_webhook, self.contents.dead_webhook]
            .into_iter()
            .flatten()
        {
            let request = ListDeliveriesRequest {
                webhook_id: webhook.prefixed("whk"),
                page_size: 1,
                ..ListDeliveriesRequest::default()
            };
            let deliveries = client.list_deliveries(request).await?.into_inner().deliveries;
            let delivery = deliveries
                .first()
                .context("the service does not list what the store was filled with")?;
            ensure!(
                delivery.state() == DeliveryState::Scheduled && delivery.attempt_count >= 1,
                "the service sees what the store was filled with as {:?} after {} attempts",
                delivery.state(),
                delivery.attempt_count
            );
        }
        Ok(())
    }

    /// What became of the rows that must not be touched, if anything did.
    pub(crate) async fn lost(&self, store: &Store) -> Result<Option<String>> {
        let wanted = self.contents.future_retries;
        if wanted == 0 {
            return Ok(None);
        }
        let left = match store {
            Store::Postgres(database) => postgres::future_retries(database).await?,
            Store::Sqlite(folder) => sqlite::future_retries(&Store::sqlite_file(folder)).await?,
        };
        Ok(
            (left < wanted)
                .then(|| format!("only {left} of {wanted} retries that are due in a day are left")),
        )
    }
}

/// Fills the store of `bed`, which nothing has used yet. `None` when there is nothing to fill it with.
pub(crate) async fn fill(
    wanted: &PreparedArgs,
    common: &CommonArgs,
    bed: &Bed,
    spec: &ServiceSpec,
) -> Result<Option<Filled>> {
    if wanted.is_nothing() {
        return Ok(None);
    }
    let Some(folder) = &common.filled_dir else {
        return fill_anew(wanted, common, bed, spec).await.map(Some);
    };
    let place = kept::Place::new(folder, wanted, common);
    if let Some(filled) = place.copy_to(bed, wanted.dead_webhook).await? {
        return Ok(Some(filled));
    }
    let filled = fill_anew(wanted, common, bed, spec).await?;
    place.keep(&filled, &bed.store).await?;
    Ok(Some(filled))
}

async fn fill_anew(
    wanted: &PreparedArgs,
    common: &CommonArgs,
    bed: &Bed,
    spec: &ServiceSpec,
) -> Result<Filled> {
    let receiver = DeadReceiver::new(wanted.dead_webhook)?;
    let mut service = Service::start(spec)?;
    service.ready().await?;
    let started = Moment::now();
    let batches = batches(wanted, common, spec, &receiver).await?;
    let registering = Moment::now().since(started).as_secs_f64();
    if let Some(problem) = service.stop().await? {
        anyhow::bail!("{problem}");
    }

    let started = Moment::now();
    match &bed.store {
        Store::Postgres(database) => postgres::fill(database, &batches).await?,
        Store::Sqlite(folder) => sqlite::fill(&Store::sqlite_file(folder), &batches).await?,
    }
    let seconds = Moment::now().since(started).as_secs_f64();
    let size = bed.store.size().await?;
    let rows: u64 = batches.iter().map(Batch::rows).sum();
    println!(
        "filled      {rows} retries within {seconds:.1} s, after {registering:.1} s for their webhooks; the store has {:.0} MiB",
        megabytes(size)
    );
    let of = |event_type: &str| batches.iter().find(|batch| batch.event_type == event_type);
    let first = |batch: Option<&Batch>| batch.and_then(|batch| batch.webhooks.first().copied());
    Ok(Filled {
        contents: Contents {
            future_retries: of(FUTURE_TYPE).map_or(0, Batch::rows),
            due_on_dead_webhook: of(DEAD_TYPE).map_or(0, Batch::rows),
            future_webhook: first(of(FUTURE_TYPE)),
            dead_webhook: first(of(DEAD_TYPE)),
        },
        figures: vec![
            Figure::new("registering its webhooks", "s", registering),
            Figure::new("filling the store", "s", seconds),
            Figure::new("rows filled in", "retries/s", per(rows, 1) / seconds),
            Figure::new("store when filled", "MiB", megabytes(size)),
        ],
        receiver,
    })
}

async fn batches(
    wanted: &PreparedArgs,
    common: &CommonArgs,
    spec: &ServiceSpec,
    receiver: &DeadReceiver,
) -> Result<Vec<Batch>> {
    let payload_bytes = common.publishing.payload_bytes;
    let mut batches = Vec::new();
    if wanted.future_retries > 0 {
        batches.push(Batch {
            event_type: FUTURE_TYPE.into(),
            webhooks: register(
                common,
                spec,
                receiver,
                FUTURE_TYPE,
                FUTURE_WEBHOOKS,
                WEBHOOKS_PER_EVENT,
            )
            .await?,
            webhooks_per_event: WEBHOOKS_PER_EVENT,
            events: wanted.future_retries.div_ceil(WEBHOOKS_PER_EVENT as u64),
            payload_bytes,
            due_after_s: 86_400,
        });
    }
    if wanted.due_on_dead_webhook > 0 {
        batches.push(Batch {
            event_type: DEAD_TYPE.into(),
            webhooks: register(common, spec, receiver, DEAD_TYPE, 1, 1).await?,
            webhooks_per_event: 1,
            events: wanted.due_on_dead_webhook,
            payload_bytes,
            due_after_s: 5,
        });
    }
    Ok(batches)
}

/// Registers webhooks for the types `event_type.0`, `event_type.1` …, one type for each group.
async fn register(
    common: &CommonArgs,
    spec: &ServiceSpec,
    receiver: &DeadReceiver,
    event_type: &str,
    count: usize,
    group: usize,
) -> Result<Vec<EventKey>> {
    let client = client(spec)?;
    let mut registrations = JoinSet::new();
    for lane in 0..REGISTRATIONS_AT_ONCE {
        let mut client = client.clone();
        let webhooks: Vec<Webhook> = (lane..count)
            .step_by(REGISTRATIONS_AT_ONCE)
            .map(|number| Webhook {
                name: format!("{event_type} {number}"),
                url: receiver.url(),
                profile: common.profile.clone(),
                event_types: vec![format!("{event_type}.{}", number / group)],
                ..Webhook::default()
            })
            .collect();
        registrations.spawn(async move {
            let mut made = Vec::with_capacity(webhooks.len());
            for webhook in webhooks {
                let number = made.len() * REGISTRATIONS_AT_ONCE + lane;
                made.push((number, bed::register(&mut client, webhook).await?));
            }
            anyhow::Ok(made)
        });
    }
    let mut numbered = Vec::with_capacity(count);
    while let Some(made) = registrations.join_next().await {
        numbered.extend(made??);
    }
    // Neighbours by number are one group, whichever was registered first.
    numbered.sort_unstable();
    Ok(numbered.into_iter().map(|(_, webhook)| webhook).collect())
}

const FUTURE_TYPE: &str = "bench.future";
const DEAD_TYPE: &str = "bench.dead";
const FUTURE_WEBHOOKS: usize = 2_000;
/// Enough that payloads are not most of what is written, as where many customers want the same events.
const WEBHOOKS_PER_EVENT: usize = 10;
const REGISTRATIONS_AT_ONCE: usize = 16;
/// Prepared events were accepted one after the other within this time…
pub(super) const ACCEPTED_WITHIN_MS: i64 = 30 * 60_000;
/// …which ended this long ago.
pub(super) const ACCEPTED_BEFORE_MS: i64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_a_whole_group_of_webhooks() {
        let batch = Batch {
            event_type: FUTURE_TYPE.into(),
            webhooks: (0..40).map(EventKey).collect(),
            webhooks_per_event: 10,
            events: 7,
            payload_bytes: 1024,
            due_after_s: 5,
        };
        assert_eq!((batch.groups(), batch.rows()), (4, 70));
        assert_eq!(FUTURE_WEBHOOKS % WEBHOOKS_PER_EVENT, 0);
    }
}
