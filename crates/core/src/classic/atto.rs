//! The file `etc/atto`, in which clockspeed keeps its rate: how long one tick of the counter lasts.
//!
//! ```text
//!      0               8       12      16
//!     ┌───────────────┬───────┬───────┐
//!     │ 0             │ nanos │ attos │  big-endian, a TAI64NA difference of less than a second
//!     └───────────────┴───────┴───────┘
//! ```
//!
//! A tick of a counter at 2.6 GHz lasts 0.384615383 ns; one of a counter of nanoseconds that runs 1 ppm too slow,
//! 1.000001 ns.

use core::fmt;

use truechimer_time::Span;
use truechimer_time::tai64::Difference;

/// The size of the file.
pub const ATTO_BYTES: usize = 16;

/// The longest tick that is kept: five of them in a second.
pub const TICK_MAX: Span = Span::from_millis(200);

/// The bytes of the file. `None` for a tick that does not last at all, or longer than [`TICK_MAX`]: clockspeed keeps
/// what it has then.
pub fn write(tick: Span) -> Option<[u8; ATTO_BYTES]> {
    is_tick(tick).then(|| Difference::of(tick).map(Difference::to_bytes)).flatten()
}

/// The tick that a file says.
///
/// ```
/// use truechimer_core::classic::atto;
/// let file = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x16, 0xec, 0xc3, 0xd7];
/// assert_eq!(atto::read(&file).unwrap().as_attos(), 384_615_383);
/// ```
pub fn read(bytes: &[u8]) -> Result<Span, AttoError> {
    let bytes: [u8; ATTO_BYTES] = bytes.try_into().map_err(|_| AttoError::Length { bytes: bytes.len() })?;
    let tick = Difference::from_bytes(bytes).map(Difference::span).ok();
    tick.filter(|tick| is_tick(*tick)).ok_or(AttoError::NoTick)
}

fn is_tick(tick: Span) -> bool {
    Span::ZERO < tick && tick <= TICK_MAX
}

/// Why a file says no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttoError {
    /// Not 16 bytes.
    Length {
        /// How many there are.
        bytes: usize,
    },
    /// No tick lasts so long.
    NoTick,
}

impl fmt::Display for AttoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { bytes } => write!(f, "{bytes} bytes, where a rate has {ATTO_BYTES}"),
            Self::NoTick => f.write_str("no tick of a counter lasts so long"),
        }
    }
}

impl core::error::Error for AttoError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_tick_comes_back(attos in 1i64..=200_000_000_000_000_000) {
            let tick = Span::from_attos(attos.into());
            prop_assert_eq!(read(&write(tick).unwrap()), Ok(tick));
        }

        #[test]
        fn any_bytes_are_a_tick_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            if let Ok(tick) = read(&bytes) {
                prop_assert_eq!(&write(tick).unwrap()[..], &bytes[..]);
            }
        }
    }

    #[test]
    fn the_original_file_is_written() {
        let file = write(Span::from_attos(384_615_383)).unwrap();
        assert_eq!(file, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x16, 0xec, 0xc3, 0xd7]);
    }

    #[test]
    fn what_is_no_tick_is_neither_kept_nor_believed() {
        for tick in [Span::ZERO, Span::from_nanos(-1), TICK_MAX + Span::from_attos(1), Span::MAX] {
            assert_eq!(write(tick), None, "{tick}");
        }
        assert_eq!(read(&[0; 16]), Err(AttoError::NoTick));
        assert_eq!(read(&[0xff; 16]), Err(AttoError::NoTick));
        assert_eq!(read(&[0; 12]), Err(AttoError::Length { bytes: 12 }));
    }
}
