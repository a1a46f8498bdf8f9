//! HTTP/JSON, gRPC and gRPC-Web on one port.
//!
//! ```text
//!   request ─┬─ /hookwright.v1.WebhookService/… ──────────────────────────────► the service
//!            │                                                                    ▲    │
//!            └─ anything else ─► route ─► message from path, query, body ─► call ─┘    │
//!                                                     JSON, or a problem ◄─────────────┘
//! ```
//!
//! The routes are annotations in the proto files, and everything is done from their descriptors: a new RPC is there with its
//! annotation. The call is one of gRPC, made in this process, so whatever is around the service is around HTTP too.

mod behavior;
mod call;
mod conditions;
mod cors;
mod dialect;
mod fault;
mod json;
mod negotiation;
mod openapi;
mod pages;
mod problem;
mod request;
mod routes;
mod rule;
mod semantics;
mod transcoder;

use std::sync::Arc;

use hookwright_core::Registry;
use hookwright_proto::FILE_DESCRIPTOR_SET;
use prost_reflect::{DescriptorError, DescriptorPool};
use tonic::service::Routes as GrpcRoutes;
use tonic_web::GrpcWebLayer;

use crate::access::Gate;

pub use self::cors::{CorsOrigin, NotAnOrigin};
use self::{
    behavior::Behaviors,
    dialect::Dialects,
    json::Forms,
    routes::{Routes, RuleError},
    transcoder::{Admission, Transcoder},
};
pub(crate) use self::{cors::Sites, problem::Problem};

/// Why HTTP cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The descriptors cannot be read.
    #[error("the descriptors of the proto files cannot be read: {0}")]
    Descriptors(#[from] DescriptorError),
    /// An annotation of an RPC makes no sense.
    #[error("an annotation of the proto files makes no sense: {0}")]
    Rule(String),
}

impl From<RuleError> for HttpError {
    fn from(error: RuleError) -> Self {
        Self::Rule(error.to_string())
    }
}

/// What the descriptors say about HTTP.
struct Contract {
    pool: DescriptorPool,
    routes: Routes,
    forms: Forms,
    behaviors: Behaviors,
}

impl Contract {
    fn read() -> Result<Self, HttpError> {
        let missing = |name: &str| HttpError::Rule(format!("{name} is missing"));
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET)?;
        let forms = Forms::new(&pool).ok_or_else(|| missing("json_form"))?;
        let behaviors = Behaviors::new(&pool).ok_or_else(|| missing("field_behavior"))?;
        let routes = Routes::new(&pool, &behaviors)?;
        Ok(Self {
            pool,
            routes,
            forms,
            behaviors,
        })
    }

    fn openapi(&self) -> serde_json::Value {
        openapi::document(&self.pool, &self.routes, &self.forms, &self.behaviors)
    }
}

/// The OpenAPI 3.1 document of the HTTP API, as a server answers it at `/openapi.json`.
pub fn openapi() -> Result<serde_json::Value, HttpError> {
    Ok(Contract::read()?.openapi())
}

/// Everything on one port: the gRPC services, the same for browsers, and HTTP/JSON.
pub(crate) fn router(
    grpc: GrpcRoutes,
    body_bytes_max: usize,
    registry: Arc<Registry>,
    gate: Gate,
    sites: &Sites,
) -> Result<axum::Router, HttpError> {
    let contract = Contract::read()?;
    let pages = pages::pages(contract.openapi().to_string().into());
    let grpc = grpc.prepare().into_axum_router();
    let dialects = Dialects::new(registry);
    let (routes, forms) = (contract.routes, contract.forms);
    let guarded = grpc.clone().layer(GrpcWebLayer::new()).merge(pages);
    let admission = Admission {
        gate,
        sites: sites.clone(),
    };
    let transcoder = Transcoder::new(grpc, admission, routes, forms, dialects, body_bytes_max);
    Ok(sites.guard(guarded.fallback_service(transcoder)))
}
