//! What is known of the oscillator before the first sample.

use super::bank::Before;
use super::{WANDERS, WANDERS_SQUARED};
use crate::discipline::oscillator::RateLimits;

/// The wander that is assumed at first, as a decimal logarithm, per square root of a second: an ordinary oscillator at
/// room temperature, within a decade either way.
const WANDER_LOG: f64 = -9.0;
const WANDER_SPREAD: f64 = 1.0;

/// A wander learned in an earlier life is good within a half decade.
const WANDER_SPREAD_LEARNED: f64 = 0.5;

/// What is known of the oscillator before the first sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// The rate lies between these (taken as three standard deviations).
    pub limits: RateLimits,
    /// How fast it wanders per square root of a second, if that was learned before.
    pub wander: Option<f64>,
}

impl From<RateLimits> for Prior {
    fn from(limits: RateLimits) -> Self {
        Self { limits, wander: None }
    }
}

impl Prior {
    pub(super) fn before(&self) -> Before {
        let rate_sigma = self.limits.error().as_ratio() / 3.0;
        Before { drift: 0.0, rate_sigma, wanders: self.wanders(), wait: None }
    }

    /// How likely each of [`WANDERS_SQUARED`] is, as logarithms.
    pub(crate) fn wanders(&self) -> [f64; WANDERS] {
        let (middle, spread) = match self.wander {
            Some(wander) => (libm::log10(wander.clamp(1e-12, 1e-5)), WANDER_SPREAD_LEARNED),
            None => (WANDER_LOG, WANDER_SPREAD),
        };
        WANDERS_SQUARED.map(|squared| {
            let z = (0.5 * libm::log10(squared) - middle) / spread;
            -0.5 * z * z
        })
    }
}
