//! Rotation: a new secret signs from now on, and the old ones beside it until they expire.

use crate::{Timestamp, Webhook};

/// Secrets that sign at the same time. With more, signature headers would outgrow what receivers accept.
pub const SECRETS_MAX: usize = 4;

/// What came of a rotation.
#[derive(Clone, Debug, PartialEq)]
pub enum Rotated {
    /// The new secret is the newest one.
    Done {
        /// The webhook. Boxed, since the other answers are small.
        webhook: Box<Webhook>,
        /// When the last of the old ones stops signing. In the past or now when there is no overlap.
        old_expire_at: Timestamp,
        /// How many sign now, the new one included.
        live: usize,
    },
    /// There is no such webhook.
    NotFound,
    /// As many secrets as there may be sign already. Nothing was changed.
    TooMany {
        /// When the first of them expires.
        until: Timestamp,
    },
}
