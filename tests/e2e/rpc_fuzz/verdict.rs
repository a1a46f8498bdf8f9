//! What the service may answer to a bad request: a code that says whose fault it is, and a reason that is documented.

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

const REASONS: &str = include_str!("../../../docs/errors.md");
/// What every client takes of a status; some give up the connection over a larger one.
const STATUS_BYTES_MAX: usize = 8 * 1024;

/// The reason of a refusal, or what is wrong with it.
pub(super) fn of(status: &Status) -> Result<String, String> {
    match status.code() {
        // A message that is not even read: gRPC answers by itself, without a reason.
        Code::OutOfRange if status.message().contains("message length too large") => {
            return Ok(String::from("OUT_OF_RANGE"));
        }
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::ResourceExhausted
        | Code::Aborted => {}
        // The store is there, and nobody stops the server; so everything else is a mistake of ours.
        code => return Err(format!("{code:?}")),
    }
    let message: usize = status
        .message()
        .bytes()
        .map(|byte| if byte.is_ascii_graphic() { 1 } else { 3 })
        .sum();
    let size = message + status.details().len().div_ceil(3) * 4;
    if size > STATUS_BYTES_MAX {
        return Err(format!("a status of {size} bytes"));
    }
    let details = status.get_error_details();
    let Some(info) = details.error_info() else {
        return Err(String::from("no ErrorInfo"));
    };
    if info.domain != "hookwright" || !REASONS.contains(&format!("`{}`", info.reason)) {
        return Err(format!(
            "the reason {} of {} is not in docs/errors.md",
            info.reason, info.domain
        ));
    }
    let named = details
        .bad_request()
        .map_or(0, |request| request.field_violations.len());
    if status.code() == Code::InvalidArgument && named == 0 && info.reason != "MALFORMED_MESSAGE" {
        return Err(String::from("no field is named"));
    }
    Ok(info.reason.clone())
}
