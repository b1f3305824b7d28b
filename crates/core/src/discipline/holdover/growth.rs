//! How the error of a forecast grows with time: four laws, of which the past says how much of each.
//!
//! The mean square of the error after `t` seconds, from a moment at which the rate is known, is taken to be
//!
//! ```text
//!   D²(t) = white t + flicker t² + walk t³/3 + ageing t⁴/4
//! ```
//!
//! white noise, flicker and random walk of the frequency (IEEE 1139), and a steady drift. A forecast of so far ahead
//! from a mean rate of `base` seconds has, for the same oscillator,
//!
//! ```text
//!   white (t + t²/base) + flicker t² + walk t² (t + base)/3 + ageing t² (t + base)²/4
//! ```
//!
//! The four intensities are those that make the errors of the past likeliest, if each is normal with this variance:
//! they are found by the iteration of expectation and maximisation, which keeps them positive. What was not seen yet
//! is not excluded: the walk that the estimator lives by stands for it.

use super::stability::{LONG, Octave, SHORT};

const LAWS: usize = 4;
const WALK: usize = 2;
const AGEING: usize = 3;

/// The likeliest intensities move no more after so many steps.
const STEPS: usize = 100;

/// The walk of the estimator counts as so many forecasts..
const WALK_COUNTS: f64 = 2.0;

/// ..of so far ahead, in seconds.
const WALK_LAG: f64 = 3600.0;

/// Ageing shows when forecasts of so far ahead could be held against the truth, in seconds: four days.
const AGEING_LAG: f64 = 345_600.0;

/// Of the mean square that was seen of the furthest ahead, so much can always be a walk that has not shown itself yet.
const HIDDEN_WALK: f64 = 0.1;

/// How well an intensity is known is told by lags so many times shorter than the one that is asked for.
const INFORMING: f64 = 4.0;

/// No less is known than by so many forecasts, or nothing could be said at all.
const COUNT_MIN: f64 = 4.0;

/// 99.9 % of a normal distribution are within so many standard deviations.
const SIGMAS_P999: f64 = 3.29;

/// How the error grows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Growth {
    laws: [f64; LAWS],
    hours: f64,
    seen: f64,
    short: [Octave; SHORT],
    long: [Octave; LONG],
}

impl Growth {
    /// With nothing seen but the walk that the estimator lives by (its intensity per square root of a second).
    pub(super) fn walking(walk: f64) -> Self {
        let mut laws = [0.0; LAWS];
        laws[WALK] = walk * walk;
        Self { laws, hours: f64::INFINITY, seen: 0.0, short: Default::default(), long: Default::default() }
    }

    /// What the diary tells. `walk` is the estimator's, where nothing was taken out of the rates that the estimator
    /// knows nothing of.
    pub(super) fn learn(long: [Octave; LONG], walk: Option<f64>) -> Self {
        let believed = walk.map(|walk| Octave {
            lag: WALK_LAG,
            base: 0.0,
            count: WALK_COUNTS,
            square: walk * walk * WALK_LAG * WALK_LAG * WALK_LAG / 3.0,
            largest: 0.0,
        });
        let furthest = long.iter().rfind(|octave| octave.count >= 2.0).copied().unwrap_or_default();
        let observed = || long.iter().chain(&believed).filter(|octave| octave.count > 0.0);
        let mut laws = likeliest(observed, furthest.lag >= AGEING_LAG);
        if furthest.count > 0.0 {
            let hidden = HIDDEN_WALK * furthest.square / terms(furthest.lag, furthest.base)[WALK];
            laws[WALK] = laws[WALK].max(hidden);
        }
        Self { laws, hours: long[0].count, seen: furthest.lag, short: Default::default(), long }
    }

    /// The same with what the wagers of the last minutes and hours were worth.
    pub(super) fn with_wagers(self, short: [Octave; SHORT]) -> Self {
        Self { short, ..self }
    }

    /// The mean square of the error of a mean rate over `base` seconds that ended `age` seconds ago, as the rate of now.
    pub(super) fn of_rate(&self, base: f64, age: f64) -> f64 {
        let [white, flicker, walk, ageing] = self.laws;
        let old = age + base / 2.0;
        white / base + flicker + walk * (age + base / 3.0) + ageing * old * old
    }

    /// The mean square of the error after `t` seconds, in s².
    pub(super) fn square(&self, t: f64) -> f64 {
        let of_laws: f64 = terms(t, 0.0).iter().zip(self.laws).map(|(term, law)| term * law).sum();
        // The variance of Student's distribution: an intensity that is known from few errors may be a larger one.
        let wider = 1.0 / (1.0 - 2.0 / self.count(t));
        (of_laws * wider).max(self.of_wagers(t, |octave| octave.square))
    }

    /// The error that is not exceeded 999 times in 1000, where `square` is its mean square: not less than the largest
    /// that was seen.
    pub(super) fn p999(&self, t: f64, square: f64) -> f64 {
        let seen = self.of_wagers(t, |octave| octave.largest).max(self.largest(t));
        // The quantile of Student's distribution by that of the normal one, to within a twentieth, without the part
        // that is in the mean square already.
        let few = 1.0 / self.count(t);
        let wider = (1.0 + 3.5 * few + 10.0 * few * few) * libm::sqrt(1.0 - 2.0 * few);
        (SIGMAS_P999 * wider * libm::sqrt(square)).max(seen)
    }

    /// On how many independent errors it rests what is said about so far ahead.
    fn count(&self, t: f64) -> f64 {
        let lag = (t.min(self.seen) / INFORMING / 3600.0).max(1.0);
        (self.hours / lag).max(COUNT_MIN)
    }

    /// The largest error that any forecast of hours had that looked no further ahead.
    fn largest(&self, t: f64) -> f64 {
        let counted = self.long.iter().filter(|octave| octave.count > 0.0 && octave.lag <= t);
        counted.map(|octave| octave.largest).fold(0.0, f64::max)
    }

    /// What was seen within minutes, as long as minutes matter.
    fn of_wagers(&self, t: f64, value: impl Fn(&Octave) -> f64) -> f64 {
        let counted = self.short.iter().filter(|octave| octave.count >= 8.0 && octave.lag <= t);
        counted.map(value).fold(0.0, f64::max)
    }
}

/// What each law adds to the mean square for an intensity of one; a base of zero is a rate that is known.
fn terms(t: f64, base: f64) -> [f64; LAWS] {
    let white = if base > 0.0 { t + t * t / base } else { t };
    let both = t + base;
    [white, t * t, t * t * both / 3.0, t * t * both * both / 4.0]
}

/// The intensities under which what was observed is likeliest. A variance that was seen `n` times has the likelihood of
/// a gamma distribution of shape n/2.
fn likeliest<'a, I: Iterator<Item = &'a Octave>>(observed: impl Fn() -> I, may_age: bool) -> [f64; LAWS] {
    let mut laws = start(observed());
    if !may_age {
        laws[AGEING] = 0.0;
    }
    for _ in 0..STEPS {
        let (mut pulls, mut weights) = ([0.0; LAWS], [0.0; LAWS]);
        for octave in observed() {
            let terms = terms(octave.lag, octave.base);
            let expected: f64 = terms.iter().zip(laws).map(|(term, law)| term * law).sum();
            for k in 0..LAWS {
                let weight = octave.count * terms[k] / expected;
                pulls[k] += weight * octave.square / expected;
                weights[k] += weight;
            }
        }
        for k in 0..LAWS {
            // A law that does nothing at any lag stays where it is.
            laws[k] *= if weights[k] > 0.0 { pulls[k] / weights[k] } else { 1.0 };
        }
    }
    laws
}

/// Each law alone could have made the observations, on average over the octaves.
fn start<'a>(observed: impl Iterator<Item = &'a Octave>) -> [f64; LAWS] {
    let (mut laws, mut octaves) = ([0.0; LAWS], 0.0);
    for octave in observed {
        octaves += 1.0;
        for (law, term) in laws.iter_mut().zip(terms(octave.lag, octave.base)) {
            *law += (octave.square / term).max(1e-60);
        }
    }
    laws.map(|law| law / f64::max(octaves, 1.0))
}
