//! What the operator allows beside public addresses.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use url::{Host, Url};

/// A network or a host that may be a destination although it is not public.
///
/// As text: `10.1.0.0/16`, `fd00:1::/32`, `10.1.2.3` or `hooks.internal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedTarget {
    /// Every address of a network, however the name is called that resolves to it.
    Network(IpNet),
    /// One name, whatever it resolves to. Lower case and in its ASCII form, without a trailing dot.
    Host(String),
}

/// Text that names neither a network nor a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is neither a network such as 10.1.0.0/16, nor an address, nor a host name such as hooks.internal"
)]
pub struct NotATarget(String);

impl AllowedTarget {
    /// Whether this entry allows `address`, which `host` resolved to or is.
    pub(crate) fn allows(&self, host: &str, address: IpAddr) -> bool {
        match self {
            Self::Network(network) => network.contains(&address),
            Self::Host(allowed) => without_root(host).eq_ignore_ascii_case(allowed),
        }
    }
}

impl FromStr for AllowedTarget {
    type Err = NotATarget;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Self::Network(network.trunc()));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Network(address.into()));
        }
        let refused = || NotATarget(text.to_owned());
        // Hosts are compared as the URL parser writes them. What it takes for anything but a host is none.
        if text.contains(['/', '\\', ':', '@', '?', '#', '*', '%']) {
            return Err(refused());
        }
        let url = Url::parse(&format!("https://{text}/")).map_err(|_| refused())?;
        match url.host() {
            Some(Host::Domain(host)) if !without_root(host).split('.').any(str::is_empty) => {
                Ok(Self::Host(without_root(host).to_owned()))
            }
            // An address in a form that people do not write, such as 0x7f.1: more likely a mistake than meant.
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for AllowedTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Host(host) => host.fmt(f),
        }
    }
}

/// `example.com.` is `example.com`.
pub(crate) fn without_root(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(entry: &str, host: &str, address: &str) -> bool {
        let entry: AllowedTarget = entry.parse().unwrap();
        entry.allows(host, address.parse().unwrap())
    }

    #[test]
    fn a_network_allows_its_addresses_under_any_name() {
        assert!(allows("10.1.0.0/16", "anything.example", "10.1.255.255"));
        assert!(
            allows("10.1.2.3/16", "10.1.0.1", "10.1.0.1"),
            "host bits mean nothing"
        );
        assert!(allows("10.1.2.3", "10.1.2.3", "10.1.2.3"));
        assert!(allows("fd00:1::/32", "x", "fd00:1::7"));
        assert!(!allows("10.1.0.0/16", "x", "10.2.0.1"));
        assert!(
            !allows("10.1.0.0/16", "x", "::ffff:10.1.0.1"),
            "a mapped address is another address"
        );
    }

    #[test]
    fn a_host_is_allowed_whatever_it_resolves_to_and_nothing_else_is() {
        assert!(allows("Hooks.Internal", "hooks.internal", "10.0.0.1"));
        assert!(allows("hooks.internal", "hooks.internal.", "::1"));
        assert!(allows("bücher.internal", "xn--bcher-kva.internal", "10.0.0.1"));
        assert!(!allows("hooks.internal", "evil.hooks.internal", "10.0.0.1"));
        assert!(!allows(
            "hooks.internal",
            "hooks.internal.evil.example",
            "10.0.0.1"
        ));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in [
            "",
            ".",
            "10.1.0.0/33",
            "10.1/16",
            "https://hooks.internal/",
            "hooks.internal:80",
            "*.internal",
            "0x7f.1",
            "2130706433",
            "a b",
            "a..b",
            "hooks.internal..",
            "10.\u{3002}",
            "user@host",
            "host/path",
        ] {
            assert_eq!(
                text.parse::<AllowedTarget>(),
                Err(NotATarget(text.to_owned())),
                "{text}"
            );
        }
    }
}
