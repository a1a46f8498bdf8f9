//! The oldest TLS version that a platform's receivers may speak.

use serde::{Deserialize, Serialize};

/// A TLS version. There is nothing older: those are broken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsVersion {
    /// TLS 1.2, and 1.3 where both sides know it.
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3 only.
    #[serde(rename = "1.3")]
    V1_3,
}
