//! Arguments: what Python passes, as the types of the core.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use hookwright_core::{Secret, Tolerance};
use pyo3::exceptions::{PyTypeError, PyUserWarning, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyString};

use crate::error::{raised, secret_error};
use crate::profile::Profile;
use crate::scheme::Scheme;

/// One secret or several, newest first.
pub(crate) fn secrets(argument: &Bound<'_, PyAny>) -> PyResult<Vec<Secret>> {
    let py = argument.py();
    if argument.is_none() {
        let message = "the secret is None; set the variable or setting that it is read from before starting";
        return Err(raised(py, "empty_secret", message, None));
    }
    if let Ok(text) = argument.cast::<PyString>() {
        return Ok(vec![secret(text)?]);
    }
    let wrong_kind = || {
        let kind = argument.get_type();
        PyTypeError::new_err(format!("the secret is {kind}, not str or a list of str"))
    };
    if argument.is_instance_of::<PyBytes>() {
        return Err(wrong_kind());
    }
    let mut secrets = Vec::new();
    for item in argument.try_iter().map_err(|_| wrong_kind())? {
        secrets.push(secret(item?.cast::<PyString>().map_err(|_| wrong_kind())?)?);
    }
    Ok(secrets)
}

fn secret(text: &Bound<'_, PyString>) -> PyResult<Secret> {
    Secret::parse(text.to_str()?).map_err(|error| secret_error(text.py(), error))
}

/// Short secrets work, because platforms choose them, and someone should know.
pub(crate) fn warn_about_short(py: Python<'_>, secrets: &[Secret]) -> PyResult<()> {
    if !secrets.iter().any(Secret::is_short) {
        return Ok(());
    }
    let category = py.get_type::<PyUserWarning>();
    PyErr::warn(
        py,
        &category,
        c"the secret has fewer than 16 bytes and can be guessed; use a longer one",
        1,
    )
}

pub(crate) fn scheme_of(argument: &Bound<'_, PyAny>) -> PyResult<Arc<hookwright_core::Scheme>> {
    match argument.cast::<Scheme>() {
        Ok(scheme) => Ok(Arc::clone(&scheme.get().inner)),
        Err(_) => crate::scheme::named(argument.py(), argument.extract()?),
    }
}

pub(crate) fn profile_of(argument: &Bound<'_, PyAny>) -> PyResult<Arc<hookwright_core::Profile>> {
    match argument.cast::<Profile>() {
        Ok(profile) => Ok(Arc::clone(&profile.get().inner)),
        Err(_) => crate::profile::named(argument.py(), argument.extract()?),
    }
}

/// `tolerance`: seconds, a `timedelta`, `None` for off, or `"scheme"` for what the scheme prescribes.
#[derive(Clone, Copy)]
pub(crate) struct ToleranceArgument(pub(crate) Tolerance);

impl ToleranceArgument {
    pub(crate) const SCHEME: Self = Self(Tolerance::SchemeDefault);
}

impl FromPyObject<'_, '_> for ToleranceArgument {
    type Error = PyErr;

    fn extract(argument: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let wrong = || {
            PyTypeError::new_err("tolerance is a number of seconds, a timedelta, None for off, or \"scheme\"")
        };
        if argument.is_none() {
            return Ok(Self(Tolerance::Off));
        }
        if let Ok(text) = argument.cast::<PyString>() {
            return if text.to_str()? == "scheme" {
                Ok(Self::SCHEME)
            } else {
                Err(wrong())
            };
        }
        if argument.is_instance_of::<PyBool>() {
            return Err(wrong());
        }
        if let Ok(seconds) = argument.extract::<i64>() {
            let seconds =
                u32::try_from(seconds).map_err(|_| PyValueError::new_err("tolerance is out of range"))?;
            return Ok(Self(Tolerance::Seconds(seconds)));
        }
        let span = argument.extract::<std::time::Duration>().map_err(|_| wrong())?;
        let seconds =
            u32::try_from(span.as_secs()).map_err(|_| PyValueError::new_err("tolerance is out of range"))?;
        Ok(Self(Tolerance::Seconds(seconds)))
    }
}

/// A time in whole Unix seconds; a fraction, as `time.time()` has one, is cut off.
pub(crate) struct UnixSeconds(pub(crate) i64);

impl UnixSeconds {
    #[expect(
        clippy::disallowed_methods,
        reason = "the caller passed no time, which means now"
    )]
    pub(crate) fn now() -> Self {
        // A clock before 1970 makes every message too new, and that is what the caller hears.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }
}

impl FromPyObject<'_, '_> for UnixSeconds {
    type Error = PyErr;

    fn extract(argument: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if let Ok(float) = argument.cast::<PyFloat>() {
            let seconds = float.value().floor();
            return if seconds.abs() < 1e15 {
                #[expect(clippy::cast_possible_truncation, reason = "the bound is far inside i64")]
                Ok(Self(seconds as i64))
            } else {
                Err(PyValueError::new_err("a time is a number of Unix seconds"))
            };
        }
        argument.extract::<i64>().map(Self)
    }
}
