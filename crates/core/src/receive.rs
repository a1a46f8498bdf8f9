//! Receiving: verify a request and take its envelope apart, in this order.
//!
//! A body that nobody vouches for is not looked into. So this is one function, and a [`Received`] cannot be had in
//! another way.

use thiserror::Error;

use crate::envelope::ParsedEnvelope;
use crate::error::{EnvelopeError, ErrorKind, VerifyError};
use crate::profile::Profile;
use crate::verifier::{Request, Verified, Verifier};

/// An event that arrived, with what vouches for it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Received<'a> {
    /// What the signature says.
    pub verified: Verified<'a>,
    /// What the signed body says.
    pub envelope: ParsedEnvelope,
}

/// Why a request was not received.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Nobody vouches for it, or not for now.
    #[error(transparent)]
    Unverified(#[from] VerifyError),
    /// It is authentic, and its body is not what the profile describes.
    #[error(transparent)]
    Unreadable(#[from] EnvelopeError),
}

/// Verifies a request and takes its envelope apart. `now` is Unix time in seconds.
///
/// `verifier` is made from the same profile, with [`Verifier::for_profile`] or, for a receiver that trusts only the
/// stronger of its schemes, with [`Verifier::for_scheme`].
///
/// ```
/// use hookwright_core::{Profile, Refusal, Request, Secret, Verifier, receive};
///
/// let profile = Profile::builtin("generic").unwrap();
/// let verifier = Verifier::for_profile(&profile, &[Secret::parse("a secret of some length")?])?;
/// let request = Request { method: "POST", url: "", headers: &[], body: b"{}" };
/// let refusal = receive(&verifier, &profile, &request, 1_614_265_330).unwrap_err();
/// assert_eq!(refusal.code(), "missing_header");
/// # Ok::<(), hookwright_core::SecretError>(())
/// ```
pub fn receive<'a>(
    verifier: &Verifier,
    profile: &Profile,
    request: &Request<'a>,
    now: i64,
) -> Result<Received<'a>, Refusal> {
    let verified = verifier.verify(request, now)?;
    let envelope = profile.parse_request(request)?;
    Ok(Received { verified, envelope })
}

impl Received<'_> {
    /// The event's id: the envelope's, or the signed message id where the envelope has none. Both are authentic.
    pub fn event_id(&self) -> Option<&str> {
        self.envelope.id.as_deref().or(self.verified.id)
    }

    /// The event's type.
    pub fn event_type(&self) -> Option<&str> {
        self.envelope.event_type.as_deref()
    }

    /// When the event happened, in Unix milliseconds.
    pub fn occurred_at_ms(&self) -> Option<i64> {
        self.envelope.occurred_at_ms
    }

    /// When this attempt was signed, in Unix seconds.
    pub fn signed_at(&self) -> Option<i64> {
        self.verified.timestamp
    }

    /// The event's data as JSON text, byte for byte as it came.
    pub fn data(&self) -> &str {
        self.envelope.data.get()
    }
}

impl Refusal {
    /// The kind of the error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Unverified(error) => error.kind(),
            Self::Unreadable(error) => error.kind(),
        }
    }

    /// The stable code of the kind, such as `signature_mismatch`.
    pub const fn code(&self) -> &'static str {
        self.kind().code()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use crate::signer::{Message, Signer};
    use crate::verifier::Tolerance;

    const NOW: i64 = 1_705_314_600;

    /// What receiving `body` comes to, signed by the platform of `profile` and then changed by `change`.
    fn received(
        profile: &str,
        body: &[u8],
        change: impl FnOnce(&mut Vec<(String, String)>),
    ) -> Result<(String, String), Refusal> {
        let profile = Profile::builtin(profile).unwrap();
        let secrets = [Secret::parse("whsec_AAECAwQFBgcICQoLDA0ODxAREhM=").unwrap()];
        let message = Message {
            id: "evt_signed",
            event_type: "vault.created",
            timestamp: NOW,
            body,
            method: "POST",
            url: "",
        };
        let signer = Signer::for_profile(&profile, &secrets).unwrap();
        let mut headers: Vec<_> = signer
            .sign(&message)
            .into_iter()
            .map(|(name, value)| (name.to_string(), value))
            .collect();
        change(&mut headers);
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let request = Request {
            method: "POST",
            url: "",
            headers: &headers,
            body,
        };
        let verifier = Verifier::for_profile(&profile, &secrets).unwrap();
        let received = receive(
            &verifier.with_tolerance(Tolerance::Seconds(0)),
            &profile,
            &request,
            NOW,
        )?;
        assert_eq!(received.signed_at(), Some(NOW));
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Ok((text(received.event_id()), text(received.event_type())))
    }

    const FILEDGR: &[u8] =
        br#"{"eventType":"vault.created","eventId":"evt_body","timestamp":"2024-01-15T10:30:00Z","data":{}}"#;

    #[test]
    fn the_id_is_the_bodys_or_else_the_signed_one() {
        let ids = |profile, body| received(profile, body, |_| {}).unwrap();
        assert_eq!(
            ids("filedgr", FILEDGR),
            ("evt_body".into(), "vault.created".into())
        );
        let standard = br#"{"type":"a.b","timestamp":"2024-01-15T10:30:00Z","data":1}"#;
        assert_eq!(
            ids("standard-webhooks", standard),
            ("evt_signed".into(), "a.b".into())
        );
    }

    #[test]
    fn a_refusal_says_whether_the_sender_or_the_body_is_at_fault() {
        let refused =
            |body, change: fn(&mut Vec<(String, String)>)| received("filedgr", body, change).unwrap_err();
        let unsigned = refused(FILEDGR, Vec::clear);
        assert!(matches!(
            unsigned,
            Refusal::Unverified(VerifyError::MissingHeader { .. })
        ));
        let unreadable = refused(b"[]", |_| {});
        assert!(matches!(
            &unreadable,
            Refusal::Unreadable(EnvelopeError::NotJson { .. })
        ));
        assert_eq!(unreadable.code(), "invalid_payload");
        let relabelled = refused(FILEDGR, |headers| {
            headers.push(("X-Filedgr-Event-Type".into(), "vault.accessed".into()));
        });
        assert_eq!(relabelled.kind(), ErrorKind::HeaderMismatch);
    }

    #[test]
    fn a_forged_body_is_not_looked_into() {
        // Broken JSON under a wrong signature is a wrong signature, whatever the JSON reader would say.
        let forged = received("filedgr", b"{", |headers| headers[0].1 = "00".repeat(32)).unwrap_err();
        assert_eq!(forged.code(), "signature_mismatch");
    }
}
