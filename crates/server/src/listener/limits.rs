//! How much strangers can make a node hold, and for how long.

use std::{num::NonZeroU32, time::Duration};

/// How much strangers can make a node hold, and for how long.
#[derive(Clone, Debug)]
pub struct ListenerLimits {
    /// Connections at the same time. An idle one costs about 50 KiB and a file descriptor; whoever starts the server sees
    /// to it that there are enough of these, for deliveries need them too.
    pub connections_max: usize,
    /// Connections from one address at the same time: an IPv4 address, or the /64 network of an IPv6 one. None is no
    /// limit, as behind a load balancer, where all come from one address.
    pub connections_per_peer_max: Option<NonZeroU32>,
    /// For the TLS handshake. Good ones take less than a second on bad lines.
    pub handshake_timeout: Duration,
    /// For the first bytes of a connection, and for the head of a request over HTTP/1.
    pub header_timeout: Duration,
    /// All headers of a request together. Under HTTP/2 each counts 32 bytes more than it has.
    pub header_bytes_max: u32,
    /// Headers of a request over HTTP/1. Under HTTP/2 the bytes limit them.
    pub headers_max: usize,
    /// Calls at the same time on one HTTP/2 connection. What a client wants beyond it waits at the client.
    pub streams_per_connection_max: u32,
    /// For the body of a request that is one message. 256 KiB come through a line of 100 kbit/s in that time.
    pub body_timeout: Duration,
    /// For the answer to a request that is one message, whatever deadline the caller set. Longer than what a test or a
    /// handshake with a slow receiver may take.
    pub request_timeout: Duration,
    /// A connection that takes nothing of what is written to it for so long is closed.
    pub write_timeout: Duration,
    /// A connection without a call for so long is closed. Longer than load balancers keep theirs, so that it is they who
    /// close them, and no request crosses with the end of its connection.
    pub idle_timeout: Duration,
    /// Requests of one message at the same time, over all connections. Twice what can be stored at a time.
    pub requests_max: usize,
    /// Bytes of the bodies of these requests. Parsing makes up to three times as much of them.
    pub request_bytes_max: usize,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self {
            connections_max: 16_384,
            connections_per_peer_max: None,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            header_bytes_max: 16 * 1024,
            headers_max: 100,
            streams_per_connection_max: 1_024,
            body_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(150),
            write_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_mins(6),
            requests_max: 8_192,
            request_bytes_max: 256 * 1024 * 1024,
        }
    }
}
