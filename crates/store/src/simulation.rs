//! The embedded engine in a simulation: its statements are the real ones, time and luck belong to a script.
//!
//! An operation of the engine is one step. The script says how long it takes in the runtime's time, which may be paused,
//! and whether it goes wrong. The statements themselves run while the runtime's thread waits for them, so no virtual time
//! passes meanwhile, nothing comes in between, and the same calls are made in the same order each time.

use std::{
    fmt,
    path::Path,
    pin::pin,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    task::{Context, Poll, Wake, Waker},
    thread::Thread,
    time::Duration,
};

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use tokio::{runtime::Runtime, task::unconstrained};

use crate::{StoreError, id::Minter, sealing::Sealer, sqlite::Sqlite};

/// What goes wrong with an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is refused, and the caller knows that nothing was done.
    Refused,
    /// Nothing was done, and the caller cannot know.
    Unheard,
    /// It was done, and the caller cannot know.
    Unanswered,
    /// The process ends before it is done: the caller waits for ever.
    EndBefore,
    /// The process ends after it was done: the caller waits for ever.
    EndAfter,
}

/// One operation, as the script wants it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// How long it takes until it is done.
    pub before: Duration,
    /// How long the answer takes.
    pub after: Duration,
    /// What goes wrong.
    pub fault: Option<Fault>,
}

/// Chance and trouble: what a simulated store depends on beside the calls that it gets.
#[derive(Clone)]
pub struct Script {
    /// Ids are minted from it.
    pub seed: u64,
    /// Asked once for each operation, with the operation's name.
    pub steps: Arc<dyn Fn(&'static str) -> Step + Send + Sync>,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(crate) struct Simulated {
    pub(crate) sqlite: Sqlite,
    script: Script,
    seeds: Mutex<SmallRng>,
}

impl Simulated {
    pub(crate) fn open(path: &Path, sealer: Sealer, script: Script) -> Result<Self, StoreError> {
        Ok(Self {
            sqlite: at_once(Sqlite::open_unsynced(path, sealer))?,
            seeds: Mutex::new(SmallRng::seed_from_u64(script.seed)),
            script,
        })
    }

    pub(crate) fn minter(&self) -> Minter {
        let mut seeds = self.seeds.lock().unwrap_or_else(PoisonError::into_inner);
        Minter::seeded(seeds.next_u64())
    }

    pub(crate) async fn run<T>(
        &self,
        operation: &'static str,
        statements: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let step = (self.script.steps)(operation);
        pass(step.before).await;
        match step.fault {
            Some(Fault::Refused) => return Err(StoreError::Database(sqlx::Error::PoolTimedOut)),
            Some(Fault::Unheard) => return Err(cut_off()),
            Some(Fault::EndBefore) => return std::future::pending().await,
            Some(Fault::Unanswered | Fault::EndAfter) | None => {}
        }
        let result = at_once(statements);
        pass(step.after).await;
        match step.fault {
            Some(Fault::Unanswered) => Err(cut_off()),
            Some(Fault::EndAfter) => std::future::pending().await,
            Some(Fault::Refused | Fault::Unheard | Fault::EndBefore) | None => result,
        }
    }
}

async fn pass(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

fn cut_off() -> StoreError {
    StoreError::Database(sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()))
}

/// Sees a future through while this thread does nothing else. What it spawns and its timeouts belong to a runtime of their
/// own in real time, so that they neither need this thread nor see its time.
fn at_once<F: Future>(future: F) -> F::Output {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            // Only a machine without threads cannot.
            .expect("a runtime for the statements of a simulation")
    });
    let _context = runtime.enter();
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    // The task's budget would run out without anybody to renew it.
    let mut future = pin!(unconstrained(future));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            // Also returns when it was woken before.
            Poll::Pending => std::thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
