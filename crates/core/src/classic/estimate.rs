//! The estimate of `sntpclock` and `taiclock`: between which bounds an adjustment lies, after a few questions.
//!
//! ```text
//!                    t2 ── t3       server
//!                   ╱       ╲
//!            t1 ──╯          ╰── t4     client
//!
//!     t3 - t4  ≤  adjustment  ≤  t2 - t1
//! ```
//!
//! Each answer can narrow the interval from either side. What contradicts the interval is passed over; nothing can widen
//! it.

use core::fmt;

use truechimer_time::Span;

/// The furthest that an adjustment may be from nothing, either way: two days.
pub const REACH: Span = Span::from_secs(2 * 86_400);

/// The widest interval whose middle is an answer: two seconds.
pub const WIDTH_MAX: Span = Span::from_secs(2);

/// What is known about an adjustment: it lies between `min` and `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    min: Span,
    max: Span,
}

impl Estimate {
    /// Nothing is known, but that it is not further than `reach` from nothing.
    pub fn within(reach: Span) -> Self {
        Self { min: -reach, max: reach }
    }

    /// Takes one answer: the adjustment is at most `upper` (t2 - t1) and at least `lower` (t3 - t4).
    pub fn hear(&mut self, lower: Span, upper: Span) {
        if self.min <= upper && upper < self.max {
            self.max = upper;
        }
        if self.min < lower && lower <= self.max {
            self.min = lower;
        }
    }

    /// How far the bounds are apart.
    pub fn width(&self) -> Span {
        self.max - self.min
    }

    /// The middle, cut off towards minus infinity.
    pub fn middle(&self) -> Span {
        Span::from_attos((self.min + self.max).as_attos().div_euclid(2))
    }

    /// The middle, if the bounds are not further apart than `width_max`.
    pub fn adjustment(&self, width_max: Span) -> Result<Span, TooUncertain> {
        match self.width() {
            width if width > width_max => Err(TooUncertain { width }),
            _narrow_enough => Ok(self.middle()),
        }
    }
}

/// The bounds are too far apart for their middle to mean anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooUncertain {
    /// So far.
    pub width: Span,
}

impl fmt::Display for TooUncertain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("time uncertainty too large")
    }
}

impl core::error::Error for TooUncertain {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secs(seconds: i64) -> Span {
        Span::from_secs(seconds)
    }

    fn heard(answers: &[(i64, i64)]) -> Estimate {
        let mut estimate = Estimate::within(REACH);
        answers.iter().for_each(|(lower, upper)| estimate.hear(secs(*lower), secs(*upper)));
        estimate
    }

    proptest! {
        #[test]
        fn nothing_widens_it_and_it_is_never_inside_out(
            answers in proptest::collection::vec((any::<i64>(), any::<i64>()), 0..20)
        ) {
            let mut estimate = Estimate::within(REACH);
            for (lower, upper) in answers {
                let before = estimate.width();
                estimate.hear(Span::from_nanos(lower), Span::from_nanos(upper));
                prop_assert!(estimate.width() <= before && !estimate.width().is_negative());
            }
        }

        #[test]
        fn honest_answers_keep_the_truth_inside(
            truth in -172_000i64..172_000,
            ways in proptest::collection::vec((0i64..1000, 0i64..1000), 1..20)
        ) {
            let mut estimate = Estimate::within(REACH);
            for (there, back) in ways {
                estimate.hear(secs(truth) - Span::from_millis(back), secs(truth) + Span::from_millis(there));
            }
            let error = (estimate.middle() - secs(truth)).abs();
            prop_assert!(error <= estimate.width().half() + Span::from_attos(1));
            prop_assert!(estimate.adjustment(WIDTH_MAX).is_ok());
        }
    }

    #[test]
    fn two_days_are_the_limit() {
        assert_eq!(heard(&[(172_700, 172_700)]).adjustment(WIDTH_MAX), Ok(secs(172_700)));
        assert_eq!(heard(&[(-172_700, -172_700)]).adjustment(WIDTH_MAX), Ok(secs(-172_700)));
        for far in [172_900, -172_900] {
            let width = REACH * 2;
            assert_eq!(heard(&[(far, far)]).adjustment(WIDTH_MAX), Err(TooUncertain { width }));
        }
    }

    #[test]
    fn more_than_two_seconds_are_no_answer() {
        assert_eq!(heard(&[(0, 2)]).adjustment(WIDTH_MAX), Ok(secs(1)));
        assert_eq!(heard(&[(0, 3)]).adjustment(WIDTH_MAX), Err(TooUncertain { width: secs(3) }));
        assert_eq!(heard(&[(0, 3), (2, 9)]).adjustment(WIDTH_MAX), Ok(Span::from_millis(2500)));
    }

    #[test]
    fn what_contradicts_is_passed_over() {
        let estimate = heard(&[(0, 1)]);
        assert_eq!(heard(&[(0, 1), (5, 6), (-7, -6)]), estimate);
    }
}
