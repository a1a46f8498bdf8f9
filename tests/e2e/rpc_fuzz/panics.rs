//! Panics of the server under test. Tokio catches those of tasks, so without this some would go unnoticed.

use std::{
    collections::HashMap,
    panic,
    sync::{LazyLock, Mutex, Once, PoisonError},
    thread,
};

static SEEN: LazyLock<Mutex<HashMap<String, Vec<String>>>> = LazyLock::new(Mutex::default);
static HOOK: Once = Once::new();

/// Notes panics on threads of this name. Other tests of the process have other threads.
pub(super) fn watch() {
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if let Some(name) = thread::current().name() {
                let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
                seen.entry(name.to_owned()).or_default().push(info.to_string());
            }
            before(info);
        }));
    });
}

/// Those that there were since the last call.
pub(super) fn taken(thread: &str) -> Vec<String> {
    SEEN.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(thread)
        .unwrap_or_default()
}
