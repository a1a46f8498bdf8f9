//! The way out for e-mail: one SMTP server, which the operator names.

use std::{fmt, time::Duration};

pub use lettre::Address;
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor,
    address::Envelope,
    message::Mailbox,
    transport::smtp::{
        Error,
        client::{Certificate, Tls, TlsParameters},
    },
};
use url::Url;

/// For connecting, and for every answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An SMTP server and the sender of what goes through it. `Debug` shows no credentials.
#[derive(Clone)]
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    server: String,
}

/// Why an SMTP server cannot be used as it is written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SmtpError {
    /// Not a URL of this kind.
    #[error("expected smtps://user:password@host, smtp://host?tls=required or smtp://host: {0}")]
    Url(String),
    /// Credentials would be sent in the clear.
    #[error("a password is only sent over TLS: use smtps://… or add ?tls=required")]
    PasswordInTheClear,
    /// The sender is not an e-mail address.
    #[error("{0:?} is not a sender such as alerts@example.com or Example <alerts@example.com>")]
    From(String),
    /// The certificates cannot be read.
    #[error("the certificates for SMTP cannot be read: {0}")]
    Certificates(String),
}

impl Smtp {
    /// `url` is `smtps://user:password@host:port` or `smtp://host:port?tls=required`; `from` an address, with a name if
    /// there is to be one; `authorities_pem` certificates to trust besides those of the system.
    pub fn new(url: &str, from: &str, authorities_pem: Option<&[u8]>) -> Result<Self, SmtpError> {
        let parsed = Url::parse(url).map_err(|error| SmtpError::Url(error.to_string()))?;
        let host = parsed
            .host_str()
            .filter(|host| !host.is_empty())
            .ok_or_else(|| SmtpError::Url(String::from("no host")))?;
        let tls = parsed.query_pairs().find(|(name, _)| name == "tls");
        let mode = match (parsed.scheme(), tls.as_ref().map(|(_, mode)| mode.as_ref())) {
            ("smtps", None) => Mode::Wrapped,
            ("smtp", Some("required")) => Mode::Upgraded,
            ("smtp", None) => Mode::Clear,
            _ => {
                return Err(SmtpError::Url(String::from(
                    "the scheme is smtp or smtps, and tls=required goes with smtp",
                )));
            }
        };
        if mode == Mode::Clear && !(parsed.username().is_empty() && parsed.password().is_none()) {
            return Err(SmtpError::PasswordInTheClear);
        }
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|error| SmtpError::Url(error.to_string()))?
            .timeout(Some(TIMEOUT));
        let builder = match authorities_pem {
            Some(pem) if mode != Mode::Clear => {
                let parameters =
                    parameters(host, pem).map_err(|error| SmtpError::Certificates(error.to_string()))?;
                builder.tls(if mode == Mode::Wrapped {
                    Tls::Wrapper(parameters)
                } else {
                    Tls::Required(parameters)
                })
            }
            _ => builder,
        };
        Ok(Self {
            transport: builder.build(),
            from: from.parse().map_err(|_| SmtpError::From(from.to_owned()))?,
            server: host.to_owned(),
        })
    }

    pub(super) fn from(&self) -> &Mailbox {
        &self.from
    }

    /// Hands a message over. Ok once the server has taken responsibility for it, for all recipients.
    pub(super) async fn send(&self, recipients: Vec<Address>, message: &[u8]) -> Result<(), Refusal> {
        let envelope = Envelope::new(Some(self.from.email.clone()), recipients)
            .map_err(|error| Refusal::ForGood(error.to_string()))?;
        match self.transport.send_raw(&envelope, message).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_permanent() => Err(Refusal::ForGood(error.to_string())),
            Err(error) if error.is_transient() => Err(Refusal::ForNow(text_of(&error))),
            Err(error) => Err(Refusal::Unreachable(text_of(&error))),
        }
    }
}

/// Why the server did not take a message.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It says not to try again (5xx).
    ForGood(String),
    /// It says to try again (4xx).
    ForNow(String),
    /// It was not reached, or did not speak SMTP or TLS.
    Unreachable(String),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// TLS from the first byte.
    Wrapped,
    /// STARTTLS, or nothing.
    Upgraded,
    /// No TLS.
    Clear,
}

fn parameters(host: &str, pem: &[u8]) -> Result<TlsParameters, Error> {
    TlsParameters::builder(host.to_owned())
        .add_root_certificate(Certificate::from_pem(pem)?)
        .build()
}

/// With what is behind it: "connection error" alone helps nobody.
fn text_of(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp")
            .field("server", &self.server)
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> SmtpError {
        Smtp::new(url, "alerts@example.com", None).unwrap_err()
    }

    #[tokio::test]
    async fn a_password_never_leaves_without_tls_and_is_never_printed() {
        let url = "smtps://user:hunter2@mail.example.com";
        let smtp = Smtp::new(url, "Example <alerts@example.com>", None).unwrap();
        assert!(!format!("{smtp:?}").contains("hunter2"));
        assert!(
            Smtp::new(
                "smtp://user:hunter2@mail.example.com?tls=required",
                "a@example.com",
                None
            )
            .is_ok()
        );
        assert!(Smtp::new("smtp://localhost:2525", "a@example.com", None).is_ok());
        for url in [
            "smtp://user:hunter2@mail.example.com",
            "smtp://user:hunter2@mail.example.com?tls=opportunistic",
            "smtp://user@mail.example.com",
            "http://user:hunter2@mail.example.com",
            "mail.example.com",
            "smtps://",
        ] {
            assert!(!refused(url).to_string().contains("hunter2"), "{url}");
        }
        assert!(matches!(
            refused("smtp://user:hunter2@mail.example.com"),
            SmtpError::PasswordInTheClear
        ));
    }

    #[tokio::test]
    async fn a_sender_is_an_address() {
        for from in ["", "alerts", "a@example.com\r\nBcc: b@example.com"] {
            let refused = Smtp::new("smtp://localhost", from, None).unwrap_err();
            assert!(matches!(refused, SmtpError::From(_)), "{from:?}");
        }
    }
}
