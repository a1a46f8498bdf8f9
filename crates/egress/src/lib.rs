//! HTTP requests to places that strangers chose.
//!
//! Whoever can name a URL that a service sends to can try to make it talk to its own machine, to its neighbours or to a
//! cloud's metadata service, to keep it waiting, or to fill its memory. An exchange of this crate is one straight line,
//! and nothing on it is left to the other side:
//!
//! ```text
//!   URL ─► check ─► resolve ─► vet every address ─► connect to these and no others ─► TLS ─► send ─► headers ─► body
//!          scheme,   one name,   the table and the     SNI and Host stay the name's            16 interim  64 KiB
//!          host,     one look-up operator's list                                              32 KiB
//!          literals
//!          └──────────────────────────────── one deadline over all of it ─────────────────────────────────────────┘
//! ```
//!
//! - **One table** ([`AddressRules`]) says what is public. Everything else is refused: private networks, this machine,
//!   metadata services, and every way to write an IPv4 address inside an IPv6 one.
//! - **One check** for the moment when a URL is accepted and for the moment when it is used: [`Guard`]. A name that
//!   resolves differently the second time (DNS rebinding) gains nothing, because the connection is made to the addresses
//!   that were vetted and the name is not looked up again.
//! - **No redirects**, no proxy of the environment, no `Accept-Encoding`: a compressed answer is kept as the bytes it is.
//! - **Answers have an end**: [`ANSWER_BYTES_MAX`], [`ANSWER_HEADER_BYTES_MAX`], [`ANSWER_HEADERS_MAX`],
//!   [`INTERIM_ANSWERS_MAX`]. What is longer is cut off and the connection closed.
//! - **Connections are shared**: all who want the same TLS settings and proxy ([`Policy`]) send through one pool.
//!
//! What it cannot promise: a forward proxy resolves names by itself, so through a proxy only the URL and the proxy's own
//! addresses are vetted. And a network may translate other prefixes than the well-known ones to IPv4 (RFC 6052, section
//! 3.3); such a prefix is an ordinary public address to us.
//!
//! The crate knows neither a store nor an API. Without the feature `client` it is the rules alone.
//!
//! ```
//! use hookwright_egress::{EgressRules, TargetError};
//!
//! let rules = EgressRules::default();
//! assert!(rules.check("https://example.com/hooks").is_ok());
//! assert!(matches!(rules.check("https://0x7f.1/hooks"), Err(TargetError::BlockedAddress(_))));
//! ```

mod address_rules;
mod allowed;
mod rules;

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
mod connection;
#[cfg(feature = "client")]
mod connector;
#[cfg(feature = "client")]
mod credentials;
#[cfg(feature = "client")]
mod error;
#[cfg(feature = "client")]
mod guard;
#[cfg(feature = "client")]
mod http1;
#[cfg(feature = "client")]
mod oauth;
#[cfg(feature = "client")]
mod policy;
#[cfg(feature = "client")]
mod pool;
#[cfg(feature = "client")]
mod proxy;
#[cfg(feature = "client")]
mod resolver;
#[cfg(feature = "scripted")]
mod scripted;
#[cfg(feature = "client")]
mod tls;
#[cfg(feature = "client")]
mod tls_failure;

#[cfg(feature = "scripted")]
pub use self::scripted::{Answering, Script};
pub use self::{
    address_rules::AddressRules,
    allowed::{AllowedTarget, NotATarget},
    rules::{BlockedAddress, EgressRules, TargetError},
};
#[cfg(feature = "client")]
pub use self::{
    client::{
        ANSWER_BYTES_MAX, ANSWER_HEADER_BYTES_MAX, ANSWER_HEADERS_MAX, Answer, Exchange, INTERIM_ANSWERS_MAX,
    },
    connection::{Connection, Egress},
    credentials::{Credentials, OAuth2},
    error::{ExchangeError, PolicyError, SetupError},
    guard::{Guard, LookupError},
    policy::{ClientIdentity, Policy, TlsVersion},
    proxy::ProxyAddress,
    resolver::{Resolve, Resolving, SystemResolver},
    tls_failure::TlsFailure,
};
