//! HTTP/JSON requests as calls of the gRPC service, from the descriptors of the proto files.

use std::{
    borrow::Cow,
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{body::Body, response::Response};
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header, request::Parts};
use prost_reflect::{DynamicMessage, Value};
use tonic::{Code, Status, metadata::MetadataMap};
use tower_service::Service;

use super::{
    call::call,
    conditions,
    cors::Sites,
    dialect::{Asked, Dialects},
    json::{Forms, write},
    negotiation,
    problem::Problem,
    request::{self, Sent},
    routes::{Found, Route, Routes},
};
use crate::access::Gate;

/// Who is let in, as far as that is decided before the call is made.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) gate: Gate,
    pub(super) sites: Sites,
}

/// Answers whatever is no gRPC call.
#[derive(Clone, Debug)]
pub(super) struct Transcoder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    grpc: axum::Router,
    admission: Admission,
    routes: Routes,
    forms: Forms,
    dialects: Dialects,
    body_bytes_max: usize,
}

impl Transcoder {
    pub(super) fn new(
        grpc: axum::Router,
        admission: Admission,
        routes: Routes,
        forms: Forms,
        dialects: Dialects,
        body_bytes_max: usize,
    ) -> Self {
        Self(Arc::new(Inner {
            grpc,
            admission,
            routes,
            forms,
            dialects,
            body_bytes_max,
        }))
    }
}

impl Service<Request<Body>> for Transcoder {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            if negotiation::is_grpc(&parts.headers) {
                return Ok(Status::unimplemented("there is no such method").into_http());
            }
            let is_head = parts.method == Method::HEAD;
            let answer = inner.serve(parts, body).await;
            let mut response = answer.unwrap_or_else(Problem::into_response);
            if is_head {
                leave_body_out(&mut response);
            }
            Ok(response)
        })
    }
}

impl Inner {
    async fn serve(&self, parts: Parts, body: Body) -> Result<Response, Problem> {
        let key_profile = self.admission.gate.profile(&parts.headers).await;
        let asked = self
            .dialects
            .asked(&parts, key_profile.as_deref())
            .map_err(|fault| Problem::of_faults(vec![fault]))?;
        let answer = self.transcode(&asked, parts, body).await;
        answer.map_err(|problem| problem.in_words(|place| asked.place(place)))
    }

    async fn transcode(&self, asked: &Asked, parts: Parts, body: Body) -> Result<Response, Problem> {
        let (route, path) = match self.routes.find(&asked.method, &asked.path) {
            Found::Route(route, path) => (route, path),
            Found::Methods(methods) => return other_method(&parts.method, &methods),
            Found::Nothing(near) => return Err(no_route(parts.uri.path(), near)),
        };
        negotiation::check_origin(&parts.method, &parts.headers, &self.admission.sites)?;
        negotiation::check_accept(&parts.headers)?;
        let timeout = negotiation::timeout(&parts.headers)?;
        let body = negotiation::read_body(&parts.headers, body, self.body_bytes_max).await?;
        let native = asked
            .native(route.rpc.name(), &body)
            .map_err(Problem::of_faults)?;
        let sent = Sent {
            path: &path,
            query: &native.query,
            headers: &parts.headers,
            body: &native.body,
        };
        let message = request::message(route, sent, &self.forms).map_err(Problem::of_faults)?;

        let mut request = tonic::Request::from_parts(metadata(&parts.headers), parts.extensions, message);
        if let Some(timeout) = timeout {
            request.set_timeout(timeout);
        }
        let call = call(self.grpc.clone(), &route.rpc, request);
        let answered = match timeout {
            None => call.await,
            Some(timeout) => tokio::time::timeout(timeout, call).await.unwrap_or_else(|_| {
                Err(Status::new(
                    Code::DeadlineExceeded,
                    "it took longer than Request-Timeout",
                ))
            }),
        };
        let answered = answered.map_err(|status| Problem::of_status(&status))?;
        let answered = answered.into_inner();
        let mut response = self.answer(route, &parts.headers, &answered)?;
        asked.put_in_words(&mut response, route.rpc.name(), &answered, &path, &body);
        Ok(response)
    }

    fn answer(
        &self,
        route: &Route,
        headers: &HeaderMap,
        message: &DynamicMessage,
    ) -> Result<Response, Problem> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = route.semantics.success;
        if let Some(template) = route.semantics.location {
            match filled(template, message) {
                Some(location) => drop(response.headers_mut().insert(header::LOCATION, location)),
                // A dry run.
                None => *response.status_mut() = StatusCode::OK,
            }
        }
        if route.semantics.success == StatusCode::NO_CONTENT {
            return Ok(response);
        }
        let message = shown(route, message);
        if let Some(etag) = conditions::etag_of(&message) {
            if route.method == Method::GET && conditions::is_known(headers, &etag) {
                *response.status_mut() = StatusCode::NOT_MODIFIED;
            }
            response
                .headers_mut()
                .extend(conditions::header_value(&etag).map(|value| (header::ETAG, value)));
            if response.status() == StatusCode::NOT_MODIFIED {
                return Ok(response);
            }
        }
        let json = write(&message, &self.forms).map_err(|error| {
            tracing::error!(%error, rpc = route.rpc.full_name(), "an answer cannot be written as JSON");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "INTERNAL",
                "it was done, but the answer cannot be written as JSON; the log has details",
            )
        })?;
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *response.body_mut() = Body::from(json);
        Ok(response)
    }
}

/// The part of a response that is answered.
fn shown<'a>(route: &Route, message: &'a DynamicMessage) -> Cow<'a, DynamicMessage> {
    let Some(field) = &route.answer else {
        return Cow::Borrowed(message);
    };
    match message.get_field(field) {
        Cow::Borrowed(Value::Message(inner)) => Cow::Borrowed(inner),
        Cow::Owned(Value::Message(inner)) => Cow::Owned(inner),
        _ => Cow::Borrowed(message),
    }
}

/// What a client sends along with a call. Headers about the body are about one that the service does not see.
fn metadata(headers: &HeaderMap) -> MetadataMap {
    const OF_HTTP: [HeaderName; 10] = [
        header::ACCEPT,
        header::ACCEPT_ENCODING,
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::EXPECT,
        header::HOST,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    let mut headers = headers.clone();
    for name in OF_HTTP {
        headers.remove(name);
    }
    MetadataMap::from_headers(headers)
}

/// `/v1/webhooks/{webhook.id}` with the id of the answer; nothing when the answer has none.
fn filled(template: &str, message: &DynamicMessage) -> Option<HeaderValue> {
    let (before, rest) = template.split_once('{')?;
    let (path, after) = rest.split_once('}')?;
    let (last, way) = path
        .rsplit_once('.')
        .map_or((path, None), |(way, last)| (last, Some(way)));
    let value = match way {
        None => message.get_field_by_name(last)?.as_str()?.to_owned(),
        Some(way) => {
            let inner = message.get_field_by_name(way)?;
            inner.as_message()?.get_field_by_name(last)?.as_str()?.to_owned()
        }
    };
    if value.is_empty() {
        return None;
    }
    HeaderValue::from_str(&format!("{before}{value}{after}")).ok()
}

fn other_method(method: &Method, methods: &[Method]) -> Result<Response, Problem> {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let allow = HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static(""));
    if method == Method::OPTIONS {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        response.headers_mut().insert(header::ALLOW, allow);
        return Ok(response);
    }
    Err(Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        format!("this path has {}", names.join(", ")),
    )
    .with_header(header::ALLOW, allow))
}

fn no_route(path: &str, near: Vec<&str>) -> Problem {
    let detail = format!("there is nothing at {path}; /openapi.json lists what there is");
    let mut problem = Problem::new(StatusCode::NOT_FOUND, "ROUTE_NOT_FOUND", detail);
    problem.more.routes = near.into_iter().map(str::to_owned).collect();
    problem
}

/// What `HEAD` is answered with: everything that `GET` has but the body, of which the length is told.
fn leave_body_out(response: &mut Response) {
    let length = http_body::Body::size_hint(response.body()).exact();
    if let Some(length) = length.filter(|length| *length > 0) {
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length.into());
    }
    *response.body_mut() = Body::empty();
}
