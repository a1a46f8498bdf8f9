//! What a request says about itself: the type and size of its body, what it accepts, how long it waits.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::{cors::Sites, problem::Problem};

/// Whether it is a call of gRPC or gRPC-Web, which is not for us.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|kind| kind.starts_with("application/grpc"))
}

/// A page of another site must not do anything in the name of who looks at it, unless the operator has named the site.
/// Browsers say when one tries.
pub(super) fn check_origin(method: &Method, headers: &HeaderMap, sites: &Sites) -> Result<(), Problem> {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if method.is_safe() || sites.may_call(headers) || !matches!(site, Some(b"cross-site" | b"same-site")) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "CROSS_SITE_REQUEST",
        "a page of another site has sent this; nothing was done",
    ))
}

/// The answer is JSON; whoever cannot use that is told before anything is done.
pub(super) fn check_accept(headers: &HeaderMap) -> Result<(), Problem> {
    let mut ranges = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|range| !range.is_empty())
        .peekable();
    if ranges.peek().is_none() || ranges.any(takes_json) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::NOT_ACCEPTABLE,
        "NOT_ACCEPTABLE",
        "answers are application/json, which the Accept header leaves out",
    ))
}

fn takes_json(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_refused = parts.any(|parameter| {
        let weight = parameter
            .strip_prefix("q=")
            .or_else(|| parameter.strip_prefix("Q="));
        weight.is_some_and(|weight| weight.parse() == Ok(0.0_f32))
    });
    !is_refused && matches!(kind.as_str(), "*/*" | "application/*" | "application/json")
}

/// The body as text, which is JSON if there is any.
pub(super) async fn read_body(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<String, Problem> {
    let too_large = || {
        let detail = format!("the body has more than the {bytes_max} bytes that are read");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", detail)
    };
    if content_length(headers).is_some_and(|length| length > bytes_max) {
        return Err(too_large());
    }
    let body: Bytes = match Limited::new(body, bytes_max).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(too_large()),
        Err(error) => {
            let detail = format!("the body did not arrive: {error}");
            return Err(Problem::new(StatusCode::BAD_REQUEST, "BODY_INCOMPLETE", detail));
        }
    };
    if !body.is_empty() {
        check_content_type(headers)?;
    }
    String::from_utf8(body.into())
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "MALFORMED_JSON", "the body is not UTF-8"))
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = media_type(headers).unwrap_or_default();
    let is_json = kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"));
    let is_encoded = headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if is_json && !is_encoded {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "UNSUPPORTED_MEDIA_TYPE",
        "send the body with `Content-Type: application/json`, not compressed",
    )
    .with_header(header::ACCEPT, HeaderValue::from_static("application/json")))
}

/// How long the caller waits for the answer, if it says so.
pub(super) fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Problem> {
    let Some(value) = headers.get(REQUEST_TIMEOUT) else {
        return Ok(None);
    };
    let seconds: Option<f64> = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    let wait = seconds
        .filter(|seconds| *seconds > 0.0 && *seconds <= TIMEOUT_SECONDS_MAX)
        .map(Duration::from_secs_f64);
    match wait {
        Some(wait) => Ok(Some(wait)),
        None => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "INVALID_TIMEOUT",
            format!("Request-Timeout is a number of seconds above 0, up to {TIMEOUT_SECONDS_MAX}"),
        )),
    }
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = value.split(';').next().unwrap_or_default();
    Some(kind.trim().to_ascii_lowercase())
}

const REQUEST_TIMEOUT: HeaderName = HeaderName::from_static("request-timeout");
const TIMEOUT_SECONDS_MAX: f64 = 3_600.0;
