//! `leapseconds`, the input of tzdata's zone compiler (zic(8)).
//!
//! ```text
//! Leap  2016  Dec  31  23:59:60  +  S
//! #updated 1783323897 (2026-07-06 07:44:57 UTC)
//! #expires 1814140800 (2027-06-28 00:00:00 UTC)
//! ```

use super::file::{LeapFault, LeapFileError, number, read_lines, say_once, words};
use super::{LeapKind, LeapTable, SECOND};
use crate::civil::Civil;
use crate::scale::{Time, Utc};
use crate::span::{ATTOS_PER_SECOND, Span};

pub(super) fn parse(text: &[u8]) -> Result<LeapTable, LeapFileError> {
    let mut table = LeapTable::NONE;
    let line = read_lines(text, |line| read(&mut table, line))?;
    match table.leaps() {
        [] => Err(LeapFileError { line, fault: LeapFault::NoLeaps }),
        [..] => Ok(table),
    }
}

fn read(table: &mut LeapTable, line: &[u8]) -> Result<(), LeapFault> {
    let mut words = words(line);
    match words.next() {
        None => Ok(()),
        Some(b"#updated") => stamp(words.next()).and_then(|time| say_once(&mut table.updated, time)),
        Some(b"#expires") => stamp(words.next()).and_then(|time| say_once(&mut table.expiry, time)),
        Some([b'#', ..]) => Ok(()),
        Some(b"Leap") => leap(table, words),
        Some(b"Expires") => Ok(()),
        Some(_) => Err(LeapFault::Malformed),
    }
}

fn stamp(word: Option<&[u8]>) -> Result<Time<Utc>, LeapFault> {
    number(word).map(|seconds| Time::from_epoch(Span::from_attos(i128::from(seconds) * ATTOS_PER_SECOND)))
}

fn leap<'a>(table: &mut LeapTable, mut words: impl Iterator<Item = &'a [u8]>) -> Result<(), LeapFault> {
    let date = date(&mut words)?;
    let (time, correction) = (words.next(), words.next());
    if !matches!(words.next(), Some(b"S" | b"R")) || words.next().is_some_and(|word| !word.starts_with(b"#"))
    {
        return Err(LeapFault::Malformed);
    }
    let (second, kind, to_midnight) = match (time, correction) {
        (Some(b"23:59:60"), Some(b"+")) => (60, LeapKind::Inserted, Span::ZERO),
        (Some(b"23:59:59"), Some(b"-")) => (59, LeapKind::Deleted, SECOND),
        (_, _) => return Err(LeapFault::NotALeapSecond),
    };
    // A second 60 has the count of the midnight after it.
    let midnight = Civil { second, ..date }.time().map_err(LeapFault::Date)? + to_midnight;
    table.push(midnight, kind).map_err(LeapFault::Leap)
}

/// Year, month and day, at 23:59.
fn date<'a>(words: &mut impl Iterator<Item = &'a [u8]>) -> Result<Civil, LeapFault> {
    let year = i64::try_from(number(words.next())?).map_err(|_| LeapFault::NotANumber)?;
    let month = words.next().and_then(month).ok_or(LeapFault::Malformed)?;
    let day = u8::try_from(number(words.next())?).map_err(|_| LeapFault::NotANumber)?;
    Ok(Civil { year, month, day, hour: 23, minute: 59, second: 0, attos: 0 })
}

const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

fn month(name: &[u8]) -> Option<u8> {
    (1..).zip(MONTHS).find(|(_, month)| *month == name).map(|(number, _)| number)
}
