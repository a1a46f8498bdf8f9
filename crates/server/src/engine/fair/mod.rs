//! Who is next, and how many places each may take. Pure.

mod memory;
mod places;
mod turns;

use hookwright_store::Origin;

pub(crate) use self::memory::{Share, WEBHOOK_KIB_MAX, share_of};
pub(super) use self::{places::Places, turns::Turns};

/// The two kinds of attempts, which do not crowd each other out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// First attempts of events that this node has just accepted.
    Fresh = 0,
    /// What was claimed from the store: retries, and first attempts that had to wait there.
    Stored = 1,
}

impl Class {
    pub(super) const ALL: [Self; 2] = [Self::Fresh, Self::Stored];

    pub(super) fn of(origin: Origin) -> Self {
        match origin {
            Origin::Publish => Self::Fresh,
            Origin::Retry => Self::Stored,
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::Fresh => Self::Stored,
            Self::Stored => Self::Fresh,
        }
    }

    /// How many of these places it may take while the other one waits: a quarter is for what is stored. At least one.
    pub(super) fn share_of(self, places: usize) -> usize {
        let stored = (places / 4).max(1);
        match self {
            Self::Stored => stored,
            Self::Fresh => places.saturating_sub(stored).max(1),
        }
    }
}
