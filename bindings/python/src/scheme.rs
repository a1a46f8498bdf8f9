//! `Scheme`: how a platform signs.

use std::sync::Arc;

use hookwright_core::Registry;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::{raised, scheme_error};

/// How a platform signs its webhooks.
#[pyclass(frozen, module = "hookwright")]
pub(crate) struct Scheme {
    pub(crate) inner: Arc<hookwright_core::Scheme>,
}

#[pymethods]
impl Scheme {
    /// A scheme of one's own, with the keys of the TOML format as arguments.
    #[new]
    #[pyo3(signature = (**description))]
    fn new(py: Python<'_>, description: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let json = match description {
            Some(description) => py
                .import("json")?
                .call_method1("dumps", (description,))?
                .extract::<String>()?,
            None => "{}".to_owned(),
        };
        Self::parsed(py, hookwright_core::Scheme::from_json(&json))
    }

    #[staticmethod]
    fn builtin(py: Python<'_>, name: &str) -> PyResult<Self> {
        named(py, name).map(|inner| Self { inner })
    }

    #[staticmethod]
    fn builtin_names() -> Vec<&'static str> {
        hookwright_core::Scheme::builtin_names().to_vec()
    }

    #[staticmethod]
    fn from_toml(py: Python<'_>, text: &str) -> PyResult<Self> {
        Self::parsed(py, hookwright_core::Scheme::from_toml(text))
    }

    #[staticmethod]
    fn from_json(py: Python<'_>, text: &str) -> PyResult<Self> {
        Self::parsed(py, hookwright_core::Scheme::from_json(text))
    }

    #[getter]
    fn name(&self) -> &str {
        self.inner.name()
    }

    #[getter]
    fn title(&self) -> &str {
        self.inner.title()
    }

    #[getter]
    fn reference(&self) -> Option<&str> {
        self.inner.reference()
    }

    #[getter]
    fn signs_url(&self) -> bool {
        self.inner.signs_url()
    }

    #[getter]
    fn has_timestamp(&self) -> bool {
        self.inner.has_timestamp()
    }

    #[getter]
    fn has_id(&self) -> bool {
        self.inner.has_id()
    }

    #[getter]
    fn headers(&self) -> Vec<&str> {
        self.inner
            .headers()
            .map(hookwright_core::HeaderName::as_str)
            .collect()
    }

    fn __repr__(&self) -> String {
        format!("<hookwright.Scheme {}>", self.inner.name())
    }
}

impl Scheme {
    fn parsed(
        py: Python<'_>,
        scheme: Result<hookwright_core::Scheme, hookwright_core::SchemeError>,
    ) -> PyResult<Self> {
        let scheme = scheme.map_err(|error| scheme_error(py, &error))?;
        Ok(Self {
            inner: Arc::new(scheme),
        })
    }
}

/// The built-in scheme of that name.
pub(crate) fn named(py: Python<'_>, name: &str) -> PyResult<Arc<hookwright_core::Scheme>> {
    Registry::builtin()
        .find_scheme(name)
        .map_err(|error| raised(py, "unknown_scheme", &error.to_string(), None))
}
