//! The adjustment record: *right time minus local clock*, as `sntpclock` writes it and `clockadd`, `clockview` and
//! `clockspeed` read it.
//!
//! ```text
//!      0               8       12      16
//!     ┌───────────────┬───────┬───────┐
//!     │ seconds       │ nanos │ attos │  big-endian, a difference of two labels
//!     └───────────────┴───────┴───────┘
//!                      s6: 12   clockspeed: 16 bytes
//! ```
//!
//! The seconds count modulo 2⁶⁴. clockspeed's own readers look at the low 32 bits alone, as a signed number, and so do
//! those who ask for [`Difference::span_classic`]; the programs of s6 look at all 64 ([`Difference::span`]).

use alloc::vec::Vec;
use core::fmt;

use truechimer_time::Span;
use truechimer_time::tai64::{Difference, LabelError};

/// The most bytes that a record has.
pub const RECORD_BYTES_MAX: usize = 16;

/// How a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// 16 bytes, to the attosecond: clockspeed.
    Classic,
    /// 12 bytes, to the nanosecond: s6-networking.
    S6,
}

impl Form {
    /// The bytes that say this span, cut off towards minus infinity where the form is too coarse. `None` beyond
    /// ± 2⁶³ seconds.
    ///
    /// ```
    /// use truechimer_core::classic::record::Form;
    /// use truechimer_time::Span;
    /// let bytes = Form::S6.write(Span::from_millis(-250)).unwrap();
    /// assert_eq!(bytes, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x2c, 0xb4, 0x17, 0x80]);
    /// ```
    pub fn write(self, adjustment: Span) -> Option<Vec<u8>> {
        match self {
            Self::Classic => Difference::<16>::of(adjustment).map(|record| record.to_bytes().to_vec()),
            Self::S6 => Difference::<12>::of(adjustment).map(|record| record.to_bytes().to_vec()),
        }
    }
}

/// Reads a record of either form, told apart by its length.
pub fn read(bytes: &[u8]) -> Result<Difference<16>, RecordError> {
    let mut all = [0; RECORD_BYTES_MAX];
    match bytes.len() {
        len @ (12 | 16) => all[..len].copy_from_slice(bytes),
        bytes => return Err(RecordError::Length { bytes }),
    }
    Difference::from_bytes(all).map_err(RecordError::Fraction)
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// Neither 12 nor 16 bytes.
    Length {
        /// How many there are.
        bytes: usize,
    },
    /// A fraction is a whole unit or more.
    Fraction(LabelError),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { bytes } => write!(f, "{bytes} bytes, where a record has 12 or 16"),
            Self::Fraction(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for RecordError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_record_comes_back(seconds in any::<i64>(), attos in 0..1_000_000_000_000_000_000i128) {
            let span = Span::from_secs(seconds) + Span::from_attos(attos);
            let long = Form::Classic.write(span).unwrap();
            prop_assert_eq!(read(&long).map(Difference::span), Ok(span));
            let short = Form::S6.write(span).unwrap();
            prop_assert_eq!(&short[..], &long[..12]);
            prop_assert_eq!(read(&short).map(Difference::span), Ok(span - Span::from_attos(attos % 1_000_000_000)));
        }

        #[test]
        fn any_bytes_are_a_record_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            match read(&bytes) {
                Ok(record) => prop_assert_eq!(&record.to_bytes()[..bytes.len()], &bytes[..]),
                Err(RecordError::Length { bytes: len }) => prop_assert!(len == bytes.len() && len != 12 && len != 16),
                Err(RecordError::Fraction(_)) => prop_assert!(matches!(bytes.len(), 12 | 16)),
            }
        }
    }

    #[test]
    fn the_published_records_are_written() {
        let write = |millis| Form::Classic.write(Span::from_millis(millis)).unwrap();
        assert_eq!(write(500), [vec![0; 8], vec![0x1d, 0xcd, 0x65, 0, 0, 0, 0, 0]].concat());
        assert_eq!(write(-250), [vec![0xff; 8], vec![0x2c, 0xb4, 0x17, 0x80, 0, 0, 0, 0]].concat());
        assert_eq!(write(-5000), [vec![0xff; 7], vec![0xfb], vec![0; 8]].concat());
    }

    #[test]
    fn a_record_is_read_whole_or_not_at_all() {
        for len in (0..=32).filter(|len| !matches!(len, 12 | 16)) {
            assert_eq!(read(&vec![0; len]), Err(RecordError::Length { bytes: len }));
        }
        assert_eq!(read(&[0; 12]).map(Difference::span), Ok(Span::ZERO));
    }

    #[test]
    fn the_classic_reader_looks_at_32_bits() {
        let record = read(&[0, 0, 0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
        assert_eq!(record.span_classic(), Span::from_secs(-(1 << 31)));
        assert_eq!(record.span(), Span::from_secs((1 << 32) + (1 << 31)));
    }
}
