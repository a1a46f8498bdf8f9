//! What an attempt tells about its webhook.

use hookwright_store::{Outcome, Timestamp};

/// What came of an attempt, for whoever decides how fast a webhook is attempted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Feedback {
    /// None when nothing was attempted.
    pub(super) outcome: Option<Outcome>,
    /// The receiver's status, when it answered.
    pub(super) http_status: Option<u16>,
    /// The receiver asked for no request before this moment.
    pub(super) wait_until: Option<Timestamp>,
}
