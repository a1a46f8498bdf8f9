//! `DecryptionKey` and `decrypt`: payloads that only the receiver can read.

use hookwright_core::jwe::{self, JweError, JweKeyError};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::body::detached;
use crate::error::raised;

/// The key that a receiver keeps: a private key, or one that both sides share.
#[pyclass(frozen, module = "hookwright")]
pub(crate) struct DecryptionKey(jwe::DecryptionKey);

#[pymethods]
impl DecryptionKey {
    /// Takes a private JWK or a shared key, as text.
    #[new]
    fn new(py: Python<'_>, text: &str) -> PyResult<Self> {
        jwe::DecryptionKey::parse(text)
            .map(Self)
            .map_err(|error| key_error(py, error))
    }

    #[getter]
    fn key_id(&self) -> Option<&str> {
        self.0.key_id()
    }

    /// The JWK to hand out. Of a shared key it is the key itself.
    fn encryption_jwk(&self) -> String {
        self.0.encryption_key().expose_jwk().to_string()
    }

    fn __repr__(&self) -> String {
        format!(
            "<hookwright.DecryptionKey {}>",
            self.0.key_id().unwrap_or_default()
        )
    }
}

/// Decrypts a compact JWE with whichever of the keys it was made for.
#[pyfunction]
pub(crate) fn decrypt<'py>(
    py: Python<'py>,
    #[pyo3(from_py_with = crate::body::body)] token: Bound<'py, PyBytes>,
    keys: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyBytes>> {
    decrypted(py, token.as_bytes(), &decryption_keys(keys)?)
}

/// The content of a token.
pub(crate) fn decrypted<'py>(
    py: Python<'py>,
    token: &[u8],
    keys: &[jwe::DecryptionKey],
) -> PyResult<Bound<'py, PyBytes>> {
    let plaintext = detached(py, token.len(), || jwe::decrypt(keys, token));
    plaintext
        .map(|plaintext| PyBytes::new(py, &plaintext))
        .map_err(|error| jwe_error(py, error))
}

/// One key or several, as objects or as text.
pub(crate) fn decryption_keys(argument: &Bound<'_, PyAny>) -> PyResult<Vec<jwe::DecryptionKey>> {
    if let Some(key) = decryption_key(argument)? {
        return Ok(vec![key]);
    }
    let wrong = || {
        PyTypeError::new_err("a decryption key is a DecryptionKey or the text of a JWK, or a list of them")
    };
    let mut keys = Vec::new();
    for item in argument.try_iter().map_err(|_| wrong())? {
        keys.push(decryption_key(&item?)?.ok_or_else(wrong)?);
    }
    Ok(keys)
}

fn decryption_key(argument: &Bound<'_, PyAny>) -> PyResult<Option<jwe::DecryptionKey>> {
    if let Ok(key) = argument.cast::<DecryptionKey>() {
        return Ok(Some(key.get().0.clone()));
    }
    let Ok(text) = argument.cast::<PyString>() else {
        return Ok(None);
    };
    let key = jwe::DecryptionKey::parse(text.to_str()?);
    key.map(Some).map_err(|error| key_error(argument.py(), error))
}

fn jwe_error(py: Python<'_>, error: JweError) -> PyErr {
    raised(py, error.code(), &error.to_string(), None)
}

fn key_error(py: Python<'_>, error: JweKeyError) -> PyErr {
    raised(py, error.code(), &error.to_string(), None)
}
