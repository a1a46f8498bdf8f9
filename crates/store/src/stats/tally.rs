//! What this process has counted and not yet written: one row for each webhook, and one for each tenant, and minute.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::RwLock;

use super::{Counts, Granularity, Subject};
use crate::{End, Finish, TenantId, Timestamp, WebhookId, node::EventRow};

/// Rows in memory, 40 MB of them. More webhooks than that are not delivered to between two writes; it takes a store that
/// refuses these rows and no others.
const ROWS_MAX: usize = 100_000;

/// A row's key. In this order rows are written, so that processes that write the same ones do not wait for each other.
pub(super) type Minute = (Subject, Timestamp);

/// Counts in memory. The lock is taken once for each batch of the store.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    minutes: Mutex<Minutes>,
    /// Held for writing while what was taken is written, and for reading by who adds memory to what is written: nothing is
    /// in between then.
    pub(super) transfer: RwLock<()>,
}

#[derive(Debug, Default)]
struct Minutes {
    rows: BTreeMap<Minute, Counts>,
    /// Batches that found no room.
    uncounted: u64,
}

impl Tally {
    /// Events were accepted.
    pub(crate) fn published<'a>(&self, events: impl Iterator<Item = &'a EventRow>) {
        let mut minutes = self.lock();
        for row in events {
            let (tenant, minute) = (row.event.tenant, minute(row.event.id.created_at()));
            minutes.with((of_tenant(tenant), minute), |counts| counts.published += 1);
            for webhook in &row.webhooks {
                let subject = of_webhook(tenant, *webhook);
                minutes.with((subject, minute), |counts| counts.published += 1);
            }
        }
    }

    /// Results were stored.
    pub(crate) fn finished(&self, rows: &[&Finish], now: Timestamp) {
        let mut minutes = self.lock();
        // They come sorted by their webhooks, so there is little to look up.
        for run in rows.chunk_by(|a, b| minute_of(a, now) == minute_of(b, now)) {
            let mut counted = Counts::default();
            for finish in run {
                counted.count(&finish.end);
            }
            if let Some(first) = run.first() {
                let (subject, minute) = minute_of(first, now);
                minutes.add((subject, minute), &counted);
                minutes.add((of_tenant(subject.tenant), minute), &counted);
            }
        }
    }

    /// Deliveries were given up without an attempt.
    pub(crate) fn given_up(&self, tenant: TenantId, webhook: WebhookId, dead: usize, now: Timestamp) {
        let counted = Counts {
            dead: dead as u64,
            ..Counts::default()
        };
        let mut minutes = self.lock();
        minutes.add((of_webhook(tenant, webhook), minute(now)), &counted);
        minutes.add((of_tenant(tenant), minute(now)), &counted);
    }

    /// Everything, which is not here any more.
    pub(super) fn take(&self) -> BTreeMap<Minute, Counts> {
        let minutes = mem::take(&mut *self.lock());
        if minutes.uncounted > 0 {
            tracing::error!(
                uncounted = minutes.uncounted,
                "there was no room for all figures; the log has what they leave out"
            );
        }
        minutes.rows
    }

    /// Takes back what could not be written.
    pub(super) fn put_back(&self, rows: impl IntoIterator<Item = (Minute, Counts)>) {
        let mut minutes = self.lock();
        for (minute, counts) in rows {
            minutes.add(minute, &counts);
        }
    }

    /// What is counted for somebody from `from` on and before `until`, by minute.
    pub(super) fn of(&self, subject: Subject, from: Timestamp, until: Timestamp) -> Vec<(Timestamp, Counts)> {
        if from >= until {
            return Vec::new();
        }
        let minutes = self.lock();
        let found = minutes.rows.range((subject, from)..(subject, until));
        found
            .map(|((_, minute), counts)| (*minute, counts.clone()))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Minutes> {
        self.minutes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Minutes {
    fn add(&mut self, minute: Minute, counted: &Counts) {
        if !counted.is_empty() {
            self.with(minute, |counts| *counts += counted);
        }
    }

    fn with(&mut self, minute: Minute, count: impl FnOnce(&mut Counts)) {
        if let Some(counts) = self.rows.get_mut(&minute) {
            count(counts);
        } else if self.rows.len() < ROWS_MAX {
            count(self.rows.entry(minute).or_default());
        } else {
            self.uncounted += 1;
        }
    }
}

fn of_tenant(tenant: TenantId) -> Subject {
    Subject {
        tenant,
        webhook: None,
    }
}

fn of_webhook(tenant: TenantId, webhook: WebhookId) -> Subject {
    Subject {
        tenant,
        webhook: Some(webhook),
    }
}

fn minute(moment: Timestamp) -> Timestamp {
    Granularity::Minute.start_of(moment)
}

fn minute_of(finish: &Finish, now: Timestamp) -> Minute {
    let moment = match &finish.end {
        // Not later than now, however the clock was set meanwhile: nobody asks for what is to come.
        End::Attempted(attempt) => attempt.ended_at().min(now),
        _ => now,
    };
    (of_webhook(finish.tenant, finish.delivery.webhook), minute(moment))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOON: Timestamp = Timestamp::from_unix_micros(1_800_014_400_000_000);

    fn dead(count: u64) -> Counts {
        Counts {
            dead: count,
            ..Counts::default()
        }
    }

    #[test]
    fn a_minute_is_counted_for_the_webhook_and_for_its_tenant() {
        let tally = Tally::default();
        let webhook = WebhookId(uuid::Uuid::from_u128(7));
        let (end, next) = (
            NOON.plus(Duration::from_micros(59_999_999)),
            NOON.plus(Duration::from_mins(1)),
        );
        for (count, moment) in [(1, NOON), (2, end), (4, next)] {
            tally.given_up(TenantId(2), webhook, count, moment);
        }
        tally.given_up(TenantId(2), WebhookId(uuid::Uuid::from_u128(8)), 8, NOON);
        let until = next.plus(Duration::from_mins(1));
        let subject = of_webhook(TenantId(2), webhook);
        assert_eq!(tally.of(subject, NOON, until), [(NOON, dead(3)), (next, dead(4))]);
        assert_eq!(tally.of(subject, NOON, next), [(NOON, dead(3))]);
        assert_eq!(tally.of(subject, until, NOON), []);
        let tenant = of_tenant(TenantId(2));
        assert_eq!(tally.of(tenant, NOON, until), [(NOON, dead(11)), (next, dead(4))]);
        assert_eq!(tally.of(of_tenant(TenantId(3)), NOON, until), []);
    }

    #[test]
    fn what_is_put_back_is_added_to_what_was_counted_since() {
        let tally = Tally::default();
        let count = || tally.given_up(TenantId(2), WebhookId(uuid::Uuid::from_u128(7)), 1, NOON);
        count();
        let taken = tally.take();
        count();
        tally.put_back(taken);
        let until = NOON.plus(Duration::from_mins(1));
        assert_eq!(tally.of(of_tenant(TenantId(2)), NOON, until), [(NOON, dead(2))]);
    }

    #[test]
    fn memory_is_limited_and_what_is_counted_already_goes_on_being_counted() {
        let tally = Tally::default();
        for number in 0..ROWS_MAX as u128 {
            tally.given_up(TenantId(2), WebhookId(uuid::Uuid::from_u128(number + 1)), 1, NOON);
        }
        let taken = tally.take();
        assert_eq!(taken.len(), ROWS_MAX);
        let whole = taken.get(&(of_tenant(TenantId(2)), NOON));
        assert_eq!(
            whole,
            Some(&dead(ROWS_MAX as u64)),
            "the tenant's own row was there first"
        );
    }
}
