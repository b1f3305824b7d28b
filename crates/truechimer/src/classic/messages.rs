//! What the classic programs say to stderr, and what they end with.
//!
//! `PROG: fatal: TEXT`, `PROG: warning: TEXT`, `PROG: usage: ..`; the system's own words in small letters behind a
//! colon, as the authors of those programs wrote them. Exit codes are those of all our commands.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use crate::command::Outcome;
use crate::readiness::{Readiness, Supervised};

/// Why a program ends before its work is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fatal {
    /// What it ends with.
    pub outcome: Outcome,
    /// What it says: completes "PROG: fatal: ..".
    pub text: String,
}

impl Fatal {
    /// The system failed, or the data did: 111.
    pub fn failed(text: impl Into<String>) -> Self {
        Self { outcome: Outcome::Failed, text: text.into() }
    }

    /// The answer is no: 1. Programs of s6 end so; those of clockspeed never do.
    pub fn no(text: impl Into<String>) -> Self {
        Self { outcome: Outcome::No, text: text.into() }
    }

    /// `unable to DO: the system's reason`.
    pub fn unable(deed: &str, error: &io::Error) -> Self {
        Self::failed(format!("unable to {deed}: {}", reason(error)))
    }
}

/// Says why a program ends, if it does so early.
pub fn end(name: &str, result: Result<Outcome, Fatal>) -> Outcome {
    result.unwrap_or_else(|Fatal { outcome, text }| {
        tell(name, &format!("fatal: {text}"));
        outcome
    })
}

/// Finds the way to the supervisor.
pub fn begin(supervised: &Supervised) -> Result<Readiness, Fatal> {
    supervised
        .readiness()
        .map_err(|error| Fatal::unable("tell the supervisor (--ready-fd, NOTIFY_SOCKET)", &error))
}

/// Tells the supervisor that the start is over. One that does not hear it does not end the work.
pub fn ready(name: &str, readiness: &mut Readiness) {
    if let Err(error) = readiness.ready() {
        warn(name, format_args!("unable to tell the supervisor: {}", reason(&error)));
    }
}

/// `PROG: warning: TEXT`. The work goes on.
pub fn warn(name: &str, text: impl Display) {
    tell(name, &format!("warning: {text}"));
}

/// One line to stderr. When stderr is gone too, the exit code has to do.
pub fn tell(name: &str, text: &str) {
    let _ = writeln!(io::stderr(), "{name}: {text}");
}

/// The system's reason, in the words of the original programs.
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "file does not exist".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::AddrInUse => "address already used".to_owned(),
        ErrorKind::AddrNotAvailable => "address not available".to_owned(),
        ErrorKind::TimedOut => "timed out".to_owned(),
        ErrorKind::NetworkUnreachable => "network unreachable".to_owned(),
        ErrorKind::HostUnreachable => "host unreachable".to_owned(),
        _other_kind => plain(error),
    }
}

/// The C library's words, without Rust's number behind them.
fn plain(error: &io::Error) -> String {
    let text = error.to_string().to_lowercase();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_in_small_letters_and_without_numbers() {
        let of = |errno| reason(&io::Error::from_raw_os_error(errno));
        // EPERM and EACCES, ECONNREFUSED, EISDIR, ENOENT.
        assert_eq!((of(1).as_str(), of(13).as_str()), ("permission denied", "permission denied"));
        assert_eq!(of(111), "connection refused");
        assert_eq!(of(21), "is a directory");
        assert_eq!(of(2), "file does not exist");
    }
}
