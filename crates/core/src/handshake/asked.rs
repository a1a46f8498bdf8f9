//! What a request asks, read with bounds: query parameters, headers, and fields of a small JSON body.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde_json::Value;

use super::MAX_BODY_BYTES;
use crate::header::HeaderName;
use crate::verifier::Request;

/// Longest URL that is searched for parameters, in bytes.
const MAX_URL_BYTES: usize = 8192;

/// A request, with its body parsed at most once and only when an exchange asks for a field of it.
pub(super) struct Asked<'a> {
    request: &'a Request<'a>,
    body: OnceCell<Option<Value>>,
}

/// How often something that must be unique occurs.
pub(super) enum Occurrence<T> {
    Absent,
    Once(T),
    Repeated,
}

impl<'a> Asked<'a> {
    pub(super) fn new(request: &'a Request<'a>) -> Self {
        Self {
            request,
            body: OnceCell::new(),
        }
    }

    pub(super) fn method(&self) -> &'a str {
        self.request.method
    }

    /// The decoded value of a query parameter.
    pub(super) fn query(&self, name: &str) -> Occurrence<Cow<'a, [u8]>> {
        occurrence(
            parameters(self.request.url)
                .filter(|(key, _)| **key == *name.as_bytes())
                .map(|(_, value)| value),
        )
    }

    pub(super) fn header(&self, name: &HeaderName) -> Occurrence<Cow<'a, [u8]>> {
        occurrence(
            self.request
                .headers
                .iter()
                .filter(|(key, _)| name.matches(key))
                .map(|(_, value)| Cow::Borrowed(*value)),
        )
    }

    /// The field of the JSON body at `path`. A body that is large or not JSON has no fields: it is a delivery.
    pub(super) fn field(&self, path: &[Box<str>]) -> Option<&Value> {
        let body = self
            .body
            .get_or_init(|| {
                let is_small = self.request.body.len() <= MAX_BODY_BYTES;
                is_small
                    .then(|| serde_json::from_slice(self.request.body).ok())
                    .flatten()
            })
            .as_ref()?;
        path.iter().try_fold(body, |value, step| match value {
            Value::Object(fields) => fields.get(&**step),
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    }
}

fn occurrence<T>(mut values: impl Iterator<Item = T>) -> Occurrence<T> {
    match (values.next(), values.next()) {
        (None, _) => Occurrence::Absent,
        (Some(value), None) => Occurrence::Once(value),
        (Some(_), Some(_)) => Occurrence::Repeated,
    }
}

/// The query parameters of a URL, decoded as a form is.
fn parameters(url: &str) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    let url = if url.len() <= MAX_URL_BYTES { url } else { "" };
    let without_fragment = url.split('#').next().unwrap_or_default();
    let query = without_fragment.split_once('?').map_or("", |(_, query)| query);
    query.split('&').filter(|field| !field.is_empty()).map(|field| {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        (decoded(name), decoded(value))
    })
}

/// Undoes percent-encoding. A percent sign that starts no escape stands for itself, as in browsers.
fn decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escape = match rest {
            [b'%', high, low, ..] => char::from(*high).to_digit(16).zip(char::from(*low).to_digit(16)),
            _ => None,
        };
        if let Some((high, low)) = escape {
            // Two hex digits make one byte, so nothing is cut off.
            bytes.extend(u8::try_from(high << 4 | low).ok());
            rest = &rest[3..];
        } else {
            bytes.push(if *first == b'+' { b' ' } else { *first });
            rest = after;
        }
    }
    Cow::Owned(bytes)
}
