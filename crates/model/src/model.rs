//! The model: TAI as a function of the raw counter, with an honest bound.
//!
//! All else reads this: the kernel clock follows it, the servers serve it, the page in shared memory holds it. It is
//! a straight line with a bracket around it that opens on both sides, exact in integers, so that every reader gets
//! the same answer from the same reading of the counter.

use truechimer_time::{Rate, Raw, Span, Tai, Time};

use crate::bracket::Bracket;
use crate::limits::{MEMORY_SPAN, RateLimits};

/// True time against the raw counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    /// The likeliest time at `bracket.at`.
    pub best: Time<Tai>,
    /// The likeliest rate: seconds of TAI gained on each second of the counter.
    pub rate: Rate,
    /// What is certain at `bracket.at`.
    pub bracket: Bracket,
    /// What is certain about the rate.
    pub limits: RateLimits,
    /// One standard deviation of `best` at `bracket.at`, as far as statistics can see.
    pub sigma: Span,
    /// One standard deviation of `rate`.
    pub rate_sigma: Rate,
    /// How fast the rate wanders: its standard deviation after one second, growing with the square root of time.
    pub wander: Rate,
}

/// The time, read from the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// True time is not before this.
    pub earliest: Time<Tai>,
    /// The likeliest true time.
    pub best: Time<Tai>,
    /// True time is not after this.
    pub latest: Time<Tai>,
    /// One standard deviation of `best`.
    pub sigma: Span,
    /// The counter has gone on for so long since a majority was last heard.
    pub age: Span,
}

impl Reading {
    /// The furthest that `best` can be from the truth, on either side.
    pub fn bound(&self) -> Span {
        (self.best - self.earliest).max(self.latest - self.best)
    }
}

impl Model {
    /// The time at a reading of the counter.
    pub fn read(&self, raw: Time<Raw>) -> Reading {
        let passed = raw - self.bracket.at;
        let carried = self.bracket.carried_to(raw, self.limits);
        let best = self.best + passed + self.rate.over(passed);
        Reading {
            earliest: carried.earliest,
            best: carried.nearest(best),
            latest: carried.latest,
            sigma: self.sigma_after(passed.abs()),
            age: passed,
        }
    }

    /// The same certainty with another line: at a reading of the counter it is at `best` and goes on from there at `rate`, as
    /// far as that can be.
    pub fn laid_through(self, raw: Time<Raw>, best: Time<Tai>, rate: Rate) -> Self {
        let passed = raw - self.bracket.at;
        let (rate, best) =
            (self.limits.nearest(rate), self.bracket.carried_to(raw, self.limits).nearest(best));
        Self { best: best - passed - rate.over(passed), rate, ..self }
    }

    /// The same line, of which it is known that its standard deviation at a later reading of the counter is no less
    /// than this.
    pub fn as_vague_as(self, raw: Time<Raw>, sigma: Span) -> Self {
        let passed = (raw - self.bracket.at).as_seconds();
        let (walked, least) = (self.walked_after(passed), self.sigma.as_seconds());
        let line = libm::sqrt((sigma.as_seconds() * sigma.as_seconds() - walked * walked).max(least * least));
        match passed > 0.0 {
            true => Self { rate_sigma: Rate::from_ratio((line - least) / passed), ..self },
            false => self,
        }
    }

    /// The error of the rate adds up, and the rate walks: a walk that is summed up goes as t^1.5 / √3.
    fn sigma_after(&self, passed: Span) -> Span {
        let line = (self.sigma + self.rate_sigma.over(passed)).as_seconds();
        Span::from_seconds(libm::hypot(line, self.walked_after(passed.as_seconds())))
    }

    fn walked_after(&self, seconds: f64) -> f64 {
        self.wander.as_ratio() * seconds * libm::sqrt(seconds.max(0.0) / 3.0)
    }

    /// How long from a reading of the counter until the bound exceeds `limit`, if nothing more is measured: the
    /// forecast. Zero if it does already.
    pub fn holds_for(&self, raw: Time<Raw>, limit: Span) -> Span {
        let margin = (limit - self.read(raw).bound()).as_seconds();
        let growth = (self.limits.max - self.rate).max(self.rate - self.limits.min).as_ratio();
        match margin > 0.0 {
            true => self.holds_within(raw, limit, Span::from_seconds(margin / growth.max(1e-12))),
            false => Span::ZERO,
        }
    }

    /// The limits of the rate widen in the long run, so the bound gets there no later than `longest`: by halving.
    fn holds_within(&self, raw: Time<Raw>, limit: Span, longest: Span) -> Span {
        if longest <= MEMORY_SPAN {
            return longest;
        }
        let (mut holds, mut breaks) = (Span::ZERO, longest);
        while breaks - holds > Span::from_secs(1) {
            let between = holds + (breaks - holds).half();
            match self.read(raw + between).bound() <= limit {
                true => holds = between,
                false => breaks = between,
            }
        }
        holds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Model {
        let best = Time::EPOCH + Span::from_secs(1_000_000_000);
        Model {
            best,
            rate: Rate::from_ppb(1_000),
            bracket: Bracket {
                at: Time::EPOCH,
                earliest: best - Span::from_millis(1),
                latest: best + Span::from_millis(2),
            },
            limits: RateLimits::around(Rate::from_ppb(1_000), Rate::from_ppb(10_000)),
            sigma: Span::from_micros(10),
            rate_sigma: Rate::from_ppb(1),
            wander: Rate::ZERO,
        }
    }

    #[test]
    fn the_bound_is_the_longer_side_and_grows_with_the_limits() {
        let model = model();
        assert_eq!(model.read(Time::EPOCH).bound(), Span::from_millis(2));
        let later = model.read(Time::EPOCH + Span::from_secs(100));
        assert_eq!(later.bound(), Span::from_millis(3));
        assert_eq!(later.best, model.best + Span::from_secs(100) + Span::from_micros(100));
    }

    #[test]
    fn another_line_leaves_what_is_certain_alone() {
        let (model, raw) = (model(), Time::EPOCH + Span::from_secs(1000));
        let (before, rate) = (model.read(raw), model.rate + Rate::from_ppb(100));
        let bent = model.laid_through(raw, before.best + Span::from_micros(50), rate);
        let after = bent.as_vague_as(raw, Span::from_micros(700)).read(raw);
        assert_eq!((after.earliest, after.latest), (before.earliest, before.latest));
        assert_eq!(after.best, before.best + Span::from_micros(50));
        assert!((after.sigma - Span::from_micros(700)).abs() < Span::from_nanos(1), "{:?}", after.sigma);
        assert_eq!(
            bent.read(raw + Span::from_secs(10)).best - after.best - Span::from_secs(10),
            rate.over(Span::from_secs(10))
        );
        let mad =
            model.laid_through(raw, before.latest + Span::from_secs(9), Rate::from_ppm(900.0)).read(raw);
        assert_eq!((mad.best, mad.latest), (before.latest, before.latest));
    }

    #[test]
    fn the_forecast_is_when_the_bound_gets_there() {
        let model = model();
        let holds = model.holds_for(Time::EPOCH, Span::from_millis(12));
        let then = model.read(Time::EPOCH + holds).bound();
        assert!((then - Span::from_millis(12)).abs() < Span::from_micros(1), "{then:?}");
        assert_eq!(model.holds_for(Time::EPOCH, Span::from_millis(1)), Span::ZERO);
    }
}
