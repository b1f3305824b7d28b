//! A length of time with a sign.
//!
//! One unit for everything, the attosecond, because it is the finest that a wire format here can say (TAI64NA).
//! Nothing here ever wraps: sums and products saturate at about ± 5.4 × 10¹² years.

use core::fmt;
use core::iter::Sum;
use core::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};
use core::str::FromStr;

/// Attoseconds in a second.
pub const ATTOS_PER_SECOND: i128 = 1_000_000_000_000_000_000;
const ATTOS_PER_NANO: i128 = 1_000_000_000;

/// A signed length of time, exact to the attosecond.
///
/// Arithmetic saturates. As text it is a plain decimal number of seconds that loses nothing:
///
/// ```
/// use truechimer_time::Span;
/// let quarter = Span::from_millis(-250);
/// assert_eq!(quarter.to_string(), "-0.25");
/// assert_eq!("-0.25".parse(), Ok(quarter));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    attos: i128,
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self { attos: 0 };
    /// The longest span there is, where sums saturate.
    pub const MAX: Self = Self { attos: i128::MAX };
    /// The most negative span there is. One attosecond short of `i128::MIN`, so that every span can be negated.
    pub const MIN: Self = Self { attos: -i128::MAX };

    /// A span of so many attoseconds.
    pub const fn from_attos(attos: i128) -> Self {
        if attos == i128::MIN { Self::MIN } else { Self { attos } }
    }

    /// A span of so many nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self { attos: nanos as i128 * ATTOS_PER_NANO }
    }

    /// A span of so many microseconds.
    pub const fn from_micros(micros: i64) -> Self {
        Self { attos: micros as i128 * 1_000 * ATTOS_PER_NANO }
    }

    /// A span of so many milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self { attos: millis as i128 * 1_000_000 * ATTOS_PER_NANO }
    }

    /// A span of so many seconds.
    pub const fn from_secs(seconds: i64) -> Self {
        Self { attos: seconds as i128 * ATTOS_PER_SECOND }
    }

    /// A span from floating seconds, as the estimator keeps them: truncated to the attosecond, saturated at the
    /// ends. Not-a-number becomes zero, so callers that can meet it test for it first.
    pub fn from_seconds(seconds: f64) -> Self {
        Self::from_attos((seconds * ATTOS_PER_SECOND as f64) as i128)
    }

    /// The number of attoseconds.
    pub const fn as_attos(self) -> i128 {
        self.attos
    }

    /// Whole nanoseconds, rounded towards minus infinity and saturated to 64 bits (± 292 years).
    pub const fn as_nanos(self) -> i64 {
        saturate_i64(self.attos.div_euclid(ATTOS_PER_NANO))
    }

    /// Whole microseconds, rounded towards minus infinity and saturated to 64 bits.
    pub const fn as_micros(self) -> i64 {
        saturate_i64(self.attos.div_euclid(1_000 * ATTOS_PER_NANO))
    }

    /// Floating seconds: 53 significant bits, for the estimator and for people.
    pub fn as_seconds(self) -> f64 {
        self.attos_as_f64() / ATTOS_PER_SECOND as f64
    }

    /// The attoseconds, rounded once. Up to some million years both halves are exact, and ten times as quick to convert
    /// as the whole.
    fn attos_as_f64(self) -> f64 {
        const LOW: u32 = f64::MANTISSA_DIGITS;
        let (high, low) = (self.attos >> LOW, (self.attos & ((1 << LOW) - 1)) as u64);
        match i64::try_from(high) {
            Ok(high) if high.unsigned_abs() < 1 << LOW => high as f64 * (1u64 << LOW) as f64 + low as f64,
            Ok(_) | Err(_) => self.attos as f64,
        }
    }

    /// Whole seconds rounded towards minus infinity, and the attoseconds that remain (0 to 10¹⁸ - 1).
    pub const fn split(self) -> (i128, u64) {
        match self.split_to_zero() {
            (seconds, rest) if rest < 0 => (seconds - 1, (rest + ATTOS_PER_SECOND as i64) as u64),
            (seconds, rest) => (seconds, rest as u64),
        }
    }

    /// Whole seconds truncated towards zero, and the attoseconds that remain, with the same sign.
    pub(crate) const fn split_to_zero(self) -> (i128, i64) {
        // 10¹⁸ is an odd number with zeros behind it, and what is before these zeros nearly always fits a word.
        const ZEROS: u32 = ATTOS_PER_SECOND.trailing_zeros();
        const ODD: u64 = (ATTOS_PER_SECOND >> ZEROS) as u64;
        let attos = self.attos.unsigned_abs();
        let seconds = match attos >> ZEROS {
            short if short <= u64::MAX as u128 => (short as u64 / ODD) as i128,
            _ => (attos / ATTOS_PER_SECOND.unsigned_abs()) as i128,
        };
        let rest = (attos as i128 - seconds * ATTOS_PER_SECOND) as i64;
        if self.attos < 0 { (-seconds, -rest) } else { (seconds, rest) }
    }

    /// The length without its sign.
    pub const fn abs(self) -> Self {
        Self { attos: self.attos.abs() }
    }

    /// Half of it, truncated towards zero.
    pub const fn half(self) -> Self {
        Self { attos: self.attos / 2 }
    }

    /// Is it shorter than nothing?
    pub const fn is_negative(self) -> bool {
        self.attos < 0
    }

    /// Is it exactly nothing?
    pub const fn is_zero(self) -> bool {
        self.attos == 0
    }
}

const fn saturate_i64(wide: i128) -> i64 {
    if wide > i64::MAX as i128 {
        i64::MAX
    } else if wide < i64::MIN as i128 {
        i64::MIN
    } else {
        wide as i64
    }
}

impl Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::from_attos(self.attos.saturating_add(other.attos))
    }
}

impl Sub for Span {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self::from_attos(self.attos.saturating_sub(other.attos))
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Span {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Neg for Span {
    type Output = Self;
    fn neg(self) -> Self {
        Self { attos: -self.attos }
    }
}

impl Mul<i64> for Span {
    type Output = Self;
    fn mul(self, factor: i64) -> Self {
        Self::from_attos(self.attos.saturating_mul(i128::from(factor)))
    }
}

impl Div<i64> for Span {
    type Output = Self;
    /// Truncates towards zero. Panics if the divisor is zero, as integers do.
    fn div(self, divisor: i64) -> Self {
        Self::from_attos(self.attos / i128::from(divisor))
    }
}

impl Sum for Span {
    fn sum<I: Iterator<Item = Self>>(spans: I) -> Self {
        spans.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Span {
    /// Decimal seconds with all digits that matter and no more: `0`, `-0.25`, `1.000000000000000001`. A precision
    /// asks for so many digits after the point instead, cut and not rounded.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match (self.attos < 0, f.sign_plus()) {
            (true, _) => "-",
            (false, true) => "+",
            (false, false) => "",
        };
        let magnitude = self.attos.unsigned_abs();
        let seconds = magnitude / ATTOS_PER_SECOND as u128;
        let fraction = magnitude % ATTOS_PER_SECOND as u128;
        let (digits, fraction) = match f.precision() {
            Some(wanted) => shorten(fraction, wanted.min(18)),
            None => trim(fraction),
        };
        match digits {
            0 => write!(f, "{sign}{seconds}"),
            _ => write!(f, "{sign}{seconds}.{fraction:0digits$}"),
        }
    }
}

/// The first `wanted` of the 18 digits of a fraction.
pub(crate) fn shorten(fraction: u128, wanted: usize) -> (usize, u128) {
    (wanted, fraction / 10u128.pow(18 - wanted as u32))
}

/// A fraction of 18 digits without the zeros at its end.
pub(crate) fn trim(mut fraction: u128) -> (usize, u128) {
    let mut digits = 18;
    while digits > 0 && fraction.is_multiple_of(10) {
        fraction /= 10;
        digits -= 1;
    }
    (digits, fraction)
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}s")
    }
}

/// Why a text is not a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanParseError {
    /// No digits, or something that is not a digit, sign or point.
    NotANumber,
    /// More than 18 digits after the point.
    TooFine,
    /// Beyond the ± 5.4 × 10¹² years that a span can hold.
    TooLong,
}

impl fmt::Display for SpanParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotANumber => "not a decimal number of seconds",
            Self::TooFine => "more than 18 digits after the point",
            Self::TooLong => "too long to be held",
        })
    }
}

impl core::error::Error for SpanParseError {}

impl FromStr for Span {
    type Err = SpanParseError;

    /// Reads what `Display` writes: `[+-]digits[.digits]`.
    fn from_str(text: &str) -> Result<Self, SpanParseError> {
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
        if whole.is_empty() || (rest.contains('.') && fraction.is_empty()) {
            return Err(SpanParseError::NotANumber);
        }
        if fraction.len() > 18 {
            return Err(SpanParseError::TooFine);
        }
        let seconds = digits(whole)?;
        let scaled = digits(fraction)? * 10i128.pow(18 - fraction.len() as u32);
        let attos = seconds
            .checked_mul(ATTOS_PER_SECOND)
            .and_then(|attos| attos.checked_add(scaled))
            .ok_or(SpanParseError::TooLong)?;
        Ok(Self::from_attos(if negative { -attos } else { attos }))
    }
}

fn digits(text: &str) -> Result<i128, SpanParseError> {
    let mut value: i128 = 0;
    for byte in text.bytes() {
        if !byte.is_ascii_digit() {
            return Err(SpanParseError::NotANumber);
        }
        value = value
            .checked_mul(10)
            .and_then(|v| v.checked_add(i128::from(byte - b'0')))
            .ok_or(SpanParseError::TooLong)?;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;

    proptest! {
        #[test]
        fn text_loses_nothing(attos in any::<i128>()) {
            let span = Span::from_attos(attos);
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }

        #[test]
        fn sums_never_panic(a in any::<i128>(), b in any::<i128>(), k in any::<i64>()) {
            let (a, b) = (Span::from_attos(a), Span::from_attos(b));
            let _ = (a + b, a - b, -a, a * k, a.abs(), a.half(), a.as_nanos(), a.split());
        }

        #[test]
        fn splitting_is_exact(attos in any::<i128>(), shift in 0u32..127) {
            let (span, attos) = (Span::from_attos(attos >> shift), (attos >> shift).max(-i128::MAX));
            let euclid = (attos.div_euclid(ATTOS_PER_SECOND), attos.rem_euclid(ATTOS_PER_SECOND));
            let truncated = (attos / ATTOS_PER_SECOND, attos % ATTOS_PER_SECOND);
            prop_assert_eq!((span.split().0, i128::from(span.split().1)), euclid);
            prop_assert_eq!((span.split_to_zero().0, i128::from(span.split_to_zero().1)), truncated);
        }

        #[test]
        fn floating_seconds_are_rounded_as_the_processor_does(attos in any::<i128>(), shift in 0u32..127) {
            let span = Span::from_attos(attos >> shift);
            prop_assert_eq!(span.as_seconds(), span.as_attos() as f64 / ATTOS_PER_SECOND as f64);
        }
    }

    #[test]
    fn text_is_short_where_it_can_be() {
        assert_eq!(Span::ZERO.to_string(), "0");
        assert_eq!(Span::from_attos(1).to_string(), "0.000000000000000001");
        assert_eq!(std::format!("{:+.6}", Span::from_micros(12)), "+0.000012");
        assert_eq!(std::format!("{:.0}", Span::from_millis(1500)), "1");
    }

    #[test]
    fn nonsense_is_not_a_span() {
        for text in ["", "-", ".", "1.", ".5", "1e3", "nan", "inf", "1..2", "0x1", "１"] {
            assert_eq!(text.parse::<Span>(), Err(SpanParseError::NotANumber), "{text:?}");
        }
        assert_eq!("0.1234567890123456789".parse::<Span>(), Err(SpanParseError::TooFine));
        assert_eq!("999999999999999999999999".parse::<Span>(), Err(SpanParseError::TooLong));
    }

    #[test]
    fn floats_that_are_no_numbers_do_no_harm() {
        assert_eq!(Span::from_seconds(f64::NAN), Span::ZERO);
        assert_eq!(Span::from_seconds(f64::INFINITY), Span::MAX);
        assert_eq!(Span::from_seconds(f64::NEG_INFINITY), Span::MIN);
    }
}
