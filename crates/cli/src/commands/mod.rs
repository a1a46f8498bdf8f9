//! One file per command: its arguments, and what it does.

pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod config;
pub(crate) mod conformance;
pub(crate) mod deliveries;
pub(crate) mod demo;
pub(crate) mod dev;
pub(crate) mod encryption_key;
pub(crate) mod event_types;
pub(crate) mod openapi;
pub(crate) mod publish;
pub(crate) mod register;
pub(crate) mod replay;
pub(crate) mod rotate_secret;
pub(crate) mod send_test;
pub(crate) mod serve;
pub(crate) mod sign;
pub(crate) mod stats;
pub(crate) mod tenants;
pub(crate) mod verify;
mod watch_deliveries;
pub(crate) mod webhook_state;
pub(crate) mod webhooks;
