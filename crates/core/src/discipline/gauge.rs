//! What is likely: the time of one reference clock and our counter's rate, from readings that are off by noise.
//!
//! Packets wait, and so an exchange over a network is two walls ([`super::estimator`]). A reference clock of this machine has no
//! way before it. What its readings are off by goes either way, alike there and back, and is about normal; so here the
//! textbook is right, and the mean of many readings is as good as can be. The state is
//!
//! ```text
//!   x, y              by how much a line through our counter is ahead of true time, and how fast it gains on it
//! ```
//!
//! and a reading says `x` plus noise of a variance that is learned from how far off the predictions were. A filter runs for each
//! intensity with which the rate may wander, weighed by how well it predicted. A reading that is far off counts little;
//! several in a row begin the gauge anew.
//!
//! **Invariant:** nothing certain is touched. What the operator vouches for is in the [bracket](super::bracket).

use alloc::vec::Vec;

use truechimer_time::{Raw, Span, Time};

use super::estimator::mixture::{Mixture, Opinion};
use super::estimator::reference::Reference;
use super::estimator::track::Walk;
use super::estimator::{Estimate, Prior, Reception, Step, WANDERS, WANDERS_SQUARED};
use super::oscillator::RateLimits;
use crate::measure::sample::Sample;

/// What the first reading is off by, as a part of what the operator vouches for.
const NOISE_GUESS: f64 = 0.3;
/// The guess counts as much as so many readings.
const NOISE_GUESSED: f64 = 4.0;
/// The noise is a mean over so many readings.
const NOISE_MEMORY: f64 = 128.0;
/// No noise is less, in seconds: what stamps of the kernel are good for.
const NOISE_MIN: f64 = 1e-8;
/// A reading teaches no more noise than one that is so many standard deviations off, and counts less beyond.
const SIGMAS_MAX: f64 = 3.0;

/// So many readings in a row that are so many standard deviations off show that something has moved.
const ASTRAY: u32 = 5;
const SIGMAS_ASTRAY: f64 = 6.0;

/// Evidence for an intensity fades within so many seconds.
const MEMORY: f64 = 14_400.0;
/// A filter that is so many nats behind the best falls no further.
const HOPELESS: f64 = 10.0;

/// One filter.
#[derive(Clone, Copy, Debug)]
struct Filter {
    error: f64,
    drift: f64,
    covariance: Walk,
    score: f64,
}

impl Filter {
    fn predict(&mut self, seconds: f64, wander_squared: f64) {
        let (walk, before) = (Walk::new(wander_squared, seconds), self.covariance);
        self.error += self.drift * seconds;
        self.covariance = Walk {
            error: before.error + seconds * (2.0 * before.both + seconds * before.drift) + walk.error,
            both: before.both + seconds * before.drift + walk.both,
            drift: before.drift + walk.drift,
        };
    }

    /// Takes in that the reference is `lead` ahead, give or take `noise` (a variance).
    fn learn(&mut self, lead: f64, noise: f64) {
        let (off, variance) = (lead - self.error, self.covariance.error + noise);
        let Walk { error, both, drift } = self.covariance;
        self.error += off * error / variance;
        self.drift += off * both / variance;
        self.covariance = Walk {
            error: error * noise / variance,
            both: both * noise / variance,
            drift: drift - both * both / variance,
        };
        let square = (off * off / variance).min(SIGMAS_MAX * SIGMAS_MAX);
        self.score -= 0.5 * (square + libm::log(variance));
    }
}

/// The estimate of one reference clock.
#[derive(Clone, Debug)]
pub struct Gauge {
    prior: Prior,
    reference: Reference,
    filters: [Filter; WANDERS],
    mixture: Mixture,
    /// A variance, in s².
    noise: f64,
    newest: Time<Raw>,
    taken: u32,
    astray: u32,
    delay_min: Span,
    steps: Vec<Step>,
}

impl Gauge {
    /// Begins with a first sample and what is known of the oscillator.
    pub fn new(first: &Sample, prior: impl Into<Prior>) -> Self {
        let prior = prior.into();
        let guess = (NOISE_GUESS * (first.distance + first.delay.half()).as_seconds()).max(NOISE_MIN);
        let covariance = Walk { error: guess * guess, both: 0.0, drift: square(rate_sigma(prior.limits)) };
        let scores = prior.wanders();
        let filters = scores.map(|score| Filter { error: 0.0, drift: 0.0, covariance, score });
        let reference = Reference { at: first.at, tai: first.reading(), rate: prior.limits.middle() };
        Self {
            mixture: mixture(&filters),
            prior,
            reference,
            filters,
            noise: guess * guess,
            newest: first.at,
            taken: 1,
            astray: 0,
            delay_min: first.delay,
            steps: Vec::from([Step::BeganAnew, Step::Took(*first)]),
        }
    }

    /// Takes a sample in. A sample that is not newer than the newest one is ignored.
    pub fn hear(&mut self, sample: &Sample) -> Reception {
        self.steps.clear();
        if sample.at <= self.newest {
            return Reception::Suspect;
        }
        let passed = (sample.at - self.newest).as_seconds();
        self.newest = sample.at;
        self.reference = self.reference.anchored(sample.at);
        for (filter, wander_squared) in self.filters.iter_mut().zip(WANDERS_SQUARED) {
            filter.predict(passed, wander_squared);
        }
        let lead = (self.reference.tai - sample.reading()).as_seconds();
        let best = self.filters[best(&self.filters)];
        let (off, known) = (lead - best.error, best.covariance.error);
        let sigmas = libm::sqrt(off * off / (known + self.noise));
        self.astray = if sigmas > SIGMAS_ASTRAY { self.astray + 1 } else { 0 };
        if self.astray >= ASTRAY {
            *self = Self::new(sample, self.prior);
            return Reception::Surprise;
        }
        self.take(lead, passed, sigmas);
        self.learn_noise(off * off, known);
        self.delay_min = self.delay_min.min(sample.delay);
        self.steps.push(Step::Took(*sample));
        Reception::Taken
    }

    /// All filters learn, and those that were right gain upon the others.
    fn take(&mut self, lead: f64, passed: f64, sigmas: f64) {
        self.taken = self.taken.saturating_add(1);
        let excess = (sigmas / SIGMAS_MAX).max(1.0);
        let (noise, kept) = (self.noise * excess * excess, libm::exp(-passed / MEMORY));
        for (filter, prior) in self.filters.iter_mut().zip(self.prior.wanders()) {
            filter.score = kept * filter.score + (1.0 - kept) * prior;
            filter.learn(lead, noise);
        }
        let top = self.filters[best(&self.filters)].score;
        for filter in &mut self.filters {
            filter.score = (filter.score - top).max(-HOPELESS);
        }
        self.follow();
    }

    /// A prediction is off by what is not known of the clock and by the noise of the reading.
    fn learn_noise(&mut self, off_squared: f64, known: f64) {
        let seen = off_squared.min(SIGMAS_MAX * SIGMAS_MAX * (known + self.noise));
        let weight = (f64::from(self.taken) + NOISE_GUESSED).min(NOISE_MEMORY);
        // Of what is seen, this part is noise.
        let share = self.noise / (known + self.noise);
        let noise = share * share * seen + (1.0 - share) * self.noise;
        self.noise = (self.noise + (noise - self.noise) / weight).max(NOISE_MIN * NOISE_MIN);
    }

    /// Lets the reference follow the estimate.
    fn follow(&mut self) {
        let said = mixture(&self.filters);
        let (error, drift) = self.reference.turn(said.error, said.drift);
        for filter in &mut self.filters {
            filter.error -= error;
            filter.drift -= drift;
        }
        self.mixture = said.shifted(error, drift);
    }

    /// The estimate at a reading of the counter.
    pub fn estimate(&self, at: Time<Raw>) -> Estimate {
        self.mixture.estimate(&self.reference, at)
    }

    /// How likely each of [`WANDERS_SQUARED`] is, as logarithms of probabilities.
    pub fn wander_posterior(&self) -> [f64; WANDERS] {
        let total: f64 = self.filters.iter().map(|filter| libm::exp(filter.score)).sum();
        self.filters.map(|filter| filter.score - libm::log(total))
    }

    /// The variance of the noise of one reading, in s².
    pub fn noise(&self) -> f64 {
        self.noise
    }

    /// The variance of the time, in s².
    pub fn variance(&self) -> f64 {
        self.mixture.covariance.error
    }

    /// What the last sample led to.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How many samples have been taken in.
    pub fn samples(&self) -> u32 {
        self.taken
    }

    /// The shortest window so far.
    pub fn delay_min(&self) -> Span {
        self.delay_min
    }
}

fn best(filters: &[Filter; WANDERS]) -> usize {
    (1..WANDERS).fold(0, |best, index| if filters[index].score > filters[best].score { index } else { best })
}

fn mixture(filters: &[Filter; WANDERS]) -> Mixture {
    Mixture::of(|| {
        filters.iter().zip(WANDERS_SQUARED).map(|(filter, wander_squared)| Opinion {
            weight: libm::exp(filter.score),
            error: filter.error,
            drift: filter.drift,
            covariance: filter.covariance,
            wander_squared,
        })
    })
}

/// Limits are taken as three standard deviations.
fn rate_sigma(limits: RateLimits) -> f64 {
    limits.error().as_ratio() / 3.0
}

fn square(number: f64) -> f64 {
    number * number
}

#[cfg(test)]
mod tests;
