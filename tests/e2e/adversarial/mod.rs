//! What strangers, customers and broken machines try, one test for each numbered case, on real sockets.

mod isolation;
mod receivers;
mod rotation;
mod sender;
