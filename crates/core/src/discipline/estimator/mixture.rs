//! What hypotheses say together, each weighed by its evidence.

use truechimer_time::{Raw, Span, Time};

use super::Estimate;
use super::reference::Reference;
use super::track::Walk;

/// What one hypothesis says of error and drift.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opinion {
    /// How likely it is, up to a factor that is common to all.
    pub(crate) weight: f64,
    /// By how much the reference is ahead of true time.
    pub(crate) error: f64,
    /// How fast it gains on it.
    pub(crate) drift: f64,
    /// Their covariance.
    pub(crate) covariance: Walk,
    /// The square of the wander that it believes in.
    pub(crate) wander_squared: f64,
}

/// What all say together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mixture {
    /// By how much the reference is ahead of true time.
    pub(crate) error: f64,
    /// How fast it gains on it.
    pub(crate) drift: f64,
    /// Their covariance, with how far the hypotheses lie apart.
    pub(crate) covariance: Walk,
    /// The mean square of the wander.
    pub(crate) wander_squared: f64,
}

impl Mixture {
    /// Of these opinions, which are asked for twice.
    pub(crate) fn of<I: Iterator<Item = Opinion>>(opinions: impl Fn() -> I) -> Self {
        let (mut total, mut error, mut drift, mut wander_squared) = (0.0, 0.0, 0.0, 0.0);
        for opinion in opinions() {
            total += opinion.weight;
            error += opinion.weight * opinion.error;
            drift += opinion.weight * opinion.drift;
            wander_squared += opinion.weight * opinion.wander_squared;
        }
        let (error, drift) = (error / total, drift / total);
        let mut covariance = Walk { error: 0.0, both: 0.0, drift: 0.0 };
        for Opinion { weight, error: one, drift: other, covariance: p, .. } in opinions() {
            let (share, off, skew) = (weight / total, one - error, other - drift);
            covariance.error += share * (p.error + off * off);
            covariance.both += share * (p.both + off * skew);
            covariance.drift += share * (p.drift + skew * skew);
        }
        Self { error, drift, covariance, wander_squared: wander_squared / total }
    }

    /// The same against a reference that is `error` less ahead and gains `drift` less.
    pub(crate) fn shifted(self, error: f64, drift: f64) -> Self {
        Self { error: self.error - error, drift: self.drift - drift, ..self }
    }

    /// The estimate at a reading of the counter, later or (with less right) earlier than where the reference is anchored.
    pub(crate) fn estimate(&self, reference: &Reference, at: Time<Raw>) -> Estimate {
        let passed = (at - reference.at).as_seconds();
        let Self { error, drift, covariance, wander_squared } = *self;
        let walk = Walk::new(wander_squared, passed);
        let carried = covariance.error + passed * (2.0 * covariance.both + passed * covariance.drift);
        Estimate {
            tai: reference.time(at) - Span::from_seconds(error + drift * passed),
            rate: reference.rate.as_ratio() - drift,
            sigma: libm::sqrt(carried.max(0.0) + walk.error),
            rate_sigma: libm::sqrt(covariance.drift + walk.drift),
        }
    }

    /// How fast the rate wanders, per square root of a second.
    pub(crate) fn wander(&self) -> f64 {
        libm::sqrt(self.wander_squared)
    }

    /// Is everything a number that means something?
    pub(crate) fn is_sound(&self) -> bool {
        let Walk { error, both, drift } = self.covariance;
        let all = [self.error, self.drift, error, both, drift];
        all.iter().all(|number| number.is_finite()) && error > 0.0 && drift > 0.0
    }
}
