//! What strangers, customers and broken machines try, one test for each numbered case, on real sockets.

mod crash;
mod egress;
mod isolation;
mod ledger;
pub(crate) mod outage;
pub(crate) mod preloaded;
pub(crate) mod raw_server;
mod receivers;
pub(crate) mod resolver;
mod rotation;
mod sender;
pub(crate) mod skewed_clock;
pub(crate) mod tls_server;
