//! Who calls.

use std::sync::Arc;

use hookwright_store::{KeyId, Scopes, TenantId};
use tonic::{Request, Status};

/// Who calls. In the extensions of every request that reaches the service. Cheap to clone.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "nobody has a key yet")]
pub(crate) struct Caller {
    /// Whose everything is that the call is about.
    pub(crate) tenant: TenantId,
    /// None without authentication.
    pub(crate) key: Option<KeyId>,
    /// What it may do.
    pub(crate) scopes: Scopes,
    /// The profile whose dialect it speaks, if the key says so.
    pub(crate) profile: Option<Arc<str>>,
}

impl Caller {
    /// Whoever calls a service that asks for no key.
    pub(crate) fn anonymous() -> Self {
        Self {
            tenant: TenantId::DEFAULT,
            key: None,
            scopes: Scopes::ALL,
            profile: None,
        }
    }
}

/// Who sent a request. Refused when nobody has looked at that: a service that was wired up wrongly must not be open.
pub(crate) fn caller_of<T>(request: &Request<T>) -> Result<Caller, Status> {
    request.extensions().get::<Caller>().cloned().ok_or_else(|| {
        tracing::error!("a request reached the service past authentication");
        Status::internal("nobody has looked at who calls; the log has details")
    })
}
