//! Why no time is told.

use std::fmt;

use truechimer_model::{Status, Unreadable};
use truechimer_sys::shm::PageError;

/// Why no time is told.
#[derive(Debug)]
pub enum Error {
    /// There is no page that can be read and relied upon.
    Page(PageError),
    /// What is on it means nothing to this version, or is damaged.
    Unreadable(Unreadable),
    /// The daemon does not know the time, and is in this state.
    Unknown(Status),
    /// The machine has slept since the page was written, and the counter stood still: the daemon will measure anew.
    Slept,
    /// The machine is on another host than when the page was written, or goes on from a snapshot, as VMClock tells: the daemon
    /// will measure anew.
    Moved,
    /// The instant did not pass while there was patience.
    StillToCome,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page(error) => write!(f, "no page of the time: {error}"),
            Self::Unreadable(error) => error.fmt(f),
            Self::Unknown(status) => write!(f, "the daemon does not know the time (status {status})"),
            Self::Slept => f.write_str("the machine has slept, the time is not measured anew yet"),
            Self::Moved => {
                f.write_str("the machine was moved to another host, the time is not measured anew yet")
            }
            Self::StillToCome => f.write_str("the instant may still be to come"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Page(error) => Some(error),
            Self::Unreadable(error) => Some(error),
            Self::Unknown(_) | Self::Slept | Self::Moved | Self::StillToCome => None,
        }
    }
}

impl From<PageError> for Error {
    fn from(error: PageError) -> Self {
        Self::Page(error)
    }
}

impl From<Unreadable> for Error {
    fn from(error: Unreadable) -> Self {
        Self::Unreadable(error)
    }
}
