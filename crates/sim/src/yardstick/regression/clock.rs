//! The clock that the regression steers: its rate, and the slew that brings it to the line.

use super::register::Fit;

/// The new rate weighs so many times more than the old one of the same uncertainty.
const NEW_RATE_WEIGHT: f64 = 3.0;

/// How many update intervals a correction of usual size takes (the default of `corrtimeratio`).
const CORRECTION_INTERVALS: f64 = 3.0;

/// No slew takes less, in seconds, ..
const SLEW_MIN: f64 = 1.0;

/// .. or more.
const SLEW_MAX: f64 = 1e4;

/// The fastest slew (the default of `maxslewrate` on Linux).
const SLEW_RATE_MAX: f64 = 0.083_333;

/// A clock that is never stepped once it runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// When it was steered last, by the counter.
    at: f64,
    /// What it said then, truth minus counter.
    offset: f64,
    rate: f64,
    /// How well the rate is known.
    skew: f64,
    /// What the slew adds to the rate..
    slew: f64,
    /// ..for so long.
    slewing: f64,
}

impl Clock {
    /// A clock that has just been set by the first line.
    pub(super) fn new(fit: &Fit) -> Self {
        Self { at: fit.at, offset: fit.offset, rate: fit.rate, skew: 1.0, slew: 0.0, slewing: 0.0 }
    }

    /// Truth minus counter as this clock has it.
    pub(super) fn offset_at(&self, at: f64) -> f64 {
        let passed = at - self.at;
        self.offset + self.rate * passed + self.slew * passed.min(self.slewing)
    }

    /// Takes over a new line: its rate in the measure of its certainty, its offset by slewing.
    pub(super) fn follow(&mut self, fit: &Fit, now: f64) {
        let interval = now - self.at;
        self.offset = self.offset_at(now);
        self.at = now;
        self.take_rate(fit);
        let error = fit.offset_at(now) - self.offset;
        let area = CORRECTION_INTERVALS * 0.5 * fit.offset_sd * interval;
        let wanted = (area / error.abs().max(f64::MIN_POSITIVE)).clamp(SLEW_MIN, SLEW_MAX);
        self.slewing = wanted.max(error.abs() / SLEW_RATE_MAX);
        self.slew = error / self.slewing;
    }

    fn take_rate(&mut self, fit: &Fit) {
        let (old, new) = (NEW_RATE_WEIGHT * self.skew * self.skew, fit.skew * fit.skew);
        let gain = old / (old + new);
        let moved = gain * (fit.rate - self.rate);
        let left = fit.rate - self.rate - moved;
        self.rate += moved;
        let apart = libm::sqrt(moved * moved * (1.0 - gain) + left * left * gain);
        self.skew += gain * (fit.skew - self.skew) + apart;
    }
}
