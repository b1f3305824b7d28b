//! What is certain: true time lay between two instants when the raw counter showed so much.
//!
//! An answer arrives after it was sent and a question is sent before it arrives, so every exchange with an honest
//! server encloses true time, whatever the network did. A [`Bracket`] is that enclosure. It widens while the
//! oscillator runs at a rate known only within limits, and each new exchange cuts it back. No statistics enter:
//! under the stated assumptions a bracket is never false, and two brackets that do not meet prove an assumption
//! wrong.

use truechimer_time::{Raw, Span, Tai, Time};

use crate::limits::RateLimits;

/// When the counter showed `at`, true time was neither before `earliest` nor after `latest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bracket {
    /// The reading of the raw counter.
    pub at: Time<Raw>,
    /// True time was not before this.
    pub earliest: Time<Tai>,
    /// True time was not after this.
    pub latest: Time<Tai>,
}

impl Bracket {
    /// The same knowledge at another reading of the counter, later or earlier: wider by what the rate can have done.
    pub fn carried_to(self, at: Time<Raw>, limits: RateLimits) -> Self {
        let passed = at - self.at;
        let (least, most) = (limits.min.over(passed), limits.max.over(passed));
        let drift = limits.drift_over(passed.abs());
        Self {
            at,
            earliest: self.earliest + passed + least.min(most) - drift,
            latest: self.latest + passed + least.max(most) + drift,
        }
    }

    /// Both at once. `None` if they contradict each other. The two must be at the same reading.
    pub fn meet(self, other: Self) -> Option<Self> {
        assert!(self.at == other.at, "brackets meet at one reading of the counter");
        let earliest = self.earliest.max(other.earliest);
        let latest = self.latest.min(other.latest);
        (earliest <= latest).then_some(Self { at: self.at, earliest, latest })
    }

    /// From the earliest to the latest.
    pub fn width(self) -> Span {
        self.latest - self.earliest
    }

    /// Half way.
    pub fn middle(self) -> Time<Tai> {
        self.earliest + self.width().half()
    }

    /// The instant of the bracket that is nearest to `instant`.
    pub fn nearest(self, instant: Time<Tai>) -> Time<Tai> {
        instant.max(self.earliest).min(self.latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use truechimer_time::Rate;

    fn limits(min: i64, max: i64) -> RateLimits {
        RateLimits { min: Rate::from_ppb(min), max: Rate::from_ppb(max), drift: Rate::ZERO }
    }

    fn bracket(earliest: i64, latest: i64) -> Bracket {
        let tai = |nanos| Time::EPOCH + Span::from_nanos(nanos);
        Bracket { at: Time::EPOCH, earliest: tai(earliest), latest: tai(latest) }
    }

    proptest! {
        #[test]
        fn truth_stays_inside_while_the_rate_stays_inside(
            seconds in -100_000i64..100_000, min in -500_000i64..0, spread in 0i64..500_000, place in 0i64..=100,
        ) {
            let rate = Rate::from_ppb(min + spread * place / 100);
            let start = bracket(-5, 5);
            let passed = Span::from_secs(seconds);
            let carried = start.carried_to(start.at + passed, limits(min, min + spread));
            let truth = Time::EPOCH + passed + rate.over(passed);
            prop_assert!(carried.earliest <= truth && truth <= carried.latest);
        }
    }

    #[test]
    fn brackets_that_do_not_meet_have_nothing_in_common() {
        assert_eq!(bracket(0, 10).meet(bracket(11, 20)), None);
        assert_eq!(bracket(0, 10).meet(bracket(10, 20)), Some(bracket(10, 10)));
        assert_eq!(bracket(0, 10).nearest(Time::EPOCH + Span::from_nanos(99)), bracket(0, 10).latest);
    }
}
