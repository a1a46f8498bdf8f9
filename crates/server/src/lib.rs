//! The hookwright service: the gRPC API, the delivery engine and egress towards receivers, as a library.
//!
//! ```text
//!   gRPC ──► api ──► Intake ──► engine ──► egress ──► receivers
//!             │                   │
//!             └──────► store ◄────┘
//! ```
//!
//! [`Server::start`] brings one node up, [`Server::stop`] ends it without losing or repeating a delivery. The API and the
//! engine know each other through the intake alone; neither contains SQL; egress knows neither.

mod access;
mod alerts;
mod api;
mod catalogue;
mod config;
mod connection;
mod directory;
mod engine;
mod http;
mod lifecycle;
mod listener;
mod maintenance;
mod matching;
#[cfg(test)]
mod simulation;
mod stats;
mod watch;

pub use self::{
    access::Auth,
    alerts::{Address as EmailAddress, AlertSettings, Smtp, SmtpError},
    config::Config,
    engine::EngineLimits,
    http::{CorsOrigin, HttpError, NotAnOrigin, openapi},
    lifecycle::{Server, StartError},
    listener::{ClientCertificate, ListenerLimits, Peer, TlsError, TlsFiles},
};
pub use hookwright_egress::{AddressRules, AllowedTarget, EgressRules, Resolve, Resolving, TargetError};
