//! `leap-seconds.list`, as IERS and NIST publish it.
//!
//! ```text
//! #$  3992312697                  last change    } seconds since 1900-01-01 UTC, in decimal
//! #@  4023129600                  expiry         }
//! 2272060800  10  # 1 Jan 1972    from then on, TAI - UTC
//! 2287785600  11  # 1 Jul 1972
//! #h  a9bad145 84c31c70 ...       SHA-1 of all these digits, in order, without anything between
//! ```

use super::file::{LeapFault, LeapFileError, number, read_lines, say_once, words};
use super::sha1::{Digest, Sha1};
use super::{LeapKind, LeapTable, OFFSET_AT_START, UTC_START, utc_of_ntp};
use crate::scale::{Time, Utc};
use crate::span::Span;

pub(super) fn parse(text: &[u8]) -> Result<LeapTable, LeapFileError> {
    let mut reader = Reader { table: LeapTable::NONE, started: false, digits: Sha1::new(), hash: None };
    let line = read_lines(text, |line| reader.line(line))?;
    reader.finish().map_err(|fault| LeapFileError { line, fault })
}

struct Reader {
    table: LeapTable,
    /// Was the line of 1972-01-01 there? It is no leap.
    started: bool,
    /// All digits that the hash covers.
    digits: Sha1,
    hash: Option<Digest>,
}

impl Reader {
    fn line(&mut self, line: &[u8]) -> Result<(), LeapFault> {
        let mut words = words(line);
        match words.next() {
            None => Ok(()),
            Some(b"#$") => self.stamp(words.next()).and_then(|time| say_once(&mut self.table.updated, time)),
            Some(b"#@") => self.stamp(words.next()).and_then(|time| say_once(&mut self.table.expiry, time)),
            Some(b"#h") => say_once(&mut self.hash, digest(words)?),
            Some([b'#', ..]) => Ok(()),
            Some(first) => self.data(first, words),
        }
    }

    fn stamp(&mut self, word: Option<&[u8]>) -> Result<Time<Utc>, LeapFault> {
        let seconds = number(word)?;
        self.digits.update(word.unwrap_or_default());
        Ok(utc_of_ntp(seconds))
    }

    fn data<'a>(
        &mut self,
        first: &'a [u8],
        mut rest: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), LeapFault> {
        let midnight = self.stamp(Some(first))?;
        let second = rest.next();
        let offset = number(second)?;
        self.digits.update(second.unwrap_or_default());
        if rest.next().is_some_and(|word| !word.starts_with(b"#")) {
            return Err(LeapFault::Malformed);
        }
        match self.started {
            true => self.leap(midnight, offset),
            false => self.start(midnight, offset),
        }
    }

    fn start(&mut self, midnight: Time<Utc>, offset: u64) -> Result<(), LeapFault> {
        let start = Time::from_epoch(Span::from_secs(UTC_START));
        if midnight != start || offset != OFFSET_AT_START.unsigned_abs().into() {
            return Err(LeapFault::WrongStart);
        }
        self.started = true;
        Ok(())
    }

    fn leap(&mut self, midnight: Time<Utc>, to: u64) -> Result<(), LeapFault> {
        let from = self.table.offset_last();
        let kind = match i128::from(to) - i128::from(from) {
            1 => LeapKind::Inserted,
            -1 => LeapKind::Deleted,
            _ => return Err(LeapFault::NotOneSecond { from, to }),
        };
        self.table.push(midnight, kind).map_err(LeapFault::Leap)
    }

    fn finish(self) -> Result<LeapTable, LeapFault> {
        let hash = self.hash.ok_or(LeapFault::NoHash)?;
        if hash != self.digits.finish() {
            return Err(LeapFault::HashWrong);
        }
        // The hash of a list without data can be right, too.
        if !self.started {
            return Err(LeapFault::WrongStart);
        }
        Ok(self.table)
    }
}

/// Five words, of which the zeros at the left may have been lost.
fn digest<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Result<Digest, LeapFault> {
    let mut digest = [0; 5];
    for part in &mut digest {
        *part = words.next().and_then(hexadecimal).ok_or(LeapFault::HashMalformed)?;
    }
    match words.next() {
        None => Ok(digest),
        Some(_) => Err(LeapFault::HashMalformed),
    }
}

fn hexadecimal(word: &[u8]) -> Option<u32> {
    if word.is_empty() || word.len() > 8 {
        return None;
    }
    word.iter().try_fold(0, |value, byte| Some(value << 4 | char::from(*byte).to_digit(16)?))
}
