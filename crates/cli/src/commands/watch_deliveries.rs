//! `hookwright deliveries --watch`: what happens, a line each, through restarts of the server and of connections.

use std::time::Duration;

use anstream::{eprintln, println};
use hookwright_proto::v1;
use tonic::{Code, Status};

use super::deliveries::{last, rfc3339, state_cell};
use crate::{
    args::ClientArgs,
    client,
    failure::Failure,
    stop::StopSignal,
    terminal::{Cell, FAINT},
};

/// Before the connection is made again; twice as long each time that it does not work.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Follows until it is interrupted, or refused.
pub(crate) async fn follow(
    args: &ClientArgs,
    mut request: v1::WatchDeliveriesRequest,
) -> Result<(), Failure> {
    let stop = StopSignal::listen()?;
    let following = async {
        // Whether there was ever an answer: a server that is not there is a mistake, one that is gone will be back.
        let mut has_begun = false;
        let mut backoff = BACKOFF_MIN;
        loop {
            let cursor = request.cursor.clone();
            let lost = match watch(args, &mut request).await {
                Ok(()) => String::from("the server has ended the stream"),
                Err(Ended::Lost(failure)) if !has_begun && request.cursor == cursor => return Err(failure),
                Err(Ended::Lost(Failure::Unreachable(problem) | Failure::Failed(problem))) => problem,
                Err(Ended::Refused(failure) | Ended::Lost(failure)) => return Err(failure),
            };
            if request.cursor != cursor {
                has_begun = true;
                backoff = BACKOFF_MIN;
            }
            eprintln!("{FAINT}connection lost, going on soon: {lost}{FAINT:#}");
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    };
    tokio::select! {
        ended = following => ended,
        stopped = stop.received() => stopped,
    }
}

/// Why a stream is over.
enum Ended {
    /// Asking again would not help.
    Refused(Failure),
    /// It goes on behind the cursor.
    Lost(Failure),
}

/// Prints what happens, and keeps the cursor behind what was printed in the request.
async fn watch(args: &ClientArgs, request: &mut v1::WatchDeliveriesRequest) -> Result<(), Ended> {
    let mut client = client::connect(args).await.map_err(|failure| match failure {
        Failure::Unreachable(_) => Ended::Lost(failure),
        _ => Ended::Refused(failure),
    })?;
    let answers = client.watch_deliveries(request.clone()).await;
    let mut answers = answers.map_err(ended)?.into_inner();
    while let Some(answer) = answers.message().await.map_err(ended)? {
        print(&answer, args.json).map_err(Ended::Refused)?;
        request.cursor = answer.cursor;
        // The cursor says where to go on.
        request.start_time = None;
    }
    Ok(())
}

fn ended(status: Status) -> Ended {
    match status.code() {
        // A connection that breaks is `Unknown` or `Internal` to the client; a limit of the server passes.
        Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled | Code::ResourceExhausted => {
            Ended::Lost(status.into())
        }
        _ => Ended::Refused(status.into()),
    }
}

fn print(answer: &v1::WatchDeliveriesResponse, json: bool) -> Result<(), Failure> {
    let Some(change) = &answer.change else {
        return Ok(());
    };
    if json {
        let line = serde_json::to_string(answer).map_err(|error| Failure::Failed(error.to_string()))?;
        println!("{line}");
        return Ok(());
    }
    let time = change.change_time.as_ref().map(rfc3339).unwrap_or_default();
    let made = change.attempt.as_ref().map_or_else(
        || change.state_reason.clone(),
        |attempt| {
            let result = last(attempt.outcome(), attempt.http_status);
            format!("attempt {}: {result}", attempt.number)
        },
    );
    println!(
        "{time}  {}  {}  {}  {made}",
        change.delivery_id,
        change.event_type,
        state_cell(change.state()),
        made = Cell::from(made),
    );
    Ok(())
}
