//! Errors: the one place where the core's refusals become Python exceptions.
//!
//! The classes are written in Python, in `hookwright/_errors.py`, where they can have attributes, docstrings and a
//! hierarchy. That module decides by the stable code which class it is.

use hookwright_core::{EnvelopeError, ProfileError, Refusal, SchemeError, SecretError, VerifyError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// The error for a request that was refused.
pub(crate) fn verify_error(py: Python<'_>, error: &VerifyError) -> PyErr {
    let header = match error {
        VerifyError::MissingHeader { header }
        | VerifyError::DuplicateHeader { header }
        | VerifyError::ConflictingHeaders { first: header, .. }
        | VerifyError::MalformedHeader { header, .. }
        | VerifyError::NoSupportedSignature { header }
        | VerifyError::MalformedSignature { header, .. }
        | VerifyError::SignatureMismatch { header }
        | VerifyError::InvalidId { header }
        | VerifyError::InvalidTimestamp { header } => Some(header.as_str()),
        _ => None,
    };
    raised(py, error.code(), &error.to_string(), header)
}

/// The error for a request that was not received, whether for its signature or for its body.
pub(crate) fn refusal_error(py: Python<'_>, refusal: &Refusal) -> PyErr {
    match refusal {
        Refusal::Unverified(error) => verify_error(py, error),
        Refusal::Unreadable(error) => envelope_error(py, error),
        other => raised(py, other.code(), &other.to_string(), None),
    }
}

/// The error for an authentic body that is not what the profile describes.
pub(crate) fn envelope_error(py: Python<'_>, error: &EnvelopeError) -> PyErr {
    let header = match error {
        EnvelopeError::HeaderMismatch { header } | EnvelopeError::DuplicateHeader { header } => {
            Some(header.as_str())
        }
        _ => None,
    };
    raised(py, error.code(), &error.to_string(), header)
}

/// The error for a secret that cannot be used.
pub(crate) fn secret_error(py: Python<'_>, error: SecretError) -> PyErr {
    raised(py, error.code(), &error.to_string(), None)
}

/// The error for a scheme that cannot be used.
pub(crate) fn scheme_error(py: Python<'_>, error: &SchemeError) -> PyErr {
    raised(py, "invalid_scheme", &error.to_string(), None)
}

/// The error for a profile that cannot be used.
pub(crate) fn profile_error(py: Python<'_>, error: &ProfileError) -> PyErr {
    raised(py, "invalid_profile", &error.to_string(), None)
}

/// The exception that `hookwright._errors` has for a code.
pub(crate) fn raised(py: Python<'_>, code: &str, message: &str, header: Option<&str>) -> PyErr {
    static RAISED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let exception = RAISED
        .import(py, "hookwright._errors", "from_code")
        .and_then(|from_code| from_code.call1((code, message, header)));
    match exception {
        Ok(exception) => PyErr::from_value(exception),
        // The package is broken, and that is what the caller should hear.
        Err(error) => error,
    }
}
