//! The front door: connections are accepted, watched over and ended here, whatever is asked on them.
//!
//! ```text
//!   accept ──► a place ──► TLS ──► HTTP/1.1 or HTTP/2 ──► gate ──► router
//!      │      in total,             who says nothing,     requests, bytes,
//!      │      per peer              or says it slowly,    deadlines
//!   backs off                       is hung up on
//! ```
//!
//! Everything that a stranger can make the process hold is counted before anybody knows who asks: a connection, the head
//! of a request, its body, the time it takes. What a caller may do is decided behind the router.

mod accept;
mod activity;
mod connection;
mod deadline;
mod gate;
mod handshake;
mod limits;
mod metered_body;
mod peer;
mod places;
mod refusal;
mod reload;
mod tls;
mod transport;

pub(crate) use self::accept::{ListenError, Listener};
pub use self::{
    limits::ListenerLimits,
    peer::{ClientCertificate, Peer},
    tls::{TlsError, TlsFiles},
};
