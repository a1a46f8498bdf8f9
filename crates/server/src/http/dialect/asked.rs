//! A request and its answer, on their way between a client's words and ours.

use std::{borrow::Cow, sync::Arc};

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use prost_reflect::DynamicMessage;

use super::{Dialect, choice::NATIVE_BASE, path};
use crate::http::fault::Fault;

/// What a request asks for, in this service's terms.
#[derive(Debug)]
pub(in crate::http) struct Asked {
    /// None means this service's own words.
    pub(super) dialect: Option<Arc<Dialect>>,
    pub(in crate::http) method: Method,
    pub(in crate::http) path: String,
    pub(super) query: String,
    /// What has `/v1/webhooks` in its place.
    pub(super) base_path: Option<String>,
}

/// Query and body as the transcoder takes them.
#[derive(Debug)]
pub(in crate::http) struct Translated<'a> {
    pub(in crate::http) query: Cow<'a, str>,
    pub(in crate::http) body: Cow<'a, str>,
}

impl Asked {
    /// The request for this RPC in our words, or what is wrong with it.
    pub(in crate::http) fn native<'a>(
        &'a self,
        rpc: &str,
        body: &'a str,
    ) -> Result<Translated<'a>, Vec<Fault>> {
        let native = match &self.dialect {
            Some(dialect) => dialect.request(rpc, body)?,
            None => None,
        };
        let query = Cow::Borrowed(self.query.as_str());
        let Some(native) = native else {
            return Ok(Translated {
                query,
                body: Cow::Borrowed(body),
            });
        };
        let query = match native.query {
            Some(more) if query.is_empty() => Cow::Owned(more),
            Some(more) => Cow::Owned(format!("{query}&{more}")),
            None => query,
        };
        Ok(Translated {
            query,
            body: Cow::Owned(native.body),
        })
    }

    /// Puts an answer with a body into the client's words, if these are not ours. Path and body are those of the request.
    pub(in crate::http) fn put_in_words(
        &self,
        response: &mut Response,
        rpc: &str,
        answer: &DynamicMessage,
        path: &[String],
        body: &str,
    ) {
        let dialect = self
            .dialect
            .as_ref()
            .filter(|_| response.status() != StatusCode::NOT_MODIFIED);
        if let Some(json) = dialect.and_then(|dialect| dialect.answer(rpc, answer, path, body)) {
            *response.body_mut() = Body::from(json);
        }
        self.lead_back(response.headers_mut());
    }

    /// A place in a request as the client knows it.
    pub(in crate::http) fn place(&self, place: &str) -> String {
        match &self.dialect {
            Some(dialect) => path::in_words(&dialect.api, place),
            None => place.to_owned(),
        }
    }

    /// A client that came by another path is led on by it.
    pub(super) fn lead_back(&self, headers: &mut HeaderMap) {
        let location = headers
            .get(header::LOCATION)
            .and_then(|value| value.to_str().ok());
        let rest = location.and_then(|location| location.strip_prefix(NATIVE_BASE));
        let (Some(base), Some(rest)) = (&self.base_path, rest) else {
            return;
        };
        if let Ok(location) = HeaderValue::from_str(&format!("{base}{rest}")) {
            headers.insert(header::LOCATION, location);
        }
    }
}
