//! What a request can be refused for because of who sent it, and how much they have.

use std::time::Duration;

use super::error::ApiError;
use crate::access::Refusal;

/// A request that was not carried out because of keys, tenants or quotas.
#[derive(Debug)]
pub(super) enum AccessError {
    KeyNotFound(String),
    TenantNotFound(String),
    /// The name is taken.
    TenantExists(String),
    /// It has webhooks.
    TenantNotEmpty(String),
    /// It cannot be deleted.
    DefaultTenant,
    /// A tenant has as many keys as it may have.
    TooManyKeys(usize),
    /// The caller may not do this.
    Refused(Refusal),
    /// The tenant publishes faster than it may. The next event can come after this time.
    PublishRateExceeded(Duration),
    /// The tenant has as many webhooks as it may have.
    WebhookQuotaExceeded(u32),
    /// The tenant has about as many events in the log as it may have.
    EventQuotaExceeded,
}

impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        Self::Access(error)
    }
}
