//! Why nothing is known of a host's clock.

use std::fmt;

use serde::{Deserialize, Serialize};
use truechimer_sys::udp::SocketError;
use truechimer_time::Span;

use crate::ui::units;

/// In a word, for programs. What says more about the host comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The survey was ended before it was asked, or before it had answered.
    Unasked,
    /// Its name has no address.
    NotFound,
    /// We may not, or cannot, ask it: privilege, firewall, no way there.
    Network,
    /// Nothing came.
    Silent,
    /// It says that nobody listens.
    Refused,
    /// A connection broke, or led to nothing.
    Broken,
    /// TLS or its certificate failed, or the keys of NTS were not granted.
    Tls,
    /// Something came that cannot be used.
    Unusable,
    /// What came was kept by a cache.
    Cached,
    /// A leap second is too near to say what its clock means.
    NearLeap,
    /// It says of itself that it does not know the time.
    Unsynchronised,
    /// It does not want to be asked.
    Kissed,
}

impl Kind {
    /// As it is written in JSON.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unasked => "unasked",
            Self::NotFound => "not_found",
            Self::Network => "network",
            Self::Silent => "silent",
            Self::Refused => "refused",
            Self::Broken => "broken",
            Self::Tls => "tls",
            Self::Unusable => "unusable",
            Self::Cached => "cached",
            Self::NearLeap => "near_leap",
            Self::Unsynchronised => "unsynchronised",
            Self::Kissed => "kissed",
        }
    }

    /// Does it end all asking of a host, whatever else it may speak?
    pub fn is_final(self) -> bool {
        match self {
            Self::Unsynchronised | Self::Kissed | Self::NearLeap | Self::Unasked | Self::NotFound => true,
            Self::Network
            | Self::Silent
            | Self::Refused
            | Self::Broken
            | Self::Tls
            | Self::Unusable
            | Self::Cached => false,
        }
    }
}

/// The same with a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// In a word.
    pub kind: Kind,
    /// In a sentence.
    pub text: String,
}

/// No sentence is longer.
const TEXT_MAX: usize = 200;

impl Trouble {
    /// What is to be said may come from others: it becomes one short line.
    pub fn new(kind: Kind, text: impl fmt::Display) -> Self {
        let plain = |char: char| if char.is_control() { ' ' } else { char };
        Self { kind, text: text.to_string().chars().map(plain).take(TEXT_MAX).collect() }
    }

    /// Nothing came within so long.
    pub fn silent(patience: Span) -> Self {
        Self::new(Kind::Silent, format_args!("no answer within {}", units::span(patience)))
    }

    /// What the system says.
    pub fn network(error: SocketError) -> Self {
        let kind = if error == SocketError::Refused { Kind::Refused } else { Kind::Network };
        Self::new(kind, error)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_is_one_short_line() {
        let trouble = Trouble::new(Kind::Tls, format!("\x1b[2J\n{}", "x".repeat(1000)));
        assert!(trouble.text.starts_with(" [2J x") && trouble.text.len() == TEXT_MAX);
    }

    #[test]
    fn a_refusal_by_the_host_is_told_from_a_way_that_is_not_there() {
        assert_eq!(Trouble::network(SocketError::Refused).kind, Kind::Refused);
        assert_eq!(Trouble::network(SocketError::Unreachable).kind, Kind::Network);
    }
}
