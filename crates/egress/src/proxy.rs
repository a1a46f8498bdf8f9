//! Forward proxies.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;
use url::Url;

use crate::{EgressRules, PolicyError, rules::literal_address};

/// A forward proxy, perhaps with credentials. `Debug` shows none.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ProxyAddress {
    /// Without credentials.
    url: Url,
    username: String,
    password: String,
}

impl ProxyAddress {
    /// Reads `http://[user:password@]host[:port]` or `https://…`, and checks it against the rules.
    pub fn parse(text: &str, rules: &EgressRules) -> Result<Self, PolicyError> {
        let refused = |problem: &str| PolicyError::Proxy(problem.to_owned());
        if !rules.allow_proxies {
            return Err(refused("the operator has not allowed proxies (--allow-proxies)"));
        }
        if text.len() > 2_048 {
            return Err(refused("longer than 2048 bytes"));
        }
        let mut url = Url::parse(text).map_err(|error| PolicyError::Proxy(format!("not a URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refused("the scheme must be http or https"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(refused("a proxy is a host and a port, without a path"));
        }
        let decode = |text: &str| {
            // The form decoder reads `+` as a space, which user info does not.
            let escaped = text.replace('+', "%2B");
            url::form_urlencoded::parse(escaped.as_bytes())
                .next()
                .map(|(text, _)| text.into_owned())
                .unwrap_or_default()
        };
        let (username, password) = (decode(url.username()), decode(url.password().unwrap_or_default()));
        if username.contains(':')
            || [&username, &password]
                .into_iter()
                .any(|text| text.contains(char::is_control))
        {
            return Err(refused(
                "a user name without colon, and neither with control characters",
            ));
        }
        let _ = url.set_username("");
        let _ = url.set_password(None);
        if url.host().is_none() {
            return Err(refused("it names no host"));
        }
        if let Some(address) = literal_address(&url) {
            rules.vet(&address.to_string(), [address]).map_err(|_| {
                PolicyError::Proxy(format!(
                    "{address} is not a public address; the operator can allow it with --allow-target"
                ))
            })?;
        }
        Ok(Self {
            url,
            username,
            password,
        })
    }

    /// Where it is, without credentials.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The user name, if there are credentials.
    pub fn username(&self) -> Option<&str> {
        Some(self.username.as_str()).filter(|name| !name.is_empty())
    }

    /// Whether there is a password.
    pub fn has_password(&self) -> bool {
        !self.password.is_empty()
    }

    /// The value of `Proxy-Authorization`.
    pub(crate) fn authorization(&self) -> Option<HeaderValue> {
        self.username()?;
        basic(&self.username, &self.password)
    }
}

/// Both as UTF-8; base64 is always a header value.
pub(crate) fn basic(username: &str, password: &str) -> Option<HeaderValue> {
    let encoded = STANDARD.encode(format!("{username}:{password}"));
    let mut value = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl fmt::Debug for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProxyAddress").field(&self.url.as_str()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ProxyAddress, PolicyError> {
        let rules = EgressRules {
            allow_proxies: true,
            ..EgressRules::default()
        };
        ProxyAddress::parse(text, &rules)
    }

    #[test]
    fn credentials_are_taken_out_of_the_url() {
        let proxy = parse("http://us%40er:p+%3Aw@proxy.example:3128").unwrap();
        assert_eq!(proxy.url().as_str(), "http://proxy.example:3128/");
        assert_eq!((proxy.username(), proxy.has_password()), (Some("us@er"), true));
        assert_eq!(
            proxy.authorization().unwrap(),
            format!("Basic {}", STANDARD.encode("us@er:p+:w"))
        );
        assert!(!format!("{proxy:?}").contains("us@er"));
        assert_eq!(parse("https://proxy.example").unwrap().authorization(), None);
    }

    #[test]
    fn what_cannot_be_a_proxy_is_refused() {
        for text in [
            "",
            "proxy:3128",
            "socks5://proxy.example",
            "http://proxy.example/path",
            "http://p.example/?a",
            "http://127.0.0.1:3128",
            "http://0x7f.1",
            "http://[::1]:3128/",
            "http://a%0Ab@proxy.example",
        ] {
            assert!(matches!(parse(text), Err(PolicyError::Proxy(_))), "{text}");
        }
        let refused = ProxyAddress::parse("http://proxy.example", &EgressRules::default()).unwrap_err();
        assert!(refused.to_string().contains("--allow-proxies"), "{refused}");
    }
}
