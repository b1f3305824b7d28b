//! What is likely: one source's time and our counter's rate, by a Kalman filter of two states.
//!
//! The state is true time at a reading of the raw counter and the rate of true time against the counter. Between
//! samples the rate walks at random with intensity `wander`, so that in `dt` seconds
//!
//! ```text
//!   P ← F P Fᵀ + w² | dt³/3  dt²/2 |        F = | 1  dt |
//!                   | dt²/2  dt    |            | 0   1 |
//! ```
//!
//! A sample is the middle of its exchange. How far it may be wrong shows in how much longer than the shortest ones
//! the exchange took: the excess is spread over both ways in unknown proportion, uniformly for all we know, which
//! gives the variance excess² / 12. Half of the shortest delay itself is *not* covered here: how much of it is
//! asymmetry no filter can see. The [bracket](super::bracket) answers for that.
//!
//! The wander is learned. If it is assumed too small, the filter lags behind a rate that changes and errs on the same
//! side again and again; too large, it chases noise and errs on alternate sides. So the product of successive
//! residuals tells which way to turn it.
//!
//! Floating point is used for differences from the prediction only; the time itself is exact.

use truechimer_time::{Rate, Raw, Span, Tai, Time};

use super::oscillator::RateLimits;
use crate::measure::sample::Sample;

/// A sample further from the prediction than this many standard deviations is suspect.
const SUSPECT_SIGMAS: f64 = 6.0;

/// So many suspects in a row are no outliers: the world has changed.
const SUSPECTS_MAX: u8 = 3;

/// The shortest delay is taken from the last one to two times so many samples.
const FLOOR_SAMPLES: u32 = 64;

/// One standard deviation of a software time stamp, in seconds.
const STAMP_NOISE: f64 = 2e-6;

/// The wander that is assumed at first, per square root of a second: an ordinary oscillator at room temperature.
const WANDER: f64 = 1e-9;

/// The wander is learned between these: a good oven, a bad cable in the sun.
const WANDER_MIN: f64 = 1e-11;
const WANDER_MAX: f64 = 1e-7;

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reception {
    /// It moved the estimate.
    Taken,
    /// It is too far off to be believed alone.
    Suspect,
    /// It is far off, but so were the ones before: the estimate has moved there and trusts itself less.
    Surprise,
}

/// The estimate of one source.
#[derive(Clone, Debug)]
pub struct Estimator {
    at: Time<Raw>,
    tai: Time<Tai>,
    rate: f64,
    variance: Variance,
    floor: DelayFloor,
    wander: Wander,
    suspects: u8,
    samples: u32,
}

/// The covariance of time (s²), and rate (dimensionless).
#[derive(Clone, Copy, Debug, PartialEq)]
struct Variance {
    time: f64,
    both: f64,
    rate: f64,
}

/// An estimate carried to one reading of the counter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The likeliest true time.
    pub tai: Time<Tai>,
    /// The likeliest rate of true time against the counter.
    pub rate: f64,
    /// One standard deviation of the time, in seconds.
    pub sigma: f64,
    /// One standard deviation of the rate.
    pub rate_sigma: f64,
}

impl Estimator {
    /// Begins with a first sample and a rate that is known within limits (taken as three standard deviations).
    pub fn new(first: &Sample, limits: RateLimits) -> Self {
        let mut floor = DelayFloor::default();
        floor.hear(first.delay);
        let spread = first.delay.as_seconds() / 2.0;
        let rate_sigma = limits.error().as_ratio() / 3.0;
        Self {
            at: first.at,
            tai: first.middle(),
            rate: limits.middle().as_ratio(),
            variance: Variance {
                time: spread * spread + STAMP_NOISE * STAMP_NOISE,
                both: 0.0,
                rate: rate_sigma * rate_sigma,
            },
            floor,
            wander: Wander::default(),
            suspects: 0,
            samples: 1,
        }
    }

    /// Takes a sample in. A sample older than the newest one is not likely to help: it is ignored.
    pub fn hear(&mut self, sample: &Sample) -> Reception {
        let passed = (sample.at - self.at).as_seconds();
        if passed < 0.0 {
            return Reception::Suspect;
        }
        self.floor.hear(sample.delay);
        self.predict(sample.at);
        let noise = self.floor.noise(sample.delay);
        let residual = (sample.middle() - self.tai).as_seconds();
        let expected = libm::sqrt(self.variance.time + noise);
        let reception = self.judge(libm::fabs(residual) / expected);
        match reception {
            Reception::Suspect => return reception,
            Reception::Surprise => self.doubt(residual, passed),
            Reception::Taken => {}
        }
        self.wander.hear(residual / expected);
        self.correct(residual, noise);
        self.samples = self.samples.saturating_add(1);
        reception
    }

    /// The estimate at a reading of the counter, later or (with less right) earlier.
    pub fn estimate(&self, at: Time<Raw>) -> Estimate {
        let mut carried = self.clone();
        carried.predict(at);
        Estimate {
            tai: carried.tai,
            rate: carried.rate,
            sigma: libm::sqrt(carried.variance.time),
            rate_sigma: libm::sqrt(carried.variance.rate),
        }
    }

    /// How fast the rate wanders, per square root of a second, as far as this source tells.
    pub fn wander(&self) -> f64 {
        self.wander.intensity
    }

    /// How many samples have been taken in.
    pub fn samples(&self) -> u32 {
        self.samples
    }

    /// The shortest delay of late.
    pub fn delay_min(&self) -> Span {
        self.floor.min()
    }

    fn judge(&mut self, sigmas: f64) -> Reception {
        if sigmas <= SUSPECT_SIGMAS {
            self.suspects = 0;
            return Reception::Taken;
        }
        self.suspects += 1;
        if self.suspects < SUSPECTS_MAX {
            return Reception::Suspect;
        }
        self.suspects = 0;
        Reception::Surprise
    }

    fn predict(&mut self, at: Time<Raw>) {
        let passed = at - self.at;
        self.at = at;
        self.tai += passed + Rate::from_ratio(self.rate).over(passed);
        let dt = passed.as_seconds();
        let walk = self.wander.intensity * self.wander.intensity;
        let old = self.variance;
        self.variance = Variance {
            time: old.time + 2.0 * dt * old.both + dt * dt * old.rate + walk * libm::fabs(dt * dt * dt) / 3.0,
            both: old.both + dt * old.rate + walk * dt * libm::fabs(dt) / 2.0,
            rate: old.rate + walk * libm::fabs(dt),
        };
    }

    /// The prediction was far off: either the time has jumped or the rate was wrong all along.
    fn doubt(&mut self, residual: f64, passed: f64) {
        let slope = residual / passed.max(1.0);
        self.variance.time += residual * residual;
        self.variance.rate += slope * slope;
    }

    fn correct(&mut self, residual: f64, noise: f64) {
        let total = self.variance.time + noise;
        let (gain, rate_gain) = (self.variance.time / total, self.variance.both / total);
        self.tai += Span::from_seconds(gain * residual);
        self.rate += rate_gain * residual;
        let old = self.variance;
        self.variance = Variance {
            time: old.time * noise / total,
            both: old.both * noise / total,
            rate: (old.rate - rate_gain * old.both).max(0.0),
        };
    }
}

/// How fast the rate wanders, learned from the residuals.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Wander {
    intensity: f64,
    last: f64,
    correlation: f64,
}

impl Default for Wander {
    fn default() -> Self {
        Self { intensity: WANDER, last: 0.0, correlation: 0.0 }
    }
}

impl Wander {
    /// Takes in a residual, in standard deviations of what was expected.
    fn hear(&mut self, sigmas: f64) {
        let sigmas = sigmas.clamp(-3.0, 3.0);
        self.correlation += (sigmas * self.last - self.correlation) / 8.0;
        self.last = sigmas;
        let factor = libm::exp(0.3 * self.correlation.clamp(-0.5, 1.0));
        self.intensity = (self.intensity * factor).clamp(WANDER_MIN, WANDER_MAX);
    }
}

/// The shortest delay of late, and by how much the others exceed it on average.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
struct DelayFloor {
    current: Option<f64>,
    previous: Option<f64>,
    heard: u32,
    excess: f64,
}

impl DelayFloor {
    fn hear(&mut self, delay: Span) {
        let delay = delay.as_seconds().max(0.0);
        if self.heard == FLOOR_SAMPLES {
            self.previous = self.current.take();
            self.heard = 0;
        }
        self.heard += 1;
        self.current = Some(self.current.map_or(delay, |least| least.min(delay)));
        let excess = delay - self.least();
        self.excess += (excess - self.excess) / 16.0;
    }

    fn least(&self) -> f64 {
        let least = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        };
        least(self.current, self.previous).unwrap_or(0.0)
    }

    fn min(&self) -> Span {
        Span::from_seconds(self.least())
    }

    /// The variance of the middle of an exchange with this delay, in s². The floor itself is known no better than
    /// to a fraction of the usual excess.
    fn noise(&self, delay: Span) -> f64 {
        let excess = (delay.as_seconds() - self.least()).max(0.0) + self.excess / 4.0;
        excess * excess / 12.0 + STAMP_NOISE * STAMP_NOISE
    }
}

#[cfg(test)]
mod tests;
