//! Errors as HTTP tells them: `application/problem+json` (RFC 9457) with the reason that gRPC has. Nowhere else.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::fault::Fault;

/// A request that was not carried out.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(super) status: StatusCode,
    /// Stable, as in `google.rpc.ErrorInfo`.
    pub(super) reason: Cow<'static, str>,
    /// For people.
    pub(super) detail: String,
    pub(super) fields: Vec<Field>,
    pub(super) more: Box<More>,
}

/// What few problems have.
#[derive(Debug, Default)]
pub(super) struct More {
    /// As in `google.rpc.ErrorInfo`.
    metadata: BTreeMap<String, String>,
    /// Paths that were perhaps meant.
    pub(super) routes: Vec<String>,
    headers: HeaderMap,
}

/// A field at fault.
#[derive(Debug, Serialize)]
pub(super) struct Field {
    field: String,
    description: String,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: String,
    status: u16,
    detail: &'a str,
    reason: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: &'a Vec<Field>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: &'a Vec<String>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, reason: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            reason: Cow::Borrowed(reason),
            detail: detail.into(),
            fields: Vec::new(),
            more: Box::default(),
        }
    }

    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.more.headers.insert(name, value);
        self
    }

    /// Of a request that cannot be read. The reason is that of the first fault, as in gRPC.
    pub(super) fn of_faults(faults: Vec<Fault>) -> Self {
        let reason = faults.first().map_or("MALFORMED_MESSAGE", |fault| fault.reason);
        let told: Vec<String> = faults
            .iter()
            .take(FAULTS_MAX)
            .map(|fault| match fault.field.as_str() {
                "" => fault.description.clone(),
                field => format!("{field}: {}", fault.description),
            })
            .collect();
        let mut problem = Self::new(StatusCode::BAD_REQUEST, reason, told.join("; "));
        problem.fields = faults
            .into_iter()
            .take(FAULTS_MAX)
            .filter(|fault| !fault.field.is_empty())
            .map(|fault| Field {
                field: fault.field,
                description: fault.description,
            })
            .collect();
        problem
    }

    /// The same in the words that the client has for the places in its request.
    pub(super) fn in_words(mut self, word: impl Fn(&str) -> String) -> Self {
        for field in &mut self.fields {
            let place = word(&field.field);
            if place != field.field {
                let (known, told) = (format!("{}: ", field.field), format!("{place}: "));
                self.detail = self.detail.replace(&known, &told);
                field.field = place;
            }
        }
        self
    }

    /// Of a call that ended with an error.
    pub(super) fn of_status(status: &Status) -> Self {
        let details = status.get_error_details();
        let mut problem = Self::new(
            status_of(status.code()),
            code_name(status.code()),
            status.message(),
        );
        if let Some(info) = details.error_info() {
            problem.reason = Cow::Owned(info.reason.clone());
            problem.more.metadata = info.metadata.clone().into_iter().collect();
        }
        if let Some((_, status)) = STATUS_OF_REASON
            .iter()
            .find(|(reason, _)| *reason == problem.reason)
        {
            problem.status = *status;
        }
        problem.fields = details
            .bad_request()
            .map(|bad| bad.field_violations.clone())
            .unwrap_or_default()
            .into_iter()
            .map(|violation| Field {
                field: violation.field,
                description: violation.description,
            })
            .collect();
        let delay = details.retry_info().and_then(|info| info.retry_delay);
        if let Some(delay) = delay {
            problem
                .more
                .headers
                .insert(header::RETRY_AFTER, whole_seconds(delay).into());
        }
        if problem.status == StatusCode::UNAUTHORIZED {
            problem
                .more
                .headers
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        problem
    }

    pub(crate) fn into_response(self) -> Response {
        let document = Document {
            r#type: format!(
                "{}/blob/main/docs/errors.md#{}",
                env!("CARGO_PKG_REPOSITORY"),
                self.reason
            ),
            title: title(&self.reason),
            status: self.status.as_u16(),
            detail: &self.detail,
            reason: &self.reason,
            fields: &self.fields,
            metadata: &self.more.metadata,
            routes: &self.more.routes,
        };
        // Texts and numbers: nothing that could not be written.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.more.headers;
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        response
    }
}

/// More mistakes than these help nobody.
const FAULTS_MAX: usize = 20;

/// Where HTTP has a better word than `google.rpc.Code` says.
const STATUS_OF_REASON: &[(&str, StatusCode)] = &[("ETAG_MISMATCH", StatusCode::PRECONDITION_FAILED)];

/// As `google.rpc.Code` says.
fn status_of(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        // No name in the registry; nginx has made it known.
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// The reason of a status that has no details.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// `WEBHOOK_NOT_FOUND` as a sentence.
fn title(reason: &str) -> String {
    let mut title = reason.to_lowercase().replace('_', " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}

/// Rounded up, so that nobody comes back too early.
fn whole_seconds(delay: Duration) -> u64 {
    delay.as_secs() + u64::from(delay.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_to_wait_is_told_for_how_long() {
        // A client that comes back within the second is refused again.
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(2)), 2);
    }

    #[test]
    fn a_reason_reads_as_a_sentence() {
        assert_eq!(title("WEBHOOK_NOT_FOUND"), "Webhook not found");
        assert_eq!(title(""), "");
    }
}
