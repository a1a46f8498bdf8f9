//! The event catalogue: which types a tenant publishes, and what their payloads look like.
//!
//! Schemas are written by whoever runs a platform, and payloads may hold what strangers typed. So a schema is accepted when
//! the work it can cause is finite and follows from its size and that of the payload: [`schema`] has the rules.

mod current;
mod import;
mod open_api;
#[cfg(test)]
mod properties;
mod schema;

pub(crate) use self::{
    current::{Catalogues, Refusal},
    import::Import,
    schema::Fault,
};

/// Event types of a tenant.
pub(crate) const EVENT_TYPES_MAX: usize = 1_000;
