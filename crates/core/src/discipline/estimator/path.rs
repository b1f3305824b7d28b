//! What is learned of the delays of one way, while they come in.
//!
//! The scale `J` follows the mean excess (or, where the noise is rather round than one-sided, its spread), each excess
//! counted as far as it is not congestion. Congestion is a state that lasts: an exchange that looks congested makes the
//! next one likely to be so.

use super::delay::{DelayDensity, Normal, Wait, heavy_tail};

/// Below this roundness a second, narrower exponential is told apart.
const SHARP: f64 = 0.2;
/// The narrow exponential is so much narrower.
const NARROWER: f64 = 6.0;
/// Above this roundness the spread is learned instead of the mean.
const ROUND: f64 = 0.8;

/// A congested way stays so, and a quiet one becomes so, with these probabilities from one exchange to the next.
const STAYS_CONGESTED: f64 = 0.98;
const BECOMES_CONGESTED: f64 = 0.01;

/// A way that is calm is congested with less than this probability.
const CALM: f64 = 0.05;

/// However congested it looks, an exchange teaches at least so much of what a quiet one does.
const TEACHES_MIN: f64 = 0.15;

/// An excess counts as no more than so many scales when the scale is learned, a square as so many squares.
const EXCESS_MAX: f64 = 5.0;
const SQUARE_MAX: f64 = 9.0;

/// No scale is smaller, in seconds: the counter's own resolution.
const SCALE_MIN: f64 = 2e-8;

/// What is known of the delays of one way, for one shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Path {
    /// The scale of quiet waits, in seconds.
    pub(super) scale: f64,
    narrow: f64,
    congestion: f64,
}

/// How likely an excess was under each part of the density.
struct Likelihoods {
    broad: f64,
    narrow: f64,
    congested: f64,
}

impl Likelihoods {
    /// How likely it is that the excess came from congestion.
    fn congestion(&self) -> f64 {
        self.congested / (self.broad + self.narrow + self.congested)
    }

    /// How likely it is that it came from the narrow wait, if it was quiet.
    fn narrowness(&self) -> f64 {
        self.narrow / (self.broad + self.narrow + f64::MIN_POSITIVE)
    }
}

impl Path {
    /// A way of which only the order of magnitude of its waits is guessed, in seconds.
    pub(super) fn new(scale: f64) -> Self {
        Self { scale: scale.max(SCALE_MIN), narrow: 0.05, congestion: 0.02 }
    }

    /// What is believed of the next excess, if anything at all is as wide as `width`.
    pub(super) fn density(&self, roundness: f64, noise: f64, width: f64) -> DelayDensity {
        let quiet = 1.0 - self.congestion;
        let narrow = self.narrow_weight(roundness);
        DelayDensity {
            waits: [
                Wait { weight: quiet * (1.0 - narrow), mean: self.scale },
                Wait { weight: quiet * narrow, mean: self.scale / NARROWER },
            ],
            congestion: self.congestion,
            congestion_scale: self.spread(roundness),
            noise,
            anything_width: width,
        }
    }

    /// What was taken for congestion was none.
    pub(super) fn calm(&mut self) {
        self.congestion = self.congestion.min(CALM);
    }

    /// Learns from an excess as it turned out, with a weight of `gain` against all that was learned before.
    pub(super) fn learn(&mut self, excess: Normal, roundness: f64, gain: f64) {
        let round = roundness > ROUND;
        let likely =
            if round { self.round(excess.mean, roundness) } else { self.sharp(excess.mean, roundness) };
        let congested = likely.congestion();
        self.congestion = congested * STAYS_CONGESTED + (1.0 - congested) * BECOMES_CONGESTED;
        let teaches = gain * (1.0 - congested).max(TEACHES_MIN);
        if round {
            self.learn_spread(excess, roundness, teaches);
        } else {
            self.learn_mean(excess.mean.max(0.0), likely.narrowness(), teaches);
            let weight = self.narrow + gain * (1.0 - congested) * (likely.narrowness() - self.narrow);
            self.narrow = weight.clamp(0.02, 0.8);
        }
        self.scale = self.scale.max(SCALE_MIN);
    }

    fn learn_mean(&mut self, excess: f64, narrowness: f64, teaches: f64) {
        let most = EXCESS_MAX * self.scale;
        let seen = (1.0 - narrowness) * excess.min(most) + narrowness * (excess * NARROWER).min(most);
        self.scale += teaches * (seen - self.scale);
    }

    fn learn_spread(&mut self, excess: Normal, roundness: f64, teaches: f64) {
        let apart = excess.mean - self.scale;
        let old = self.scale * self.scale;
        let seen = (apart * apart + excess.variance) / (1.0 + roundness * roundness);
        self.scale = libm::sqrt(old + teaches * (seen.min(SQUARE_MAX * old) - old));
    }

    fn sharp(&self, excess: f64, roundness: f64) -> Likelihoods {
        let (excess, narrow) = (excess.max(0.0), self.narrow_weight(roundness));
        let quiet =
            |weight: f64, mean: f64| (1.0 - self.congestion) * weight / mean * libm::exp(-excess / mean);
        Likelihoods {
            broad: quiet(1.0 - narrow, self.scale),
            narrow: if narrow > 0.0 { quiet(narrow, self.scale / NARROWER) } else { 0.0 },
            congested: self.congestion * heavy_tail(excess, self.spread(roundness)),
        }
    }

    fn round(&self, excess: f64, roundness: f64) -> Likelihoods {
        let spread = self.spread(roundness);
        let z = (excess - self.scale).max(0.0) / spread;
        let bell = libm::exp(-0.5 * z * z).max(0.01 * libm::exp(-2.0 * z));
        Likelihoods {
            broad: (1.0 - self.congestion) * 0.4 / spread * bell,
            narrow: 0.0,
            congested: self.congestion * heavy_tail(excess.max(0.0), spread),
        }
    }

    fn narrow_weight(&self, roundness: f64) -> f64 {
        if roundness < SHARP { self.narrow } else { 0.0 }
    }

    /// The standard deviation of a quiet excess, in seconds.
    fn spread(&self, roundness: f64) -> f64 {
        self.scale * libm::sqrt(1.0 + roundness * roundness)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exponential excesses by evenly spread chances, in an order that mixes long and short ones.
    fn waits(mean: f64) -> impl Iterator<Item = Normal> {
        let chance = |n: u32| (f64::from(n.wrapping_mul(2_654_435_761) >> 8) + 0.5) / 16_777_216.0;
        (0..2_000).map(move |n| Normal { mean: -mean * libm::log(chance(n)), variance: 0.0 })
    }

    #[test]
    fn the_usual_wait_is_learned() {
        for roundness in [0.0, 0.4] {
            let mut path = Path::new(1e-3);
            waits(1e-4).for_each(|excess| path.learn(excess, roundness, 0.01));
            assert!((0.7e-4..1.3e-4).contains(&path.scale), "{roundness}: {path:?}");
        }
    }

    #[test]
    fn congestion_is_seen_at_once_lasts_and_teaches_little() {
        let mut path = Path::new(1e-4);
        waits(1e-4).for_each(|excess| path.learn(excess, 0.0, 0.01));
        let (quiet, congested) = (path, Normal { mean: 5e-3, variance: 0.0 });
        path.learn(congested, 0.0, 0.01);
        assert!(path.congestion > 0.9, "{path:?}");
        (0..20).for_each(|_| path.learn(congested, 0.0, 0.01));
        assert!(path.scale < 1.2 * quiet.scale, "{path:?}");
        (0..20).for_each(|_| path.learn(Normal { mean: 3e-5, variance: 0.0 }, 0.0, 0.01));
        assert!(path.congestion < 0.1, "{path:?}");
    }
}
