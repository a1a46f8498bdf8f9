//! Keeps what is known of keys and tenants up to date.

use std::time::Duration;

use hookwright_store::Clock;
use tokio_util::sync::CancellationToken;

use super::Keyring;

/// A key that is revoked through another node is good here for so long, and a little more.
const READ_EVERY: Duration = Duration::from_secs(1);
/// After this many reads the events of tenants with a limit are counted.
const COUNT_EVERY: u64 = 10;
/// After this many reads the store is told which keys were used.
const NOTE_EVERY: u64 = 60;

pub(crate) async fn run(keyring: Keyring, clock: Clock, stop: CancellationToken) {
    let mut fails = false;
    for round in 1_u64.. {
        tokio::select! {
            () = stop.cancelled() => break,
            () = clock.sleep_until(clock.now().plus(READ_EVERY)) => {}
        }
        match keyring.refresh().await {
            Ok(()) => fails = false,
            Err(error) if !fails => {
                fails = true;
                tracing::error!(%error, "changes of keys cannot be read; those that were good are believed");
            }
            Err(_) => {}
        }
        if round.is_multiple_of(COUNT_EVERY) {
            keyring.count_events().await;
        }
        if round.is_multiple_of(NOTE_EVERY) {
            keyring.note_uses().await;
        }
    }
    keyring.note_uses().await;
}
