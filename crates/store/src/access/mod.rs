//! Who may do what, how much, and who did what: keys, tenants with their quotas, and the audit log.

mod audit;
mod key;
mod scope;
mod store;
mod tenant;

pub(crate) use self::{audit::changed_fields, tenant::QuotasChange};
pub use self::{
    audit::{Actor, AuditEntry},
    key::{Key, KeyCreation, KeyHash, KeyText, NewKey},
    scope::{Scope, Scopes},
    store::{AccessChanges, AccessCursor, KEYS_MAX},
    tenant::{Quotas, Tenant, TenantDeletion},
};
