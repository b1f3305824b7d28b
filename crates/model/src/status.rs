//! How the node is.

use core::fmt;

/// How far the time can be relied upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing is known yet.
    Unknown,
    /// A majority agrees and answers, and the standard error meets the accuracy target, if there is one.
    Synchronised,
    /// A majority agrees, but the standard error misses the target however often is asked, or the clock is too far off
    /// to be touched.
    Degraded,
    /// Nobody answers, or no majority agrees: the time is kept by what was learned, the bound grows.
    Holdover,
    /// The counter was interrupted (suspend, another machine under the same guest), or the evidence contradicts the
    /// assumptions about it: what was known is void until it is measured anew.
    Disrupted,
}

impl Status {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 5] =
        [Self::Unknown, Self::Synchronised, Self::Degraded, Self::Holdover, Self::Disrupted];

    /// The number that stands for it in the shared page.
    pub fn code(self) -> u64 {
        match self {
            Self::Unknown => 0,
            Self::Synchronised => 1,
            Self::Degraded => 2,
            Self::Holdover => 3,
            Self::Disrupted => 4,
        }
    }

    /// The status that a number stands for.
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Synchronised => "synchronised",
            Self::Degraded => "degraded",
            Self::Holdover => "holdover",
            Self::Disrupted => "disrupted",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}
