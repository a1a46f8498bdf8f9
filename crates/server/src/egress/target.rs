//! URLs that deliveries may be sent to, checked when a webhook is registered and again before every request.

use std::net::IpAddr;

use url::{Host, Url};

use super::AddressRules;

/// Longer URLs are refused by common servers.
const URL_BYTES_MAX: usize = 2_048;

/// What the operator allows to be a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EgressRules {
    /// Which addresses may be dialled.
    pub addresses: AddressRules,
    /// Whether plain `http` URLs are allowed beside `https`.
    pub allow_http: bool,
}

impl Default for EgressRules {
    fn default() -> Self {
        Self {
            addresses: AddressRules::Public,
            allow_http: false,
        }
    }
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
    #[error("user name and password do not belong in the URL; send an Authorization header instead")]
    UserInfo,
    /// A fragment is never sent.
    #[error("a fragment (#…) is not sent to the receiver; remove it")]
    Fragment,
    /// No host to connect to.
    #[error("the URL names no host")]
    NoHost,
    /// The host is an address that must not be dialled.
    #[error("{0} is not a public address; the operator can allow such targets with --allow-private-targets")]
    BlockedAddress(IpAddr),
    /// Too long.
    #[error("longer than {URL_BYTES_MAX} bytes")]
    TooLong,
}

impl EgressRules {
    /// Checks a URL. Names are resolved, and their addresses checked, when a request is made.
    pub fn check(&self, text: &str) -> Result<Url, TargetError> {
        if text.len() > URL_BYTES_MAX {
            return Err(TargetError::TooLong);
        }
        let url = Url::parse(text).map_err(TargetError::Syntax)?;
        self.check_parsed(&url)?;
        Ok(url)
    }

    /// Checks a URL that was accepted before: the rules may have become stricter since.
    pub(super) fn check_parsed(self, url: &Url) -> Result<(), TargetError> {
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
        // The parser has decoded 0x7f.1 and 2130706433 to the addresses that they are.
        let address = match url.host().ok_or(TargetError::NoHost)? {
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
            Host::Domain(_) => None,
        };
        match address {
            Some(address) if !self.addresses.allow(address) => Err(TargetError::BlockedAddress(address)),
            _ => Ok(()),
        }
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
        assert!(check("https://example.com/hooks?team=a").is_ok());
        assert!(check("https://example.com:8443/").is_ok());
    }

    #[test]
    fn what_cannot_or_must_not_be_reached_is_refused_with_its_reason() {
        assert!(matches!(check("hooks"), Err(TargetError::Syntax(_))));
        assert_eq!(
            check("http://example.com/"),
            Err(TargetError::Scheme { allow_http: false })
        );
        assert_eq!(
            check("ftp://example.com/"),
            Err(TargetError::Scheme { allow_http: false })
        );
        assert_eq!(check("https://user@example.com/"), Err(TargetError::UserInfo));
        assert_eq!(check("https://:pass@example.com/"), Err(TargetError::UserInfo));
        assert_eq!(check("https://example.com/#top"), Err(TargetError::Fragment));
        assert_eq!(
            check(&format!("https://example.com/{}", "a".repeat(2_048))),
            Err(TargetError::TooLong)
        );
    }

    #[test]
    fn encoded_forms_of_private_addresses_are_seen_through() {
        for url in [
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://169.254.169.254/latest/meta-data/",
        ] {
            assert!(matches!(check(url), Err(TargetError::BlockedAddress(_))), "{url}");
        }
    }
}
