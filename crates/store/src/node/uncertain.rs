//! Publishes that were refused and may be stored all the same, later.
//!
//! A statement whose connection broke can go on at the server: it waits for a lock or for the disk, and nobody tells it that
//! its client is gone. Asked right away, the store says that there is no such event, and the publish is refused. When the
//! statement ends after all, the event is this node's, which does not know of it, and nobody else takes over from a node
//! that lives. So the store is asked again for a while, and the low-water mark stays below these events until then: if the
//! node dies meanwhile, whoever takes over finds them.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::{EventId, TenantId};

/// How long a statement can go on without its client. A lock is waited for no longer than ten seconds (`lock_timeout`), so
/// what is left is a disk that stands still.
const LASTS: Duration = Duration::from_mins(2);

#[derive(Debug, Default)]
pub(super) struct Uncertain {
    events: BTreeMap<EventId, Refused>,
}

#[derive(Clone, Copy, Debug)]
struct Refused {
    tenant: TenantId,
    at: Instant,
}

impl Uncertain {
    pub(super) fn add(&mut self, event: EventId, tenant: TenantId, at: Instant) {
        self.events.insert(event, Refused { tenant, at });
    }

    /// To be asked for.
    pub(super) fn events(&self) -> Vec<EventId> {
        self.events.keys().copied().collect()
    }

    /// It is there. Says whether that was uncertain.
    pub(super) fn remove(&mut self, event: EventId) -> bool {
        self.events.remove(&event).is_some()
    }

    /// Whose it is, if it is still uncertain.
    pub(super) fn tenant(&self, event: EventId) -> Option<TenantId> {
        self.events.get(&event).map(|refused| refused.tenant)
    }

    /// Takes out those that no statement can store any more.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<EventId> {
        let is_over = |refused: &Refused| now.saturating_duration_since(refused.at) > LASTS;
        self.events
            .extract_if(.., |_, refused| is_over(refused))
            .map(|(event, _)| event)
            .collect()
    }

    /// Another node has taken over, and has waited for the statements that were under way.
    pub(super) fn clear(&mut self) {
        self.events.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Timestamp, id::Minter};

    /// The low-water mark would stay behind for ever, and a recovery would read the whole log.
    #[test]
    fn what_was_refused_is_asked_for_until_no_statement_can_store_it() {
        let mut minter = Minter::new();
        let mut mint = || EventId(minter.mint(Timestamp::from_unix_micros(1_800_000_000_000_000)));
        let (first, second) = (mint(), mint());
        let start = Instant::now();
        let mut uncertain = Uncertain::default();
        uncertain.add(first, TenantId::DEFAULT, start);
        uncertain.add(second, TenantId::DEFAULT, start + LASTS);
        assert_eq!(uncertain.events(), [first, second]);
        assert_eq!(uncertain.expire(start + LASTS), []);
        assert_eq!(uncertain.expire(start + LASTS + Duration::from_secs(1)), [first]);
        assert_eq!(uncertain.tenant(first), None);
        assert!(uncertain.remove(second));
        assert_eq!(uncertain.events(), []);
    }
}
