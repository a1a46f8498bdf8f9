//! Which webhooks an event goes to, and why. Nothing here waits, stores or sends.
//!
//! ```text
//!   event ─► type ─► attributes ─► filter ─► the webhook gets it
//!            hash    JSON pointers  CEL
//! ```
//!
//! The payload is read when the first webhook of the right type asks for it, and once. Without attributes and filters it
//! is never read.

mod attribute;
mod filter;
mod matcher;
mod subject;
mod tenant_index;
mod types;

pub(crate) use self::{
    attribute::{AttributeRule, AttributesError},
    filter::Filter,
    matcher::{Matcher, Verdict},
    subject::Subject,
    tenant_index::TenantIndex,
    types::fitting,
};
