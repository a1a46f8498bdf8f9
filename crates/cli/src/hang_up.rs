//! The wish to have files read again: SIGHUP, as service managers send it for a reload.

use crate::failure::Failure;

/// Notices it from the moment it is made on, so that one which comes while the service starts does not end it.
#[derive(Debug)]
pub(crate) struct HangUp {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl HangUp {
    /// Begins to listen.
    pub(crate) fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::hangup()) {
            Ok(signal) => Ok(Self { signal }),
            Err(error) => Err(Failure::Failed(format!("cannot wait for signals: {error}"))),
        }
    }

    /// Waits for the next one.
    pub(crate) async fn received(&mut self) {
        if self.signal.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(not(unix))]
impl HangUp {
    /// There is none.
    #[expect(clippy::unnecessary_wraps, reason = "other systems have something to do")]
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// Waits for ever.
    pub(crate) async fn received(&mut self) {
        std::future::pending::<()>().await;
    }
}
