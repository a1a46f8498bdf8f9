//! The OpenAPI document, and a page that shows it. Everything is in the binary: it works without the Internet.

use std::future::ready;

use axum::{Router, body::Body, response::Response, routing::get};
use bytes::Bytes;
use http::{HeaderValue, header};

/// `/openapi.json`, `/docs` and what the page needs.
pub(super) fn pages(document: Bytes) -> Router {
    let page = |kind: &'static str, content: Bytes| get(move || ready(answer(kind, content)));
    Router::new()
        .route("/openapi.json", page("application/json", document))
        .route(
            "/docs",
            page("text/html; charset=utf-8", Bytes::from_static(HTML)),
        )
        .route(
            "/docs/reference.css",
            page("text/css; charset=utf-8", Bytes::from_static(CSS)),
        )
        .route(
            "/docs/reference.js",
            page("text/javascript; charset=utf-8", Bytes::from_static(JS)),
        )
}

fn answer(kind: &'static str, content: Bytes) -> Response {
    let mut response = Response::new(Body::from(content));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    // Nothing from elsewhere, and nothing in the text of the page is run.
    let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

const HTML: &[u8] = include_bytes!("reference/page.html");
const CSS: &[u8] = include_bytes!("reference/page.css");
const JS: &[u8] = include_bytes!("reference/page.js");
