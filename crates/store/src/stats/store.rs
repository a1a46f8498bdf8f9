//! Writing figures and reading them: methods of [`Store`].

use std::collections::BTreeMap;

use super::{Counts, Granularity, StatRow, Subject, tally::Minute};
use crate::{Store, StoreError, TenantId, Timestamp, WebhookId};

/// Minutes of one statement; with their hours it writes up to twice as many rows.
const MINUTES_MAX: usize = 500;

impl Store {
    /// Writes what this process has counted. Returns how many minutes were written. To be called every few seconds, and
    /// when nothing is counted any more.
    ///
    /// What cannot be written is kept and written the next time. A statement whose answer was lost may have been carried out,
    /// and counts twice then.
    pub async fn flush_stats(&self) -> Result<usize, StoreError> {
        let tally = self.tally();
        let _alone = tally.transfer.write().await;
        let mut left = tally.take().into_iter();
        let mut written = 0;
        loop {
            let minutes: Vec<(Minute, Counts)> = left.by_ref().take(MINUTES_MAX).collect();
            if minutes.is_empty() {
                return Ok(written);
            }
            if let Err(error) = self.engine().add_stats(&with_hours(&minutes)).await {
                tally.put_back(minutes.into_iter().chain(left));
                return Err(error);
            }
            written += minutes.len();
        }
    }

    /// What was counted for a webhook, or without one for all of the tenant, from `from` on and before `until`, by the start
    /// of each minute or hour in which there was anything. Both ends are to be starts of one.
    ///
    /// What this process has counted is all in it, what others have counted after a few seconds.
    pub async fn stats(
        &self,
        tenant: TenantId,
        webhook: Option<WebhookId>,
        granularity: Granularity,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<BTreeMap<Timestamp, Counts>, StoreError> {
        if webhook.is_some_and(|webhook| webhook.0.is_nil()) {
            // Nobody's, and in the table the name of the tenant's own row.
            return Ok(BTreeMap::new());
        }
        let subject = Subject { tenant, webhook };
        let _still = self.tally().transfer.read().await;
        let stored = self.engine().stats(subject, granularity, from, until).await?;
        let mut found: BTreeMap<Timestamp, Counts> = stored.into_iter().collect();
        for (minute, counts) in self.tally().of(subject, from, until) {
            *found.entry(granularity.start_of(minute)).or_default() += &counts;
        }
        Ok(found)
    }

    /// Removes what is older than is kept.
    pub(crate) async fn remove_old_stats(&self, now: Timestamp) -> Result<(), StoreError> {
        for granularity in Granularity::ALL {
            let oldest = granularity.oldest(now);
            self.engine().remove_stats_before(granularity, oldest).await?;
        }
        Ok(())
    }
}

/// The rows of minutes and those of the hours that they are in, in the order of their keys.
fn with_hours(minutes: &[(Minute, Counts)]) -> Vec<StatRow> {
    let mut rows: BTreeMap<(Subject, Granularity, Timestamp), Counts> = BTreeMap::new();
    for ((subject, minute), counts) in minutes {
        for granularity in Granularity::ALL {
            let key = (*subject, granularity, granularity.start_of(*minute));
            *rows.entry(key).or_default() += counts;
        }
    }
    rows.into_iter()
        .map(|((subject, granularity, started_at), counts)| StatRow {
            subject,
            granularity,
            started_at,
            counts,
        })
        .collect()
}
