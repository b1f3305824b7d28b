//! What was before what, as the user tells by patterns: a message is received after it was sent.
//!
//! ```text
//!  sent request id=(?<id>\S+)  ──┐ the same id
//!  received request id=(?<id>\S+) ──┘──►  truth(sent) + least <= truth(received)
//! ```
//!
//! [`pairs`] finds them, in bounded memory. [`learned`] takes them for evidence like any other: hosts of whose clocks little is known
//! learn from those of whose clocks more is known. What cannot be true is told by name, never bent: the pairs in it are left out.
//! [`answer`] tells whether one line could have caused another.

pub mod answer;
pub mod learned;
mod moments;
pub mod pairs;

use regex::bytes::{Captures, Regex};
use truechimer_time::Span;

pub(crate) use moments::gone;

/// No more causes are looked for; each line is held against all of them.
pub const CAUSES_MAX: usize = 64;

/// No longer keys are kept.
pub const KEY_MAX: usize = 256;

/// Lines that tell that something was sent, and lines that tell that it was received.
#[derive(Clone, Debug)]
pub struct Cause {
    sent: Regex,
    received: Regex,
    /// The names of the groups that are the key, in alphabetical order.
    key: Vec<String>,
    /// What is sent is received no sooner after.
    least: Span,
}

/// Why two patterns are no cause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CauseError {
    /// One is no regular expression.
    #[error("{0}")]
    Pattern(String),
    /// Nothing tells which lines belong together.
    #[error("{0:?} has no (?<name>..): it tells which line belongs to which")]
    Keyless(String),
    /// The keys cannot be the same.
    #[error("the names of groups differ: {sent} where it is sent, {received} where it is received")]
    OtherKey {
        /// The names where it is sent.
        sent: String,
        /// The names where it is received.
        received: String,
    },
    /// Nothing is received before it was sent.
    #[error("nothing is received before it was sent: the least must not be negative")]
    Negative,
}

/// Those that are written alike.
impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        self.sent.as_str() == other.sent.as_str()
            && self.received.as_str() == other.received.as_str()
            && self.least == other.least
    }
}

impl Cause {
    /// By two regular expressions, whose named groups are the same and must have matched the same bytes; and how long it takes at
    /// least from the one to the other.
    ///
    /// # Errors
    /// They tell of no pairs.
    pub fn of(sent: &str, received: &str, least: Span) -> Result<Self, CauseError> {
        let read =
            |pattern: &str| Regex::new(pattern).map_err(|error| CauseError::Pattern(error.to_string()));
        let key = |regex: &Regex| {
            let mut names: Vec<String> = regex.capture_names().flatten().map(str::to_owned).collect();
            names.sort();
            match names.is_empty() {
                true => Err(CauseError::Keyless(regex.as_str().to_owned())),
                false => Ok(names),
            }
        };
        let (sent, received) = (read(sent)?, read(received)?);
        let keys = [key(&sent)?, key(&received)?];
        if keys[0] != keys[1] {
            let [sent, received] = keys.map(|names| names.join(", "));
            return Err(CauseError::OtherKey { sent, received });
        }
        if least.is_negative() {
            return Err(CauseError::Negative);
        }
        let [key, _same] = keys;
        Ok(Self { sent, received, key, least })
    }

    /// What is sent is received no sooner after.
    pub fn least(&self) -> Span {
        self.least
    }

    /// The key of a line that tells that something was sent.
    fn sent(&self, line: &[u8]) -> Option<Vec<u8>> {
        self.key(&self.sent.captures(line)?)
    }

    /// The key of a line that tells that something was received.
    fn received(&self, line: &[u8]) -> Option<Vec<u8>> {
        self.key(&self.received.captures(line)?)
    }

    /// All parts, each after its length, so that no two keys look the same. `None` if a part did not take part in the match.
    fn key(&self, captures: &Captures<'_>) -> Option<Vec<u8>> {
        let mut key = Vec::new();
        for name in &self.key {
            let part = captures.name(name)?.as_bytes();
            key.extend_from_slice(&part.len().to_be_bytes());
            key.extend_from_slice(part);
        }
        Some(key)
    }
}

#[cfg(test)]
mod tests;
