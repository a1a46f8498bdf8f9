//! One life of the process: the store, the directory and the engine as the server puts them together, and its clients.

use std::{collections::VecDeque, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use hookwright_core::Secret;
use hookwright_store::{
    Clock, Delivery, DeliveryFilter, DeliveryId, DeliveryState, NewReplay, PageSize, ReplayFilter,
    ReplayFrom, Stop, StopCause, Store, StoreError, TenantId, Timestamp, simulation::Script,
};
use tokio::task::JoinSet;

use super::{
    history::{Ended, LifeEnd, PublishAnswer},
    scenario::{Action, Publish},
    world::{World, node_options, registry},
};
use crate::{
    directory::Directory,
    engine::{Engine, Intake, WEBHOOK_KIB_MAX},
};

/// How long attempts get when the process stops in order.
const GRACE: Duration = Duration::from_secs(3);
/// How long a client waits before it asks again.
const AGAIN: Duration = Duration::from_millis(200);

/// What clients talk to.
#[derive(Clone)]
pub(super) struct Process {
    world: World,
    clock: Clock,
    store: Store,
    directory: Arc<Directory>,
    intake: Intake,
    tenants: Vec<TenantId>,
}

impl Process {
    /// Lives until it ends in the middle of something, in order, or with the scenario, which the second value says.
    pub(super) async fn live(
        world: &World,
        actions: &mut VecDeque<(Timestamp, Action)>,
        clock: Clock,
        folder: &Path,
    ) -> (LifeEnd, bool) {
        let Ok((process, engine)) = Self::start(world, clock, folder).await else {
            // As a supervisor would: it is started again.
            return (LifeEnd::Crashed, false);
        };
        let mut clients = JoinSet::new();
        for publish in process.unanswered() {
            clients.spawn(process.clone().publish(publish));
        }
        while let Some((at, _)) = actions.front() {
            process.clock.sleep_until(*at).await;
            let Some((_, action)) = actions.pop_front() else {
                break;
            };
            match action {
                Action::Crash => return (LifeEnd::Crashed, false),
                Action::Restart => return (process.stop(engine).await, false),
                Action::Publish(publish) => {
                    world.publishing(&publish);
                    clients.spawn(process.clone().publish(publish));
                }
                action => {
                    let operation = world.asked(action.clone());
                    clients.spawn(process.clone().operate(operation, action));
                }
            }
        }
        process.clock.sleep_until(world.scenario().calm_at).await;
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
        process.settle().await;
        process.gather().await;
        (process.stop(engine).await, true)
    }

    async fn start(world: &World, clock: Clock, folder: &Path) -> Result<(Self, Engine), StoreError> {
        let scenario = world.scenario();
        let life = world.history(|history, _| history.life());
        let steps = world.clone();
        let script = Script {
            seed: scenario.seed ^ (life as u64) << 48,
            steps: Arc::new(move |operation| steps.step(operation)),
        };
        let store = Store::open_simulated(&folder.join("hookwright.db"), clock.clone(), script).await?;
        let directory = Arc::new(Directory::new(store.clone(), registry(), world.egress()));
        let options = node_options(scenario);
        let engine = Engine::start(
            store.clone(),
            options,
            scenario.limits.clone(),
            scenario.pace,
            Arc::clone(&directory),
        )
        .await?;
        let mut tenants = vec![TenantId::DEFAULT];
        for tenant in 1..scenario.tenants {
            tenants.push(store.tenant(&format!("tenant {tenant}")).await?);
        }
        let process = Self {
            world: world.clone(),
            clock,
            store,
            directory,
            intake: engine.intake(),
            tenants,
        };
        process.register().await?;
        world.set_up();
        Ok((process, engine))
    }

    /// Owners register their webhooks before anything else happens.
    async fn register(&self) -> Result<(), StoreError> {
        for (place, plan) in self.world.scenario().webhooks.iter().enumerate() {
            if self.world.history(|history, _| history.webhooks[place].is_some()) {
                continue;
            }
            let secret = secret(place);
            let tenant = self.tenants[plan.tenant];
            let webhook = self
                .store
                .insert_webhook(tenant, plan.settings.clone(), &[secret])
                .await?;
            self.directory.reload(tenant).await?;
            self.world
                .history(|history, _| history.webhooks[place] = Some(webhook.id));
            self.world.note(&format!("webhook {place} is {}", webhook.id));
        }
        Ok(())
    }

    async fn stop(self, engine: Engine) -> LifeEnd {
        self.world.stopping();
        self.world.note("the process stops");
        match engine.stop(GRACE).await {
            Ok(()) => LifeEnd::Left,
            Err(_) => LifeEnd::Crashed,
        }
    }

    /// Publishes of earlier lives whose clients still insist.
    fn unanswered(&self) -> Vec<Publish> {
        let open: Vec<usize> = self.world.history(|history, _| {
            let open = history.publishes.iter().filter(|one| one.answer.is_none());
            open.map(|one| one.number).collect()
        });
        let actions = &self.world.scenario().actions;
        let publishes = actions.iter().filter_map(|(_, action)| match action {
            Action::Publish(publish) if publish.insists && open.contains(&publish.number) => Some(publish),
            _ => None,
        });
        publishes.cloned().collect()
    }

    async fn publish(self, publish: Publish) {
        let payload = format!(
            r#"{{"number":{},"filler":"{}"}}"#,
            publish.number,
            "x".repeat(publish.bytes)
        );
        let answer = loop {
            let published = self
                .intake
                .publish(
                    self.tenants[publish.tenant],
                    publish.event_type.to_owned(),
                    Bytes::from(payload.clone()),
                    publish.key.clone(),
                    publish.insists.then(|| format!("publish {}", publish.number)),
                )
                .await;
            match published {
                Ok(published) => {
                    break PublishAnswer::Accepted {
                        event: published.event,
                        deliveries: published.delivery_count,
                    };
                }
                Err(_) if publish.insists => tokio::time::sleep(AGAIN).await,
                Err(_) if self.world.is_stopping() => break PublishAnswer::Unknown,
                Err(_) => break PublishAnswer::Refused,
            }
        };
        self.world.history(|history, now| {
            history.note(now, &format!("published {}: {answer:?}", publish.number));
            for one in &mut history.publishes {
                if one.number == publish.number {
                    one.answer = Some(answer);
                }
            }
        });
    }

    /// What an owner wants, again and again until it is done.
    async fn operate(self, operation: usize, action: Action) {
        let did_something = loop {
            match self.try_to(operation, &action).await {
                Ok(did_something) => break did_something,
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        };
        self.world.history(|history, now| {
            history.note(now, &format!("done ({did_something}): {action:?}"));
            history.operations[operation].done_at = Some((now, did_something));
        });
    }

    /// As the API does it.
    async fn try_to(&self, operation: usize, action: &Action) -> Result<bool, StoreError> {
        match action {
            Action::Pause(place) => {
                let since = self.clock.now();
                self.set_stop(
                    *place,
                    Some(Stop {
                        cause: StopCause::Paused,
                        since,
                    }),
                )
                .await
            }
            Action::Resume(place) => self.set_stop(*place, None).await,
            Action::Delete(place) => {
                let (tenant, webhook) = self.webhook(*place);
                let deleted = self.store.delete_webhook(tenant, webhook).await?;
                self.directory.reload(tenant).await?;
                Ok(deleted)
            }
            Action::RotateSecret(place) => {
                let (tenant, webhook) = self.webhook(*place);
                let overlap = Duration::from_secs(30);
                self.store
                    .rotate_secret(tenant, webhook, &secret(operation + 100), overlap)
                    .await?;
                self.directory.reload(tenant).await?;
                Ok(true)
            }
            Action::Limit(place, max) => {
                let (tenant, webhook) = self.webhook(*place);
                let changed = self
                    .store
                    .change_webhook(tenant, webhook, |settings| {
                        settings.max_in_flight = Some(*max);
                        true
                    })
                    .await?;
                self.directory.reload(tenant).await?;
                Ok(changed.is_some())
            }
            Action::Cancel(place, nth) => {
                let Some(delivery) = self.known_delivery(operation, *place, *nth) else {
                    return Ok(false);
                };
                let tenant = self.webhook(*place).0;
                let cancelled = self.store.cancel_delivery(tenant, delivery).await?;
                Ok(cancelled == hookwright_store::Cancelled::Done)
            }
            Action::ReplayOne(place, nth) => {
                let Some(delivery) = self.known_delivery(operation, *place, *nth) else {
                    return Ok(false);
                };
                let tenant = self.webhook(*place).0;
                let replayed = self.store.replay_delivery(tenant, delivery).await?;
                Ok(matches!(replayed, hookwright_store::Replayed::Scheduled(_)))
            }
            Action::ReplayMany(place, all) => {
                let (tenant, webhook) = self.webhook(*place);
                let mut states = vec![ReplayFrom::Dead, ReplayFrom::Cancelled];
                if *all {
                    states.push(ReplayFrom::Delivered);
                }
                let job = NewReplay {
                    filter: ReplayFilter {
                        webhook: Some(webhook),
                        event_types: Vec::new(),
                        states,
                        since: None,
                        until: self.clock.now(),
                    },
                    rate: 10,
                    deliveries_max: None,
                    matched: 0,
                    resumed_from: None,
                };
                self.store.create_replay(tenant, &job).await?;
                Ok(true)
            }
            Action::Publish(_) | Action::Restart | Action::Crash => Ok(false),
        }
    }

    async fn set_stop(&self, place: usize, stop: Option<Stop>) -> Result<bool, StoreError> {
        let (tenant, webhook) = self.webhook(place);
        let found = self
            .store
            .change_webhook(tenant, webhook, |settings| {
                let change = settings.stop.is_some() != stop.is_some();
                if change {
                    settings.stop = stop;
                }
                change
            })
            .await?;
        self.directory.reload(tenant).await?;
        Ok(found.is_some())
    }

    fn webhook(&self, place: usize) -> (TenantId, hookwright_store::WebhookId) {
        let webhook = self.world.history(|history, _| history.webhooks[place]);
        // All are registered before anything is done to them.
        (
            self.tenants[self.world.scenario().webhooks[place].tenant],
            webhook.unwrap(),
        )
    }

    /// One of the deliveries that an owner can know of, the same each time it asks.
    fn known_delivery(&self, operation: usize, place: usize, nth: usize) -> Option<DeliveryId> {
        let webhook = self.webhook(place).1;
        self.world.history(|history, _| {
            if history.operations[operation].delivery.is_none() {
                let requests = &history.requests;
                let events: Vec<_> = requests
                    .iter()
                    .filter(|request| request.webhook == place)
                    .map(|request| request.event)
                    .collect();
                let event = events.get(nth % events.len().max(1)).copied()?;
                history.operations[operation].delivery = Some(DeliveryId { event, webhook });
            }
            history.operations[operation].delivery
        })
    }

    /// Waits until nothing is left to be done, or for as long as that can take.
    async fn settle(&self) {
        let mut pause = Duration::from_secs(1);
        while self.clock.now() < self.world.scenario().over_at {
            self.clock.sleep_until(self.clock.now().plus(pause)).await;
            pause = (pause * 2).min(Duration::from_mins(10));
            let deliveries = self.deliveries().await;
            let is_open = |one: &(TenantId, Delivery)| {
                matches!(one.1.state, DeliveryState::Scheduled(_) | DeliveryState::Leased)
            };
            // What a paused webhook has under way is held already, as far as the store knows.
            if !deliveries.iter().any(is_open) && !self.attempts_run() && !self.replays_run().await {
                return;
            }
        }
    }

    fn attempts_run(&self) -> bool {
        (0..self.world.scenario().webhooks.len())
            .filter_map(|place| self.directory.webhook(self.webhook(place).1))
            .any(|live| live.gauge.snapshot().in_flight > 0)
    }

    async fn replays_run(&self) -> bool {
        for tenant in &self.tenants {
            let replays = self.store.replays(*tenant, None, PageSize::MAX).await.unwrap();
            let runs =
                |replay: &hookwright_store::Replay| replay.state == hookwright_store::ReplayState::Running;
            if replays.rows.iter().any(runs) {
                return true;
            }
        }
        false
    }

    async fn deliveries(&self) -> Vec<(TenantId, Delivery)> {
        let mut all = Vec::new();
        for tenant in &self.tenants {
            let mut after = None;
            loop {
                let page = self
                    .store
                    .deliveries(*tenant, DeliveryFilter::All, after, PageSize::MAX)
                    .await
                    .unwrap();
                all.extend(page.rows.into_iter().map(|delivery| (*tenant, delivery)));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        all
    }

    /// Reads the log, and looks whether all memory was given back.
    async fn gather(&self) {
        for (tenant, delivery) in self.deliveries().await {
            let detail = self.store.delivery(tenant, delivery.id).await.unwrap().unwrap();
            let payload: serde_json::Value = serde_json::from_slice(&detail.event.payload).unwrap();
            self.world.history(|history, _| {
                let webhook = history
                    .webhooks
                    .iter()
                    .position(|webhook| *webhook == Some(delivery.id.webhook));
                history.deliveries.push(Ended {
                    id: delivery.id,
                    number: usize::try_from(payload["number"].as_u64().unwrap()).unwrap(),
                    webhook: webhook.unwrap(),
                    state: detail.delivery.state,
                    given_up: detail.delivery.given_up.is_some(),
                    replay: detail.delivery.replay,
                    attempts: detail.attempts,
                });
            });
        }
        for place in 0..self.world.scenario().webhooks.len() {
            let Some(live) = self.directory.webhook(self.webhook(place).1) else {
                continue;
            };
            let (free, gauge) = (live.slots.available_permits(), live.gauge.snapshot());
            if free != WEBHOOK_KIB_MAX || gauge.in_flight > 0 {
                let leak = format!(
                    "webhook {place}: {free} KiB of {WEBHOOK_KIB_MAX} are free, {} attempts count as under way",
                    gauge.in_flight
                );
                self.world.history(|history, _| history.leaks.push(leak));
            }
        }
    }
}

fn secret(number: usize) -> Secret {
    Secret::parse(&format!("the secret with number {number}")).unwrap()
}
