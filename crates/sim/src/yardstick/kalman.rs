//! The textbook's way: offset and rate, both known to a normal distribution.
//!
//! The oscillator is a rate that walks at random; a reading is the offset plus normal noise. For readings like that
//! nothing is better. Delays are not like that: they are only ever too long, and what an ordinary packet says about the
//! offset is a pair of walls and nothing in between.
//!
//! In the cells of the example `yardsticks` with fixed polls both are within 3 % of what was measured before with other
//! code, but where a run has room for a few dozen independent errors only.

use crate::lab::{Exchange, Guess, Method};
use crate::yardstick::Reading;

/// What is not known of the rate before anything is heard: 100 ppm, squared.
const RATE_VARIANCE: f64 = 1e-8;

/// What a rate that walks does to offset and rate in `dt` seconds, in units of the walk's variance in one second: the
/// variance of the offset, the covariance, the variance of the rate.
pub(super) fn walked(dt: f64) -> [f64; 3] {
    [dt * dt * dt / 3.0, dt * dt / 2.0, dt]
}

/// Offset and rate, and their covariance as in [`walked`].
#[derive(Clone, Copy, Debug)]
struct State {
    at: f64,
    offset: f64,
    rate: f64,
    covariance: [f64; 3],
}

/// What a reading was to a state that did not know it.
#[derive(Clone, Copy, Debug)]
struct Surprise {
    error: f64,
    variance: f64,
}

impl State {
    fn new(reading: &Reading, noise: f64, rate_variance: f64) -> Self {
        Self { at: reading.at, offset: reading.offset, rate: 0.0, covariance: [noise, 0.0, rate_variance] }
    }

    /// The state at a later time, with the walk's variance in one second.
    fn later(&self, at: f64, wander: f64) -> Self {
        let dt = at - self.at;
        let [offset, both, rate] = self.covariance;
        let [more_offset, more_both, more_rate] = walked(dt).map(|grown| wander * grown);
        let covariance = [
            offset + dt * (2.0 * both + dt * rate) + more_offset,
            both + dt * rate + more_both,
            rate + more_rate,
        ];
        Self { at, offset: self.offset + self.rate * dt, rate: self.rate, covariance }
    }

    /// Takes in a reading of its own time.
    fn correct(&mut self, reading: &Reading, noise: f64) -> Surprise {
        let [offset, both, rate] = self.covariance;
        let variance = offset + noise;
        let error = reading.offset - self.offset;
        let gains = (offset / variance, both / variance);
        self.offset += gains.0 * error;
        self.rate += gains.1 * error;
        self.covariance = [offset - gains.0 * offset, both - gains.0 * both, rate - gains.1 * both];
        Surprise { error, variance }
    }
}

/// A Kalman filter that is told the noises.
#[derive(Clone, Debug)]
pub struct Kalman {
    wander: f64,
    noise: f64,
    state: Option<State>,
}

impl Kalman {
    /// One for an oscillator whose rate walks by `wander` in a second (seconds per second, standard deviation) and for
    /// exponential delays of mean `jitter` (seconds) each way: half their difference has the variance `jitter`² / 2.
    pub fn new(wander: f64, jitter: f64) -> Self {
        Self { wander: wander * wander, noise: jitter * jitter / 2.0, state: None }
    }
}

impl Method for Kalman {
    fn hear(&mut self, exchange: &Exchange) {
        let reading = Reading::of(exchange);
        let state = match self.state {
            None => State::new(&reading, self.noise, RATE_VARIANCE),
            Some(before) => {
                let mut state = before.later(reading.at, self.wander);
                state.correct(&reading, self.noise);
                state
            }
        };
        self.state = Some(state);
    }

    fn guess(&mut self, at: f64) -> Option<Guess> {
        let state = self.state?.later(at, self.wander);
        Some(Guess { offset: state.offset, sigma: libm::sqrt(state.covariance[0]) })
    }
}

/// The evidence of one reading has faded to 1/e after so many more of them.
const MEMORY: f64 = 1.0 / 0.003;

/// Readings that only begin the filters and are no evidence.
const BEGINNING: usize = 3;

/// The members' walks in units of the noise: per second, as powers of ten, from the first..
const POWER_MIN: f64 = -7.0;

/// ..in steps of a quarter..
const POWER_STEP: f64 = 0.25;

/// ..so many of them, to 1.
const MEMBERS: usize = 29;

/// A Kalman filter with a noise of 1, its walk in the same unit, and its evidence.
#[derive(Clone, Debug)]
struct Member {
    wander: f64,
    state: Option<State>,
    /// The sum of the squares of what it did not foresee, in units of what it expected..
    square: f64,
    /// ..and of the logarithms of what it expected.
    log: f64,
}

impl Member {
    fn new(power: f64) -> Self {
        Self { wander: libm::exp10(2.0 * power), state: None, square: 0.0, log: 0.0 }
    }

    fn hear(&mut self, reading: &Reading) -> Option<Surprise> {
        let before = self.state?;
        let mut state = before.later(reading.at, self.wander);
        let surprise = state.correct(reading, 1.0);
        self.state = Some(state);
        Some(surprise)
    }

    fn judge(&mut self, surprise: Surprise) {
        let keep = 1.0 - 1.0 / MEMORY;
        self.square = keep * self.square + surprise.error * surprise.error / surprise.variance;
        self.log = keep * self.log + libm::log(surprise.variance);
    }

    /// Minus twice the logarithm of the likelihood of `count` readings, the noise chosen at its best.
    fn badness(&self, count: f64) -> f64 {
        count * libm::log(self.square / count) + self.log
    }
}

/// Kalman filters that differ in the ratio of walk to noise; the one under which the readings are likeliest, with the
/// noise that makes them so, is believed. It is told nothing.
#[derive(Clone, Debug)]
pub struct KalmanBank {
    members: Vec<Member>,
    heard: usize,
    /// Readings in the evidence, the faded ones by what is left of them.
    count: f64,
    best: usize,
}

impl KalmanBank {
    /// One that has heard nothing.
    pub fn new() -> Self {
        let members = (0..MEMBERS).map(|k| Member::new(POWER_MIN + POWER_STEP * k as f64)).collect();
        Self { members, heard: 0, count: 0.0, best: MEMBERS / 2 }
    }

    fn judge(&mut self, surprises: &[Option<Surprise>]) {
        self.count = (1.0 - 1.0 / MEMORY) * self.count + 1.0;
        for (member, surprise) in self.members.iter_mut().zip(surprises) {
            if let Some(surprise) = surprise {
                member.judge(*surprise);
            }
        }
        let badness: Vec<f64> = self.members.iter().map(|member| member.badness(self.count)).collect();
        self.best = (0..MEMBERS).min_by(|&a, &b| badness[a].total_cmp(&badness[b])).unwrap_or(self.best);
    }
}

impl Default for KalmanBank {
    fn default() -> Self {
        Self::new()
    }
}

impl Method for KalmanBank {
    fn hear(&mut self, exchange: &Exchange) {
        let reading = Reading::of(exchange);
        self.heard += 1;
        if self.heard == 1 {
            for member in &mut self.members {
                // In units of the noise the rate may be anything.
                member.state = Some(State::new(&reading, 1.0, 1e6));
            }
            return;
        }
        let surprises: Vec<_> = self.members.iter_mut().map(|member| member.hear(&reading)).collect();
        if self.heard > BEGINNING {
            self.judge(&surprises);
        }
    }

    fn guess(&mut self, at: f64) -> Option<Guess> {
        let member = &self.members[self.best];
        let state = member.state?.later(at, member.wander);
        let noise = if self.count > 5.0 { member.square / self.count } else { 1.0 };
        Some(Guess { offset: state.offset, sigma: libm::sqrt(state.covariance[0] * noise) })
    }
}
