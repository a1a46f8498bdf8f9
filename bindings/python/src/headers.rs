//! Headers: whatever object a framework keeps them in, read without losing one.
//!
//! A `dict` cannot hold a header twice, but a list of pairs can, and so can a `dict` with two spellings or with lists
//! as values. Each occurrence is handed on: that a header came twice is for the core to refuse, and a reader that
//! picks one would accept what the next reader reads differently.

use std::cell::RefCell;

use hookwright_core::{EventFields, HeaderName, Profile, Scheme};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

/// Occurrences that are handed on. A stranger who sends more of one name has sent it twice already, and that is
/// refused however many follow.
const MAX_OCCURRENCES: usize = 64;

/// Headers that are handed on when all of them are asked for.
const MAX_ALL: usize = 256;

/// Every header of a request with all its values, as an owned list: for what is asked for rarely.
pub(crate) fn all(headers: &Bound<'_, PyAny>) -> PyResult<Vec<(String, Vec<u8>)>> {
    let mut pairs = Vec::new();
    each(headers, &mut |name, values| {
        let Some(name) = name_bytes(name)? else {
            return Ok(());
        };
        let name = match name.strip_prefix(WSGI_PREFIX) {
            Some(variable) => String::from_utf8_lossy(variable).replace('_', "-"),
            None => String::from_utf8_lossy(&name).into_owned(),
        };
        // A WSGI environment holds much that is no header and no text.
        let is_header_value = values.is_instance_of::<PyString>()
            || values.is_instance_of::<PyBytes>()
            || values.is_instance_of::<PyList>()
            || values.is_instance_of::<PyTuple>();
        if !is_header_value || name.contains('.') {
            return Ok(());
        }
        each_value(&name, values, &mut |value| {
            if pairs.len() < MAX_ALL {
                pairs.push((name.clone(), value.as_bytes().to_vec()));
            }
        })
    })?;
    Ok(pairs)
}

/// The headers that a verifier reads, in lower case.
pub(crate) struct Wanted {
    names: Box<[Box<str>]>,
    /// Bit `n` is set when a name has `n` bytes: most headers of a request are told apart by that alone.
    lengths: u128,
}

impl Wanted {
    pub(crate) fn by_scheme(scheme: &Scheme) -> Self {
        Self::new(scheme.headers())
    }

    pub(crate) fn by_profile(profile: &Profile) -> Self {
        // Any event will do: the names do not depend on it.
        let event = EventFields {
            id: "id",
            event_type: "type",
            occurred_at_ms: 0,
            data: b"",
            extras: &[],
        };
        let beside: Vec<HeaderName> = profile
            .extra_headers(&event)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        let signed = std::iter::once(&profile.scheme)
            .chain(&profile.also_sign)
            .flat_map(|scheme| scheme.headers());
        Self::new(signed.chain(&beside))
    }

    fn new<'n>(headers: impl Iterator<Item = &'n HeaderName>) -> Self {
        let mut names: Vec<Box<str>> = headers
            .map(|name| name.as_str().to_ascii_lowercase().into())
            .collect();
        names.sort_unstable();
        names.dedup();
        let lengths = names
            .iter()
            .fold(0, |lengths, name| lengths | length_bit(name.len()));
        Self {
            names: names.into(),
            lengths,
        }
    }

    /// The wanted name that `name` spells, as a header or as a variable of a WSGI environment.
    fn find(&self, name: &[u8]) -> Option<&str> {
        if let Some(variable) = name.strip_prefix(WSGI_PREFIX) {
            let is_name = |wanted: &&str| is_variable_of(variable, wanted.as_bytes());
            return self.of_length(variable.len()).find(is_name);
        }
        self.of_length(name.len())
            .find(|wanted| wanted.as_bytes().eq_ignore_ascii_case(name))
    }

    fn of_length(&self, length: usize) -> impl Iterator<Item = &str> {
        let names = if self.lengths & length_bit(length) == 0 {
            &[]
        } else {
            &*self.names
        };
        names.iter().map(|name| &**name)
    }
}

/// What the variables of a WSGI environment that hold headers begin with.
const WSGI_PREFIX: &[u8] = b"HTTP_";

/// Whether the server made `variable` out of the header `name`: upper case, and underscores for hyphens.
fn is_variable_of(variable: &[u8], name: &[u8]) -> bool {
    let as_in_environment = name.iter().map(|byte| {
        if *byte == b'-' {
            b'_'
        } else {
            byte.to_ascii_uppercase()
        }
    });
    variable.len() == name.len() && as_in_environment.eq(variable.iter().copied())
}

/// Header names have at most 128 bytes; all that are longer share the last bit.
fn length_bit(length: usize) -> u128 {
    1 << length.min(127)
}

/// One occurrence of a wanted header. It keeps the value's object alive, whatever happens to the container meanwhile.
struct Occurrence<'w, 'py> {
    name: &'w str,
    value: Value<'py>,
}

enum Value<'py> {
    Text(Bound<'py, PyString>),
    Bytes(Bound<'py, PyBytes>),
    /// Text beyond ASCII, in the bytes that it came from.
    Recovered(Vec<u8>),
}

/// The wanted headers of one request.
pub(crate) struct Headers<'w, 'py> {
    found: Vec<Occurrence<'w, 'py>>,
}

impl<'w, 'py> Headers<'w, 'py> {
    /// Reads any of: a mapping of text to text or to lists of text, an object with `multi_items()` or `items()`, or
    /// pairs of text or of bytes.
    pub(crate) fn read(wanted: &'w Wanted, headers: &Bound<'py, PyAny>) -> PyResult<Self> {
        let mut found = Vec::with_capacity(4);
        each(headers, &mut |name, values| {
            let name = if let Ok(text) = name.cast::<PyString>() {
                // Text that is not Unicode is not the name of a header that anyone reads.
                text.to_str().ok().and_then(|text| wanted.find(text.as_bytes()))
            } else {
                name_bytes(name)?.and_then(|bytes| wanted.find(&bytes))
            };
            let Some(name) = name else { return Ok(()) };
            each_value(name, values, &mut |value| {
                if found.len() < MAX_OCCURRENCES {
                    found.push(Occurrence { name, value });
                }
            })
        })?;
        Ok(Self { found })
    }

    /// The headers in the form of the core.
    pub(crate) fn as_pairs(&self) -> Vec<(&str, &[u8])> {
        self.found
            .iter()
            .map(|found| (found.name, found.value.as_bytes()))
            .collect()
    }
}

/// Visits the headers in whatever container they are.
fn each<'py, F>(headers: &Bound<'py, PyAny>, visit: &mut F) -> PyResult<()>
where
    F: FnMut(&Bound<'py, PyAny>, &Bound<'py, PyAny>) -> PyResult<()>,
{
    if let Ok(dict) = headers.cast_exact::<PyDict>() {
        // Locked, because without a global interpreter lock another thread could change it meanwhile.
        let visit = RefCell::new(visit);
        return dict.locked_for_each(|name, values| (visit.borrow_mut())(&name, &values));
    }
    // The pairs of ASGI, before an attribute is looked for that a list does not have.
    if let Ok(list) = headers.cast_exact::<PyList>() {
        for pair in list.iter() {
            split(&pair, visit)?;
        }
        return Ok(());
    }
    if headers.is_instance_of::<PyString>() || headers.is_instance_of::<PyBytes>() {
        return Err(unreadable(headers));
    }
    let py = headers.py();
    // `multi_items` first: where it exists, `items` joins what came twice.
    let pairs = if let Some(items) = headers.getattr_opt(intern!(py, "multi_items"))? {
        items.call0()?
    } else if let Some(items) = headers.getattr_opt(intern!(py, "items"))? {
        items.call0()?
    } else {
        headers.clone()
    };
    for pair in pairs.try_iter().map_err(|_| unreadable(headers))? {
        split(&pair?, visit)?;
    }
    Ok(())
}

fn split<'py, F>(pair: &Bound<'py, PyAny>, visit: &mut F) -> PyResult<()>
where
    F: FnMut(&Bound<'py, PyAny>, &Bound<'py, PyAny>) -> PyResult<()>,
{
    if let Ok(tuple) = pair.cast::<PyTuple>()
        && tuple.len() == 2
    {
        return visit(&tuple.get_item(0)?, &tuple.get_item(1)?);
    }
    if let Ok(list) = pair.cast::<PyList>()
        && list.len() == 2
    {
        return visit(&list.get_item(0)?, &list.get_item(1)?);
    }
    let kind = pair.get_type().name()?;
    Err(PyTypeError::new_err(format!(
        "headers must be pairs of name and value, and one is {kind}"
    )))
}

/// The bytes of a header's name; `None` for text that no header can be called.
fn name_bytes(name: &Bound<'_, PyAny>) -> PyResult<Option<Vec<u8>>> {
    if let Ok(text) = name.cast::<PyString>() {
        return Ok(text.to_str().ok().map(|text| text.as_bytes().to_vec()));
    }
    if let Ok(bytes) = name.cast::<PyBytes>() {
        return Ok(Some(bytes.as_bytes().to_vec()));
    }
    let kind = name.get_type().name()?;
    Err(PyTypeError::new_err(format!(
        "the name of a header is {kind}, not str or bytes"
    )))
}

/// Visits the values of a header: one, several in a list, or none.
fn each_value<'py>(
    name: &str,
    values: &Bound<'py, PyAny>,
    visit: &mut impl FnMut(Value<'py>),
) -> PyResult<()> {
    if let Some(value) = Value::read(values) {
        visit(value);
        return Ok(());
    }
    if values.is_none() {
        return Ok(());
    }
    if values.is_instance_of::<PyList>() || values.is_instance_of::<PyTuple>() {
        for value in values.try_iter()? {
            let value = value?;
            visit(Value::read(&value).ok_or_else(|| wrong_value(name, &value))?);
        }
        return Ok(());
    }
    Err(wrong_value(name, values))
}

impl<'py> Value<'py> {
    fn read(value: &Bound<'py, PyAny>) -> Option<Self> {
        if let Ok(text) = value.cast::<PyString>() {
            return Some(match text.to_str() {
                Ok(utf8) if utf8.is_ascii() => Self::Text(text.clone()),
                _ => Self::Recovered(bytes_behind(text)),
            });
        }
        value
            .cast::<PyBytes>()
            .ok()
            .map(|bytes| Self::Bytes(bytes.clone()))
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            // It was ASCII when it was read, and text does not change.
            Self::Text(text) => text.to_str().map_or(&[], str::as_bytes),
            Self::Bytes(bytes) => bytes.as_bytes(),
            Self::Recovered(bytes) => bytes,
        }
    }
}

/// The bytes that came over the wire as this text. Servers decode headers as Latin-1, so that is undone; what Latin-1
/// cannot hold was decoded otherwise, and UTF-8 is the only other way in use.
fn bytes_behind(text: &Bound<'_, PyString>) -> Vec<u8> {
    let text = text.to_string_lossy();
    let latin1: Option<Vec<u8>> = text
        .chars()
        .map(|character| u8::try_from(character).ok())
        .collect();
    latin1.unwrap_or_else(|| text.into_owned().into_bytes())
}

fn unreadable(headers: &Bound<'_, PyAny>) -> PyErr {
    let kind = headers.get_type();
    PyTypeError::new_err(format!(
        "headers are {kind}; pass the headers object of the framework, a dict, or pairs of name and value"
    ))
}

fn wrong_value(name: &str, value: &Bound<'_, PyAny>) -> PyErr {
    let kind = value.get_type();
    PyTypeError::new_err(format!(
        "the value of header {name} is {kind}, not str, bytes or a list of them"
    ))
}
