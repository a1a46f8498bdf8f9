//! Tenants and how much each may have.

use serde::{Deserialize, Serialize};

use crate::{TenantId, Timestamp};

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its id, which is never told.
    pub id: TenantId,
    /// What it is called by; unique, and never changes.
    pub name: String,
    /// Where its limits differ from those of the service.
    pub quotas: Quotas,
    /// When it was made; `None` when that was before this was noted.
    pub created_at: Option<Timestamp>,
    /// Whether it is gone. Only [`crate::AccessChanges`] tells of such ones.
    pub is_deleted: bool,
}

/// How much a tenant may have. `None` is the limit of the service, 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quotas {
    /// Events published in a second, through one node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish_per_second: Option<u32>,
    /// Largest payload of an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_bytes: Option<u32>,
    /// Webhooks that are registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhooks: Option<u32>,
    /// Events in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
}

impl Quotas {
    /// These, and the others where these say nothing.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            publish_per_second: self.publish_per_second.or(others.publish_per_second),
            payload_bytes: self.payload_bytes.or(others.payload_bytes),
            webhooks: self.webhooks.or(others.webhooks),
            events: self.events.or(others.events),
        }
    }
}

/// Changes quotas in place. Called under a lock, so it must not wait.
pub(crate) type QuotasChange<'a> = &'a (dyn Fn(&mut Quotas) + Send + Sync);

/// What came of deleting a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantDeletion {
    /// It is gone, and its keys are no good any more. Its log goes with the retention.
    Deleted,
    /// It has webhooks.
    NotEmpty,
    /// There is none.
    NotFound,
}
