//! Which stretches a reading can be of, without asking each of them: clocks that are slewed or set often have thousands.

use std::ops::Range;

use truechimer_time::{Local, Span, Time};

use super::Course;

/// For each stretch, what holds for all up to it, and for all from it on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// No stretch up to this one reaches further.
    ends: Vec<Time<Local>>,
    /// No stretch from this one on begins before.
    begins: Vec<Time<Local>>,
}

impl Course {
    /// The same, with an index. What becomes known later makes stretches reach less far, and leaves it right.
    pub(super) fn indexed(mut self) -> Self {
        let count = self.stretches.len();
        let mut reaches: Vec<[Time<Local>; 2]> = (0..count).map(|at| self.far_ends(at)).collect();
        // Before the first one and after the last one there is no other to end them.
        if let [first, ..] = &mut reaches[..] {
            first[0] = Time::from_epoch(Span::MIN);
        }
        if let [.., last] = &mut reaches[..] {
            last[1] = Time::from_epoch(Span::MAX);
        }
        let further = |furthest: &mut Time<Local>, [_, end]: &[Time<Local>; 2]| {
            *furthest = (*furthest).max(*end);
            Some(*furthest)
        };
        let earlier = |earliest: &mut Time<Local>, [begin, _]: &[Time<Local>; 2]| {
            *earliest = (*earliest).min(*begin);
            Some(*earliest)
        };
        self.index.ends = reaches.iter().scan(Time::from_epoch(Span::MIN), further).collect();
        self.index.begins = reaches.iter().rev().scan(Time::from_epoch(Span::MAX), earlier).collect();
        self.index.begins.reverse();
        self
    }

    /// All stretches of which a reading between these two can be, and few others.
    pub(super) fn candidates(&self, from: Time<Local>, to: Time<Local>) -> Range<usize> {
        let first = self.index.ends.partition_point(|end| *end < from);
        let end = self.index.begins.partition_point(|begin| *begin <= to);
        first..end.max(first)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Evidence, Held, Knot, Rates, Stretch};
    use super::*;
    use crate::interval::Interval;
    use crate::shown::Shown;
    use proptest::prelude::*;

    fn local(millis: i64) -> Time<Local> {
        Time::from_epoch(Span::from_millis(millis))
    }

    /// A stretch of a clock that was so far off, from a true second on.
    fn stretch((from, long, off, bound, kind): (i64, i64, i64, i64, u8)) -> Stretch {
        let knot = |truth: i64| {
            let held = Span::from_millis(off - bound);
            Knot {
                reading: local(truth + off),
                truth: Interval::within(Time::from_epoch(Span::from_millis(truth)), Span::from_millis(bound)),
                rates: Rates::ANY,
                held: (kind < 2).then_some(Held { min: held, max: held + Span::from_millis(2 * bound) }),
                aside: Span::ZERO,
                evidence: Evidence::Chrony,
            }
        };
        let knots = vec![knot(from), knot(from + long)];
        let stretch =
            if kind < 2 { Stretch::held(knots, kind == 0) } else { Stretch { knots, ..Stretch::default() } };
        stretch.closed(kind % 3 == 0, kind % 3 == 1)
    }

    proptest! {
        #[test]
        fn whatever_a_reading_can_mean_is_a_candidate(
            parts in proptest::collection::vec((0i64..100_000, 1i64..20_000, -30_000i64..30_000, 0i64..500, 0u8..6), 1..20),
            asked in proptest::collection::vec((-60_000i64..160_000, 0i64..2000), 1..30),
            is_unset in any::<bool>(),
        ) {
            let course = Course::of(parts.into_iter().map(stretch));
            let course = if is_unset { course.unset() } else { course };
            for (from, long) in asked {
                let shown = Shown { from: local(from), to: local(from + long), doubt: None };
                let candidates = course.candidates(shown.from, shown.to);
                for at in 0..course.stretches.len() {
                    prop_assert!(candidates.contains(&at) || course.meant(at, &shown).is_none(), "{at} of {candidates:?}");
                }
            }
        }
    }
}
