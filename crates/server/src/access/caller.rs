//! Who calls.

use std::{net::SocketAddr, sync::Arc};

use hookwright_store::{Actor, Clock, KeyId, Scopes, TenantId};
use tonic::{Request, Status};

use super::{Refusal, TenantLimits, keyring::Grant};

/// Who calls. In the extensions of every request that reaches the service. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Whose everything is that the call is about.
    pub(crate) tenant: TenantId,
    /// None without authentication.
    pub(crate) key: Option<KeyId>,
    /// What it may do.
    pub(crate) scopes: Scopes,
    /// The profile whose dialect it speaks, if the key says so.
    pub(crate) profile: Option<Arc<str>>,
    /// How much its tenant may have.
    pub(crate) limits: Arc<TenantLimits>,
    /// The method that is called.
    pub(crate) method: &'static str,
    peer: Option<SocketAddr>,
    /// The key's name, or who else it is.
    name: Arc<str>,
    grant: Option<Arc<Grant>>,
}

impl Caller {
    /// Whoever has this key.
    pub(super) fn with_key(grant: Arc<Grant>, method: &'static str, peer: Option<SocketAddr>) -> Self {
        let key = &grant.key;
        Self {
            tenant: key.tenant,
            key: Some(key.id),
            scopes: key.scopes,
            profile: key.profile.clone(),
            limits: Arc::clone(&grant.limits),
            method,
            peer,
            name: Arc::clone(&key.name),
            grant: Some(grant),
        }
    }

    /// Whoever calls a service that asks for no key.
    pub(super) fn anonymous(
        name: Arc<str>,
        limits: Arc<TenantLimits>,
        method: &'static str,
        peer: Option<SocketAddr>,
    ) -> Self {
        Self {
            tenant: TenantId::DEFAULT,
            key: None,
            scopes: Scopes::ALL,
            profile: None,
            limits,
            method,
            peer,
            name,
            grant: None,
        }
    }

    /// As the audit log has it.
    pub(crate) fn actor(&self) -> Actor {
        Actor {
            key: self.key,
            name: Arc::clone(&self.name),
            peer: self.peer.map(|peer| peer.to_string()),
            action: self.method,
        }
    }

    /// For calls that last: returns when the key is no good any more, and why.
    pub(crate) async fn ended(&self, clock: &Clock) -> Refusal {
        let Some(grant) = &self.grant else {
            return std::future::pending().await;
        };
        let expiry = async {
            match grant.key.expires_at {
                Some(end) => clock.sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = grant.revoked.cancelled() => Refusal::KeyInvalid,
            () = expiry => Refusal::KeyExpired,
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
