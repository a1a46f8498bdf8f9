//! What strangers, customers and broken machines try, one test for each numbered case, on real sockets.

mod receivers;
mod sender;
