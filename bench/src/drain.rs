//! Waits until everything that was promised has arrived, or nothing more comes.

use std::{path::Path, time::Duration};

use anyhow::Result;

use crate::{
    clock::Moment,
    helpers::ReceiverProcess,
    ledger::Ledger,
    records::{Arrival, Publication},
};

/// When to stop waiting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// How long nothing may have arrived once nothing is missing.
    pub(crate) settle: Duration,
    /// How long nothing may have arrived while something is missing.
    pub(crate) give_up: Duration,
}

/// Returns everything that has arrived.
pub(crate) async fn drain(
    receiver: &mut ReceiverProcess,
    publications: &[Publication],
    file: &Path,
    patience: Patience,
) -> Result<Vec<Arrival>> {
    let mut before = receiver.progress().await?;
    let mut changed = Moment::now();
    // Whether the absence of news has been looked into already.
    let mut examined = false;
    loop {
        tokio::time::sleep(POLL).await;
        let progress = receiver.progress().await?;
        if progress != before {
            before = progress;
            changed = Moment::now();
            examined = false;
        }
        let quiet = Moment::now().since(changed);
        if quiet >= patience.give_up {
            return receiver.arrivals(file).await;
        }
        if quiet >= patience.settle && !examined {
            examined = true;
            let arrivals = receiver.arrivals(file).await?;
            if Ledger::of(publications, &arrivals).missing == 0 {
                return Ok(arrivals);
            }
        }
    }
}

const POLL: Duration = Duration::from_millis(50);
