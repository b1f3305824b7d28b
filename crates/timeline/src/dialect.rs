//! How programs write down when something happened.
//!
//! A line is read by the dialect that read the line before it, and by all others only if that one finds no stamp. A line
//! without a stamp belongs to the one before it.

mod access;
mod bsd;
mod date;
mod json;
mod kernel;
mod klog;
mod label;
mod own;
mod plain;
mod syslog;

use std::sync::Arc;

use truechimer_time::{Mono, Span, Time};

pub use own::{Own, OwnError};

use self::date::Second;
use crate::stamp::Stamp;

/// How far into a line a stamp is looked for; and no host has a longer name.
const HEAD_MAX: usize = 512;

/// A way to write down when something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `<34>1 2026-11-23T08:31:23.5Z host app 12 - - text`: RFC 5424.
    Syslog,
    /// `Nov 23 08:31:23 host app[12]: text`: RFC 3164, no year and no zone.
    Bsd,
    /// `@400000006703c8ee0b1e2f14 text`: multilog, s6-log, tai64n; with a bound behind the label, `truechimer stamp`.
    Label,
    /// One JSON object a line: OpenTelemetry, `journalctl -o json`, and what loggers write.
    Json,
    /// `[12345.678901] text`: the kernel's messages.
    Kernel,
    /// `1.2.3.4 - - [23/Nov/2026:08:31:23 +0100] "GET / ..`: what web servers write for each request.
    Access,
    /// `I1123 08:31:23.123456 12 file.go:12] text`: glog and klog, no year and no zone.
    Klog,
    /// A line that begins with a date as ISO 8601 has it, or with one as ctime(3) has it, perhaps in brackets.
    Plain,
}

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// By which dialect, if it is read from a line.
    pub dialect: Option<Dialect>,
    /// When.
    pub stamp: Stamp,
    /// Where, if the line tells.
    pub host: Option<Name<'a>>,
    /// The host's boot, if the line tells: 32 hexadecimal digits.
    pub boot: Option<BootId>,
    /// What the host's monotonic clock showed at the same time, to the microsecond, if the line tells.
    pub mono: Option<Time<Mono>>,
    /// What the host claims about its clock.
    pub claim: Option<Claim>,
}

/// The name of a host or a boot, as it stands in a line.
pub type Name<'a> = &'a [u8];

/// A boot of a host, as the kernel names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootId(u128);

impl BootId {
    /// From 32 hexadecimal digits, with hyphens between them or without.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut digits = 0;
        let number = text.iter().filter(|byte| **byte != b'-').try_fold(0u128, |number, byte| {
            digits += 1;
            Some(number << 4 | u128::from((*byte as char).to_digit(16)?))
        });
        number.filter(|_| digits == 32).map(Self)
    }
}

impl std::fmt::Display for BootId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What a host says of its own clock (RFC 5424, section 7.1: `timeQuality`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// It is synchronised to others.
    pub is_synced: bool,
    /// It is at most so wrong, if it says.
    pub accuracy: Option<Span>,
}

impl Dialect {
    /// All of them, those first whose lines no other could take for its own.
    pub const ALL: [Self; 8] = [
        Self::Label,
        Self::Syslog,
        Self::Json,
        Self::Klog,
        Self::Bsd,
        Self::Kernel,
        Self::Plain,
        Self::Access,
    ];

    /// What a line says by this dialect, if it is of it.
    pub fn read(self, line: &[u8]) -> Option<Found<'_>> {
        self.read_after(line, &mut Second::default())
    }

    /// The same, after a date that was read last.
    fn read_after<'a>(self, line: &'a [u8], last: &mut Second) -> Option<Found<'a>> {
        match self {
            Self::Syslog => syslog::read(line, last),
            Self::Bsd => bsd::read(line),
            Self::Label => label::read(line),
            Self::Json => json::read(line),
            Self::Kernel => kernel::read(line),
            Self::Access => access::read(line),
            Self::Klog => klog::read(line),
            Self::Plain => plain::read(line, last),
        }
    }

    /// A stamp alone.
    const fn found<'a>(self, stamp: Stamp) -> Found<'a> {
        Found { dialect: Some(self), stamp, host: None, boot: None, mono: None, claim: None }
    }
}

/// Reads the lines of one file.
#[derive(Clone, Debug, Default)]
pub struct Linguist {
    last: Option<Dialect>,
    second: Second,
    /// Patterns of the user's own, which count before all others.
    own: Arc<[Own]>,
}

impl Linguist {
    /// One who knows patterns of the user's own as well, and asks them first.
    pub fn with(own: Arc<[Own]>) -> Self {
        Self { own, ..Self::default() }
    }

    /// What the next line says, if it has a stamp that we can read.
    pub fn read<'a>(&mut self, line: &'a [u8]) -> Option<Found<'a>> {
        if let Some(found) = self.own.iter().find_map(|own| own.read(line)) {
            return Some(found);
        }
        if let Some(dialect) = self.last
            && let found @ Some(_) = dialect.read_after(line, &mut self.second)
        {
            return found;
        }
        let found = Dialect::ALL.into_iter().find_map(|dialect| dialect.read(line))?;
        self.last = found.dialect;
        Some(found)
    }
}

/// The beginning of a line, where stamps are.
fn head(line: &[u8]) -> &[u8] {
    &line[..line.len().min(HEAD_MAX)]
}

#[cfg(test)]
mod tests;
