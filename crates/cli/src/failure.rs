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

    /// What is told; nothing when it was said already.
    fn message(&self) -> &str {
        match self {
            Self::Failed(message) | Self::Usage(message) | Self::Unreachable(message) => message,
            Self::Silent => "",
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

/// What is wrong with what was typed, all of it: nobody wants to correct it one by one.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Failure>);

impl Problems {
    /// The value, unless there is none: then the rest is still looked at.
    pub(crate) fn check<T>(&mut self, result: Result<T, Failure>) -> Option<T> {
        result.map_err(|failure| self.0.push(failure)).ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them as one, a line for each.
    pub(crate) fn into_failure(self) -> Failure {
        let lines: Vec<&str> = self.0.iter().map(Failure::message).collect();
        Failure::Usage(lines.join("\n"))
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
