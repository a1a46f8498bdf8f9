//! The native part of the Python package `hookwright`.
//!
//! A translation layer and nothing else: arguments in, verdict out. What a signature is, how an envelope is read and
//! why a request is refused is decided by `hookwright-core`, which the server runs as well.
//!
//! ```text
//!   Python                         here                               core
//!   ────────────────────────────────────────────────────────────────────────────────────
//!   Webhook(secret, profile=…)  ─► webhook.rs    options, once      ─► Verifier, Signer
//!   .verify(body, headers)      ─► body.rs       bytes, borrowed
//!                                  headers.rs    any header object  ─► Request
//!                                                                      verify, receive, decrypt
//!   VerifiedWebhook             ◄─ event.rs                         ◄─ Verified, ParsedEnvelope
//!   MissingHeaderError(.code)   ◄─ error.rs                         ◄─ VerifyError, EnvelopeError
//! ```
//!
//! Every class is frozen, so threads share a `Webhook` without locks, with a global interpreter lock and without one.

mod arguments;
mod body;
mod error;
mod event;
mod explain;
mod headers;
mod jwe;
mod profile;
mod scheme;
mod webhook;

/// What `hookwright/__init__.py` re-exports.
#[pyo3::pymodule]
mod _native {
    #[pymodule_export]
    use crate::event::VerifiedWebhook;
    #[pymodule_export]
    use crate::explain::explain_request;
    #[pymodule_export]
    use crate::jwe::{DecryptionKey, decrypt};
    #[pymodule_export]
    use crate::profile::{EventType, Profile};
    #[pymodule_export]
    use crate::scheme::Scheme;
    #[pymodule_export]
    use crate::webhook::Webhook;

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name is Python's")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
