//! What is answered before a request reaches the API: in gRPC to who speaks it, as a problem (RFC 9457) to everybody else.

use std::collections::HashMap;

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{
    api::{DOMAIN, RETRY_DELAY},
    http::Problem,
};

/// Why a request is not answered by the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There are as many requests under way as there can be, or their bytes fill the memory set aside for them.
    Overloaded,
    /// The body did not come in time.
    BodyTooSlow,
    /// The answer was not there when the caller's deadline, or ours, was over.
    DeadlineExceeded,
    /// gRPC over HTTP/1.1, which has no trailers that clients could count on.
    GrpcNeedsHttp2,
}

impl Refusal {
    fn code(self) -> Code {
        match self {
            Self::Overloaded => Code::ResourceExhausted,
            Self::BodyTooSlow | Self::DeadlineExceeded => Code::DeadlineExceeded,
            Self::GrpcNeedsHttp2 => Code::Unimplemented,
        }
    }

    fn http_status(self) -> StatusCode {
        match self {
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            Self::GrpcNeedsHttp2 => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Overloaded => "OVERLOADED",
            Self::BodyTooSlow => "REQUEST_TOO_SLOW",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::GrpcNeedsHttp2 => "GRPC_NEEDS_HTTP2",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Overloaded => "this node has as many requests under way as it takes; nothing was done",
            Self::BodyTooSlow => "the body of the request did not come in time; nothing was done",
            Self::DeadlineExceeded => {
                "the answer was not ready in time; what was asked for may have been done"
            }
            Self::GrpcNeedsHttp2 => {
                "gRPC needs HTTP/2, and this came over HTTP/1.1, perhaps by way of a proxy; gRPC-Web and HTTP/JSON work over \
                 both. Nothing was done"
            }
        }
    }

    pub(super) fn status(self) -> Status {
        let mut details = ErrorDetails::with_error_info(self.reason(), DOMAIN, HashMap::new());
        if self == Self::Overloaded {
            details.set_retry_info(Some(RETRY_DELAY));
        }
        Status::with_error_details(self.code(), self.message(), details)
    }

    /// The answer to a request with these headers.
    pub(super) fn answer(self, request: &Dialect) -> Response<Body> {
        match request {
            Dialect::Grpc(content_type) => {
                let mut answer = self.status().into_http::<Body>();
                // gRPC-Web has types of its own.
                answer
                    .headers_mut()
                    .insert(header::CONTENT_TYPE, content_type.clone());
                answer
            }
            Dialect::Http => self.problem(),
        }
    }

    fn problem(self) -> Response<Body> {
        let mut answer = Problem::new(self.http_status(), self.reason(), self.message()).into_response();
        let headers = answer.headers_mut();
        match self {
            Self::Overloaded => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_DELAY.as_secs()));
            }
            // The rest of the body would be taken for the next request.
            Self::BodyTooSlow => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Self::DeadlineExceeded | Self::GrpcNeedsHttp2 => {}
        }
        answer
    }
}

/// What the caller speaks.
#[derive(Debug)]
pub(super) enum Dialect {
    /// gRPC or gRPC-Web, with the media type of the request, which is that of the answer too.
    Grpc(HeaderValue),
    Http,
}

/// Whether a call comes by a version of HTTP in which it cannot be answered.
pub(super) fn is_grpc_without_http2<B>(request: &Request<B>) -> bool {
    request.version() < Version::HTTP_2
        && match Dialect::of(request.headers()) {
            Dialect::Grpc(kind) => !kind.as_bytes().starts_with(b"application/grpc-web"),
            Dialect::Http => false,
        }
}

impl Dialect {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        match headers.get(header::CONTENT_TYPE) {
            Some(value) if value.as_bytes().starts_with(b"application/grpc") => Self::Grpc(value.clone()),
            _ => Self::Http,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_is_answered_in_its_own_way() {
        let grpc = Dialect::Grpc(HeaderValue::from_static("application/grpc-web+proto"));
        let answer = Refusal::Overloaded.answer(&grpc);
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["grpc-status"], "8");
        assert_eq!(answer.headers()["content-type"], "application/grpc-web+proto");
        let status = Refusal::Overloaded.status();
        assert_eq!(
            status.get_error_details().error_info().unwrap().reason,
            "OVERLOADED"
        );
        assert_eq!(
            status.get_error_details().retry_info().unwrap().retry_delay,
            Some(RETRY_DELAY)
        );

        let answer = Refusal::Overloaded.answer(&Dialect::of(&HeaderMap::new()));
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()["retry-after"], "1");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let answer = Refusal::BodyTooSlow.answer(&Dialect::Http);
        assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
    }
}
