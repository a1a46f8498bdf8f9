//! Lets calls in that may come in, and tells the service who they are from.

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::Either;
use hookwright_store::KeyText;
use http::{HeaderMap, Request, Response, header::AUTHORIZATION};
use tonic::{Status, body::Body, server::NamedService};
use tower_service::Service;

use super::{
    Auth, Caller, Keyring, Refusal,
    keyring::Grant,
    permissions::{self, Permission},
};
use crate::listener::{ClientCertificate, Peer};

/// Decides who may call what.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    keyring: Keyring,
    auth: Auth,
    anonymous: Arc<str>,
}

/// A service behind a gate: its requests say who sent them.
#[derive(Clone, Debug)]
pub(crate) struct Authenticated<S> {
    inner: S,
    gate: Gate,
}

impl Gate {
    pub(crate) fn new(keyring: Keyring, auth: Auth) -> Self {
        Self {
            keyring,
            auth,
            anonymous: "anonymous".into(),
        }
    }

    /// Puts a service behind it.
    pub(crate) fn guard<S>(&self, inner: S) -> Authenticated<S> {
        Authenticated {
            inner,
            gate: self.clone(),
        }
    }

    /// The profile of the key that a request is sent with, if it has one that is good.
    pub(crate) async fn profile(&self, headers: &HeaderMap) -> Option<Arc<str>> {
        let Auth::Keys = self.auth else { return None };
        let text = key_of(headers).ok()?;
        let found = match self.keyring.check(&text) {
            Some(checked) => checked,
            // Made on another node a moment ago: its first request is in its words, too.
            None => self.keyring.look_for(&text).await,
        };
        found.ok()?.key.profile.clone()
    }

    /// Who calls, if that can be told at once; else the key that is to be looked for.
    fn admit(&self, call: &Call, headers: &HeaderMap) -> Result<Result<Caller, Refusal>, KeyText> {
        let Auth::Keys = self.auth else {
            let limits = self.keyring.default_limits();
            let name = match &call.certificate {
                Some(certificate) => certificate.subject.as_str().into(),
                None => Arc::clone(&self.anonymous),
            };
            return Ok(Ok(Caller::anonymous(name, limits, call.needs.method, call.peer)));
        };
        let text = match key_of(headers) {
            Ok(text) => text,
            Err(refusal) => return Ok(Err(refusal)),
        };
        match self.keyring.check(&text) {
            Some(checked) => Ok(checked.and_then(|grant| call.permitted(grant))),
            None => Err(text),
        }
    }
}

/// What is called, and from where.
struct Call {
    needs: Permission,
    peer: Option<SocketAddr>,
    /// That of mutual TLS.
    certificate: Option<Arc<ClientCertificate>>,
}

impl Call {
    fn of<B>(request: &Request<B>) -> Self {
        let peer = request.extensions().get::<Peer>();
        Self {
            needs: permissions::needed(request.uri().path()),
            peer: peer.map(|peer| peer.address),
            certificate: peer.and_then(|peer| peer.certificate.clone()),
        }
    }

    fn permitted(&self, grant: Arc<Grant>) -> Result<Caller, Refusal> {
        let Permission { method, scopes } = self.needs;
        if !grant.key.scopes.meets(scopes) {
            return Err(Refusal::ScopeMissing(scopes));
        }
        Ok(Caller::with_key(grant, method, self.peer))
    }
}

/// The key in `authorization: Bearer hwk_…`. Two headers are as good as none: proxies disagree about which one counts.
fn key_of(headers: &HeaderMap) -> Result<KeyText, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Refusal::KeyMissing);
    };
    let value = value.to_str().map_err(|_| Refusal::KeyInvalid)?;
    let (scheme, text) = value.split_once(' ').ok_or(Refusal::KeyMissing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::KeyMissing);
    }
    text.trim().parse().map_err(|_| Refusal::KeyInvalid)
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<S, B> Service<Request<B>> for Authenticated<S>
where
    S: Service<Request<B>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Boxed<Result<S::Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let call = Call::of(&request);
        match self.gate.admit(&call, request.headers()) {
            Ok(Ok(caller)) => {
                request.extensions_mut().insert(caller);
                Either::Left(self.inner.call(request))
            }
            Ok(Err(refusal)) => Either::Right(Box::pin(std::future::ready(Ok(
                Status::from(refusal).into_http()
            )))),
            Err(text) => {
                // The one that is ready is to be called, and a new one takes its place.
                let next = self.inner.clone();
                let mut inner = std::mem::replace(&mut self.inner, next);
                let keyring = self.gate.keyring.clone();
                Either::Right(Box::pin(async move {
                    let found = keyring.look_for(&text).await;
                    match found.and_then(|grant| call.permitted(grant)) {
                        Ok(caller) => {
                            request.extensions_mut().insert(caller);
                            inner.call(request).await
                        }
                        Err(refusal) => Ok(Status::from(refusal).into_http()),
                    }
                }))
            }
        }
    }
}

impl<S: NamedService> NamedService for Authenticated<S> {
    const NAME: &'static str = S::NAME;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_from_one_bearer_header() {
        let key = format!("hwk_{}", "0".repeat(78));
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            key_of(&headers)
        };
        let bearer = format!("Bearer {key}");
        assert!(read(&[&bearer]).is_ok());
        assert!(read(&[&format!("bearer  {key}")]).is_ok());
        for missing in [&[] as &[&str], &[&bearer, &bearer], &[&key], &["Basic eDp5"]] {
            assert!(matches!(read(missing), Err(Refusal::KeyMissing)), "{missing:?}");
        }
        for invalid in ["Bearer ", "Bearer x", "Bearer \u{e9}"] {
            assert!(matches!(read(&[invalid]), Err(Refusal::KeyInvalid)), "{invalid}");
        }
    }
}
