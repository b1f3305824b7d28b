//! Leap seconds: how TAI and UTC are related, and the three file formats in which the world writes that down.
//!
//! A table is plain data: a list of midnights at which TAI - UTC changed by one second, and when the list was
//! updated and was said to expire. Nothing here refuses a table because it is old. Whether an expired table deserves
//! a notice is for the reader of [`LeapTable::expiry`].
//!
//! Before 1972, UTC had seconds of another length and steps of a tenth. That is not modelled: TAI - UTC is taken to
//! be 10 s at all times before the first leap.

use core::fmt;

use crate::civil::{Civil, DAY, month_begins};
use crate::ntp::ERA_0_TO_EPOCH;
use crate::scale::{Tai, Time, Utc};
use crate::span::Span;

mod dat;
mod file;
mod list;
mod sha1;
mod zic;

pub use dat::{DAT_BYTES_MAX, FromDat};
pub use file::{FILE_BYTES_MAX, LeapFault, LeapFileError};

/// How many leap seconds a table can hold: twice and more what there were.
pub const LEAPS_MAX: usize = 64;

/// TAI - UTC from 1972-01-01 until the first leap, in seconds.
pub const OFFSET_AT_START: i32 = 10;

/// When UTC as we know it began.
const UTC_START: i64 = month_begins(1972, 1);

/// All leap seconds that are known, or were to somebody.
///
/// ```
/// use truechimer_time::{Civil, LeapTable};
/// let leaps = LeapTable::COMPILED;
/// let inserted: Civil = "2016-12-31T23:59:60.5Z".parse().unwrap();
/// let tai = inserted.tai(&leaps).unwrap();
/// let reading = leaps.utc_of_tai(tai);
/// assert!(reading.leap_second);
/// assert_eq!(Civil::of_reading(reading), inserted);
/// assert_eq!(leaps.offset_at_utc(inserted.time().unwrap()), 37);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct LeapTable {
    /// The first `len` are real; the others are [`Leap::UNUSED`].
    leaps: [Leap; LEAPS_MAX],
    len: usize,
    updated: Option<Time<Utc>>,
    expiry: Option<Time<Utc>>,
}

impl LeapTable {
    /// No leap seconds: TAI - UTC is 10 s for ever.
    pub const NONE: Self = Self { leaps: [Leap::UNUSED; LEAPS_MAX], len: 0, updated: None, expiry: None };

    /// The 27 leap seconds from 1972 to 2016, as the list of 2026-07-06 has them, which names 2027-06-28 as its
    /// expiry.
    pub const COMPILED: Self = compiled();

    /// The leaps, oldest first.
    pub fn leaps(&self) -> &[Leap] {
        &self.leaps[..self.len]
    }

    /// When the list was last changed, if it says.
    pub const fn updated(&self) -> Option<Time<Utc>> {
        self.updated
    }

    /// Until when its makers promised that no leap is missing, if they did.
    pub const fn expiry(&self) -> Option<Time<Utc>> {
        self.expiry
    }

    /// Can it lack a leap second before this instant? Its makers promised that it does not up to its
    /// [expiry](Self::expiry), and who knows of a later leap second knows that there is no other in the month after that. A
    /// table without an expiry promises nothing that could be broken.
    pub fn has_expired(&self, at: Time<Tai>) -> bool {
        let known = self.leaps().last().map(|leap| leap.midnight() + SHORTEST_MONTH);
        self.expiry
            .is_some_and(|expiry| known.map_or(expiry, |known| known.max(expiry)) < self.utc_of_tai(at).time)
    }

    /// TAI - UTC in seconds at this count; where the count is that of an inserted second and of the one after it,
    /// the latter is meant. In a second that was left out, the offset before the leap.
    pub fn offset_at_utc(&self, utc: Time<Utc>) -> i32 {
        let last = self.leaps().iter().rev().find(|leap| leap.midnight() <= utc);
        last.map_or(OFFSET_AT_START, |leap| leap.offset)
    }

    /// The instant that has this count in UTC.
    ///
    /// An inserted second shares its count with the first second of the next day, which is what is meant here; see
    /// [`tai_of_leap_second`](Self::tai_of_leap_second). A second that was left out is counted on as if it had been
    /// there, as the clock counts that did not leave it out.
    pub fn tai_of_utc(&self, utc: Time<Utc>) -> Time<Tai> {
        tai_at(utc, self.offset_at_utc(utc))
    }

    /// The instant within an inserted second that has this count, if the count is that of one.
    pub fn tai_of_leap_second(&self, utc: Time<Utc>) -> Option<Time<Tai>> {
        let shared = |leap: &&Leap| leap.kind == LeapKind::Inserted && leap.midnight() <= utc;
        let leap = self.leaps().iter().rev().find(shared)?;
        (utc < leap.midnight() + SECOND).then(|| tai_at(utc, leap.offset_before()))
    }

    /// Is this the count of a second that was left out by a negative leap?
    pub fn left_out(&self, utc: Time<Utc>) -> bool {
        let is_in = |leap: &Leap| leap.midnight() - SECOND <= utc && utc < leap.midnight();
        self.leaps().iter().any(|leap| leap.kind == LeapKind::Deleted && is_in(leap))
    }

    /// What UTC shows at this instant.
    pub fn utc_of_tai(&self, tai: Time<Tai>) -> UtcReading {
        match self.next_leap_after(tai) {
            Some(leap) => UtcReading::at(tai, leap.offset_before(), leap.begins() <= tai),
            None => UtcReading::at(tai, self.offset_last(), false),
        }
    }

    /// The first leap that is not over at this instant: within an inserted second it is that one.
    pub fn next_leap_after(&self, tai: Time<Tai>) -> Option<Leap> {
        // After the last one there is nothing to search, and that is where clocks are.
        self.leaps().last().filter(|last| last.ends() > tai)?;
        let over = self.leaps().partition_point(|leap| leap.ends() <= tai);
        self.leaps().get(over).copied()
    }

    /// Is a leap so near, before or after, that a clock may be in doubt about it?
    pub fn is_near_leap(&self, utc: Time<Utc>, distance: Span) -> bool {
        self.leaps().iter().any(|leap| (leap.midnight() - utc).abs() <= distance)
    }

    /// Has this table all leaps that the other has? A newer table that has not has lost some.
    pub fn extends(&self, older: &Self) -> bool {
        self.leaps().starts_with(older.leaps())
    }

    /// Adds a leap learned after the table was made, by the midnight that ends its day. Fails if that is not the
    /// midnight at the end of a month after the last leap, or if the table is full.
    pub fn push(&mut self, midnight: Time<Utc>, kind: LeapKind) -> Result<(), LeapError> {
        let seconds = month_end(midnight).ok_or(LeapError::NotAtMonthEnd)?;
        if seconds <= self.leaps().last().map_or(UTC_START, |leap| leap.midnight) {
            return Err(LeapError::OutOfOrder);
        }
        let offset = self.offset_last() + kind.step();
        let slot = self.leaps.get_mut(self.len).ok_or(LeapError::TableFull)?;
        *slot = Leap { midnight: seconds, offset, kind };
        self.len += 1;
        Ok(())
    }

    /// Reads the `leap-seconds.list` of IERS and NIST; its hash must be there and be right.
    ///
    /// Neither comments nor the ends of lines (LF or CRLF) are covered by the hash, so they may be anything. Takes at
    /// most [`FILE_BYTES_MAX`] bytes. On an error the caller keeps the table that it has.
    pub fn from_list(text: &[u8]) -> Result<Self, LeapFileError> {
        list::parse(text)
    }

    /// Reads the `leapseconds` of tzdata: `Leap` lines and the comments `#updated` and `#expires`.
    ///
    /// There is no hash, so a file that was cut off between two lines passes: ask [`extends`](Self::extends).
    /// `Expires` lines are ignored, as zic does since 2026f. *Rolling* leaps (`R`) count like stationary ones, since
    /// in UTC the two are the same. Takes at most [`FILE_BYTES_MAX`] bytes.
    pub fn from_zic(text: &[u8]) -> Result<Self, LeapFileError> {
        zic::parse(text)
    }

    /// Reads a `leapsecs.dat` of libtai and clockspeed. An empty one is a table without leaps.
    ///
    /// What follows the last whole label is ignored, as the classic programs do, but counted.
    pub fn from_dat(bytes: &[u8]) -> Result<FromDat, LeapFileError> {
        dat::parse(bytes)
    }

    /// Writes a `leapsecs.dat` into the buffer and returns the part that was written: 216 bytes for 27 leaps. Fails
    /// if there is a negative leap, which that format cannot say.
    pub fn to_dat<'a>(&self, buffer: &'a mut [u8; DAT_BYTES_MAX]) -> Result<&'a [u8], LeapError> {
        dat::write(self, buffer)
    }

    fn offset_last(&self) -> i32 {
        self.leaps().last().map_or(OFFSET_AT_START, |leap| leap.offset)
    }
}

impl fmt::Debug for LeapTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeapTable")
            .field("leaps", &self.leaps())
            .field("updated", &self.updated)
            .field("expiry", &self.expiry)
            .finish()
    }
}

/// What UTC shows at one instant of TAI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UtcReading {
    /// The count of POSIX.
    pub time: Time<Utc>,
    /// Is it within an inserted second, 23:59:60? Then `time` will be repeated in the next.
    pub leap_second: bool,
    /// TAI - UTC in seconds; within an inserted second still the one before the leap.
    pub offset: i32,
}

impl UtcReading {
    /// The instant that was read. The leap second and the one after it are told apart.
    pub fn tai(self) -> Time<Tai> {
        tai_at(self.time, self.offset)
    }

    fn at(tai: Time<Tai>, offset: i32, leap_second: bool) -> Self {
        let time = Time::from_epoch(tai.since_epoch() - Span::from_secs(offset.into()));
        Self { time, leap_second, offset }
    }
}

/// One leap second.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Leap {
    /// The count of the midnight at which the offset changes.
    midnight: i64,
    /// TAI - UTC from then on.
    offset: i32,
    kind: LeapKind,
}

impl Leap {
    const UNUSED: Self = Self { midnight: i64::MAX, offset: 0, kind: LeapKind::Inserted };

    /// The midnight that ends the day with the leap. From then on the new offset holds.
    pub const fn midnight(self) -> Time<Utc> {
        Time::from_epoch(Span::from_secs(self.midnight))
    }

    /// TAI - UTC in seconds from that midnight on.
    pub const fn offset(self) -> i32 {
        self.offset
    }

    /// TAI - UTC in seconds until that midnight.
    pub const fn offset_before(self) -> i32 {
        self.offset - self.kind.step()
    }

    /// Was a second inserted or left out?
    pub const fn kind(self) -> LeapKind {
        self.kind
    }

    /// When the inserted second begins; for a second left out, the same as [`ends`](Self::ends).
    pub fn begins(self) -> Time<Tai> {
        match self.kind {
            LeapKind::Inserted => self.ends() - SECOND,
            LeapKind::Deleted => self.ends(),
        }
    }

    /// When the midnight after the leap is.
    pub fn ends(self) -> Time<Tai> {
        tai_at(self.midnight(), self.offset)
    }
}

impl fmt::Debug for Leap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} before {}, TAI - UTC = {} s", self.kind, Civil::of(self.midnight()), self.offset)
    }
}

/// The two kinds of leap seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeapKind {
    /// 23:59:60 was, or will be.
    Inserted,
    /// 23:59:59 was not, or will not be.
    Deleted,
}

impl LeapKind {
    const fn step(self) -> i32 {
        match self {
            Self::Inserted => 1,
            Self::Deleted => -1,
        }
    }
}

/// Why a leap does not go into a table, or a table not into a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeapError {
    /// Leaps are at the end of the last day of a month and nowhere else.
    NotAtMonthEnd,
    /// Not after 1972-01-01 and the leaps that are there already.
    OutOfOrder,
    /// There are [`LEAPS_MAX`] already.
    TableFull,
    /// `leapsecs.dat` has no way to say that a second was left out.
    DeletionUnsayable,
    /// Beyond the seconds that TAI64 has labels for.
    LabelUnsayable,
}

impl fmt::Display for LeapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAtMonthEnd => f.write_str("a leap that is not at midnight at the end of a month"),
            Self::OutOfOrder => f.write_str("a leap that is not after 1972-01-01 and the leaps before it"),
            Self::TableFull => write!(f, "more than {LEAPS_MAX} leaps"),
            Self::DeletionUnsayable => f.write_str("a negative leap second, which leapsecs.dat cannot say"),
            Self::LabelUnsayable => f.write_str("a leap second too far away for a TAI64 label"),
        }
    }
}

impl core::error::Error for LeapError {}

const SECOND: Span = Span::from_secs(1);

/// Leap seconds are at ends of months.
const SHORTEST_MONTH: Span = Span::from_secs(28 * 86_400);

fn tai_at(utc: Time<Utc>, offset: i32) -> Time<Tai> {
    Time::from_epoch(utc.since_epoch() + Span::from_secs(offset.into()))
}

/// The count of a midnight between two months.
fn month_end(time: Time<Utc>) -> Option<i64> {
    let seconds = i64::try_from(time.since_epoch().split().0).ok()?;
    let begins_month = Civil { day: 1, hour: 0, minute: 0, second: 0, attos: 0, ..Civil::of(time) };
    (Civil::of(time) == begins_month && seconds % DAY == 0).then_some(seconds)
}

/// The instant that has this NTP count, as leap second files say it: decimal, not bound to an era.
fn utc_of_ntp(seconds: u64) -> Time<Utc> {
    Time::from_epoch(Span::from_attos(i128::from(seconds) * crate::span::ATTOS_PER_SECOND))
        - Span::from_secs(ERA_0_TO_EPOCH)
}

/// The months that began one second later than they would have.
const LATE_MONTHS: [(i64, u8); 27] = [
    (1972, 7),
    (1973, 1),
    (1974, 1),
    (1975, 1),
    (1976, 1),
    (1977, 1),
    (1978, 1),
    (1979, 1),
    (1980, 1),
    (1981, 7),
    (1982, 7),
    (1983, 7),
    (1985, 7),
    (1988, 1),
    (1990, 1),
    (1991, 1),
    (1992, 7),
    (1993, 7),
    (1994, 7),
    (1996, 1),
    (1997, 7),
    (1999, 1),
    (2006, 1),
    (2009, 1),
    (2012, 7),
    (2015, 7),
    (2017, 1),
];
const COMPILED_UPDATED: i64 = 3_992_312_697 - ERA_0_TO_EPOCH;
const COMPILED_EXPIRY: i64 = 4_023_129_600 - ERA_0_TO_EPOCH;

const fn compiled() -> LeapTable {
    let mut table = LeapTable::NONE;
    let mut offset = OFFSET_AT_START;
    while table.len < LATE_MONTHS.len() {
        let (year, month) = LATE_MONTHS[table.len];
        offset += 1;
        table.leaps[table.len] =
            Leap { midnight: month_begins(year, month), offset, kind: LeapKind::Inserted };
        table.len += 1;
    }
    table.updated = Some(Time::from_epoch(Span::from_secs(COMPILED_UPDATED)));
    table.expiry = Some(Time::from_epoch(Span::from_secs(COMPILED_EXPIRY)));
    table
}

#[cfg(test)]
mod tests;
