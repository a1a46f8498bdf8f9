//! Names to addresses.

use std::{
    collections::HashMap,
    fmt, io,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio::sync::Semaphore;

/// Look-ups under way. Each occupies a thread of the runtime, which has 512 for everything.
const LOOKUPS_MAX: usize = 128;

/// The addresses of a name, once they are known.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Where addresses come from. Tests bring their own.
pub trait Resolve: fmt::Debug + Send + Sync + 'static {
    /// Looks a name up.
    fn resolve(&self, host: &str) -> Resolving;
}

/// Resolves as the machine does: hosts file, name server, search list.
///
/// All who ask for the same name at the same time share one look-up, so a name that is slow to resolve does not take
/// the look-ups away from all others.
#[derive(Clone, Default)]
pub struct SystemResolver {
    shared: Arc<Lookups>,
}

struct Lookups {
    permits: Arc<Semaphore>,
    under_way: Mutex<HashMap<String, Lookup>>,
}

/// `io::Error` cannot be cloned; its text and kind can.
type Lookup = Shared<BoxFuture<'static, Result<Vec<IpAddr>, (io::ErrorKind, String)>>>;

impl Default for Lookups {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(LOOKUPS_MAX)),
            under_way: Mutex::default(),
        }
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str) -> Resolving {
        let lookup = self.join(host);
        Box::pin(async move { lookup.await.map_err(|(kind, text)| io::Error::new(kind, text)) })
    }
}

impl SystemResolver {
    fn join(&self, host: &str) -> Lookup {
        let mut under_way = self
            .shared
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(lookup) = under_way.get(host) {
            return lookup.clone();
        }
        let (shared, name) = (Arc::clone(&self.shared), host.to_owned());
        // A task of its own, because a look-up cannot be ended early: who asked for it may give up, the thread is
        // occupied until the system answers, and so is the permit.
        let task = tokio::spawn(async move {
            let result = match shared.permits.acquire().await {
                Ok(_permit) => look_up(&name).await,
                Err(closed) => Err(io::Error::other(closed)),
            };
            shared
                .under_way
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&name);
            result.map_err(|error| (error.kind(), error.to_string()))
        });
        let lookup = task
            .map(|ended| ended.unwrap_or_else(|error| Err((io::ErrorKind::Other, error.to_string()))))
            .boxed()
            .shared();
        under_way.insert(host.to_owned(), lookup.clone());
        lookup
    }
}

async fn look_up(host: &str) -> io::Result<Vec<IpAddr>> {
    let addresses = tokio::net::lookup_host((host, 0)).await?;
    Ok(addresses.map(|address| address.ip()).collect())
}

impl fmt::Debug for SystemResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemResolver")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_machine_has_a_name_and_nothing_is_left_of_the_look_up() {
        let resolver = SystemResolver::default();
        let (first, second) = tokio::join!(resolver.resolve("localhost"), resolver.resolve("localhost"));
        assert!(first.unwrap().iter().all(IpAddr::is_loopback));
        assert!(second.unwrap().iter().all(IpAddr::is_loopback));
        assert!(resolver.shared.under_way.lock().unwrap().is_empty());
    }
}
