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
//! [`Signer`] and [`Verifier`] hold secrets and do the work; [`receive`] verifies a request and takes its envelope
//! apart. A [`Registry`] knows schemes and profiles by name, the built-in ones and those of users.
//!
//! ```
//! use hookwright_core::{Message, Profile, Request, Secret, Signer, Verifier, receive};
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
//! let verifier = Verifier::for_profile(&profile, &secrets)?;
//! let received = receive(&verifier, &profile, &request, 1_705_314_610)?;
//! assert_eq!((received.event_id(), received.event_type()), (Some("evt_1"), Some("vault.created")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What there is
//!
//! | for | there is |
//! | --- | --- |
//! | a sender | [`Signer`], [`Profile::render`], [`jwe::EncryptionKey`] |
//! | a receiver | [`Verifier`], [`receive`], [`handshake`], [`jwe::decrypt`], [`EventType::schema`] |
//! | someone whose signature does not match | [`explain`] |
//! | someone with a platform of their own | [`scheme`], [`profile`], [`Registry`], `conformance` |
//!
//! # Features
//!
//! | feature | default | what for |
//! | --- | --- | --- |
//! | `ecdsa` | yes | ECDSA on P-256, which of the built-in schemes `sendgrid` needs |
//! | `jwe` | yes | encrypted payloads |
//! | `conformance` | no | replaying files of test vectors |
//!
//! # What it promises
//!
//! The crate does no I/O and reads no clock: bytes, secrets and the time come in as arguments, a verdict goes out.
//! It has no unsafe code, and no input makes it panic. What a stranger can send is bounded before it is looked at.

#![forbid(unsafe_code)]

mod content;
mod envelope;
mod error;
mod header;
mod key;
mod key_pair;
mod line;
mod mac;
mod receive;
mod rfc3339;
mod secret;
mod signer;
mod verifier;

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod explain;
pub mod handshake;
#[cfg(feature = "jwe")]
pub mod jwe;
pub mod profile;
pub mod registry;
pub mod scheme;

pub use crate::envelope::{EventFields, ParsedEnvelope};
pub use crate::error::{
    EnvelopeError, ErrorKind, HandshakeError, HeaderNameError, HeaderProblem, NameError, ProfileError,
    RegistryError, SchemeError, SecretError, UnknownName, VerifyError,
};
pub use crate::handshake::Handshake;
pub use crate::header::{HeaderName, MAX_HEADER_BYTES, MAX_ID_BYTES, MAX_SIGNATURE_ITEMS, is_message_id};
pub use crate::key::MAX_SECRETS;
pub use crate::profile::{
    Attributes, EventType, Hold, Jitter, Profile, SampleOrigin, Schedule, StatusSet, TlsVersion,
};
pub use crate::receive::{Received, Refusal, receive};
pub use crate::registry::Registry;
pub use crate::scheme::{Algorithm, Scheme};
pub use crate::secret::{MAX_SECRET_BYTES, SHORT_KEY_BYTES, Secret};
pub use crate::signer::{Message, Signer};
pub use crate::verifier::{Request, SignedParts, Tolerance, Verified, Verifier};
