//! Calendar dates and times of day of UTC, both ways, for people and for files that people read.
//!
//! The calendar is the Gregorian one, extended to all years before and after. Time zones never occur here, only
//! offsets that are written in full.

use core::fmt;
use core::str::FromStr;

use crate::leap::{LeapTable, UtcReading};
use crate::scale::{Tai, Time, Utc};
use crate::span::{ATTOS_PER_SECOND, Span, shorten, trim};

pub(crate) const DAY: i64 = 86_400;

/// A date and time of day of UTC.
///
/// The fields are anyone's to fill; whatever is no time that UTC can have is found when it is turned into one.
///
/// ```
/// use truechimer_time::{Civil, Span, Time, Utc};
/// let billion = Civil::of(Time::from_epoch(Span::from_secs(1_000_000_000)));
/// assert_eq!(billion.to_string(), "2001-09-09T01:46:40Z");
/// assert_eq!("2001-09-09T03:46:40.000+02:00".parse(), Ok(billion));
/// assert_eq!(billion.time(), Ok(Time::<Utc>::from_epoch(Span::from_secs(1_000_000_000))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Civil {
    /// Astronomical count: year 0 is 1 BC, which was a leap year.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59; 60 in an inserted leap second.
    pub second: u8,
    /// The fraction of the second, 0 to 10¹⁸ - 1.
    pub attos: u64,
}

impl Civil {
    /// The date of an instant as POSIX counts it, so never in a leap second.
    pub fn of(time: Time<Utc>) -> Self {
        let (seconds, attos) = time.since_epoch().split();
        let (days, second) = (seconds.div_euclid(DAY.into()), seconds.rem_euclid(DAY.into()));
        // A span holds less than 2 × 10¹⁵ days.
        let (year, month, day) = date_of(days as i64);
        let clock = |unit: i128, base: i128| (second / unit % base) as u8;
        Self { year, month, day, hour: clock(3600, 24), minute: clock(60, 60), second: clock(1, 60), attos }
    }

    /// The date that a reading shows: 23:59:60 in an inserted second.
    pub fn of_reading(reading: UtcReading) -> Self {
        match reading.leap_second {
            true => Self { second: 60, ..Self::of(reading.time - Span::from_secs(1)) },
            false => Self::of(reading.time),
        }
    }

    /// Is it within an inserted second?
    pub const fn is_leap_second(self) -> bool {
        self.second == 60
    }

    /// The instant as POSIX counts it; a second 60 has the count of the one after it.
    ///
    /// Fails for what UTC can never have. Whether a leap second really was at the end of that month is not asked
    /// here but by [`tai`](Self::tai).
    pub fn time(self) -> Result<Time<Utc>, CivilError> {
        self.check()?;
        let days = days_before(self.year, self.month) + i128::from(self.day) - 1;
        let seconds = days * i128::from(DAY) + i128::from(self.second_of_day());
        instant(seconds, self.attos).ok_or(CivilError::TooFar)
    }

    /// The instant on the scale that counts every second. Fails also for a second 60 that the table does not have,
    /// and for the second 59 that it took away.
    pub fn tai(self, leaps: &LeapTable) -> Result<Time<Tai>, CivilError> {
        let time = self.time()?;
        match self.is_leap_second() {
            true => leaps.tai_of_leap_second(time).ok_or(CivilError::NoSuchLeapSecond),
            false if leaps.left_out(time) => Err(CivilError::SecondDeleted),
            false => Ok(leaps.tai_of_utc(time)),
        }
    }

    fn check(self) -> Result<(), CivilError> {
        if !(1..=12).contains(&self.month) || !(1..=month_length(self.year, self.month)).contains(&self.day) {
            return Err(CivilError::NoSuchDay);
        }
        let attos_max = ATTOS_PER_SECOND as u64 - 1;
        if self.hour > 23 || self.minute > 59 || self.second > 60 || self.attos > attos_max {
            return Err(CivilError::NoSuchTimeOfDay);
        }
        if self.is_leap_second() && !self.ends_month() {
            return Err(CivilError::NoSuchLeapSecond);
        }
        Ok(())
    }

    fn ends_month(self) -> bool {
        (self.hour, self.minute) == (23, 59) && self.day == month_length(self.year, self.month)
    }

    fn second_of_day(self) -> u32 {
        u32::from(self.hour) * 3600 + u32::from(self.minute) * 60 + u32::from(self.second)
    }
}

/// The instant so many seconds and attoseconds after the origin, if it can be held.
fn instant(seconds: i128, attos: u64) -> Option<Time<Utc>> {
    if let Ok(seconds) = i64::try_from(seconds) {
        return Some(Time::from_epoch(Span::from_secs(seconds) + Span::from_attos(attos.into())));
    }
    // A negative time is counted from the second above it, which can be held where the one below cannot.
    let (seconds, attos) = match seconds {
        ..0 => (seconds + 1, i128::from(attos) - ATTOS_PER_SECOND),
        0.. => (seconds, i128::from(attos)),
    };
    let exact = seconds.checked_mul(ATTOS_PER_SECOND)?.checked_add(attos)?;
    let span = Span::from_attos(exact);
    (span.as_attos() == exact).then_some(Time::from_epoch(span))
}

/// The seconds from 1970-01-01 to the beginning of a month, for tables that are written by hand: years of four
/// digits.
pub(crate) const fn month_begins(year: i64, month: u8) -> i64 {
    days_before(year, month) as i64 * DAY
}

/// Days from 1970-01-01 to the first of a month. No year overflows.
const fn days_before(year: i64, month: u8) -> i128 {
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    // Years that begin in March have their leap day at the end, and months of 31 30 31 30 31 days in every five.
    let (year, month) = match month {
        1 | 2 => (year - 1, month as i64 + 9),
        _ => (year, month as i64 - 3),
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let rest = year * 365 + leap_days + (153 * month + 2) / 5 - MARCH_0_TO_EPOCH;
    era as i128 * DAYS_OF_400_YEARS as i128 + rest as i128
}

/// Days from the first of March of year 0 to 1970-01-01.
const MARCH_0_TO_EPOCH: i64 = 719_468;
const DAYS_OF_400_YEARS: i64 = 146_097;
const DAYS_OF_100_YEARS: i64 = 36_524;
const DAYS_OF_4_YEARS: i64 = 1461;

/// Year, month and day, so many days after 1970-01-01.
const fn date_of(days: i64) -> (i64, u8, u8) {
    let days = days + MARCH_0_TO_EPOCH;
    let (era, rest) = (days.div_euclid(DAYS_OF_400_YEARS), days.rem_euclid(DAYS_OF_400_YEARS));
    // The last century of an era and the last year of four have one day more: the leap day that ends them.
    let century = min(rest / DAYS_OF_100_YEARS, 3);
    let rest = rest - century * DAYS_OF_100_YEARS;
    let (four, rest) = (rest / DAYS_OF_4_YEARS, rest % DAYS_OF_4_YEARS);
    let one = min(rest / 365, 3);
    let rest = rest - one * 365;
    let month = (5 * rest + 2) / 153;
    let day = rest - (153 * month + 2) / 5 + 1;
    let year = era * 400 + century * 100 + four * 4 + one;
    match month {
        10.. => (year + 1, month as u8 - 9, day as u8),
        _ => (year, month as u8 + 3, day as u8),
    }
}

const fn min(a: i64, b: i64) -> i64 {
    if a < b { a } else { b }
}

const fn month_length(year: i64, month: u8) -> u8 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl fmt::Display for Civil {
    /// RFC 3339 in UTC: `2016-12-31T23:59:60.5Z`, with all digits of the fraction that matter; a precision asks for
    /// so many digits instead, cut and not rounded. Years outside of 0 to 9999 have a sign and as many digits as
    /// they need (ISO 8601, expanded form): `+12026-01-01T00:00:00Z`, `-0043-03-15T12:00:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.year {
            0..=9999 => write!(f, "{:04}", self.year)?,
            _ => write!(f, "{:+05}", self.year)?,
        }
        write!(f, "-{:02}-{:02}T", self.month, self.day)?;
        write!(f, "{:02}:{:02}:{:02}", self.hour, self.minute, self.second)?;
        let (digits, fraction) = match f.precision() {
            Some(wanted) => shorten(self.attos.into(), wanted.min(18)),
            None => trim(self.attos.into()),
        };
        match digits {
            0 => f.write_str("Z"),
            _ => write!(f, ".{fraction:0digits$}Z"),
        }
    }
}

impl FromStr for Civil {
    type Err = CivilError;

    /// Reads RFC 3339, with `Z` or an offset, and what `Display` writes. A space may stand for the `T`, and small
    /// letters for large. The result is in UTC.
    fn from_str(text: &str) -> Result<Self, CivilError> {
        let mut rest = Text(text.as_bytes());
        let local = rest.date_and_time().ok_or(CivilError::NotATimestamp)?;
        let local = Self { attos: rest.fraction()?, ..local };
        let offset = rest.offset().ok_or(CivilError::NotATimestamp)?;
        match rest.0 {
            [] => local.shifted(offset),
            [..] => Err(CivilError::NotATimestamp),
        }
    }
}

impl Civil {
    /// The same instant in UTC, if these are the date and time at a place that is so far ahead of it. A second 60
    /// stays one, because it is one everywhere.
    fn shifted(self, ahead: Span) -> Result<Self, CivilError> {
        let ordinary = Self { second: self.second.min(59), ..self }.time()?;
        let utc = Self::of(ordinary - ahead);
        let shifted = if self.second > 59 { Self { second: self.second, ..utc } } else { utc };
        // Also where the shift saturated.
        if ordinary - ahead + ahead != ordinary {
            return Err(CivilError::TooFar);
        }
        shifted.time().and(Ok(shifted))
    }
}

/// What is left of a text to be read.
struct Text<'a>(&'a [u8]);

impl Text<'_> {
    fn date_and_time(&mut self) -> Option<Civil> {
        let year = self.year()?;
        let month = self.after(b"-")?;
        let day = self.after(b"-")?;
        let hour = self.after(b"Tt ")?;
        let minute = self.after(b":")?;
        let second = self.after(b":")?;
        Some(Civil { year, month, day, hour, minute, second, attos: 0 })
    }

    /// Four digits, or a sign and four or more, as many as the years of all spans need.
    fn year(&mut self) -> Option<i64> {
        let Some(sign) = self.one_of(b"+-") else {
            return self.digits(4);
        };
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let year = if (4..=18).contains(&length) { self.digits(length)? } else { return None };
        Some(if sign == b'-' { -year } else { year })
    }

    /// A point and 1 to 18 digits, in attoseconds, or nothing.
    fn fraction(&mut self) -> Result<u64, CivilError> {
        if self.one_of(b".").is_none() {
            return Ok(0);
        }
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length > 18 {
            return Err(CivilError::TooFine);
        }
        let digits = self.digits(length).filter(|_| length > 0).ok_or(CivilError::NotATimestamp)?;
        Ok(digits.unsigned_abs() * 10u64.pow(18 - length as u32))
    }

    /// `Z`, or how far the local time is ahead of UTC.
    fn offset(&mut self) -> Option<Span> {
        let sign = self.one_of(b"Zz+-")?;
        if sign.eq_ignore_ascii_case(&b'Z') {
            return Some(Span::ZERO);
        }
        let hours = self.digits(2).filter(|hours| *hours < 24)?;
        let minutes = self.one_of(b":").and_then(|_| self.digits(2)).filter(|minutes| *minutes < 60)?;
        let ahead = Span::from_secs(hours * 3600 + minutes * 60);
        Some(if sign == b'-' { -ahead } else { ahead })
    }

    /// Two digits after a separator.
    fn after(&mut self, separators: &[u8]) -> Option<u8> {
        self.one_of(separators)?;
        self.digits(2).map(|number| number as u8)
    }

    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first().filter(|(first, _)| bytes.contains(first))?;
        self.0 = rest;
        Some(*first)
    }

    /// So many digits, at most 18.
    fn digits(&mut self, length: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(length)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.0 = rest;
        Some(digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
    }
}

/// Why something is not a date and time of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CivilError {
    /// Not of the form `YYYY-MM-DDTHH:MM:SS[.fraction](Z|+HH:MM|-HH:MM)`.
    NotATimestamp,
    /// More than 18 digits after the point.
    TooFine,
    /// A month that is not 1 to 12, or a day that this month has not.
    NoSuchDay,
    /// An hour, minute or second that no day has.
    NoSuchTimeOfDay,
    /// A second 60 where none can be, or none was.
    NoSuchLeapSecond,
    /// The second 23:59:59 that a negative leap second left out.
    SecondDeleted,
    /// Beyond the ± 5.4 × 10¹² years that can be held.
    TooFar,
}

impl fmt::Display for CivilError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotATimestamp => "not of the form 2016-12-31T23:59:59.5Z or 2017-01-01T00:59:59.5+01:00",
            Self::TooFine => "more than 18 digits after the point",
            Self::NoSuchDay => "no such day in the calendar",
            Self::NoSuchTimeOfDay => "no such time of day",
            Self::NoSuchLeapSecond => "no leap second then",
            Self::SecondDeleted => "this second was left out by a negative leap second",
            Self::TooFar => "too far away to be held",
        })
    }
}

impl core::error::Error for CivilError {}

#[cfg(test)]
mod tests;
