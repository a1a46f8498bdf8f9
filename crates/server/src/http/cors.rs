//! Pages of other sites that may call: CORS, for the origins that the operator names.
//!
//! Browsers ask first (a preflight), without a key, and are told what a page may send and read. A page of any other origin is
//! told nothing, so its browser keeps the answer from it; and what it asks to change is refused, whatever its browser does.

use std::{fmt, str::FromStr, time::Duration};

use axum::{Router, extract::Request};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer, ExposeHeaders};
use tower_service::Service as _;
use url::{Origin as UrlOrigin, Url};

/// Whose pages may call: all of a scheme, a host and a port, such as `https://dashboard.example`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorsOrigin {
    /// Every page there is.
    Any,
    /// Those of one origin, as browsers write it.
    Exact(String),
}

/// Text that is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no origin such as https://dashboard.example or http://localhost:3000, without a path, nor *"
)]
pub struct NotAnOrigin(String);

impl FromStr for CorsOrigin {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let refused = || NotAnOrigin(text.to_owned());
        let url = Url::parse(text).map_err(|_| refused())?;
        let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let is_anonymous = url.username().is_empty() && url.password().is_none();
        // The parser takes white space and backslashes for what was perhaps meant, and a star for a name like others.
        let is_plain =
            !text.contains(|character: char| character.is_whitespace() || matches!(character, '\\' | '*'));
        match url.origin() {
            origin @ UrlOrigin::Tuple(..)
                if matches!(url.scheme(), "http" | "https") && is_bare && is_anonymous && is_plain =>
            {
                Ok(Self::Exact(origin.ascii_serialization()))
            }
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for CorsOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "*",
            Self::Exact(origin) => origin,
        })
    }
}

/// What the operator has said about other sites.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sites {
    origins: Vec<HeaderValue>,
    is_any: bool,
}

impl Sites {
    pub(crate) fn new(origins: &[CorsOrigin]) -> Self {
        let exact = origins.iter().filter_map(|origin| match origin {
            CorsOrigin::Any => None,
            // Written by the URL parser, in ASCII.
            CorsOrigin::Exact(origin) => HeaderValue::from_str(origin).ok(),
        });
        Self {
            origins: exact.collect(),
            is_any: origins.contains(&CorsOrigin::Any),
        }
    }

    /// Whether the page that sends a request with these headers may call.
    pub(super) fn may_call(&self, headers: &HeaderMap) -> bool {
        let origin = headers.get(header::ORIGIN);
        origin.is_some_and(|origin| self.is_any || self.origins.contains(origin))
    }

    /// Puts a router behind these rules.
    pub(super) fn guard(&self, router: Router) -> Router {
        if self.origins.is_empty() && !self.is_any {
            return router;
        }
        let (plain, shared) = (router.clone(), router.layer(self.layer()));
        Router::new().fallback(move |request: Request| {
            // The layer takes every OPTIONS for a preflight; others ask which methods there are.
            let is_other_question = request.method() == Method::OPTIONS
                && !request
                    .headers()
                    .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
            let mut router = if is_other_question {
                plain.clone()
            } else {
                shared.clone()
            };
            async move { router.call(request).await }
        })
    }

    fn layer(&self) -> CorsLayer {
        let layer = CorsLayer::new()
            .allow_methods(AllowMethods::list(METHODS))
            // Whatever a page sends: what is not known is not read, and metadata has names of its own.
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(ExposeHeaders::list(EXPOSED))
            .max_age(PREFLIGHT_MAX_AGE);
        if self.is_any {
            // Without credentials of the browser, such as a client certificate: a page that sends a key has been given it.
            return layer.allow_origin(AllowOrigin::any());
        }
        layer
            .allow_origin(AllowOrigin::list(self.origins.iter().cloned()))
            .allow_credentials(true)
    }
}

const METHODS: [Method; 6] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

/// What pages may read of an answer, besides what every page may.
const EXPOSED: [HeaderName; 8] = [
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
    header::ETAG,
    header::LOCATION,
    header::RETRY_AFTER,
    header::ALLOW,
    header::WWW_AUTHENTICATE,
];

/// How long a browser need not ask again; none believes more than two hours.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_hours(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_read_as_browsers_write_it() {
        // A name that is compared in another spelling would never fit, and nobody would know why.
        for (text, origin) in [
            ("https://dashboard.example", "https://dashboard.example"),
            ("https://Dashboard.Example/", "https://dashboard.example"),
            ("https://dashboard.example:443", "https://dashboard.example"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
        ] {
            let read: CorsOrigin = text.parse().unwrap();
            assert_eq!(read, CorsOrigin::Exact(origin.to_owned()), "{text}");
            assert_eq!(read.to_string(), origin);
        }
        assert_eq!("*".parse(), Ok(CorsOrigin::Any));
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        // An operator would believe that one page may call, and mean another, or all of them.
        for text in [
            "",
            "null",
            "dashboard.example",
            "https://",
            "https://*.example",
            "https://dashboard.example/app",
            "https://dashboard.example?x",
            "https://dashboard.example#x",
            "https://user@dashboard.example",
            "https://a.example https://b.example",
            "https:\\\\dashboard.example",
            "file:///index.html",
            "ftp://dashboard.example",
            "* ",
        ] {
            assert!(text.parse::<CorsOrigin>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_pages_that_are_named_may_call() {
        let headers = |origin: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ORIGIN, origin.parse().unwrap());
            headers
        };
        let named = Sites::new(&["https://a.example".parse().unwrap()]);
        assert!(named.may_call(&headers("https://a.example")));
        for other in [
            "https://b.example",
            "http://a.example",
            "https://a.example:8443",
            "null",
            "*",
        ] {
            assert!(!named.may_call(&headers(other)), "{other}");
        }
        assert!(!named.may_call(&HeaderMap::new()));
        assert!(Sites::new(&[CorsOrigin::Any]).may_call(&headers("https://b.example")));
        assert!(!Sites::default().may_call(&headers("https://a.example")));
    }
}
