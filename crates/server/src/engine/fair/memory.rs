//! How the memory for waiting deliveries is shared.

use std::sync::Arc;

use hookwright_store::Slot;
use tokio::sync::Semaphore;

use super::super::flow::Gauge;

/// More than any webhook can hold, in KiB: what it holds is counted, and the bound is worked out each time.
pub(crate) const WEBHOOK_KIB_MAX: usize = u32::MAX as usize >> 3;
/// A webhook may hold at most this part of the memory that is still free.
const FREE_PART: usize = 8;
/// A window of this size counts in full, a smaller one for less.
const WHOLE_WINDOW: usize = 64;
/// Claims leave this part of the memory to events that are published.
const CLAIMS_LEAVE_PART: usize = 4;

/// What asks for memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    Publish,
    /// Leaves a part of the node's memory alone; `total_kib` is all of it.
    Claim {
        total_kib: usize,
    },
}

/// Memory for one delivery, unless its webhook has its share already. Then the delivery waits in the store: later, but not
/// lost.
///
/// The share is a part of what is *free*. The fuller the memory is, the less may a single webhook have of it, so that
/// however many webhooks have a backlog, some memory is left for one that has none. A webhook whose window is small cannot
/// make use of much, and gets less.
pub(crate) fn share_of(
    memory: &Arc<Semaphore>,
    held: &Arc<Semaphore>,
    gauge: &Gauge,
    payload_bytes: usize,
    share: Share,
) -> Option<Slot> {
    // One KiB more than the payload, for everything around it.
    let kib = payload_bytes / 1_024 + 2;
    let free = memory.available_permits();
    let holds = WEBHOOK_KIB_MAX.saturating_sub(held.available_permits());
    let window = (gauge.window() as usize).min(WHOLE_WINDOW);
    // A webhook that holds nothing gets room for one delivery whatever its size.
    if holds > 0 && holds + kib > free / FREE_PART * window / WHOLE_WINDOW {
        return None;
    }
    if let Share::Claim { total_kib } = share
        && free < total_kib / CLAIMS_LEAVE_PART + kib
    {
        return None;
    }
    let kib = u32::try_from(kib).unwrap_or(u32::MAX);
    let webhook = Arc::clone(held).try_acquire_many_owned(kib).ok()?;
    let node = Arc::clone(memory).try_acquire_many_owned(kib).ok()?;
    Some(Slot::new(node, webhook))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOTAL: usize = 128 * 1_024;

    fn fill(memory: &Arc<Semaphore>, share: Share) -> Vec<Slot> {
        let (held, gauge) = (Arc::new(Semaphore::new(WEBHOOK_KIB_MAX)), Gauge::default());
        std::iter::from_fn(|| share_of(memory, &held, &gauge, 1_024, share)).collect()
    }

    #[test]
    fn however_many_webhooks_hold_all_they_can_there_is_room_for_another_one() {
        let memory = Arc::new(Semaphore::new(TOTAL));
        let hogs: Vec<Vec<Slot>> = (0..100).map(|_| fill(&memory, Share::Publish)).collect();
        assert!(hogs.iter().all(|slots| slots.len() >= 32));
        assert!(
            hogs[0].len() < TOTAL / 8 / 3 + 1,
            "one alone has its share and no more"
        );
        assert!(fill(&memory, Share::Publish).len() >= 32);
    }

    #[test]
    fn claims_leave_a_quarter_to_what_is_published() {
        let memory = Arc::new(Semaphore::new(TOTAL));
        let share = Share::Claim { total_kib: TOTAL };
        let _hogs: Vec<Vec<Slot>> = (0..10_000).map(|_| fill(&memory, share)).collect();
        assert!(memory.available_permits() >= TOTAL / 4);
        assert!(fill(&memory, Share::Publish).len() >= 64);
    }
}
