//! The receiver that never answers, of the webhooks that a store is filled for.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
pub(crate) enum Death {
    /// It takes connections and never answers
    Hangs,
    /// It refuses connections
    Refuses,
}

/// An address at which nobody answers.
#[derive(Debug)]
pub(crate) struct DeadReceiver {
    address: SocketAddr,
    /// Never accepts: the system completes the handshakes, and then nothing happens.
    _listener: Option<TcpListener>,
}

impl DeadReceiver {
    pub(crate) fn new(death: Death) -> Result<Self> {
        Self::bind(death, ([127, 0, 0, 1], 0).into())
    }

    /// One that is dead at the address of another, which is gone.
    pub(crate) fn again(death: Death, address: SocketAddr) -> Result<Self> {
        Self::bind(death, address).with_context(|| format!("listening at {address} again"))
    }

    fn bind(death: Death, address: SocketAddr) -> Result<Self> {
        Ok(match death {
            Death::Hangs => {
                let listener = TcpListener::bind(address)?;
                Self {
                    address: listener.local_addr()?,
                    _listener: Some(listener),
                }
            }
            // A port that needs privileges: no service of ours and no outgoing connection is ever given it.
            Death::Refuses => Self {
                address: ([127, 0, 0, 1], 9).into(),
                _listener: None,
            },
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/dead", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_receiver_takes_connections_or_refuses_them() {
        let hangs = DeadReceiver::new(Death::Hangs).unwrap();
        std::net::TcpStream::connect(hangs.address).unwrap();
        let address = hangs.address();
        drop(hangs);
        let again = DeadReceiver::again(Death::Hangs, address).unwrap();
        std::net::TcpStream::connect(again.address).unwrap();
        let refuses = DeadReceiver::new(Death::Refuses).unwrap();
        std::net::TcpStream::connect(refuses.address).unwrap_err();
    }
}
