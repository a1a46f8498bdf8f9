//! Held deliveries: retry rows of a webhook that is stopped. Nothing marks the rows, so that stopping and resuming are one
//! write each, however many wait.

use std::time::Duration;

use crate::{Delivery, DeliveryState, EventId, Store, StoreError, TenantId, Webhook, WebhookId};

/// Deliveries given up per statement.
const STEP: usize = 500;

/// How much is held for one webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldPolicy {
    /// Deliveries at a time; the oldest are given up first.
    pub max_deliveries: usize,
    /// How long a delivery is held.
    pub max_age: Duration,
}

impl Store {
    /// All stopped webhooks of all tenants.
    pub async fn stopped_webhooks(&self) -> Result<Vec<Webhook>, StoreError> {
        self.engine().stopped_webhooks().await
    }

    /// How many deliveries wait for a webhook, counted up to `limit`. While it is stopped they are what is held.
    pub async fn count_waiting(
        &self,
        tenant: TenantId,
        webhook: WebhookId,
        limit: usize,
    ) -> Result<usize, StoreError> {
        self.engine().count_waiting(tenant, webhook, limit).await
    }

    /// Gives up what a stopped webhook holds beyond its policy: those deliveries are dead, with a row in the log that
    /// says why. Returns how many. To be called about every minute, by any node.
    pub async fn expire_held(&self, webhook: &Webhook, policy: HoldPolicy) -> Result<usize, StoreError> {
        let Some(stop) = webhook.settings.stop else {
            return Ok(0);
        };
        let now = self.clock().now();
        let mut given_up = 0;
        // A delivery is held since its event or since the stop, whichever came later.
        if now.since(stop.since) > policy.max_age {
            let before = EventId::floor(now.minus(policy.max_age));
            let reason = format!(
                "held for more than {}: {}",
                words(policy.max_age),
                stop.cause.text()
            );
            given_up += self.give_up(webhook, before, &reason).await?;
        }
        let oldest_over = self
            .engine()
            .nth_newest_waiting(webhook.tenant, webhook.id, policy.max_deliveries)
            .await?;
        if let Some(event) = oldest_over {
            let reason = format!(
                "more than {} deliveries were held: {}",
                policy.max_deliveries,
                stop.cause.text()
            );
            given_up += self.give_up(webhook, event, &reason).await?;
        }
        Ok(given_up)
    }

    async fn give_up(&self, webhook: &Webhook, up_to: EventId, reason: &str) -> Result<usize, StoreError> {
        let mut given_up = 0;
        loop {
            let now = self.clock().now();
            let step = self
                .engine()
                .give_up_held(webhook.tenant, webhook.id, up_to, STEP, reason, now)
                .await?;
            self.journal_notice().notify_one();
            self.tally().given_up(webhook.tenant, webhook.id, step, now);
            given_up += step;
            if step < STEP {
                return Ok(given_up);
            }
        }
    }

    /// Says `held` where a webhook is stopped.
    pub(crate) async fn mark_held(
        &self,
        tenant: TenantId,
        deliveries: &mut [Delivery],
    ) -> Result<(), StoreError> {
        let mut ids: Vec<WebhookId> = deliveries
            .iter()
            .filter(|delivery| matches!(delivery.state, DeliveryState::Scheduled(_)))
            .map(|delivery| delivery.id.webhook)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(());
        }
        let stops = self.engine().stops(tenant, &ids).await?;
        for delivery in deliveries {
            if let (DeliveryState::Scheduled(due_at), Some(stop)) =
                (delivery.state, stops.get(&delivery.id.webhook))
            {
                delivery.state = DeliveryState::Held { due_at, stop: *stop };
            }
        }
        Ok(())
    }
}

/// Such as `7 days` or `90 seconds`.
fn words(span: Duration) -> String {
    let seconds = span.as_secs();
    let (count, unit) = [(86_400, "day"), (3_600, "hour"), (60, "minute")]
        .into_iter()
        .find(|(size, _)| seconds >= *size && seconds.is_multiple_of(*size))
        .map_or((seconds, "second"), |(size, unit)| (seconds / size, unit));
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_the_largest_unit_that_fits() {
        for (seconds, text) in [
            (1, "1 second"),
            (90, "90 seconds"),
            (3_600, "1 hour"),
            (604_800, "7 days"),
        ] {
            assert_eq!(words(Duration::from_secs(seconds)), text);
        }
    }
}
