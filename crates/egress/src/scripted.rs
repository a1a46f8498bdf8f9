//! A script in place of the network, for simulations: the checks and the deadline stay, the connection does not.

use std::{fmt, pin::Pin, sync::Arc};

use crate::{Answer, Exchange, ExchangeError};

/// What comes of a scripted request.
pub type Answering = Pin<Box<dyn Future<Output = Result<Answer, ExchangeError>> + Send>>;

/// Answers requests in place of their receivers. What it gives is dropped when the deadline passes first.
#[derive(Clone)]
pub struct Script(Arc<dyn Fn(Exchange) -> Answering + Send + Sync>);

impl Script {
    /// From a function of the request.
    pub fn new(answer: impl Fn(Exchange) -> Answering + Send + Sync + 'static) -> Self {
        Self(Arc::new(answer))
    }

    pub(crate) fn answer(&self, exchange: Exchange) -> Answering {
        (self.0)(exchange)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").finish_non_exhaustive()
    }
}
