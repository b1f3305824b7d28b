//! How fast one clock runs against another.

use core::fmt;
use core::ops::{Add, Neg, Sub};

use crate::span::{ATTOS_PER_SECOND, Span};

/// A relative rate: how many seconds are gained in each second. Exact in steps of 10⁻¹⁸; shown in parts per
/// million. Arithmetic saturates at ± 9.2 seconds per second.
///
/// ```
/// use truechimer_time::{Rate, Span};
/// let fast = Rate::from_ppm(60.0);
/// assert_eq!(fast.over(Span::from_secs(1_000_000)), Span::from_secs(60));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rate {
    attos_per_second: i64,
}

impl Rate {
    /// Neither fast nor slow.
    pub const ZERO: Self = Self { attos_per_second: 0 };

    /// So many parts in 10¹⁸.
    pub const fn from_attos_per_second(attos_per_second: i64) -> Self {
        Self { attos_per_second }
    }

    /// So many parts per billion.
    pub const fn from_ppb(ppb: i64) -> Self {
        Self { attos_per_second: ppb.saturating_mul(1_000_000_000) }
    }

    /// So many parts per million. Saturates; not-a-number becomes zero.
    pub fn from_ppm(ppm: f64) -> Self {
        Self { attos_per_second: (ppm * 1e12) as i64 }
    }

    /// A plain ratio, as the estimator keeps it: seconds per second. Saturates; not-a-number becomes zero.
    pub fn from_ratio(ratio: f64) -> Self {
        Self { attos_per_second: (ratio * 1e18) as i64 }
    }

    /// Parts in 10¹⁸.
    pub const fn as_attos_per_second(self) -> i64 {
        self.attos_per_second
    }

    /// Parts per million.
    pub fn as_ppm(self) -> f64 {
        self.attos_per_second as f64 / 1e12
    }

    /// Seconds per second.
    pub fn as_ratio(self) -> f64 {
        self.attos_per_second as f64 / 1e18
    }

    /// The rate without its sign.
    pub const fn abs(self) -> Self {
        Self { attos_per_second: self.attos_per_second.saturating_abs() }
    }

    /// What is gained at this rate while `span` passes, truncated to the attosecond.
    pub fn over(self, span: Span) -> Span {
        let rate = i128::from(self.attos_per_second);
        let (seconds, rest) = span.split_to_zero();
        Span::from_attos(seconds.saturating_mul(rate)) + Span::from_attos(per_second(i128::from(rest) * rate))
    }
}

/// A product of a rate and less than a second, divided by 10¹⁸ and truncated: by words, which is several times as quick.
fn per_second(product: i128) -> i128 {
    // 10¹⁸ is an odd number of 42 bits with zeros behind it. What is divided has 63 bits and two times 21 then.
    const ZEROS: u32 = ATTOS_PER_SECOND.trailing_zeros();
    const ODD: u64 = (ATTOS_PER_SECOND >> ZEROS) as u64;
    const DIGIT: u32 = 21;
    let short = product.unsigned_abs() >> ZEROS;
    let digit = |shift: u32| (short >> shift) as u64 & ((1 << DIGIT) - 1);
    let high = (short >> (2 * DIGIT)) as u64;
    let middle = (high % ODD) << DIGIT | digit(DIGIT);
    let low = (middle % ODD) << DIGIT | digit(0);
    let quotient =
        (u128::from(high / ODD) << (2 * DIGIT)) + (u128::from(middle / ODD) << DIGIT) + u128::from(low / ODD);
    if product < 0 { -(quotient as i128) } else { quotient as i128 }
}

impl Add for Rate {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { attos_per_second: self.attos_per_second.saturating_add(other.attos_per_second) }
    }
}

impl Sub for Rate {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self { attos_per_second: self.attos_per_second.saturating_sub(other.attos_per_second) }
    }
}

impl Neg for Rate {
    type Output = Self;
    fn neg(self) -> Self {
        Self { attos_per_second: self.attos_per_second.saturating_neg() }
    }
}

impl fmt::Display for Rate {
    /// `60.000 ppm`; a precision changes the digits, `+` asks for the sign.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(3);
        match f.sign_plus() {
            true => write!(f, "{:+.digits$} ppm", self.as_ppm()),
            false => write!(f, "{:.digits$} ppm", self.as_ppm()),
        }
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:+.9}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_gained_never_overflows(attos in any::<i128>(), rate in any::<i64>()) {
            let _ = Rate::from_attos_per_second(rate).over(Span::from_attos(attos));
        }

        #[test]
        fn dividing_by_words_is_exact(rest in -(ATTOS_PER_SECOND - 1)..ATTOS_PER_SECOND, rate in any::<i64>(), shift in 0u32..63) {
            for product in [rest * i128::from(rate >> shift), rest * i128::from(i64::MIN)] {
                prop_assert_eq!(per_second(product), product / ATTOS_PER_SECOND);
            }
        }

        #[test]
        fn what_is_gained_has_the_sign_of_both(seconds in -1_000_000_000i64..1_000_000_000, ppb in -1_000_000i64..1_000_000) {
            let gained = Rate::from_ppb(ppb).over(Span::from_secs(seconds));
            prop_assert_eq!(gained, Span::from_nanos(seconds * ppb));
        }
    }
}
