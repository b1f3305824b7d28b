//! When what was believed does not explain what is seen.
//!
//! Waiting makes packets late, never early: an excess that is negative beyond doubt cannot be noise. Either our clock
//! moved, and then one way is longer by what the other is shorter, at once and by an amount unlike any queue; or a base
//! moved; or the stamps are wrong once. The last cannot be told from the first exchange alone. So what contradicts is
//! kept waiting, with all that follows, until it can be seen which single happening explains most: the probability of
//! the exchanges that wait, by the best filter, under each.

use super::bank::Bank;
use super::change::{Change, Way};
use super::shape::Stamps;
use super::sites::match_walls;
use super::track::{Track, Walk};

/// Impossible is what lies so many standard deviations beyond the wall,
const SIGMAS: f64 = 6.0;

/// and so much of the usual wait besides.
const SCALES: f64 = 0.05;

/// A clock that moved shows beyond so many of the usual waits.
const CLOCK_SCALES: f64 = 4.0;

/// The oscillator is granted so many half decades more of wander before it is said to have moved; and so many after a
/// long silence.
const GRANTED: usize = 2;
const GRANTED_AFTER_GAP: usize = 4;

/// How an exchange agrees with what is believed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Judgement {
    /// It does.
    Fits,
    /// It does if our clock has moved by about so many seconds.
    ClockMoved(f64),
    /// It does not.
    Contradicts,
}

/// An exchange against the reference, so many seconds after what came before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Arrival {
    pub(super) passed: f64,
    pub(super) stamps: Stamps,
}

impl Bank {
    /// Holds an exchange against the best filter. After a gap the oscillator is granted more.
    pub(super) fn judge(&self, arrival: &Arrival, after_gap: bool) -> Judgement {
        let granted = if after_gap { GRANTED_AFTER_GAP } else { GRANTED };
        let mut track = self.best().track;
        track.predict(arrival.passed, Walk::new(self.wander_squared(granted), arrival.passed));
        let (shape, projection) = (self.best_shape(), track.projection());
        let [there, back] = shape.paths;
        let noise = [0, 1].map(|way| shape.noise() + projection.blur(way, shape.paths[way].scale));
        let slack = SCALES * there.scale.min(back.scale);
        let excess = [0, 1].map(|way| projection.mean[way] + arrival.stamps[way]);
        let allowed = |variance: f64, noise: f64| SIGMAS * libm::sqrt(variance.max(0.0) + noise) + slack;
        let is_early = |way: usize| excess[way] < -allowed(projection.variance[way], noise[way]);
        let (sum, sum_allowed) =
            (excess[0] + excess[1], allowed(track.base_sum().variance, noise[0] + noise[1]));
        let breaks_wall = is_early(0) || is_early(1);
        let by = (-excess[0]).max(-excess[1]);
        let is_usual = sum > -sum_allowed && sum < SIGMAS * (there.scale + back.scale);
        let is_clear = by > CLOCK_SCALES * shape.scale_max() * (1.0 + shape.kind.roundness);
        match (breaks_wall, is_usual && is_clear) {
            (true, true) => Judgement::ClockMoved(by),
            (true, false) => Judgement::Contradicts,
            (false, _) if sum < -sum_allowed => Judgement::Contradicts,
            (false, _) => Judgement::Fits,
        }
    }

    /// What explains these exchanges best, if it is not chance.
    pub(super) fn explain(&self, arrivals: &[Arrival]) -> Option<Change> {
        let violation = self.violation(arrivals);
        let total: f64 = arrivals.iter().map(|arrival| arrival.passed).sum();
        let by = 2.0 * violation;
        let explanations = [
            (0.0, None),
            (-3.0, Some(Change::Base { way: Way::There, by })),
            (-3.0, Some(Change::Base { way: Way::Back, by })),
            (-3.0, Some(Change::Clock { by, rate: violation / total.max(1.0) })),
            (-6.0, Some(Change::Bases { by, apart: 0.05 * by })),
            (-1.0, Some(Change::Overconfidence { factor: 10.0 })),
        ];
        let mut best = (f64::NEG_INFINITY, None);
        for (prior, change) in explanations {
            let score = prior + self.log_probability(arrivals, change);
            if score > best.0 {
                best = (score, change);
            }
        }
        best.1
    }

    /// How far the worst of them breaks a wall, and what the usual waits may hide.
    fn violation(&self, arrivals: &[Arrival]) -> f64 {
        let mut track = self.best().track;
        let [there, back] = self.best_shape().paths;
        let mut worst: f64 = 0.0;
        for arrival in arrivals {
            track.predict(arrival.passed, Walk::new(self.wander_squared(0), arrival.passed));
            let mean = track.projection().mean;
            let (one, other) = (mean[0] + arrival.stamps[0], mean[1] + arrival.stamps[1]);
            worst = worst.max(-one).max(-other).max(-(one + other));
        }
        worst + 2.0 * (there.scale + back.scale)
    }

    fn log_probability(&self, arrivals: &[Arrival], change: Option<Change>) -> f64 {
        let mut track: Track = self.best().track;
        let densities = self.densities();
        if let Some(change) = change {
            change.doubt(&mut track);
        }
        let mut sum = 0.0;
        for arrival in arrivals {
            track.predict(arrival.passed, Walk::new(self.wander_squared(0), arrival.passed));
            let walls = match_walls(&track.projection(), arrival.stamps, &densities);
            track.learn(&walls);
            sum += walls.log_evidence;
        }
        sum
    }
}
