//! The wish to stop: Ctrl-C, or what service managers send.

use std::io;

use crate::failure::Failure;

/// Notices a wish to stop from the moment it is made on, so that one which comes while the service starts is not the
/// end of the process but of its work.
#[derive(Debug)]
pub(crate) struct StopSignal {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl StopSignal {
    /// Begins to listen.
    pub(crate) fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(|error| failed(&error))?,
            terminate: signal(SignalKind::terminate()).map_err(|error| failed(&error))?,
        })
    }

    /// Waits for it.
    pub(crate) async fn received(mut self) -> Result<(), Failure> {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        Ok(())
    }
}

#[cfg(not(unix))]
impl StopSignal {
    /// Begins to listen.
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// Waits for it.
    pub(crate) async fn received(self) -> Result<(), Failure> {
        tokio::signal::ctrl_c().await.map_err(|error| failed(&error))
    }
}

fn failed(error: &io::Error) -> Failure {
    Failure::Failed(format!("cannot wait for signals: {error}"))
}
