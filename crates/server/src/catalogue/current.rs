//! Catalogues as they are in the store at this moment, compiled.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use hookwright_store::{Store, StoreError, TenantId};
use serde_json::Value;

use super::schema::{Fault, Schema};

/// The tenants' catalogues. Each is read again when its version in the store is another.
#[derive(Debug)]
pub(crate) struct Catalogues {
    store: Store,
    known: RwLock<HashMap<TenantId, Arc<Catalogue>>>,
}

/// A tenant's event types.
#[derive(Debug)]
pub(crate) struct Catalogue {
    version: i64,
    event_types: HashMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    schema: Option<String>,
    /// Compiled when the first payload of the type is checked.
    compiled: OnceLock<Result<Schema, String>>,
}

/// Why an event does not fit the catalogue.
#[derive(Debug)]
pub(crate) enum Refusal {
    UnknownType {
        problem: String,
    },
    TooLarge {
        problem: String,
    },
    Invalid(Vec<Fault>),
    /// It was usable when it was imported: by another version of the program.
    UnusableSchema {
        problem: String,
    },
}

impl Catalogues {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            known: RwLock::default(),
        }
    }

    /// The catalogue as it is in the store now: one small query, and the event types only when they have changed. So what
    /// was imported through any node counts for the next event that is checked on any node.
    pub(crate) async fn current(&self, tenant: TenantId) -> Result<Arc<Catalogue>, StoreError> {
        let version = self.store.catalogue_version(tenant).await?;
        let known = self
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&tenant)
            .cloned();
        if let Some(known) = known.filter(|known| known.version == version) {
            return Ok(known);
        }
        let read = self.store.catalogue(tenant).await?;
        let event_types = read.event_types.into_iter().map(|event_type| {
            let entry = Entry {
                schema: event_type.schema,
                compiled: OnceLock::new(),
            };
            (event_type.name, entry)
        });
        let catalogue = Arc::new(Catalogue {
            version: read.version,
            event_types: event_types.collect(),
        });
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known
            .get(&tenant)
            .is_none_or(|known| known.version < catalogue.version)
        {
            known.insert(tenant, Arc::clone(&catalogue));
        }
        Ok(catalogue)
    }
}

impl Catalogue {
    /// Whether it has the type, and the payload is as the type's schema says.
    pub(crate) fn check(&self, event_type: &str, payload: &[u8]) -> Result<(), Refusal> {
        let Some(entry) = self.event_types.get(event_type) else {
            let problem = match self.event_types.len() {
                0 => String::from("the catalogue is empty; import event types first"),
                count => format!("{event_type} is not among the {count} event types of the catalogue"),
            };
            return Err(Refusal::UnknownType { problem });
        };
        let Some(text) = &entry.schema else {
            return Ok(());
        };
        let compiled = entry.compiled.get_or_init(|| Schema::compile(text));
        let schema = compiled.as_ref().map_err(|problem| Refusal::UnusableSchema {
            problem: problem.clone(),
        })?;
        // It was seen to be JSON; what is left is nesting that no schema can describe.
        let payload: Value = serde_json::from_slice(payload).map_err(|error| {
            let problem = format!("too deep to check: {error}");
            Refusal::TooLarge { problem }
        })?;
        schema.check(&payload)
    }
}
