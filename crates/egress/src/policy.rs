//! How connections to one destination are made.

use std::fmt;

use crate::ProxyAddress;

/// The oldest TLS version that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsVersion {
    /// TLS 1.2, and 1.3 where both sides know it.
    #[default]
    V1_2,
    /// TLS 1.3 only.
    V1_3,
}

/// How connections to one destination are made. All who have an equal one share their connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Policy {
    /// The oldest TLS version that is spoken.
    pub min_tls: TlsVersion,
    /// The authorities to trust instead of the machine's, as PEM. At most 16 certificates and 64 KiB.
    pub ca_certificates: Option<String>,
    /// What we show to a receiver that asks who we are.
    pub client: Option<ClientIdentity>,
    /// A forward proxy to send through.
    pub proxy: Option<ProxyAddress>,
}

/// A certificate and its key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClientIdentity {
    /// The certificate and the intermediate ones, as PEM, ours first.
    pub certificate: String,
    /// The private key, as PEM: PKCS#8, PKCS#1 or SEC1, without a password.
    pub key: String,
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientIdentity([REDACTED])")
    }
}
