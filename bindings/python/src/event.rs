//! `VerifiedWebhook`: what came in, once it is known who sent it.

use std::sync::Arc;

use hookwright_core::ParsedEnvelope;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::error::raised;

/// A webhook whose signature was right. There is no other way to make one, so whoever holds one can trust it.
#[pyclass(frozen, generic, module = "hookwright")]
pub(crate) struct VerifiedWebhook {
    /// The signed id of the message, for envelopes without one.
    pub(crate) message_id: Option<String>,
    /// The signed time of the attempt.
    pub(crate) timestamp: Option<i64>,
    pub(crate) scheme: Arc<str>,
    pub(crate) secret_index: usize,
    pub(crate) body: Py<PyBytes>,
    /// The body before it was encrypted, if it was.
    pub(crate) plaintext: Option<Py<PyBytes>>,
    /// Of the envelope, when there is a profile to read it by.
    pub(crate) envelope: Option<Box<ParsedEnvelope>>,
    pub(crate) data: PyOnceLock<Py<PyAny>>,
}

#[pymethods]
impl VerifiedWebhook {
    #[getter]
    fn id(&self) -> Option<&str> {
        let of_envelope = self.envelope.as_ref().and_then(|envelope| envelope.id.as_deref());
        of_envelope.or(self.message_id.as_deref())
    }

    #[getter(r#type)]
    fn event_type(&self) -> Option<&str> {
        self.envelope
            .as_ref()
            .and_then(|envelope| envelope.event_type.as_deref())
    }

    #[getter]
    fn timestamp(&self) -> Option<i64> {
        self.timestamp
    }

    #[getter]
    fn occurred_at_ms(&self) -> Option<i64> {
        self.envelope
            .as_ref()
            .and_then(|envelope| envelope.occurred_at_ms)
    }

    #[getter]
    fn scheme(&self) -> &str {
        &self.scheme
    }

    #[getter]
    fn secret_index(&self) -> usize {
        self.secret_index
    }

    #[getter]
    fn body(&self, py: Python<'_>) -> Py<PyBytes> {
        self.body.clone_ref(py)
    }

    /// The body as the platform wrote it, before it was encrypted.
    #[getter]
    fn plaintext(&self, py: Python<'_>) -> Py<PyBytes> {
        self.plaintext.as_ref().unwrap_or(&self.body).clone_ref(py)
    }

    #[getter]
    fn is_encrypted(&self) -> bool {
        self.plaintext.is_some()
    }

    /// The data of the event; without a profile the whole body. Parsed when first asked for, and once.
    #[getter]
    fn data(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let data = self.data.get_or_try_init(py, || match &self.envelope {
            Some(envelope) => loads(py, PyString::new(py, envelope.data.get()).into_any()),
            None => self.json(py),
        })?;
        Ok(data.clone_ref(py))
    }

    /// What the envelope has beside the data, by field.
    #[getter]
    fn extras<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let extras = PyDict::new(py);
        for (name, json) in self.envelope.iter().flat_map(|envelope| &envelope.extras) {
            extras.set_item(name, loads(py, PyString::new(py, json.get()).into_any())?)?;
        }
        Ok(extras)
    }

    /// The JSON text of `data`, as it came.
    #[getter]
    fn data_json(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match &self.envelope {
            Some(envelope) => Ok(PyString::new(py, envelope.data.get()).into_any().unbind()),
            None => match str::from_utf8(self.plaintext(py).as_bytes(py)) {
                Ok(text) => Ok(PyString::new(py, text).into_any().unbind()),
                Err(_) => Err(raised(
                    py,
                    "invalid_payload",
                    "the body is not UTF-8, so it is not JSON",
                    None,
                )),
            },
        }
    }

    /// The whole body, parsed anew on every call.
    fn json(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        loads(py, self.plaintext(py).into_bound(py).into_any())
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        // No content: what is printed ends up in logs, and payloads are other people's data.
        format!(
            "<hookwright.VerifiedWebhook id={:?} type={:?} scheme={} secret_index={} {} bytes>",
            self.id().unwrap_or_default(),
            self.event_type().unwrap_or_default(),
            self.scheme,
            self.secret_index,
            self.body.as_bytes(py).len()
        )
    }
}

/// `hookwright._json.loads`, which is Python's parser with what JSON does not allow switched off.
fn loads(py: Python<'_>, text: Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    Ok(LOADS
        .import(py, "hookwright._json", "loads")?
        .call1((text,))?
        .unbind())
}
