//! What can go wrong, by whose fault it is.

use std::{error::Error, time::Duration};

use crate::{
    BlockedAddress, NotATarget, TargetError, TlsFailure,
    client::{ANSWER_HEADER_BYTES_MAX, ANSWER_HEADERS_MAX, INTERIM_ANSWERS_MAX},
    connector::{ConnectTimedOut, ProxyRefusal},
};

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The deadline passed before all of the answer was there.
    #[error("no complete answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The destination is, or resolves to, an address that must not be dialled.
    #[error("{0}")]
    BlockedAddress(String),
    /// No connection could be secured.
    #[error("TLS: {0}")]
    Tls(TlsFailure),
    /// The answer's headers are longer than is read.
    #[error("an answer with more than {ANSWER_HEADERS_MAX} headers, or more than {} KiB of them", ANSWER_HEADER_BYTES_MAX / 1024)]
    HeadersTooLarge,
    /// Interim answers (1xx) came again and again.
    #[error("more than {INTERIM_ANSWERS_MAX} interim answers (1xx) and none that counts")]
    TooManyInterimAnswers,
    /// The proxy did not let the request through.
    #[error("{0}")]
    Proxy(String),
    /// The authorization server gave no token.
    #[error("no access token: {0}")]
    NoToken(String),
    /// No connection, or one that broke, or an answer that is not HTTP.
    #[error("{0}")]
    Unreachable(String),
}

/// Why a policy cannot be used. Every text says what to correct.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// `ca_certificates` cannot be read.
    #[error("the CA certificates are not usable: {0}")]
    Authorities(String),
    /// `client_certificate` cannot be read.
    #[error("the client certificate is not usable: {0}")]
    ClientCertificate(String),
    /// `client_key` cannot be read, or does not belong to the certificate.
    #[error("the client key is not usable: {0}")]
    ClientKey(String),
    /// The proxy cannot be used.
    #[error("the proxy is not usable: {0}")]
    Proxy(String),
    /// The credentials cannot be sent.
    #[error("the credentials are not usable: {0}")]
    Credentials(String),
    /// The authorization server cannot be used.
    #[error("the token URL is not usable: {0}")]
    TokenUrl(TargetError),
}

/// Why nothing can be sent at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The machine has no certificates of authorities that could be trusted.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// An entry of the list of allowed targets.
    #[error(transparent)]
    Allowed(#[from] NotATarget),
}

impl ExchangeError {
    /// The cause is found by type in the chain of errors; what people read is the innermost one, which says most.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut cause = error;
        loop {
            if cause.is::<BlockedAddress>() {
                return Self::BlockedAddress(cause.to_string());
            }
            if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
                return Self::Tls(TlsFailure::of(tls));
            }
            if let Some(refusal) = cause.downcast_ref::<ProxyRefusal>() {
                return Self::Proxy(refusal.to_string());
            }
            if let Some(ConnectTimedOut(after)) = cause.downcast_ref() {
                return Self::TimedOut(*after);
            }
            if cause
                .downcast_ref::<hyper::Error>()
                .is_some_and(hyper::Error::is_parse_too_large)
            {
                return Self::HeadersTooLarge;
            }
            if cause
                .downcast_ref::<hyper::Error>()
                .is_some_and(hyper::Error::is_canceled)
            {
                return Self::Unreachable(String::from(
                    "the receiver closed the connection before the request could be sent",
                ));
            }
            // An io::Error hides what it was made from.
            let inner = cause
                .downcast_ref::<std::io::Error>()
                .and_then(|io| io.get_ref())
                .map(|inner| inner as &(dyn Error + 'static));
            match inner.or_else(|| cause.source()) {
                Some(source) => cause = source,
                None => return Self::Unreachable(cause.to_string()),
            }
        }
    }
}

impl From<TargetError> for ExchangeError {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::BlockedAddress(_) => Self::BlockedAddress(error.to_string()),
            error => Self::Unreachable(error.to_string()),
        }
    }
}
