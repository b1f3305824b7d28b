//! What the records have made known: the line that is followed, and the bound around it.

use truechimer_time::{Rate, Raw, Span, Tai, Time};

use super::certain::Certain;
use super::fit::Fit;
use crate::discipline::model::Model;

/// What is known since the last record that is believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    at: Time<Raw>,
    middle: Time<Tai>,
    fit: Fit,
    certain: Certain,
}

/// Where the clock should be at a reading of the counter, and what is known of that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    /// True time is not before this.
    pub(super) earliest: Time<Tai>,
    /// The likeliest true time.
    pub(super) best: Time<Tai>,
    /// True time is not after this.
    pub(super) latest: Time<Tai>,
    /// One standard deviation of `best`.
    pub(super) sigma: Span,
    /// What the frequency word should say. Not the day's part: a clock that is left alone by day would run away
    /// at night.
    pub(super) rate: Rate,
}

impl Known {
    /// From a fit of records, of which the last one's middle was `middle`.
    pub(super) fn new(fit: Fit, middle: Time<Tai>, certain: Certain) -> Self {
        Self { at: certain.bracket.at, middle, fit, certain }
    }

    /// The model, as it was at the last record.
    pub(super) fn model(&self) -> Model {
        let Certain { bracket, limits, .. } = self.certain;
        Model {
            best: bracket.nearest(self.middle + Span::from_seconds(self.fit.offset(0.0))),
            rate: limits.nearest(Rate::from_ratio(self.fit.rate(0.0))),
            bracket,
            limits,
            sigma: Span::from_seconds(self.fit.sigma(0.0)),
            rate_sigma: Rate::from_ratio(self.fit.rate_sigma()),
            wander: Rate::from_ratio(self.fit.habits().walk),
        }
    }

    /// The course at a reading of the counter.
    pub(super) fn course(&self, raw: Time<Raw>) -> Course {
        let (bracket, limits) = self.certain.at(raw);
        let passed = raw - self.at;
        let best = self.middle + passed + Span::from_seconds(self.fit.offset(passed.as_seconds()));
        Course {
            earliest: bracket.earliest,
            best: bracket.nearest(best),
            latest: bracket.latest,
            sigma: Span::from_seconds(self.fit.sigma(passed.as_seconds())),
            rate: limits.nearest(Rate::from_ratio(self.fit.rate(passed.as_seconds()))),
        }
    }
}
