//! What users rely on, from gRPC to the receiver's socket and back, on both stores.
//!
//! PostgreSQL is found through `HOOKWRIGHT_TEST_POSTGRES`, which `scripts/with-postgres` sets.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod harness;

mod access;
mod adversarial;
mod alerts;
mod catalogue;
mod command_line;
mod configuration;
mod conformance;
mod connections;
mod crash_matrix;
mod delivery;
mod encryption;
mod errors;
mod front_door;
mod handshake;
mod holds;
mod hostile_receivers;
mod http;
mod matching;
mod nodes;
mod ordering;
mod own_profiles;
mod publish_stream;
mod repeated_registration;
mod replay;
mod retries;
mod rotation;
mod rpc_fuzz;
mod schedules;
mod secrets;
mod seed_documents;
mod send_test;
mod shutdown;
mod stats;
mod verify;
mod watching;
mod webhooks;
