//! What went wrong between two parties that should trust each other.

use rustls::{AlertDescription, CertificateError};

/// Why no connection could be secured. The texts say what to do, and whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFailure {
    /// The receiver's certificate is past its date.
    #[error("the receiver's certificate has expired; renew it ({0})")]
    Expired(String),
    /// The receiver's certificate is not valid yet.
    #[error(
        "the receiver's certificate is not valid yet; look at its dates and at this machine's clock ({0})"
    )]
    NotYetValid(String),
    /// The receiver's certificate is for another host.
    #[error(
        "the receiver's certificate is for another name; use a name that it has, or a certificate for this name ({0})"
    )]
    NameMismatch(String),
    /// Nobody who is trusted vouches for the receiver's certificate.
    #[error(
        "the receiver's certificate does not come from a trusted authority; send its intermediate certificates, or \
         name a private authority in the webhook's tls.ca_certificates ({0})"
    )]
    Untrusted(String),
    /// The receiver does not take our certificate, or wants one.
    #[error(
        "the receiver refuses our client certificate; look at the webhook's tls.client_certificate ({0})"
    )]
    ClientCertificate(String),
    /// Both sides speak TLS and have no version or cipher in common.
    #[error(
        "no TLS version or cipher in common; the receiver must speak TLS 1.2 or 1.3, or the webhook's tls.min_version is too high ({0})"
    )]
    Incompatible(String),
    /// What came back is not TLS, or not good TLS.
    #[error("the handshake failed; is this a TLS port? ({0})")]
    Handshake(String),
}

impl TlsFailure {
    /// Sorts an error of the TLS library.
    pub(crate) fn of(error: &rustls::Error) -> Self {
        let text = error.to_string();
        match error {
            rustls::Error::InvalidCertificate(certificate) => Self::of_certificate(certificate, text),
            rustls::Error::AlertReceived(alert) => Self::of_alert(*alert, text),
            rustls::Error::PeerIncompatible(_) | rustls::Error::NoApplicationProtocol => {
                Self::Incompatible(text)
            }
            _ => Self::Handshake(text),
        }
    }

    fn of_certificate(error: &CertificateError, text: String) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired(text),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotYetValid(text)
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::NameMismatch(text)
            }
            _ => Self::Untrusted(text),
        }
    }

    fn of_alert(alert: AlertDescription, text: String) -> Self {
        match alert {
            AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity
            | AlertDescription::HandshakeFailure => Self::Incompatible(text),
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied => Self::ClientCertificate(text),
            _ => Self::Handshake(text),
        }
    }
}
