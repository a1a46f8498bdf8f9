//! What strangers and broken machines try. One test for each case, on real sockets; the number is that of the case.

mod receivers;
