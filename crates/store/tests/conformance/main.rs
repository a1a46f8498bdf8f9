//! The rules that both engines keep. Each test is one body that runs as `topic::postgres::name` and `topic::sqlite::name`.
//!
//! Time is a clock that the test moves, a process is a [`harness::Process`] that can be crashed, and nothing is slept for:
//! a test waits until the store shows what it is waiting for.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

/// Makes a test of each function for the engines named.
macro_rules! conformance {
    (both: $($name:ident),+ $(,)?) => {
        mod postgres { $(#[test] fn $name() { crate::harness::run_on_postgres(super::$name); })+ }
        mod sqlite { $(#[test] fn $name() { crate::harness::run_on_sqlite(super::$name); })+ }
    };
    (both: $($name:ident),+; postgres: $($several:ident),+ $(,)?) => {
        mod postgres {
            $(#[test] fn $name() { crate::harness::run_on_postgres(super::$name); })+
            $(#[test] fn $several() { crate::harness::run_on_postgres(super::$several); })+
        }
        mod sqlite { $(#[test] fn $name() { crate::harness::run_on_sqlite(super::$name); })+ }
    };
    (postgres: $($name:ident),+ $(,)?) => {
        mod postgres { $(#[test] fn $name() { crate::harness::run_on_postgres(super::$name); })+ }
    };
}

mod access;
mod alerts;
mod claims;
mod event_types;
mod failing;
mod finish;
mod harness;
mod holds;
mod idempotency;
mod journal;
mod lanes;
mod operations;
mod ordering;
mod outage;
mod pages;
mod publish;
mod recovery;
mod registrations;
mod retention;
mod stats;
mod versions;
mod webhooks;
