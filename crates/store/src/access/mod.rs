//! Who may do what: scopes of keys.

mod scope;

pub use self::scope::{Scope, Scopes};
