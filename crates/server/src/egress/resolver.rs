//! Names to addresses, and none that must not be dialled.

use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::AddressRules;

/// Resolves with the system and refuses a name if any of its addresses must not be dialled.
///
/// The client connects to the addresses that this returns and to no others, so a name that resolves differently the
/// next time (DNS rebinding) gains nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct VettingResolver {
    pub(super) rules: AddressRules,
}

/// A name resolved to an address that must not be dialled.
#[derive(Debug, thiserror::Error)]
#[error("{host} resolves to {address}, which is not a public address")]
pub(super) struct BlockedAddress {
    host: String,
    address: IpAddr,
}

impl Resolve for VettingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = self.rules;
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            if let Some(blocked) = addresses.iter().find(|address| !rules.allow(address.ip())) {
                return Err(BlockedAddress {
                    host,
                    address: blocked.ip(),
                }
                .into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
