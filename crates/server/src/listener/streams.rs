//! The tasks that HTTP/2 makes of calls.

use hyper::rt::Executor;
use tokio_util::task::TaskTracker;

/// Runs the calls of connections, and knows when the last one is gone. A connection ends when the answers have been sent; its
/// calls may have the store in their hands a moment longer, and an embedded one can be opened again only after that.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams(TaskTracker);

impl Streams {
    /// Returns when there are none. There must be no more connections.
    pub(super) async fn ended(&self) {
        self.0.close();
        self.0.wait().await;
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, call: F) {
        self.0.spawn(call);
    }
}
