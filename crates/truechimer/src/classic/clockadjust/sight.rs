//! A measurement, held against the raw counter: what true time was when that showed so much.
//!
//! Nobody sets or slews the raw counter. So a sight stays true whatever happens to the clock after it, and says at any later
//! moment by how much the clock is wrong then.

use truechimer_core::classic::count::KernelCount;
use truechimer_core::discipline::bracket::Bracket;
use truechimer_core::discipline::oscillator::RateLimits;
use truechimer_core::measure::sample::Sample;
use truechimer_sys::clock::Readings;
use truechimer_time::{LeapTable, Rate, Raw, Span, Tai, Time};

/// The two clocks that tell of sleep are read one after the other, and anything can come between.
const SLEEP_MIN: Span = Span::from_millis(10);

/// Has the machine slept between two readings of how long it has in all?
pub fn has_slept(before: Span, after: Span) -> bool {
    (after - before).abs() > SLEEP_MIN
}

/// What the machine's clock counts, and by which leap seconds.
#[derive(Clone, Debug)]
pub struct Counts {
    /// What it counts.
    pub kernel: KernelCount,
    /// The leap seconds.
    pub leaps: LeapTable,
}

/// What true time was at a reading of the raw counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// The reading.
    pub at: Time<Raw>,
    /// The likeliest time then..
    pub best: Time<Tai>,
    /// ..which is wrong by this at most, if those who were asked are right.
    pub bound: Span,
    /// How long the machine had been asleep in all: sleep does not count on the raw counter.
    pub asleep: Span,
}

impl Sight {
    /// What is certain.
    pub fn bracket(&self) -> Bracket {
        Bracket { at: self.at, earliest: self.best - self.bound, latest: self.best + self.bound }
    }

    /// The same knowledge at another reading, if true time runs at `rate` against the counter, give or take what
    /// `limits` say.
    pub fn carried_to(&self, at: Time<Raw>, rate: Rate, limits: RateLimits) -> Self {
        let bracket = self.bracket().carried_to(at, limits);
        let passed = at - self.at;
        let best = bracket.nearest(self.best + passed + rate.over(passed));
        let bound = (bracket.latest - best).max(best - bracket.earliest);
        Self { at, best, bound, asleep: self.asleep }
    }

    /// By how much a clock is slow that shows this now, when the counter shows what the sight is of.
    pub fn adjustment(&self, now: &Readings, counts: &Counts) -> Span {
        self.best - counts.kernel.tai(now.realtime - (now.raw - self.at), &counts.leaps)
    }

    /// As an exchange with a server that is right and takes no time: true time is within the bound of the middle of both
    /// ways.
    pub fn sample(&self) -> Sample {
        let Bracket { at, earliest, latest } = self.bracket();
        let delay = self.bound * 2;
        Sample {
            sent: at - delay,
            received: earliest,
            transmitted: earliest,
            at,
            earliest,
            latest,
            delay,
            distance: Span::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight() -> Sight {
        let at = Time::from_epoch(Span::from_secs(1000));
        let best = Time::from_epoch(Span::from_secs(1_800_000_037));
        Sight { at, best, bound: Span::from_millis(5), asleep: Span::ZERO }
    }

    /// Ten seconds later, by a clock that is `slow`.
    fn readings(slow: Span) -> Readings {
        Readings {
            raw: sight().at + Span::from_secs(10),
            mono: Time::EPOCH,
            realtime: Time::from_epoch(Span::from_secs(1_800_000_010) - slow),
            asleep: Span::ZERO,
            width: Span::ZERO,
        }
    }

    const LEAPS: LeapTable = LeapTable::COMPILED;

    #[test]
    fn the_adjustment_is_what_the_clock_lacks_when_it_is_asked_for() {
        let counts = Counts { kernel: KernelCount::Utc, leaps: LEAPS };
        let limits = RateLimits::around(Rate::ZERO, Rate::from_ppb(15_000));
        let now = readings(Span::from_secs(7));
        let carried = sight().carried_to(now.raw, Rate::ZERO, limits);
        assert_eq!(carried.adjustment(&now, &counts), Span::from_secs(7));
        assert_eq!(carried.bound, Span::from_micros(5150));
        let stepped = readings(Span::from_secs(-3));
        assert_eq!(
            carried.adjustment(&stepped, &counts),
            Span::from_secs(-3),
            "whatever was done to the clock"
        );
        let right = Counts { kernel: KernelCount::TaiLessTen, leaps: LEAPS };
        assert_eq!(carried.adjustment(&now, &right), Span::from_secs(34));
    }

    #[test]
    fn a_rate_that_is_known_is_reckoned_with() {
        let (rate, error) = (Rate::from_ppb(100_000), Rate::from_ppb(1000));
        let limits = RateLimits::around(rate, error);
        let later = sight().carried_to(sight().at + Span::from_secs(1000), rate, limits);
        assert_eq!(later.best - sight().best, Span::from_secs(1000) + Span::from_millis(100));
        assert_eq!(later.bound, Span::from_millis(6));
    }

    #[test]
    fn a_moment_between_two_readings_is_no_sleep() {
        let before = Span::from_secs(100);
        assert!(!has_slept(before, before + Span::from_millis(10)));
        assert!(has_slept(before, before + Span::from_secs(1)));
    }

    #[test]
    fn a_sample_says_the_same() {
        assert_eq!(sight().sample().bracket(), sight().bracket());
        assert_eq!(sight().sample().middle(), sight().best);
    }
}
