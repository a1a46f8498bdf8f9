//! New certificates without a restart: the files are read again and again, and what is new and good is used for the
//! connections that come.
//!
//! Contents are compared, not dates: Kubernetes swaps a symbolic link several folders up, others copy with the old date,
//! and a program that writes two files is between them for a while. What does not fit together is not used; the files are
//! looked at again soon.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::tls::{Contents, TlsError, TlsFiles};

/// TLS as the files wanted it when they last were good.
#[derive(Debug)]
pub(super) struct Tls {
    files: TlsFiles,
    current: ArcSwap<ServerConfig>,
    asked: Notify,
}

/// Asks for a look at the files.
#[derive(Clone, Debug)]
pub(crate) struct Reload(Arc<Tls>);

impl Reload {
    /// Soon, and not at the next interval.
    pub(crate) fn now(&self) {
        self.0.asked.notify_one();
    }
}

impl Tls {
    /// Reads the files. What is wrong with them now is an error.
    pub(super) fn load(files: TlsFiles) -> Result<(Arc<Self>, Arc<Contents>), TlsError> {
        let contents = Contents::read(&files)?;
        let config = contents.config(&files)?;
        let tls = Self {
            files,
            current: ArcSwap::from_pointee(config),
            asked: Notify::new(),
        };
        Ok((Arc::new(tls), Arc::new(contents)))
    }

    /// What a new connection gets.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    pub(super) fn reload(self: &Arc<Self>) -> Reload {
        Reload(Arc::clone(self))
    }

    /// Looks at the files until `stop`. `contents` are those in use.
    pub(super) async fn watch(self: Arc<Self>, mut contents: Arc<Contents>, stop: CancellationToken) {
        // What the log knows is wrong; it is told once.
        let mut problem = None;
        while let Some(is_asked) = stop.run_until_cancelled(self.next_look()).await {
            if is_asked {
                // Whoever asks is told again.
                problem = None;
            }
            let tls = Arc::clone(&self);
            let before = Arc::clone(&contents);
            // Files may be on a network that is slow or gone.
            let looked = tokio::task::spawn_blocking(move || tls.look(&before)).await;
            match looked {
                Ok(Ok(None)) => {
                    problem = None;
                    if is_asked {
                        tracing::info!("the TLS files are the ones in use");
                    }
                }
                Ok(Ok(Some(new))) => {
                    contents = Arc::new(new);
                    problem = None;
                    tracing::info!(certificate = %self.files.certificate.display(), "new TLS files are in use");
                }
                Ok(Err(error)) => {
                    let told = error.to_string();
                    if problem.as_ref() != Some(&told) {
                        tracing::error!(%error, "the new TLS files cannot be used; the old ones stay in use");
                        problem = Some(told);
                    }
                }
                Err(error) => tracing::error!(%error, "looking at the TLS files ended badly"),
            }
        }
    }

    /// Waits until it is time to look at the files again. Whether that is because somebody asks.
    async fn next_look(&self) -> bool {
        tokio::select! {
            () = self.asked.notified() => true,
            () = tokio::time::sleep(self.files.reload_interval) => false,
        }
    }

    /// The contents of the files, if they are others than before; then they are in use.
    fn look(&self, before: &Contents) -> Result<Option<Contents>, TlsError> {
        let contents = Contents::read(&self.files)?;
        if contents == *before {
            return Ok(None);
        }
        // Sessions are not taken over: one that was begun under another client authority must not be resumed.
        self.current.store(Arc::new(contents.config(&self.files)?));
        Ok(Some(contents))
    }
}
