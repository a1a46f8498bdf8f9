//! Why a call is not let in.

use hookwright_store::{Scopes, StoreError};

/// Why a call is not let in. How it is told is in `api::status`.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is no key with it.
    KeyMissing,
    /// The key is unknown, wrong or revoked; nobody is told which.
    KeyInvalid,
    /// The key was good once.
    KeyExpired,
    /// Any of these would do.
    ScopeMissing(Scopes),
    /// Nobody knows, because the store does not answer.
    Store(StoreError),
}
