//! Who calls, and what they may do.
//!
//! ```text
//!   request ──► Authenticated ──► the service
//!               who calls?        does it, for the tenant of `Caller`
//! ```
//!
//! [`Authenticated`] is put around the service itself, not around the listener: whatever is in front of it, gRPC or
//! HTTP/JSON, goes through it with the headers that it was sent.

mod caller;
mod layer;

pub(crate) use self::{
    caller::{Caller, caller_of},
    layer::Authenticated,
};
