//! The record on stdin.

use std::io::{self, Read};

use truechimer_core::classic::record::{self, RECORD_BYTES_MAX, RecordError};
use truechimer_time::Span;
use truechimer_time::tai64::Difference;

use super::messages::Fatal;

/// How the seconds of a record are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// By their low 32 bits, as clockspeed's programs do.
    Classic,
    /// By all 64, as those of s6 do.
    Whole,
}

/// Reads stdin to its end, which is to be one record of 12 or 16 bytes, in however many pieces it comes.
///
/// The words of the error are those of the original for anything else, also for nothing: then the program that was
/// to measure has failed, and has said why.
pub fn adjustment(reach: Reach) -> Result<Span, Fatal> {
    let mut bytes = Vec::with_capacity(RECORD_BYTES_MAX + 1);
    let limit = RECORD_BYTES_MAX as u64 + 1;
    io::stdin()
        .lock()
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|e| Fatal::unable("read adjustment", &e))?;
    understood(&bytes, reach)
}

fn understood(bytes: &[u8], reach: Reach) -> Result<Span, Fatal> {
    match (record::read(bytes), reach) {
        (Ok(record), Reach::Classic) => Ok(Difference::span_classic(record)),
        (Ok(record), Reach::Whole) => Ok(Difference::span(record)),
        (Err(RecordError::Length { .. }), _) => Err(Fatal::failed("data split across packets")),
        (Err(RecordError::Fraction(error)), _) => {
            Err(Fatal::failed(format!("unable to read adjustment: {error}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_record_is_understood() {
        for len in [0, 1, 8, 11, 13, 15, 17] {
            let failed = understood(&vec![0; len], Reach::Classic).unwrap_err();
            assert_eq!(failed, Fatal::failed("data split across packets"), "{len} bytes");
        }
        let fraction = understood(&[0xff; 16], Reach::Classic).unwrap_err();
        assert_eq!(fraction.text, "unable to read adjustment: 4294967295 nanoseconds are a second or more");
    }

    #[test]
    fn the_two_reaches_part_at_two_to_the_31() {
        let bytes = [0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(understood(&bytes, Reach::Classic), Ok(Span::from_secs(-(1 << 31))));
        assert_eq!(understood(&bytes, Reach::Whole), Ok(Span::from_secs(1 << 31)));
    }
}
