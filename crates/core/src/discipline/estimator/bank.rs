//! The bank: filters for every combination of how fast the rate may wander and how round the delay's noise may be,
//! weighed by how well each has predicted.
//!
//! Nothing about the oscillator or the network is told to it. What a filter predicts is compared with what comes; the
//! logarithms of these probabilities add up, fading, and the filters that were right speak for the bank.

use super::change::Change;
use super::delay::{DelayDensity, Normal};
use super::mixture::{Mixture, Opinion};
use super::shape::{Hypothesis, KINDS, Seen, Shape, Speaker, Stamps, WANDERS, WANDERS_SQUARED};
use super::track::{BASE, DRIFT, ERROR, STATES, Track, Walk};

/// Evidence counts from this exchange on: before, it tells more about the guess of the delays than about the clock.
const EVIDENCE_FROM: u32 = 3;

/// The hopeless sleep from this exchange on.
const SLEEP_FROM: u32 = 21;

/// A shape that is asleep tries again every so many exchanges.
const SHAPE_TURNS: usize = 16;

/// A shape so many nats behind the best of the bank is given up: late, because a round shape must see the waits to learn
/// their scale;
const SHAPE_HOPELESS: f64 = 200.0;
/// but one for a clock that trembles learns from the best as well as by itself, and is seldom needed.
const TREMBLING_HOPELESS: f64 = 30.0;

/// Filters further behind than this do not speak.
const SILENT: f64 = 8.0;

/// The delays are an average over the last so many exchanges, in the long run; each exchange adds a third of itself
/// to the memory, so that the first ones fade quickly.
const EXPERIENCE_MAX: f64 = 200.0;
const EXPERIENCE_EACH: f64 = 0.34;

/// After a change of path the delays are learned as if only so many exchanges had been seen.
const EXPERIENCE_SHAKEN: f64 = 8.0;

/// A first guess at waits: this part of the first delay.
const WAIT_GUESS: f64 = 0.05;

/// The bases are each half of the first delay less the usual wait, give or take that wait and this part of the delay.
const BASE_GUESS: f64 = 0.3;

/// Anything at all is at least so wide, in seconds.
const WIDTH_MIN: f64 = 5e-6;

/// What was known before the first exchange.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Before {
    /// How fast the reference gains on true time.
    pub(super) drift: f64,
    /// One standard deviation of the rate.
    pub(super) rate_sigma: f64,
    /// What is believed of each intensity of wander, as logarithms.
    pub(super) wanders: [f64; WANDERS],
    /// The usual wait, in seconds, if it is known better than one exchange tells.
    pub(super) wait: Option<f64>,
}

/// All filters.
#[derive(Clone, Debug)]
pub(super) struct Bank {
    shapes: [Shape; KINDS.len()],
    prior: [f64; WANDERS],
    taken: u32,
    experience: f64,
    best: usize,
}

impl Bank {
    /// A bank that has heard one exchange.
    pub(super) fn new(stamps: Stamps, before: &Before) -> Self {
        let delay = (stamps[0] + stamps[1]).max(2.0 * WIDTH_MIN);
        let wait = before.wait.unwrap_or(WAIT_GUESS * delay);
        let track = first_track(stamps, (delay, wait), before);
        let shapes = KINDS.map(|kind| Shape::new(kind, wait, track, &before.wanders));
        let mut bank = Self { shapes, prior: before.wanders, taken: 0, experience: 0.0, best: 0 };
        bank.take(stamps);
        bank
    }

    /// How many exchanges have been taken in.
    pub(super) fn taken(&self) -> u32 {
        self.taken
    }

    /// Carries all filters on by so many seconds.
    pub(super) fn predict(&mut self, seconds: f64) {
        self.wake();
        for shape in &mut self.shapes {
            shape.predict(seconds);
        }
    }

    fn wake(&mut self) {
        let (turn, best) = (self.taken as usize, self.best().track);
        for (index, shape) in self.shapes.iter_mut().enumerate() {
            match shape.is_asleep() {
                true if (turn + index).is_multiple_of(SHAPE_TURNS) => shape.wake_all(&best),
                true => {}
                false => shape.wake(turn),
            }
        }
    }

    /// Takes an exchange in, and returns the excesses as the bank sees them.
    pub(super) fn take(&mut self, stamps: Stamps) -> [f64; 2] {
        self.taken = self.taken.saturating_add(1);
        let width = (0.5 * (stamps[0] + stamps[1])).max(WIDTH_MIN);
        let counts = self.taken >= EVIDENCE_FROM;
        for shape in &mut self.shapes {
            shape.take(stamps, width);
            if counts {
                shape.weigh(&self.prior);
            }
        }
        self.weigh();
        self.learn()
    }

    /// Finds the best again and measures all others by it.
    fn weigh(&mut self) {
        let scores = self.shapes.each_ref().map(Shape::score);
        self.best =
            (1..scores.len()).fold(0, |best, index| if scores[index] > scores[best] { index } else { best });
        let best = scores[self.best].unwrap_or_default();
        for shape in &mut self.shapes {
            for hypothesis in &mut shape.hypotheses {
                hypothesis.score -= best;
            }
        }
        if self.taken < SLEEP_FROM {
            return;
        }
        for (shape, score) in self.shapes.iter_mut().zip(scores) {
            let hopeless = if shape.kind.tremor > 0.0 { TREMBLING_HOPELESS } else { SHAPE_HOPELESS };
            match score.map(|score| score - best) {
                Some(score) if score > -hopeless => shape.rest(score),
                Some(_) | None => shape.rest_all(-hopeless),
            }
        }
    }

    fn learn(&mut self) -> [f64; 2] {
        self.experience = (self.experience + EXPERIENCE_EACH).min(EXPERIENCE_MAX);
        let gain = 1.0 / (1.0 + self.experience);
        let (mut total, mut sums) = (0.0, [0.0; 2]);
        let best = self.best_shape().seen();
        for shape in &mut self.shapes {
            let seen = if shape.is_asleep() { Seen { weight: 0.0, ..best } } else { shape.seen() };
            total += seen.weight;
            for (sum, excess) in sums.iter_mut().zip(seen.excess) {
                *sum += seen.weight * excess.mean;
            }
            shape.learn(&seen, gain);
        }
        sums.map(|sum| sum / total)
    }

    /// The filter that is most likely.
    pub(super) fn best(&self) -> &Hypothesis {
        let shape = self.best_shape();
        &shape.hypotheses[shape.best()]
    }

    /// The shape that it believes in.
    pub(super) fn best_shape(&self) -> &Shape {
        &self.shapes[self.best]
    }

    /// The square of the wander that is so many steps faster than what the best filter believes in.
    pub(super) fn wander_squared(&self, steps: usize) -> f64 {
        WANDERS_SQUARED[(self.best_shape().best() + steps).min(WANDERS - 1)]
    }

    /// What is believed of the delays of both ways.
    pub(super) fn densities(&self) -> [DelayDensity; 2] {
        let shape = self.best_shape();
        let noise = shape.noise();
        [0, 1].map(|way| {
            let width = shape.densities[way].anything_width;
            shape.paths[way].density(shape.kind.roundness, noise, width)
        })
    }

    /// Trusts itself less, in all filters.
    pub(super) fn doubt(&mut self, change: &Change) {
        self.each_track(|track| change.doubt(track));
    }

    /// Learns of the delays as if only few exchanges had been seen: they are not what they were.
    pub(super) fn relearn_delays(&mut self) {
        self.experience = self.experience.min(EXPERIENCE_SHAKEN);
    }

    /// All filters take in that the bases differ by so much.
    pub(super) fn impose_difference(&mut self, difference: Normal) {
        self.each_track(|track| track.impose_difference(difference));
    }

    /// All filters believe what the best one believed so many exchanges ago: since then there was no queue.
    pub(super) fn rewind(&mut self, track: &Track, exchanges: usize) {
        self.shapes.iter_mut().for_each(Shape::calm);
        self.each_track(|each| *each = *track);
        self.taken = self.taken.saturating_sub(exchanges as u32);
    }

    /// All filters take in that the bases are so much together.
    pub(super) fn impose_sum(&mut self, sum: Normal) {
        self.each_track(|track| track.impose_sum(sum));
    }

    /// Moves the reference: it is now `error` less ahead and gains `drift` less.
    pub(super) fn shift(&mut self, error: f64, drift: f64) {
        self.each_track(|track| {
            track.mean[ERROR] -= error;
            track.mean[DRIFT] -= drift;
        });
    }

    fn each_track(&mut self, act: impl Fn(&mut Track)) {
        self.shapes.iter_mut().flat_map(Shape::tracks).for_each(act);
    }

    fn speakers(&self) -> impl Iterator<Item = Speaker<'_>> {
        let all = self.shapes.iter().flat_map(Shape::speakers);
        all.filter(|speaker| speaker.score > -SILENT)
    }

    /// What all filters that have a say say together.
    pub(super) fn mixture(&self) -> Mixture {
        Mixture::of(|| {
            self.speakers().map(|Speaker { score, track, tremor, wander_squared }| {
                let Track { mean, covariance: p } = track;
                let covariance =
                    Walk { error: p[ERROR][ERROR] + tremor, both: p[ERROR][DRIFT], drift: p[DRIFT][DRIFT] };
                Opinion {
                    weight: libm::exp(score),
                    error: mean[ERROR],
                    drift: mean[DRIFT],
                    covariance,
                    wander_squared,
                }
            })
        })
    }

    /// How likely each intensity of wander is, whatever the shape of the delay, as normalised logarithms.
    pub(super) fn wander_posterior(&self) -> [f64; WANDERS] {
        let mut sums = [0.0; WANDERS];
        for shape in &self.shapes {
            for (sum, hypothesis) in sums.iter_mut().zip(&shape.hypotheses) {
                *sum += libm::exp(hypothesis.score);
            }
        }
        let total: f64 = sums.iter().sum();
        sums.map(|sum| libm::log((sum / total).max(f64::MIN_POSITIVE)))
    }
}

fn first_track(stamps: Stamps, (delay, wait): (f64, f64), before: &Before) -> Track {
    let base = (0.5 * delay - wait).max(0.0);
    let common = (BASE_GUESS * delay) * (BASE_GUESS * delay) + wait * wait;
    let mut covariance = [[0.0; STATES]; STATES];
    covariance[ERROR][ERROR] = 0.25 * delay * delay;
    covariance[DRIFT][DRIFT] = before.rate_sigma * before.rate_sigma;
    for row in &mut covariance[BASE..] {
        row[BASE..].fill(common);
    }
    Track { mean: [0.5 * (stamps[1] - stamps[0]), before.drift, base, base], covariance }
}
