//! What the readers of leap second files have in common: limits, lines, and errors that name them.

use core::fmt;

use super::LeapError;
use crate::civil::CivilError;
use crate::tai64::LabelError;

/// The longest leap second file that is read. Today's have about 5,000 bytes.
pub const FILE_BYTES_MAX: usize = 65_536;

/// Why a leap second file is refused, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeapFileError {
    /// The line, counted from 1; the last one for what is missing at the end. In `leapsecs.dat`, the label.
    pub line: usize,
    /// What is wrong there.
    pub fault: LeapFault,
}

impl fmt::Display for LeapFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.fault)
    }
}

impl core::error::Error for LeapFileError {}

/// What can be wrong with a line of a leap second file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeapFault {
    /// The file goes on beyond [`FILE_BYTES_MAX`] bytes.
    FileTooLong,
    /// Not what a line of this file may look like.
    Malformed,
    /// A number was expected, and there is none, or one of more than 64 bits.
    NotANumber,
    /// A value that the file gave already.
    SaidTwice,
    /// The list has to begin with 1972-01-01 and 10 s.
    WrongStart,
    /// TAI - UTC changes by something else than one second.
    NotOneSecond {
        /// TAI - UTC before, in seconds.
        from: i32,
        /// TAI - UTC after, in seconds.
        to: u64,
    },
    /// The leap does not fit into a table.
    Leap(LeapError),
    /// The date or the time of day cannot be that of a leap second.
    Date(CivilError),
    /// Neither 23:59:60 inserted nor 23:59:59 left out.
    NotALeapSecond,
    /// Not a TAI64 label.
    Label(LabelError),
    /// The file ends without a leap second.
    NoLeaps,
    /// The file ends without its hash: it was cut off.
    NoHash,
    /// The hash has not five words of up to eight hexadecimal digits.
    HashMalformed,
    /// The hash is not that of the data.
    HashWrong,
}

impl fmt::Display for LeapFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileTooLong => write!(f, "the file is longer than {FILE_BYTES_MAX} bytes"),
            Self::Malformed => f.write_str("not a line that this file may have"),
            Self::NotANumber => f.write_str("not a number where one has to be"),
            Self::SaidTwice => f.write_str("said for the second time"),
            Self::WrongStart => f.write_str("the list has to begin with 2272060800 (1972-01-01) and 10 s"),
            Self::NotOneSecond { from, to } => {
                write!(f, "TAI - UTC changes from {from} s to {to} s, which is not by one second")
            }
            Self::Leap(error) => error.fmt(f),
            Self::Date(error) => error.fmt(f),
            Self::NotALeapSecond => f.write_str("neither 23:59:60 inserted (+) nor 23:59:59 left out (-)"),
            Self::Label(error) => error.fmt(f),
            Self::NoLeaps => f.write_str("the file ends without a leap second"),
            Self::NoHash => f.write_str("the file ends without its hash (#h)"),
            Self::HashMalformed => f.write_str("the hash has not five words of hexadecimal digits"),
            Self::HashWrong => f.write_str("the hash is not that of the data"),
        }
    }
}

/// Hands on each line, without the white space around it, and returns how many there were. What follows the last
/// line feed is a line if there is anything.
pub(super) fn read_lines(
    text: &[u8],
    mut read: impl FnMut(&[u8]) -> Result<(), LeapFault>,
) -> Result<usize, LeapFileError> {
    if let Some(within) = text.get(..FILE_BYTES_MAX).filter(|within| within.len() < text.len()) {
        let line = within.iter().filter(|byte| **byte == b'\n').count() + 1;
        return Err(LeapFileError { line, fault: LeapFault::FileTooLong });
    }
    let mut count = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        count += 1;
        read(line.trim_ascii()).map_err(|fault| LeapFileError { line: count, fault })?;
    }
    Ok(count)
}

/// The words of a line.
pub(super) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// A number of decimal digits and nothing else.
pub(super) fn number(word: Option<&[u8]>) -> Result<u64, LeapFault> {
    let word = word.filter(|word| !word.is_empty()).ok_or(LeapFault::NotANumber)?;
    word.iter()
        .try_fold(0u64, |number, byte| {
            let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
            number.checked_mul(10)?.checked_add(digit)
        })
        .ok_or(LeapFault::NotANumber)
}

/// Fills in a value that may be said once.
pub(super) fn say_once<T>(place: &mut Option<T>, value: T) -> Result<(), LeapFault> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(LeapFault::SaidTwice),
    }
}
