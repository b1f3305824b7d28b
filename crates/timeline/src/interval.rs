//! When something happened: no earlier than, most likely, no later than.

use truechimer_time::{Span, Tai, Time};

/// A stretch of true time in which something lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// No earlier than.
    pub earliest: Time<Tai>,
    /// Most likely. Only for reading: nothing that is claimed leans on it.
    pub best: Time<Tai>,
    /// No later than.
    pub latest: Time<Tai>,
}

/// No log is so old: 31,000 years. What is further away is not known, whatever was added to it.
const FAR: Span = Span::from_secs(1_000_000_000_000);

/// What is certain of two things that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The first was before the second.
    Before,
    /// The first was after the second.
    After,
    /// Nobody can tell.
    Concurrent,
}

impl Interval {
    /// Nothing is known.
    pub const EVER: Self = Self {
        earliest: Time::from_epoch(Span::MIN),
        best: Time::from_epoch(Span::ZERO),
        latest: Time::from_epoch(Span::MAX),
    };

    /// Within so much of a moment.
    pub fn within(best: Time<Tai>, bound: Span) -> Self {
        Self { earliest: best - bound, best, latest: best + bound }
    }

    /// Is anything known on both sides?
    pub fn is_bounded(&self) -> bool {
        -FAR < self.earliest.since_epoch() && self.latest.since_epoch() < FAR
    }

    /// Is anything known on one side at least?
    pub fn is_half_known(&self) -> bool {
        -FAR < self.earliest.since_epoch() || self.latest.since_epoch() < FAR
    }

    /// The most likely moment is at most so wrong.
    pub fn bound(&self) -> Span {
        (self.latest - self.best).max(self.best - self.earliest)
    }

    /// What both say; `None` if they contradict each other. The likeliest moment is that of the narrower one.
    pub fn meet(&self, other: &Self) -> Option<Self> {
        let earliest = self.earliest.max(other.earliest);
        let latest = self.latest.min(other.latest);
        let narrower =
            if self.latest - self.earliest <= other.latest - other.earliest { self } else { other };
        (earliest <= latest).then(|| Self { earliest, best: narrower.best.clamp(earliest, latest), latest })
    }

    /// The narrowest interval that has both within. The likeliest moment is in the middle, where anything is known.
    pub fn hull(&self, other: &Self) -> Self {
        let earliest = self.earliest.min(other.earliest);
        let latest = self.latest.max(other.latest);
        let hull = Self { earliest, best: self.best, latest };
        match hull.is_bounded() {
            true => Self { best: earliest + (latest - earliest) / 2, ..hull },
            false => hull,
        }
    }

    /// The same, if it may be wrong by so much more.
    pub fn widened(&self, by: Span) -> Self {
        Self { earliest: self.earliest - by, best: self.best, latest: self.latest + by }
    }

    /// Which of two was first, if that is certain.
    pub fn order(&self, other: &Self) -> Order {
        if self.latest < other.earliest {
            Order::Before
        } else if other.latest < self.earliest {
            Order::After
        } else {
            Order::Concurrent
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(earliest: i64, latest: i64) -> Interval {
        let at = |second| Time::from_epoch(Span::from_secs(second));
        Interval { earliest: at(earliest), best: at(earliest), latest: at(latest) }
    }

    #[test]
    fn bad_input_165_what_overlaps_is_concurrent() {
        assert_eq!(interval(1, 2).order(&interval(3, 4)), Order::Before);
        assert_eq!(interval(3, 4).order(&interval(1, 2)), Order::After);
        assert_eq!(interval(1, 3).order(&interval(3, 4)), Order::Concurrent);
        assert_eq!(Interval::EVER.order(&interval(1, 2)), Order::Concurrent);
    }

    #[test]
    fn what_contradicts_itself_is_never_bent() {
        assert_eq!(interval(1, 2).meet(&interval(3, 4)), None);
        let met = interval(1, 9).meet(&interval(2, 4)).expect("they meet");
        assert_eq!(
            (met.earliest, met.best, met.latest),
            (interval(2, 4).earliest, interval(2, 4).best, interval(2, 4).latest)
        );
        assert_eq!(interval(1, 9).meet(&Interval::EVER), Some(interval(1, 9)));
    }

    #[test]
    fn a_hull_has_both_within() {
        let hull = interval(1, 2).hull(&interval(6, 9));
        assert_eq!((hull.earliest, hull.latest), (interval(1, 9).earliest, interval(1, 9).latest));
        assert_eq!(hull.best, interval(5, 5).best);
        assert!(!Interval::EVER.hull(&interval(1, 2)).is_bounded());
    }
}
