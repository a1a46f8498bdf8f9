//! `explain`: which small change would have made a refused request valid.

use hookwright_core::{Request, explain};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::arguments::{UnixSeconds, profile_of, scheme_of};
use crate::headers::all;

/// The explanation in JSON and in words; `hookwright.explain` makes an object of it.
#[pyfunction]
#[pyo3(signature = (body, headers, secrets, *, scheme, profile, now, method, url))]
#[expect(
    clippy::too_many_arguments,
    reason = "it is called from one place, by keyword"
)]
pub(crate) fn explain_request(
    py: Python<'_>,
    #[pyo3(from_py_with = crate::body::body)] body: Bound<'_, PyBytes>,
    headers: &Bound<'_, PyAny>,
    secrets: Vec<Bound<'_, PyString>>,
    scheme: Option<&Bound<'_, PyAny>>,
    profile: Option<&Bound<'_, PyAny>>,
    now: Option<UnixSeconds>,
    method: &str,
    url: &str,
) -> PyResult<(String, String)> {
    let headers = all(headers)?;
    let pairs: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_slice()))
        .collect();
    let request = Request {
        method,
        url,
        headers: &pairs,
        body: body.as_bytes(),
    };
    let secrets: Vec<&str> = secrets
        .iter()
        .map(|text| text.to_str())
        .collect::<PyResult<_>>()?;
    let now = now.unwrap_or_else(UnixSeconds::now).0;
    let explanation = match (scheme, profile) {
        (None, Some(profile)) => {
            let profile = profile_of(profile)?;
            py.detach(|| explain::explain_profile(&profile, &secrets, &request, now))
        }
        (Some(scheme), None) => {
            let scheme = scheme_of(scheme)?;
            py.detach(|| explain::explain(&scheme, &secrets, &request, now))
        }
        _ => return Err(PyTypeError::new_err("pass a scheme or a profile, and not both")),
    };
    let json =
        serde_json::to_string(&explanation).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok((json, explanation.to_string()))
}
