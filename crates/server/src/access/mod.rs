//! Who calls, what they may do, and how much.
//!
//! ```text
//!   request ──► Gate ──────────────────────────────► the service
//!               key: Keyring, all of them in memory  does it, for the tenant of `Caller`
//!               scope: one table in `permissions`
//! ```
//!
//! The gate is around the service itself, not around the listener: whatever is in front of it, gRPC or HTTP/JSON, goes
//! through it with the headers that it was sent.

mod caller;
mod keyring;
mod layer;
mod limits;
mod permissions;
mod refusal;
pub(crate) mod upkeep;

pub(crate) use self::{
    caller::{Caller, caller_of},
    keyring::Keyring,
    layer::Gate,
    limits::TenantLimits,
    refusal::Refusal,
};

/// Who may call the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Whoever has a key.
    Keys,
    /// Everybody who reaches it, as the default tenant and with all scopes.
    None,
}
