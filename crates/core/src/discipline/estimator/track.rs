//! One filter: what one source tells of the clock, if the oscillator were known to wander so fast.
//!
//! The state is `(x, y, b₁, b₂)`: by how much the reference line is ahead of true time, how fast it gains on it, and
//! the base delays there and back. All four are seconds or seconds per second, small, because the reference follows
//! the estimate.

use super::delay::Normal;
use super::sites::{Projection, Site, Walls};

/// The number of states.
pub(super) const STATES: usize = 4;

/// By how much the reference is ahead of true time.
pub(super) const ERROR: usize = 0;
/// How fast it gains on true time.
pub(super) const DRIFT: usize = 1;
/// The base delay there; the one back follows it.
pub(super) const BASE: usize = 2;

/// Where each way's `z` looks: `z₁ = x − b₁`, `z₂ = −x − b₂`.
const SIGN: [f64; 2] = [1.0, -1.0];

/// No variance falls below this (an attosecond squared), whatever rounding does.
const VARIANCE_MIN: f64 = 1e-36;

/// Mean and covariance of the state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Track {
    pub(super) mean: [f64; STATES],
    pub(super) covariance: [[f64; STATES]; STATES],
}

/// What the rate's random walk adds to the covariance of error and drift while time passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Walk {
    pub(super) error: f64,
    pub(super) both: f64,
    pub(super) drift: f64,
}

impl Walk {
    /// A rate that wanders by `wander` per square root of a second, squared, over `seconds`.
    pub(super) fn new(wander_squared: f64, seconds: f64) -> Self {
        let drift = wander_squared * libm::fabs(seconds);
        let both = drift * seconds / 2.0;
        Self { error: drift * seconds * seconds / 3.0, both, drift }
    }
}

impl Track {
    /// Carries it on by so many seconds.
    pub(super) fn predict(&mut self, seconds: f64, walk: Walk) {
        self.mean[ERROR] += self.mean[DRIFT] * seconds;
        let p = &mut self.covariance;
        let drift = p[DRIFT];
        for (entry, drift) in p[ERROR].iter_mut().zip(drift) {
            *entry += seconds * drift;
        }
        for row in p.iter_mut() {
            row[ERROR] += seconds * row[DRIFT];
        }
        p[ERROR][ERROR] += walk.error;
        p[ERROR][DRIFT] += walk.both;
        p[DRIFT][ERROR] += walk.both;
        p[DRIFT][DRIFT] += walk.drift;
    }

    /// The two combinations that an exchange looks at.
    pub(super) fn projection(&self) -> Projection {
        let (there, back) = (self.towards(0), self.towards(1));
        Projection {
            mean: [along(&self.mean, 0), along(&self.mean, 1)],
            variance: [along(&there, 0), along(&back, 1)],
            covariance: along(&there, 1),
        }
    }

    /// Takes in what an exchange told.
    pub(super) fn learn(&mut self, walls: &Walls) {
        for way in [walls.first, 1 - walls.first] {
            self.add(way, walls.sites[way]);
        }
        self.mend();
    }

    fn add(&mut self, way: usize, site: Site) {
        let gain = self.towards(way);
        let weight = 1.0 / (1.0 + site.precision * along(&gain, way));
        if !(weight > 0.0 && weight.is_finite()) {
            return;
        }
        let pull = weight * (site.shift - site.precision * along(&self.mean, way));
        self.correct(&gain, pull, weight * site.precision);
    }

    /// Moves the mean by `pull` and takes `shrink` off the covariance, along `gain`.
    fn correct(&mut self, gain: &[f64; STATES], pull: f64, shrink: f64) {
        for (row, along) in gain.iter().enumerate() {
            self.mean[row] += along * pull;
            let along = along * shrink;
            for (entry, across) in self.covariance[row].iter_mut().zip(gain) {
                *entry -= along * across;
            }
        }
    }

    /// Takes in that the bases differ (there less back) by so much.
    pub(super) fn impose_difference(&mut self, difference: Normal) {
        let gain = self.covariance.map(|row| row[BASE] - row[BASE + 1]);
        let total = gain[BASE] - gain[BASE + 1] + difference.variance;
        if total > 0.0 {
            let surprise = difference.mean - (self.mean[BASE] - self.mean[BASE + 1]);
            self.correct(&gain, surprise / total, 1.0 / total);
            self.mend();
        }
    }

    /// The sum of both bases.
    pub(super) fn base_sum(&self) -> Normal {
        let p = &self.covariance;
        Normal {
            mean: self.mean[BASE] + self.mean[BASE + 1],
            variance: (p[BASE][BASE] + 2.0 * p[BASE][BASE + 1] + p[BASE + 1][BASE + 1]).max(VARIANCE_MIN),
        }
    }

    /// The base there less the base back.
    pub(super) fn base_difference(&self) -> Normal {
        let p = &self.covariance;
        Normal {
            mean: self.mean[BASE] - self.mean[BASE + 1],
            variance: (p[BASE][BASE] - 2.0 * p[BASE][BASE + 1] + p[BASE + 1][BASE + 1]).max(VARIANCE_MIN),
        }
    }

    /// The covariance of the state with one way's `z`.
    fn towards(&self, way: usize) -> [f64; STATES] {
        self.covariance.map(|row| along(&row, way))
    }

    /// Undoes what rounding may have done: variances stay positive and no correlation exceeds one. Only after jumps of
    /// many orders of magnitude is there anything to do.
    fn mend(&mut self) {
        let p = &mut self.covariance;
        for (state, row) in p.iter_mut().enumerate() {
            row[state] = row[state].max(VARIANCE_MIN);
        }
        for row in 0..STATES {
            for column in 0..row {
                let (mean, most) = (0.5 * (p[row][column] + p[column][row]), p[row][row] * p[column][column]);
                p[row][column] =
                    if mean * mean <= most { mean } else { libm::copysign(libm::sqrt(most), mean) };
                p[column][row] = p[row][column];
            }
        }
    }
}

/// The projection of a vector on one way's `z`.
fn along(vector: &[f64; STATES], way: usize) -> f64 {
    SIGN[way] * vector[ERROR] - vector[BASE + way]
}
