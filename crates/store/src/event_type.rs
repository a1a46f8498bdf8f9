//! The event catalogue: the kinds of events that a tenant says it publishes.

use crate::{Page, PageSize, Store, StoreError, TenantId, Timestamp};

/// A kind of event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventType {
    /// Such as `vault.created`; unique for its tenant.
    pub name: String,
    /// For people.
    pub description: String,
    /// JSON Schema of the payload, as text; `None` accepts every payload.
    pub schema: Option<String>,
    /// An example of the payload, as text.
    pub sample: Option<String>,
    /// When it was last imported. Set by the store.
    pub updated_at: Timestamp,
}

/// A tenant's event types at a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    /// Changes with every import and every deletion that changes something.
    pub version: i64,
    /// All of them, by name.
    pub event_types: Vec<EventType>,
}

/// What became of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportOutcome {
    /// All were stored.
    Imported {
        /// How many were not there before.
        created: usize,
        /// How many were replaced.
        updated: usize,
    },
    /// There would have been more than allowed, so none was stored.
    TooMany,
}

impl Store {
    /// Event types that come after a name, by name in the order of bytes.
    pub async fn event_types(
        &self,
        tenant: TenantId,
        after: Option<&str>,
        size: PageSize,
    ) -> Result<Page<EventType, String>, StoreError> {
        // No name is empty, so everything comes after that.
        let mut rows = self
            .engine()
            .event_types_after(tenant, after.unwrap_or(""), size.rows() + 1)
            .await?;
        let more = rows.len() > size.rows();
        rows.truncate(size.rows());
        let next = rows
            .last()
            .filter(|_| more)
            .map(|event_type| event_type.name.clone());
        Ok(Page { rows, next })
    }

    /// The version of a tenant's catalogue: equal versions are equal catalogues.
    pub async fn catalogue_version(&self, tenant: TenantId) -> Result<i64, StoreError> {
        self.engine().catalogue_version(tenant).await
    }

    /// A tenant's catalogue, consistent with the version that comes with it.
    pub async fn catalogue(&self, tenant: TenantId) -> Result<Catalogue, StoreError> {
        self.engine().catalogue(tenant).await
    }

    /// Adds event types and replaces those of the same name: all of them, or none when there would be more than `max`.
    /// `event_types`: at least one, each name once.
    pub async fn import_event_types(
        &self,
        tenant: TenantId,
        event_types: &[EventType],
        max: usize,
    ) -> Result<ImportOutcome, StoreError> {
        let now = self.clock().now();
        self.engine()
            .import_event_types(tenant, event_types, max, now)
            .await
    }

    /// Deletes an event type. False when there was none.
    pub async fn delete_event_type(&self, tenant: TenantId, name: &str) -> Result<bool, StoreError> {
        self.engine().delete_event_type(tenant, name).await
    }
}
