//! How long packets take on one way, and what one packet tells.
//!
//! A packet needs its way's base delay and then waits in queues: the *excess* over the base is never negative. Its
//! density, as far as it has been learned, is
//!
//! ```text
//!   p(e) = (1 - c) Σ wᵢ exp(-e/Jᵢ)/Jᵢ  ⊛  N(0, n²)      quiet: exponential waits, blurred by the noise of the stamps
//!        + c · ½ √J (e + J)^(-3/2)                       congested: heavy-tailed, nearly flat where it matters
//!        + 10⁻⁵ / width                                  anything at all, so that no packet can prove too much
//! ```
//!
//! The clock's error and the bases are uncertain, so the excess of a packet is, before it is looked at, normal. The
//! density *tilts* that normal distribution; only the mean and variance of the result are kept ("assumed density").
//! Everything is reckoned in terms of the excess itself, which the distribution beyond a wall gives without
//! cancellation. No exponent is ever positive, so nothing overflows, and the flat part keeps the sum from vanishing.

use super::normal::{self, Beyond};

/// The weight of anything at all.
const ANYTHING: f64 = 1e-5;

/// Anything at all is spread as wide as this, in standard deviations of what is predicted, at least.
const ANYTHING_SIGMAS: f64 = 20.0;

/// Exponentials of the quiet part.
pub const WAITS_MAX: usize = 2;

/// An exponential wait.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Wait {
    /// Its weight, zero if there is none.
    pub weight: f64,
    /// Its mean, in seconds.
    pub mean: f64,
}

/// The density of the excess delay of one way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DelayDensity {
    /// The quiet waits. Their weights and that of [`DelayDensity::congestion`] sum up to one.
    pub waits: [Wait; WAITS_MAX],
    /// How likely it is that the way is congested now.
    pub congestion: f64,
    /// The scale of the congested waits, in seconds.
    pub congestion_scale: f64,
    /// The variance of the noise of the stamps, in s².
    pub noise: f64,
    /// How wide anything at all is spread, in seconds.
    pub anything_width: f64,
}

/// Mean and variance of a normal variable.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Normal {
    /// The mean.
    pub mean: f64,
    /// The variance, not negative.
    pub variance: f64,
}

/// What an excess became when its density was taken into account.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Tilted {
    /// The probability (density) with which it was predicted, per second. Never zero.
    pub evidence: f64,
    /// Mean and variance of the excess afterwards.
    pub excess: Normal,
}

/// A sum of weighted moments, kept as mean and variance.
#[derive(Clone, Copy, Default)]
struct Blend {
    weight: f64,
    moments: Normal,
}

impl Blend {
    fn add(&mut self, weight: f64, part: Normal) {
        self.weight += weight;
        let share = weight / self.weight;
        let apart = part.mean - self.moments.mean;
        self.moments.mean += share * apart;
        self.moments.variance +=
            share * (part.variance - self.moments.variance + (1.0 - share) * apart * apart);
    }
}

/// The predicted excess with the noise of the stamps: what the parts of the density have in common.
struct Predicted {
    mean: f64,
    variance: f64,
    sigma: f64,
    /// The mean in standard deviations.
    z: f64,
    /// exp(-z²/2).
    bell: f64,
}

impl Predicted {
    fn new(mean: f64, variance: f64) -> Self {
        let sigma = libm::sqrt(variance);
        let z = mean / sigma;
        Self { mean, variance, sigma, z, bell: libm::exp(-0.5 * z * z) }
    }

    fn scaled(&self, beyond: Beyond) -> Normal {
        Normal { mean: self.sigma * beyond.excess, variance: self.variance * beyond.variance }
    }

    /// Weight and moments under one exponential: a truncated normal, shifted by variance / J.
    fn waiting(&self, wait: Wait) -> (f64, Normal) {
        let width = self.sigma / wait.mean;
        let wall = width - self.z;
        let height = wait.weight / wait.mean;
        if wall >= 0.0 {
            let beyond = Beyond::high(wall);
            return (height * normal::density(self.bell) / beyond.mean, self.scaled(beyond));
        }
        let decay = libm::exp(width * (0.5 * width - self.z));
        if decay < f64::MIN_POSITIVE {
            return (0.0, Normal::default());
        }
        let (beyond, probability) = Beyond::low(wall, normal::density(self.bell / decay));
        (height * decay * probability, self.scaled(beyond))
    }

    /// Weight and moments when the way is congested: the wall, and a density that is flat behind it.
    fn congested(&self, weight: f64, scale: f64) -> (f64, Normal) {
        let (beyond, probability) = if self.z <= 0.0 {
            let beyond = Beyond::high(-self.z);
            (beyond, normal::density(self.bell) / beyond.mean)
        } else {
            Beyond::low(-self.z, normal::density(self.bell))
        };
        let moments = self.scaled(beyond);
        (probability * weight * heavy_tail(moments.mean, scale), moments)
    }
}

/// The density ½ √J (e + J)^(-3/2) of an excess `e` on a congested way.
pub(super) fn heavy_tail(excess: f64, scale: f64) -> f64 {
    let sum = excess + scale;
    0.5 * libm::sqrt(scale / sum) / sum
}

impl DelayDensity {
    /// What becomes of an excess that was predicted to be normal, if there is so much more noise (a variance).
    ///
    /// `predicted.variance` must be positive.
    pub fn tilt(&self, predicted: Normal, more_noise: f64) -> Tilted {
        let noise = self.noise + more_noise;
        let blurred = Predicted::new(predicted.mean, predicted.variance + noise);
        let mut blend = Blend::default();
        let anything = ANYTHING / (self.anything_width + ANYTHING_SIGMAS * blurred.sigma);
        blend.add(anything, Normal { mean: blurred.mean, variance: blurred.variance });
        for wait in self.waits.iter().filter(|wait| wait.weight > 0.0) {
            let (weight, moments) = blurred.waiting(*wait);
            blend.add(weight, moments);
        }
        if self.congestion > 0.0 {
            let (weight, moments) = blurred.congested(self.congestion, self.congestion_scale);
            blend.add(weight, moments);
        }
        let share = predicted.variance / blurred.variance;
        Tilted {
            evidence: blend.weight,
            excess: Normal {
                mean: predicted.mean + share * (blend.moments.mean - predicted.mean),
                variance: share * (noise + share * blend.moments.variance),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quiet(mean: f64, noise: f64) -> DelayDensity {
        DelayDensity {
            waits: [Wait { weight: 0.7, mean }, Wait { weight: 0.3, mean: mean / 6.0 }],
            congestion: 0.0,
            congestion_scale: mean,
            noise,
            anything_width: 1.0,
        }
    }

    /// The same by adding up: a normal excess, noise, and what the density says of what remains.
    fn added_up(density: &DelayDensity, predicted: Normal) -> Tilted {
        let bell = |z: f64, variance: f64| {
            libm::exp(-0.5 * z * z / variance) / (normal::ROOT_TWO_PI * libm::sqrt(variance))
        };
        let sigma = libm::sqrt(predicted.variance);
        let anything = ANYTHING
            / (density.anything_width + ANYTHING_SIGMAS * libm::sqrt(predicted.variance + density.noise));
        let waiting = |excess: f64| -> f64 {
            density.waits.iter().map(|wait| wait.weight / wait.mean * libm::exp(-excess / wait.mean)).sum()
        };
        let step = density.waits[1].mean / 40.0;
        let blurred = |excess: f64| -> f64 {
            let waits = (0..4_000).map(|n| (f64::from(n) + 0.5) * step);
            waits.map(|wait| waiting(wait) * bell(excess - wait, density.noise) * step).sum()
        };
        let (mut total, mut mean, mut square) = (0.0, 0.0, 0.0);
        for n in -800..800 {
            let excess = predicted.mean + f64::from(n) * sigma / 100.0;
            let weight =
                bell(excess - predicted.mean, predicted.variance) * (blurred(excess) + anything) * sigma
                    / 100.0;
            total += weight;
            mean += weight * excess;
            square += weight * excess * excess;
        }
        let mean = mean / total;
        let excess = Normal { mean, variance: square / total - mean * mean };
        Tilted { evidence: total, excess }
    }

    #[test]
    fn tilting_is_what_adding_up_gives() {
        for (mean, variance, noise) in
            [(1.0, 1.0, 0.04), (-0.5, 0.5, 0.02), (3.0, 0.2, 0.3), (0.3, 4.0, 0.05), (-2.0, 0.3, 0.02)]
        {
            let (density, predicted) = (quiet(1.0, noise), Normal { mean, variance });
            let (tilted, sum) = (density.tilt(predicted, 0.0), added_up(&density, predicted));
            assert!((tilted.evidence / sum.evidence - 1.0).abs() < 0.01, "{predicted:?}: {tilted:?} {sum:?}");
            assert!((tilted.excess.mean - sum.excess.mean).abs() < 0.01, "{predicted:?}: {tilted:?} {sum:?}");
            let ratio = tilted.excess.variance / sum.excess.variance;
            assert!((ratio - 1.0).abs() < 0.02, "{predicted:?}: {tilted:?} {sum:?}");
        }
    }

    #[test]
    fn what_is_certain_is_not_tilted() {
        let predicted = Normal { mean: 1e-3, variance: 1e-24 };
        let tilted = quiet(1e-4, 1e-14).tilt(predicted, 0.0);
        assert!((tilted.excess.mean - predicted.mean).abs() < 1e-14);
        assert!((tilted.excess.variance / predicted.variance - 1.0).abs() < 1e-6);
    }

    #[test]
    fn an_impossible_excess_proves_no_more_than_anything_at_all() {
        let predicted = Normal { mean: -1.0, variance: 1e-12 };
        let tilted = quiet(1e-4, 1e-14).tilt(predicted, 0.0);
        assert!(tilted.evidence > 0.99 * ANYTHING, "{tilted:?}");
        assert!((tilted.excess.mean + 1.0).abs() < 1e-6, "{tilted:?}");
    }

    #[test]
    fn a_congested_way_is_a_wall_and_little_more() {
        let congested =
            DelayDensity { waits: [Wait::default(); WAITS_MAX], congestion: 1.0, ..quiet(1e-4, 0.0) };
        let far = congested.tilt(Normal { mean: 5e-3, variance: 1e-8 }, 0.0);
        assert!((far.excess.mean - 5e-3).abs() < 1e-7, "behind the wall nothing pulls: {far:?}");
        let near = congested.tilt(Normal { mean: -3e-4, variance: 1e-8 }, 0.0);
        assert!((0.0..1e-4).contains(&near.excess.mean), "the wall holds: {near:?}");
    }

    proptest! {
        #[test]
        fn nothing_becomes_more_than_a_number(
            mean in prop_oneof![-1e9f64..1e9, -1e-3f64..1e-3],
            log_variance in -60.0f64..60.0,
            log_scale in -18.0f64..10.0,
            congestion in 0.0f64..1.0,
        ) {
            let scale = libm::exp(log_scale);
            let density = DelayDensity { congestion, congestion_scale: scale, ..quiet(scale, 1e-14) };
            let Tilted { evidence, excess } =
                density.tilt(Normal { mean, variance: libm::exp(log_variance) }, 0.0);
            prop_assert!(evidence > 0.0 && evidence.is_finite() && excess.mean.is_finite(), "{evidence} {excess:?}");
            prop_assert!(excess.variance > 0.0 && excess.variance.is_finite(), "{excess:?}");
        }
    }
}
