//! External TAI64, TAI64N and TAI64NA: how instants of TAI are written to wires, logs and files, and the
//! difference record with which the clockspeed programs hand a correction to each other.
//!
//! ```text
//!      0               8       12      16
//!     ┌───────────────┬───────┬───────┐
//!     │ seconds       │ nanos │ attos │  big-endian
//!     └───────────────┴───────┴───────┘
//!      TAI64 8 bytes   TAI64N  TAI64NA
//!                      12      16
//! ```
//!
//! Nothing here knows of leap seconds: the labels count TAI, and what a peer of old habits means by them (the count
//! of its UNIX clock plus ten) is for the reader of that peer to undo.
//!
//! Source: the description of TAI64 in libtai, and the manual pages of clockspeed.

use core::fmt;
use core::str::FromStr;

use crate::scale::{Tai, Time};
use crate::span::{ATTOS_PER_SECOND, Span};

/// The label of the second that begins at the origin of TAI64.
const ORIGIN: u64 = 1 << 62;
/// Labels from here on are reserved.
const RESERVED: u64 = 1 << 63;
const BILLION: u64 = 1_000_000_000;

/// A TAI64 label: the second, 8 bytes or 16 hexadecimal digits.
pub type Tai64 = Label<8>;
/// A TAI64N label: the nanosecond, 12 bytes or 24 hexadecimal digits. Lines of `multilog` begin with it.
pub type Tai64N = Label<12>;
/// A TAI64NA label: the attosecond, 16 bytes or 32 hexadecimal digits.
pub type Tai64NA = Label<16>;

/// An instant of TAI as `N` bytes say it: 8 (to the second), 12 (nanosecond) or 16 (attosecond). No other `N`
/// compiles.
///
/// ```
/// use truechimer_time::tai64::{Tai64, Tai64N};
/// let second: Tai64 = "@400000002a2b2c2d".parse().unwrap();
/// assert_eq!(second.time().since_epoch().as_seconds(), 707_472_429.0);
/// let finer = Tai64N::of(second.time()).unwrap();
/// assert_eq!(finer.to_string(), "@400000002a2b2c2d00000000");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label<const N: usize> {
    /// Below [`RESERVED`].
    seconds: u64,
    /// Below 10¹⁸, and no finer than `N` bytes can say.
    attos: u64,
}

impl<const N: usize> Label<N> {
    const EXISTS: () = assert!(N == 8 || N == 12 || N == 16, "TAI64 has 8, TAI64N 12 and TAI64NA 16 bytes");

    /// The last label that is not after the instant: what the format cannot say is cut off towards the past.
    /// `None` beyond ± 2⁶² seconds (146 thousand million years) from the origin.
    pub fn of(time: Time<Tai>) -> Option<Self> {
        const { Self::EXISTS };
        let (seconds, attos) = time.since_epoch().split();
        let seconds = u64::try_from(seconds + i128::from(ORIGIN)).ok()?;
        (seconds < RESERVED).then_some(Self { seconds, attos: coarsen::<N>(attos) })
    }

    /// Reads the external form. Fails if the label is reserved, or a fraction is not below 10⁹.
    pub fn from_bytes(bytes: [u8; N]) -> Result<Self, LabelError> {
        const { Self::EXISTS };
        let (seconds, attos) = unpack(bytes)?;
        if seconds >= RESERVED {
            return Err(LabelError::Reserved);
        }
        Ok(Self { seconds, attos })
    }

    /// The external form.
    pub fn to_bytes(self) -> [u8; N] {
        pack(self.seconds, self.attos)
    }

    /// The instant at which what is labelled begins.
    pub fn time(self) -> Time<Tai> {
        let seconds = i128::from(self.seconds) - i128::from(ORIGIN);
        Time::from_epoch(Span::from_attos(seconds * ATTOS_PER_SECOND + i128::from(self.attos)))
    }
}

impl<const N: usize> fmt::Display for Label<N> {
    /// `@` and two lower-case hexadecimal digits for each byte.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("@")?;
        self.to_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> FromStr for Label<N> {
    type Err = LabelError;

    /// Reads `@` and the digits of exactly this format, in either case.
    fn from_str(text: &str) -> Result<Self, LabelError> {
        let digits = text.strip_prefix('@').ok_or(LabelError::NoAtSign)?.as_bytes();
        if digits.len() != 2 * N {
            return Err(LabelError::WrongLength { digits: digits.len() });
        }
        let mut bytes = [0; N];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Self::from_bytes(bytes)
    }
}

/// Reads a text label of any of the three formats, told apart by their length.
///
/// ```
/// use truechimer_time::tai64::{self, LabelError};
/// let line = tai64::parse("@400000002a2b2c2d1dcd6500").unwrap();
/// assert_eq!(line.to_string(), "707472429.5");
/// assert_eq!(tai64::parse("@40"), Err(LabelError::WrongLength { digits: 2 }));
/// ```
pub fn parse(text: &str) -> Result<Time<Tai>, LabelError> {
    match text.len() {
        25 => text.parse().map(Tai64N::time),
        33 => text.parse().map(Tai64NA::time),
        _ => text.parse().map(Tai64::time),
    }
}

/// The difference of two labels: the record in which a measurement of a clock is handed on. `N` is 16 for the
/// clockspeed programs and 12 for those of s6-networking.
///
/// The seconds are counted modulo 2⁶⁴, in two's complement; the fraction is always added, so that minus a quarter
/// second is minus one second and 750,000,000 ns.
///
/// By convention the record is *right time minus local clock*: positive moves the local clock forward.
///
/// ```
/// use truechimer_time::Span;
/// use truechimer_time::tai64::Difference;
/// let slow = Difference::<16>::of(Span::from_millis(500)).unwrap();
/// assert_eq!(slow.to_bytes(), [0, 0, 0, 0, 0, 0, 0, 0, 0x1d, 0xcd, 0x65, 0, 0, 0, 0, 0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Difference<const N: usize> {
    seconds: i64,
    /// Below 10¹⁸, and no finer than `N` bytes can say.
    attos: u64,
}

impl<const N: usize> Difference<N> {
    const EXISTS: () = assert!(N == 12 || N == 16, "difference records have 12 or 16 bytes");

    /// The record that says this span, cut off towards minus infinity where 12 bytes are too coarse. `None` beyond
    /// ± 2⁶³ seconds.
    pub fn of(span: Span) -> Option<Self> {
        const { Self::EXISTS };
        let (seconds, attos) = span.split();
        Some(Self { seconds: i64::try_from(seconds).ok()?, attos: coarsen::<N>(attos) })
    }

    /// Reads a record. Fails if a fraction is not below 10⁹.
    pub fn from_bytes(bytes: [u8; N]) -> Result<Self, LabelError> {
        const { Self::EXISTS };
        let (seconds, attos) = unpack(bytes)?;
        Ok(Self { seconds: seconds.cast_signed(), attos })
    }

    /// The bytes of the record.
    pub fn to_bytes(self) -> [u8; N] {
        pack(self.seconds.cast_unsigned(), self.attos)
    }

    /// The span that the record says, by all 64 bits of its seconds.
    pub fn span(self) -> Span {
        self.span_of(self.seconds)
    }

    /// The span as clockspeed, clockadd and clockview read it: by the low 32 bits of the seconds alone, as a signed
    /// number. The same as [`span`](Self::span) within ± 2³¹ seconds.
    pub fn span_classic(self) -> Span {
        self.span_of(i64::from(self.seconds as i32))
    }

    fn span_of(self, seconds: i64) -> Span {
        Span::from_secs(seconds) + Span::from_attos(i128::from(self.attos))
    }
}

/// The fraction as far as `N` bytes can say it.
fn coarsen<const N: usize>(attos: u64) -> u64 {
    match N {
        8 => 0,
        12 => attos - attos % BILLION,
        _ => attos,
    }
}

fn pack<const N: usize>(seconds: u64, attos: u64) -> [u8; N] {
    let fields = u128::from(seconds) << 64 | u128::from(attos / BILLION) << 32 | u128::from(attos % BILLION);
    let bytes = fields.to_be_bytes();
    core::array::from_fn(|i| bytes[i])
}

/// The seconds and the attoseconds; fields that a format has not are zero.
fn unpack<const N: usize>(bytes: [u8; N]) -> Result<(u64, u64), LabelError> {
    let mut all = [0; 16];
    all[..N].copy_from_slice(&bytes);
    let fields = u128::from_be_bytes(all);
    let (nanos, attos) = ((fields >> 32) as u32, fields as u32);
    if u64::from(nanos) >= BILLION {
        return Err(LabelError::NanosTooMany(nanos));
    }
    if u64::from(attos) >= BILLION {
        return Err(LabelError::AttosTooMany(attos));
    }
    Ok(((fields >> 64) as u64, u64::from(nanos) * BILLION + u64::from(attos)))
}

fn nibble(digit: u8) -> Result<u8, LabelError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(LabelError::NotHexadecimal),
    }
}

/// Why bytes or a text are not a label, or not a difference of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelError {
    /// The label is 2⁶³ or above: reserved for extensions.
    Reserved,
    /// So many nanoseconds, 10⁹ or more.
    NanosTooMany(u32),
    /// So many attoseconds beside the nanoseconds, 10⁹ or more.
    AttosTooMany(u32),
    /// A text label begins with `@`.
    NoAtSign,
    /// So many bytes after the `@`: not the 16, 24 or 32 digits asked for.
    WrongLength {
        /// Bytes found after the `@`.
        digits: usize,
    },
    /// Something else than `0-9`, `a-f`, `A-F` after the `@`.
    NotHexadecimal,
}

impl fmt::Display for LabelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reserved => f.write_str("the label is in the reserved half, 2^63 or above"),
            Self::NanosTooMany(nanos) => write!(f, "{nanos} nanoseconds are a second or more"),
            Self::AttosTooMany(attos) => write!(f, "{attos} attoseconds are a nanosecond or more"),
            Self::NoAtSign => f.write_str("a TAI64 label begins with @"),
            Self::WrongLength { digits } => {
                write!(f, "{digits} digits after the @, where a label has 16, 24 or 32")
            }
            Self::NotHexadecimal => f.write_str("not a hexadecimal digit after the @"),
        }
    }
}

impl core::error::Error for LabelError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::{String, ToString};

    const LIMIT: i128 = (1 << 62) * ATTOS_PER_SECOND;

    fn tai(attos: i128) -> Time<Tai> {
        Time::from_epoch(Span::from_attos(attos))
    }

    proptest! {
        #[test]
        fn sixteen_bytes_lose_nothing(attos in -LIMIT..LIMIT) {
            let label = Tai64NA::of(tai(attos)).unwrap();
            prop_assert_eq!(label.time(), tai(attos));
            prop_assert_eq!(Tai64NA::from_bytes(label.to_bytes()), Ok(label));
            prop_assert_eq!(label.to_string().parse(), Ok(label));
            prop_assert_eq!(parse(&label.to_string()), Ok(tai(attos)));
        }

        #[test]
        fn coarser_formats_cut_towards_the_past(attos in -LIMIT..LIMIT) {
            let (second, nano) = (Tai64::of(tai(attos)).unwrap(), Tai64N::of(tai(attos)).unwrap());
            let lost = (tai(attos) - second.time(), tai(attos) - nano.time());
            prop_assert!(!lost.0.is_negative() && lost.0 < Span::from_secs(1));
            prop_assert!(!lost.1.is_negative() && lost.1 < Span::from_nanos(1));
            prop_assert_eq!(Tai64::from_bytes(second.to_bytes()), Ok(second));
            prop_assert_eq!(Tai64N::from_bytes(nano.to_bytes()), Ok(nano));
            prop_assert_eq!(parse(&second.to_string()), Ok(second.time()));
            prop_assert_eq!(parse(&nano.to_string()), Ok(nano.time()));
        }

        #[test]
        fn labels_sort_as_their_instants(a in -LIMIT..LIMIT, b in -LIMIT..LIMIT) {
            let labels = (Tai64NA::of(tai(a)).unwrap(), Tai64NA::of(tai(b)).unwrap());
            prop_assert_eq!(labels.0.cmp(&labels.1), a.cmp(&b));
            prop_assert_eq!(labels.0.to_bytes().cmp(&labels.1.to_bytes()), a.cmp(&b));
        }

        #[test]
        fn any_bytes_are_a_label_that_comes_back_or_an_error(bytes in any::<[u8; 16]>()) {
            if let Ok(label) = Tai64NA::from_bytes(bytes) {
                prop_assert_eq!(label.to_bytes(), bytes);
            }
            if let Ok(record) = Difference::<16>::from_bytes(bytes) {
                prop_assert_eq!(record.to_bytes(), bytes);
            }
        }

        #[test]
        fn any_text_is_a_label_or_an_error(text in "@?[0-9a-fA-Fgé]{0,34}") {
            if let Ok(time) = parse(&text) {
                prop_assert_eq!(Tai64NA::of(time).unwrap().to_string()[..text.len()].to_string(), text.to_lowercase());
            }
        }

        #[test]
        fn records_lose_nothing(seconds in any::<i64>(), attos in 0..ATTOS_PER_SECOND) {
            let span = Span::from_secs(seconds) + Span::from_attos(attos);
            let record = Difference::<16>::of(span).unwrap();
            prop_assert_eq!(record.span(), span);
            prop_assert_eq!(Difference::from_bytes(record.to_bytes()), Ok(record));
            let short = Difference::<12>::of(span).unwrap();
            prop_assert_eq!(&short.to_bytes()[..], &record.to_bytes()[..12]);
        }

        #[test]
        fn the_classic_reading_agrees_within_its_range(seconds in any::<i32>(), attos in 0..ATTOS_PER_SECOND) {
            let record = Difference::<16>::of(Span::from_secs(seconds.into()) + Span::from_attos(attos)).unwrap();
            prop_assert_eq!(record.span_classic(), record.span());
        }
    }

    #[test]
    fn the_published_label_is_read_and_written() {
        let bytes = [0x40, 0, 0, 0, 0x2a, 0x2b, 0x2c, 0x2d];
        let label = Tai64::from_bytes(bytes).unwrap();
        assert_eq!(label.time(), Time::from_epoch(Span::from_secs(707_472_429)));
        assert_eq!(label.to_bytes(), bytes);
        assert_eq!("@400000002A2B2C2D".parse(), Ok(label));
    }

    #[test]
    fn the_ends_of_the_range_are_where_they_should_be() {
        assert_eq!(Tai64::of(tai(-LIMIT)).map(Label::to_bytes), Some([0; 8]));
        assert_eq!(Tai64::of(tai(-LIMIT - 1)), None);
        assert_eq!(Tai64NA::of(tai(LIMIT)), None);
        assert_eq!(Tai64NA::of(tai(i128::MAX)), None);
        assert_eq!(Tai64NA::of(tai(LIMIT - 1)).unwrap().to_string(), "@7fffffffffffffff3b9ac9ff3b9ac9ff");
    }

    /// Bad input 81.
    #[test]
    fn labels_that_say_nothing_are_refused() {
        assert_eq!(Tai64::from_bytes([0x80, 0, 0, 0, 0, 0, 0, 0]), Err(LabelError::Reserved));
        assert_eq!(Tai64::from_bytes([0xff; 8]), Err(LabelError::Reserved));
        let nanos = [0x40, 0, 0, 0, 0, 0, 0, 0, 0x3b, 0x9a, 0xca, 0];
        assert_eq!(Tai64N::from_bytes(nanos), Err(LabelError::NanosTooMany(1_000_000_000)));
        // What s6-taiclockd leaves in the last four bytes of a TAICLOCK reply to the classic client.
        let attos = [0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0];
        assert_eq!(Tai64NA::from_bytes(attos), Err(LabelError::AttosTooMany(1_073_741_824)));
        assert_eq!(Difference::from_bytes(attos), Err(LabelError::AttosTooMany(1_073_741_824)));
    }

    #[test]
    fn texts_that_are_no_labels_are_refused() {
        for (text, error) in [
            ("", LabelError::NoAtSign),
            ("400000002a2b2c2d", LabelError::NoAtSign),
            ("@", LabelError::WrongLength { digits: 0 }),
            ("@400000002a2b2c2", LabelError::WrongLength { digits: 15 }),
            ("@400000002a2b2c2g", LabelError::NotHexadecimal),
            ("@+00000002a2b2c2d", LabelError::NotHexadecimal),
            ("@40000000éééé", LabelError::NotHexadecimal),
            ("@800000002a2b2c2d", LabelError::Reserved),
            ("@400000002a2b2c2dffffffff", LabelError::NanosTooMany(u32::MAX)),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn the_known_records_are_written() {
        for (span, hex) in [
            (Span::from_millis(500), "00000000000000001dcd650000000000"),
            (Span::from_millis(-250), "ffffffffffffffff2cb4178000000000"),
            (Span::from_secs(-5), "fffffffffffffffb0000000000000000"),
            (Span::from_secs(-27), "ffffffffffffffe50000000000000000"),
            // One tick of a 2.6 GHz counter, as clockspeed keeps it in etc/atto.
            (Span::from_attos(384_615_383), "00000000000000000000000016ecc3d7"),
        ] {
            let record = Difference::<16>::of(span).unwrap();
            let text: String = record.to_bytes().iter().map(|byte| std::format!("{byte:02x}")).collect();
            assert_eq!(text, hex);
            assert_eq!((record.span(), record.span_classic()), (span, span));
        }
    }

    #[test]
    fn the_classic_reading_sees_32_bits_of_seconds() {
        let mut bytes = [0; 16];
        bytes[3] = 1;
        bytes[4] = 0x80;
        let record = Difference::<16>::from_bytes(bytes).unwrap();
        assert_eq!(record.span(), Span::from_secs((1 << 32) + (1 << 31)));
        assert_eq!(record.span_classic(), Span::from_secs(-(1 << 31)));
    }

    #[test]
    fn spans_beyond_a_record_have_none() {
        assert_eq!(Difference::<16>::of(Span::MAX), None);
        assert_eq!(Difference::<12>::of(Span::MIN), None);
    }
}
