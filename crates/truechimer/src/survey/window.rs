//! Where a difference between two clocks is: between two ends.
//!
//! Everything that a survey knows of a clock is such a window. They are exact; nothing here guesses.

use truechimer_time::{Rate, Span};

/// Assumption A1 of this survey: no clock that is surveyed runs further from our raw counter than this. It is the daemon's
/// own default for the counter (`max_rate`), and as much as kernels correct.
pub const DRIFT_MAX: Rate = Rate::from_ppb(500_000);

/// By how much one clock is ahead of another: not less than `lo`, not more than `hi`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The least.
    pub lo: Span,
    /// The most.
    pub hi: Span,
}

impl Window {
    /// All that is between these two, whichever is the lesser.
    pub fn between(one: Span, other: Span) -> Self {
        Self { lo: one.min(other), hi: one.max(other) }
    }

    /// From one end to the other.
    pub fn width(self) -> Span {
        self.hi - self.lo
    }

    /// The best guess, if nothing else is known.
    pub fn middle(self) -> Span {
        self.lo + self.width().half()
    }

    /// How wrong the middle can be.
    pub fn bound(self) -> Span {
        self.hi - self.middle()
    }

    /// Wider by so much on both sides.
    pub fn widened(self, by: Span) -> Self {
        Self { lo: self.lo - by, hi: self.hi + by }
    }

    /// The same so much later or earlier: each of the clocks may have drifted.
    pub fn carried(self, over: Span) -> Self {
        self.widened(DRIFT_MAX.over(over.abs()))
    }

    /// What both allow, if they allow anything together.
    pub fn meet(self, other: Self) -> Option<Self> {
        let (lo, hi) = (self.lo.max(other.lo), self.hi.min(other.hi));
        (lo <= hi).then_some(Self { lo, hi })
    }

    /// All that either allows, and what is between them.
    pub fn hull(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// The same against another clock, by which the one that this was against is ahead of that.
    pub fn minus(self, other: Self) -> Self {
        Self { lo: self.lo - other.hi, hi: self.hi - other.lo }
    }

    /// The same against a clock that is ahead by exactly so much.
    pub fn less(self, ahead: Span) -> Self {
        Self { lo: self.lo - ahead, hi: self.hi - ahead }
    }

    /// How far it is from nothing: positive if all of it is ahead, negative if all of it is behind, zero if it may be none.
    pub fn distance(self) -> Span {
        self.lo.max(Span::ZERO) + self.hi.min(Span::ZERO)
    }

    /// Does it lie beyond so much, for certain?
    pub fn is_beyond(self, limit: Span) -> bool {
        self.distance().abs() > limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn window(lo: i64, hi: i64) -> Window {
        Window::between(Span::from_nanos(lo), Span::from_nanos(hi))
    }

    proptest! {
        #[test]
        fn a_bound_around_the_middle_holds_all_of_it(lo in any::<i64>(), hi in any::<i64>()) {
            let window = window(lo, hi);
            let (middle, bound) = (window.middle(), window.bound());
            prop_assert!(middle - bound <= window.lo && window.hi <= middle + bound);
        }

        #[test]
        fn what_is_in_two_windows_is_in_what_they_allow_together(
            lo in -99i64..99, hi in -99i64..99, from in -99i64..99, to in -99i64..99, x in -99i64..99
        ) {
            let (one, other, x) = (window(lo, hi), window(from, to), Span::from_nanos(x));
            let holds = |window: Window| window.lo <= x && x <= window.hi;
            prop_assert_eq!(one.meet(other).is_some_and(holds), holds(one) && holds(other));
            prop_assert!(holds(one.hull(other)) || !(holds(one) || holds(other)));
        }

        #[test]
        fn the_difference_of_two_clocks_is_in_the_difference_of_their_windows(
            a in -99i64..99, wide in 0i64..99, b in -99i64..99, broad in 0i64..99
        ) {
            let difference = window(a - wide, a + broad).minus(window(b - broad, b + wide));
            prop_assert!(difference.lo <= Span::from_nanos(a - b) && Span::from_nanos(a - b) <= difference.hi);
        }
    }

    #[test]
    fn only_what_is_beyond_for_certain_is_beyond() {
        let limit = Span::from_nanos(5);
        assert!(window(6, 9).is_beyond(limit) && window(-9, -6).is_beyond(limit));
        assert!(!window(5, 9).is_beyond(limit) && !window(-9, 9).is_beyond(limit));
        assert_eq!(window(-9, -6).distance(), Span::from_nanos(-6));
    }

    #[test]
    fn a_second_later_it_is_wider_by_what_a_clock_may_drift() {
        let carried = window(0, 10).carried(Span::from_secs(-1));
        assert_eq!(carried, window(-500_000, 500_010));
    }
}
