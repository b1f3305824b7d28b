//! chrony's way: a weighted line through as many of the last samples as a line fits.
//!
//! Samples whose delay exceeds the least weigh less, and where one way alone is late their offsets are set right by it.
//! The oldest are dropped as long as the residuals keep to one side of the line for too long, the clock is slewed to
//! the line at a pace set by how far it is usually off, and the poll interval follows the number of samples that could
//! be kept. All of it is behaviour, as chrony.conf(5), the project's documents and logs show it, in code of our own.
//!
//! Keeping at least 3 samples it errs as an earlier stand-in of the same kind, within 5 % in all 24 cells of the
//! example `yardsticks` with fixed polls and within 12 % in the 12 with its own schedule, whose mean polls are within
//! 4 %. In plain jitter that stand-in was within 10 % of a real chronyd on the same packets. By default at least 6 are
//! kept, as in the original: that is 3 % more where at polls of 64 s a real chronyd erred 3 % more than the stand-in,
//! and a quarter more where the oscillator wanders by many times the jitter between two polls.
//!
//! What is left out, since the laboratory has nothing that needs it: several sources, reference clocks, the delay of
//! the kernel's clock, dispersion (the precision of the stamps is perfect here) and all limits on steps.

mod clock;
mod leaning;
mod register;
mod schedule;

use crate::lab::{Exchange, Guess, Method};
use crate::yardstick::Reading;
use clock::Clock;
use register::{Fit, Register};
use schedule::Schedule;

pub use schedule::Polls;

/// A sample whose delay exceeds the least by so many standard deviations of the residuals is doubted (the default of
/// `maxdelaydevratio`).
const DELAY_DEVIATIONS_MAX: f64 = 10.0;

/// The clock is taken to change its rate by no more than this on its own (the default of `maxclockerror`, 1 ppm).
const CLOCK_ERROR_MAX: f64 = 1e-6;

/// Weighted regression of one source.
#[derive(Clone, Debug)]
pub struct Regression {
    register: Register,
    fit: Option<Fit>,
    clock: Option<Clock>,
    schedule: Schedule,
}

impl Regression {
    /// One that has heard nothing and keeps at least 6 samples, as by default.
    pub fn new(polls: Polls) -> Self {
        Self { register: Register::new(6), fit: None, clock: None, schedule: Schedule::new(polls) }
    }

    /// The same, but it keeps at least so many samples (`minsamples`, from 3 to 64), whether or not a line fits them.
    /// Fewer serve a clock better that wanders by more than the jitter between two polls.
    pub fn keeping(self, samples_min: usize) -> Self {
        Self { register: Register::new(samples_min), ..self }
    }

    /// How far the reading is from what the line foresaw.
    fn surprise(&self, reading: &Reading) -> Option<f64> {
        self.fit.map(|fit| (reading.offset - fit.offset_at(reading.at)).abs())
    }

    /// A reading is refused if it took far longer than the shortest, unless it is also further off than the delay can
    /// explain: then the clock may have moved. The longer nothing was taken, the more is allowed, so that a path that
    /// has become longer for good is believed in the end.
    fn refuses(&self, reading: &Reading) -> bool {
        let (Some(fit), Some(surprise)) = (self.fit, self.surprise(reading)) else { return false };
        let excess = (reading.delay - self.register.delay_min()) / 2.0;
        let drift = (fit.skew + CLOCK_ERROR_MAX) * (reading.at - fit.at);
        let allowed = fit.spread * DELAY_DEVIATIONS_MAX + drift;
        self.register.len() >= 6 && excess > allowed && surprise - excess <= allowed
    }

    fn accept(&mut self, reading: Reading, now: f64) {
        let surprise = self.surprise(&reading);
        self.register.push(reading);
        self.fit = self.register.fit();
        if let Some(fit) = self.fit {
            self.clock.get_or_insert_with(|| Clock::new(&fit)).follow(&fit, now);
        }
        self.schedule.kept(self.register.len(), surprise.unwrap_or(0.0), reading.delay / 2.0);
    }
}

impl Method for Regression {
    fn hear(&mut self, exchange: &Exchange) {
        let reading = Reading::of(exchange);
        if self.refuses(&reading) {
            self.schedule.refused();
        } else {
            self.accept(reading, exchange.at);
        }
    }

    fn guess(&mut self, at: f64) -> Option<Guess> {
        let (fit, clock) = (self.fit?, self.clock?);
        Some(Guess { offset: clock.offset_at(at), sigma: fit.sigma_at(at) })
    }

    fn wait(&self) -> Option<f64> {
        Some(self.schedule.interval())
    }
}
