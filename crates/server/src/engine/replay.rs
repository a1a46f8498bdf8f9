//! Replay jobs: each in small steps, at its own pace, on one node at a time.
//!
//! A step is one transaction of the store, which moves the job's cursor and schedules what lies behind it. So there is
//! nothing to save when the node stops, and nothing to repair when it dies.

use std::{collections::HashMap, sync::Arc, time::Duration};

use hookwright_store::{Node, Replay, ReplayId, ReplayStep, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often a job gets a step, and jobs of nodes that are gone are looked for.
const EVERY: Duration = Duration::from_millis(200);
/// Deliveries of one step at most, so that no transaction holds a writer up for long. Ten steps a tick reach the largest
/// rate there is.
const STEP_MAX: usize = 200;
const STEPS_PER_TICK_MAX: usize = 10;

/// What a job may schedule now: grows with time, by its rate, up to what a few ticks bring.
struct Allowance {
    deliveries: f64,
    since: Instant,
}

impl Allowance {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and bounded by the largest rate"
    )]
    fn grown(&mut self, rate: u32) -> usize {
        let now = Instant::now();
        let rate = f64::from(rate);
        self.deliveries += now.saturating_duration_since(self.since).as_secs_f64() * rate;
        self.deliveries = self.deliveries.min((rate * EVERY.as_secs_f64() * 2.0).max(1.0));
        self.since = now;
        self.deliveries as usize
    }
}

/// `idle`: how often jobs are looked for while this node has none.
pub(super) async fn run(node: Arc<Node>, idle: Duration, stop: CancellationToken) {
    let mut allowances: HashMap<ReplayId, Allowance> = HashMap::new();
    loop {
        let running = match tick(&node, &mut allowances, &stop).await {
            Ok(running) => running,
            Err(error) => {
                tracing::error!(%error, "replays could not go on; they are tried again");
                0
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(if running > 0 { EVERY } else { idle }) => {}
        }
    }
}

async fn tick(
    node: &Node,
    allowances: &mut HashMap<ReplayId, Allowance>,
    stop: &CancellationToken,
) -> Result<usize, StoreError> {
    if !node.may_start() {
        return Ok(0);
    }
    let running = node.claim_replays().await?;
    allowances.retain(|id, _| running.iter().any(|replay| replay.id == *id));
    for replay in &running {
        let allowance = allowances.entry(replay.id).or_insert_with(|| Allowance {
            // The first step needs no wait.
            deliveries: 1.0,
            since: Instant::now(),
        });
        match advance(node, replay.clone(), allowance, stop).await {
            // Its row will not be better the next time.
            Err(error @ StoreError::Inconsistent { .. }) => {
                tracing::error!(replay = %replay.id, %error, "a replay cannot go on");
                node.fail_replay(replay, &error.to_string()).await?;
            }
            result => result?,
        }
    }
    Ok(running.len())
}

/// Steps until the allowance is used up. Looking at deliveries that do not match costs none of it.
async fn advance(
    node: &Node,
    mut replay: Replay,
    allowance: &mut Allowance,
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    for _ in 0..STEPS_PER_TICK_MAX {
        let limit = allowance.grown(replay.rate).min(STEP_MAX);
        if limit == 0 || stop.is_cancelled() {
            return Ok(());
        }
        match node.replay_step(&mut replay, limit).await? {
            ReplayStep::Scheduled(scheduled) => {
                // At most a step's worth.
                allowance.deliveries -= u32::try_from(scheduled).map_or(0.0, f64::from);
            }
            ReplayStep::Done => {
                tracing::info!(replay = %replay.id, scheduled = replay.scheduled, "replay done");
                return Ok(());
            }
            ReplayStep::Lost => return Ok(()),
        }
    }
    Ok(())
}
