//! How deliveries of one webhook are sent: method, TLS, credentials, proxy.

use std::fmt;

use hookwright_core::TlsVersion;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// How deliveries are sent. The default is what most webhooks have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectionSettings {
    /// The method.
    #[serde(skip_serializing_if = "is_default")]
    pub method: DeliveryMethod,
    /// `None` is the profile's.
    #[serde(skip_serializing_if = "is_default")]
    pub content_type: Option<String>,
    /// How connections are secured.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: TlsSettings,
    /// What requests are authorised by.
    #[serde(skip_serializing_if = "is_default")]
    pub authentication: Option<Authentication>,
    /// A forward proxy, with its credentials.
    #[serde(skip_serializing_if = "is_default")]
    pub proxy_url: Option<Sensitive>,
}

impl ConnectionSettings {
    /// Whether nothing was chosen.
    pub fn is_default(&self) -> bool {
        is_default(self)
    }
}

/// The method of deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum DeliveryMethod {
    /// The usual one.
    #[default]
    Post,
    /// For receivers that store.
    Put,
    /// For receivers that change.
    Patch,
}

impl DeliveryMethod {
    /// As HTTP writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
        }
    }
}

/// How connections are secured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TlsSettings {
    /// The oldest version that is spoken; `None` is the profile's.
    pub min_version: Option<TlsVersion>,
    /// PEM: the authorities to trust instead of the public ones.
    pub ca_certificates: Option<String>,
    /// What we show to receivers that ask.
    pub client: Option<ClientCertificate>,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCertificate {
    /// PEM, ours first.
    pub certificate: String,
    /// PEM.
    pub key: Sensitive,
}

/// What requests are authorised by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Authentication {
    /// HTTP Basic.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: Sensitive,
    },
    /// A token that does not change.
    Bearer {
        /// The token.
        token: Sensitive,
    },
    /// OAuth 2 client credentials.
    OAuth2 {
        /// Where tokens are asked for.
        token_url: String,
        /// Who we are there.
        client_id: String,
        /// The proof.
        client_secret: Sensitive,
        /// What tokens are for.
        scopes: Vec<String>,
        /// Whom they are for; empty is not sent.
        audience: String,
    },
}

/// Text that `Debug` does not show and that is wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
pub struct Sensitive(String);

impl Sensitive {
    /// Keeps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text. Never for logs.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_survives_and_what_was_not_takes_no_room() {
        let all = ConnectionSettings {
            method: DeliveryMethod::Patch,
            content_type: Some("application/cloudevents+json".to_owned()),
            tls: TlsSettings {
                min_version: Some(TlsVersion::V1_3),
                ca_certificates: Some("PEM".to_owned()),
                client: Some(ClientCertificate {
                    certificate: "PEM".to_owned(),
                    key: Sensitive::new("s3cret"),
                }),
            },
            authentication: Some(Authentication::Basic {
                username: "user".to_owned(),
                password: Sensitive::new("s3cret"),
            }),
            proxy_url: Some(Sensitive::new("http://user:s3cret@proxy.example")),
        };
        let stored = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<ConnectionSettings>(&stored).unwrap(), all);
        assert!(!format!("{all:?}").contains("s3cret"));
        assert_eq!(
            serde_json::to_string(&ConnectionSettings::default()).unwrap(),
            "{}"
        );
    }
}
