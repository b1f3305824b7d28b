//! Seconds and nanoseconds in pairs, as UNIX hands time around (`struct timespec`).

use core::fmt;

use crate::scale::Time;
use crate::span::{ATTOS_PER_SECOND, Span};

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const ATTOS_PER_NANO: i128 = ATTOS_PER_SECOND / NANOS_PER_SECOND as i128;

/// Whole seconds, rounded towards minus infinity, and the nanoseconds beyond them.
///
/// Which scale it is of depends on the clock that was asked, so that the caller names it:
///
/// ```
/// use truechimer_time::unix::Timespec;
/// use truechimer_time::{Local, Span, Time};
/// let read: Time<Local> = Timespec::new(-1, 750_000_000).time();
/// assert_eq!(read, Time::EPOCH - Span::from_millis(250));
/// assert_eq!(Timespec::of(read), Timespec::new(-1, 750_000_000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timespec {
    seconds: i64,
    /// Below 10⁹.
    nanos: u32,
}

impl Timespec {
    /// The least that can be said.
    pub const MIN: Self = Self { seconds: i64::MIN, nanos: 0 };
    /// The most that can be said.
    pub const MAX: Self = Self { seconds: i64::MAX, nanos: NANOS_PER_SECOND as u32 - 1 };

    /// A pair, brought into order if there are less than 0 or more than 999,999,999 nanoseconds. Saturates.
    pub const fn new(seconds: i64, nanos: i64) -> Self {
        let carry = nanos.div_euclid(NANOS_PER_SECOND);
        match seconds.checked_add(carry) {
            Some(seconds) => Self { seconds, nanos: nanos.rem_euclid(NANOS_PER_SECOND) as u32 },
            None if carry < 0 => Self::MIN,
            None => Self::MAX,
        }
    }

    /// The last pair that is not after the instant. Saturates.
    pub const fn of<S>(time: Time<S>) -> Self {
        Self::of_span(time.since_epoch())
    }

    /// The longest pair that is not longer than the span. Saturates.
    pub const fn of_span(span: Span) -> Self {
        let (seconds, attos) = span.split();
        if seconds < i64::MIN as i128 {
            Self::MIN
        } else if seconds > i64::MAX as i128 {
            Self::MAX
        } else {
            Self { seconds: seconds as i64, nanos: (attos as i128 / ATTOS_PER_NANO) as u32 }
        }
    }

    /// Whole seconds.
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds beyond the seconds, 0 to 999,999,999; to be added also where the seconds are negative.
    pub const fn nanos(self) -> u32 {
        self.nanos
    }

    /// The span that the pair says.
    pub const fn span(self) -> Span {
        let (seconds, nanos) = (self.seconds as i128, self.nanos as i128);
        Span::from_attos(seconds * ATTOS_PER_SECOND + nanos * ATTOS_PER_NANO)
    }

    /// The instant that the pair says, on the scale of the clock that it was read from.
    pub const fn time<S>(self) -> Time<S> {
        Time::from_epoch(self.span())
    }
}

impl fmt::Display for Timespec {
    /// Decimal seconds, as [`Span`] shows them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.span().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scale::{Raw, Utc};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_pair_comes_back(seconds in any::<i64>(), nanos in 0..NANOS_PER_SECOND) {
            let pair = Timespec::new(seconds, nanos);
            prop_assert_eq!((pair.seconds(), i64::from(pair.nanos())), (seconds, nanos));
            prop_assert_eq!(Timespec::of(pair.time::<Raw>()), pair);
        }

        #[test]
        fn what_is_lost_is_less_than_a_nanosecond(attos in -(1i128 << 120)..(1 << 120)) {
            let lost = Span::from_attos(attos) - Timespec::of_span(Span::from_attos(attos)).span();
            prop_assert!(!lost.is_negative() && lost < Span::from_nanos(1));
        }

        #[test]
        fn any_numbers_are_brought_into_order(seconds in any::<i64>(), nanos in any::<i64>()) {
            let exact = i128::from(seconds) * i128::from(NANOS_PER_SECOND) + i128::from(nanos);
            let (min, max) = (Timespec::MIN.span().as_attos(), Timespec::MAX.span().as_attos());
            let expected = (exact * ATTOS_PER_NANO).clamp(min, max);
            prop_assert_eq!(Timespec::new(seconds, nanos).span().as_attos(), expected);
        }
    }

    #[test]
    fn the_ends_are_reached_and_not_passed() {
        assert_eq!(Timespec::of(Time::<Utc>::from_epoch(Span::MAX)), Timespec::MAX);
        assert_eq!(Timespec::of(Time::<Utc>::from_epoch(Span::MIN)), Timespec::MIN);
        assert_eq!(Timespec::new(i64::MAX, i64::MAX), Timespec::MAX);
        assert_eq!(Timespec::new(i64::MIN, -1), Timespec::MIN);
    }

    /// Bad input 91: the second at which 32 bits of signed seconds end is one like any other.
    #[test]
    fn the_end_of_32_bits_is_crossed() {
        let last: Time<Utc> = Timespec::new(i64::from(i32::MAX), 999_999_999).time();
        assert_eq!(Timespec::of(last + Span::from_nanos(1)), Timespec::new(1 << 31, 0));
    }
}
