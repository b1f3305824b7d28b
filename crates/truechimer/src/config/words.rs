//! Values that are one word out of a few.

use std::fmt;

use truechimer_core::classic::count::{KernelCount, PeerCount};
use truechimer_core::policy::{Rhythm, Scale};
use truechimer_sys::interface::{Interface, InterfaceError};

use super::quantity::Spelled;
use super::reference::Edge;

/// What a source speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// NTP version 4 (RFC 5905).
    Ntp,
    /// NTP with Network Time Security (RFC 8915).
    Nts,
    /// TAICLOCK, as clockspeed and s6-networking serve it.
    Taiclock,
    /// The Time Protocol (RFC 868).
    Time,
    /// A PTP hardware clock of this machine.
    Phc,
    /// Pulses per second (RFC 2783).
    Pps,
    /// A segment of shared memory, as ntpd's driver reads it.
    Shm,
    /// A socket, as chrony's driver listens at it.
    Sock,
}

/// Which clock is kept right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The kernel's, `CLOCK_REALTIME`; where we may not set it, the user-space clock instead, with a word.
    Kernel,
    /// The user-space clock alone. The kernel's is never touched.
    User,
}

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Only what fails.
    Error,
    /// Also what is not as it should be.
    Warn,
    /// Also what an operator likes to know.
    Info,
    /// Also what a developer likes to know.
    Debug,
    /// Everything, each packet.
    Trace,
}

/// Why a text is none of the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not one of {0}")]
pub struct WordError(pub(super) &'static str);

/// The words of a type, each with its value.
type Words<T> = &'static [(&'static str, T)];

fn pick<T: Copy>(text: &str, words: Words<T>, names: &'static str) -> Result<T, WordError> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or(WordError(names))
}

fn word<T: PartialEq>(value: T, words: Words<T>) -> &'static str {
    words.iter().find(|(_, candidate)| *candidate == value).map_or("", |(word, _)| word)
}

const KINDS: Words<Kind> = &[
    ("ntp", Kind::Ntp),
    ("nts", Kind::Nts),
    ("taiclock", Kind::Taiclock),
    ("time", Kind::Time),
    ("phc", Kind::Phc),
    ("pps", Kind::Pps),
    ("shm", Kind::Shm),
    ("sock", Kind::Sock),
];
const SCALES: Words<Scale> = &[("tai", Scale::Tai), ("utc", Scale::Utc)];
const EDGES: Words<Edge> = &[("assert", Edge::Assert), ("clear", Edge::Clear)];
const TARGETS: Words<Target> = &[("kernel", Target::Kernel), ("user", Target::User)];
const LEVELS: Words<Level> = &[
    ("error", Level::Error),
    ("warn", Level::Warn),
    ("info", Level::Info),
    ("debug", Level::Debug),
    ("trace", Level::Trace),
];

const RHYTHMS: Words<Rhythm> = &[("adaptive", Rhythm::Adaptive), ("classic", Rhythm::Classic)];

const KERNELS: Words<KernelCount> = &[("utc", KernelCount::Utc), ("tai-10", KernelCount::TaiLessTen)];
const LABELS: Words<PeerCount> = &[("tai", PeerCount::Tai), ("utc", PeerCount::UtcPlusTen)];

impl Kind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        word(self, KINDS)
    }
}

impl Target {
    /// The word for it.
    pub fn name(self) -> &'static str {
        word(self, TARGETS)
    }
}

impl Level {
    /// The word for it.
    pub fn name(self) -> &'static str {
        word(self, LEVELS)
    }
}

impl Spelled for Kind {
    const KIND: &'static str =
        "one of \"ntp\", \"phc\", \"pps\", \"shm\", \"sock\", \"nts\", \"taiclock\", \"time\"";
    type Error = WordError;

    fn read(text: &str) -> Result<Self, WordError> {
        pick(text, KINDS, "ntp, phc, pps, shm, sock, nts, taiclock, time")
    }

    fn write(&self) -> String {
        self.name().to_owned()
    }
}

impl Spelled for Scale {
    const KIND: &'static str = "\"tai\" or \"utc\"";
    type Error = WordError;

    fn read(text: &str) -> Result<Self, WordError> {
        pick(text, SCALES, "tai, utc")
    }

    fn write(&self) -> String {
        word(*self, SCALES).to_owned()
    }
}

impl Spelled for Edge {
    const KIND: &'static str = "\"assert\" or \"clear\"";
    type Error = WordError;

    fn read(text: &str) -> Result<Self, WordError> {
        pick(text, EDGES, "assert, clear")
    }

    fn write(&self) -> String {
        word(*self, EDGES).to_owned()
    }
}

impl Spelled for Target {
    const KIND: &'static str = "\"kernel\" or \"user\"";
    type Error = WordError;

    fn read(text: &str) -> Result<Self, WordError> {
        pick(text, TARGETS, "kernel, user")
    }

    fn write(&self) -> String {
        self.name().to_owned()
    }
}

impl Spelled for Rhythm {
    const KIND: &'static str = "\"adaptive\" or \"classic\"";
    type Error = WordError;

    fn read(text: &str) -> Result<Self, WordError> {
        pick(text, RHYTHMS, "adaptive, classic")
    }

    fn write(&self) -> String {
        word(*self, RHYTHMS).to_owned()
    }
}

impl Spelled for KernelCount {
    const KIND: &'static str = "\"utc\" or \"tai-10\"";
    type Error = WordError;

    fn read(text: &str) -> Result<Self, WordError> {
        pick(text, KERNELS, "utc, tai-10")
    }

    fn write(&self) -> String {
        word(*self, KERNELS).to_owned()
    }
}

impl Spelled for PeerCount {
    const KIND: &'static str = "\"tai\" or \"utc\"";
    type Error = WordError;

    fn read(text: &str) -> Result<Self, WordError> {
        pick(text, LABELS, "tai, utc")
    }

    fn write(&self) -> String {
        word(*self, LABELS).to_owned()
    }
}

impl Spelled for Level {
    const KIND: &'static str = "one of \"error\", \"warn\", \"info\", \"debug\", \"trace\"";
    type Error = WordError;

    fn read(text: &str) -> Result<Self, WordError> {
        pick(text, LEVELS, "error, warn, info, debug, trace")
    }

    fn write(&self) -> String {
        self.name().to_owned()
    }
}

/// The name of a user account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account(String);

/// The longest name that useradd(8) takes.
const ACCOUNT_LENGTH_MAX: usize = 32;

impl Account {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text names no account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no account name: 1 to 32 letters, digits, `_`, `-` or `.`, not beginning with a digit, `-` or `.`"
)]
pub struct AccountError;

impl Spelled for Account {
    const KIND: &'static str = "an account such as \"truechimer\"";
    type Error = AccountError;

    fn read(text: &str) -> Result<Self, AccountError> {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        let rest = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        match first && rest && text.len() <= ACCOUNT_LENGTH_MAX {
            true => Ok(Self(text.to_owned())),
            false => Err(AccountError),
        }
    }

    fn write(&self) -> String {
        self.0.clone()
    }
}

impl Spelled for Interface {
    const KIND: &'static str = "an interface such as \"eth1\"";
    type Error = InterfaceError;

    fn read(text: &str) -> Result<Self, InterfaceError> {
        text.parse()
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

/// What a host calls itself (`uname -n`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(String);

/// The longest name that Linux lets a host have (HOST_NAME_MAX).
const HOST_LENGTH_MAX: usize = 64;

impl Host {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Is it the one with this name?
    pub fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no name of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no name of a host: 1 to {HOST_LENGTH_MAX} letters, digits, `-`, `_` or `.`")]
pub struct HostError;

impl Spelled for Host {
    const KIND: &'static str = "a host as `uname -n` names it, such as \"clock1\"";
    type Error = HostError;

    fn read(text: &str) -> Result<Self, HostError> {
        let is_plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        match is_plain && (1..=HOST_LENGTH_MAX).contains(&text.len()) {
            true => Ok(Self(text.to_owned())),
            false => Err(HostError),
        }
    }

    fn write(&self) -> String {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back() {
        for (_, kind) in KINDS {
            assert_eq!(Kind::read(&kind.write()), Ok(*kind));
        }
        for scale in [Scale::Tai, Scale::Utc] {
            assert_eq!(Scale::read(&scale.write()), Ok(scale));
        }
        for edge in [Edge::Assert, Edge::Clear] {
            assert_eq!(Edge::read(&edge.write()), Ok(edge));
        }
        for target in [Target::Kernel, Target::User] {
            assert_eq!(Target::read(&target.write()), Ok(target));
        }
        for level in [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace] {
            assert_eq!(Level::read(&level.write()), Ok(level));
        }
        for kernel in [KernelCount::Utc, KernelCount::TaiLessTen] {
            assert_eq!(KernelCount::read(&kernel.write()), Ok(kernel));
        }
        for labels in [PeerCount::Tai, PeerCount::UtcPlusTen] {
            assert_eq!(PeerCount::read(&labels.write()), Ok(labels));
        }
        for rhythm in [Rhythm::Adaptive, Rhythm::Classic] {
            assert_eq!(Rhythm::read(&rhythm.write()), Ok(rhythm));
        }
        assert!(Kind::read("NTP").is_err() && Target::read("").is_err() && Level::read("loud").is_err());
    }

    #[test]
    fn a_host_is_what_it_calls_itself() {
        assert!(Host::read("Clock1").is_ok_and(|host| host.is("clock1") && !host.is("clock")));
        for text in ["", "a b", "a/b", &"a".repeat(65)] {
            assert!(Host::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_account_cannot_be_a_number_or_an_option() {
        for text in ["truechimer", "_ntp", "a.b-c"] {
            assert_eq!(Account::read(text).map(|account| account.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "0", "-x", "a b", "ä", "a:b", &"a".repeat(33)] {
            assert!(Account::read(text).is_err(), "{text}");
        }
    }
}
