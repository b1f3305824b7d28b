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
    /// The logarithm of the probability (density) with which it was predicted.
    pub log_evidence: f64,
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
            log_evidence: libm::log(blend.weight),
            excess: Normal {
                mean: predicted.mean + share * (blend.moments.mean - predicted.mean),
                variance: share * (noise + share * blend.moments.variance),
            },
        }
    }
}
