//! How a command ends when it does not succeed.

use std::process::ExitCode;

use anstream::eprintln;
use tonic::Status;

use crate::terminal;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was tried and did not work out, or the answer is no.
    Failed(String),
    /// What was typed makes no sense.
    Usage(String),
    /// There is no server.
    Unreachable(String),
    /// Said already, on standard output.
    Silent,
}

impl Failure {
    /// What is wrong was what was asked for.
    pub(crate) fn into_answer(self) -> Self {
        match self {
            Self::Usage(message) => Self::Failed(message),
            other => other,
        }
    }

    pub(crate) fn report(&self) -> ExitCode {
        let (message, code) = match self {
            Self::Failed(message) => (message.as_str(), 1),
            Self::Usage(message) => (message.as_str(), 2),
            Self::Unreachable(message) => (message.as_str(), 3),
            Self::Silent => return ExitCode::from(1),
        };
        let style = terminal::BAD;
        eprintln!("{style}error:{style:#} {message}");
        ExitCode::from(code)
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let message = match tonic_types::StatusExt::get_error_details(&status).error_info() {
            Some(info) => format!("{} ({})", status.message(), info.reason),
            None => format!("{} ({:?})", status.message(), status.code()),
        };
        match status.code() {
            tonic::Code::InvalidArgument => Self::Usage(message),
            tonic::Code::Unavailable => Self::Unreachable(message),
            _ => Self::Failed(message),
        }
    }
}
