//! Tells the service who calls.

use std::task::{Context, Poll};

use tonic::server::NamedService;
use tower_service::Service;

use super::Caller;

/// A service whose requests say who sent them.
#[derive(Clone, Debug)]
pub(crate) struct Authenticated<S> {
    inner: S,
}

impl<S> Authenticated<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B> Service<http::Request<B>> for Authenticated<S>
where
    S: Service<http::Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        request.extensions_mut().insert(Caller::anonymous());
        self.inner.call(request)
    }
}

impl<S: NamedService> NamedService for Authenticated<S> {
    const NAME: &'static str = S::NAME;
}
