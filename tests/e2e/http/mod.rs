//! The service over HTTP/JSON: the same answers as over gRPC, in the words of HTTP.

pub(crate) mod client;
mod conditions;
mod cors;
mod documents;
mod errors;
mod grpc_web;
mod openapi;
mod routes;

pub(crate) use self::client::send;
