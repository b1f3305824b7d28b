//! The number formats of NTP: the 64-bit timestamp, the 32-bit short format and the precision (RFC 5905, sections 6
//! and 7.3).
//!
//! A timestamp does not say in which era of 2³² seconds (136 years) it lies. Nothing here guesses: whoever turns
//! one into an instant names a pivot, an instant that is less than 68 years away from it.

use core::fmt;

use crate::scale::{Time, Utc};
use crate::span::{ATTOS_PER_SECOND, Span};

/// Seconds from 1900-01-01, where era 0 begins, to 1970-01-01, the origin of [`Utc`].
pub(crate) const ERA_0_TO_EPOCH: i64 = 2_208_988_800;

/// An NTP timestamp: seconds and a binary fraction (32.32 bits) since the beginning of an era that it does not say.
///
/// The first era ends on 2036-02-07 at 06:28:16 UTC; nothing changes for those who resolve by pivot:
///
/// ```
/// use truechimer_time::ntp::NtpTimestamp;
/// use truechimer_time::{Span, Time, Utc};
/// let in_2036 = Time::<Utc>::from_epoch(Span::from_secs(2_085_978_490));
/// let later = in_2036 + Span::from_secs(10);
/// assert_eq!(NtpTimestamp::of(later).to_bits() >> 32, 4);
/// assert_eq!(NtpTimestamp::of(later).resolve(in_2036), later);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NtpTimestamp {
    bits: u64,
}

impl NtpTimestamp {
    /// All bits zero: "unknown or unsynchronised" (RFC 5905, section 6). It is also the first instant of each era,
    /// for 233 ps.
    pub const ZERO: Self = Self { bits: 0 };

    /// A timestamp with these bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self { bits }
    }

    /// Seconds in the upper half, units of 2⁻³² s in the lower.
    pub const fn to_bits(self) -> u64 {
        self.bits
    }

    /// A timestamp as it lies in a packet.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self::from_bits(u64::from_be_bytes(bytes))
    }

    /// The timestamp as it lies in a packet.
    pub const fn to_bytes(self) -> [u8; 8] {
        self.bits.to_be_bytes()
    }

    /// Is it [`ZERO`](Self::ZERO), which says that there is no time?
    pub const fn is_zero(self) -> bool {
        self.bits == 0
    }

    /// The timestamp of an instant of any era, rounded to the nearest 2⁻³² s, halves upward.
    pub fn of(time: Time<Utc>) -> Self {
        let (whole, attos) = since_1900(time);
        let fraction = ((u128::from(attos) << 33) + SECOND) / (2 * SECOND);
        Self { bits: steps(whole, fraction) as u64 }
    }

    /// The one instant with these bits from 2³¹ s before the pivot up to, not including, 2³¹ s after it.
    ///
    /// It is cut to the attosecond, and [`of`](Self::of) gives the bits back exactly. The pivot is anything that is
    /// known to be less than 68 years wrong. Saturates where instants do.
    pub fn resolve(self, pivot: Time<Utc>) -> Time<Utc> {
        let (whole, attos) = since_1900(pivot);
        // Rounded up, because steps before the window's true beginning are outside.
        let centre = steps(whole, (u128::from(attos) << 32).div_ceil(SECOND));
        let ahead = self.bits.wrapping_sub(centre as u64).cast_signed();
        instant(centre + i128::from(ahead))
    }

    /// How long after another timestamp this one is, if less than 68 years lie between: the signed difference modulo
    /// 2⁶⁴ (RFC 5905, section 6), cut towards zero to the attosecond.
    pub fn since(self, other: Self) -> Span {
        let steps = self.bits.wrapping_sub(other.bits).cast_signed();
        Span::from_attos(i128::from(steps) * ATTOS_PER_SECOND / (1 << 32))
    }
}

const SECOND: u128 = ATTOS_PER_SECOND.unsigned_abs();

/// Whole seconds since the beginning of era 0, and the attoseconds that remain.
fn since_1900(time: Time<Utc>) -> (i128, u64) {
    let (seconds, attos) = time.since_epoch().split();
    (seconds + i128::from(ERA_0_TO_EPOCH), attos)
}

/// Steps of 2⁻³² s since the beginning of era 0; below 2¹⁰⁰ for all instants. The era is in the bits above 64.
fn steps(whole: i128, fraction: u128) -> i128 {
    (whole << 32) + fraction.cast_signed()
}

/// The instant so many steps after the beginning of era 0, cut to the attosecond.
fn instant(steps: i128) -> Time<Utc> {
    let seconds = (steps >> 32) - i128::from(ERA_0_TO_EPOCH);
    let fraction = ((steps & 0xffff_ffff) * ATTOS_PER_SECOND) >> 32;
    let whole = Span::from_attos(seconds.saturating_mul(ATTOS_PER_SECOND));
    Time::from_epoch(whole + Span::from_attos(fraction))
}

impl fmt::Debug for NtpTimestamp {
    /// `0x83aa7e80.00000000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}.{:08x}", self.bits >> 32, self.bits as u32)
    }
}

/// The NTP short format: unsigned seconds and a binary fraction (16.16 bits), for root delay and root dispersion.
///
/// What it carries is part of a bound, so writing rounds up: a bound never shrinks on its way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NtpShort {
    bits: u32,
}

/// Attoseconds in 2⁻¹⁶ s. Exact, since 10¹⁸ is divisible by 2¹⁸.
const SHORT_STEP: i128 = ATTOS_PER_SECOND >> 16;

impl NtpShort {
    /// No time at all.
    pub const ZERO: Self = Self { bits: 0 };
    /// The most that can be said, 65535.99998 s; also all that is longer.
    pub const MAX: Self = Self { bits: u32::MAX };

    /// A value with these bits.
    pub const fn from_bits(bits: u32) -> Self {
        Self { bits }
    }

    /// Seconds in the upper half, units of 2⁻¹⁶ s in the lower.
    pub const fn to_bits(self) -> u32 {
        self.bits
    }

    /// A value as it lies in a packet.
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self::from_bits(u32::from_be_bytes(bytes))
    }

    /// The value as it lies in a packet.
    pub const fn to_bytes(self) -> [u8; 4] {
        self.bits.to_be_bytes()
    }

    /// The shortest value that is not shorter than the span: rounded up, negative spans to zero, too long ones to
    /// [`MAX`](Self::MAX).
    pub fn at_least(span: Span) -> Self {
        let steps = span.as_attos().clamp(0, i128::from(u32::MAX) * SHORT_STEP) as u128;
        Self { bits: steps.div_ceil(SHORT_STEP as u128) as u32 }
    }

    /// The span that it says, exactly.
    pub const fn span(self) -> Span {
        Span::from_attos(self.bits as i128 * SHORT_STEP)
    }
}

impl fmt::Debug for NtpShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.span())
    }
}

/// The precision of a clock as NTP says it: the logarithm to base 2 of seconds, from -128 to 127.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NtpPrecision {
    /// The exponent as it lies in a packet.
    pub log2_seconds: i8,
}

impl NtpPrecision {
    /// The smallest power of two that is not less than the span; -128 for no time at all.
    pub fn at_least(span: Span) -> Self {
        let fits = |log2_seconds: &i8| Self { log2_seconds: *log2_seconds }.span() >= span;
        Self { log2_seconds: (i8::MIN..=i8::MAX).find(fits).unwrap_or(i8::MAX) }
    }

    /// The span that it says, rounded up to the attosecond; from 2⁶⁸ s on it saturates.
    pub fn span(self) -> Span {
        match self.log2_seconds {
            ..0 => Span::from_attos(halved(self.log2_seconds.unsigned_abs())),
            0..68 => Span::from_attos(ATTOS_PER_SECOND << self.log2_seconds),
            68.. => Span::MAX,
        }
    }
}

/// A second halved so many times, rounded up: never nothing.
fn halved(halvings: u8) -> i128 {
    // Beyond 60 halvings one attosecond is left anyway, and the shift must stay below the width of the type.
    SECOND.div_ceil(1 << halvings.min(64)).cast_signed()
}

#[cfg(test)]
mod tests;
