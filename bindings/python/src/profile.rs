//! `Profile`: everything that makes a delivery look like one platform's.

use std::collections::HashMap;
use std::sync::Arc;

use hookwright_core::{EventFields, Registry};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::{profile_error, raised};
use crate::scheme::Scheme;

/// How one platform delivers its webhooks.
#[pyclass(frozen, module = "hookwright")]
pub(crate) struct Profile {
    pub(crate) inner: Arc<hookwright_core::Profile>,
}

#[pymethods]
impl Profile {
    #[staticmethod]
    fn builtin(py: Python<'_>, name: &str) -> PyResult<Self> {
        named(py, name).map(|inner| Self { inner })
    }

    #[staticmethod]
    fn builtin_names() -> Vec<&'static str> {
        hookwright_core::Profile::builtin_names().to_vec()
    }

    #[staticmethod]
    fn from_toml(py: Python<'_>, text: &str) -> PyResult<Self> {
        let profile = hookwright_core::Profile::from_toml(text).map_err(|error| profile_error(py, &error))?;
        Ok(Self {
            inner: Arc::new(profile),
        })
    }

    #[staticmethod]
    fn from_json(py: Python<'_>, text: &str) -> PyResult<Self> {
        let profile = hookwright_core::Profile::from_json(text).map_err(|error| profile_error(py, &error))?;
        Ok(Self {
            inner: Arc::new(profile),
        })
    }

    #[getter]
    fn name(&self) -> &str {
        &self.inner.name
    }

    #[getter]
    fn signs_url(&self) -> bool {
        self.inner.signs_url()
    }

    #[getter]
    fn title(&self) -> &str {
        &self.inner.title
    }

    #[getter]
    fn scheme(&self) -> Scheme {
        Scheme {
            inner: Arc::clone(&self.inner.scheme),
        }
    }

    #[getter]
    fn event_types(&self) -> Vec<EventType> {
        self.inner.event_types().iter().cloned().map(EventType).collect()
    }

    #[getter]
    fn event_id_prefix(&self) -> &str {
        &self.inner.event_id_prefix
    }

    #[getter]
    fn content_type(&self) -> &str {
        self.inner.content_type()
    }

    /// What the envelope has room for beside the data.
    #[getter]
    fn extra_fields(&self) -> Vec<&str> {
        self.inner.extra_fields().collect()
    }

    /// Whether the platform takes this HTTP status as an acceptance.
    fn is_success(&self, status: u16) -> bool {
        self.inner.is_success(status)
    }

    /// The body of a delivery: the envelope with `data` and extras, JSON texts, in it byte for byte.
    #[pyo3(signature = (id, event_type, data, occurred_at_ms, extras=HashMap::new()))]
    fn render<'py>(
        &self,
        py: Python<'py>,
        id: &str,
        event_type: &str,
        data: &[u8],
        occurred_at_ms: i64,
        extras: HashMap<String, Vec<u8>>,
    ) -> Bound<'py, PyBytes> {
        let extras: Vec<_> = extras
            .iter()
            .map(|(name, json)| (name.as_str(), json.as_slice()))
            .collect();
        let event = EventFields {
            id,
            event_type,
            occurred_at_ms,
            data,
            extras: &extras,
        };
        PyBytes::new(py, &self.inner.render(&event))
    }

    /// The headers that the platform sends beside the signature.
    fn extra_headers(&self, id: &str, event_type: &str) -> Vec<(String, String)> {
        let event = EventFields {
            id,
            event_type,
            occurred_at_ms: 0,
            data: b"",
            extras: &[],
        };
        let headers = self.inner.extra_headers(&event);
        headers
            .into_iter()
            .map(|(name, value)| (name.as_str().to_owned(), value))
            .collect()
    }

    fn __repr__(&self) -> String {
        format!("<hookwright.Profile {}>", self.inner.name)
    }
}

/// An event type that a platform documents.
#[pyclass(frozen, module = "hookwright")]
pub(crate) struct EventType(hookwright_core::EventType);

#[pymethods]
impl EventType {
    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    #[getter]
    fn description(&self) -> &str {
        &self.0.description
    }

    /// The documented example of an event's data, as JSON text.
    #[getter]
    fn sample(&self) -> Option<&str> {
        self.0.sample.as_deref()
    }

    /// The JSON Schema of an event's data, as JSON text.
    #[getter]
    fn schema(&self) -> Option<&str> {
        self.0.schema.as_deref()
    }

    fn __repr__(&self) -> String {
        format!("<hookwright.EventType {}>", self.0.name)
    }
}

/// The built-in profile of that name.
pub(crate) fn named(py: Python<'_>, name: &str) -> PyResult<Arc<hookwright_core::Profile>> {
    Registry::builtin()
        .find_profile(name)
        .map_err(|error| raised(py, "unknown_profile", &error.to_string(), None))
}
