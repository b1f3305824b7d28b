//! Mean and covariance of our clock and of all paths, if the oscillator were known to wander so fast.
//!
//! The states are `x, y`, then `b₁, b₂` of the first member, of the second, and so on; all in seconds or seconds per
//! second, small, because the reference line follows the estimate.

use super::MEMBERS_MAX;
use crate::discipline::estimator::delay::Normal;
use crate::discipline::estimator::sites::{Projection, Site, Walls, match_walls};
use crate::discipline::estimator::{Change, Way};
use crate::discipline::follower::Telling;

const STATES_MAX: usize = 2 + 2 * MEMBERS_MAX;

/// By how much the reference is ahead of true time.
pub(super) const ERROR: usize = 0;
/// How fast it gains on true time.
pub(super) const DRIFT: usize = 1;

/// Where each way's `z` looks: `z₁ = x − b₁`, `z₂ = −x − b₂`.
const SIGN: [f64; 2] = [1.0, -1.0];

/// No variance falls below this (an attosecond squared), whatever rounding does.
const VARIANCE_MIN: f64 = 1e-36;

/// A reading that is so many standard deviations off, or more, counts less.
const FAR_OFF: f64 = 3.0;

type Vector = [f64; STATES_MAX];

/// The state.
#[derive(Clone, Debug)]
pub(super) struct State {
    size: usize,
    pub(super) mean: Vector,
    pub(super) covariance: [Vector; STATES_MAX],
}

/// The place of a member's base on one way.
fn base(member: usize, way: usize) -> usize {
    2 + 2 * member + way
}

/// The projection of a vector on `z` of one way of a member.
fn along(vector: &Vector, member: usize, way: usize) -> f64 {
    SIGN[way] * vector[ERROR] - vector[base(member, way)]
}

impl State {
    /// Our clock alone, with one standard deviation of its error and drift.
    pub(super) fn new(error: f64, drift: f64) -> Self {
        let mut state =
            Self { size: 2, mean: [0.0; STATES_MAX], covariance: [[0.0; STATES_MAX]; STATES_MAX] };
        state.covariance[ERROR][ERROR] = error * error;
        state.covariance[DRIFT][DRIFT] = drift * drift;
        state
    }

    /// Adds a member: the mean base of its two ways, one standard deviation of their mean, and of half of their
    /// difference.
    pub(super) fn add_path(&mut self, mean: f64, common: f64, asymmetry: f64) {
        assert!(self.size + 2 <= STATES_MAX, "at most {MEMBERS_MAX} members");
        let (there, back) = (self.size, self.size + 1);
        self.size += 2;
        (self.mean[there], self.mean[back]) = (mean, mean);
        let (common, apart) = (common * common, asymmetry * asymmetry);
        self.spread(there, common, apart);
    }

    /// Adds doubt to the two bases that begin at `there`: variances of their mean and of half of their difference.
    fn spread(&mut self, there: usize, common: f64, apart: f64) {
        for row in 0..2 {
            for column in 0..2 {
                let sign = if row == column { 1.0 } else { -1.0 };
                self.covariance[there + row][there + column] += common + sign * apart;
            }
        }
    }

    /// Carries it on by so many seconds, in which the rate wanders by the root of `wander_squared` per √s.
    pub(super) fn predict(&mut self, seconds: f64, wander_squared: f64) {
        self.mean[ERROR] += self.mean[DRIFT] * seconds;
        let size = self.size;
        let p = &mut self.covariance;
        let [error, drift, ..] = p;
        for (error, drift) in error[..size].iter_mut().zip(drift) {
            *error += seconds * *drift;
        }
        for row in p[..size].iter_mut() {
            row[ERROR] += seconds * row[DRIFT];
        }
        let drift = wander_squared * seconds;
        let both = drift * seconds / 2.0;
        p[ERROR][ERROR] += drift * seconds * seconds / 3.0;
        p[ERROR][DRIFT] += both;
        p[DRIFT][ERROR] += both;
        p[DRIFT][DRIFT] += drift;
    }

    /// The two combinations that an exchange with a member looks at.
    pub(super) fn projection(&self, member: usize) -> Projection {
        let (there, back) = (self.towards(member, 0), self.towards(member, 1));
        Projection {
            mean: [along(&self.mean, member, 0), along(&self.mean, member, 1)],
            variance: [along(&there, member, 0), along(&back, member, 1)],
            covariance: along(&there, member, 1),
        }
    }

    /// The covariance of the state with `z` of one way of a member.
    fn towards(&self, member: usize, way: usize) -> Vector {
        let mut vector = [0.0; STATES_MAX];
        let base = base(member, way);
        for (entry, (error, base)) in
            vector[..self.size].iter_mut().zip(self.covariance[ERROR].iter().zip(&self.covariance[base]))
        {
            *entry = SIGN[way] * error - base;
        }
        vector
    }

    /// Takes in what a sample of a member tells. Returns the logarithm of the probability with which it was predicted.
    pub(super) fn hear(&mut self, member: usize, stamps: [f64; 2], telling: &Telling) -> f64 {
        match telling {
            Telling::Walls(densities) => {
                let walls = match_walls(&self.projection(member), stamps, densities);
                self.learn(member, &walls);
                walls.log_evidence
            }
            Telling::Middle(noise) => self.learn_middle(member, 0.5 * (stamps[1] - stamps[0]), *noise),
        }
    }

    /// Takes in that `x − (b₁ − b₂)/2` is `lead`, give or take noise of a variance. What is far off counts little.
    fn learn_middle(&mut self, member: usize, lead: f64, noise: f64) -> f64 {
        let (there, back) = (base(member, 0), base(member, 1));
        let middle = |vector: &Vector| vector[ERROR] - 0.5 * (vector[there] - vector[back]);
        let mut gain = [0.0; STATES_MAX];
        for (entry, row) in gain[..self.size].iter_mut().zip(&self.covariance) {
            *entry = middle(row);
        }
        let (known, off) = (middle(&gain).max(0.0), lead - middle(&self.mean));
        let excess = (off * off / (FAR_OFF * FAR_OFF * (known + noise))).max(1.0);
        let variance = known + noise * excess;
        self.correct(&gain, off / variance, 1.0 / variance);
        for state in 0..self.size {
            self.covariance[state][state] = self.covariance[state][state].max(VARIANCE_MIN);
        }
        -0.5 * (off * off / variance + libm::log(variance))
    }

    /// Takes in what an exchange with a member told.
    pub(super) fn learn(&mut self, member: usize, walls: &Walls) {
        for way in [walls.first, 1 - walls.first] {
            self.add(member, way, walls.sites[way]);
        }
        for state in 0..self.size {
            self.covariance[state][state] = self.covariance[state][state].max(VARIANCE_MIN);
        }
    }

    fn add(&mut self, member: usize, way: usize, site: Site) {
        let gain = self.towards(member, way);
        let weight = 1.0 / (1.0 + site.precision * along(&gain, member, way));
        if weight > 0.0 && weight.is_finite() {
            let pull = weight * (site.shift - site.precision * along(&self.mean, member, way));
            self.correct(&gain, pull, weight * site.precision);
        }
    }

    /// Moves the mean by `pull` and takes `shrink` off the covariance, along `gain`.
    fn correct(&mut self, gain: &Vector, pull: f64, shrink: f64) {
        let gain = &gain[..self.size];
        for (row, along) in gain.iter().enumerate() {
            self.mean[row] += along * pull;
            let along = along * shrink;
            for (entry, across) in self.covariance[row].iter_mut().zip(gain) {
                *entry -= along * across;
            }
        }
    }

    /// Something moved on the way to a member. Where there are others, a clock that moved by this member's word alone may
    /// as well be that member's.
    pub(super) fn doubt(&mut self, member: usize, change: &Change) {
        match *change {
            Change::Base { way: Way::There, by } => self.blur(base(member, 0), by),
            Change::Base { way: Way::Back, by } => self.blur(base(member, 1), by),
            Change::Bases { by, apart } => self.spread(base(member, 0), by * by, apart * apart),
            Change::Clock { by, rate } => {
                self.blur(ERROR, by);
                self.blur(DRIFT, rate);
                if !self.is_alone() {
                    self.spread(base(member, 0), 0.0, by * by);
                }
            }
            Change::Overconfidence { factor } => self.moderate(member, factor),
        }
    }

    /// A member's own filter was too sure of itself by a factor. Where there are others, only what is believed of the way
    /// to that member is.
    fn moderate(&mut self, member: usize, factor: f64) {
        if self.is_alone() {
            let size = self.size;
            let rows = self.covariance[..size].iter_mut();
            rows.flat_map(|row| &mut row[..size]).for_each(|entry| *entry *= factor);
            return;
        }
        for state in [base(member, 0), base(member, 1)] {
            self.covariance[state][state] *= factor;
        }
    }

    fn blur(&mut self, state: usize, by: f64) {
        self.covariance[state][state] += by * by;
    }

    pub(super) fn members(&self) -> usize {
        (self.size - 2) / 2
    }

    /// Is there one member only?
    pub(super) fn is_alone(&self) -> bool {
        self.members() <= 1
    }

    /// Takes in that the bases of a member differ (there less back) by so much.
    pub(super) fn impose_difference(&mut self, member: usize, difference: Normal) {
        let (there, back) = (base(member, 0), base(member, 1));
        let mut gain = [0.0; STATES_MAX];
        for (entry, row) in gain[..self.size].iter_mut().zip(&self.covariance) {
            *entry = row[there] - row[back];
        }
        let total = gain[there] - gain[back] + difference.variance;
        if total > 0.0 {
            let surprise = difference.mean - (self.mean[there] - self.mean[back]);
            self.correct(&gain, surprise / total, 1.0 / total);
        }
    }

    /// Moves the reference: it is now `error` less ahead and gains `drift` less.
    pub(super) fn shift(&mut self, error: f64, drift: f64) {
        self.mean[ERROR] -= error;
        self.mean[DRIFT] -= drift;
    }
}
