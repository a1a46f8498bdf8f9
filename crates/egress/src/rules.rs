//! URLs and addresses that requests may be sent to.

use std::net::IpAddr;

use url::{Host, Url};

use crate::{AddressRules, AllowedTarget};

/// Longer URLs are refused by common servers.
const URL_BYTES_MAX: usize = 2_048;

/// What the operator allows to be a destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressRules {
    /// Which addresses may be dialled.
    pub addresses: AddressRules,
    /// Networks and hosts that are allowed beside those.
    pub allowed: Vec<AllowedTarget>,
    /// Whether plain `http` URLs are allowed beside `https`.
    pub allow_http: bool,
    /// Whether requests may be sent through forward proxies. A proxy resolves names by itself.
    pub allow_proxies: bool,
}

/// An address that must not be dialled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{host} resolves to {address}, which is not a public address; the operator can allow it with --allow-target"
)]
pub struct BlockedAddress {
    /// The name.
    pub host: String,
    /// The first of its addresses that is refused.
    pub address: IpAddr,
}

/// Why a URL cannot be a destination.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// Not a URL.
    #[error("not an absolute URL: {0}")]
    Syntax(url::ParseError),
    /// Neither `https` nor, where allowed, `http`.
    #[error("the scheme must be https{}", if *allow_http { " or http" } else { "; the operator can allow http with --allow-http" })]
    Scheme {
        /// Whether `http` would do.
        allow_http: bool,
    },
    /// A user name or password in the URL would end up in logs.
    #[error("user name and password do not belong in the URL; use the webhook's authentication instead")]
    UserInfo,
    /// A fragment is never sent.
    #[error("a fragment (#…) is not sent to the receiver; remove it")]
    Fragment,
    /// No host to connect to.
    #[error("the URL names no host")]
    NoHost,
    /// The host is an address that must not be dialled.
    #[error("{0} is not a public address; the operator can allow it with --allow-target")]
    BlockedAddress(IpAddr),
    /// Too long.
    #[error("longer than {URL_BYTES_MAX} bytes")]
    TooLong,
}

impl EgressRules {
    /// Checks a URL. Names are not resolved here: that is what a `Guard` does.
    pub fn check(&self, text: &str) -> Result<Url, TargetError> {
        if text.len() > URL_BYTES_MAX {
            return Err(TargetError::TooLong);
        }
        let url = Url::parse(text).map_err(TargetError::Syntax)?;
        if url.as_str().len() > URL_BYTES_MAX {
            // Escaping what URLs cannot hold makes it longer, and the escaped form is what is stored and sent.
            return Err(TargetError::TooLong);
        }
        self.check_parsed(&url)?;
        Ok(url)
    }

    /// Checks a URL that was accepted before: the rules may have become stricter since.
    pub fn check_parsed(&self, url: &Url) -> Result<(), TargetError> {
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            _ => {
                return Err(TargetError::Scheme {
                    allow_http: self.allow_http,
                });
            }
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(TargetError::Fragment);
        }
        if url.host().is_none() {
            return Err(TargetError::NoHost);
        }
        match literal_address(url) {
            Some(address) if !self.allow(&address.to_string(), address) => {
                Err(TargetError::BlockedAddress(address))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a name if any of its addresses must not be dialled.
    pub fn vet(&self, host: &str, addresses: impl IntoIterator<Item = IpAddr>) -> Result<(), BlockedAddress> {
        match addresses.into_iter().find(|address| !self.allow(host, *address)) {
            Some(address) => Err(BlockedAddress {
                host: host.to_owned(),
                address,
            }),
            None => Ok(()),
        }
    }

    /// Whether every address is allowed, so that nothing has to be looked up.
    pub fn allow_everything(&self) -> bool {
        self.addresses == AddressRules::Any
    }

    fn allow(&self, host: &str, address: IpAddr) -> bool {
        self.addresses.allow(address) || self.allowed.iter().any(|target| target.allows(host, address))
    }
}

/// The address that stands in the URL instead of a name. The parser has decoded `0x7f.1`, `2130706433` and full-width
/// digits to the addresses that they are.
pub(crate) fn literal_address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(IpAddr::V4(address)),
        Host::Ipv6(address) => Some(IpAddr::V6(address)),
        Host::Domain(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Url, TargetError> {
        EgressRules::default().check(text)
    }

    #[test]
    fn a_plain_https_url_is_fine() {
        for url in [
            "https://example.com/hooks?team=a",
            "https://example.com:8443/",
            "https://example.com./",
            "https://bücher.example/",
            "https://1.1.1.1/",
            "https://[2606:4700:4700::1111]/",
        ] {
            assert!(check(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn what_cannot_or_must_not_be_reached_is_refused_with_its_reason() {
        assert!(matches!(check("hooks"), Err(TargetError::Syntax(_))));
        for url in [
            "http://example.com/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "data:,x",
            "gopher://a/",
        ] {
            assert_eq!(
                check(url),
                Err(TargetError::Scheme { allow_http: false }),
                "{url}"
            );
        }
        for url in [
            "https://user@example.com/",
            "https://:pass@example.com/",
            "https://example.com@127.0.0.1/",
        ] {
            assert_eq!(check(url), Err(TargetError::UserInfo), "{url}");
        }
        assert_eq!(check("https://example.com/#top"), Err(TargetError::Fragment));
        assert_eq!(check("https://example.com/#"), Err(TargetError::Fragment));
        assert_eq!(
            check(&format!("https://example.com/{}", "a".repeat(2_048))),
            Err(TargetError::TooLong)
        );
        for url in [
            "https://",
            "https://[::1%25eth0]/",
            "https://[::1",
            "https://exa mple.com/",
            "https://a:99999/",
            "https://127.0.0.1.1.1/",
            "https://0x100000000/",
            "https://999.1.1.1/",
        ] {
            assert!(matches!(check(url), Err(TargetError::Syntax(_))), "{url}");
        }
    }

    #[test]
    fn encoded_forms_of_private_addresses_are_seen_through() {
        for url in [
            "https://127.0.0.1/",
            "https://127.0.0.1./",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://017700000001/",
            "https://0/",
            "https://１２７.０.０.１/",
            "https://①②⑦.0.0.1/",
            "https://127。0。0。1/",
            "https://%31%32%37.0.0.1/",
            "https:\\\\127.0.0.1\\",
            "https:127.0.0.1",
            " https://127.0.0.1/",
            "https://127.\t0.0.1/",
            "https://[::1]/",
            "https://[::]/",
            "https://[0:0:0:0:0:0:0:1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://[::127.0.0.1]/",
            "https://[64:ff9b::127.0.0.1]/",
            "https://[64:ff9b:1::a00:1]/",
            "https://[2002:7f00:1::]/",
            "https://[2001:0:7f00:1::]/",
            "https://[fd00:ec2::254]/",
            "https://169.254.169.254/latest/meta-data/",
            "https://168.63.129.16/",
            "https://100.100.100.200/",
        ] {
            assert!(
                matches!(check(url), Err(TargetError::BlockedAddress(_))),
                "{url}: {:?}",
                check(url)
            );
        }
    }

    #[test]
    fn the_operator_can_allow_networks_and_hosts() {
        let rules = EgressRules {
            allowed: vec!["10.1.0.0/16".parse().unwrap(), "hooks.internal".parse().unwrap()],
            ..EgressRules::default()
        };
        assert!(rules.check("https://10.1.2.3/").is_ok());
        assert!(rules.check("https://10.2.2.3/").is_err());
        assert!(
            rules.check("http://10.1.2.3/").is_err(),
            "an address is not a scheme"
        );
        let private = "192.168.0.1".parse().unwrap();
        let public = "1.1.1.1".parse().unwrap();
        assert!(rules.vet("hooks.internal", [private]).is_ok());
        assert!(rules.vet("any.example", [public]).is_ok());
        assert_eq!(
            rules.vet("any.example", [public, private]),
            Err(BlockedAddress {
                host: "any.example".to_owned(),
                address: private
            }),
            "one bad address is enough"
        );
    }
}
