//! One filter: what one source tells of the clock, if the oscillator were known to wander so fast.
//!
//! The state is `(x, y, b₁, b₂)`: by how much the reference line is ahead of true time, how fast it gains on it, and
//! the base delays there and back. All four are seconds or seconds per second, small, because the reference follows
//! the estimate.

use super::delay::Normal;
use super::sites::{Projection, Site, Walls};
use super::standing::Middle;

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
pub(crate) struct Walk {
    pub(crate) error: f64,
    pub(crate) both: f64,
    pub(crate) drift: f64,
}

impl Walk {
    /// A rate that wanders by `wander` per square root of a second, squared, over `seconds`.
    pub(crate) fn new(wander_squared: f64, seconds: f64) -> Self {
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

    /// The same if what the walls held against is this projection, blurred by what is no part of the state.
    pub(super) fn learn_through(&mut self, walls: &Walls, seen: &Projection) {
        let gains = [self.towards(0), self.towards(1)];
        let Some((pull, shrink)) = weights(&walls.sites, seen) else { return };
        for (row, gain) in gains.iter().enumerate() {
            for (mean, along) in self.mean.iter_mut().zip(gain) {
                *mean += along * pull[row];
            }
            for (other, across) in gains.iter().enumerate() {
                self.shrink([gain, across], shrink[row][other]);
            }
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

    /// Takes so much off the covariance, along one gain and across another.
    fn shrink(&mut self, [along, across]: [&[f64; STATES]; 2], by: f64) {
        for (row, along) in self.covariance.iter_mut().zip(along) {
            for (entry, across) in row.iter_mut().zip(across) {
                *entry -= along * by * across;
            }
        }
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

    /// What it becomes if a queue stood on both ways.
    pub(super) fn with_middle(&self, middle: &Middle) -> Self {
        let (there, back) = (self.towards(0), self.towards(1));
        let gain: [f64; STATES] = core::array::from_fn(|state| 0.5 * (there[state] - back[state]));
        let mut corrected = *self;
        corrected.correct(&gain, middle.surprise * middle.precision, middle.precision);
        corrected
    }

    /// Becomes the mixture of itself and another, which has a share.
    pub(super) fn blend(&mut self, other: &Self, share: f64) {
        let apart: [f64; STATES] = core::array::from_fn(|state| other.mean[state] - self.mean[state]);
        for row in 0..STATES {
            self.mean[row] += share * apart[row];
            for column in 0..STATES {
                let spread = (1.0 - share) * apart[row] * apart[column];
                let entry = &mut self.covariance[row][column];
                *entry += share * (other.covariance[row][column] - *entry + spread);
            }
        }
    }

    /// Takes in that the bases differ (there less back) by so much.
    pub(super) fn impose_difference(&mut self, difference: Normal) {
        self.impose_bases(-1.0, difference);
    }

    /// Takes in that the bases are so much together.
    pub(super) fn impose_sum(&mut self, sum: Normal) {
        self.impose_bases(1.0, sum);
    }

    /// Takes in what the base there and so many times the base back are together.
    fn impose_bases(&mut self, times: f64, known: Normal) {
        let gain = self.covariance.map(|row| row[BASE] + times * row[BASE + 1]);
        let total = gain[BASE] + times * gain[BASE + 1] + known.variance;
        if total > 0.0 {
            let surprise = known.mean - (self.mean[BASE] + times * self.mean[BASE + 1]);
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

/// How much both sites pull at a projection with covariance `C`, `A⁻¹(ν − Tμ)`, and what they take off, `A⁻¹T`, where
/// `A = 1 + TC` and `T` are the precisions. `None` if they leave nothing to be certain of.
fn weights(sites: &[Site; 2], seen: &Projection) -> Option<([f64; 2], [[f64; 2]; 2])> {
    let [there, back] = sites.map(|site| site.precision);
    let [one, other] = [1.0 + there * seen.variance[0], 1.0 + back * seen.variance[1]];
    let cross = seen.covariance;
    let determinant = one * other - there * back * cross * cross;
    if !(determinant > 0.0 && determinant.is_finite()) {
        return None;
    }
    let surprise = [0, 1].map(|way| sites[way].shift - sites[way].precision * seen.mean[way]);
    let pull = [
        (other * surprise[0] - there * cross * surprise[1]) / determinant,
        (one * surprise[1] - back * cross * surprise[0]) / determinant,
    ];
    let between = -there * back * cross / determinant;
    Some((pull, [[there * other / determinant, between], [between, back * one / determinant]]))
}

/// The projection of a vector on one way's `z`.
fn along(vector: &[f64; STATES], way: usize) -> f64 {
    SIGN[way] * vector[ERROR] - vector[BASE + way]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track() -> Track {
        let mut covariance = [[0.0; STATES]; STATES];
        for (state, variance) in [1e-6, 1e-10, 1e-6, 1e-6].into_iter().enumerate() {
            covariance[state][state] = variance;
        }
        Track { mean: [1e-4, 1e-6, 1e-2, 1e-2], covariance }
    }

    fn assert_close(one: &Track, other: &Track) {
        let pairs = one.covariance.iter().flatten().zip(other.covariance.iter().flatten());
        for (one, other) in pairs.chain(one.mean.iter().zip(&other.mean)) {
            assert!((one - other).abs() <= 1e-12 * one.abs().max(1e-12), "{one} {other}");
        }
    }

    #[test]
    fn two_steps_are_one() {
        let (mut one, mut two) = (track(), track());
        one.predict(500.0, Walk::new(1e-18, 500.0));
        two.predict(200.0, Walk::new(1e-18, 200.0));
        two.predict(300.0, Walk::new(1e-18, 300.0));
        assert_close(&one, &two);
    }

    #[test]
    fn two_sites_at_once_are_one_after_the_other() {
        let sites = [Site { precision: 3e6, shift: -4e4 }, Site { precision: -2e5, shift: 1e3 }];
        let walls = Walls { sites, ..Walls::default() };
        let (mut one, mut other) = (track(), track());
        one.learn(&walls);
        other.learn_through(&walls, &track().projection());
        assert_close(&one, &other);
    }

    #[test]
    fn through_a_tremor_the_sum_of_the_bases_shows_and_the_clock_does_not() {
        let sites = [Site { precision: 1e12, shift: -1.1e10 }; 2];
        let mut track = track();
        let seen = track.projection().trembling(1.0);
        track.learn_through(&Walls { sites, ..Walls::default() }, &seen);
        let sum = track.base_sum();
        assert!((sum.mean - 0.022).abs() < 1e-7 && sum.variance < 1e-11, "{sum:?}");
        assert!((track.mean[ERROR] - 1e-4).abs() < 1e-9, "{track:?}");
        assert!(track.covariance[ERROR][ERROR] > 0.999e-6, "{track:?}");
    }

    #[test]
    fn a_known_difference_moves_the_clock_by_half_of_it() {
        let mut track = track();
        // A clock that is only known by the middle: its error goes with half of the difference.
        track.covariance[ERROR][BASE] = 0.5e-6;
        track.covariance[BASE][ERROR] = 0.5e-6;
        track.covariance[ERROR][BASE + 1] = -0.5e-6;
        track.covariance[BASE + 1][ERROR] = -0.5e-6;
        track.impose_difference(Normal { mean: 1e-3, variance: 1e-18 });
        assert!((track.base_difference().mean - 1e-3).abs() < 1e-9, "{track:?}");
        assert!((track.mean[ERROR] - 1e-4 - 0.5e-3).abs() < 1e-9, "{track:?}");
        assert!(track.base_difference().variance < 2e-18, "{track:?}");
    }

    #[test]
    fn a_blend_is_as_wide_as_what_it_blends() {
        let (mut one, mut other) = (track(), track());
        other.mean[ERROR] += 2e-3;
        other.covariance[ERROR][ERROR] = 3e-6;
        let whole = other;
        one.blend(&other, 0.5);
        assert!((one.mean[ERROR] - 1.1e-3).abs() < 1e-15);
        assert!((one.covariance[ERROR][ERROR] - 3e-6).abs() < 1e-15, "2e-6 inside, 1e-6 between");
        other.blend(&whole, 1.0);
        assert_eq!(other, whole);
    }
}
