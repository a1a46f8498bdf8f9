//! The one check of destinations, when they are accepted and when they are used.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use url::{Host, Url};

use crate::{
    BlockedAddress, EgressRules, Resolve, SystemResolver, TargetError, allowed::without_root,
    rules::literal_address,
};

/// The rules, and where addresses come from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Guard {
    rules: Arc<EgressRules>,
    resolver: Arc<dyn Resolve>,
}

/// Why a name has no addresses to dial.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// One of its addresses must not be dialled.
    #[error("{0}")]
    Blocked(#[from] BlockedAddress),
    /// The resolver gave no answer.
    #[error("{host} does not resolve: {source}")]
    Unresolved {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The resolver gave an empty answer.
    #[error("{0} has no address")]
    NoAddress(String),
}

impl Guard {
    /// Rules, and the machine's own resolver.
    pub fn new(rules: EgressRules) -> Self {
        Self::with_resolver(rules, Arc::new(SystemResolver::default()))
    }

    /// Rules, and another source of addresses.
    pub fn with_resolver(rules: EgressRules, resolver: Arc<dyn Resolve>) -> Self {
        Self {
            rules: Arc::new(rules),
            resolver,
        }
    }

    /// The rules.
    pub fn rules(&self) -> &EgressRules {
        &self.rules
    }

    /// Resolves a name, and refuses it if any of its addresses must not be dialled. What this returns is all that may be
    /// connected to: looking the name up again could give another answer.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, LookupError> {
        let addresses = self
            .resolver
            .resolve(host)
            .await
            .map_err(|source| LookupError::Unresolved {
                host: host.to_owned(),
                source,
            })?;
        self.rules.vet(host, addresses.iter().copied())?;
        if addresses.is_empty() {
            return Err(LookupError::NoAddress(host.to_owned()));
        }
        Ok(addresses)
    }

    /// Looks a URL's name up and refuses it if it leads to an address that must not be dialled, so that the mistake is
    /// told to whoever makes it.
    ///
    /// A name that does not resolve is let pass, and so is one for which there is no answer after `patience`: a
    /// destination may be announced before its DNS record exists, somebody else's name server must not keep an owner
    /// from changing their settings, and nothing is sent to a name before it is vetted again.
    pub async fn foresee(&self, url: &Url, patience: Duration) -> Result<(), BlockedAddress> {
        let Some(Host::Domain(host)) = url.host() else {
            // Addresses are checked with the URL.
            return Ok(());
        };
        if self.rules.allow_everything() {
            return Ok(());
        }
        match tokio::time::timeout(patience, self.addresses(host)).await {
            Ok(Err(LookupError::Blocked(blocked))) => Err(blocked),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// What does not go through a resolver: the address that stands in the URL.
    pub(crate) fn check_parsed(&self, url: &Url) -> Result<(), TargetError> {
        self.rules.check_parsed(url)
    }

    /// Like [`Self::check_parsed`], for the host alone.
    pub(crate) fn vet_literal(&self, url: &Url) -> Result<(), BlockedAddress> {
        match literal_address(url) {
            Some(address) => self.rules.vet(&address.to_string(), [address]),
            None => Ok(()),
        }
    }
}

/// The name as certificates have it.
pub(crate) fn server_name(host: &str) -> &str {
    without_root(host.trim_start_matches('[').trim_end_matches(']'))
}
