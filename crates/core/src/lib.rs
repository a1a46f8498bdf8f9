//! Signing and verifying webhooks.
//!
//! A webhook is an HTTP request that a receiver must be able to trust: that it comes from the platform it claims
//! to come from, that nobody changed it on the way, and that it is not an old one sent again. Platforms prove this
//! with a message authentication code in a header. They all do it a little differently; this crate knows the
//! differences as data.
//!
//! ```text
//!   Scheme                        what is signed             where the proof goes
//!   ─────────────────────────────────────────────────────────────────────────────────────────────
//!   filedgr and similar           body                       X-Filedgr-Signature: <hex>
//!   github                        body                       X-Hub-Signature-256: sha256=<hex>
//!   stripe                        ts "." body                Stripe-Signature: t=<ts>,v1=<hex>[,v1=<hex>]
//!   slack                         "v0:" ts ":" body          X-Slack-Signature: v0=<hex>
//!   standard-webhooks             id "." ts "." body         webhook-signature: v1,<base64> [v1,<base64>]
//! ```
//!
//! and, taking the last one apart,
//!
//! ```text
//!   webhook-id: evt_2fQ8        ─┐
//!   webhook-timestamp: 1614265330├─►  evt_2fQ8.1614265330.{"type":"user.created",…}  ─►  HMAC-SHA-256
//!   {"type":"user.created",…}   ─┘                                                            │
//!   webhook-signature: v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=  ◄────────── base64 ───┘
//! ```
//!
//! A [`Scheme`] describes one row of the table. A [`Profile`] is a scheme with everything else that makes a
//! delivery look like one platform's: envelope, further headers, retry [`Schedule`], timeout, event types.
//! [`Signer`] and [`Verifier`] hold secrets and do the work.
//!
//! ```
//! use hookwright_core::{Message, Profile, Request, Secret, Signer, Verifier};
//!
//! let profile = Profile::builtin("filedgr").unwrap();
//! let secrets = [Secret::parse("your-webhook-secret-key")?];
//!
//! let body = br#"{"eventType":"vault.created","eventId":"evt_1","timestamp":"2024-01-15T10:30:00Z","data":{}}"#;
//! let signed = Signer::for_profile(&profile, &secrets)?.sign(&Message {
//!     id: "evt_1",
//!     event_type: "vault.created",
//!     timestamp: 1_705_314_600,
//!     body,
//!     method: "POST",
//!     url: "https://example.com/hook",
//! });
//! assert_eq!(signed[0].0.as_str(), "X-Filedgr-Signature");
//!
//! let headers: Vec<_> = signed.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
//! let request = Request { method: "POST", url: "https://example.com/hook", headers: &headers, body };
//! let verified = Verifier::for_profile(&profile, &secrets)?.verify(&request, 1_705_314_610)?;
//! assert_eq!(verified.id, Some("evt_1"));
//! assert_eq!(profile.parse_request(&request)?.event_type.as_deref(), Some("vault.created"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The crate does no I/O and reads no clock: bytes, secrets and the time come in as arguments, a verdict goes out.
//! It has no unsafe code, and no input makes it panic. What a stranger can send is bounded before it is looked at.

#![forbid(unsafe_code)]

mod content;
mod envelope;
mod error;
mod header;
mod mac;
mod rfc3339;
mod secret;
mod signer;
mod verifier;

pub mod profile;
pub mod scheme;

pub use crate::envelope::{EventFields, ParsedEnvelope};
pub use crate::error::{
    EnvelopeError, ErrorKind, HeaderNameError, HeaderProblem, ProfileError, SchemeError, SecretError,
    VerifyError,
};
pub use crate::header::{HeaderName, MAX_HEADER_BYTES, MAX_ID_BYTES, MAX_SIGNATURE_ITEMS, is_message_id};
pub use crate::mac::MAX_SECRETS;
pub use crate::profile::{EventType, Jitter, Profile, Schedule};
pub use crate::scheme::{Algorithm, Scheme};
pub use crate::secret::{MAX_SECRET_BYTES, SHORT_KEY_BYTES, Secret};
pub use crate::signer::{Message, Signer};
pub use crate::verifier::{Request, Tolerance, Verified, Verifier};
