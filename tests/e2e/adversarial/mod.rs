//! What strangers, customers and broken machines try, one test for each numbered case, on real sockets.

mod egress;
mod isolation;
pub(crate) mod raw_server;
mod receivers;
pub(crate) mod resolver;
mod rotation;
mod sender;
pub(crate) mod tls_server;
