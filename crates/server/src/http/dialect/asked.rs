//! A request and its answer, on their way between a client's words and ours.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, header};
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
pub(in crate::http) struct Translated {
    pub(in crate::http) query: String,
    pub(in crate::http) body: String,
}

impl Asked {
    /// The request for this RPC in our words, or what is wrong with it.
    pub(in crate::http) fn native(&self, rpc: &str, body: &str) -> Result<Translated, Vec<Fault>> {
        let native = match &self.dialect {
            Some(dialect) => dialect.request(rpc, body)?,
            None => None,
        };
        let mut query = self.query.clone();
        let Some(native) = native else {
            return Ok(Translated {
                query,
                body: body.to_owned(),
            });
        };
        if let Some(more) = native.query {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(&more);
        }
        Ok(Translated {
            query,
            body: native.body,
        })
    }

    /// The answer in the client's words; `None` when these are ours. Path and body are those of the request.
    pub(in crate::http) fn answer(
        &self,
        rpc: &str,
        answer: &DynamicMessage,
        path: &[String],
        body: &str,
    ) -> Option<String> {
        self.dialect.as_ref()?.answer(rpc, answer, path, body)
    }

    /// A place in a request as the client knows it.
    pub(in crate::http) fn place(&self, place: &str) -> String {
        match &self.dialect {
            Some(dialect) => path::in_words(&dialect.api, place),
            None => place.to_owned(),
        }
    }

    /// A client that came by another path is led on by it.
    pub(in crate::http) fn lead_back(&self, headers: &mut HeaderMap) {
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
