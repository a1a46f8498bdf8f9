//! Bodies: the raw bytes of a request, and nothing that was text in between.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView, PyString};

/// From this size on, hashing takes longer than handing the interpreter to another thread and back. The same bound as
/// in Python's own `hashlib`.
const DETACH_BYTES: usize = 2048;

/// The body of `argument` as `bytes`. Immutable `bytes` are shared; what another thread could change meanwhile is
/// copied first.
pub(crate) fn body<'py>(argument: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    if let Ok(bytes) = argument.cast::<PyBytes>() {
        return Ok(bytes.clone());
    }
    if argument.is_instance_of::<PyByteArray>() || argument.is_instance_of::<PyMemoryView>() {
        let copied = argument.py().get_type::<PyBytes>().call1((argument,))?;
        return Ok(copied.cast_into()?);
    }
    let hint = if argument.is_instance_of::<PyString>() {
        "the body is str, but a signature covers bytes, and decoding may have changed them: pass the bytes as they were \
         received, such as request.get_data() in Flask, await request.body() in FastAPI, or request.body in Django"
            .to_owned()
    } else {
        format!(
            "the body is {}, not bytes: pass the bytes as they were received, before anything parses them",
            argument.get_type().name()?
        )
    };
    Err(PyTypeError::new_err(hint))
}

/// Runs `work`, which looks at `length` bytes, without the interpreter if that pays.
pub(crate) fn detached<T, F>(py: Python<'_>, length: usize, work: F) -> T
where
    T: Send,
    F: Send + FnOnce() -> T,
{
    if length > DETACH_BYTES {
        py.detach(work)
    } else {
        work()
    }
}
